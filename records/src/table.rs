//! A table: names and rows of fields with their positions in the file. Later stages see only tables, so supporting
//! another format means producing one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::cells::Cells;
use crate::columnar::{Column, Columns, Format, ReadAt};
use crate::dialect::{self, Separator};
use crate::error::{DataError, Fault};
use crate::header::Header;
use crate::heading::{find_header, Against};
use crate::options::Options;
use crate::square::{comment_like_record, is_one_column, squared, title};

/// An open file: unpacked text, or a columnar file whose columns are read when they are needed.
#[derive(Clone, Debug)]
pub struct Source {
    file: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Text { text: String, members: usize },
    Columns(Columns),
}

impl Source {
    /// Opens a file; text is read and unpacked, and what comes through a pipe is held in memory.
    ///
    /// # Errors
    /// A file that cannot be read, is corrupt, or is neither Parquet, nor Arrow, nor a text table in UTF-8.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let failed = |e: std::io::Error| Fault::Io { reason: e.to_string() }.of(&file);
        let mut opened = std::fs::File::open(path).map_err(failed)?;
        let mut start = Vec::new();
        opened.by_ref().take(8).read_to_end(&mut start).map_err(failed)?;
        // of a pipe nothing can be read twice
        let seeks = opened.metadata().is_ok_and(|found| found.is_file());
        match Format::of(&start).filter(|_| seeks) {
            Some(format) => Source::columns(&file, format, Arc::new(opened), options),
            None => Source::read(&file, start.chain(opened), options),
        }
    }

    /// Opens a columnar file; `None` if it is not one, so that its bytes are to be read as text. `file` is the name used in
    /// errors.
    ///
    /// # Errors
    /// A damaged file, or one with more values than [`Options::most_bytes`].
    pub fn columnar(file: &str, bytes: Arc<dyn ReadAt>, options: &Options) -> Result<Option<Self>, DataError> {
        let mut start = [0; 8];
        if bytes.size() < 8 {
            return Ok(None);
        }
        bytes.read_at(0, &mut start).map_err(|e| Fault::Io { reason: e.to_string() }.of(file))?;
        Format::of(&start).map(|format| Source::columns(file, format, bytes, options)).transpose()
    }

    fn columns(file: &str, format: Format, bytes: Arc<dyn ReadAt>, options: &Options) -> Result<Self, DataError> {
        let columns = Columns::open(file, format, bytes, options.most_bytes)?;
        Ok(Source { file: file.into(), body: Body::Columns(columns) })
    }

    /// Estimate of the memory that reading the records takes, bytes: of a text with the text itself, of a columnar file beyond it.
    #[must_use]
    pub fn memory(&self) -> usize {
        match &self.body {
            // for each field its place and its value
            Body::Text { text, .. } => {
                let ends = text.bytes().filter(|b| matches!(b, b',' | b';' | b'\t' | b'\n')).count();
                text.len().saturating_add(ends.saturating_mul(18))
            }
            // a byte for each value, and for each row the column at hand, its sorted copy, a digest and the label
            Body::Columns(columns) => columns.rows.saturating_mul(columns.names.len() + 40),
        }
    }

    /// Reads and unpacks everything from `reader`; `file` is the name used in errors.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn read(file: &str, mut reader: impl Read, options: &Options) -> Result<Self, DataError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|e| Fault::Io { reason: e.to_string() }.of(file))?;
        Source::from_bytes(file, bytes, options)
    }

    /// Unpacks bytes; `file` is the name used in errors.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn from_bytes(file: &str, bytes: Vec<u8>, options: &Options) -> Result<Self, DataError> {
        if let Some(format) = Format::of(&bytes) {
            return Source::columns(file, format, Arc::new(bytes), options);
        }
        let unpacked = crate::unpack::unpack(bytes, options.most_bytes)
            .map_err(|(fault, row)| DataError { row, ..fault.of(file) })?;
        Ok(Source { file: file.into(), body: Body::Text { text: unpacked.text, members: unpacked.members } })
    }

    /// The unpacked text, without a byte order mark; empty for a columnar file.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.body {
            Body::Text { text, .. } => text,
            Body::Columns(_) => "",
        }
    }
    /// The file's name, as used in errors.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// The header and rows of a file.
#[derive(Clone, Debug)]
pub(crate) struct Table<'t> {
    pub(crate) file: &'t str,
    pub(crate) members: usize,
    /// The header, if the file has one.
    pub(crate) header: Option<Header<'t>>,
    fields: Fields<'t>,
    /// Number of fields in every row.
    pub(crate) width: usize,
}

