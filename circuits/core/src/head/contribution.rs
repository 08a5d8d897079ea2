//! What each shard contributes to the optimum, `N = ⟨−G, W⟩`, and the rules that turn contributions into shares.
//!
//! At the optimum `ΣG = −nλW` up to the residual, so `Σ N = nλ‖W‖²` up to the residual's part: the contributions divide
//! the weights' squared norm among the shards. A dataset's contribution is the sum over its shards. Its share of the
//! fees is its positive part over the sum of all positive parts.
//!
//! # Why the rules
//!
//! - `N` is an integer number of units, rounded down, below `2^112` in magnitude. If `N` were a quotient in the field,
//!   a prover could choose among many values.
//! - Negative parts together are at most one part in 2^10 of the sum. Bounding each dataset alone would let a thousand
//!   slightly negative datasets double everybody else's claim.
//! - `ΣN` is at least `nλv²` less one part in 2^9 (the residual's part and the rounding are smaller), so contributions
//!   that miss a gradient are rejected.
//! - Rounding, at most one unit per shard, is at most one part in 2^20 of the sum.

use ethnum::{I256, U256};
use thiserror::Error;

use crate::layout::Layout;
use crate::numbers::{CONTRIBUTION_LIMIT_BITS, LAMBDA_BITS, NEGATIVE_PARTS, NORM_BITS, ROUNDING_PARTS};

use super::weights::Weights;

/// `N = ⌊⟨−G, W⟩⌋` of one shard, in units of 2^-[`contribution_bits`](Layout::contribution_bits).
#[must_use]
pub fn contribution(layout: &Layout, weights: &Weights, gradient: &[I256]) -> i128 {
    let inner = inner_product(weights, gradient);
    // below 2^112: see CONTRIBUTION_LIMIT_BITS
    (inner >> (layout.remainder_limbs() as u32 * layout.limb_bits())).as_i128()
}

/// `⟨−G, W⟩` at the product of the scales of `G` and `W`.
#[must_use]
pub fn inner_product(weights: &Weights, gradient: &[I256]) -> I256 {
    gradient.iter().zip(weights.values()).map(|(g, w)| -*g * I256::from(*w)).fold(I256::ZERO, |a, b| a + b)
}

/// Contributions that cannot be certified.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContributionError {
    /// A contribution that is impossible for any shard.
    #[error("the contribution of dataset {dataset} is beyond 2^{CONTRIBUTION_LIMIT_BITS} units")]
    Range {
        /// Position of the dataset, from 0.
        dataset: usize,
    },
    /// The sum of contributions is zero or negative.
    #[error("the contributions sum to {sum} units: none of the datasets supports these weights")]
    NotPositive {
        /// `ΣN`.
        sum: i128,
    },
    /// The negative contributions are too large.
    #[error("datasets with negative contributions take {negative} units, more than one part in {NEGATIVE_PARTS} of the sum, {sum}; the lowest is dataset {dataset}: leave it out and train again")]
    Negative {
        /// `ΣN⁺ − ΣN`.
        negative: i128,
        /// `ΣN`.
        sum: i128,
        /// Position of the lowest dataset, from 0.
        dataset: usize,
    },
    /// So many shards that rounding could matter.
    #[error("{shards} shards, each rounded by up to a unit, of {sum} units: rounding may be more than one part in {ROUNDING_PARTS} (raise λ)")]
    Rounding {
        /// Number of shards.
        shards: u64,
        /// `ΣN`.
        sum: i128,
    },
    /// Contributions below the optimum's own norm.
    #[error("the contributions sum to {sum} units, less than nλ‖W‖² = {expected}: a gradient is missing")]
    Missing {
        /// `ΣN`.
        sum: i128,
        /// `nλv²` in units, rounded down.
        expected: U256,
    },
}

/// Contributions that may be certified, and the sums from which shares are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributions {
    /// `ΣN⁺`, the sum of the positive parts.
    pub positive: i128,
    /// `ΣN`.
    pub sum: i128,
    /// Each dataset's contribution, in order.
    pub datasets: Vec<i128>,
}

