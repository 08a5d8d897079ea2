//! Conversions between tribute-core's field elements (arkworks), halo2's field elements, integers and words.

use ethnum::{I256, U256};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::CurveAffine;
use rayon::prelude::*;
use tribute_core::receipt::to_word;
use tribute_simd::Backend;

/// Converts a tribute-core element to halo2's type.
#[must_use]
pub fn from_core(x: &tribute_core::Fr) -> Fr {
    from_word(&to_word(x)).unwrap_or_default() // a canonical element is always below the modulus
}

/// Converts a halo2 element to tribute-core's type.
#[must_use]
pub fn to_core(x: &Fr) -> tribute_core::Fr {
    tribute_core::receipt::from_word(&word(x)).unwrap_or_default()
}

/// A signed integer as a field element: negative values are `r − |v|`.
#[must_use]
pub fn from_i128(v: i128) -> Fr {
    let magnitude = v.unsigned_abs();
    // the library's own `from_u128` doubles 64 times
    let x = match u64::try_from(magnitude) {
        Ok(small) => Fr::from(small),
        Err(_) => Fr::from_raw([magnitude as u64, (magnitude >> 64) as u64, 0, 0]),
    };
    if v < 0 {
        -x
    } else {
        x
    }
}

/// A signed integer of magnitude below the modulus as a field element.
#[must_use]
pub fn from_i256(v: &I256) -> Fr {
    let x = from_u256(&v.unsigned_abs());
    if v.is_negative() {
        -x
    } else {
        x
    }
}

/// An unsigned integer below `2^256`, reduced modulo r.
#[must_use]
pub fn from_u256(v: &U256) -> Fr {
    let (hi, lo) = v.into_words();
    Fr::from_raw([lo as u64, (lo >> 64) as u64, hi as u64, (hi >> 64) as u64])
}

/// `2^n`.
#[must_use]
pub fn two_to(n: u32) -> Fr {
    let Some(rest) = n.checked_sub(256) else {
        let mut words = [0; 4];
        words[n as usize / 64] = 1 << (n % 64);
        return Fr::from_raw(words);
    };
    two_to(255) * two_to(rest + 1)
}

/// Number of elements that a thread processes at a time.
const PART: usize = 1 << 12;

/// Replaces every non-zero element by its inverse; zeros stay zero.
pub fn batch_invert(values: &mut [Fr]) {
    let backend = Backend::best();
    values.par_chunks_mut(PART).for_each(|part| tribute_simd::batch_invert(backend, part));
}

/// `sums[i] += factor·values[i]`, on all threads; there may be fewer values than sums.
pub fn add_scaled(backend: Backend, sums: &mut [Fr], factor: Fr, values: &[Fr]) {
    let parts = sums.par_chunks_mut(PART).zip(values.par_chunks(PART));
    parts.for_each(|(sums, values)| tribute_simd::add_scaled(backend, sums, factor, values));
}

/// The element as an integer below the modulus.
#[must_use]
pub fn to_u256(x: &Fr) -> U256 {
    U256::from_le_bytes(x.to_repr())
}

/// The element as a big-endian word, as contracts use.
#[must_use]
pub fn word(x: &Fr) -> [u8; 32] {
    let mut w: [u8; 32] = x.to_repr();
    w.reverse();
    w
}

/// The element of a big-endian word; `None` if it is not below the modulus.
#[must_use]
pub fn from_word(w: &[u8; 32]) -> Option<Fr> {
    let mut le = *w;
    le.reverse();
    Option::from(Fr::from_repr(le))
}

/// Divides the polynomial by `X − root` and drops the remainder. The length stays the same, so the highest coefficient
/// becomes 0. All threads work on long polynomials.
#[must_use]
pub fn divide(backend: Backend, p: Vec<Fr>, root: Fr) -> Vec<Fr> {
    let part = p.len().div_ceil(rayon::current_num_threads()).max(PART);
    divide_in_parts(backend, p, root, part)
}

