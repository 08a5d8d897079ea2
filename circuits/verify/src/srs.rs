//! The part of the SRS that a verifier needs.

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
    /// Checks points of the SRS; `None` if one is off its curve or outside the group of prime order.
    #[must_use]
    pub fn new(g1: G1Affine, g2: G2Affine, s_g2: G2Affine) -> Option<Self> {
        let in_group = |p: &G2Affine| p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve() && !p.is_zero();
        let sound = g1.is_on_curve() && !g1.is_zero() && in_group(&g2) && in_group(&s_g2);
        sound.then(|| VerifierSrs { g1, g2: g2.into(), s_g2: s_g2.into() })
    }

    /// Decodes and checks the points; `None` as for [`VerifierSrs::new`], or if a coordinate is not below the modulus.
    #[must_use]
    pub fn read(points: &SrsPoints) -> Option<Self> {
        Self::new(point(&points.g1)?, point_g2(&points.g2)?, point_g2(&points.tau_g2)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fq, Fq2};
    use ark_ff::{BigInteger as _, PrimeField as _};

    fn words<const N: usize>(coordinates: &[Fq]) -> [u8; N] {
        coordinates.iter().flat_map(|c| c.into_bigint().to_bytes_be()).collect::<Vec<u8>>().try_into().unwrap()
    }

    fn g2_bytes(p: G2Affine) -> [u8; 128] {
        words(&[p.x.c1, p.x.c0, p.y.c1, p.y.c0])
    }

    fn generators() -> SrsPoints {
        let (g1, g2) = (G1Affine::generator(), g2_bytes(G2Affine::generator()));
        SrsPoints { g1: words(&[g1.x, g1.y]), g2, tau_g2: g2 }
    }

    #[test]
    fn points_are_read_imaginary_part_first() {
        let read = VerifierSrs::read(&generators()).unwrap();
        assert_eq!(read.g1, G1Affine::generator());
        assert_eq!(read.g2, G2Affine::generator().into());
        let mut swapped = generators();
        swapped.g2.rotate_left(32);
        assert!(VerifierSrs::read(&swapped).is_none());
    }

    #[test]
    fn what_is_no_point_of_its_group_is_refused() {
        // a point on the curve over the extension field that is not in the group
        let outside = (1u64..)
            .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0u64)), false))
            .unwrap();
        assert!(
            VerifierSrs::read(&SrsPoints { tau_g2: g2_bytes(outside), ..generators() }).is_none(),
            "outside the group"
        );
        assert!(VerifierSrs::read(&SrsPoints { g2: [0; 128], ..generators() }).is_none(), "infinity in G2");
        assert!(VerifierSrs::read(&SrsPoints { g1: [0; 64], ..generators() }).is_none(), "infinity in G1");
        // the generator of G1 is (1, 2): 1 + p is the same residue in another encoding
        let mut g1 = generators().g1;
        let mut x = Fq::MODULUS;
        x.add_with_carry(&1u64.into());
        g1[..32].copy_from_slice(&x.to_bytes_be());
        assert!(VerifierSrs::read(&SrsPoints { g1, ..generators() }).is_none(), "not canonical");
    }
}
