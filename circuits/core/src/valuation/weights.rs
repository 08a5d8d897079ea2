//! Weights to pay by, as contracts take them: whole numbers that follow from a valuation.

use ethnum::U256;

use super::Valuation;
use crate::id::DatasetId;

/// The sum of a version's weights: one, in units of 10^-18. `AgreedWeights.sol` has the contracts' copy.
pub const ONE: u64 = 1_000_000_000_000_000_000;

/// Divides `whole` in proportion to values; negative ones count as zero. Each part is rounded down, and the units that are
/// left go to the parts with the largest remainders, on ties to the first. `None` unless a value is positive.
#[must_use]
pub fn divided(whole: u64, values: &[i128]) -> Option<Vec<u64>> {
    // below 2^127 each, so no product with `whole` and no sum of a list in memory overflows
    let positive: Vec<U256> = values.iter().map(|v| U256::from(v.max(&0).unsigned_abs())).collect();
    let sum: U256 = positive.iter().copied().sum();
    if sum == U256::ZERO {
        return None;
    }
    let (mut parts, remainders): (Vec<u64>, Vec<U256>) = positive
        .iter()
        .map(|v| {
            let product = *v * U256::from(whole);
            ((product / sum).as_u64(), product % sum)
        })
        .unzip();
    let left = whole - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..values.len()).collect();
    // a stable sort: on ties the first comes first
    order.sort_by_key(|at| std::cmp::Reverse(remainders[*at]));
    order.iter().take(left as usize).for_each(|at| parts[*at] += 1);
    Some(parts)
}

impl Valuation {
    /// What every dataset of the agent's version would be paid by, in the certificate's order, in units of 10^-18 that sum
    /// to [`ONE`]: [`ONE`] is [divided] among the owners by their values, and each owner's part among its datasets
    /// by their records. `None` if no value is positive.
    #[must_use]
    pub fn weights(&self) -> Option<Vec<(DatasetId, u64)>> {
        let values: Vec<i128> = self.values.iter().map(|v| v.numerator.0).collect();
        let datasets = &self.certificate.datasets;
        let mut weights: Vec<(DatasetId, u64)> = datasets.iter().map(|d| (d.dataset_id, 0)).collect();
        for (owner, whole) in self.owners.iter().zip(divided(ONE, &values)?) {
            let own: Vec<usize> = (0..datasets.len()).filter(|i| datasets[*i].latest_owner() == *owner).collect();
            let records: Vec<i128> = own.iter().map(|i| datasets[*i].records.into()).collect();
            for (i, weight) in own.into_iter().zip(divided(whole, &records)?) {
                weights[i].1 = weight;
            }
        }
        Some(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_exactly_the_whole() {
        assert_eq!(divided(ONE, &[1]), Some(vec![ONE]));
        assert_eq!(divided(ONE, &[3, 1]), Some(vec![ONE / 4 * 3, ONE / 4]));
        assert_eq!(divided(0, &[3, 1]), Some(vec![0, 0]));
        // thirds: the unit that is left goes to the first
        let third = ONE / 3;
        assert_eq!(divided(ONE, &[5, 5, 5]), Some(vec![third + 1, third, third]));
        // and to the largest remainder: two thirds, before one third
        assert_eq!(divided(ONE, &[1, 2]), Some(vec![third, 2 * third + 1]));
        assert_eq!(divided(ONE, &[i128::MAX, i128::MAX, i128::MIN]), Some(vec![ONE / 2, ONE / 2, 0]));
        let mut seed = 1u64;
        for count in 1..40 {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                i128::from(seed >> 8) - (1 << 54)
            };
            let values: Vec<i128> = std::iter::once(1).chain((0..count).map(|_| next())).collect();
            let made = divided(ONE, &values).unwrap();
            assert_eq!(made.iter().sum::<u64>(), ONE);
            assert!(values.iter().zip(&made).all(|(v, w)| *v > 0 || *w == 0), "negative values count as zero");
        }
    }

    #[test]
    fn without_a_positive_value_nothing_is_divided() {
        assert_eq!(divided(ONE, &[]), None);
        assert_eq!(divided(ONE, &[0, -3]), None);
    }
}