/// Where a table's fields are.
#[derive(Clone, Debug)]
enum Fields<'t> {
    Text { cells: Cells<'t>, separator: Separator },
    Columns(Loaded<'t>),
}

/// A columnar file's rows, with the column that was read last.
#[derive(Clone, Debug)]
struct Loaded<'t> {
    columns: &'t Columns,
    rows: Range<usize>,
    last: RefCell<Option<(usize, Rc<Column>)>>,
    /// The first column that could not be read, found while its fields were looked at.
    failed: RefCell<Option<DataError>>,
}

impl Loaded<'_> {
    fn column(&self, file: &str, column: usize) -> Result<Rc<Column>, DataError> {
        if let Some((_, loaded)) = self.last.borrow().as_ref().filter(|(last, _)| *last == column) {
            return Ok(loaded.clone());
        }
        // two columns are never held at a time
        self.last.replace(None);
        let loaded = Rc::new(self.columns.load(file, column)?);
        self.last.replace(Some((column, loaded.clone())));
        Ok(loaded)
    }
}

impl<'t> Table<'t> {
    /// Splits a source into rows and finds its header.
    ///
    /// # Errors
    /// Text that is not a table, rows of different lengths, or an ambiguous first row.
    pub(crate) fn cut(source: &'t Source, options: &Options, against: Against<'_>) -> Result<Self, DataError> {
        let file = source.file.as_str();
        let (text, members) = match &source.body {
            Body::Text { text, members } => (text.as_str(), *members),
            Body::Columns(columns) => return Table::of_columns(file, columns, options),
        };
        let (named, start) = dialect::named_separator(text).map_err(|f| f.at_row(file, 1))?;
        let text = without_end_mark(&text[start..]);
        let separator = match options.separator.or(named) {
            Some(separator) => separator,
            None => dialect::separator(text).map_err(|f| f.of(file))?,
        };
        let mut cells =
            Cells::cut(text, separator.byte(), usize::MAX).map_err(|(fault, line)| fault.at_row(file, line))?;
        if let Some(fault) = title(&cells, options.header) {
            return Err(fault.at_row(file, cells.line(0)));
        }
        if options.header.is_none() && matches!(against, Against::Nothing) && is_one_column(&cells) {
            return Err(Fault::one_column().of(file));
        }
        let header = find_header(&mut cells, separator, file, options, against)?;
        if cells.len() == 0 {
            let like_record = header.as_ref().and_then(|header| comment_like_record(&cells, separator, header));
            return Err(like_record.map_or(Fault::Empty.of(file), |line| Fault::Comment.at_row(file, line)));
        }
        let (header, width) =
            squared(&cells, separator, header, matches!(against, Against::Names { texts: true, .. }), file)?;
        if let Some(rows) = chosen(options, cells.len(), file)? {
            cells.keep(rows);
        }
        Ok(Table { file, members, header, fields: Fields::Text { cells, separator }, width })
    }

    fn of_columns(file: &'t str, columns: &'t Columns, options: &Options) -> Result<Self, DataError> {
        let for_text = [
            (options.header == Some(false), "--no-header"),
            (options.separator.is_some(), "--separator"),
            (options.decimal.is_some(), "--decimal"),
        ];
        if let Some((_, option)) = for_text.into_iter().find(|(given, _)| *given) {
            return Err(Fault::ForText { format: columns.format.name(), option }.of(file));
        }
        if columns.rows == 0 {
            return Err(Fault::Empty.of(file));
        }
        let rows = chosen(options, columns.rows, file)?.unwrap_or(0..columns.rows);
        let names = columns.names.iter().map(|name| Cow::Borrowed(name.as_str())).collect();
        let header = Some(Header { line: 0, comment: false, names, raw: "" });
        let loaded = Loaded { columns, rows, last: RefCell::default(), failed: RefCell::default() };
        Ok(Table { file, members: 0, header, fields: Fields::Columns(loaded), width: columns.names.len() })
    }

