//! Batches that cannot be proven, with the conflicting numbers.

use thiserror::Error;
use tribute_core::head::{answer, Weights};
use tribute_core::layout::Layout;
use tribute_core::statement::SERVICE_SLOTS;

use crate::columns::CommittedGroup;

use super::blocks::Blocks;
use super::witness::SessionBatch;

/// A batch that the `service` circuit of a layout cannot prove.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The circuit has no room for even one query, or its limbs are too short.
    #[error("no query fits into the {rows} rows of k = {k}: a query takes {height}; use a larger k, at least 15")]
    NoRoom {
        /// log2 of the number of rows.
        k: u32,
        /// Number of rows above the weights.
        rows: usize,
        /// Number of rows of a query.
        height: usize,
    },
    /// More sessions than slots.
    #[error("{got} sessions; one proof has {SERVICE_SLOTS} slots: use several proofs")]
    Slots {
        /// Number of sessions given.
        got: usize,
    },
    /// More queries than blocks.
    #[error("{got} queries; one proof of this shape covers {capacity}: use several proofs or a larger k")]
    Capacity {
        /// Number of queries given.
        got: usize,
        /// Number of blocks.
        capacity: usize,
    },
    /// Weights whose shape differs from the layout's.
    #[error(
        "weights of {features} features and {classes} classes; the layout has {layout_features} and {layout_classes}"
    )]
    Weights {
        /// Feature count of the weights.
        features: usize,
        /// Class count of the weights.
        classes: usize,
        /// Feature count of the layout.
        layout_features: usize,
        /// Class count of the layout.
        layout_classes: usize,
    },
    /// A committed group that is not one column.
    #[error("{got} committed columns; weights are a single column")]
    Columns {
        /// Number of columns given.
        got: usize,
    },
    /// A query with too many features.
    #[error("session {slot}, query {query}: {got} features; the layout holds {expected}")]
    Features {
        /// Position of the session, from 0.
        slot: usize,
        /// Position of the query, from 0.
        query: usize,
        /// Number of features given.
        got: usize,
        /// The layout's feature count.
        expected: usize,
    },
    /// An answer that differs from that of the weights.
    #[error("session {slot}, query {query}: the answer is {got}; the agent's is {expected}")]
    Answer {
        /// Position of the session, from 0.
        slot: usize,
        /// Position of the query, from 0.
        query: usize,
        /// The answer given.
        got: u16,
        /// The weights' answer.
        expected: u16,
    },
}

/// Checks that a proof of this layout can cover these sessions.
pub(super) fn check(
    layout: &Layout,
    group: &CommittedGroup,
    weights: &Weights,
    sessions: &[SessionBatch],
) -> Result<(), ServiceError> {
    let blocks = Blocks::of(layout);
    if blocks.count == 0 {
        return Err(ServiceError::NoRoom { k: layout.k(), rows: layout.weights_start(), height: blocks.height });
    }
    if group.columns.len() != 1 {
        return Err(ServiceError::Columns { got: group.columns.len() });
    }
    if (weights.features(), weights.classes()) != (layout.features(), layout.classes()) {
        return Err(ServiceError::Weights {
            features: weights.features(),
            classes: weights.classes(),
            layout_features: layout.features(),
            layout_classes: layout.classes(),
        });
    }
    if sessions.len() > SERVICE_SLOTS {
        return Err(ServiceError::Slots { got: sessions.len() });
    }
    let got = sessions.iter().map(|s| s.queries.len()).sum();
    if got > blocks.count {
        return Err(ServiceError::Capacity { got, capacity: blocks.count });
    }
    for (slot, session) in sessions.iter().enumerate() {
        for (query, q) in session.queries.iter().enumerate() {
            if q.features.len() > layout.features() {
                let (got, expected) = (q.features.len(), layout.features());
                return Err(ServiceError::Features { slot, query, got, expected });
            }
            let expected = answer(&weights.logits(&q.features));
            if q.answer != expected {
                return Err(ServiceError::Answer { slot, query, got: q.answer, expected });
            }
        }
    }
    Ok(())
}
