//! Moves elements between memory and lanes: all loads and stores of the vector code.

use halo2curves::bn256::{Fq, G1Affine};

use super::field::{Mask, V};
use super::isa::*;
use super::prime::Field;
use super::LANES;
use crate::points::Point;

/// Lane order of eight consecutive elements: lane i holds element `ORDER[i]`. The permutation is its own inverse.
pub(super) const ORDER: [usize; LANES] = [0, 2, 1, 3, 4, 6, 5, 7];

const _: () = {
    // assumptions of the loads and stores below
    assert!(size_of::<[Fq; LANES]>() == 4 * size_of::<V>());
    assert!(size_of::<Point>() == size_of::<V>() && align_of::<Point>() == align_of::<V>());
    assert!(size_of::<G1Affine>() == size_of::<V>());
};

/// Loads eight elements, one word of each per register, in [`ORDER`].
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn load<F: Field>(elements: &[F; LANES]) -> [V; 4] {
    const { assert!(size_of::<[F; LANES]>() == 4 * size_of::<V>()) };
    let at = elements.as_ptr().cast::<V>();
    // SAFETY: 4 registers are exactly the 8 elements; the loads need no alignment, and a `Field` is plain words.
    let [a, b, c, d] = unsafe {
        [
            _mm512_loadu_si512(at),
            _mm512_loadu_si512(at.add(1)),
            _mm512_loadu_si512(at.add(2)),
            _mm512_loadu_si512(at.add(3)),
        ]
    };
    let (even_a, odd_a) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let (even_b, odd_b) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(even_a, even_b),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(odd_a, odd_b),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(even_a, even_b),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(odd_a, odd_b),
    ]
}

/// Inverse of [`load`]. The words must be below p.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn store<F: Field>(elements: &mut [F; LANES], words: &[V; 4]) {
    const { assert!(size_of::<[F; LANES]>() == 4 * size_of::<V>()) };
    let [w, x, y, z] = *words;
    let (low_a, low_b) = (_mm512_unpacklo_epi64(w, x), _mm512_unpacklo_epi64(y, z));
    let (high_a, high_b) = (_mm512_unpackhi_epi64(w, x), _mm512_unpackhi_epi64(y, z));
    let first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    let last = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    let at = elements.as_mut_ptr().cast::<V>();
    // SAFETY: 4 registers are exactly the 8 elements; the stores need no alignment, and any words are a valid `Field`.
    unsafe {
        _mm512_storeu_si512(at, _mm512_permutex2var_epi64(low_a, first, low_b));
        _mm512_storeu_si512(at.add(1), _mm512_permutex2var_epi64(high_a, first, high_b));
        _mm512_storeu_si512(at.add(2), _mm512_permutex2var_epi64(low_a, last, low_b));
        _mm512_storeu_si512(at.add(3), _mm512_permutex2var_epi64(high_a, last, high_b));
    }
}

/// The words of one point: x, then y.
pub(super) type Row = V;

/// Loads a point.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn load_point(point: &Point) -> Row {
    // SAFETY: a point is a whole register and aligned as one; `Fq` is plain words.
    unsafe { _mm512_load_si512(core::ptr::from_ref(point).cast()) }
}

/// [`load_point`] for a point that need not be aligned.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn load_affine(point: &G1Affine) -> Row {
    // SAFETY: a point is as large as a register; the load needs no alignment, and `Fq` is plain words.
    unsafe { _mm512_loadu_si512(core::ptr::from_ref(point).cast()) }
}

/// Inverse of [`load_point`]. Both coordinates must be below p.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn to_point(words: Row) -> Point {
    let mut point = Point::IDENTITY;
    // SAFETY: a point is a whole register and aligned as one; any words are a valid `Fq`.
    unsafe { _mm512_store_si512(core::ptr::from_mut(&mut point).cast(), words) };
    point
}

/// Prefetches a point that will be needed soon.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn prefetch(point: &Point) {
    _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(point).cast());
}

/// The values of the lanes.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn to_lanes(v: V) -> [u64; LANES] {
    let mut out = [0; 8];
    // SAFETY: the array is as large as the register; the store needs no alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), v) };
    out
}

/// Inverse of [`to_lanes`].
#[cfg(test)]
pub(super) fn of_lanes(lanes: [u64; LANES]) -> V {
    let [a, b, c, d, e, f, g, h] = lanes.map(|x| x as i64);
    _mm512_set_epi64(h, g, f, e, d, c, b, a)
}

/// The lanes whose number has its lowest bit set.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn odd_lanes(numbers: &[u32; LANES]) -> Mask {
    // through memory: otherwise the compiler would build the mask bit by bit from eight registers
    let numbers = core::hint::black_box(numbers);
    // SAFETY: eight numbers are 32 bytes; the load needs no alignment.
    let numbers = unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) };
    _mm512_test_epi64_mask(_mm512_cvtepu32_epi64(numbers), _mm512_set1_epi64(1))
}

/// The first `n` lanes, at least one.
#[inline(always)]
pub(super) fn first_lanes(n: usize) -> Mask {
    Mask::MAX >> (LANES - n)
}

/// The lanes whose words are not all 0.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn nonzero_lanes(words: &[V; 4]) -> Mask {
    let [a, b, c, d] = *words;
    let any = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
    _mm512_test_epi64_mask(any, any)
}

/// Coordinates x and y of points, one word of all points per register.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn words_of_points(rows: [Row; LANES]) -> [[V; 4]; 2] {
    let [a, b, c, d, y @ ..] = transpose(rows);
    [[a, b, c, d], y]
}

/// Inverse of [`words_of_points`].
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn points_of_words(words: [[V; 4]; 2]) -> [Row; LANES] {
    let [[a, b, c, d], [e, f, g, h]] = words;
    transpose([a, b, c, d, e, f, g, h])
}

/// Transposes: lane j of register i becomes lane i of register j.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
pub(super) fn transpose(rows: [V; LANES]) -> [V; LANES] {
    let mut out = rows;
    for half in 0..2 {
        let mut pairs = [rows[0]; 4];
        for (pair, rows) in pairs.iter_mut().zip(rows.as_chunks::<2>().0) {
            let [a, b] = *rows;
            *pair = if half == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) };
        }
        let [a, b, c, d] = pairs;
        // quarters 0 and 2, then 1 and 3, of two rows each
        let (even_ab, odd_ab) = (even_quarters(a, b), odd_quarters(a, b));
        let (even_cd, odd_cd) = (even_quarters(c, d), odd_quarters(c, d));
        out[half] = even_quarters(even_ab, even_cd);
        out[2 + half] = even_quarters(odd_ab, odd_cd);
        out[4 + half] = odd_quarters(even_ab, even_cd);
        out[6 + half] = odd_quarters(odd_ab, odd_cd);
    }
    out
}

#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
fn even_quarters(a: V, b: V) -> V {
    _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b)
}

#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
fn odd_quarters(a: V, b: V) -> V {
    _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b)
}
