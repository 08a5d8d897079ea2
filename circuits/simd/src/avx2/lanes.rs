//! Moves elements between memory and lanes: all loads and stores of the vector code.

use core::arch::x86_64::*;

use halo2curves::bn256::{Fq, G1Affine};

use super::prime::Field;
use super::registers::{Mask, V};
use super::LANES;
use crate::points::Point;

/// Lane order of consecutive elements: lane i holds element `ORDER[i]`.
pub(super) const ORDER: [usize; LANES] = [0, 1, 2, 3];

/// The words of one point: x, then y.
pub(super) type Row = [V; 2];

const _: () = {
    // assumptions of the loads and stores below
    assert!(size_of::<[Fq; LANES]>() == 4 * size_of::<V>());
    assert!(size_of::<Point>() == size_of::<Row>() && align_of::<Point>() >= align_of::<Row>());
    assert!(size_of::<G1Affine>() == size_of::<Row>());
};

vector! {
    /// Loads four elements, one word of each per register.
    #[inline]
    pub(super) fn load<F: Field>(elements: &[F; LANES]) -> [V; 4] {
        const { assert!(size_of::<[F; LANES]>() == 4 * size_of::<V>()) };
        let at = elements.as_ptr().cast::<V>();
        // SAFETY: 4 registers are exactly the 4 elements; the loads need no alignment, and a `Field` is plain words.
        let rows = unsafe {
            [
                _mm256_loadu_si256(at),
                _mm256_loadu_si256(at.add(1)),
                _mm256_loadu_si256(at.add(2)),
                _mm256_loadu_si256(at.add(3)),
            ]
        };
        transpose(rows)
    }

    /// Inverse of [`load`]. The words must be below p.
    #[inline]
    pub(super) fn store<F: Field>(elements: &mut [F; LANES], words: &[V; 4]) {
        const { assert!(size_of::<[F; LANES]>() == 4 * size_of::<V>()) };
        let [a, b, c, d] = transpose(*words);
        let at = elements.as_mut_ptr().cast::<V>();
        // SAFETY: 4 registers are exactly the 4 elements; the stores need no alignment, and any words are a valid
        // `Field`.
        unsafe {
            _mm256_storeu_si256(at, a);
            _mm256_storeu_si256(at.add(1), b);
            _mm256_storeu_si256(at.add(2), c);
            _mm256_storeu_si256(at.add(3), d);
        }
    }

    /// Loads a point.
    #[inline]
    pub(super) fn load_point(point: &Point) -> Row {
        load_affine(&point.0)
    }

    /// [`load_point`] for a point that need not be aligned.
    #[inline]
    pub(super) fn load_affine(point: &G1Affine) -> Row {
        let at = core::ptr::from_ref(point).cast::<V>();
        // SAFETY: a point is as large as two registers; the loads need no alignment, and `Fq` is plain words.
        unsafe { [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))] }
    }

    /// Inverse of [`load_point`]. Both coordinates must be below p.
    #[inline]
    pub(super) fn to_point(words: Row) -> Point {
        let mut point = Point::IDENTITY;
        let at = core::ptr::from_mut(&mut point).cast::<V>();
        // SAFETY: a point is two registers and aligned as one; any words are a valid `Fq`.
        unsafe {
            _mm256_store_si256(at, words[0]);
            _mm256_store_si256(at.add(1), words[1]);
        }
        point
    }

    /// Prefetches a point that will be needed soon.
    #[inline]
    pub(super) fn prefetch(point: &Point) {
        _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(point).cast());
    }

    /// The values of the lanes.
    #[inline]
    pub(super) fn to_lanes(v: V) -> [u64; LANES] {
        let mut out = [0; LANES];
        // SAFETY: the array is as large as the register; the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) };
        out
    }

    /// Inverse of [`to_lanes`].
    #[cfg(test)]
    pub(super) fn of_lanes(lanes: [u64; LANES]) -> V {
        let [a, b, c, d] = lanes.map(|x| x as i64);
        _mm256_set_epi64x(d, c, b, a)
    }

    /// The lanes whose number has its lowest bit set.
    #[inline]
    pub(super) fn odd_lanes(numbers: &[u32; LANES]) -> Mask {
        let [a, b, c, d] = numbers.map(|x| -i64::from(x & 1));
        _mm256_set_epi64x(d, c, b, a)
    }

    /// The first `n` lanes, at least one.
    #[inline]
    pub(super) fn first_lanes(n: usize) -> Mask {
        _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_set_epi64x(3, 2, 1, 0))
    }

    /// The lanes whose words are not all 0.
    #[inline]
    pub(super) fn nonzero_lanes(words: &[V; 4]) -> Mask {
        let [a, b, c, d] = *words;
        let any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        let zero = _mm256_cmpeq_epi64(any, _mm256_setzero_si256());
        _mm256_xor_si256(zero, _mm256_set1_epi64x(-1))
    }

    /// Coordinates x and y of points, one word of all points per register.
    #[inline]
    pub(super) fn words_of_points(rows: [Row; LANES]) -> [[V; 4]; 2] {
        let [[a, e], [b, f], [c, g], [d, h]] = rows;
        [transpose([a, b, c, d]), transpose([e, f, g, h])]
    }

    /// Inverse of [`words_of_points`].
    #[inline]
    pub(super) fn points_of_words(words: [[V; 4]; 2]) -> [Row; LANES] {
        let [[a, b, c, d], [e, f, g, h]] = [transpose(words[0]), transpose(words[1])];
        [[a, e], [b, f], [c, g], [d, h]]
    }

    /// Transposes: lane j of register i becomes lane i of register j.
    #[inline]
    pub(super) fn transpose(rows: [V; LANES]) -> [V; LANES] {
        let [a, b, c, d] = rows;
        let (even_a, odd_a) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        let (even_b, odd_b) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
        [
            _mm256_permute2x128_si256::<0x20>(even_a, even_b),
            _mm256_permute2x128_si256::<0x20>(odd_a, odd_b),
            _mm256_permute2x128_si256::<0x31>(even_a, even_b),
            _mm256_permute2x128_si256::<0x31>(odd_a, odd_b),
        ]
    }
}