    /// The cells of a text table, for what only concerns text.
    ///
    /// # Errors
    /// If the file is columnar.
    pub(crate) fn cells(&self) -> Result<&Cells<'t>, DataError> {
        match &self.fields {
            Fields::Text { cells, .. } => Ok(cells),
            Fields::Columns(loaded) => {
                let (what, advice) = match loaded.columns.format {
                    Format::Parquet => ("a Parquet file", "for this, write it as CSV"),
                    Format::Arrow => ("an Arrow file", "for this, write it as CSV"),
                };
                Err(Fault::Foreign { what, advice }.of(self.file))
            }
        }
    }

    /// How fields are separated, or the columnar format.
    pub(crate) fn separator(&self) -> &'static str {
        match &self.fields {
            Fields::Text { separator, .. } => separator.name(),
            Fields::Columns(loaded) => match loaded.columns.format {
                Format::Parquet => "parquet",
                Format::Arrow => "arrow",
            },
        }
    }

    /// Whether it is a columnar file.
    pub(crate) fn is_columnar(&self) -> bool {
        matches!(self.fields, Fields::Columns(_))
    }

    /// The values of a numeric column of a columnar file; `None` for text.
    ///
    /// # Errors
    /// A column that cannot be read.
    pub(crate) fn numbers(&self, column: usize) -> Result<Option<Vec<f64>>, DataError> {
        let Fields::Columns(loaded) = &self.fields else { return Ok(None) };
        Ok(match &*loaded.column(self.file, column)? {
            Column::Numbers { values, .. } => Some(values[loaded.rows.clone()].to_vec()),
            Column::Truths(values) => {
                let number = |truth: &Option<bool>| truth.map_or(f64::NAN, |t| f64::from(u8::from(t)));
                Some(values[loaded.rows.clone()].iter().map(number).collect())
            }
            Column::Texts { .. } => None,
        })
    }

    /// Whether a column of a columnar file holds truth values; `None` for text.
    ///
    /// # Errors
    /// A column that cannot be read.
    pub(crate) fn truths(&self, column: usize) -> Result<Option<bool>, DataError> {
        let Fields::Columns(loaded) = &self.fields else { return Ok(None) };
        Ok(match &*loaded.column(self.file, column)? {
            Column::Numbers { .. } => Some(false),
            Column::Truths(_) => Some(true),
            Column::Texts { .. } => None,
        })
    }

    /// Whether a columnar file says that a column is an index.
    pub(crate) fn is_index(&self, column: usize) -> bool {
        match &self.fields {
            Fields::Text { .. } => false,
            Fields::Columns(loaded) => loaded.columns.indices.contains(&loaded.columns.names[column]),
        }
    }

    /// # Errors
    /// The first column of which [`Table::get`] could not read a field.
    pub(crate) fn settled(&self) -> Result<(), DataError> {
        match &self.fields {
            Fields::Text { .. } => Ok(()),
            Fields::Columns(loaded) => loaded.failed.borrow().clone().map_or(Ok(()), Err),
        }
    }

    /// Number of rows, without the header.
    pub(crate) fn len(&self) -> usize {
        match &self.fields {
            Fields::Text { cells, .. } => cells.len(),
            Fields::Columns(loaded) => loaded.rows.len(),
        }
    }
    /// The text of a field. Of a column that cannot be read it is empty, and [`Table::settled`] says why.
    pub(crate) fn get(&self, row: usize, column: usize) -> Cow<'t, str> {
        match &self.fields {
            Fields::Text { cells, .. } => cells.get(row, column),
            Fields::Columns(loaded) => match loaded.column(self.file, column) {
                Ok(found) => Cow::Owned(found.text(loaded.rows.start + row)),
                Err(e) => {
                    loaded.failed.borrow_mut().get_or_insert(e);
                    Cow::Borrowed("")
                }
            },
        }
    }
    /// First line of a row, from 1; in a columnar file the record's number.
    pub(crate) fn line(&self, row: usize) -> u64 {
        match &self.fields {
            Fields::Text { cells, .. } => cells.line(row),
            Fields::Columns(loaded) => (loaded.rows.start + row + 1) as u64,
        }
    }
    /// Number of comment lines, without a commented header.
    pub(crate) fn comments(&self) -> usize {
        match &self.fields {
            Fields::Text { cells, .. } => {
                cells.comments.len() - usize::from(self.header.as_ref().is_some_and(|h| h.comment))
            }
            Fields::Columns(_) => 0,
        }
    }
    /// Number of rows dropped because they hold no value.
    pub(crate) fn blank(&self) -> usize {
        match &self.fields {
            Fields::Text { cells, .. } => cells.blank,
            Fields::Columns(_) => 0,
        }
    }
    /// A column's name, or, for example, `column 3`.
    pub(crate) fn name(&self, column: usize) -> String {
        match self.header.as_ref().map(|h| h.names[column].as_ref()) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("column {}", column + 1),
        }
    }
}

/// The text before control characters Z at its end, with which programs of CP/M and DOS mark that.
fn without_end_mark(text: &str) -> &str {
    let mark = '\u{1a}';
    let end = text.trim_end();
    if end.ends_with(mark) {
        end.trim_end_matches(mark)
    } else {
        text
    }
}

/// The records that were asked for.
fn chosen(options: &Options, len: usize, file: &str) -> Result<Option<Range<usize>>, DataError> {
    let Some(rows) = &options.rows else { return Ok(None) };
    if rows.end > len || rows.is_empty() {
        return Err(Fault::Rows { len, from: rows.start, to: rows.end }.of(file));
    }
    Ok(Some(rows.clone()))
}
