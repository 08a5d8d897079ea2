//! A head's weights, its logits and its answer.

use crate::layout::Layout;
use crate::numbers::{bias_feature, LOGIT_BITS, WEIGHT_LIMIT};

use super::error::HeadError;

/// A head's weights, row-major `[d + 1][c]`, **block 0 is the bias**, 32 fractional bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    features: usize,
    classes: usize,
    intercept_scale: u32,
    values: Vec<i64>,
}

impl Weights {
    /// Checks the count and range of `values`, where `values[j·c + u]` is the weight of block `j` (0 is the bias) and
    /// class `u`.
    pub fn new(features: usize, classes: usize, values: Vec<i64>) -> Result<Self, HeadError> {
        let expected = (features + 1) * classes;
        if values.len() != expected {
            return Err(HeadError::Count { expected, got: values.len(), features, classes });
        }
        if let Some(i) = values.iter().position(|w| w.unsigned_abs() >= WEIGHT_LIMIT as u64) {
            return Err(HeadError::Weight { block: i / classes, class: i % classes, value: values[i] });
        }
        Ok(Weights { features, classes, intercept_scale: 0, values })
    }
    /// The same weights for a bias feature of `256·2^scale`: the layout's [`intercept_scale`](Layout::intercept_scale).
    #[must_use]
    pub fn with_intercept_scale(mut self, scale: u32) -> Self {
        self.intercept_scale = scale;
        self
    }
    /// All-zero weights.
    #[must_use]
    pub fn zero(features: usize, classes: usize) -> Self {
        Weights { features, classes, intercept_scale: 0, values: vec![0; (features + 1) * classes] }
    }
    /// `d`, the number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }
    /// `c`, the number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }
    /// `s`: the bias feature is `256·2^s`.
    #[must_use]
    pub fn intercept_scale(&self) -> u32 {
        self.intercept_scale
    }
    /// The constant feature whose weight is the bias.
    #[must_use]
    pub fn bias_feature(&self) -> i64 {
        bias_feature(self.intercept_scale)
    }
    /// Row-major `[d + 1][c]`, bias first.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }
    /// The weight of block `j` (0 is the bias) and class `u`.
    #[must_use]
    pub fn at(&self, block: usize, class: usize) -> i64 {
        self.values[block * self.classes + class]
    }
    /// Integer logits, 40 fractional bits, below 2^56 in magnitude. `query` may be shorter than `d`; missing features
    /// count as zero.
    #[must_use]
    pub fn logits(&self, query: &[u8]) -> Vec<i64> {
        let bias_feature = self.bias_feature();
        let c = self.classes;
        let mut z: Vec<i64> = self.values[..c].iter().map(|w| bias_feature * w).collect();
        for (q, block) in query.iter().zip(self.values[c..].chunks_exact(c)) {
            if *q != 0 {
                for (z, w) in z.iter_mut().zip(block) {
                    *z += i64::from(*q) * w;
                }
            }
        }
        z
    }
    /// Rejects weights whose shape differs from the layout's.
    pub fn check(&self, layout: &Layout) -> Result<(), HeadError> {
        if self.classes == layout.classes() && self.features == layout.features() {
            if self.intercept_scale != layout.intercept_scale() {
                let (expected, got) = (layout.intercept_scale(), self.intercept_scale);
                return Err(HeadError::Intercept { expected, got });
            }
            return Ok(());
        }
        Err(HeadError::Count {
            expected: layout.weights(),
            got: self.values.len(),
            features: layout.features(),
            classes: layout.classes(),
        })
    }
}

/// The answer an agent gives: the class with the largest logit, ties to the lower class. For one logit: 1 if positive,
/// otherwise 0.
#[must_use]
pub fn answer(logits: &[i64]) -> u16 {
    if let [z] = logits {
        return u16::from(*z > 0);
    }
    let mut best = 0;
    for (u, z) in logits.iter().enumerate() {
        if *z > logits[best] {
            best = u;
        }
    }
    best as u16
}

/// A logit as a real number.
#[must_use]
pub fn real_logit(z: i64) -> f64 {
    z as f64 / f64::from(LOGIT_BITS as i32).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_at_the_limit() {
        assert!(Weights::new(1, 1, vec![WEIGHT_LIMIT - 1, 1 - WEIGHT_LIMIT]).is_ok());
        assert!(matches!(Weights::new(1, 1, vec![0, WEIGHT_LIMIT]), Err(HeadError::Weight { block: 1, .. })));
        assert!(matches!(Weights::new(1, 1, vec![-WEIGHT_LIMIT, 0]), Err(HeadError::Weight { block: 0, .. })));
    }

    #[test]
    fn ties_go_to_the_lower_class() {
        assert_eq!(answer(&[1, 5, 5]), 1);
        assert_eq!(answer(&[0, 0, 0]), 0);
        assert_eq!((answer(&[0]), answer(&[1])), (0, 1));
    }
}
