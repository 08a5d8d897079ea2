//! The loss of weights on records: what `evaluation` publishes beside the right answers.
//!
//! softmax: `Σ l − z_y`, `l` the log-sum-exp of the logits. logistic: the same for `(z, 0)`, summed over the classes.
//! squared: `Σ (p − y)²`, summed over the classes. All of it in integers, with 40 fractional bits (squared: 80), summed
//! exactly over a shard and then rounded down to units of 2^-20.
//!
//! # Error bound
//!
//! Let `L` be the published number of a shard of `n` records and `ℓ` the real loss of the integer weights on them. Then
//! `−n·e ≤ ℓ − L·2^-20 < 2^-20 + n·e`, where `e` is 0 for squared, `2^-34.8` for softmax with `c ≤ 100`, and `c·2^-34.8`
//! for logistic. For with [`crate::link`]'s notation, `Σ p̂_u = 1 + e'` at the shift `l` that a prover chooses, so
//! `l = lse(z) − ln(1 + e')`, and `|e'| ≤ |w| + Σ p̂_u|a_u| + Σ |b_u| ≤ 2^-39 + (2^-35 + 1.07·2^-40) + 2^-39.4 < 2^-34.8`.
//! Over the 2^26 records that a dataset has at most, all shards together: below `2^-8.8` plus one unit per shard.
//!
//! # Safe sums
//!
//! A circuit proves `2^pad·S = 2^(b·limbs)·L + Σ limb_i 2^(b·i)` over the field, `S` the exact sum. With `S` below
//! `(2^56)²·2^7·2^22` and `L < 2^53` (which verifiers check) both sides are below 2^200, so it holds for integers.

use ethnum::U256;
use rayon::prelude::*;

use crate::layout::{Layout, Task};
use crate::link::{Link, NoShift, Tables};
use crate::numbers::{LOGIT_BITS, LOSS_BITS, LOSS_LIMIT_BITS};
use crate::records::Records;

use super::error::HeadError;
use super::gradient::check_link;
use super::weights::Weights;

/// Fractional bits of a record's loss before it is rounded.
#[must_use]
pub fn loss_scale(link: Link) -> u32 {
    match link {
        Link::Squared => 2 * LOGIT_BITS,
        Link::Softmax | Link::Logistic => LOGIT_BITS,
    }
}

/// How the bits of a loss that are rounded away are split into limbs of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossRemainder {
    /// Number of limbs.
    pub limbs: usize,
    /// Bits by which the sum is shifted up, so that a whole number of limbs is rounded away.
    pub pad: u32,
}

impl LossRemainder {
    /// The split for a layout and link.
    #[must_use]
    pub fn of(layout: &Layout, link: Link) -> Self {
        let (bits, b) = (loss_scale(link) - LOSS_BITS, layout.limb_bits());
        let limbs = bits.div_ceil(b);
        LossRemainder { limbs: limbs as usize, pad: limbs * b - bits }
    }
}

/// The exact loss of one record with [`loss_scale`] fractional bits.
///
/// # Errors
/// [`NoShift`], as for [`Tables::shift`].
pub fn record_loss(tables: &Tables, link: Link, z: &[i64], target: u16) -> Result<U256, NoShift> {
    let of_class = |(u, z): (usize, &i64)| -> Result<U256, NoShift> {
        let hit = usize::from(target) == u;
        Ok(match link {
            Link::Squared => {
                let miss = i128::from(*z) - (i128::from(hit) << LOGIT_BITS);
                U256::from(miss.unsigned_abs()) * U256::from(miss.unsigned_abs())
            }
            Link::Logistic => {
                let l = tables.shift(&[*z, 0])?;
                U256::from((l - if hit { *z } else { 0 }) as u64)
            }
            Link::Softmax => U256::ZERO,
        })
    };
    if link == Link::Softmax {
        return Ok(U256::from((tables.shift(z)? - z[usize::from(target)]) as u64));
    }
    z.iter().enumerate().map(of_class).try_fold(U256::ZERO, |sum, loss| Ok(sum + loss?))
}

fn rounded(link: Link, sum: U256) -> Result<u64, HeadError> {
    let units = sum >> (loss_scale(link) - LOSS_BITS);
    if units >> LOSS_LIMIT_BITS != U256::ZERO {
        return Err(HeadError::Loss { loss: units.as_f64() / f64::from(LOSS_BITS as i32).exp2() });
    }
    Ok(units.as_u64())
}

/// The loss over the records of one shard, rounded down, units of 2^-20.
///
/// # Errors
/// [`HeadError`] if records or weights do not fit the layout, the tables do not resolve a record's logits, or the loss
/// is beyond the public limit.
pub fn loss(layout: &Layout, link: Link, weights: &Weights, records: &Records) -> Result<u64, HeadError> {
    super::gradient::check_records(layout, records)?;
    weights.check(layout)?;
    check_link(layout, link)?;
    if layout.task() == Task::Real {
        return Err(HeadError::LossOfRegression);
    }
    let tables = Tables::of(layout);
    let sum = (0..records.len())
        .into_par_iter()
        .map(|record| {
            record_loss(&tables, link, &weights.logits(records.features(record)), records.target(record))
                .map_err(|source| HeadError::Link { record, source })
        })
        .try_reduce(|| U256::ZERO, |a, b| Ok(a + b))?;
    rounded(link, sum)
}

