//! Decisions that the reader leaves to the caller: each doubt names the flag that accepts it.

use serde::{Deserialize, Serialize};

/// A finding that may be intended or may be a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Records without a label. If accepted, they are left out.
    Unlabelled,
    /// Records with a missing feature. If accepted, they are left out.
    Incomplete,
    /// Values outside the schema's range. If accepted, they are clamped to it.
    Clamped,
    /// A feature whose values nearly all fall on a few of its 256 steps.
    Coarse,
    /// Header names that differ from the schema's. If accepted, columns are taken by position.
    Position,
    /// Labels or categories that look alike: they differ only in case, blanks, a full stop at the end, invisible characters or how
    /// letters, accents, dashes or quotes are written, or are one number or truth value written in several ways. If accepted, they are
    /// kept apart while a schema is inferred; in records, a number is the schema's class that is the same number.
    Similar,
    /// Labels that look like measurements or free text. If accepted, each is a class.
    ManyClasses,
    /// A column that counts or identifies the records. If accepted, it is a feature.
    Index,
    /// A column of days written as numbers, such as 20210304. If accepted, the numbers are the feature.
    Days,
}

impl Kind {
    /// All kinds.
    pub const ALL: &'static [Kind] = &[
        Kind::Unlabelled,
        Kind::Incomplete,
        Kind::Clamped,
        Kind::Coarse,
        Kind::Position,
        Kind::Similar,
        Kind::ManyClasses,
        Kind::Index,
        Kind::Days,
    ];

    /// The command-line flag that accepts it.
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
            Kind::Days => "--allow-days",
        }
    }
}

/// One doubt about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// What was found.
    pub kind: Kind,
    /// First line affected, from 1.
    pub row: Option<u64>,
    /// Column of the file, from 1.
    pub column: Option<usize>,
    /// Description, worded to follow the position.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// The flag that accepts it, as [`Kind::flag`] gives it.
    pub flag: &'static str,
    /// Whether the caller accepted it.
    pub accepted: bool,
}

impl Doubt {
    pub(crate) fn new(kind: Kind, row: Option<u64>, column: Option<usize>, message: String, advice: String) -> Self {
        Doubt { kind, row, column: column.map(|c| c + 1), message, advice, flag: kind.flag(), accepted: false }
    }

    /// `row 3, column 2 `, or empty.
    pub(crate) fn place(&self) -> String {
        match (self.row, self.column) {
            (Some(row), Some(column)) => format!("row {row}, column {column} "),
            (Some(row), None) => format!("row {row} "),
            (None, Some(column)) => format!("column {column} "),
            (None, None) => String::new(),
        }
    }
}
