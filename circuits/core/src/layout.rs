//! The row map of a circuit: which rows hold records, weights and salts.
//!
//! All circuits over one layout share the domain, the committed columns and the rows:
//!
//! ```text
//! row 0            ┌──────────────────────────────┬─────────┐
//!                  │ record 0: R rows             │ label   │  head row: presence flag s in the label column
//!                  │   data columns: feature j    │ column  │  class rows 1..=c: one-hot target (or one 16-bit value)
//!                  │   in column j mod A,         │         │
//!                  │   row j div A                │         │
//!                  ├──────────────────────────────┴─────────┤
//!                  │ record 1 …                             │
//! weights_start    ├────────────────────────────────────────┤
//!                  │ weights, row-major [d + 1][c], block 0 │  (weight and gradient columns; the data columns are 0 here)
//!                  │ is the bias                            │
//! weights_end      ├────────────────────────────────────────┤
//!                  │ unused (0 in the data columns)         │
//! salt_start       ├────────────────────────────────────────┤
//!                  │ salt rows: secret random values        │
//! gate_rows        │ (no gate is enabled from here on:      │
//!                  │ fresh columns are random too)          │
//! usable           ├────────────────────────────────────────┤
//!                  │ halo2's 6 tail rows                    │
//! 2^k              └────────────────────────────────────────┘
//! ```
//!
//! with `R = max(⌈d/A⌉, c + 1)`. The weights are below the records rather than beside them, so that the running sums
//! over records and over weights share their columns.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::keccak;
use crate::id::LayoutHash;
use crate::numbers::{bias_feature, CONTRIBUTION_BITS, FEATURE_BITS, WEIGHT_BITS};
use crate::scale::Scale;

/// Maximum number of features.
pub const MAX_FEATURES: usize = 1024;
/// Maximum number of classes.
pub const MAX_CLASSES: usize = 100;
/// Rows at the end of the domain that halo2 fills with random values: `blinding_factors() + 1`.
pub const TAIL_ROWS: usize = 6;
/// Rows at the end of the usable region in which no gate is enabled: fresh columns are random there.
pub const FRESH_IDLE_ROWS: usize = 16;
/// Rows above the weights that `optimum` needs for its scalars; every layout reserves them.
pub const SCALAR_ROWS: usize = 52;
/// The smallest `k` whose rows hold the exp tables of the logistic and softmax links.
pub const MIN_LINK_K: u32 = 14;
/// The smallest `k` at which answers are proven: four limbs hold the difference of two logits, so each needs 14 bits.
pub const MIN_SERVICE_K: u32 = 15;
/// Most data columns that [`Layout::fitting_columns`] chooses. With many features more would save time, with twice as many a
/// fifth at 784, but each takes 96 bytes and some 7,000 gas of every proof about a shard.
const MOST_FITTING_COLUMNS: usize = 32;
/// Supported values of `k`.
pub const K_RANGE: std::ops::RangeInclusive<u32> = 10..=22;

/// Maximum intercept scale.
pub const MAX_INTERCEPT_SCALE: u32 = 4;
/// Bound on the sum of a record's features and its bias feature. It keeps the difference of two logits below
/// `2^(18 + 38)`, four limbs of 14 bits.
const FEATURE_SUM_LIMIT: usize = 1 << 18;

/// The kind of target that a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of `c` classes.
    Classes,
    /// One real value in [0, 1), 16 bits; `c = 1`.
    Real,
}

/// A layout that cannot exist, with the conflicting numbers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// `k` outside the supported range.
    #[error("k = {k} is outside {}..={}", K_RANGE.start(), K_RANGE.end())]
    K {
        /// The requested `k`.
        k: u32,
    },
    /// No data columns, or too many.
    #[error("{columns} data columns: a layout has 1 to 64")]
    Columns {
        /// The requested column count.
        columns: usize,
    },
    /// The class count does not fit the task.
    #[error("{classes} classes: classification takes 2 to {MAX_CLASSES} (two classes are two columns), regression exactly 1")]
    Classes {
        /// The requested class count.
        classes: usize,
    },
    /// Too many features, or none.
    #[error("{features} features: a schema has 1 to {}", MAX_FEATURES)]
    Features {
        /// The requested feature count.
        features: usize,
    },
    /// The bias feature is too large, on its own or with this many features.
    #[error("intercept scale {scale} with {features} features: at most {MAX_INTERCEPT_SCALE}, and 3 or 4 only up to {most} features")]
    Intercept {
        /// The requested scale.
        scale: u32,
        /// Number of features.
        features: usize,
        /// Maximum number of features for which every scale is possible.
        most: usize,
    },
    /// Weights and scalars, or a first record, do not fit.
    #[error("k = {k} has {usable} usable rows; weights and one record of {features} features and {classes} classes need {needed}")]
    TooSmall {
        /// log2 of the number of rows.
        k: u32,
        /// Usable rows.
        usable: usize,
        /// Rows needed.
        needed: usize,
        /// Features per record.
        features: usize,
        /// Number of classes.
        classes: usize,
    },
}

