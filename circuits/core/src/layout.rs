//! Where everything stands in the rows of a circuit.
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
//! gate_rows        │ (from here on no gate is on: fresh     │
//!                  │ columns are random too)                │
//! usable           ├────────────────────────────────────────┤
//!                  │ halo2's 6 tail rows                    │
//! 2^k              └────────────────────────────────────────┘
//! ```
//!
//! with `R = max(⌈d/A⌉, c + 1)`. The weights stand below the records and not beside them, so that the running sums over
//! records and over weights share their columns.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::keccak;
use crate::id::LayoutHash;
use crate::numbers::{bias_feature, CONTRIBUTION_BITS, FEATURE_BITS, WEIGHT_BITS};
use crate::scale::Scale;

/// The largest feature count.
pub const MAX_FEATURES: usize = 1024;
/// The largest class count.
pub const MAX_CLASSES: usize = 100;
/// Rows at the end of the domain that halo2 fills with random values: `blinding_factors() + 1`.
pub const TAIL_ROWS: usize = 6;
/// Rows at the end of the usable region in which no gate is on: fresh columns are random there.
pub const FRESH_IDLE_ROWS: usize = 16;
/// Rows above the weights that `optimum` needs for its scalars, so every layout has them.
pub const SCALAR_ROWS: usize = 52;
/// The smallest `k` whose rows hold the exp tables of logistic and softmax.
pub const MIN_LINK_K: u32 = 14;
/// The smallest `k` at which answers are proven: four limbs have to hold the difference of two logits, so each has 14 bits.
pub const MIN_SERVICE_K: u32 = 15;
/// The smallest and the largest `k`.
pub const K_RANGE: std::ops::RangeInclusive<u32> = 10..=22;

/// The largest intercept scale.
pub const MAX_INTERCEPT_SCALE: u32 = 4;
/// A record's features and its bias feature sum to at most this, so that the difference of two logits stays below
/// `2^(18 + 38)`, four limbs of 14 bits.
const FEATURE_SUM_LIMIT: usize = 1 << 18;

/// What a record's target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of `c` classes.
    Classes,
    /// One real value in [0, 1), 16 bits; `c = 1`.
    Real,
}

/// A layout that cannot exist, with the numbers that clash.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// `k` outside the supported range.
    #[error("k = {k} is outside {}..={}", K_RANGE.start(), K_RANGE.end())]
    K {
        /// The `k` asked for.
        k: u32,
    },
    /// No data columns, or too many.
    #[error("{columns} data columns: a layout has 1 to 64")]
    Columns {
        /// The column count asked for.
        columns: usize,
    },
    /// The class count does not fit the task.
    #[error("{classes} classes: classification takes 2 to {MAX_CLASSES} (two classes are two columns), regression exactly 1")]
    Classes {
        /// The class count asked for.
        classes: usize,
    },
    /// Too many features, or none.
    #[error("{features} features: a schema has 1 to {}", MAX_FEATURES)]
    Features {
        /// The feature count asked for.
        features: usize,
    },
    /// The bias feature is too large, by itself or beside so many features.
    #[error("intercept scale {scale} with {features} features: at most {MAX_INTERCEPT_SCALE}, and 3 or 4 only up to {most} features")]
    Intercept {
        /// The scale asked for.
        scale: u32,
        /// Features.
        features: usize,
        /// The most features that any scale is possible with.
        most: usize,
    },
    /// Weights and scalars, or a first record, do not fit.
    #[error("k = {k} has {usable} usable rows; weights and one record of {features} features and {classes} classes need {needed}")]
    TooSmall {
        /// log2 of the rows.
        k: u32,
        /// Rows that can be used.
        usable: usize,
        /// Rows needed.
        needed: usize,
        /// Features per record.
        features: usize,
        /// Classes.
        classes: usize,
    },
}

