//! The link functions as exact integer functions of the logits.
//!
//! # How a probability is computed
//!
//! `exp(−t)` for an integer `t ≥ 0` with 40 fractional bits comes from two tables and one linear factor. With limb width
//! `b = layout.limb_bits()`, 13 or 14, `m` = 12 or 13 bits of `mid`, and `s = 36 − m − b` = 11 or 9 bits of `short`
//! ([`Scale`]):
//!
//! ```text
//! t = low + short·2^b + mid·2^(36−m) + (hi + 512·top)·2^36     low, top < 2^b, short < 2^s, mid < 2^m
//! hi < 512             : t < 32, T1[hi] = round(exp(−hi/16)·2^47) ≥ 1, top = 0
//! 512 ≤ hi < 1024      : t ≥ 32, T1[hi] = 0                                     (saturated)
//! T2[mid] = round(exp(−(mid·2^(36−m) + 2^(35−m))·2^−40)·2^f2)
//! E(t) = T1[hi]·T2[mid]·(2^40 + 2^(35−m) + 2^(29−2m) − low − short·2^b)    scale 2^prob_bits, prob_bits = 47 + f2 + 40
//! ```
//!
//! The product is not rounded, so no remainder has to be range-checked. Saturation is decided by the limbs alone: a
//! saturated `hi` contributes at least 32 to `t`, and `top·T1 = 0` forbids `top` beside an unsaturated one, so each `t`
//! has exactly one decomposition. `t < 2^17` (both logits are below 2^16 in magnitude), which `top < 2^13` reaches.
//!
//! # Softmax
//!
//! The prover supplies an integer `l` (the log-sum-exp at 40 bits); `t_u = l − z_u ≥ 0`; `P_u = E(t_u)`; the circuit
//! checks `−2^−39 ≤ Σ_u P_u − 1 < 2^−39`: a window of `6b + s` bits, six limbs and a short one. `logistic` is the softmax of
//! `(z, 0)` per class.
//!
//! # Error bound: `|P·2^−prob_bits − link(z)| ≤ 2^−36` for c ≤ 100
//!
//! Write `p̂_u = exp(−t_u)` exactly, `P_u = p̂_u(1 + a_u) + b_u` with
//! - `a_u` in an interval of length `A ≤ 2^−35` (linear factor: `0 ≤ 1 − x + h²/2 − exp(−x) ≤ h²/2` for `|x| ≤ h`, with
//!   `h = 2^−17` at b = 13, `2^−18` at b = 14) `+ 2·2^−41·1.07` (T2 rounded at f2 ≥ 40 bits, relative to T2 ≥ 0.939),
//! - `|b_u| ≤ 2^−48·1.01` (T1 rounded at 47 bits) or, saturated, `≤ exp(−32) < 2^−46.1`.
//!
//! `Σ P_u = 1 + w` with `|w| ≤ 2^−39`, so `Σ p̂_u = 1 + e` with `e = w − Σ p̂_v a_v − Σ b_v`, and the exact softmax is
//! `p̂_u/(1 + e)`. To first order `P_u − p̂_u/(1 + e) = p̂_u(a_u − Σ_v p̂_v a_v) + p̂_u(w − Σ b_v) + b_u`. The first term is
//! at most `p̂_u(1 − p̂_u)·A ≤ A/4`, the others at most `2^−39 + 101·2^−46.1`; second-order terms are below 2^−65.
//! Together `2^−37 + 2^−42 + 2^−39 + 2^−39.4 < 2^−36.4`. `tests` measure it over the whole range.
//!
//! # Existence of `l`
//!
//! At `l = max z` the sum is at least `1 − 2^−40.9` (the linear factor is never too small), and it tends to 0 as `l`
//! grows. One step of `l` lowers it by at most, in units of 2^−40: 1 (smooth) + 1.07 (T2 rounded at 40 bits) + 1.41
//! (entries that saturate, for 100 classes at once; T1 rounded is less) < 3.5. The window is 4 units wide, so some `l`
//! falls into it.

use ethnum::{I256, U256};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, OnceLock};
use thiserror::Error;

