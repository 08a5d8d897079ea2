//! What a verifier needs of the SRS.

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::halo2curves::ff::PrimeField as _;
use halo2_proofs::halo2curves::CurveAffine as _;
use halo2_proofs::poly::commitment::ParamsProver as _;

use super::elements::point_from_halo2;
use crate::srs::Srs;

type G2Prepared = <Bn254 as Pairing>::G2Prepared;

/// `[1]₁`, `[1]₂` and `[s]₂`, the latter two prepared for pairings.
#[derive(Clone, Debug)]
pub struct VerifierSrs {
    pub(super) g1: G1Affine,
    pub(super) g2: G2Prepared,
    pub(super) s_g2: G2Prepared,
}

impl VerifierSrs {
    /// From points of the SRS; `None` if one is off its curve or not in its group of prime order.
    #[must_use]
    pub fn new(g1: G1Affine, g2: G2Affine, s_g2: G2Affine) -> Option<Self> {
        let in_group = |p: &G2Affine| p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve() && !p.is_zero();
        let sound = g1.is_on_curve() && !g1.is_zero() && in_group(&g2) && in_group(&s_g2);
        sound.then(|| VerifierSrs { g1, g2: g2.into(), s_g2: s_g2.into() })
    }

    /// From an SRS for proving; `None` as for [`VerifierSrs::new`].
    #[must_use]
    pub fn of(srs: &Srs) -> Option<Self> {
        let params = srs.params();
        Self::new(point_from_halo2(params.get_g().first()?), convert(&params.g2())?, convert(&params.s_g2())?)
    }
}

fn convert(p: &bn256::G2Affine) -> Option<G2Affine> {
    let coordinates = Option::<halo2_proofs::halo2curves::Coordinates<_>>::from(p.coordinates())?;
    let base = |c: &bn256::Fq| Fq::from_le_bytes_mod_order(c.to_repr().as_ref());
    let pair = |c: &bn256::Fq2| Fq2::new(base(&c.c0), base(&c.c1));
    Some(G2Affine::new_unchecked(pair(coordinates.x()), pair(coordinates.y())))
}
