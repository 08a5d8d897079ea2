//! The numbers that the `optimum` proof states.

use ethnum::{I256, U256};

use crate::layout::Layout;
use crate::numbers::{
    real, COUNT_LIMIT_BITS, EPSILON_LIMIT_BITS, LAMBDA_BITS, LAMBDA_LIMIT_BITS, NORM_BITS, WEIGHT_BITS,
};

use super::error::HeadError;
use super::weights::Weights;

/// How the entries of the residual `g = ΣG + nλW` are split into limbs: all limbs serve to prove the range, and those
/// above the rounded ones are squared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidualLimbs {
    /// Number of limbs of an entry: its magnitude is below `2^(all·b − 1)`.
    pub all: usize,
    /// Number of lowest limbs that are rounded away before squaring.
    pub rounded: usize,
}

/// Integer bits of the residual's range, with the sign: an entry is below `2^8`, as `nε < 2^19` allows where `n` is
/// large and ε small.
const RESIDUAL_INTEGER_BITS: u32 = 9;
/// Minimum number of an entry's fractional bits that are squared.
const RESIDUAL_FRACTION_BITS: u32 = 54;

impl ResidualLimbs {
    /// The split for the limbs of a layout.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let b = layout.limb_bits();
        let all = (layout.gradient_bits() + RESIDUAL_INTEGER_BITS).div_ceil(b);
        let rounded = (layout.gradient_bits() - RESIDUAL_FRACTION_BITS) / b;
        ResidualLimbs { all: all as usize, rounded: rounded as usize }
    }
    /// Number of bits that are rounded away.
    #[must_use]
    pub fn rounded_bits(self, layout: &Layout) -> u32 {
        self.rounded as u32 * layout.limb_bits()
    }
}

/// The bound that every entry of `ΣG + nλW` must stay below.
#[must_use]
pub fn gradient_limit(layout: &Layout) -> I256 {
    I256::ONE << (ResidualLimbs::of(layout).all as u32 * layout.limb_bits() - 1)
}

/// The statement of an `optimum` proof, in its units, with the numbers that its witness needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimum {
    /// Number of records.
    pub n: u64,
    /// λ, units of 2^-44.
    pub lambda: u64,
    /// The smallest provable ε, units of 2^-44.
    pub epsilon: u64,
    /// The largest provable lower bound on ‖W‖, units of 2^-10.
    pub norm: u64,
    /// `g = ΣG + nλW` at scale `2^-gradient_bits`.
    pub residual: Vec<I256>,
    /// `Σ g'²` with `g' = ⌊g/2^s⌋`, s the [`rounded_bits`](ResidualLimbs::rounded_bits).
    pub residual_square: U256,
    /// `Σ w²`, 64 fractional bits.
    pub weight_square: u128,
}

/// Shift that brings `L·w` (76 fractional bits) to the gradient's scale.
#[must_use]
pub fn penalty_shift(layout: &Layout) -> u32 {
    layout.gradient_bits() - (LAMBDA_BITS + WEIGHT_BITS)
}

/// Shift that brings `e` (44 fractional bits) to the scale of the rounded residual.
#[must_use]
pub fn epsilon_shift(layout: &Layout) -> u32 {
    layout.gradient_bits() - ResidualLimbs::of(layout).rounded_bits(layout) - LAMBDA_BITS
}

