//! Chooses the range that a feature's 256 steps cover.

use serde::{Deserialize, Serialize};

/// How to choose a range from a feature's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// From the minimum to the maximum.
    #[default]
    MinMax,
    /// [`Range::DEVIATIONS`] on each side of the mean, with the population σ, as in scikit-learn's `StandardScaler`.
    Standard,
    /// The 5 % to 95 % quantiles, extended by their distance on each side but not beyond the values: robust to
    /// outliers. Where these are equal, because nearly all values are, from that value to the quantiles of the others.
    Quantile,
}

impl Range {
    /// How many standard deviations a standard range reaches on each side of the mean. More leaves fewer values beyond it, fewer
    /// makes its steps finer: `docs/parity.md` has both sides measured.
    pub const DEVIATIONS: f64 = 4.5;

    /// The range from `lo` to `hi`, with a positive width even where adding 1 does not change `lo`.
    #[must_use]
    pub fn widened(lo: f64, hi: f64) -> (f64, f64) {
        (lo, if hi > lo { hi } else { lo + f64::max(1.0, lo.abs() * 1e-9) })
    }

    /// The range of `values`, which must be finite and not empty. Its width is positive: 1 for a constant.
    pub(crate) fn of(self, mut values: Vec<f64>) -> (f64, f64) {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        match self {
            Range::MinMax => Range::widened(min, max),
            Range::Standard => {
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
                if min < max {
                    Range::widened(mean - Range::DEVIATIONS * spread, mean + Range::DEVIATIONS * spread)
                } else {
                    Range::widened(min, max)
                }
            }
            Range::Quantile => {
                let (mut low, mut high) = quantiles(&values);
                if low == high {
                    let commonest = low;
                    values.retain(|x| *x != commonest);
                    if values.is_empty() {
                        return Range::widened(min, max);
                    }
                    (low, high) = quantiles(&values);
                    (low, high) = (low.min(commonest), high.max(commonest));
                }
                Range::widened(min.max(low - (high - low)), max.min(high + (high - low)))
            }
        }
    }
}

/// The 5 % and 95 % quantiles of sorted values; at least one rank on each side is beyond them, even of fewer than twenty.
fn quantiles(sorted: &[f64]) -> (f64, f64) {
    let cut = sorted.len().div_ceil(20).min((sorted.len() - 1) / 2);
    (sorted[cut], sorted[sorted.len() - 1 - cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minmax_and_standard() {
        assert_eq!(Range::MinMax.of(vec![3.0, -1.0, 2.0]), (-1.0, 3.0));
        assert_eq!(Range::Standard.of(vec![1.0, 3.0]), (-2.5, 6.5));
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
        // nearly all values equal: the others count
        assert_eq!(Range::Quantile.of([vec![0.0; 99], vec![5.0]].concat()), (0.0, 5.0));
        assert_eq!(Range::Quantile.of([vec![0.0; 99], vec![1.0, 2.0, 3.0]].concat()), (0.0, 3.0));
        let few = [1.0, 3.0, 4.0, 7.0, 8.0, 12.0, 20.0, 25.0, 30.0];
        for far in [1e9, -1e9] {
            let (lo, hi) = Range::Quantile.of([&[0.0; 190][..], &few, &[far]].concat());
            assert!((-30.0..=0.0).contains(&lo) && (30.0..=60.0).contains(&hi), "{lo} {hi}");
        }
        assert_eq!(Range::Quantile.of([vec![5.0; 400], vec![4.0; 9], vec![-1e9]].concat()), (3.0, 5.0));
        assert_eq!(Range::Quantile.of(vec![1.0, 2.0]), (1.0, 2.0));
        assert_eq!(Range::Quantile.of(vec![1.0, 2.0, 3.0]), (1.0, 3.0));
    }
}
