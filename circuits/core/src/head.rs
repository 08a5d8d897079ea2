//! The trained head in integers: logits, gradients, and what the `optimum` proof states about them.
//!
//! These functions are the oracle: the circuits' witnesses come from them and the trainer is judged by them.

use ethnum::{I256, U256};
use rayon::prelude::*;
use thiserror::Error;

use crate::layout::{Layout, Task, MIN_LINK_K};
use crate::link::{predict, Link, NoShift, Tables};
use crate::numbers::{
    BIAS_FEATURE, COUNT_LIMIT_BITS, EPSILON_LIMIT_BITS, LAMBDA_BITS, LAMBDA_LIMIT_BITS, LOGIT_BITS, NORM_BITS,
    SHARE_BITS, SHARE_LIMIT_BITS, TARGET_BITS, WEIGHT_BITS, WEIGHT_LIMIT,
};
use crate::records::Records;

/// Bits that every entry of `ΣG + nλW` must fit before squaring; see [`gradient_limit`].
pub const GRADIENT_RANGE_BITS: u32 = 112;

/// A head's weights, row-major `[d + 1][c]`, **block 0 the bias**, 20 fractional bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    features: usize,
    classes: usize,
    values: Vec<i64>,
}

/// Numbers that do not fit what the proofs can state.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum HeadError {
    /// Wrong number of weights.
    #[error("{got} weights, expected {expected} (({features} features + bias) × {classes} classes)")]
    Count {
        /// Wanted.
        expected: usize,
        /// Found.
        got: usize,
        /// Features.
        features: usize,
        /// Classes.
        classes: usize,
    },
    /// A weight beyond ±32.
    #[error(
        "weight of feature block {block}, class {class} is {value}·2^-20; its magnitude must be below 32 (raise λ)"
    )]
    Weight {
        /// 0 is the bias, `j` the feature `j − 1`.
        block: usize,
        /// Class.
        class: usize,
        /// The value, 20 fractional bits.
        value: i64,
    },
    /// Records that do not fit the layout.
    #[error("records have {got} features, the layout holds at most {expected}")]
    Width {
        /// The layout's.
        expected: usize,
        /// The records'.
        got: usize,
    },
    /// More records than one shard holds.
    #[error("{got} records, one shard of this shape holds {capacity}: use several shards or a larger k")]
    Capacity {
        /// Rows that fit.
        capacity: usize,
        /// Records given.
        got: usize,
    },
    /// A target that is no class of the layout.
    #[error("record {record}: target {target} is not one of {classes} classes")]
    Target {
        /// Position, from 0.
        record: usize,
        /// Its target.
        target: u16,
        /// Classes.
        classes: usize,
    },
    /// The link cannot be computed for this layout.
    #[error("the {link} link needs k >= 14, the layout has k = {k}")]
    LinkNeedsRows {
        /// Link name.
        link: &'static str,
        /// The layout's `k`.
        k: u32,
    },
    /// The link's tables do not resolve a record's logits.
    #[error("record {record}: {source}")]
    Link {
        /// Position, from 0.
        record: usize,
        /// Why.
        source: NoShift,
    },
    /// λ outside `1..2^32` units.
    #[error("λ = {lambda}·2^-32 is outside the provable range: 0 < λ < 1")]
    Lambda {
        /// Units of 2^-32.
        lambda: u64,
    },
    /// Too many records, or none.
    #[error("{n} records: an agent is trained on 1 to 2^{COUNT_LIMIT_BITS} - 1")]
    Records {
        /// Record count.
        n: u64,
    },
    /// The gradient is too large to certify.
    #[error("the model is not an optimum: gradient norm {norm:.3e} is beyond what can be certified ({limit:.3e}); worst at feature block {block}, class {class}")]
    NotOptimal {
        /// 2-norm of ∇L, or its worst entry where the norm overflows.
        norm: f64,
        /// Largest provable ε.
        limit: f64,
        /// Block of the worst entry.
        block: usize,
        /// Class of the worst entry.
        class: usize,
    },
    /// Every penalised weight is zero: shares have no meaning.
    #[error("every penalised weight is zero: there is nothing to attribute (lower λ)")]
    ZeroWeights,
    /// A share too large to publish.
    #[error("dataset {dataset}'s share is beyond ±2^10: the datasets' gradients cancel almost exactly")]
    Share {
        /// Position of the dataset.
        dataset: usize,
    },
}