/// Rows and columns of all circuits of one shape. See the module's picture.
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
    /// The count is the schema's own, never rounded up: `dataset` proves cells beyond it zero, and a circuit with room for
    /// more features would let a provider fill them, with the label for one.
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
            // one column could not say which of two classes a record has: its target is one-hot
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

    /// The same with a bias feature of `256·2^scale`. A larger one makes the bias practically free of penalty (LIBLINEAR's
    /// `intercept_scaling`): the weight of the bias is smaller by as much.
    ///
    /// # Errors
    /// [`LayoutError::Intercept`] beyond [`MAX_INTERCEPT_SCALE`], or where logits could outgrow their range.
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
    /// `2^k`.
    #[must_use]
    pub fn rows(&self) -> usize {
        1 << self.k
    }
    /// Rows that gates and values may use: all but halo2's tail.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.rows() - TAIL_ROWS
    }
    /// Rows in which gates may be on: all usable ones but the last [`FRESH_IDLE_ROWS`].
    #[must_use]
    pub fn gate_rows(&self) -> usize {
        self.usable() - FRESH_IDLE_ROWS
    }
    /// `s`: the bias feature is `256·2^s`.
    #[must_use]
    pub fn intercept_scale(&self) -> u32 {
        self.intercept_scale
    }
    /// The bias is a coordinate whose feature is this constant (real value `2^s`).
    #[must_use]
    pub fn bias_feature(&self) -> i64 {
        bias_feature(self.intercept_scale)
    }
    /// How many proofs may open one committed column of records. Each reveals one value of its polynomial; while there is
    /// one salt more than values, they say nothing about the other rows.
    #[must_use]
    pub fn opening_budget(&self) -> u64 {
        self.salt_rows() as u64 - 1
    }
    /// How many proofs may open one committed column of weights or of a gradient: circuits read those in the weights' rows
    /// only, so most of their other rows are salts too.
    #[must_use]
    pub fn weights_opening_budget(&self) -> u64 {
        (self.weights_start() - self.weights_salt_start() + self.salt_rows()) as u64 - 1
    }
    /// First of the salts above the weights, in columns of weights and gradients: the rows from here to
    /// [`Layout::weights_start`] are salts, at most 2^15 of them.
    #[must_use]
    pub fn weights_salt_start(&self) -> usize {
        self.weights_start().saturating_sub(1 << 15)
    }
    /// Salt rows in every committed column.
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
    /// `R`, rows of one record.
    #[must_use]
    pub fn record_rows(&self) -> usize {
        self.data_rows().max(self.classes + 1)
    }
    /// Rows of a record that hold features: `⌈d/A⌉`.
    #[must_use]
    pub fn data_rows(&self) -> usize {
        self.features.div_ceil(self.columns)
    }
    /// Number of weights: `(d + 1)·c`.
    #[must_use]
    pub fn weights(&self) -> usize {
        (self.features + 1) * self.classes
    }
    /// Records that one shard can hold.
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
    /// Width in bits of a range-checked limb: the range table has `2^limb_bits()` rows.
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
    /// Limbs of what `gradient` rounds away of `⟨−G, W⟩`.
    #[must_use]
    pub fn remainder_limbs(&self) -> usize {
        ((self.gradient_bits() + WEIGHT_BITS - CONTRIBUTION_BITS) / self.limb_bits()) as usize
    }
    /// Fractional bits of the unit of `N`, what `gradient` publishes of `⟨−G, W⟩`: from 44, so that what is rounded away is
    /// a whole number of limbs.
    #[must_use]
    pub fn contribution_bits(&self) -> u32 {
        self.gradient_bits() + WEIGHT_BITS - self.remainder_limbs() as u32 * self.limb_bits()
    }

    /// keccak256 of the layout's numbers: part of every circuit's identity.
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
mod tests {
    use super::*;

    #[test]
    fn digits_at_k15_hold_what_the_design_says() {
        let l = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
        assert_eq!(l.record_rows(), 11);
        assert!(l.capacity() >= 2800, "{}", l.capacity());
        assert!(l.weights_end() <= l.salt_start());
    }

    /// The hash says which rows are what by the numbers that they follow from. Who changes how they follow, and any number
    /// here with it, has to change the hash's tag: proofs under two maps would otherwise be of one layout.
    #[test]
    fn the_row_map_is_that_of_the_hashs_tag() {
        use Task::{Classes, Real};
        // k, A, d, c, task: record rows, capacity, weights' start and end, salts' start, gate rows, bits of a limb
        for ((k, columns, d, c, task), rows) in [
            ((10, 1, 1, 2, Classes), [3, 316, 948, 952, 954, 1002, 9]),
            ((11, 3, 16, 1, Real), [6, 326, 1956, 1973, 1978, 2026, 10]),
            ((12, 5, 1, 100, Classes), [101, 37, 3737, 3937, 4026, 4074, 11]),
            ((13, 24, 1024, 2, Classes), [43, 118, 5074, 7124, 7162, 8170, 12]),
            ((14, 8, 16, 2, Classes), [3, 5106, 15318, 15352, 15354, 16362, 13]),
            ((15, 8, 64, 10, Classes), [11, 2826, 31086, 31736, 31738, 32746, 14]),
            ((17, 64, 784, 10, Classes), [13, 9399, 122187, 130037, 130042, 131050, 14]),
            ((22, 8, 1024, 100, Classes), [128, 31959, 4090752, 4193252, 4193274, 4194282, 14]),
        ] {
            let l = Layout::new(k, columns, d, c, task).unwrap();
            let map = [
                l.record_rows(),
                l.capacity(),
                l.weights_start(),
                l.weights_end(),
                l.salt_start(),
                l.gate_rows(),
                l.limb_bits() as usize,
            ];
            assert_eq!(map, rows, "k = {k}, A = {columns}, d = {d}, c = {c}");
            assert_eq!((l.rows(), l.usable(), l.salt_rows()), (1 << k, (1 << k) - 6, if k < 13 { 64 } else { 1024 }));
        }
        let hash = Layout::new(15, 8, 64, 10, Classes).unwrap().hash();
        assert_eq!(
            *hash.as_bytes(),
            keccak(b"tribute.layout.v1\0\0\0\x0f\0\0\0\x08\0\0\0\x40\0\0\0\x0a\0\0\0\0\0\0\x04\0\0\0\0\0")
        );
    }

