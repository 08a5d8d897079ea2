//! Fixed-point scales and limits: one table for circuits, contracts, service and command line.
//!
//! Every quantity is an integer; the constant says how many fractional bits it has.

/// Fractional bits of a feature: the `u8` value `q` stands for `q / 256`.
pub const FEATURE_BITS: u32 = 8;
/// The bias is a coordinate whose feature is this constant (real value 1).
pub const BIAS_FEATURE: i64 = 1 << FEATURE_BITS;
/// Fractional bits of a weight.
pub const WEIGHT_BITS: u32 = 20;
/// A weight `w` (an integer) satisfies `|w| < WEIGHT_LIMIT`, that is, `|w| < 32` as a real number.
pub const WEIGHT_LIMIT: i64 = 1 << 25;
/// Fractional bits of a logit: feature bits and weight bits.
pub const LOGIT_BITS: u32 = FEATURE_BITS + WEIGHT_BITS;
/// Fractional bits of the regularisation strength λ and of the gradient bound ε.
pub const LAMBDA_BITS: u32 = 32;
/// Fractional bits of a dataset's share.
pub const SHARE_BITS: u32 = 20;
/// Fractional bits of the published lower bound of `‖W‖₂`.
pub const NORM_BITS: u32 = 10;
/// Fractional bits of a real-valued regression target.
pub const TARGET_BITS: u32 = 16;

/// Public limit: records of one agent, `n < 2^26`.
pub const COUNT_LIMIT_BITS: u32 = 26;
/// Public limit: `ε·2^32 < 2^25`.
pub const EPSILON_LIMIT_BITS: u32 = 25;
/// Public limit: `λ·2^32 < 2^32`, that is, `λ < 1`.
pub const LAMBDA_LIMIT_BITS: u32 = 32;
/// Public limit: the published norm is below `2^24` (real value `2^14`).
pub const NORM_LIMIT_BITS: u32 = 24;
/// Public limit: a share's magnitude is below `2^30` (real value `2^10`).
pub const SHARE_LIMIT_BITS: u32 = 30;

/// A certificate is refused when a share is below `-2^-10`.
pub const LEAST_SHARE: i64 = -(1 << (SHARE_BITS - 10));
/// The proven relative distance `(ε + δ)/(λ‖W‖)` must be at most one part in this many.
pub const DISTANCE_PARTS: u64 = 1000;

/// δ in units of 2^-32: the proven worst case of the link tables, `2^-24·√(c(d+1))`, rounded up.
///
/// `features` is the feature count `d`, `classes` is `c`.
#[must_use]
pub fn link_error_units(features: usize, classes: usize) -> u64 {
    let cells = (classes * (features + 1)) as u64;
    // 2^-24·√cells·2^32 = 256·√cells = √(65536·cells)
    let target = cells << 16;
    let root = target.isqrt();
    if root * root == target {
        root
    } else {
        root + 1
    }
}

/// Whether `(e + δ)/(L·v/2^10)` is at most one part in [`DISTANCE_PARTS`].
///
/// `epsilon` and `lambda` in units of 2^-32, `norm` in units of 2^-10, `delta` from [`link_error_units`].
#[must_use]
pub fn distance_is_certified(epsilon: u64, delta: u64, lambda: u64, norm: u64) -> bool {
    (u128::from(epsilon + delta) * u128::from(DISTANCE_PARTS)) << NORM_BITS <= u128::from(lambda) * u128::from(norm)
}

/// The proven relative distance as a real number, for people.
#[must_use]
pub fn relative_distance(epsilon: u64, delta: u64, lambda: u64, norm: u64) -> f64 {
    (epsilon + delta) as f64 / (lambda as f64 * norm as f64 / f64::from(1 << NORM_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_error_is_rounded_up() {
        assert_eq!(link_error_units(63, 1), 2048); // √64·256
        assert_eq!(link_error_units(64, 10), 6527); // √650·256 = 6526.7…
    }

    #[test]
    fn distance_boundary_is_exact() {
        // (e + δ)·1000·1024 <= L·v at equality, one below and one above
        assert!(distance_is_certified(500, 500, 1000, 1_024_000));
        assert!(distance_is_certified(499, 500, 1000, 1_024_000));
        assert!(!distance_is_certified(501, 500, 1000, 1_024_000));
    }
}