impl Weights {
    /// Checks and makes weights; `values[j·c + u]` with block `j = 0` the bias.
    pub fn new(features: usize, classes: usize, values: Vec<i64>) -> Result<Self, HeadError> {
        let expected = (features + 1) * classes;
        if values.len() != expected {
            return Err(HeadError::Count { expected, got: values.len(), features, classes });
        }
        if let Some(i) = values.iter().position(|w| w.unsigned_abs() >= WEIGHT_LIMIT as u64) {
            return Err(HeadError::Weight { block: i / classes, class: i % classes, value: values[i] });
        }
        Ok(Weights { features, classes, values })
    }
    /// All zero.
    #[must_use]
    pub fn zero(features: usize, classes: usize) -> Self {
        Weights { features, classes, values: vec![0; (features + 1) * classes] }
    }
    /// `d`.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }
    /// `c`.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }
    /// Row-major `[d + 1][c]`, bias first.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }
    /// The weight of block `j` (0: bias) and class `u`.
    #[must_use]
    pub fn at(&self, block: usize, class: usize) -> i64 {
        self.values[block * self.classes + class]
    }
    /// Integer logits, 28 fractional bits. `query` may be shorter than `d`: the rest is zero.
    #[must_use]
    pub fn logits(&self, query: &[u8]) -> Vec<i64> {
        let c = self.classes;
        let mut z: Vec<i64> = self.values[..c].iter().map(|w| BIAS_FEATURE * w).collect();
        for (q, block) in query.iter().zip(self.values[c..].chunks_exact(c)) {
            if *q != 0 {
                for (z, w) in z.iter_mut().zip(block) {
                    *z += i64::from(*q) * w;
                }
            }
        }
        z
    }
    /// Refuses weights of another shape than the layout's.
    pub fn check(&self, layout: &Layout) -> Result<(), HeadError> {
        if self.classes == layout.classes() && self.features == layout.features() {
            return Ok(());
        }
        Err(HeadError::Count {
            expected: layout.weights(),
            got: self.values.len(),
            features: layout.features(),
            classes: layout.classes(),
        })
    }
}

/// The answer an agent gives: the class of the largest logit, ties to the lower class. For one class: 1 if positive.
#[must_use]
pub fn answer(logits: &[i64]) -> u16 {
    if let [z] = logits {
        return u16::from(*z > 0);
    }
    let mut best = 0;
    for (u, z) in logits.iter().enumerate() {
        if *z > logits[best] {
            best = u;
        }
    }
    best as u16
}

/// Checks that records fit one shard of the layout.
pub fn check_records(layout: &Layout, records: &Records) -> Result<(), HeadError> {
    if records.width() != layout.features() {
        return Err(HeadError::Width { expected: layout.features(), got: records.width() });
    }
    if records.len() > layout.capacity() {
        return Err(HeadError::Capacity { capacity: layout.capacity(), got: records.len() });
    }
    check_targets(layout, records)
}

fn check_targets(layout: &Layout, records: &Records) -> Result<(), HeadError> {
    if layout.task() == Task::Classes {
        for (record, (_, target)) in records.iter().enumerate() {
            if usize::from(target) >= layout.classes() {
                return Err(HeadError::Target { record, target, classes: layout.classes() });
            }
        }
    }
    Ok(())
}

/// A record's target for class `u` at `prob_bits` fractional bits.
#[must_use]
pub fn target_value(layout: &Layout, target: u16, class: usize) -> i128 {
    match layout.task() {
        Task::Classes => i128::from(usize::from(target) == class) << layout.prob_bits(),
        Task::Real => i128::from(target) << (layout.prob_bits() - TARGET_BITS),
    }
}