/// [`divide`], `part` coefficients at a time. The quotient's highest coefficient in a part is the value at the root of all
/// parts above it, as a polynomial of its own.
fn divide_in_parts(backend: Backend, mut p: Vec<Fr>, root: Fr, part: usize) -> Vec<Fr> {
    let above: Vec<&[Fr]> = p.chunks(part).skip(1).collect();
    let values: Vec<Fr> = above.par_iter().map(|part| tribute_simd::evaluate(backend, part, root)).collect();
    let step = root.pow_vartime([part as u64]);
    // highest part first; a part that is not full has none above it
    let mut carries = vec![Fr::zero()];
    for value in values.iter().rev() {
        carries.push(carries[carries.len() - 1] * step + value);
    }
    p.par_chunks_mut(part).zip(carries.into_par_iter().rev()).for_each(|(part, mut carry)| {
        for c in part.iter_mut().rev() {
            let next = *c + carry * root;
            *c = carry;
            carry = next;
        }
    });
    p
}

/// A point as `x‖y`, big-endian words; `None` for the point at infinity.
#[must_use]
pub fn point_bytes(p: &G1Affine) -> Option<[u8; 64]> {
    if bool::from(p.is_identity()) {
        return None;
    }
    let coordinates = Option::<halo2_proofs::halo2curves::Coordinates<G1Affine>>::from(p.coordinates())?;
    let mut out = [0; 64];
    for (half, c) in out.chunks_exact_mut(32).zip([coordinates.x(), coordinates.y()]) {
        let mut w: [u8; 32] = c.to_repr();
        w.reverse();
        half.copy_from_slice(&w);
    }
    Some(out)
}

/// The point encoded as `x‖y`; `None` if it is off the curve or a coordinate is not below the modulus.
#[must_use]
pub fn point_from_bytes(bytes: &[u8; 64]) -> Option<G1Affine> {
    let coordinate = |half: &[u8]| {
        let mut le: [u8; 32] = half.try_into().ok()?;
        le.reverse();
        Option::<Fq>::from(Fq::from_repr(le))
    };
    let (x, y) = (coordinate(&bytes[..32])?, coordinate(&bytes[32..])?);
    let point = Option::<G1Affine>::from(G1Affine::from_xy(x, y))?;
    point_bytes(&point).is_some().then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_words_round_trip() {
        for v in [0i128, 1, -1, u64::MAX.into(), 1 << 64, i128::MAX, i128::MIN + 1, i128::MIN] {
            let x = from_i128(v);
            assert_eq!(from_i256(&I256::from(v)), x);
            assert_eq!(from_word(&word(&x)), Some(x));
            assert_eq!(from_core(&to_core(&x)), x);
        }
        assert_eq!(from_word(&[0xff; 32]), None);
        assert_eq!(to_u256(&two_to(200)), U256::ONE << 200);
        for n in [0, 1, 63, 64, 255, 256, 257, 511, 512, 600] {
            assert_eq!(two_to(n), Fr::from(2).pow_vartime([u64::from(n)]), "2^{n}");
        }
        // above the modulus, up to the largest
        for v in [U256::ONE << 254, U256::MAX - 1, U256::MAX] {
            let (hi, lo) = v.into_words();
            assert_eq!(from_u256(&v), Fr::from_u128(hi) * two_to(128) + Fr::from_u128(lo));
        }
    }

    #[test]
    fn quotients_times_the_divisor_are_the_polynomial() {
        let root = Fr::from(12_345);
        for n in [0, 1, 2, 99, 100, 101, 1000] {
            let p: Vec<Fr> = (0..n).map(|i| Fr::from(i).square() - Fr::from(7)).collect();
            for part in [1, 2, 10, 50, 99, 100, 101, 2000] {
                let q = divide_in_parts(Backend::best(), p.clone(), root, part);
                assert_eq!(q.len(), p.len());
                assert!(q.last().is_none_or(|c| *c == Fr::ZERO));
                for (i, c) in p.iter().enumerate().skip(1) {
                    assert_eq!(q[i - 1] - root * q[i], *c, "{n} coefficients, {part} at a time, at {i}");
                }
            }
            assert_eq!(divide(Backend::best(), p.clone(), root), divide_in_parts(Backend::best(), p, root, 2000));
        }
    }

    #[test]
    fn points_round_trip_and_bad_ones_are_refused() {
        let g = G1Affine::generator();
        let mut b = point_bytes(&g).unwrap();
        assert_eq!(point_from_bytes(&b), Some(g));
        b[63] ^= 1;
        assert_eq!(point_from_bytes(&b), None);
        assert_eq!(point_from_bytes(&[0; 64]), None);
    }
}
