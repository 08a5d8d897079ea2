//! The statement of an opening, which shows one record of a committed dataset: *record `index` of the shard with these
//! commitments is `features` with target `target`*.
//!
//! The claim names a record, never a row. The verifier computes the rows and the cells from the layout, so salt, tail
//! and weight rows cannot be requested, and an empty slot cannot be shown as a record (its presence flag would have to
//! be 1). See `columns/opening.rs` in tribute-circuits for the proof and its soundness.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::{group_digest, keccak, Digest, Words};
use crate::id::{RecordContext, ShardDigest};
use crate::layout::{Layout, Task};

/// A record and its claimed position in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordClaim {
    /// Layout of the shard.
    pub layout: Layout,
    /// The shard's commitments: data columns, then the label column, `x‖y` each.
    pub points: Vec<u8>,
    /// Position of the record in the shard, from 0.
    pub index: u64,
    /// The record's features, padded to the layout's count.
    pub features: Vec<u8>,
    /// The record's class, or its 16-bit value.
    pub target: u16,
    /// The context for which the opening was made.
    pub context: RecordContext,
}

/// The proof of a [`RecordClaim`]: two points, `x‖y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOpening {
    /// W, the quotient for the record's rows.
    pub quotient: [u8; 64],
    /// W', the opening at the challenge.
    pub remainder: [u8; 64],
}

/// A claim that no record of the layout can satisfy.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ClaimError {
    /// A position beyond the shard's capacity.
    #[error("record {index} is out of range: the shard has room for {capacity} records, numbered from 0")]
    Index {
        /// The requested record.
        index: u64,
        /// Number of records in a full shard.
        capacity: u64,
    },
    /// Wrong number of columns.
    #[error("{got} bytes of commitments; the layout needs {expected}")]
    Points {
        /// Bytes needed: 64 for each column.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// Wrong number of features.
    #[error("{got} features; the layout has {expected}")]
    Features {
        /// The layout's count.
        expected: usize,
        /// The count given.
        got: usize,
    },
    /// A class that does not exist.
    #[error("class {target} does not exist: there are {classes} classes, numbered from 0")]
    Target {
        /// The class given.
        target: u16,
        /// The layout's class count.
        classes: usize,
    },
}

impl RecordClaim {
    /// Checks that the layout has such a record and that the lengths match it.
    ///
    /// # Errors
    /// [`ClaimError`], with both numbers.
    pub fn check(&self) -> Result<(), ClaimError> {
        let (l, capacity) = (&self.layout, self.layout.capacity() as u64);
        if self.index >= capacity {
            return Err(ClaimError::Index { index: self.index, capacity });
        }
        let expected = 64 * (l.columns() + 1);
        if self.points.len() != expected {
            return Err(ClaimError::Points { expected, got: self.points.len() });
        }
        if self.features.len() != l.features() {
            return Err(ClaimError::Features { expected: l.features(), got: self.features.len() });
        }
        if l.task() == Task::Classes && usize::from(self.target) >= l.classes() {
            return Err(ClaimError::Target { target: self.target, classes: l.classes() });
        }
        Ok(())
    }

    /// The record's rows. Once [`RecordClaim::check`] has passed, all are before the weights and therefore before the
    /// salts.
    #[must_use]
    pub fn rows(&self) -> std::ops::Range<usize> {
        let (start, rows) = (self.index as usize * self.layout.record_rows(), self.layout.record_rows());
        start..start + rows
    }

    /// The claimed value of `column` at row `row` of the record, counted from the record's first row.
    #[must_use]
    pub fn cell(&self, column: usize, row: usize) -> u64 {
        let a = self.layout.columns();
        if column < a {
            return if row < self.layout.data_rows() {
                self.features.get(row * a + column).copied().map_or(0, u64::from)
            } else {
                0
            };
        }
        match (self.layout.task(), row) {
            (_, 0) => 1,
            (Task::Classes, row) => u64::from(row == 1 + usize::from(self.target)),
            (Task::Real, 1) => u64::from(self.target),
            (Task::Real, _) => 0,
        }
    }