/// `G = Xᵀ(P − Y)` over `records`, an exact integer at scale `2^-gradient_bits`, row-major `[d + 1][c]`, bias first.
///
/// Any number of records: shards' gradients add up.
pub fn gradient(layout: &Layout, link: Link, weights: &Weights, records: &Records) -> Result<Vec<I256>, HeadError> {
    if records.width() != layout.features() {
        return Err(HeadError::Width { expected: layout.features(), got: records.width() });
    }
    check_targets(layout, records)?;
    weights.check(layout)?;
    if link != Link::Squared && layout.k() < MIN_LINK_K {
        return Err(HeadError::LinkNeedsRows { link: link.name(), k: layout.k() });
    }
    let tables = Tables::of(layout);
    let c = layout.classes();
    let zero = || vec![I256::ZERO; layout.weights()];
    let chunk = 128;
    (0..records.len().div_ceil(chunk))
        .into_par_iter()
        .map(|part| {
            let mut g = zero();
            // q·(p − y) of 128 records fits i128 for every link: at most 2^7·2^8·2^111 (squared, d = 1,024)
            let mut part_sum = vec![0i128; layout.weights()];
            for i in part * chunk..((part + 1) * chunk).min(records.len()) {
                let (q, target) = (records.features(i), records.target(i));
                let prediction = predict(&tables, link, &weights.logits(q))
                    .map_err(|source| HeadError::Link { record: i, source })?;
                let e: Vec<i128> =
                    prediction.p.iter().enumerate().map(|(u, p)| p - target_value(layout, target, u)).collect();
                for (s, e) in part_sum[..c].iter_mut().zip(&e) {
                    *s += i128::from(BIAS_FEATURE) * e;
                }
                for (q, s) in q.iter().zip(part_sum[c..].chunks_exact_mut(c)) {
                    if *q != 0 {
                        for (s, e) in s.iter_mut().zip(&e) {
                            *s += i128::from(*q) * e;
                        }
                    }
                }
            }
            for (g, s) in g.iter_mut().zip(part_sum) {
                *g += I256::from(s);
            }
            Ok(g)
        })
        .try_reduce(zero, |mut a, b| {
            add(&mut a, &b);
            Ok(a)
        })
}

/// `a += b`.
pub fn add(a: &mut [I256], b: &[I256]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Limbs of an entry of `ΣG + nλW`, and so its range: magnitude below `2^(limbs·b − 1)`.
#[must_use]
pub fn gradient_limbs(layout: &Layout) -> usize {
    GRADIENT_RANGE_BITS.div_ceil(layout.limb_bits()) as usize
}

/// The bound that every entry of `ΣG + nλW` must stay below.
#[must_use]
pub fn gradient_limit(layout: &Layout) -> I256 {
    I256::ONE << (gradient_limbs(layout) as u32 * layout.limb_bits() - 1)
}

/// What an `optimum` proof states, in its units, with the numbers its witness needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimum {
    /// Records.
    pub n: u64,
    /// λ, units of 2^-32.
    pub lambda: u64,
    /// Least provable ε, units of 2^-32.
    pub epsilon: u64,
    /// Largest provable lower bound of ‖W‖ over the penalised coordinates, units of 2^-10.
    pub norm: u64,
    /// Share of each dataset, units of 2^-20.
    pub shares: Vec<i64>,
    /// `ΣG + nλW` at scale `2^-gradient_bits`.
    pub residual: Vec<I256>,
    /// `Σ residual²`.
    pub residual_square: U256,
    /// `Σ w²` over the penalised coordinates, 40 fractional bits.
    pub weight_square: u128,
    /// `⟨−G_p, W⟩` over the penalised coordinates, per dataset.
    pub inner: Vec<I256>,
}

impl Optimum {
    /// Denominator of the shares: `n·L·Σw²·2^(gradient_bits + 20 − 72)`.
    #[must_use]
    pub fn denominator(&self, layout: &Layout) -> U256 {
        share_denominator(layout, self.n, self.lambda, self.weight_square)
    }
}

/// `n·λ·Σw²` at the scale of `⟨−G, W⟩`.
#[must_use]
pub fn share_denominator(layout: &Layout, n: u64, lambda: u64, weight_square: u128) -> U256 {
    (U256::from(n) * U256::from(lambda) * U256::from(weight_square))
        << (layout.gradient_bits() + WEIGHT_BITS - (LAMBDA_BITS + 2 * WEIGHT_BITS))
}

