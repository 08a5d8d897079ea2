//! Inputs that cannot be evaluated, with the conflicting numbers.

use thiserror::Error;
use tribute_core::layout::Task;
use tribute_core::link::NoShift;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;

use crate::columns::CommittedGroup;

/// An evaluation that cannot be proven.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A regression answers with a number, not with a class.
    #[error("the targets are real values: accuracy is the fraction of records that get their own class, and a regression has none; evaluate classifiers")]
    Regression,
    /// A shape for another statement.
    #[error("the shape is of a {got} circuit; an evaluation needs Shape::evaluation")]
    Statement {
        /// The shape's statement.
        got: &'static str,
    },
    /// The link's tables do not resolve a record's logits.
    #[error(transparent)]
    Shift(#[from] NoShift),
    /// A group that is not a shard of this layout.
    #[error("{got} committed columns; a shard of this layout has {expected}: data columns and labels")]
    Shard {
        /// Number of columns of a shard.
        expected: usize,
        /// Number of columns given.
        got: usize,
    },
    /// A group that is not one column.
    #[error("{got} committed columns; weights are a single column")]
    Weights {
        /// Number of columns given.
        got: usize,
    },
    /// Columns of another size.
    #[error("committed column {column} has {got} rows; the layout has {expected}")]
    Rows {
        /// Index of the column: the shard's first, then the weights.
        column: usize,
        /// The layout's number of rows.
        expected: usize,
        /// The column's number of rows.
        got: usize,
    },
}

pub(super) fn check(shape: &Shape, shard: &CommittedGroup, weights: &CommittedGroup) -> Result<(), EvaluationError> {
    let layout = shape.layout;
    if shape.statement != Statement::Evaluation {
        return Err(EvaluationError::Statement { got: shape.statement.name() });
    }
    if layout.task() == Task::Real {
        return Err(EvaluationError::Regression);
    }
    if shard.columns.len() != layout.columns() + 1 {
        return Err(EvaluationError::Shard { expected: layout.columns() + 1, got: shard.columns.len() });
    }
    if weights.columns.len() != 1 {
        return Err(EvaluationError::Weights { got: weights.columns.len() });
    }
    for (column, c) in shard.columns.iter().chain(&weights.columns).enumerate() {
        if c.values.len() != layout.rows() {
            return Err(EvaluationError::Rows { column, expected: layout.rows(), got: c.values.len() });
        }
    }
    Ok(())
}
