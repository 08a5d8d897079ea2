//! Numbers that do not fit what the proofs can state.

use thiserror::Error;

use crate::link::NoShift;
use crate::numbers::COUNT_LIMIT_BITS;

/// Numbers that do not fit what the proofs can state.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum HeadError {
    /// Wrong number of weights.
    #[error("{got} weights, expected {expected} (({features} features + bias) × {classes} classes)")]
    Count {
        /// Wanted.
        expected: usize,
        /// Found.
        got: usize,
        /// Features.
        features: usize,
        /// Classes.
        classes: usize,
    },
    /// A weight beyond ±32.
    #[error(
        "weight of feature block {block}, class {class} is {value}·2^-32; its magnitude must be below 32 (raise λ)"
    )]
    Weight {
        /// 0 is the bias, `j` the feature `j − 1`.
        block: usize,
        /// Class.
        class: usize,
        /// The value, 32 fractional bits.
        value: i64,
    },
    /// Weights for another bias feature.
    #[error("weights are for intercept scale {got}, the layout has {expected}")]
    Intercept {
        /// The layout's.
        expected: u32,
        /// The weights'.
        got: u32,
    },
    /// Records that do not fit the layout.
    #[error("records have {got} features, the layout holds at most {expected}")]
    Width {
        /// The layout's.
        expected: usize,
        /// The records'.
        got: usize,
    },
    /// More records than one shard holds.
    #[error("{got} records, one shard of this shape holds {capacity}: use several shards or a larger k")]
    Capacity {
        /// Rows that fit.
        capacity: usize,
        /// Records given.
        got: usize,
    },
    /// A target that is no class of the layout.
    #[error("record {record}: target {target} is not one of {classes} classes")]
    Target {
        /// Position, from 0.
        record: usize,
        /// Its target.
        target: u16,
        /// Classes.
        classes: usize,
    },
    /// The link cannot be computed for this layout.
    #[error("the {link} link needs k >= 14, the layout has k = {k}")]
    LinkNeedsRows {
        /// Link name.
        link: &'static str,
        /// The layout's `k`.
        k: u32,
    },
    /// The link's tables do not resolve a record's logits.
    #[error("record {record}: {source}")]
    Link {
        /// Position, from 0.
        record: usize,
        /// Why.
        source: NoShift,
    },
    /// λ outside `1..2^44` units.
    #[error("λ = {lambda}·2^-44 is outside the provable range: 0 < λ < 1")]
    Lambda {
        /// Units of 2^-44.
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
        /// 2-norm of ∇L, or its worst entry where the norm overflows.
        norm: f64,
        /// Largest provable ε.
        limit: f64,
        /// Block of the worst entry.
        block: usize,
        /// Class of the worst entry.
        class: usize,
    },
    /// Every weight is zero: contributions have no meaning.
    #[error("every weight is zero: there is nothing to attribute (lower λ)")]
    ZeroWeights,
}
