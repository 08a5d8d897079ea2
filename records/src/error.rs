//! What is wrong with a file, where, and how to fix it.

use thiserror::Error;
use tribute_core::schema::SchemaError;

use crate::doubt::Doubt;

/// Data that cannot be read. Rows are lines of the (unpacked) file, in a columnar file its records, and columns its fields, all
/// counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct DataError {
    /// File name.
    pub file: String,
    /// Line, or record of a columnar file, from 1.
    pub row: Option<u64>,
    /// Column, from 1.
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

/// What is wrong. The message follows the position, so that it reads "row 3, column 2 (`age`) is `x`, not a number".
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {reason}")]
    Io {
        /// The operating system's message.
        reason: String,
    },
    /// A gzip member is corrupt or truncated.
    #[error(
        "the gzip stream is damaged or breaks off in member {member}, at byte {at}: {reason}; fetch the file again"
    )]
    Gzip {
        /// Number of the member, from 1.
        member: usize,
        /// Offset in the compressed file at which the member starts.
        at: usize,
        /// The decompressor's message.
        reason: String,
    },
    /// Bytes after the last gzip member that are neither another member nor zero padding.
    #[error("bytes that are not gzip follow member {members}, at byte {at}: unpack the file by hand and check it")]
    Trailing {
        /// Number of members read.
        members: usize,
        /// Offset in the compressed file.
        at: usize,
    },
    /// The unpacked file is larger than [`Options::most_bytes`](crate::Options::most_bytes).
    #[error("has more than the limit of {most} bytes, or of that many values if it is columnar: split it")]
    TooLarge {
        /// Limit in bytes.
        most: usize,
    },
    /// Not a text table, but a recognised format.
    #[error("looks like {what}: {advice}")]
    Foreign {
        /// The format it looks like.
        what: &'static str,
        /// How to convert it.
        advice: &'static str,
    },
    /// A columnar file whose parts do not fit together.
    #[error("is a damaged {format} file ({why}): write it again")]
    Damaged {
        /// `Parquet` or `Arrow`.
        format: &'static str,
        /// What does not fit.
        why: String,
    },
    /// A column of a columnar file that holds neither numbers, nor truth values, nor texts, or in a way that is not read.
    #[error("(`{name}`) holds {what}: {advice}, or {leave_out}")]
    Held {
        /// Column name.
        name: String,
        /// What it holds.
        what: String,
        /// How to write it otherwise.
        advice: &'static str,
        /// How to leave it out.
        leave_out: String,
    },
    /// An option that only concerns text tables.
    #[error("is a {format} file, which says by itself how it is written: leave out {option}")]
    ForText {
        /// `Parquet` or `Arrow`.
        format: &'static str,
        /// The option.
        option: &'static str,
    },
    /// Not UTF-8.
    #[error("is not UTF-8 text (byte 0x{byte:02x}): if it is Latin-1 or Windows-1252, convert it with `iconv -f WINDOWS-1252 -t UTF-8`")]
    Encoding {
        /// First invalid byte.
        byte: u8,
    },
    /// A quoted field that is never closed.
    #[error("opens a quote that is never closed: close it, or double the quotes that belong to the text")]
    OpenQuote,
    /// Text after a closing quote.
    #[error("continues after the closing quote: double the quotes that belong to the text")]
    AfterQuote,
    /// No separator fits, or two do.
    #[error("{0}")]
    Separator(String),
    /// The decimal mark is ambiguous.
    #[error("{0}")]
    Decimal(String),
    /// The first row may be a header or a record.
    #[error("may be a header or a record ({why}): pass --header or --no-header")]
    Header {
        /// Why it is ambiguous.
        why: String,
    },
    /// A first row that is neither names nor a record.
    #[error("has {got} field{}, while the rows below have {below}, as a title or a comment would: delete it, or start it with `#`", if *got == 1 { "" } else { "s" })]
    Title {
        /// Fields in it.
        got: usize,
        /// Fields in the rows below.
        below: usize,
    },
    /// A first row with a single text beside empty fields.
    #[error("has only one field with text, while the rows below have {below}, as a title would: delete it, or start it with `#`; if it is a record, pass --no-header")]
    FilledTitle {
        /// Fields in the rows below.
        below: usize,
    },
    /// A row with a different number of fields.
    #[error("has {got} field{}, expected {expected} ({why})", if *got == 1 { "" } else { "s" })]
    Width {
        /// Fields expected.
        expected: usize,
        /// Fields found.
        got: usize,
        /// Where the expected number comes from.
        why: String,
    },
    /// The header's names occur again.
    #[error("repeats the header, as if two files were concatenated: delete the line")]
    SecondHeader,
    /// A comment that may be a record.
    #[error("starts with `#` like a comment, but has the fields of a record: delete the line or the `#`, or put the first field in quotes")]
    Comment,
    /// A comment that may be a record, because texts are read and one may begin with `#`.
    #[error("may be a record whose first text begins with `#`: delete the line if it is a remark, otherwise put the field in quotes")]
    TextOrComment,
    /// The columns' names do not match, repeat or are missing.
    #[error("{0}")]
    Names(String),
    /// The label column cannot be determined.
    #[error("{0}")]
    Label(String),
    /// Not a finite number.
    #[error("(`{name}`) is `{text}`, {why}")]
    NotNumber {
        /// Column name.
        name: String,
        /// The field's text.
        text: String,
        /// Why it is not a number, and what to do.
        why: String,
    },
    /// A column that does not hold numbers.
    #[error("(`{name}`) holds {what}, such as {examples}: {advice}")]
    NotNumbers {
        /// Column name.
        name: String,
        /// The kind of text it holds.
        what: &'static str,
        /// Some of its values.
        examples: String,
        /// How to use or drop the column.
        advice: String,
    },
    /// A category that is not in the schema.
    #[error("(`{name}`) is `{text}`, which is not among the schema's values ({known}){hint}")]
    UnknownCategory {
        /// Column name.
        name: String,
        /// The field's text.
        text: String,
        /// The schema's values, joined.
        known: String,
        /// A suggestion.
        hint: String,
    },
    /// A label that is not in the schema.
    #[error("is the label `{label}`, which is not in the schema ({known}){hint}")]
    UnknownLabel {
        /// The field's text.
        label: String,
        /// The schema's labels, joined.
        known: String,
        /// A suggestion.
        hint: String,
    },
    /// Labels that cannot be classes: too few or too many.
    #[error("{0}")]
    Classes(String),
    /// A range of records that exceeds the file.
    #[error("has {len} records; {from}..{to} goes beyond")]
    Rows {
        /// Number of records in the file.
        len: usize,
        /// First record requested.
        from: usize,
        /// End of the request, exclusive.
        to: usize,
    },
    /// The file has no records.
    #[error("has no records")]
    Empty,
    /// No valid schema can be made from the file.
    #[error("{0}")]
    Schema(SchemaError),
    /// Doubts that were not accepted.
    #[error("{}", sentences(.0))]
    Doubtful(Vec<Doubt>),
}

fn sentences(doubts: &[Doubt]) -> String {
    // the position of the first doubt is already in the prefix
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
    /// A table from which no schema can be made, because there is nothing beside one column.
    pub(crate) fn one_column() -> Self {
        Fault::Label("has only one column, but needs features and a label: separate them with commas".into())
    }
    /// A fault of the whole file.
    pub(crate) fn of(self, file: &str) -> DataError {
        DataError { file: file.into(), row: None, column: None, fault: Box::new(self) }
    }
    /// A fault of a line.
    pub(crate) fn at_row(self, file: &str, row: u64) -> DataError {
        DataError { row: Some(row), ..self.of(file) }
    }
    /// A fault of a column, here counted from 0.
    pub(crate) fn at_column(self, file: &str, column: usize) -> DataError {
        DataError { column: Some(column + 1), ..self.of(file) }
    }
    /// A fault of one field; the column is counted from 0 here.
    pub(crate) fn at(self, file: &str, row: u64, column: usize) -> DataError {
        DataError { row: Some(row), ..self.at_column(file, column) }
    }
}