    /// Digest of the shard.
    #[must_use]
    pub fn shard(&self) -> ShardDigest {
        ShardDigest::new(group_digest(&self.points))
    }

    /// Hash of the whole claim, from which the challenges of its proof are derived.
    #[must_use]
    pub fn seed(&self) -> Digest {
        Words::new()
            .word(&keccak(b"tribute.record.v1"))
            .word(self.context.as_bytes())
            .word(self.layout.hash().as_bytes())
            .word(self.shard().as_bytes())
            .uint(u128::from(self.index))
            .word(&keccak(&self.features))
            .uint(u128::from(self.target))
            .keccak()
    }
}

/// Seed of the second challenge: a hash of the first seed and the proof's first point.
#[must_use]
pub fn second_seed(seed: &Digest, quotient: &[u8; 64]) -> Digest {
    keccak(&[&seed[..], quotient].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> RecordClaim {
        let layout = Layout::new(10, 3, 7, 3, Task::Classes).unwrap();
        RecordClaim {
            layout,
            points: vec![7; 64 * 4],
            index: 2,
            features: (1..8).collect(),
            target: 1,
            context: RecordContext::new([5; 32]),
        }
    }

    #[test]
    fn cells_stand_where_the_layout_says() {
        let c = claim();
        c.check().unwrap();
        assert_eq!(c.rows(), 8..12);
        let column = |i: usize| (0..4).map(|row| c.cell(i, row)).collect::<Vec<_>>();
        assert_eq!([column(0), column(1), column(2)], [[1, 4, 7, 0], [2, 5, 0, 0], [3, 6, 0, 0]]);
        assert_eq!(column(3), [1, 0, 1, 0]);
        let real = RecordClaim { layout: Layout::new(10, 3, 7, 1, Task::Real).unwrap(), target: 60_000, ..claim() };
        real.check().unwrap();
        assert_eq!((0..3).map(|row| real.cell(3, row)).collect::<Vec<_>>(), [1, 60_000, 0]);
    }

    #[test]
    fn every_part_changes_the_seed() {
        type Change = fn(&mut RecordClaim);
        let changes: [Change; 6] = [
            |c| c.layout = Layout::new(11, 3, 7, 3, Task::Classes).unwrap(),
            |c| c.points[70] ^= 1,
            |c| c.index += 1,
            |c| c.features[6] ^= 1,
            |c| c.target += 1,
            |c| c.context = RecordContext::new([6; 32]),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut c = claim();
            change(&mut c);
            assert_ne!(c.seed(), claim().seed(), "part {i}");
        }
    }

    #[test]
    fn what_no_record_can_be_is_refused_with_both_numbers() {
        let capacity = claim().layout.capacity() as u64;
        let index = RecordClaim { index: capacity, ..claim() };
        assert_eq!(index.check(), Err(ClaimError::Index { index: capacity, capacity }));
        assert!(RecordClaim { index: u64::MAX, ..claim() }.check().is_err());
        let features = RecordClaim { features: vec![0; 8], ..claim() };
        assert_eq!(features.check(), Err(ClaimError::Features { expected: 7, got: 8 }));
        let points = RecordClaim { points: vec![0; 255], ..claim() };
        assert_eq!(points.check(), Err(ClaimError::Points { expected: 256, got: 255 }));
        assert_eq!(RecordClaim { target: 3, ..claim() }.check(), Err(ClaimError::Target { target: 3, classes: 3 }));
        // the last record's rows end before weights and salts
        let last = RecordClaim { index: capacity - 1, ..claim() };
        last.check().unwrap();
        assert!(
            last.rows().end <= last.layout.weights_start() && last.layout.weights_start() < last.layout.salt_start()
        );
    }
}
