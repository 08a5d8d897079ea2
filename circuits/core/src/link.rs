//! The link functions as exact integer functions of the logits.
//!
//! # How a probability is computed
//!
//! `exp(−t)` for an integer `t ≥ 0` with 28 fractional bits comes from two tables and one linear factor. With limb width
//! `b = layout.limb_bits()`:
//!
//! ```text
//! t = low + mid·2^b + (hi + 384·top)·2^24        low < 2^b, mid < 2^(24−b), top < 2^b
//! hi < 384            : t < 24, T1[hi] = round(exp(−hi/16)·2^f1) ≥ 1, top = 0
//! 384 ≤ hi < 768      : t ≥ 24, T1[hi] = 0                                     (saturated)
//! T2[mid] = round(exp(−(mid·2^b + 2^(b−1))·2^−28)·2^f2)
//! E(t) = T1[hi]·T2[mid]·(2^28 + 2^(b−1) − low)   scale 2^prob_bits, prob_bits = f1 + f2 + 28 = 5b + 26
//! ```
//!
//! The product is not rounded, so no remainder has to be range-checked. Saturation is decided by the limbs alone: a
//! saturated `hi` contributes at least 24 to `t`, and `top·T1 = 0` forbids `top` beside an unsaturated one, so each `t`
//! has exactly one decomposition.
//!
//! # Softmax
//!
//! The prover supplies an integer `l` (the log-sum-exp at 28 bits); `t_u = l − z_u ≥ 0`; `P_u = E(t_u)`; the circuit
//! checks `|Σ_u P_u − 2^prob_bits| ≤ 2^(prob_bits − 27)`. `logistic` is the softmax of `(z, 0)` per class.
//!
//! # Error bound: `|P·2^−prob_bits − link(z)| ≤ 2^−24` for c ≤ 100
//!
//! Write `p̂_u = exp(−t_u)` exactly, `P_u = p̂_u(1 + a_u) + b_u` with
//! - `|a_u| ≤ 2^−31` (linear factor: `δ²/2` with `|δ| ≤ 2^−15` at b = 14; `2^−33` at b = 13) `+ 2^−28.9` (T2 rounded at
//!   f2 ≥ 28 bits, relative to T2 ≥ 0.93),
//! - `|b_u| ≤ 2^−36 + 2^−43` (T1 rounded at f1 ≥ 35 bits) or, saturated, `≤ exp(−24) < 2^−34.6`.
//!
//! `Σ P_u = 1 + w` with `|w| ≤ 2^−27`, so `Σ p̂_u = 1 + e` with `|e| ≤ 2^−27 + 2^−28.6 + 100·2^−34.6 < 2^−25.7`. The exact
//! softmax is `p̂_u/(1 + e)`, so the distance is at most `|a_u| + |b_u| + |e| < 2^−28.6 + 2^−34.6 + 2^−25.7 < 2^−25.4`.
//! `tests` measure it over the whole range.
//!
//! # Existence of `l`
//!
//! At `l = max z` the sum is at least `1 − 2^−28.9`, and it tends to 0 as `l` grows. One step of `l` lowers it by at most, in
//! units of 2^−28: 1 (smooth) + 1.06 (T2 rounded at 28 bits; 0.07 at 32) + 1.21 (T1 rounded, or entries that saturate, for 100
//! classes at once) < 3.3. The window is 4 units wide, so some `l` falls into it.

use ethnum::U256;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, OnceLock};
use thiserror::Error;

use crate::layout::Layout;
use crate::numbers::LOGIT_BITS;

/// How logits become predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Link {
    /// `p = z`: least squares.
    Squared = 1,
    /// `p = 1/(1 + exp(−z))` per class: binary or one-vs-rest.
    Logistic = 2,
    /// `p_u = exp(z_u)/Σ exp(z_v)`.
    Softmax = 3,
}

impl Link {
    /// The number contracts know it by; 0 stands for "no link".
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
    /// Its name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Link::Squared => "squared",
            Link::Logistic => "logistic",
            Link::Softmax => "softmax",
        }
    }
    /// The largest ε that is certified, units of 2^-32: a few times δ, `delta` from
    /// [`link_error_units`](crate::numbers::link_error_units).
    ///
    /// Inside the ball that the relative distance alone allows, an owner could look for the weights whose shares favour a
    /// dataset. What a fit to full precision leaves is the rounding of the weights, `2^-21/√3` in each, seen through the
    /// Hessian: on digits 0.015 δ for softmax and below 0.7 δ for squared loss, whose Hessian has no factor `p(1 − p)`. The
    /// caps leave room for larger features and noisier labels.
    #[must_use]
    pub fn largest_epsilon(self, delta: u64) -> u64 {
        delta * if self == Link::Squared { 8 } else { 4 }
    }
}

