//! Fixed-point scales and limits: one table for the circuits, contracts, service and command line.
//!
//! Every quantity is an integer; the constants give its number of fractional bits.

/// Fractional bits of a feature: the `u8` value `q` represents `q / 256`.
pub const FEATURE_BITS: u32 = 8;
/// Fractional bits of a weight.
pub const WEIGHT_BITS: u32 = 32;
/// The constant feature whose weight is the bias: `2^s` for the intercept scale `s`, with [`FEATURE_BITS`] fractional
/// bits like any other feature.
#[must_use]
pub const fn bias_feature(intercept_scale: u32) -> i64 {
    1 << (FEATURE_BITS + intercept_scale)
}
/// A weight `w` (an integer) satisfies `|w| < WEIGHT_LIMIT`, that is, `|w| < 32` as a real number.
pub const WEIGHT_LIMIT: i64 = 1 << (WEIGHT_BITS + 5);
/// Fractional bits of a logit: feature bits and weight bits.
pub const LOGIT_BITS: u32 = FEATURE_BITS + WEIGHT_BITS;
/// Fractional bits of the regularisation strength λ and of the gradient bound ε.
pub const LAMBDA_BITS: u32 = 44;
/// Fractional bits of a dataset's share of the fees, where a share is published as a number.
pub const SHARE_BITS: u32 = 20;
/// Fractional bits of the published lower bound on `‖W‖₂`.
pub const NORM_BITS: u32 = 10;
/// Fractional bits of a real-valued regression target.
pub const TARGET_BITS: u32 = 16;
/// Minimum number of fractional bits of the unit in which a gradient proof publishes `N = ⟨−G, W⟩`; see
/// [`Layout::contribution_bits`](crate::layout::Layout::contribution_bits).
pub const CONTRIBUTION_BITS: u32 = 44;

/// Fractional bits of the loss that an evaluation publishes.
pub const LOSS_BITS: u32 = 20;
/// Public limit: the loss over a shard, and over a dataset, is below `2^53` units (real value `2^33`), which every JSON
/// parser represents exactly. For the `2^26` records that a dataset has at most, that is a mean of 128.
pub const LOSS_LIMIT_BITS: u32 = 53;

/// Public limit on the number of records of one agent: `n < 2^26`.
pub const COUNT_LIMIT_BITS: u32 = 26;
/// Public limit: `ε·2^44 < 2^37`, that is, `ε < 2^-7`.
pub const EPSILON_LIMIT_BITS: u32 = LAMBDA_BITS - 7;
/// Public limit: `λ·2^44 < 2^44`, that is, `λ < 1`.
pub const LAMBDA_LIMIT_BITS: u32 = LAMBDA_BITS;
/// Public limit: the published norm is below `2^24` (real value `2^14`).
pub const NORM_LIMIT_BITS: u32 = 24;
/// Public limit: `|N| < 2^112`, in units of the layout's [`contribution_bits`](crate::layout::Layout::contribution_bits).
///
/// Honest contributions are far below: over one shard `|⟨G, W⟩| < 2^22·2^32·100` for the squared link, the worst case,
/// and a unit is at least `2^-50`.
pub const CONTRIBUTION_LIMIT_BITS: u32 = 112;

/// The proven relative distance `(ε + δ)/(λ‖W‖)` must be at most one part in this many.
pub const DISTANCE_PARTS: u64 = 1000;
/// Negative contributions may take at most one part in this many of the sum: `2^10`.
pub const NEGATIVE_PARTS: i64 = 1 << 10;
/// Rounding may take at most one part in this many of the sum of contributions: `2^20`.
pub const ROUNDING_PARTS: u64 = 1 << 20;

/// δ in units of 2^-44: the proven worst-case error of the link tables, `2^-36` for each entry of the predictions (see
/// [`crate::link`]), propagated through features of at most 1 and a bias feature of `2^s`: `2^-36·√(c(d + 4^s))`,
/// rounded up, plus one unit for the rounded residual of `optimum`.
///
/// `features` is the feature count `d`, `classes` is `c`, `intercept_scale` is `s`.
#[must_use]
pub fn link_error_units(features: usize, classes: usize, intercept_scale: u32) -> u64 {
    let cells = (classes * (features + (1 << (2 * intercept_scale)))) as u64;
    // 2^-36·√cells·2^44 = 256·√cells = √(65536·cells)
    let target = cells << 16;
    let root = target.isqrt();
    let up = if root * root == target { root } else { root + 1 };
    up + 1
}

