//! Numbers outside the range that the proofs can state.

use thiserror::Error;

use crate::link::NoShift;
use crate::numbers::COUNT_LIMIT_BITS;

/// Numbers outside the range that the proofs can state.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum HeadError {
    /// Wrong number of weights.
    #[error("{got} weights, expected {expected} (({features} features + bias) × {classes} classes)")]
    Count {
        /// Number of weights expected.
        expected: usize,
        /// Number of weights found.
        got: usize,
        /// Number of features.
        features: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A weight beyond ±32.
    #[error(
        "weight of feature block {block}, class {class} is {value}·2^-32; its magnitude must be below 32 (raise λ)"
    )]
    Weight {
        /// Feature block: 0 is the bias, `j` is feature `j − 1`.
        block: usize,
        /// Class number.
        class: usize,
        /// The weight, 32 fractional bits.
        value: i64,
    },
    /// Weights for a different bias feature.
    #[error("weights are for intercept scale {got}; the layout has {expected}")]
    Intercept {
        /// The layout's.
        expected: u32,
        /// The weights'.
        got: u32,
    },
    /// Records that do not fit the layout.
    #[error("records have {got} features; the layout holds at most {expected}")]
    Width {
        /// The layout's.
        expected: usize,
        /// The records'.
        got: usize,
    },
    /// More records than one shard holds.
    #[error("{got} records; one shard of this shape holds {capacity}: use several shards or a larger k")]
    Capacity {
        /// Records that fit.
        capacity: usize,
        /// Records given.
        got: usize,
    },
    /// A target that is not one of the layout's classes.
    #[error("record {record}: target {target} is not one of {classes} classes")]
    Target {
        /// Position of the record, from 0.
        record: usize,
        /// Its target.
        target: u16,
        /// Number of classes.
        classes: usize,
    },
    /// The link cannot be computed for this layout.
    #[error("the {link} link needs k >= 14; the layout has k = {k}")]
    LinkNeedsRows {
        /// Link name.
        link: &'static str,
        /// The layout's `k`.
        k: u32,
    },
    /// A loss beyond the public limit.
    #[error(
        "the loss over these records is {loss:e}, beyond 2^33: the weights are not fitted to such records (or raise λ)"
    )]
    Loss {
        /// The loss.
        loss: f64,
    },
    /// The loss of a regression, which evaluations do not cover.
    #[error("the targets are real values: an evaluation is of an agent that answers with classes")]
    LossOfRegression,
    /// The link's tables do not resolve a record's logits.
    #[error("record {record}: {source}")]
    Link {
        /// Position of the record, from 0.
        record: usize,
        /// Why there is no shift.
        source: NoShift,
    },
    /// λ outside `1..2^44` units.
    #[error("λ = {lambda}·2^-44 is outside the provable range: 0 < λ < 1")]
    Lambda {
        /// λ in units of 2^-44.
        lambda: u64,
    },
    /// Too many records, or none.
    #[error("{n} records: an agent is trained on 1 to 2^{COUNT_LIMIT_BITS} - 1")]
    Records {
        /// Record count.
        n: u64,
    },
    /// The gradient is too large to certify.
    #[error("the model is not an optimum: gradient norm {norm:.3e} is beyond what can be certified ({limit:.3e}); worst at feature block {block}, class {class}")]
    NotOptimal {
        /// 2-norm of ∇L, or its largest entry if that is out of range.
        norm: f64,
        /// Largest provable ε.
        limit: f64,
        /// Feature block of the largest entry.
        block: usize,
        /// Class of the largest entry.
        class: usize,
    },
    /// Every weight is zero, so contributions have no meaning.
    #[error("every weight is zero: there is nothing to attribute (lower λ)")]
    ZeroWeights,
}