impl std::str::FromStr for Link {
    type Err = UnknownLink;
    fn from_str(s: &str) -> Result<Self, UnknownLink> {
        [Link::Squared, Link::Logistic, Link::Softmax]
            .into_iter()
            .find(|l| l.name() == s)
            .ok_or_else(|| UnknownLink { name: s.to_owned() })
    }
}

/// A link name nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown link `{name}`: use squared, logistic or softmax")]
pub struct UnknownLink {
    /// What was given.
    pub name: String,
}

/// No shift brings the probabilities' sum into the window: the logits are beyond what the tables resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no shift brings the probabilities within 2^-27 of 1: the best misses by {miss} units of 2^-{prob_bits}")]
pub struct NoShift {
    /// Distance of the best sum from 1.
    pub miss: u128,
    /// Scale of `miss`.
    pub prob_bits: u32,
}

/// Table index at which exp saturates to 0: `24·16`.
pub const HI_LIMIT: usize = 384;
/// Weight of `hi` in `t`: 2^24 at 28 fractional bits, one sixteenth.
pub const HI_SHIFT: u32 = 24;

/// The limbs of one `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limbs {
    /// `< 2^b`.
    pub low: u32,
    /// `< 2^(24−b)`.
    pub mid: u32,
    /// `< 768`; at 384 and above `T1` is 0.
    pub hi: u32,
    /// `< 2^b`; 0 unless saturated.
    pub top: u32,
}

/// Exp tables of one limb width.
#[derive(Debug)]
pub struct Tables {
    limb_bits: u32,
    /// `T1[hi]`, `2·HI_LIMIT` entries.
    pub t1: Vec<u64>,
    /// `T2[mid]`, `2^(24−b)` entries.
    pub t2: Vec<u64>,
}

impl Tables {
    /// The tables of a layout (shared, computed once per limb width). Needs `k ≥ 14`.
    #[must_use]
    pub fn of(layout: &Layout) -> Arc<Tables> {
        static CACHE: OnceLock<Mutex<Vec<Arc<Tables>>>> = OnceLock::new();
        let cache = CACHE.get_or_init(Mutex::default);
        let mut cache = cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let b = layout.limb_bits();
        if let Some(t) = cache.iter().find(|t| t.limb_bits == b) {
            return t.clone();
        }
        let t = Arc::new(Tables::new(b));
        cache.push(t.clone());
        t
    }

    fn new(b: u32) -> Tables {
        let f2 = if b >= 14 { 32 } else { 28 };
        let f1 = 5 * b + 26 - 28 - f2;
        let t1 = (0..2 * HI_LIMIT)
            .map(|i| if i < HI_LIMIT { exp_neg_fixed((i as u64) << HI_SHIFT, f1) } else { 0 })
            .collect();
        let t2 = (0..1u64 << (24 - b)).map(|i| exp_neg_fixed((i << b) + (1 << (b - 1)), f2)).collect();
        Tables { limb_bits: b, t1, t2 }
    }

    /// Limb width `b`.
    #[must_use]
    pub fn limb_bits(&self) -> u32 {
        self.limb_bits
    }

    /// Fractional bits of [`Tables::exp`].
    #[must_use]
    pub fn prob_bits(&self) -> u32 {
        5 * self.limb_bits + 26
    }

    /// The one decomposition of `t` (28 fractional bits).
    #[must_use]
    pub fn limbs(&self, t: u64) -> Limbs {
        let b = self.limb_bits;
        let coarse = t >> HI_SHIFT;
        let limit = HI_LIMIT as u64;
        let (hi, top) = if coarse < limit { (coarse, 0) } else { (limit + coarse % limit, coarse / limit - 1) };
        Limbs {
            low: (t & ((1 << b) - 1)) as u32,
            mid: ((t >> b) & ((1 << (24 - b)) - 1)) as u32,
            hi: hi as u32,
            top: top as u32,
        }
    }

    /// `exp(−t)` at [`Tables::prob_bits`] fractional bits.
    #[must_use]
    pub fn exp(&self, t: u64) -> u128 {
        let l = self.limbs(t);
        let linear = (1u64 << LOGIT_BITS) + (1 << (self.limb_bits - 1)) - u64::from(l.low);
        u128::from(self.t1[l.hi as usize]) * u128::from(self.t2[l.mid as usize]) * u128::from(linear)
    }

