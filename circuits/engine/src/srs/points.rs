//! Points in raw form, as in powers-of-tau files and halo2curves: each coordinate is 32 bytes, little-endian, in
//! Montgomery form with R = 2^256, which arkworks uses too.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::halo2curves::serde::SerdeObject;

use super::error::PointProblem;

/// Length of a G1 point in bytes.
pub(super) const G1_BYTES: usize = 64;
/// Length of a G2 point in bytes.
pub(super) const G2_BYTES: usize = 128;

/// Decodes a point of G1; rejects the point at infinity. G1 has prime order, so being on the curve implies being in the
/// group.
pub(super) fn g1(raw: &[u8; G1_BYTES]) -> Result<G1Affine, PointProblem> {
    let [x, y] = [0, 32].map(|at| coordinate(raw, at));
    let (x, y) = (x.ok_or(PointProblem::NotCanonical)?, y.ok_or(PointProblem::NotCanonical)?);
    if raw.iter().all(|b| *b == 0) {
        return Err(PointProblem::Infinity);
    }
    let point = G1Affine::new_unchecked(x, y);
    point.is_on_curve().then_some(point).ok_or(PointProblem::OffCurve)
}

/// Decodes a point of the prime-order group G2; rejects the point at infinity.
pub(super) fn g2(raw: &[u8; G2_BYTES]) -> Result<G2Affine, PointProblem> {
    let mut c = [Fq::default(); 4];
    for (i, c) in c.iter_mut().enumerate() {
        *c = coordinate(raw, 32 * i).ok_or(PointProblem::NotCanonical)?;
    }
    if raw.iter().all(|b| *b == 0) {
        return Err(PointProblem::Infinity);
    }
    let point = G2Affine::new_unchecked(Fq2::new(c[0], c[1]), Fq2::new(c[2], c[3]));
    if !point.is_on_curve() {
        return Err(PointProblem::OffCurve);
    }
    point.is_in_correct_subgroup_assuming_on_curve().then_some(point).ok_or(PointProblem::OutsideSubgroup)
}

/// A point of halo2's as one of arkworks'.
pub(super) fn to_ark(point: &bn256::G1Affine) -> G1Affine {
    // what is encoded is on the curve, so only the point at infinity is refused
    point.to_raw_bytes().as_slice().try_into().ok().and_then(|raw| g1(raw).ok()).unwrap_or_else(G1Affine::zero)
}

fn coordinate(raw: &[u8], at: usize) -> Option<Fq> {
    let mut limbs = [0u64; 4];
    for (limb, bytes) in limbs.iter_mut().zip(raw.get(at..at + 32)?.chunks_exact(8)) {
        *limb = bytes.iter().rev().fold(0, |limb, byte| (limb << 8) | u64::from(*byte));
    }
    let limbs = BigInt(limbs);
    (limbs < Fq::MODULUS).then(|| Fq::new_unchecked(limbs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
    use halo2_proofs::halo2curves::group::Curve;

    fn raw<const N: usize>(point: &impl SerdeObject) -> [u8; N] {
        point.to_raw_bytes().try_into().unwrap()
    }

    #[test]
    fn raw_points_are_the_same_points_on_both_sides() {
        let three = bn256::Fr::from(3);
        let (a, b) = (bn256::G1Affine::generator(), bn256::G2Affine::generator());
        assert_eq!(g1(&raw(&a)), Ok(G1Affine::generator()));
        assert_eq!(g2(&raw(&b)), Ok(G2Affine::generator()));
        let expected: G1Affine = (G1Affine::generator() * ark_bn254::Fr::from(3u64)).into();
        assert_eq!(g1(&raw(&(a * three).to_affine())), Ok(expected));
        assert_eq!(to_ark(&(a * three).to_affine()), expected);
        assert_eq!(to_ark(&bn256::G1Affine::identity()), G1Affine::zero());
        let expected: G2Affine = (G2Affine::generator() * ark_bn254::Fr::from(3u64)).into();
        assert_eq!(g2(&raw(&(b * three).to_affine())), Ok(expected));
    }

    #[test]
    fn every_other_encoding_is_refused_for_its_reason() {
        let good: [u8; 64] = raw(&bn256::G1Affine::generator());
        assert_eq!(g1(&[0; 64]), Err(PointProblem::Infinity));
        assert_eq!(g2(&[0; 128]), Err(PointProblem::Infinity));
        assert_eq!(g1(&[0xff; 64]), Err(PointProblem::NotCanonical));
        let mut bad = good;
        bad[0] ^= 1;
        assert_eq!(g1(&bad), Err(PointProblem::OffCurve));
        // x + p is the same residue in another encoding
        let mut bad = good;
        let mut carry = 0u16;
        for (byte, add) in bad[..32].iter_mut().zip(Fq::MODULUS.0.iter().flat_map(|l| l.to_le_bytes())) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(carry, 0);
        assert_eq!(g1(&bad), Err(PointProblem::NotCanonical));
        // a point on the curve over the extension field that is not in the group
        let outside = (1u64..)
            .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0u64)), false))
            .unwrap();
        let mut bytes = Vec::new();
        for c in [outside.x.c0, outside.x.c1, outside.y.c0, outside.y.c1] {
            bytes.extend(c.0 .0.iter().flat_map(|l| l.to_le_bytes()));
        }
        assert_eq!(g2(&bytes.try_into().unwrap()), Err(PointProblem::OutsideSubgroup));
    }
}
