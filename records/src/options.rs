//! What a caller says about a file, and what of the doubtful it accepts.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dialect::Separator;
use crate::doubt::Kind;
use crate::number::Decimal;

/// How to read a file. By default everything is found out, and nothing doubtful is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether the first row is a header.
    pub header: Option<bool>,
    /// What stands between fields.
    pub separator: Option<Separator>,
    /// The decimal mark.
    pub decimal: Option<Decimal>,
    /// The label's column: a name, or its number from 1.
    pub label: Option<String>,
    /// Columns to leave out: names, or numbers from 1.
    pub drop: Vec<String>,
    /// Only these records of the file, counted from 0.
    pub rows: Option<Range<usize>>,
    /// Whether `NA`, `None` and the like are labels and not gaps.
    pub gaps_are_labels: bool,
    /// Doubts that are accepted.
    pub accept: BTreeSet<Kind>,
    /// The most bytes a file may unpack to.
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
            rows: None,
            gaps_are_labels: false,
            accept: BTreeSet::new(),
            most_bytes: 1 << 34,
        }
    }
}