    /// Half width of the window that the probabilities' sum must fall in.
    #[must_use]
    pub fn window(&self) -> u128 {
        1 << (5 * self.limb_bits - 1)
    }

    /// The shift `l` for logits `z` whose probabilities sum to 1 within the window.
    ///
    /// # Errors
    /// [`NoShift`] when no `l` does.
    pub fn shift(&self, z: &[i64]) -> Result<i64, NoShift> {
        let one = 1u128 << self.prob_bits();
        let scale = f64::from(1 << LOGIT_BITS);
        let max = z.iter().copied().max().unwrap_or(0);
        let sum: f64 = z.iter().map(|v| (((v - max) as f64) / scale).exp()).sum();
        let mut l = max + (sum.ln() * scale).round() as i64;
        let miss = |l: i64| self.sum(z, l).abs_diff(one);
        for _ in 0..4 {
            let f = self.sum(z, l) as f64 / one as f64;
            let step = ((f - 1.0) * scale).round() as i64;
            if step == 0 {
                break;
            }
            l = (l + step).max(max);
        }
        let best = (l - 3..=l + 3).filter(|l| *l >= max).min_by_key(|l| (miss(*l), *l)).unwrap_or(max);
        // the window is [2^pb − w, 2^pb + w)
        let sum = self.sum(z, best);
        if sum + self.window() >= one && sum < one + self.window() {
            Ok(best)
        } else {
            Err(NoShift { miss: miss(best), prob_bits: self.prob_bits() })
        }
    }

    /// `Σ_u exp(z_u − l)`; `l` must be at least every `z_u`.
    #[must_use]
    pub fn sum(&self, z: &[i64], l: i64) -> u128 {
        z.iter().map(|v| self.exp((l - v) as u64)).sum()
    }
}

/// One record's predictions with what the circuit's witness needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// `P_u`, one per class, at `prob_bits` fractional bits. Signed, because the squared link's may be negative.
    pub p: Vec<i128>,
    /// The shifts `l`: one for softmax, one per class for logistic, none for squared.
    pub shifts: Vec<i64>,
}

/// The link's predictions for the logits of one record.
///
/// # Errors
/// [`NoShift`] as [`Tables::shift`] says.
pub fn predict(tables: &Tables, link: Link, z: &[i64]) -> Result<Prediction, NoShift> {
    match link {
        Link::Squared => {
            let shift = tables.prob_bits() - LOGIT_BITS;
            Ok(Prediction { p: z.iter().map(|z| i128::from(*z) << shift).collect(), shifts: vec![] })
        }
        Link::Softmax => {
            let l = tables.shift(z)?;
            let p = z.iter().map(|z| tables.exp((l - z) as u64) as i128).collect();
            Ok(Prediction { p, shifts: vec![l] })
        }
        Link::Logistic => {
            let mut p = Vec::with_capacity(z.len());
            let mut shifts = Vec::with_capacity(z.len());
            for z in z {
                let l = tables.shift(&[*z, 0])?;
                p.push(tables.exp((l - z) as u64) as i128);
                shifts.push(l);
            }
            Ok(Prediction { p, shifts })
        }
    }
}

/// The link as a real function, for trainers and error measurements. `z` are real logits.
pub fn real(link: Link, z: &mut [f64]) {
    match link {
        Link::Squared => {}
        Link::Logistic => {
            for z in z {
                *z = 1.0 / (1.0 + (-*z).exp());
            }
        }
        Link::Softmax => {
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut sum = 0.0;
            for z in z.iter_mut() {
                *z = (*z - max).exp();
                sum += *z;
            }
            for z in z {
                *z /= sum;
            }
        }
    }
}

/// `round(exp(−t·2^−28)·2^bits)` in integer arithmetic, the same on every machine. `t < 2^34`, `bits ≤ 62`.
fn exp_neg_fixed(t: u64, bits: u32) -> u64 {
    const F: u32 = 120;
    let one = U256::ONE << F;
    // exp(−t) = exp(−t/2^12)^(2^12); the series of the small argument converges in a few terms
    const HALVINGS: u32 = 12;
    let x = U256::from(t) << (F - LOGIT_BITS - HALVINGS);
    let mut term = one;
    let mut positive = one;
    let mut negative = U256::ZERO;
    for i in 1u32..40 {
        term = mul_fixed(term, x, F) / U256::from(i);
        if term == U256::ZERO {
            break;
        }
        if i % 2 == 1 {
            negative += term
        } else {
            positive += term
        }
    }
    let mut e = positive - negative;
    for _ in 0..HALVINGS {
        e = mul_fixed(e, e, F);
    }
    ((e + (U256::ONE << (F - bits - 1))) >> (F - bits)).as_u64()
}

