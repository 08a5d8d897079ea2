//! Columnar files: Parquet, and Arrow's file and stream format (Feather).
//!
//! A column is read at a time, from bytes that need not be in memory, so a file may be larger than the memory there is. Files
//! come from strangers: lengths that they state are compared with their bytes and with limits before anything is allocated, and
//! the parts are unpacked here.

mod arrow;
mod buffers;
mod codec;
mod layout;
mod pages;
mod parquet;
mod thrift;

use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::error::{DataError, Fault};
use crate::selector::{self, leave_out};

/// Bytes that can be read at any position.
pub trait ReadAt: Send + Sync + std::fmt::Debug {
    /// Number of bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` with the bytes from `at` on.
    ///
    /// # Errors
    /// If they cannot be read, or there are fewer.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |m| m.len())
    }

    #[cfg(unix)]
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, at)
    }

    #[cfg(not(unix))]
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        use std::io::{Read as _, Seek as _};
        let mut file = self.try_clone()?;
        file.seek(std::io::SeekFrom::Start(at))?;
        file.read_exact(buffer)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Arrow,
}

impl Format {
    /// The format of a file that begins with `bytes`; `None` for text.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // a column of a text may be named like a format, but after its name comes no control character
            [b'P', b'A', b'R', b'1', next, ..] if next.is_ascii_control() && !next.is_ascii_whitespace() => {
                Some(Format::Parquet)
            }
            [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] | [0xff, 0xff, 0xff, 0xff, ..] => Some(Format::Arrow),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
        }
    }
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    /// Its bytes cannot be read.
    #[error("{0}")]
    Io(String),
    #[error("{0}")]
    Damaged(String),
    /// The column holds what cannot be read, here named, and what to do about it.
    #[error("holds {0}: {1}")]
    Held(String, &'static str),
}

impl Refused {
    fn damaged(why: impl std::fmt::Display) -> Self {
        Refused::Damaged(why.to_string())
    }

    /// Values of another kind.
    fn held(what: impl Into<String>) -> Self {
        Refused::Held(what.into(), "turn it into floats, whole numbers or texts")
    }
}

impl From<std::io::Error> for Refused {
    fn from(e: std::io::Error) -> Self {
        Refused::Io(e.to_string())
    }
}

/// Reads `length` bytes, which must be in the file.
fn read(bytes: &dyn ReadAt, at: u64, length: usize) -> Result<Vec<u8>, Refused> {
    if at.checked_add(length as u64).is_none_or(|end| end > bytes.size()) {
        return Err(Refused::damaged(format!("{length} bytes at {at} are beyond its end")));
    }
    let mut buffer = vec![0; length];
    bytes.read_at(at, &mut buffer)?;
    Ok(buffer)
}

/// A column in memory.
#[derive(Debug)]
pub(crate) enum Column {
    /// NaN is a missing value. Whole numbers are below 2^53.
    Numbers {
        values: Vec<f64>,
        stored: Stored,
    },
    Truths(Vec<Option<bool>>),
    /// Each row's word; missing ones are empty.
    Texts {
        words: Vec<String>,
        rows: Vec<u32>,
    },
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Whole,
    Half,
    Single,
    Double,
}

impl Stored {
    /// A number as in a CSV: with as few digits as tell it from its neighbours.
    fn text(self, x: f64) -> String {
        match self {
            Stored::Whole => format!("{x}"),
            Stored::Half => {
                let half = half::f16::from_f64(x);
                let mut shorter = (0..5).filter_map(|digits| format!("{x:.digits$e}").parse().ok());
                format!("{:?}", shorter.find(|short| half::f16::from_f64(*short) == half).unwrap_or(x))
            }
            Stored::Single => format!("{:?}", x as f32),
            Stored::Double => format!("{x:?}"),
        }
    }
}

impl Column {
    /// The text of a row, as in a CSV.
    pub(crate) fn text(&self, row: usize) -> String {
        match self {
            Column::Numbers { values, .. } if values[row].is_nan() => String::new(),
            Column::Numbers { values, stored } => stored.text(values[row]),
            Column::Truths(values) => values[row].map_or(String::new(), |truth| truth.to_string()),
            Column::Texts { words, rows } => words[rows[row] as usize].clone(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Column::Numbers { values, .. } => values.len(),
            Column::Truths(values) => values.len(),
            Column::Texts { rows, .. } => rows.len(),
        }
    }
}

/// Most bytes of all distinct texts of a column.
const MOST_TEXT: usize = 16 << 20;
/// From here on whole numbers cannot all be told apart as f64.
const EXACT: u64 = 1 << 53;

/// Collects texts, each once.
#[derive(Default)]
struct Words {
    places: HashMap<Arc<str>, u32>,
    words: Vec<Arc<str>>,
    bytes: usize,
    rows: Vec<u32>,
}

impl Words {
    /// The number of a word.
    fn place(&mut self, bytes: &[u8]) -> Result<u32, Refused> {
        let text = std::str::from_utf8(bytes).map_err(|_| Refused::held("text that is not UTF-8"))?;
        if let Some(place) = self.places.get(text) {
            return Ok(*place);
        }
        self.bytes += text.len() + size_of::<Arc<str>>();
        if self.bytes > MOST_TEXT {
            return Err(Refused::held(format!("more than {MOST_TEXT} bytes of different texts")));
        }
        let (word, place) = (Arc::<str>::from(text), self.words.len() as u32);
        self.words.push(word.clone());
        self.places.insert(word, place);
        Ok(place)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let place = self.place(bytes)?;
        self.rows.push(place);
        Ok(())
    }