use crate::layout::Layout;
use crate::numbers::LOGIT_BITS;
use crate::scale::{Scale, HI_SHIFT, T1_BITS};

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
    /// The link's number in contracts; 0 means "no link".
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
    /// The link's name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Link::Squared => "squared",
            Link::Logistic => "logistic",
            Link::Softmax => "softmax",
        }
    }
    /// The largest ε that can be certified, in units of 2^-44: a few times δ, where `delta` comes from
    /// [`link_error_units`](crate::numbers::link_error_units).
    ///
    /// Without this cap, an owner could search the ball that the relative distance alone allows for weights whose
    /// shares favour a dataset. What a fit to full precision leaves is the rounding of the weights, `2^-33/√3` in each,
    /// seen through the Hessian: on digits 0.015 δ for softmax and below 0.7 δ for squared loss, whose Hessian has no
    /// factor `p(1 − p)`. The caps leave room for larger features and noisier labels.
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

/// An unknown link name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown link `{name}`: use squared, logistic or softmax")]
pub struct UnknownLink {
    /// The name given.
    pub name: String,
}

/// No shift brings the sum of the probabilities into the window: the tables do not resolve these logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no shift brings the probabilities within 2^-39 of 1: the best misses by about 2^{miss_bits}")]
pub struct NoShift {
    /// log2 of the distance of the best sum from 1, rounded up.
    pub miss_bits: i32,
}

/// Table index at which exp saturates to 0: `32·16`.
pub const HI_LIMIT: usize = 512;

/// The limbs of one `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limbs {
    /// `< 2^b`.
    pub low: u32,
    /// `< 2^s`.
    pub short: u32,
    /// `< 2^m`.
    pub mid: u32,
    /// `< 1024`; at 512 and above `T1` is 0.
    pub hi: u32,
    /// `< 2^b`; 0 unless saturated.
    pub top: u32,
}

/// Exp tables of one limb width.
#[derive(Debug)]
pub struct Tables {
    scale: Scale,
    /// `T1[hi]`, `2·HI_LIMIT` entries.
    pub t1: Vec<u64>,
    /// `T2[mid]`, `2^m` entries.
    pub t2: Vec<u64>,
}

impl Tables {
    /// The tables of a layout (shared, computed once per limb width). Requires `k ≥ 14`.
    #[must_use]
    pub fn of(layout: &Layout) -> Arc<Tables> {
        static CACHE: OnceLock<Mutex<Vec<Arc<Tables>>>> = OnceLock::new();
        let cache = CACHE.get_or_init(Mutex::default);
        let mut cache = cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let scale = Scale::of(layout.limb_bits());
        if let Some(t) = cache.iter().find(|t| t.scale == scale) {
            return t.clone();
        }
        let t = Arc::new(Tables::new(scale));
        cache.push(t.clone());
        t
    }

    fn new(scale: Scale) -> Tables {
        let t1 = (0..2 * HI_LIMIT)
            .map(|i| if i < HI_LIMIT { exp_neg_fixed((i as u64) << HI_SHIFT, T1_BITS) } else { 0 })
            .collect();
        let half = 1 << (scale.mid_shift() - 1);
        let t2 = (0..1u64 << scale.mid_bits())
            .map(|i| exp_neg_fixed((i << scale.mid_shift()) + half, scale.t2_bits()))
            .collect();
        Tables { scale, t1, t2 }
    }

    /// The widths of the limbs.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Fractional bits of [`Tables::exp`].
    #[must_use]
    pub fn prob_bits(&self) -> u32 {
        self.scale.prob_bits()
    }

    /// The unique decomposition of `t` (40 fractional bits).
    #[must_use]
    pub fn limbs(&self, t: u64) -> Limbs {
        let (b, m) = (self.scale.limb_bits(), self.scale.mid_bits());
        let below = |bits: u32| (1u64 << bits) - 1;
        let coarse = t >> HI_SHIFT;
        let limit = HI_LIMIT as u64;
        let (hi, top) = if coarse < limit { (coarse, 0) } else { (limit + coarse % limit, coarse / limit - 1) };
        Limbs {
            low: (t & below(b)) as u32,
            short: ((t >> b) & below(self.scale.short_bits())) as u32,
            mid: ((t >> self.scale.mid_shift()) & below(m)) as u32,
            hi: hi as u32,
            top: top as u32,
        }
    }