/// Computes the optimum's numbers; `sum` is the sum of the gradients over all `n` records.
///
/// # Errors
/// [`HeadError`] if no proof can state them.
pub fn optimum(layout: &Layout, weights: &Weights, sum: &[I256], n: u64, lambda: u64) -> Result<Optimum, HeadError> {
    weights.check(layout)?;
    if lambda == 0 || lambda >> LAMBDA_LIMIT_BITS != 0 {
        return Err(HeadError::Lambda { lambda });
    }
    if n == 0 || n >> COUNT_LIMIT_BITS != 0 {
        return Err(HeadError::Records { n });
    }
    let c = layout.classes();
    let scale = I256::from(n as i64) * I256::from(lambda as i64);
    let residual: Vec<I256> = sum
        .iter()
        .zip(weights.values())
        .map(|(g, w)| *g + ((scale * I256::from(*w)) << penalty_shift(layout)))
        .collect();
    let (worst, largest) =
        residual.iter().enumerate().max_by_key(|(_, g)| g.unsigned_abs()).map_or((0, I256::ZERO), |(j, g)| (j, *g));
    let limit = real(1 << EPSILON_LIMIT_BITS, LAMBDA_BITS);
    let not_optimal = |norm: f64| HeadError::NotOptimal { norm, limit, block: worst / c, class: worst % c };
    let limbs = ResidualLimbs::of(layout);
    if largest.unsigned_abs() >= gradient_limit(layout).unsigned_abs() {
        let real = largest.unsigned_abs().as_f64() / f64::from(layout.gradient_bits() as i32).exp2();
        return Err(not_optimal(real / n as f64));
    }
    let rounded = |g: &I256| (*g >> limbs.rounded_bits(layout)).unsigned_abs();
    let residual_square: U256 = residual.iter().map(|g| rounded(g) * rounded(g)).sum();
    let epsilon_unit = U256::from(n) << epsilon_shift(layout);
    let root = isqrt_up(residual_square);
    let epsilon = (root + epsilon_unit - 1) / epsilon_unit;
    if epsilon >> EPSILON_LIMIT_BITS != U256::ZERO {
        return Err(not_optimal(epsilon.as_f64() / f64::from(LAMBDA_BITS as i32).exp2()));
    }
    let weight_square: u128 = weights.values().iter().map(|w| i128::from(*w).pow(2) as u128).sum();
    if weight_square == 0 {
        return Err(HeadError::ZeroWeights);
    }
    let norm = (weight_square >> (2 * (WEIGHT_BITS - NORM_BITS))).isqrt() as u64;
    Ok(Optimum { n, lambda, epsilon: epsilon.as_u64(), norm, residual, residual_square, weight_square })
}

/// `λ` in units of 2^-44, rounded to nearest; an error outside (0, 1).
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
    // Newton's method from above converges monotonically
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
    fn a_model_that_is_no_optimum_is_refused_with_its_place() {
        let l = layout();
        let w = Weights::new(16, 3, vec![1 << 32; 51]).unwrap();
        let g = gradient(&l, Link::Squared, &w, &records(40)).unwrap();
        assert!(matches!(optimum(&l, &w, &g, 40, 1 << 32), Err(HeadError::NotOptimal { .. })));
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
        says(
            Weights::new(1, 2, vec![0, 0, 0, WEIGHT_LIMIT]).unwrap_err(),
            &["137438953472·2^-32", "below 32", "class 1"],
        );
        says(Weights::new(1, 2, vec![0; 5]).unwrap_err(), &["5 weights", "expected 4"]);
        for lambda in [0.0, -1.0, 1.0, 2.0, 1e-14, f64::NAN, f64::INFINITY] {
            says(lambda_units(lambda).unwrap_err(), &["0 < λ < 1"]);
        }
        assert_eq!((lambda_units(1.0 - (-44f64).exp2()), lambda_units((-44f64).exp2())), (Ok((1 << 44) - 1), Ok(1)));
        let w = Weights::new(16, 3, vec![1 << 32; 51]).unwrap();
        let g = gradient(&l, Link::Squared, &w, &records(40)).unwrap();
        let of = |n, lambda| optimum(&l, &w, &g, n, lambda).unwrap_err();
        says(of(40, 1 << 44), &["17592186044416·2^-44", "0 < λ < 1"]);
        says(of(0, 1), &["0 records", "1 to 2^26 - 1"]);
        says(of(1 << 26, 1), &["67108864 records", "1 to 2^26 - 1"]);
        // ε beyond what a proof can state: the error has the norm and the limit, 2^37·2^-44
        says(of(40, 1 << 32), &["gradient norm", "(7.812e-3)"]);
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
