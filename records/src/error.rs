//! What is wrong with a file, where, and what to do about it.

use thiserror::Error;
use tribute_core::schema::SchemaError;

use crate::doubt::Doubt;

/// Data that cannot be read. Rows are lines of the (unpacked) file and columns its fields, both counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct DataError {
    /// File name.
    pub file: String,
    /// Line of the file.
    pub row: Option<u64>,
    /// Column of the file.
    pub column: Option<usize>,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl std::fmt::Display for DataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file)?;
        match (self.row, self.column) {
            (Some(row), Some(column)) => write!(f, "row {row}, column {column} ")?,
            (Some(row), None) => write!(f, "row {row} ")?,
            (None, Some(column)) => write!(f, "column {column} ")?,
            (None, None) => {}
        }
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for DataError {}

/// What is wrong. The words follow on the place, so they read "row 3, column 2 (`age`) is `x`, not a number".
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Fault {
    /// The file cannot be read at all.
    #[error("cannot be read: {reason}")]
    Io {
        /// The system's words.
        reason: String,
    },
    /// A gzip member is damaged or breaks off.
    #[error(
        "the gzip stream is damaged or breaks off in member {member}, at byte {at}: {reason}; fetch the file again"
    )]
    Gzip {
        /// Member, from 1.
        member: usize,
        /// Byte of the compressed file at which the member starts.
        at: usize,
        /// The decompressor's words.
        reason: String,
    },
    /// Bytes after the last gzip member that are neither a member nor zeros.
    #[error(
        "after {members} gzip members, at byte {at}, something follows that is not gzip: unpack it by hand and look"
    )]
    Trailing {
        /// Members read.
        members: usize,
        /// Byte of the compressed file.
        at: usize,
    },
    /// Unpacks to more than the reader takes.
    #[error("unpacks to more than {most} bytes, which is the most taken here: split it")]
    TooLarge {
        /// Limit in bytes.
        most: usize,
    },
    /// Another format.
    #[error("looks like {what}: {advice}")]
    Foreign {
        /// What it looks like.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Not UTF-8.
    #[error("is not UTF-8 text (byte 0x{byte:02x}): if it is Latin-1 or Windows-1252, convert it with `iconv -f WINDOWS-1252 -t UTF-8`")]
    Encoding {
        /// The first byte that does not fit.
        byte: u8,
    },
    /// A quoted field that never ends.
    #[error("opens a quote that is never closed: close it, or double the quotes that belong to the text")]
    OpenQuote,
    /// Text after a closing quote.
    #[error("goes on after the closing quote: double the quotes that belong to the text")]
    AfterQuote,
    /// No separator that fits.
    #[error("{0}")]
    Separator(String),
    /// The decimal mark cannot be told.
    #[error("{0}")]
    Decimal(String),
    /// The first row may be a header or a record.
    #[error("may be a header or a record ({why}): say --header or --no-header")]
    Header {
        /// What speaks for each.
        why: String,
    },
    /// A row with another number of fields.
    #[error("has {got} fields, expected {expected} ({why})")]
    Width {
        /// Fields wanted.
        expected: usize,
        /// Fields found.
        got: usize,
        /// Where the expectation comes from.
        why: String,
    },
    /// The names of the header once more.
    #[error("repeats the header, as where two files were joined: delete the line")]
    SecondHeader,
    /// A comment that may be a record.
    #[error("starts with `#` but has the fields of a record: delete the line, or the `#`")]
    Comment,
    /// The columns' names do not fit.
    #[error("{0}")]
    Names(String),
    /// The label column cannot be told.
    #[error("{0}")]
    Label(String),
    /// Not a finite number.
    #[error("(`{name}`) is `{text}`, {why}")]
    NotNumber {
        /// Column name.
        name: String,
        /// What stands there.
        text: String,
        /// What it looks like and what to do.
        why: String,
    },
    /// A column that holds no numbers.
    #[error("(`{name}`) holds {what}, such as {examples}: {advice}")]
    NotNumbers {
        /// Column name.
        name: String,
        /// What it holds.
        what: &'static str,
        /// Some of its values.
        examples: String,
        /// What to do.
        advice: String,
    },
    /// A label that the schema does not have.
    #[error("is the label `{label}`, which is not in the schema ({known}){hint}")]
    UnknownLabel {
        /// The label.
        label: String,
        /// The schema's labels, joined.
        known: String,
        /// What may be meant.
        hint: String,
    },
    /// Labels that make no classes.
    #[error("{0}")]
    Classes(String),
    /// Records that the file does not have.
    #[error("has {len} records; {from}..{to} goes beyond")]
    Rows {
        /// Records there.
        len: usize,
        /// First one wanted.
        from: usize,
        /// End of those wanted.
        to: usize,
    },
    /// No records.
    #[error("there are no records in it")]
    Empty,
    /// No schema can be made from it.
    #[error("{0}")]
    Schema(SchemaError),
    /// Things that someone has to accept.
    #[error("{}", sentences(.0))]
    Doubtful(Vec<Doubt>),
}

fn sentences(doubts: &[Doubt]) -> String {
    // the place of the first stands before it already
    let mut text = String::new();
    for (i, doubt) in doubts.iter().enumerate() {
        if i > 0 {
            text += "; ";
            text += &doubt.place();
        }
        text += &format!("{}: {}", doubt.message, doubt.advice);
    }
    text
}

impl Fault {
    /// The fault of a whole file.
    pub(crate) fn of(self, file: &str) -> DataError {
        DataError { file: file.into(), row: None, column: None, fault: Box::new(self) }
    }
    /// The fault of a line.
    pub(crate) fn at_row(self, file: &str, row: u64) -> DataError {
        DataError { row: Some(row), ..self.of(file) }
    }
    /// The fault of a column, counted from 0 here.
    pub(crate) fn at_column(self, file: &str, column: usize) -> DataError {
        DataError { column: Some(column + 1), ..self.of(file) }
    }
    /// The fault of one field; the column is counted from 0 here.
    pub(crate) fn at(self, file: &str, row: u64, column: usize) -> DataError {
        DataError { row: Some(row), ..self.at_column(file, column) }
    }
}
