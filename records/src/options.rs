//! How the caller wants a file read, and which doubts it accepts.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dialect::Separator;
use crate::doubt::Kind;
use crate::number::Decimal;

/// How to read a file. By default everything is detected and no doubt is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether the first row is a header; detected if `None`. If it is none, a comment above it may still name the columns.
    pub header: Option<bool>,
    /// The field separator; detected if `None`.
    pub separator: Option<Separator>,
    /// The decimal mark; detected if `None`.
    pub decimal: Option<Decimal>,
    /// The label's column: a name, or its number from 1.
    pub label: Option<String>,
    /// Columns to leave out: names, or numbers from 1.
    pub drop: Vec<String>,
    /// Columns to one-hot encode in an inferred schema, one feature per value: names, or numbers from 1.
    pub one_hot: Vec<String>,
    /// Only these records of the file, counted from 0 after the header.
    pub rows: Option<Range<usize>>,
    /// Whether `NA`, `missing`, `-` and the like are labels rather than missing values.
    pub gaps_are_labels: bool,
    /// Doubts to accept.
    pub accept: BTreeSet<Kind>,
    /// Largest size in bytes that a file may unpack to.
    pub most_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            header: None,
            separator: None,
            decimal: None,
            label: None,
            drop: Vec::new(),
            one_hot: Vec::new(),
            rows: None,
            gaps_are_labels: false,
            accept: BTreeSet::new(),
            most_bytes: 1 << 34,
        }
    }
}
