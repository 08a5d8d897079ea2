//! What a verifier needs of the SRS.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::AffineRepr;
use tribute_core::srs::SrsPoints;

use crate::elements::{point, point_g2};

type G2Prepared = <Bn254 as Pairing>::G2Prepared;

/// `[1]₁`, `[1]₂` and `[s]₂`, the latter two prepared for pairings.
#[derive(Clone, Debug)]
pub struct VerifierSrs {
    pub(crate) g1: G1Affine,
    pub(crate) g2: G2Prepared,
    pub(crate) s_g2: G2Prepared,
}

impl VerifierSrs {
    /// From points of the SRS; `None` if one is off its curve or not in its group of prime order.
    #[must_use]
    pub fn new(g1: G1Affine, g2: G2Affine, s_g2: G2Affine) -> Option<Self> {
        let in_group = |p: &G2Affine| p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve() && !p.is_zero();
        let sound = g1.is_on_curve() && !g1.is_zero() && in_group(&g2) && in_group(&s_g2);
        sound.then(|| VerifierSrs { g1, g2: g2.into(), s_g2: s_g2.into() })
    }

    /// From the points' bytes; `None` as for [`VerifierSrs::new`], and if a coordinate is not below the modulus.
    #[must_use]
    pub fn read(points: &SrsPoints) -> Option<Self> {
        Self::new(point(&points.g1)?, point_g2(&points.g2)?, point_g2(&points.tau_g2)?)
    }
}