    /// `exp(−t)` at [`Tables::prob_bits`] fractional bits.
    #[must_use]
    pub fn exp(&self, t: u64) -> U256 {
        let l = self.limbs(t);
        let coarse = u128::from(self.t1[l.hi as usize]) * u128::from(self.t2[l.mid as usize]);
        if coarse == 0 {
            return U256::ZERO;
        }
        let fine = u64::from(l.low) + (u64::from(l.short) << self.scale.limb_bits());
        U256::from(coarse) * U256::from(self.scale.linear_base() - fine)
    }

    /// 1 at [`Tables::prob_bits`] fractional bits.
    #[must_use]
    pub fn one(&self) -> U256 {
        U256::ONE << self.prob_bits()
    }

    /// Half the width of the window in which the sum of the probabilities must fall.
    #[must_use]
    pub fn window(&self) -> U256 {
        U256::ONE << (self.scale.window_bits() - 1)
    }

    /// A shift `l` for which the probabilities of the logits `z` sum to 1 within the window.
    ///
    /// # Errors
    /// [`NoShift`] if there is no such `l`.
    pub fn shift(&self, z: &[i64]) -> Result<i64, NoShift> {
        let one = self.one();
        let scale = f64::from(LOGIT_BITS as i32).exp2();
        let max = z.iter().copied().max().unwrap_or(0);
        let sum: f64 = z.iter().map(|v| (((v - max) as f64) / scale).exp()).sum();
        let mut l = max + (sum.ln() * scale).round() as i64;
        // (Σ − 1) in units of 2^-40: exact enough while it is small
        let excess = |l: i64| {
            let sum = self.sum(z, l);
            let miss = sum.abs_diff(one).as_f64() / f64::from((self.prob_bits() - LOGIT_BITS) as i32).exp2();
            if sum >= one {
                miss
            } else {
                -miss
            }
        };
        for _ in 0..4 {
            let step = excess(l).round() as i64;
            if step == 0 {
                break;
            }
            l = (l + step).max(max);
        }
        let miss = |l: i64| self.sum(z, l).abs_diff(one);
        let best = (l - 3..=l + 3).filter(|l| *l >= max).min_by_key(|l| (miss(*l), *l)).unwrap_or(max);
        // the window is [1 − w, 1 + w)
        let sum = self.sum(z, best);
        if sum + self.window() >= one && sum < one + self.window() {
            Ok(best)
        } else {
            let bits = 256 - miss(best).leading_zeros();
            Err(NoShift { miss_bits: bits as i32 - self.prob_bits() as i32 })
        }
    }

    /// `Σ_u exp(z_u − l)`; `l` must be at least as large as every `z_u`.
    #[must_use]
    pub fn sum(&self, z: &[i64], l: i64) -> U256 {
        z.iter().map(|v| self.exp((l - v) as u64)).fold(U256::ZERO, |a, b| a + b)
    }
}

/// One record's predictions, with the shifts that the circuit's witness needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// `P_u`, one per class, at `prob_bits` fractional bits. Signed, because predictions of the squared link may be
    /// negative.
    pub p: Vec<I256>,
    /// The shifts `l`: one for softmax, one per class for logistic, none for squared.
    pub shifts: Vec<i64>,
}

/// The link's predictions for the logits of one record.
///
/// # Errors
/// [`NoShift`], as for [`Tables::shift`].
pub fn predict(tables: &Tables, link: Link, z: &[i64]) -> Result<Prediction, NoShift> {
    match link {
        Link::Squared => {
            let shift = tables.prob_bits() - LOGIT_BITS;
            Ok(Prediction { p: z.iter().map(|z| I256::from(*z) << shift).collect(), shifts: vec![] })
        }
        Link::Softmax => {
            let l = tables.shift(z)?;
            let p = z.iter().map(|z| tables.exp((l - z) as u64).as_i256()).collect();
            Ok(Prediction { p, shifts: vec![l] })
        }
        Link::Logistic => {
            let mut p = Vec::with_capacity(z.len());
            let mut shifts = Vec::with_capacity(z.len());
            for z in z {
                let l = tables.shift(&[*z, 0])?;
                p.push(tables.exp((l - z) as u64).as_i256());
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

/// `round(exp(−t·2^−40)·2^bits)` in integer arithmetic, the same on every machine. `t < 2^46`, `bits ≤ 62`.
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
mod tests;