    /// The unit of contributions for every width of limbs.
    #[test]
    fn contributions_lose_whole_limbs() {
        let units = [10, 11, 12, 13, 14, 15, 22].map(|k| {
            let l = Layout::new(k, 8, 16, 2, Task::Classes).unwrap();
            assert!(l.remainder_limbs() <= 16 && l.contribution_bits() >= CONTRIBUTION_BITS);
            assert!(l.contribution_bits() < CONTRIBUTION_BITS + l.limb_bits());
            (l.contribution_bits(), l.remainder_limbs())
        });
        assert_eq!(units, [(50, 13), (47, 12), (46, 11), (47, 10), (50, 9), (45, 9), (45, 9)]);
    }

    #[test]
    fn weights_can_be_opened_ten_thousand_times() {
        let l = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
        assert_eq!((l.opening_budget(), l.weights_opening_budget()), (1023, 32_109));
        let l = Layout::new(22, 8, 64, 10, Task::Classes).unwrap();
        assert_eq!(l.weights_opening_budget(), (1 << 15) + 1023);
    }

    #[test]
    fn intercept_scales_are_of_the_layout() {
        let l = Layout::new(17, 8, 64, 10, Task::Classes).unwrap();
        let scaled = l.with_intercept_scale(3).unwrap();
        assert_eq!((l.bias_feature(), scaled.bias_feature()), (256, 2048));
        assert_ne!(l.hash(), scaled.hash());
        let refused = l.with_intercept_scale(5).unwrap_err().to_string();
        assert!(refused.contains("scale 5") && refused.contains("at most 4"), "{refused}");
        let wide = |d| Layout::new(17, 8, d, 2, Task::Classes).unwrap();
        assert!(wide(1011).with_intercept_scale(4).is_ok() && wide(1024).with_intercept_scale(2).is_ok());
        assert!(wide(1012).with_intercept_scale(4).unwrap_err().to_string().contains("1011 features"));
    }

    #[test]
    fn sixty_features_are_not_sixty_four() {
        let a = Layout::new(15, 8, 60, 10, Task::Classes).unwrap();
        let b = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn a_head_that_does_not_fit_says_so() {
        let e = Layout::new(15, 8, 1024, 100, Task::Classes).unwrap_err();
        assert!(matches!(e, LayoutError::TooSmall { needed, usable, .. } if needed > usable));
    }

    #[test]
    fn limits_are_refused_with_their_numbers() {
        let new = |k, columns, d, c, task| Layout::new(k, columns, d, c, task);
        let (classes, real) = (Task::Classes, Task::Real);
        for (d, c) in [(1, 2), (1, 100), (1024, 2), (1024, 100)] {
            assert!(new(17, 8, d, c, classes).is_ok(), "{d} {c}");
        }
        for (refused, numbers) in [
            (new(17, 8, 0, 2, classes), ["0 features", "1 to 1024"]),
            (new(17, 8, 1025, 2, classes), ["1025 features", "1 to 1024"]),
            (new(17, 8, 1, 0, classes), ["0 classes", "2 to 100"]),
            (new(17, 8, 1, 1, classes), ["1 classes", "2 to 100"]),
            (new(17, 8, 1, 101, classes), ["101 classes", "2 to 100"]),
            (new(17, 8, 1, 2, real), ["2 classes", "regression exactly 1"]),
            (new(9, 8, 1, 2, classes), ["k = 9", "10..=22"]),
            (new(23, 8, 1, 2, classes), ["k = 23", "10..=22"]),
            (new(17, 0, 1, 2, classes), ["0 data columns", "1 to 64"]),
            (new(17, 65, 1, 2, classes), ["65 data columns", "1 to 64"]),
            (new(16, 8, 1024, 100, classes), ["65530 usable rows", "need 103652"]),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(numbers.iter().all(|n| refused.contains(n)), "{refused}: {numbers:?}");
        }
    }

    #[test]
    fn serde_refuses_an_impossible_layout() {
        let bad = r#"{"k":15,"columns":8,"features":0,"classes":10,"task":"classes","intercept_scale":0}"#;
        assert!(serde_json::from_str::<Layout>(bad).is_err());
    }
}