/// Shift that brings `L·w` (52 fractional bits) to the gradient's scale.
#[must_use]
pub fn penalty_shift(layout: &Layout) -> u32 {
    layout.gradient_bits() - (LAMBDA_BITS + WEIGHT_BITS)
}

/// Shift that brings `e` (32 fractional bits) to the gradient's scale.
#[must_use]
pub fn epsilon_shift(layout: &Layout) -> u32 {
    layout.gradient_bits() - LAMBDA_BITS
}

/// The optimum's numbers for datasets with gradients `gradients` (one per dataset, shards summed) and `n` records in all.
pub fn optimum(
    layout: &Layout,
    reg_bias: bool,
    weights: &Weights,
    gradients: &[Vec<I256>],
    n: u64,
    lambda: u64,
) -> Result<Optimum, HeadError> {
    weights.check(layout)?;
    if lambda == 0 || lambda >> LAMBDA_LIMIT_BITS != 0 {
        return Err(HeadError::Lambda { lambda });
    }
    if n == 0 || n >> COUNT_LIMIT_BITS != 0 {
        return Err(HeadError::Records { n });
    }
    let c = layout.classes();
    let penalised_from = if reg_bias { 0 } else { c };
    let scale = I256::from(n as i64) * I256::from(lambda as i64);
    let residual: Vec<I256> = (0..layout.weights())
        .map(|j| {
            let penalty = if j < penalised_from { I256::ZERO } else { scale * I256::from(weights.values[j]) };
            gradients.iter().map(|g| g[j]).sum::<I256>() + (penalty << penalty_shift(layout))
        })
        .collect();
    let (worst, largest) =
        residual.iter().enumerate().max_by_key(|(_, g)| g.unsigned_abs()).map_or((0, I256::ZERO), |(j, g)| (j, *g));
    let unit = (n as f64) * (f64::from(epsilon_shift(layout) as i32)).exp2();
    let limit = (1u64 << EPSILON_LIMIT_BITS) as f64 / f64::from(LAMBDA_BITS as i32).exp2();
    let not_optimal = |norm: f64| HeadError::NotOptimal { norm, limit, block: worst / c, class: worst % c };
    if largest.unsigned_abs() >= gradient_limit(layout).unsigned_abs() {
        return Err(not_optimal(largest.unsigned_abs().as_f64() / unit / f64::from(LAMBDA_BITS as i32).exp2()));
    }
    let residual_square: U256 = residual.iter().map(|g| g.unsigned_abs() * g.unsigned_abs()).sum();
    let epsilon_unit = U256::from(n) << epsilon_shift(layout);
    let root = isqrt_up(residual_square);
    let epsilon = (root + epsilon_unit - 1) / epsilon_unit;
    if epsilon >> EPSILON_LIMIT_BITS != U256::ZERO {
        return Err(not_optimal(epsilon.as_f64() / f64::from(LAMBDA_BITS as i32).exp2()));
    }
    let weight_square: u128 = weights.values[penalised_from..].iter().map(|w| i128::from(*w).pow(2) as u128).sum();
    if weight_square == 0 {
        return Err(HeadError::ZeroWeights);
    }
    let norm = (weight_square >> (2 * (WEIGHT_BITS - NORM_BITS))).isqrt() as u64;
    let denominator = share_denominator(layout, n, lambda, weight_square).as_i256();
    let inner: Vec<I256> = gradients
        .iter()
        .map(|g| (penalised_from..layout.weights()).map(|j| -g[j] * I256::from(weights.values[j])).sum())
        .collect();
    let shares = inner
        .iter()
        .enumerate()
        .map(|(dataset, inner)| {
            let share = ((*inner << (SHARE_BITS + 1)) + denominator).div_euclid(denominator << 1u32);
            if share.unsigned_abs() >> SHARE_LIMIT_BITS != U256::ZERO {
                return Err(HeadError::Share { dataset });
            }
            Ok(share.as_i64())
        })
        .collect::<Result<_, _>>()?;
    Ok(Optimum { n, lambda, epsilon: epsilon.as_u64(), norm, shares, residual, residual_square, weight_square, inner })
}