/// Rows and columns of all circuits of one layout, as drawn in the module's diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "LayoutFields", into = "LayoutFields")]
pub struct Layout {
    k: u32,
    columns: usize,
    features: usize,
    classes: usize,
    task: Task,
    intercept_scale: u32,
}

#[derive(Serialize, Deserialize)]
struct LayoutFields {
    k: u32,
    columns: usize,
    features: usize,
    classes: usize,
    task: Task,
    intercept_scale: u32,
}

impl TryFrom<LayoutFields> for Layout {
    type Error = LayoutError;
    fn try_from(f: LayoutFields) -> Result<Self, LayoutError> {
        Layout::new(f.k, f.columns, f.features, f.classes, f.task)?.with_intercept_scale(f.intercept_scale)
    }
}

impl From<Layout> for LayoutFields {
    fn from(l: Layout) -> Self {
        LayoutFields {
            k: l.k,
            columns: l.columns,
            features: l.features,
            classes: l.classes,
            task: l.task,
            intercept_scale: l.intercept_scale,
        }
    }
}

impl Layout {
    /// A layout of `2^k` rows and `columns` data columns for records of `features` features and `classes` classes.
    ///
    /// `features` must be the schema's count, never rounded up: `dataset` proves that cells beyond it are zero, and a
    /// circuit with room for more features would let a provider fill them, for example with the label.
    pub fn new(k: u32, columns: usize, features: usize, classes: usize, task: Task) -> Result<Self, LayoutError> {
        if !K_RANGE.contains(&k) {
            return Err(LayoutError::K { k });
        }
        if !(1..=64).contains(&columns) {
            return Err(LayoutError::Columns { columns });
        }
        if features == 0 || features > MAX_FEATURES {
            return Err(LayoutError::Features { features });
        }
        let classes_fit = match task {
            // two classes take two columns: the target is one-hot, and one column could not tell which class a record
            // has
            Task::Classes => (2..=MAX_CLASSES).contains(&classes),
            Task::Real => classes == 1,
        };
        if !classes_fit {
            return Err(LayoutError::Classes { classes });
        }
        let layout = Layout { k, columns, features, classes, task, intercept_scale: 0 };
        let record_rows = layout.record_rows().max(SCALAR_ROWS.next_multiple_of(layout.record_rows()));
        if layout.room() < layout.weights() + record_rows {
            return Err(LayoutError::TooSmall {
                k,
                usable: layout.usable(),
                needed: layout.salt_rows() + layout.weights() + record_rows,
                features,
                classes,
            });
        }
        Ok(layout)
    }

    /// The least number of data columns at which a record's features take no more rows than its classes do, so that
    /// neither leaves cells idle; or, if that is more than 32, at which they take no more rows than with 32.
    #[must_use]
    pub fn fitting_columns(features: usize, classes: usize) -> usize {
        let rows = features.div_ceil(MOST_FITTING_COLUMNS).max(classes + 1);
        features.div_ceil(rows)
    }

    /// The same layout with a bias feature of `256·2^scale`. A larger bias feature makes the bias practically free of
    /// penalty (LIBLINEAR's `intercept_scaling`), because its weight is smaller by the same factor.
    ///
    /// # Errors
    /// [`LayoutError::Intercept`] above [`MAX_INTERCEPT_SCALE`], or where logits could exceed their range.
    pub fn with_intercept_scale(mut self, scale: u32) -> Result<Self, LayoutError> {
        if scale > MAX_INTERCEPT_SCALE || 255 * self.features + (256 << scale) > FEATURE_SUM_LIMIT {
            let most = (FEATURE_SUM_LIMIT - (256 << MAX_INTERCEPT_SCALE)) / 255;
            return Err(LayoutError::Intercept { scale, features: self.features, most });
        }
        self.intercept_scale = scale;
        Ok(self)
    }

