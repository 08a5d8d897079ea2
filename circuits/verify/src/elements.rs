//! Decodes field elements and points; anything but the canonical encoding is rejected.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use ark_ff::{BigInt, Field, One, PrimeField};
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::halo2curves::ff::PrimeField as _;
use halo2_proofs::halo2curves::CurveAffine as _;

/// The element of a big-endian word; `None` if it is not below the modulus.
pub(crate) fn scalar(word: &[u8; 32]) -> Option<Fr> {
    Fr::from_bigint(integer(word))
}

/// The point encoded as `x‖y`; `None` if it is off the curve, at infinity, or a coordinate is not below the modulus.
pub(crate) fn point(bytes: &[u8; 64]) -> Option<G1Affine> {
    let point = G1Affine::new_unchecked(coordinate(bytes, 0)?, coordinate(bytes, 32)?);
    // the curve has prime order, so every point on it is in the group. arkworks treats (0, 0) as infinity and as on the
    // curve.
    (point.is_on_curve() && !point.is_zero()).then_some(point)
}

/// The point of G2 with these coordinates, imaginary parts first; `None` if a coordinate is not below the modulus. The
/// caller checks that it is on the curve and in the group.
pub(crate) fn point_g2(bytes: &[u8; 128]) -> Option<G2Affine> {
    let pair = |at: usize| Some(Fq2::new(coordinate(bytes, at + 32)?, coordinate(bytes, at)?));
    Some(G2Affine::new_unchecked(pair(0)?, pair(64)?))
}

fn coordinate(bytes: &[u8], at: usize) -> Option<Fq> {
    Fq::from_bigint(integer(bytes[at..at + 32].try_into().ok()?))
}

/// An element as a big-endian word.
pub(crate) fn word(x: &Fr) -> [u8; 32] {
    let mut out = [0; 32];
    for (bytes, limb) in out.chunks_exact_mut(8).zip(x.into_bigint().0.iter().rev()) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    out
}

fn integer(word: &[u8; 32]) -> BigInt<4> {
    let limb = |at: usize| word[at..at + 8].iter().fold(0u64, |limb, byte| (limb << 8) | u64::from(*byte));
    BigInt([limb(24), limb(16), limb(8), limb(0)])
}

/// Converts an element of a verifying key.
pub(crate) fn from_halo2(x: &bn256::Fr) -> Fr {
    Fr::from_le_bytes_mod_order(x.to_repr().as_ref())
}

/// Converts a fixed column's commitment. A column of zeros commits to the point at infinity.
pub(crate) fn point_from_halo2(p: &bn256::G1Affine) -> G1Affine {
    let Some(coordinates) = Option::<halo2_proofs::halo2curves::Coordinates<_>>::from(p.coordinates()) else {
        return G1Affine::identity();
    };
    let coordinate = |c: &bn256::Fq| Fq::from_le_bytes_mod_order(c.to_repr().as_ref());
    G1Affine::new_unchecked(coordinate(coordinates.x()), coordinate(coordinates.y()))
}

/// 1, x, x², …
pub(crate) fn powers(x: Fr) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::one()), move |power| Some(*power * x))
}

/// Values at `u` of the Lagrange polynomials over `points`; `None` if two points are equal.
pub(crate) fn lagrange(points: &[Fr], u: Fr) -> Option<Vec<Fr>> {
    points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let others = || points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, q)| q);
            let denominator: Fr = others().map(|q| *p - q).product();
            let numerator: Fr = others().map(|q| u - q).product();
            Some(numerator * denominator.inverse()?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;

    #[test]
    fn words_are_canonical() {
        let mut modulus = word(&-Fr::one());
        modulus[31] += 1; // the last byte of r − 1 is even
        assert_eq!(scalar(&modulus), None);
        assert_eq!(scalar(&word(&-Fr::one())), Some(-Fr::one()));
        assert_eq!(scalar(&word(&Fr::from(0x0102u64))), Some(Fr::from(0x0102u64)));
        assert_eq!(scalar(&[0xff; 32]), None);
    }

    #[test]
    fn points_are_on_the_curve() {
        let mut bytes = [0; 64];
        assert_eq!(point(&bytes), None, "infinity as zeros");
        (bytes[31], bytes[63]) = (1, 2);
        assert_eq!(point(&bytes), Some(G1Affine::generator()));
        bytes[63] = 3;
        assert_eq!(point(&bytes), None);
    }

    #[test]
    fn halo2s_values_keep_their_value() {
        assert_eq!(from_halo2(&-bn256::Fr::from(5)), -Fr::from(5u64));
        assert_eq!(point_from_halo2(&bn256::G1Affine::generator()), G1Affine::generator());
        assert_eq!(point_from_halo2(&bn256::G1Affine::identity()), G1Affine::identity());
    }
}
