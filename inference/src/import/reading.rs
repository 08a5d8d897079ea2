//! The functions from a model's logits to its outputs, and their inverses.

/// The form in which a classifier outputs its scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The logits themselves.
    Raw,
    /// Logarithm of the softmax over the columns.
    LogSoftmax,
    /// Softmax over the columns.
    Softmax,
    /// The logistic function of each column.
    Logistic,
}

impl Reading {
    /// Plausible readings of these rows, the most likely first. A pair that sums to one is read as a softmax, because a
    /// logistic model of two classes looks the same, and the smaller of the two has more digits than its complement.
    pub(super) fn plausible<'r>(rows: impl Iterator<Item = &'r [f64]> + Clone, columns: usize) -> Vec<Reading> {
        let all = |test: &dyn Fn(&[f64]) -> bool| rows.clone().all(test);
        // wide enough for rounding in 16-bit floats: this only selects candidates, the fit decides
        const ROUNDING: f64 = 5e-3;
        let one = |sum: f64| (sum - 1.0).abs() < 4.0 * ROUNDING;
        if all(&|row| row.iter().all(|p| (-ROUNDING..=1.0 + ROUNDING).contains(p))) {
            let whole = columns > 1 && all(&|row| one(row.iter().sum()));
            let shared = whole.then_some(Reading::Softmax);
            return shared.into_iter().chain([Reading::Logistic, Reading::Raw]).collect();
        }
        if columns > 1 && all(&|row| row.iter().all(|l| *l <= ROUNDING) && one(row.iter().map(|l| l.exp()).sum())) {
            return vec![Reading::LogSoftmax, Reading::Raw];
        }
        vec![Reading::Raw]
    }

    /// The output for logits `z`.
    pub(super) fn forward(self, z: &[f64]) -> Vec<f64> {
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
        match self {
            Reading::Raw => z.to_vec(),
            Reading::LogSoftmax => z.iter().map(|z| z - max - sum.ln()).collect(),
            Reading::Softmax => z.iter().map(|z| (z - max).exp() / sum).collect(),
            Reading::Logistic => z.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect(),
        }
    }

    /// Logits for an output row (for a softmax, those with mean 0) and their weights in a least-squares fit. A weight
    /// is the inverse variance, up to a constant, of a logit whose output is rounded to a multiple of a fixed unit.
    pub(super) fn invert(self, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let centred = |l: Vec<f64>| {
            let mean = l.iter().sum::<f64>() / l.len() as f64;
            l.into_iter().map(|l| l - mean).collect::<Vec<f64>>()
        };
        match self {
            Reading::Raw => (y.to_vec(), vec![1.0; y.len()]),
            Reading::LogSoftmax => (centred(y.to_vec()), vec![1.0; y.len()]),
            Reading::Softmax => {
                let weight = 1.0 / y.iter().map(|p| p.powi(-2)).sum::<f64>();
                (centred(y.iter().map(|p| p.ln()).collect()), vec![weight; y.len()])
            }
            Reading::Logistic => {
                (y.iter().map(|p| (p / (1.0 - p)).ln()).collect(), y.iter().map(|p| (p * (1.0 - p)).powi(2)).collect())
            }
        }
    }

    /// Tolerance for an output `y` whose logit is off by at most `noise`, computed in floats of rounding unit `unit`.
    pub(super) fn tolerance(self, y: f64, noise: f64, unit: f64) -> f64 {
        match self {
            Reading::Raw => noise,
            Reading::LogSoftmax => 2.0 * noise + 8.0 * unit * (1.0 + y.abs()),
            Reading::Softmax => 2.0 * noise * y + 8.0 * unit,
            Reading::Logistic => noise * y * (1.0 - y) + 8.0 * unit,
        }
    }

    /// Description of the values for error messages.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Reading::Raw => "scores",
            Reading::LogSoftmax => "logarithms of probabilities over all classes",
            Reading::Softmax => "probabilities over all classes",
            Reading::Logistic => "probabilities, each by itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Reading; 4] = [Reading::Raw, Reading::LogSoftmax, Reading::Softmax, Reading::Logistic];

    #[test]
    fn logits_survive_the_way_there_and_back() {
        let z = [1.5, -0.25, -1.25];
        for reading in ALL {
            let (back, weights) = reading.invert(&reading.forward(&z));
            assert!(back.iter().zip(&z).all(|(b, z)| (b - z).abs() < 1e-12), "{reading:?}: {back:?}");
            assert!(weights.iter().all(|w| *w > 0.0));
        }
        // a saturated probability carries no information
        assert_eq!(Reading::Logistic.invert(&[1.0]).1, [0.0]);
        assert_eq!(Reading::Softmax.invert(&[1.0, 0.0]).1, [0.0, 0.0]);
    }

    #[test]
    fn the_form_of_an_output_is_recognised() {
        let of = |rows: &[&[f64]]| Reading::plausible(rows.iter().copied(), rows[0].len())[0];
        let z = [1.5, -0.25, -1.25];
        for reading in ALL {
            assert_eq!(of(&[&reading.forward(&z)]), reading);
        }
        assert_eq!(of(&[&[0.3, 0.7], &[0.9, 0.1]]), Reading::Softmax);
        assert_eq!(of(&[&[0.3, 0.6], &[0.9, 0.1]]), Reading::Logistic);
        assert_eq!(of(&[&[0.3, 0.3, 0.4], &[0.3, 0.3, 1.4]]), Reading::Raw);
        assert_eq!(of(&[&[0.5], &[1.0]]), Reading::Logistic);
        assert_eq!(of(&[&[0.5], &[1.0 + 1e-7]]), Reading::Logistic, "rounded up");
        assert_eq!(of(&[&[0.5], &[1.01]]), Reading::Raw);
    }
}