fn mul_fixed(a: U256, b: U256, f: u32) -> U256 {
    // both are at most 2^(f+1) = 2^121, so the product stays below 2^242
    (a * b) >> f
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Task;

    fn tables(k: u32) -> Arc<Tables> {
        Tables::of(&Layout::new(k, 8, 16, 3, Task::Classes).unwrap())
    }

    /// `|P − link| ≤ 2^-24`, the bound every certificate quotes.
    const BOUND: f64 = 1.0 / 16_777_216.0;

    #[test]
    fn epsilon_is_capped_by_the_link() {
        assert_eq!(Link::Softmax.largest_epsilon(6527), 26_108);
        assert_eq!(Link::Logistic.largest_epsilon(6527), 26_108);
        assert_eq!(Link::Squared.largest_epsilon(6527), 52_216);
    }

    #[test]
    fn limbs_recompose_over_the_whole_range() {
        for k in [14, 15] {
            let t = tables(k);
            let b = t.limb_bits();
            let edge = 24u64 << LOGIT_BITS;
            for v in [
                0,
                1,
                (1 << b) - 1,
                1 << b,
                (1 << 24) - 1,
                1 << 24,
                edge - 1,
                edge,
                edge + 1,
                2 * edge - 1,
                2 * edge,
                (1 << 45) + 12345,
            ] {
                let l = t.limbs(v);
                let back =
                    u64::from(l.low) + (u64::from(l.mid) << b) + ((u64::from(l.hi) + 384 * u64::from(l.top)) << 24);
                assert_eq!(back, v);
                assert!(l.low < 1 << b && l.mid < 1 << (24 - b) && l.hi < 768 && l.top < 1 << b);
                assert_eq!(l.hi >= 384, v >= edge);
                assert!(l.hi >= 384 || l.top == 0);
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

    #[test]
    fn exp_is_exp() {
        for k in [14, 15] {
            let t = tables(k);
            let one = (1u128 << t.prob_bits()) as f64;
            let mut worst: f64 = 0.0;
            for i in 0..200_000u64 {
                let v = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 30; // below 2^34: past saturation
                let exact = (-(v as f64) / f64::from(1 << LOGIT_BITS)).exp();
                worst = worst.max((t.exp(v) as f64 / one - exact).abs());
            }
            // T2 rounded at 28 (k = 14) or 32 bits, T1 at 35 or 36, and the linear factor
            let bound = if k == 14 { 2.1e-9 } else { 6e-10 };
            assert!(worst < bound, "k={k}: {worst:e}");
        }
    }

    #[test]
    fn softmax_and_logistic_stay_within_the_bound() {
        let mut seed = 1u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 20
        };
        let scale = f64::from(1 << LOGIT_BITS);
        for k in [14, 15] {
            let t = tables(k);
            let one = (1u128 << t.prob_bits()) as f64;
            for c in [1usize, 2, 3, 10, 100] {
                for spread in [20u32, 28, 31, 33, 36, 44] {
                    for _ in 0..60 {
                        let z: Vec<i64> =
                            (0..c).map(|_| (next() % (1 << spread)) as i64 - (1i64 << (spread - 1))).collect();
                        for link in [Link::Softmax, Link::Logistic] {
                            let p = predict(&t, link, &z).unwrap();
                            let mut exact: Vec<f64> = z.iter().map(|v| *v as f64 / scale).collect();
                            real(link, &mut exact);
                            for (a, b) in p.p.iter().zip(&exact) {
                                assert!((*a as f64 / one - b).abs() <= BOUND, "k={k} c={c} spread={spread} {link:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ties_and_limb_boundaries_have_a_shift() {
        for k in [14, 15] {
            let t = tables(k);
            for c in [2usize, 3, 16, 100] {
                for base in [-(1i64 << 44), 0, 1 << 44] {
                    assert!(t.shift(&vec![base; c]).is_ok(), "ties, c={c}");
                }
                for step in [1i64, 1 << 13, 1 << 14, 1 << 24, 24 << 28] {
                    let z: Vec<i64> = (0..c as i64).map(|i| -i * step).collect();
                    assert!(t.shift(&z).is_ok(), "c={c} step={step}");
                }
            }
        }
    }

    #[test]
    fn tables_are_the_same_on_every_machine() {
        let t = tables(15);
        // exp(-1/16)·2^36 and exp(-2^-15)·2^32, computed with 60 digits
        assert_eq!(t.t1[0], 1 << 36);
        assert_eq!(t.t1[1], 64_555_974_116);
        assert_eq!(t.t2[0], 4_294_836_226);
    }
}