/// `λ` as units of 2^-32, rounded to nearest; an error outside (0, 1).
pub fn lambda_units(lambda: f64) -> Result<u64, HeadError> {
    let units = (lambda * f64::from(LAMBDA_BITS as i32).exp2()).round();
    if units.is_finite() && units >= 1.0 && units < f64::from(LAMBDA_LIMIT_BITS as i32).exp2() {
        Ok(units as u64)
    } else {
        Err(HeadError::Lambda { lambda: if units.is_finite() && units > 0.0 { units as u64 } else { 0 } })
    }
}

/// The real value of a logit.
#[must_use]
pub fn real_logit(z: i64) -> f64 {
    z as f64 / f64::from(LOGIT_BITS as i32).exp2()
}

/// `⌈√x⌉`.
fn isqrt_up(x: U256) -> U256 {
    if x == U256::ZERO {
        return x;
    }
    // Newton from above converges monotonically
    let mut r = U256::ONE << (256 - x.leading_zeros()).div_ceil(2);
    loop {
        let next = (r + x / r) >> 1u32;
        if next >= r {
            break;
        }
        r = next;
    }
    if r * r == x {
        r
    } else {
        r + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        Layout::new(14, 4, 16, 3, Task::Classes).unwrap()
    }

    fn records(n: usize) -> Records {
        let mut r = Records::new(16);
        for i in 0..n {
            let f: Vec<u8> = (0..16).map(|j| ((i * 37 + j * 11 + i * j) % 256) as u8).collect();
            r.push(&f, (i % 3) as u16);
        }
        r
    }

    #[test]
    fn gradients_add_over_shards_and_vanish_on_no_records() {
        let (l, w) = (layout(), Weights::new(16, 3, (0..51).map(|i| (i * 1000 - 20_000) as i64).collect()).unwrap());
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            let all = gradient(&l, link, &w, &records(700)).unwrap();
            let mut sum = gradient(&l, link, &w, &records(700).slice(0..300)).unwrap();
            add(&mut sum, &gradient(&l, link, &w, &records(700).slice(300..700)).unwrap());
            assert_eq!(all, sum);
            assert!(gradient(&l, link, &w, &Records::new(16)).unwrap().iter().all(|g| *g == 0));
        }
    }

    #[test]
    fn gradient_is_the_real_gradient() {
        let (l, r) = (layout(), records(50));
        let w = Weights::new(16, 3, (0..51).map(|i| ((i * 7919) % 40_001 - 20_000) as i64).collect()).unwrap();
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            let g = gradient(&l, link, &w, &r).unwrap();
            for (j, u) in [(0usize, 0usize), (3, 1), (16, 2)] {
                let mut want = 0.0;
                for (q, y) in r.iter() {
                    let mut z: Vec<f64> = w.logits(q).into_iter().map(real_logit).collect();
                    crate::link::real(link, &mut z);
                    let x = if j == 0 { 1.0 } else { f64::from(q[j - 1]) / 256.0 };
                    want += x * (z[u] - f64::from(u8::from(usize::from(y) == u)));
                }
                let got = g[j * 3 + u].as_f64() / f64::from(l.gradient_bits() as i32).exp2();
                assert!((got - want).abs() < 1e-5, "{link:?} {j} {u}: {got} {want}");
            }
        }
    }

    #[test]
    fn shares_of_an_optimum_sum_to_one() {
        // squared loss: gradient descent to the optimum of a small problem
        let (l, r) = (layout(), records(60));
        let lambda = lambda_units(0.05).unwrap();
        let mut w = vec![0f64; 51];
        let mut best = Weights::zero(16, 3);
        for _ in 0..20_000 {
            best = Weights::new(16, 3, w.iter().map(|w| (w * 1048576.0).round() as i64).collect()).unwrap();
            let g = gradient(&l, Link::Squared, &best, &r).unwrap();
            for (w, g) in w.iter_mut().zip(&g) {
                let real = g.as_f64() / f64::from(l.gradient_bits() as i32).exp2() / 60.0 + 0.05 * *w;
                *w -= 0.15 * real;
            }
        }
        let parts = [r.slice(0..25), r.slice(25..60)].map(|s| gradient(&l, Link::Squared, &best, &s).unwrap());
        let o = optimum(&l, true, &best, &parts, 60, lambda).unwrap();
        let sum: i64 = o.shares.iter().sum();
        assert!((sum - (1 << SHARE_BITS)).abs() < 64, "{:?}", o.shares);
        assert!(o.epsilon < 1 << 16, "{}", o.epsilon);
    }

    #[test]
    fn a_model_that_is_no_optimum_is_refused_with_its_place() {
        let l = layout();
        let w = Weights::new(16, 3, vec![1 << 20; 51]).unwrap();
        let g = gradient(&l, Link::Squared, &w, &records(40)).unwrap();
        assert!(matches!(optimum(&l, true, &w, &[g], 40, 1 << 20), Err(HeadError::NotOptimal { .. })));
    }

    #[test]
    fn weights_at_the_limit() {
        assert!(Weights::new(1, 1, vec![WEIGHT_LIMIT - 1, 1 - WEIGHT_LIMIT]).is_ok());
        assert!(matches!(Weights::new(1, 1, vec![0, WEIGHT_LIMIT]), Err(HeadError::Weight { block: 1, .. })));
        assert!(matches!(Weights::new(1, 1, vec![-WEIGHT_LIMIT, 0]), Err(HeadError::Weight { block: 0, .. })));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let (l, c) = (layout(), layout().capacity());
        let says = |e: HeadError, numbers: &[&str]| {
            let text = e.to_string();
            assert!(numbers.iter().all(|n| text.contains(n)), "{text}: {numbers:?}");
        };
        says(check_records(&l, &records(c + 1)).unwrap_err(), &[&(c + 1).to_string(), &format!("holds {c}")]);
        assert_eq!(check_records(&l, &records(c)), Ok(()));
        says(check_records(&l, &Records::new(17)).unwrap_err(), &["17 features", "at most 16"]);
        let mut bad = records(2);
        bad.push(&[0; 16], 3);
        says(check_records(&l, &bad).unwrap_err(), &["record 2", "target 3", "3 classes"]);
        says(Weights::new(1, 2, vec![0, 0, 0, WEIGHT_LIMIT]).unwrap_err(), &["33554432·2^-20", "below 32", "class 1"]);
        says(Weights::new(1, 2, vec![0; 5]).unwrap_err(), &["5 weights", "expected 4"]);
        for lambda in [0.0, -1.0, 1.0, 2.0, 1e-11, f64::NAN, f64::INFINITY] {
            says(lambda_units(lambda).unwrap_err(), &["0 < λ < 1"]);
        }
        assert_eq!(
            (lambda_units(1.0 - 1.0 / 4_294_967_296.0), lambda_units(1.0 / 4_294_967_296.0)),
            (Ok(u32::MAX.into()), Ok(1))
        );
        let w = Weights::new(16, 3, vec![1 << 20; 51]).unwrap();
        let g = gradient(&l, Link::Squared, &w, &records(40)).unwrap();
        let of = |n, lambda| optimum(&l, true, &w, std::slice::from_ref(&g), n, lambda).unwrap_err();
        says(of(40, 1 << 32), &["4294967296·2^-32", "0 < λ < 1"]);
        says(of(0, 1), &["0 records", "1 to 2^26 - 1"]);
        says(of(1 << 26, 1), &["67108864 records", "1 to 2^26 - 1"]);
        // ε beyond what a proof can state: the norm and the limit, 2^25·2^-32
        says(of(40, 1 << 20), &["gradient norm", "(7.812e-3)"]);
        let small = Layout::new(13, 4, 16, 3, Task::Classes).unwrap();
        says(gradient(&small, Link::Softmax, &w, &records(1)).unwrap_err(), &["k >= 14", "k = 13"]);
    }

    #[test]
    fn ties_go_to_the_lower_class() {
        assert_eq!(answer(&[1, 5, 5]), 1);
        assert_eq!(answer(&[0, 0, 0]), 0);
        assert_eq!((answer(&[0]), answer(&[1])), (0, 1));
    }

    proptest! {
        #[test]
        fn isqrt_rounds_up(a in any::<u128>()) {
            let x = U256::from(a);
            let r = isqrt_up(x);
            prop_assert!(r * r >= x);
            prop_assert!(r == U256::ZERO || (r - 1) * (r - 1) < x);
        }
    }
}
