//! Every instruction on edges and random lanes, compared with the CPU's if it has them, and with results from Intel's
//! documentation on any CPU.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;

const EDGES: [u64; 12] =
    [0, 1, 2, MASK - 1, MASK, MASK + 1, MASK << 1, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];

/// Registers with every pair of edges side by side at some place, then random ones.
fn registers() -> Vec<[__m512i; 3]> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut all = Vec::new();
    for shift in 0..EDGES.len() {
        for start in 0..EDGES.len() {
            let edge = |i: usize| EDGES[i % EDGES.len()];
            all.push([lanes(|i| edge(start + i)), lanes(|i| edge(start + i + shift)), lanes(|i| edge(shift + i))]);
        }
    }
    all.extend((0..1000).map(|_| [(); 3].map(|()| __m512i([(); 8].map(|()| rng.next_u64())))));
    all
}

/// With lanes shifted to the right, so that what is computed with them does not overflow.
fn small(a: __m512i, by: u32) -> __m512i {
    lanes(|i| a.0[i] >> by)
}

/// With lanes of either sign below `2^62`.
fn signed(a: __m512i) -> __m512i {
    lanes(|i| (a.0[i] as i64 >> 1) as u64)
}

#[test]
fn instructions_are_the_cpus() {
    for [a, b, c] in registers() {
        _mm512_madd52lo_epu64(small(a, 1), b, c);
        _mm512_madd52hi_epu64(small(a, 1), b, c);
        for (a, b) in [(small(a, 1), small(b, 1)), (signed(a), signed(b))] {
            _mm512_add_epi64(a, b);
            _mm512_sub_epi64(a, b);
        }
        _mm512_mullo_epi64(small(a, 32), small(b, 32));
        _mm512_and_si512(a, b);
        _mm512_or_si512(a, b);
        _mm512_slli_epi64::<0>(a);
        _mm512_slli_epi64::<52>(a);
        _mm512_slli_epi64::<63>(a);
        _mm512_slli_epi64::<64>(a);
        _mm512_srli_epi64::<0>(a);
        _mm512_srli_epi64::<52>(a);
        _mm512_srli_epi64::<63>(a);
        _mm512_srli_epi64::<64>(a);
        _mm512_srai_epi64::<0>(a);
        _mm512_srai_epi64::<52>(a);
        _mm512_srai_epi64::<63>(a);
        _mm512_srai_epi64::<64>(a);
        _mm512_shrdi_epi64::<0>(a, b);
        _mm512_shrdi_epi64::<28>(a, b);
        _mm512_shrdi_epi64::<63>(a, b);
        _mm512_unpacklo_epi64(a, b);
        _mm512_unpackhi_epi64(a, b);
        _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b);
        _mm512_shuffle_i64x2::<0b00_01_10_11>(a, b);
        _mm512_permutex2var_epi64(a, c, b);
        _mm512_mask_mov_epi64(a, c.0[0] as u8, b);
        _mm512_movepi64_mask(a);
        _mm512_test_epi64_mask(a, b);
        _mm512_set1_epi64(a.0[0] as i64);
        let [h, g, f, e, d, c, b, a] = a.0.map(|x| x as i64);
        _mm512_set_epi64(h, g, f, e, d, c, b, a);
        _mm512_cvtepu32_epi64(__m256i([
            a as u32, b as u32, c as u32, d as u32, e as u32, f as u32, g as u32, h as u32,
        ]));
    }
    _mm512_setzero_si512();
}

#[test]
fn instructions_are_the_documented_ones() {
    let (a, b) = (lanes(|i| i as u64), lanes(|i| 8 + i as u64));
    let all = |x: u64| lanes(|_| x);
    assert_eq!(_mm512_unpacklo_epi64(a, b).0, [0, 8, 2, 10, 4, 12, 6, 14]);
    assert_eq!(_mm512_unpackhi_epi64(a, b).0, [1, 9, 3, 11, 5, 13, 7, 15]);
    assert_eq!(_mm512_shuffle_i64x2::<0b11_01_10_00>(a, b).0, [0, 1, 4, 5, 10, 11, 14, 15]);
    let at = _mm512_set_epi64(7, 8, 0, 15, 16, 3, 9, 1);
    assert_eq!(at.0, [1, 9, 3, 16, 15, 0, 8, 7]);
    assert_eq!(_mm512_permutex2var_epi64(a, at, b).0, [1, 9, 3, 0, 15, 0, 8, 7]);
    assert_eq!(_mm512_shrdi_epi64::<4>(all(0x35), all(0xf2)), all(0x2000_0000_0000_0003));
    assert_eq!(_mm512_srai_epi64::<4>(all(1 << 63)), all(0xf800_0000_0000_0000));
    assert_eq!(_mm512_mask_mov_epi64(a, 0b1000_0001, b).0, [8, 1, 2, 3, 4, 5, 6, 15]);
    assert_eq!(_mm512_movepi64_mask(lanes(|i| (i as u64 % 3) << 62)), 0b0010_0100);
    assert_eq!(_mm512_test_epi64_mask(a, all(1)), 0b1010_1010);
    // the upper 12 bits of factors are ignored: (2^52 − 1)² = (2^52 − 2)·2^52 + 1
    assert_eq!(_mm512_madd52lo_epu64(all(5), all(u64::MAX), all(MASK)), all(6));
    assert_eq!(_mm512_madd52hi_epu64(all(5), all(u64::MAX), all(MASK)), all(MASK + 4));
}

#[test]
fn lanes_hold_their_results() {
    let all = |x: u64| lanes(|_| x);
    // −1 + 1, and 2^63 as an unsigned number
    assert_eq!(_mm512_add_epi64(all(u64::MAX), all(1)), all(0));
    assert_eq!(_mm512_add_epi64(all(1 << 62), all(1 << 62)), all(1 << 63));
    assert_eq!(_mm512_sub_epi64(all(0), all(1)), all(u64::MAX));
    let (half, below) = (all(1 << 63), all((1 << 63) - 1));
    let overflows: [&dyn Fn() -> __m512i; 5] = [
        &|| _mm512_add_epi64(half, half),
        &|| _mm512_sub_epi64(below, half),
        &|| _mm512_mullo_epi64(half, half),
        &|| _mm512_madd52lo_epu64(all(u64::MAX), all(1), all(1)),
        &|| _mm512_madd52hi_epu64(all(u64::MAX), all(1 << 51), all(2)),
    ];
    for (i, overflow) in overflows.into_iter().enumerate() {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(overflow)).is_err(), "{i}");
    }
}
