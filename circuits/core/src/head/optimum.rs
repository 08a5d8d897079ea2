//! The optimum's numbers and the shares.

use ethnum::{I256, U256};

use crate::layout::Layout;
use crate::numbers::{
    COUNT_LIMIT_BITS, EPSILON_LIMIT_BITS, LAMBDA_BITS, LAMBDA_LIMIT_BITS, NORM_BITS, SHARE_BITS, SHARE_LIMIT_BITS,
    WEIGHT_BITS,
};

use super::error::HeadError;
use super::weights::Weights;

/// Bits that every entry of `ΣG + nλW` must fit before squaring; see [`gradient_limit`].
pub const GRADIENT_RANGE_BITS: u32 = 112;

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
            let penalty = if j < penalised_from { I256::ZERO } else { scale * I256::from(weights.values()[j]) };
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
    let weight_square: u128 = weights.values()[penalised_from..].iter().map(|w| i128::from(*w).pow(2) as u128).sum();
    if weight_square == 0 {
        return Err(HeadError::ZeroWeights);
    }
    let norm = (weight_square >> (2 * (WEIGHT_BITS - NORM_BITS))).isqrt() as u64;
    let denominator = share_denominator(layout, n, lambda, weight_square).as_i256();
    let inner: Vec<I256> = gradients
        .iter()
        .map(|g| (penalised_from..layout.weights()).map(|j| -g[j] * I256::from(weights.values()[j])).sum())
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
    use crate::head::{check_records, gradient};
    use crate::layout::Task;
    use crate::link::Link;
    use crate::numbers::WEIGHT_LIMIT;
    use crate::records::Records;
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