/// [`loss`] of all-zero weights, the uniform answer, on any `records` records of one shard: it depends on nothing else.
///
/// # Errors
/// As for [`loss`].
pub fn uniform_loss(layout: &Layout, link: Link, records: u64) -> Result<u64, HeadError> {
    check_link(layout, link)?;
    let one = record_loss(&Tables::of(layout), link, &vec![0; layout.classes()], 0)
        .map_err(|source| HeadError::Link { record: 0, source })?;
    rounded(link, one * U256::from(records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::WEIGHT_LIMIT;
    use proptest::prelude::*;

    fn layout() -> Layout {
        Layout::new(14, 4, 16, 3, Task::Classes).unwrap()
    }

    /// By how much `l` exceeds `ln Σ exp(v)`, for logits of 40 fractional bits, computed from the largest so that f64 keeps some 2^-48.
    fn miss(l: i64, z: &[i64]) -> f64 {
        let unit = f64::from(LOGIT_BITS as i32).exp2();
        let largest = z.iter().copied().max().unwrap();
        let tail: f64 = z.iter().filter(|v| **v != largest).map(|v| ((v - largest) as f64 / unit).exp()).sum();
        let ties = z.iter().filter(|v| **v == largest).count() as f64;
        (l - largest) as f64 / unit - (ties - 1.0 + tail).ln_1p()
    }

    /// The stated error of a record's loss, over the whole range of logits and every number of classes.
    #[test]
    fn the_log_sum_exp_is_within_the_stated_bound() {
        let bound = (-34.8f64).exp2();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut worst = 0f64;
        for k in [14, 15] {
            let tables = Tables::of(&Layout::new(k, 4, 16, 3, Task::Classes).unwrap());
            for classes in [2usize, 3, 10, 100] {
                for width in [1u32, 20, 36, 40, 42, 44, 46, 55] {
                    for _ in 0..40 {
                        let z: Vec<i64> =
                            (0..classes).map(|_| (next() >> (63 - width)) as i64 - (1 << width)).collect();
                        let l = tables.shift(&z).unwrap();
                        // every shift in the window, not only the best
                        for l in l - 4..=l + 4 {
                            if z.iter().any(|v| *v > l) {
                                continue;
                            }
                            let sum = tables.sum(&z, l);
                            if sum + tables.window() >= tables.one() && sum < tables.one() + tables.window() {
                                worst = worst.max(miss(l, &z).abs());
                            }
                        }
                    }
                }
            }
        }
        assert!(worst < bound, "2^{:.2}", worst.log2());
        // and it is not idle: some are within a factor of four
        assert!(worst > bound / 4.0, "2^{:.2}", worst.log2());
    }

    #[test]
    fn losses_of_known_logits() {
        let l = layout();
        let tables = Tables::of(&l);
        let one = 1i64 << LOGIT_BITS;
        let exact = |link, z: &[i64], y| record_loss(&tables, link, z, y).unwrap();
        assert_eq!(exact(Link::Squared, &[one, 0, 0], 0), U256::ZERO);
        assert_eq!(exact(Link::Squared, &[one, 0, -one], 1), U256::from(3u8) << 80);
        let real = |link, z: &[i64], y| exact(link, z, y).as_f64() / f64::from(LOGIT_BITS as i32).exp2();
        assert!((real(Link::Softmax, &[0; 3], 2) - 3f64.ln()).abs() < 1e-10);
        assert!((real(Link::Logistic, &[0; 3], 2) - 3.0 * 2f64.ln()).abs() < 1e-10);
        // sure of the right class, and of a wrong one
        assert_eq!(real(Link::Softmax, &[40 * one, 0, 0], 0), 0.0);
        assert!((real(Link::Softmax, &[40 * one, 0, 0], 1) - 40.0).abs() < 1e-9);
    }

    #[test]
    fn the_uniform_answer_is_that_of_no_weights() {
        let (l, zero) = (layout(), Weights::zero(16, 3));
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            for n in [0u16, 1, 2, 77] {
                let mut records = Records::new(16);
                (0..n).for_each(|i| records.push(&[i as u8; 16], i % 3));
                assert_eq!(loss(&l, link, &zero, &records), uniform_loss(&l, link, n.into()), "{link:?} {n}");
            }
        }
        assert_eq!(uniform_loss(&l, Link::Squared, 5), Ok(5 << LOSS_BITS));
    }

    #[test]
    fn what_is_beyond_the_limit_is_refused() {
        let l = layout();
        // the largest number of records, each with the largest loss that the limit allows for it
        assert!(rounded(Link::Softmax, U256::from((1u128 << 73) - 1)).is_ok());
        assert!(matches!(rounded(Link::Softmax, U256::ONE << 73u32), Err(HeadError::Loss { .. })));
        assert_eq!(uniform_loss(&l, Link::Logistic, 1 << 26).map(|l| l >> 46), Ok(2)); // 3 ln 2 = 2.08 each
        let real = Layout::new(14, 4, 16, 1, Task::Real).unwrap();
        let w = Weights::new(16, 1, vec![WEIGHT_LIMIT - 1; 17]).unwrap();
        let refused = loss(&real, Link::Squared, &w, &Records::new(16)).unwrap_err();
        assert_eq!(refused, HeadError::LossOfRegression);
        let small = Layout::new(13, 4, 16, 3, Task::Classes).unwrap();
        let refused = loss(&small, Link::Softmax, &Weights::zero(16, 3), &Records::new(16)).unwrap_err();
        assert!(refused.to_string().contains("k >= 14"), "{refused}");
    }

    proptest! {
        /// A whole number of limbs is rounded away, for every layout and link.
        #[test]
        fn the_remainder_is_whole_limbs(k in 10u32..=22) {
            let l = Layout::new(k, 8, 16, 2, Task::Classes).unwrap();
            for link in [Link::Squared, Link::Logistic, Link::Softmax] {
                let r = LossRemainder::of(&l, link);
                prop_assert_eq!(r.limbs as u32 * l.limb_bits(), loss_scale(link) - LOSS_BITS + r.pad);
                prop_assert!(r.pad < l.limb_bits() && r.limbs <= l.salt_rows());
            }
        }
    }
}
