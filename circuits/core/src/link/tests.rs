use super::*;
use crate::layout::Task;

fn tables(k: u32) -> Arc<Tables> {
    Tables::of(&Layout::new(k, 8, 16, 3, Task::Classes).unwrap())
}

/// `|P − link| ≤ 2^-36`, the bound that every certificate quotes.
const BOUND: f64 = 1.0 / 68_719_476_736.0;

#[test]
fn epsilon_is_capped_by_the_link() {
    assert_eq!(Link::Softmax.largest_epsilon(6528), 26_112);
    assert_eq!(Link::Logistic.largest_epsilon(6528), 26_112);
    assert_eq!(Link::Squared.largest_epsilon(6528), 52_224);
}

#[test]
fn widths_are_those_of_the_head() {
    let of = |b| {
        let s = Scale::of(b);
        (s.mid_bits(), s.short_bits(), s.window_bits(), s.prob_bits(), s.t2_bits())
    };
    assert_eq!(of(13), (12, 11, 89, 127, 40));
    assert_eq!(of(14), (13, 9, 93, 131, 44));
    assert_eq!(of(9), of(13));
}

#[test]
fn limbs_recompose_over_the_whole_range() {
    for k in [14, 15] {
        let t = tables(k);
        let (b, mid) = (t.scale.limb_bits(), t.scale.mid_shift());
        let edge = 32u64 << LOGIT_BITS;
        for v in [
            0,
            1,
            (1 << b) - 1,
            1 << b,
            (1 << mid) - 1,
            1 << mid,
            (1 << 36) - 1,
            1 << 36,
            edge - 1,
            edge,
            edge + 1,
            2 * edge - 1,
            2 * edge,
            (1 << 56) + 12345,
            (1 << 57) - 1,
        ] {
            let l = t.limbs(v);
            let back = u64::from(l.low)
                + (u64::from(l.short) << b)
                + (u64::from(l.mid) << mid)
                + ((u64::from(l.hi) + 512 * u64::from(l.top)) << 36);
            assert_eq!(back, v);
            assert!(l.low < 1 << b && l.short < 1 << t.scale.short_bits() && l.mid < 1 << t.scale.mid_bits());
            assert!(l.hi < 1024 && l.top < 1 << b);
            assert_eq!(l.hi >= 512, v >= edge);
            assert!(l.hi >= 512 || l.top == 0);
        }
    }
}

#[test]
fn unsaturated_entries_are_at_least_one() {
    for k in [14, 15] {
        let t = tables(k);
        assert!(t.t1[..HI_LIMIT].iter().all(|v| *v >= 1));
        assert!(t.t1[HI_LIMIT..].iter().all(|v| *v == 0));
    }
}

/// `exp(−x·2^−40)` with 120 fractional bits, more than an `f64` can hold.
fn exact_exp(t: u64) -> U256 {
    // exp(−hi/16 − rest): the rest by its series, the coarse part by squaring exp(−1/16)
    const F: u32 = 120;
    let series = |x: U256| {
        let (mut term, mut plus, mut minus) = (U256::ONE << F, U256::ONE << F, U256::ZERO);
        for i in 1u32..40 {
            term = mul_fixed(term, x, F) / U256::from(i);
            if i % 2 == 1 {
                minus += term;
            } else {
                plus += term;
            }
        }
        plus - minus
    };
    let mut value = series(U256::from(t & ((1 << HI_SHIFT) - 1)) << (F - LOGIT_BITS));
    let (mut base, mut n) = (series(U256::ONE << (F - 4)), t >> HI_SHIFT);
    while n > 0 {
        if n & 1 == 1 {
            value = mul_fixed(value, base, F);
        }
        base = mul_fixed(base, base, F);
        n >>= 1;
    }
    value
}

#[test]
fn exp_is_exp() {
    for k in [14, 15] {
        let t = tables(k);
        let mut worst: f64 = 0.0;
        for i in 0..100_000u64 {
            let v = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 18; // below 2^46: beyond saturation
            let exact = exact_exp(v);
            let got = t.exp(v) >> (t.prob_bits() - 120);
            worst = worst.max(got.abs_diff(exact).as_f64() / 120f64.exp2());
        }
        // the linear factor's x²/2, T2 rounded at 40 or 44 bits
        let bound = if k == 14 { 2.97e-11 } else { 7.4e-12 };
        assert!(worst < bound, "k={k}: {worst:e}");
    }
}

/// The exact link of integer logits, 120 fractional bits.
fn exact_link(link: Link, z: &[i64]) -> Vec<f64> {
    let softmax = |z: &[i64]| -> Vec<f64> {
        let max = z.iter().copied().max().unwrap_or(0);
        let e: Vec<U256> = z.iter().map(|v| exact_exp((max - v) as u64)).collect();
        let sum = e.iter().fold(U256::ZERO, |a, b| a + b);
        // 100 bits of the quotient: far below the bound
        e.iter().map(|e| ((*e << 100u32) / sum).as_f64() / 100f64.exp2()).collect()
    };
    match link {
        Link::Logistic => z.iter().map(|z| softmax(&[*z, 0])[0]).collect(),
        _ => softmax(z),
    }
}

#[test]
fn softmax_and_logistic_stay_within_the_bound() {
    let mut seed = 1u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 8
    };
    let mut worst: f64 = 0.0;
    for k in [14, 15] {
        let t = tables(k);
        let one = t.one().as_f64();
        for c in [1usize, 2, 3, 10, 100] {
            for spread in [20u32, 28, 34, 36, 40, 43, 45, 48, 55] {
                for _ in 0..if c == 100 { 12 } else { 60 } {
                    let z: Vec<i64> =
                        (0..c).map(|_| (next() % (1 << spread)) as i64 - (1i64 << (spread - 1))).collect();
                    for link in [Link::Softmax, Link::Logistic] {
                        let p = predict(&t, link, &z).unwrap();
                        for (a, b) in p.p.iter().zip(exact_link(link, &z)) {
                            let miss = (a.as_f64() / one - b).abs();
                            worst = worst.max(miss);
                            assert!(miss <= BOUND, "k={k} c={c} spread={spread} {link:?}: {miss:e}");
                        }
                    }
                }
            }
        }
    }
    assert!(worst > BOUND / 16.0, "the bound is not ten times too large: {worst:e}");
}

#[test]
fn ties_and_limb_boundaries_have_a_shift() {
    for k in [14, 15] {
        let t = tables(k);
        for c in [2usize, 3, 16, 100] {
            for base in [-(1i64 << 55), 0, 1 << 55] {
                assert!(t.shift(&vec![base; c]).is_ok(), "ties, c={c}");
            }
            for step in [1i64, 1 << 13, 1 << 14, 1 << 22, 1 << 24, 1 << 36, 32 << 40] {
                let z: Vec<i64> = (0..c as i64).map(|i| -i * step).collect();
                assert!(t.shift(&z).is_ok(), "c={c} step={step}");
            }
            // one logit far ahead of ninety-nine that saturate together
            let mut z = vec![0; c];
            for gap in -2..=2 {
                z[0] = (32i64 << 40) + gap;
                assert!(t.shift(&z).is_ok(), "c={c} gap={gap}");
            }
        }
    }
}

#[test]
fn tables_are_the_same_on_every_machine() {
    let t = tables(15);
    // exp(-1/16)·2^47 and exp(-2^-18)·2^44, computed with 60 digits
    assert_eq!(t.t1[0], 1 << 47);
    assert_eq!(t.t1[1], 132_210_634_988_555);
    assert_eq!(t.t2[0], 17_592_118_935_680);
}