    fn finish(self) -> Column {
        Column::Texts { words: self.words.iter().map(|word| word.as_ref().to_owned()).collect(), rows: self.rows }
    }
}

/// A whole number as f64.
fn whole(x: i128) -> Result<f64, Refused> {
    if x.unsigned_abs() >= u128::from(EXACT) {
        let what = format!("{x}, a whole number that is not below 2^53, so that its last digits would be lost");
        return Err(Refused::Held(what, "if it is a label, write it as text; if they do not matter, as floats"));
    }
    Ok(x as f64)
}

/// Key of pandas' description of a data frame in a file's metadata.
const PANDAS: &str = "pandas";

/// The names of the index's columns, as pandas describes them; none if that cannot be read, for it only adds to the file.
fn indices(pandas: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Frame {
        /// A name, or the description of an index that is no column.
        index_columns: Vec<serde_json::Value>,
    }
    let columns = serde_json::from_str(pandas).map_or(Vec::new(), |frame: Frame| frame.index_columns);
    columns.iter().filter_map(|column| column.as_str().map(str::to_owned)).collect()
}

/// The parts of an open file.
#[derive(Clone, Debug)]
enum Parts {
    Parquet(Arc<parquet::Parts>),
    Arrow(Arc<arrow::Parts>),
}

/// An open columnar file.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) format: Format,
    pub(crate) names: Vec<String>,
    /// Names of the columns that were the index of the pandas data frame.
    pub(crate) indices: Vec<String>,
    /// Number of rows.
    pub(crate) rows: usize,
    bytes: Arc<dyn ReadAt>,
    parts: Parts,
}

impl Columns {
    /// Reads the description of a file; `most` limits its rows times its columns.
    ///
    /// # Errors
    /// A damaged file, or one that is too large.
    pub(crate) fn open(file: &str, format: Format, bytes: Arc<dyn ReadAt>, most: usize) -> Result<Self, DataError> {
        let opened = guarded(|| match format {
            Format::Parquet => parquet::Parts::open(&*bytes).map(|p| Parts::Parquet(Arc::new(p))),
            Format::Arrow => arrow::Parts::open(&*bytes).map(|p| Parts::Arrow(Arc::new(p))),
        });
        let parts = opened.map_err(|refused| fault(format, refused, None).of(file))?;
        let (names, rows, pandas) = match &parts {
            Parts::Parquet(parts) => (parts.names(), parts.rows(), parts.pandas()),
            Parts::Arrow(parts) => (parts.names(), parts.rows(), parts.pandas()),
        };
        let indices = pandas.map_or(Vec::new(), indices);
        if names.is_empty() {
            return Err(Fault::Empty.of(file));
        }
        match usize::try_from(rows) {
            Ok(rows) if rows.checked_mul(names.len()).is_some_and(|cells| cells <= most) => {
                Ok(Columns { format, names, indices, rows, bytes, parts })
            }
            _ => Err(Fault::TooLarge { most }.of(file)),
        }
    }

    /// Reads a column.
    ///
    /// # Errors
    /// A damaged file, or a column that holds neither numbers, nor truth values, nor texts.
    pub(crate) fn load(&self, file: &str, column: usize) -> Result<Column, DataError> {
        let loaded = guarded(|| match &self.parts {
            Parts::Parquet(parts) => parts.load(&self.bytes, column, self.rows),
            Parts::Arrow(parts) => parts.load(&self.bytes, column, self.rows),
        });
        let loaded = loaded.and_then(|found| match found.len() == self.rows {
            true => Ok(found),
            false => Err(Refused::damaged(format!("a column has {} rows of {}", found.len(), self.rows))),
        });
        loaded.map_err(|refused| {
            let fault = fault(self.format, refused, Some((self, column)));
            if !matches!(fault, Fault::Held { .. }) {
                fault.of(file)
            } else {
                fault.at_column(file, column)
            }
        })
    }
}

fn fault(format: Format, refused: Refused, of: Option<(&Columns, usize)>) -> Fault {
    match refused {
        Refused::Held(what, advice) => {
            let told = |(all, at): (&Columns, usize)| (all.names[at].clone(), leave_out(selector::of(&all.names, at)));
            let (name, leave_out) = of.map_or_else(Default::default, told);
            Fault::Held { name, what, advice, leave_out }
        }
        Refused::Io(reason) => Fault::Io { reason },
        Refused::Damaged(why) => Fault::Damaged { format: format.name(), why },
    }
}

/// Decoders of these formats panic on some damaged files.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Refused::damaged("its parts contradict each other")))
}
