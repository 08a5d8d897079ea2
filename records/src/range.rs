//! The range that a feature's 256 steps cover, from its values.

use serde::{Deserialize, Serialize};

/// How a range is taken from values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// From the least to the greatest value.
    #[default]
    MinMax,
    /// `[μ − 4σ, μ + 4σ]`, σ over the records as scikit-learn's `StandardScaler` has it.
    Standard,
    /// From the 5 % to the 95 % quantile and as far again on each side, but not beyond the values: outliers do not count.
    Quantile,
}

impl Range {
    /// The range of `values`, finite and at least one. It is never empty: a constant gets a range of 1 above it.
    pub(crate) fn of(self, mut values: Vec<f64>) -> (f64, f64) {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        match self {
            Range::MinMax => widened(min, max),
            Range::Standard => {
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
                if min < max {
                    widened(mean - 4.0 * spread, mean + 4.0 * spread)
                } else {
                    widened(min, max)
                }
            }
            Range::Quantile => {
                // the outer ranks are left out even where there are fewer than twenty
                let cut = values.len().div_ceil(20).min((values.len() - 1) / 2);
                let (low, high) = (values[cut], values[values.len() - 1 - cut]);
                if low == high {
                    return widened(min, max);
                }
                widened(min.max(low - (high - low)), max.min(high + (high - low)))
            }
        }
    }
}

/// A range that is not empty, even where adding 1 changes nothing.
fn widened(lo: f64, hi: f64) -> (f64, f64) {
    (lo, if hi > lo { hi } else { lo + f64::max(1.0, lo.abs() * 1e-9) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minmax_and_standard() {
        assert_eq!(Range::MinMax.of(vec![3.0, -1.0, 2.0]), (-1.0, 3.0));
        assert_eq!(Range::Standard.of(vec![1.0, 3.0]), (-2.0, 6.0));
        for range in [Range::MinMax, Range::Standard, Range::Quantile] {
            assert_eq!(range.of(vec![36.6; 3]), (36.6, 37.6), "{range:?}");
            let (lo, hi) = range.of(vec![1e300]);
            assert!(lo < hi, "{range:?}");
        }
    }

    #[test]
    fn outliers_do_not_move_quantiles_and_clean_data_keep_their_ends() {
        let clean: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(Range::Quantile.of(clean.clone()), (0.0, 59.0));
        let (lo, hi) = Range::Quantile.of([clean, vec![1e9, -999.0]].concat());
        assert!(lo >= -60.0 && hi <= 120.0, "{lo} {hi}");
        // nearly all on one value: the ends
        assert_eq!(Range::Quantile.of([vec![0.0; 99], vec![5.0]].concat()), (0.0, 5.0));
        assert_eq!(Range::Quantile.of(vec![1.0, 2.0]), (1.0, 2.0));
    }
}