impl Contributions {
    /// Checks the rules. `datasets` holds the datasets' contributions (sums over their shards) and `shards` is their
    /// total number of shards; `n`, `lambda` (units of 2^-44) and `norm` (units of 2^-10) are those of the optimum.
    ///
    /// # Errors
    /// [`ContributionError`]: the first rule that is violated.
    pub fn check(
        layout: &Layout,
        datasets: Vec<i128>,
        shards: u64,
        n: u64,
        lambda: u64,
        norm: u64,
    ) -> Result<Self, ContributionError> {
        if let Some(dataset) = datasets.iter().position(|n| n.unsigned_abs() >> (CONTRIBUTION_LIMIT_BITS + 8) != 0) {
            return Err(ContributionError::Range { dataset });
        }
        // at most 2^26 shards of less than 2^112, or as many as memory holds of less than 2^120: the sums fit 256 bits,
        // and accepted sums fit 128
        let sum: I256 = datasets.iter().map(|n| I256::from(*n)).sum();
        let positive: I256 = datasets.iter().map(|n| I256::from((*n).max(0))).sum();
        let narrow = |x: I256| i128::try_from(x).unwrap_or(i128::MAX);
        if sum <= 0 {
            return Err(ContributionError::NotPositive { sum: narrow(sum) });
        }
        if (positive - sum) * I256::from(NEGATIVE_PARTS) > sum {
            let lowest = datasets.iter().enumerate().min_by_key(|(_, n)| **n).map_or(0, |(i, _)| i);
            let (negative, sum) = (narrow(positive - sum), narrow(sum));
            return Err(ContributionError::Negative { negative, sum, dataset: lowest });
        }
        if I256::from(u128::from(shards) * u128::from(ROUNDING_PARTS)) > sum {
            return Err(ContributionError::Rounding { shards, sum: narrow(sum) });
        }
        // nλv² has 44 + 2·10 fractional bits
        let squared = U256::from(n) * U256::from(lambda) * U256::from(norm) * U256::from(norm);
        let shift = LAMBDA_BITS + 2 * NORM_BITS - layout.contribution_bits();
        if (sum.as_u256() << (shift + 9)) < squared * U256::from(511u32) {
            return Err(ContributionError::Missing { sum: narrow(sum), expected: squared >> shift });
        }
        Ok(Contributions { positive: narrow(positive), sum: narrow(sum), datasets })
    }

    /// A dataset's share of the data providers' part of the fees, as a real number.
    #[must_use]
    pub fn share(&self, dataset: usize) -> f64 {
        self.datasets[dataset].max(0) as f64 / self.positive as f64
    }

    /// Whether a dataset's share is at least `basis_points`.
    #[must_use]
    pub fn reaches(&self, dataset: usize, basis_points: u16) -> bool {
        let own = U256::from(self.datasets[dataset].max(0) as u128) * U256::from(10_000u32);
        own >= U256::from(self.positive as u128) * U256::from(basis_points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Task;

    fn layout() -> Layout {
        Layout::new(14, 4, 16, 3, Task::Classes).unwrap()
    }

    // nλv² = 1000·2^-10·1, in units of 2^-50: 1000·2^40
    const WHOLE: i128 = 1000 << 40;

    fn check(datasets: &[i128], shards: u64) -> Result<Contributions, ContributionError> {
        Contributions::check(&layout(), datasets.to_vec(), shards, 1000, 1 << 34, 1 << 10)
    }

    #[test]
    fn the_unit_is_the_layouts() {
        assert_eq!(layout().contribution_bits(), 50);
    }

    #[test]
    fn every_rule_has_its_boundary() {
        // ΣN > 0
        assert!(matches!(check(&[5, -5], 1), Err(ContributionError::NotPositive { sum: 0 })));
        // nλv²(1 − 2^-9), exact
        let least = WHOLE / 512 * 511;
        assert!(check(&[least], 1).is_ok());
        assert!(matches!(check(&[least - 1], 1), Err(ContributionError::Missing { .. })));
        // 2^10·(ΣN⁺ − ΣN) ≤ ΣN: x positive, y negative: 1024·y ≤ x − y
        let y = WHOLE / 1024;
        assert!(check(&[1025 * y, -y], 2).is_ok());
        assert!(matches!(check(&[1025 * y - 1, -y], 2), Err(ContributionError::Negative { dataset: 1, .. })));
        // a thousand slightly negative contributions count together
        let mut many = vec![WHOLE * 2];
        many.extend(std::iter::repeat_n(-(WHOLE >> 19), 1000));
        assert!(check(&many, 1001).is_ok());
        many.extend(std::iter::repeat_n(-(WHOLE >> 19), 1000));
        assert!(matches!(check(&many, 2001), Err(ContributionError::Negative { .. })));
        // shards·2^20 ≤ ΣN
        let shards = (WHOLE >> 20) as u64;
        assert!(check(&[WHOLE], shards).is_ok());
        assert!(matches!(check(&[WHOLE], shards + 1), Err(ContributionError::Rounding { .. })));
        // beyond the limit for any number of shards
        assert!(matches!(check(&[1 << 121], 1), Err(ContributionError::Range { dataset: 0 })));
    }

    #[test]
    fn least_shares_are_exact() {
        let c = check(&[WHOLE, WHOLE * 3, -(WHOLE >> 12)], 3).unwrap();
        assert_eq!((c.share(0), c.share(1), c.share(2)), (0.25, 0.75, 0.0));
        assert!(c.reaches(0, 2500) && !c.reaches(0, 2501));
        assert!(c.reaches(1, 7500) && !c.reaches(1, 7501));
        assert!(c.reaches(2, 0) && !c.reaches(2, 1));
    }

    #[test]
    fn contributions_are_rounded_down() {
        let l = layout();
        let w = Weights::new(16, 3, (0..51).map(|i| i64::from(i == 7)).collect()).unwrap();
        let unit = I256::ONE << (l.remainder_limbs() as u32 * l.limb_bits());
        let of = |g: I256| {
            let mut gradient = vec![I256::ZERO; 51];
            gradient[7] = g;
            contribution(&l, &w, &gradient)
        };
        assert_eq!((of(I256::ZERO), of(-unit), of(-unit + 1), of(unit), of(I256::ONE)), (0, 1, 0, -1, -1));
    }
}
