//! What a reader will not decide by itself: each doubt names the flag that accepts it.

use serde::{Deserialize, Serialize};

/// Something that may be meant and may be a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Records without a label: accepted, they are left out.
    Unlabelled,
    /// Records with an empty feature: accepted, they are left out.
    Incomplete,
    /// Values beyond the schema's range: accepted, they are moved to its nearer end.
    Clamped,
    /// A feature of which nearly all values fall on a few of its 256 steps.
    Coarse,
    /// Names in the header that are not the schema's: accepted, columns are taken by position.
    Position,
    /// Classes that differ only in case or blanks: accepted, they stay apart.
    Similar,
    /// Labels that look like measurements, or like texts of their own: accepted, each is a class.
    ManyClasses,
    /// A column that counts the records: accepted, it is a feature.
    Index,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] = &[
        Kind::Unlabelled,
        Kind::Incomplete,
        Kind::Clamped,
        Kind::Coarse,
        Kind::Position,
        Kind::Similar,
        Kind::ManyClasses,
        Kind::Index,
    ];

    /// The flag that accepts it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Kind::Unlabelled => "--drop-unlabelled",
            Kind::Incomplete => "--drop-incomplete",
            Kind::Clamped => "--allow-clamped",
            Kind::Coarse => "--allow-coarse",
            Kind::Position => "--by-position",
            Kind::Similar => "--allow-similar-labels",
            Kind::ManyClasses => "--allow-many-classes",
            Kind::Index => "--allow-index",
        }
    }
}

/// One doubt about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// What kind.
    pub kind: Kind,
    /// The line it is first seen at, from 1.
    pub row: Option<u64>,
    /// The column of the file, from 1.
    pub column: Option<usize>,
    /// What it is, to be read after its place.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// The flag that accepts it.
    pub flag: &'static str,
    /// Whether it was accepted.
    pub accepted: bool,
}

impl Doubt {
    pub(crate) fn new(kind: Kind, row: Option<u64>, column: Option<usize>, message: String, advice: String) -> Self {
        Doubt { kind, row, column: column.map(|c| c + 1), message, advice, flag: kind.flag(), accepted: false }
    }

    /// `row 3, column 2 `, or nothing.
    pub(crate) fn place(&self) -> String {
        match (self.row, self.column) {
            (Some(row), Some(column)) => format!("row {row}, column {column} "),
            (Some(row), None) => format!("row {row} "),
            (None, Some(column)) => format!("column {column} "),
            (None, None) => String::new(),
        }
    }
}