    /// log2 of the number of rows.
    #[must_use]
    pub fn k(&self) -> u32 {
        self.k
    }
    /// `A`, the number of data columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// `d`, the number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }
    /// `c`, the number of classes (1 for regression).
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }
    /// Classification or regression.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }
    /// Number of rows, `2^k`.
    #[must_use]
    pub fn rows(&self) -> usize {
        1 << self.k
    }
    /// Rows available to gates and values: all but halo2's tail.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.rows() - TAIL_ROWS
    }
    /// Rows in which gates may be enabled: all usable rows but the last [`FRESH_IDLE_ROWS`].
    #[must_use]
    pub fn gate_rows(&self) -> usize {
        self.usable() - FRESH_IDLE_ROWS
    }
    /// `s`: the bias feature is `256·2^s`.
    #[must_use]
    pub fn intercept_scale(&self) -> u32 {
        self.intercept_scale
    }
    /// The constant feature whose weight is the bias (real value `2^s`).
    #[must_use]
    pub fn bias_feature(&self) -> i64 {
        bias_feature(self.intercept_scale)
    }
    /// How many proofs may open one committed column of records. Each proof reveals one value of the column's
    /// polynomial; while there are more salts than revealed values, the values say nothing about the other rows.
    #[must_use]
    pub fn opening_budget(&self) -> u64 {
        self.salt_rows() as u64 - 1
    }
    /// How many proofs may open one committed column of weights or of a gradient. Circuits read these columns only in
    /// the rows of the weights, so most of their other rows are salts too.
    #[must_use]
    pub fn weights_opening_budget(&self) -> u64 {
        (self.weights_start() - self.weights_salt_start() + self.salt_rows()) as u64 - 1
    }
    /// First salt row above the weights, in columns of weights and gradients: the rows from here to
    /// [`Layout::weights_start`] are salts, at most 2^15 of them.
    #[must_use]
    pub fn weights_salt_start(&self) -> usize {
        self.weights_start().saturating_sub(1 << 15)
    }
    /// Number of salt rows in every committed column.
    #[must_use]
    pub fn salt_rows(&self) -> usize {
        if self.k < 13 {
            64
        } else {
            1024
        }
    }
    /// First salt row; the last one is `usable() - 1`.
    #[must_use]
    pub fn salt_start(&self) -> usize {
        self.usable() - self.salt_rows()
    }
    fn room(&self) -> usize {
        self.salt_start()
    }
    /// `R`, the number of rows of one record.
    #[must_use]
    pub fn record_rows(&self) -> usize {
        self.data_rows().max(self.classes + 1)
    }
    /// Number of rows of a record that hold features: `⌈d/A⌉`.
    #[must_use]
    pub fn data_rows(&self) -> usize {
        self.features.div_ceil(self.columns)
    }
    /// Number of weights: `(d + 1)·c`.
    #[must_use]
    pub fn weights(&self) -> usize {
        (self.features + 1) * self.classes
    }
    /// Number of records that fit in one shard.
    #[must_use]
    pub fn capacity(&self) -> usize {
        (self.room() - self.weights()) / self.record_rows()
    }
    /// First row of the weights.
    #[must_use]
    pub fn weights_start(&self) -> usize {
        self.capacity() * self.record_rows()
    }
    /// One past the last row of the weights.
    #[must_use]
    pub fn weights_end(&self) -> usize {
        self.weights_start() + self.weights()
    }
    /// Width of a range-checked limb in bits: the range table has `2^limb_bits()` rows.
    #[must_use]
    pub fn limb_bits(&self) -> u32 {
        (self.k - 1).min(14)
    }
    /// Fractional bits of a probability. See [`crate::link`].
    #[must_use]
    pub fn prob_bits(&self) -> u32 {
        Scale::of(self.limb_bits()).prob_bits()
    }
    /// Fractional bits of a gradient entry: feature bits and probability bits.
    #[must_use]
    pub fn gradient_bits(&self) -> u32 {
        FEATURE_BITS + self.prob_bits()
    }
    /// Number of limbs that `gradient` rounds away from `⟨−G, W⟩`.
    #[must_use]
    pub fn remainder_limbs(&self) -> usize {
        ((self.gradient_bits() + WEIGHT_BITS - CONTRIBUTION_BITS) / self.limb_bits()) as usize
    }
    /// Fractional bits of `N`, the rounded `⟨−G, W⟩` that `gradient` publishes: at least 44, chosen so that a whole
    /// number of limbs is rounded away.
    #[must_use]
    pub fn contribution_bits(&self) -> u32 {
        self.gradient_bits() + WEIGHT_BITS - self.remainder_limbs() as u32 * self.limb_bits()
    }

    /// keccak256 of the layout's parameters; part of every circuit's identity.
    #[must_use]
    pub fn hash(&self) -> LayoutHash {
        let mut bytes = b"tribute.layout.v1".to_vec();
        let task = match self.task {
            Task::Classes => 0u32,
            Task::Real => 1,
        };
        for v in [
            self.k,
            self.columns as u32,
            self.features as u32,
            self.classes as u32,
            task,
            self.salt_rows() as u32,
            self.intercept_scale,
        ] {
            bytes.extend_from_slice(&v.to_be_bytes());
        }
        LayoutHash::new(keccak(&bytes))
    }
}

#[cfg(test)]
mod tests;