/// Whether `(e + δ)/(L·v/2^10)` is at most one part in [`DISTANCE_PARTS`].
///
/// `epsilon` and `lambda` in units of 2^-44, `norm` in units of 2^-10, `delta` from [`link_error_units`].
#[must_use]
pub fn distance_is_certified(epsilon: u64, delta: u64, lambda: u64, norm: u64) -> bool {
    ((u128::from(epsilon) + u128::from(delta)) * u128::from(DISTANCE_PARTS)) << NORM_BITS
        <= u128::from(lambda) * u128::from(norm)
}

/// The proven relative distance as a real number, for display.
#[must_use]
pub fn relative_distance(epsilon: u64, delta: u64, lambda: u64, norm: u64) -> f64 {
    (epsilon as f64 + delta as f64) / (lambda as f64 * norm as f64 / f64::from(1 << NORM_BITS))
}

/// A fixed-point number with `bits` fractional bits as a real number: `units·2^-bits`.
#[must_use]
pub fn real(units: u64, bits: u32) -> f64 {
    units as f64 / f64::from(bits as i32).exp2()
}

/// Bound on the excess loss over the optimum, `(ε + δ)²/(2λ)`: the loss is λ-strongly convex and its gradient at the
/// certified weights is at most `ε + δ`. A real number, rounded up by one part in 2^40.
///
/// `epsilon`, `delta` and `lambda` in units of 2^-44.
#[must_use]
pub fn excess_loss(epsilon: u64, delta: u64, lambda: u64) -> f64 {
    let unit = f64::from(LAMBDA_BITS as i32).exp2().recip();
    let gradient = epsilon as f64 + delta as f64;
    gradient * gradient / (2.0 * lambda as f64) * unit * (1.0 + f64::EPSILON * 4096.0)
}

/// The smallest λ, in units of 2^-44, for which an optimum of norm `norm` (units of 2^-10) can be certified at all: at
/// this λ, the link's error alone uses up the allowed distance.
#[must_use]
pub fn smallest_lambda(delta: u64, norm: u64) -> u64 {
    let needed = (u128::from(delta) * u128::from(DISTANCE_PARTS)) << NORM_BITS;
    u64::try_from(needed.div_ceil(u128::from(norm.max(1)))).unwrap_or(u64::MAX)
}

/// The largest norm that weights within range can have, in units of 2^-10, rounded up; see [`smallest_lambda`].
#[must_use]
pub fn largest_norm(weights: usize) -> u64 {
    let limit = (WEIGHT_LIMIT as u64) >> (WEIGHT_BITS - NORM_BITS);
    limit * (weights.isqrt() as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_error_is_rounded_up() {
        assert_eq!(link_error_units(63, 1, 0), 2049); // √64·256
        assert_eq!(link_error_units(64, 10, 0), 6528); // √650·256 = 6526.7…
        assert_eq!(link_error_units(64, 10, 4), 14_483); // √3200·256 = 14481.5…
    }

    #[test]
    fn distance_boundary_is_exact() {
        // (e + δ)·1000·1024 <= L·v at equality, one below and one above
        assert!(distance_is_certified(500, 500, 1000, 1_024_000));
        assert!(distance_is_certified(499, 500, 1000, 1_024_000));
        assert!(!distance_is_certified(501, 500, 1000, 1_024_000));
        // nothing overflows at the limits
        assert!(!distance_is_certified((1 << EPSILON_LIMIT_BITS) - 1, u64::MAX, 1, 1));
    }

    #[test]
    fn no_norm_is_above_the_largest() {
        assert_eq!(largest_norm(650), (32 << NORM_BITS) * 26);
        assert!(f64::from(32 << NORM_BITS) * 650f64.sqrt() <= largest_norm(650) as f64);
    }

    #[test]
    fn the_smallest_lambda_is_the_first_that_passes() {
        for (delta, norm) in [(6528, 1 << 10), (14_482, 10 << 10), (2049, 777)] {
            let lambda = smallest_lambda(delta, norm);
            assert!(distance_is_certified(0, delta, lambda, norm));
            assert!(!distance_is_certified(0, delta, lambda - 1, norm));
        }
    }
}
