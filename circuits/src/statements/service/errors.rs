//! What cannot be proven, with the numbers that clash.

use thiserror::Error;
use tribute_core::statement::SERVICE_SLOTS;

/// A batch that the `service` circuit of a layout cannot prove.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The circuit has no room for even one query, or its limbs are too short.
    #[error("no query fits {rows} rows of k = {k}: one takes {height}; use a larger k, 13 at least")]
    NoRoom {
        /// log2 of the rows.
        k: u32,
        /// Rows above the weights.
        rows: usize,
        /// Rows of a query.
        height: usize,
    },
    /// More sessions than slots.
    #[error("{got} sessions, one proof has {SERVICE_SLOTS} slots: use several proofs")]
    Slots {
        /// Sessions given.
        got: usize,
    },
    /// More queries than blocks.
    #[error("{got} queries, one proof of this shape answers for {capacity}: use several proofs or a larger k")]
    Capacity {
        /// Queries given.
        got: usize,
        /// Blocks.
        capacity: usize,
    },
    /// Weights of another shape.
    #[error(
        "weights of {features} features and {classes} classes, the layout has {layout_features} and {layout_classes}"
    )]
    Weights {
        /// Features of the weights.
        features: usize,
        /// Classes of the weights.
        classes: usize,
        /// Features of the layout.
        layout_features: usize,
        /// Classes of the layout.
        layout_classes: usize,
    },
    /// A committed group that is not one column.
    #[error("{got} committed columns, weights are 1")]
    Columns {
        /// Columns given.
        got: usize,
    },
    /// A query that is too long.
    #[error("session {slot}, query {query}: {got} features, the layout holds {expected}")]
    Features {
        /// Session, from 0.
        slot: usize,
        /// Query, from 0.
        query: usize,
        /// Features given.
        got: usize,
        /// Features of the layout.
        expected: usize,
    },
    /// An answer that the weights do not give.
    #[error("session {slot}, query {query}: the answer is {got}, the agent's is {expected}")]
    Answer {
        /// Session, from 0.
        slot: usize,
        /// Query, from 0.
        query: usize,
        /// Answer given.
        got: u16,
        /// The weights' answer.
        expected: u16,
    },
}
