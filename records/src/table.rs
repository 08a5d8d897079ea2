//! A table: names and rows of fields with their positions in the file. Later stages see only tables, so supporting
//! another format means producing one.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use tribute_core::schema::{Schema, Target};

use crate::cells::{Cells, Comment};
use crate::dialect::{self, Separator};
use crate::error::{DataError, Fault};
use crate::header::{self, First};
use crate::inputs::inputs;
use crate::labels::Key;
use crate::number::Decimal;
use crate::options::Options;

/// The unpacked text of a file.
#[derive(Clone, Debug)]
pub struct Source {
    file: String,
    text: String,
    members: usize,
}

impl Source {
    /// Opens and unpacks a file.
    ///
    /// # Errors
    /// A file that cannot be read, is corrupt, or is not a text table in UTF-8.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let failed = |e: std::io::Error| Fault::Io { reason: e.to_string() }.of(&file);
        let opened = std::fs::File::open(path).map_err(failed)?;
        Source::read(&file, opened, options)
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
        let unpacked = crate::unpack::unpack(bytes, options.most_bytes)
            .map_err(|(fault, row)| DataError { row, ..fault.of(file) })?;
        Ok(Source { file: file.into(), text: unpacked.text, members: unpacked.members })
    }

    /// The unpacked text, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The file's name, as used in errors.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// What the header is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against<'s> {
    /// Nothing: a schema is being inferred.
    Nothing,
    /// The names and labels of this schema.
    Schema(&'s Schema),
}

/// The header and rows of a file.
#[derive(Clone, Debug)]
pub(crate) struct Table<'t> {
    pub(crate) file: &'t str,
    pub(crate) members: usize,
    pub(crate) separator: Separator,
    /// The header, if the file has one.
    pub(crate) header: Option<Header<'t>>,
    cells: Cells<'t>,
    /// Number of fields in every row.
    pub(crate) width: usize,
}

/// The names of the columns.
#[derive(Clone, Debug)]
pub(crate) struct Header<'t> {
    /// Line, from 1.
    pub(crate) line: u64,
    /// Whether it is a comment line.
    pub(crate) comment: bool,
    pub(crate) names: Vec<Cow<'t, str>>,
    /// The original line.
    pub(crate) raw: &'t str,
}

impl<'t> Table<'t> {
    /// Splits a source into rows and finds its header.
    ///
    /// # Errors
    /// Text that is not a table, rows of different lengths, or an ambiguous first row.
    pub(crate) fn cut(source: &'t Source, options: &Options, against: Against<'_>) -> Result<Self, DataError> {
        let file = source.file.as_str();
        let (named, start) = dialect::named_separator(&source.text).map_err(|f| f.at_row(file, 1))?;
        let text = &source.text[start..];
        let separator = match options.separator.or(named) {
            Some(separator) => separator,
            None => dialect::separator(text).map_err(|f| f.of(file))?,
        };
        let mut cells =
            Cells::cut(text, separator.byte(), usize::MAX).map_err(|(fault, line)| fault.at_row(file, line))?;
        if let Some((got, below)) = title(&cells) {
            return Err(Fault::Title { got, below }.at_row(file, cells.line(0)));
        }
        let header = find_header(&mut cells, separator, file, options, against)?;
        if cells.len() == 0 {
            return Err(Fault::Empty.of(file));
        }
        let mut table = Table { file, members: source.members, separator, header, cells, width: 0 };
        table.square()?;
        if let Some(rows) = &options.rows {
            let len = table.len();
            if rows.end > len || rows.is_empty() {
                return Err(Fault::Rows { len, from: rows.start, to: rows.end }.of(file));
            }
            table.cells.keep(rows.clone());
        }
        Ok(table)
    }

    /// Checks that all rows have the same number of fields, and that no comment looks like a row.
    fn square(&mut self) -> Result<(), DataError> {
        let first = self.cells.width(0);
        self.width = first;
        let mut why = format!("like row {}", self.cells.line(0));
        let last_empty = (0..self.cells.len()).all(|r| self.cells.get(r, self.cells.width(r) - 1).is_empty());
        if let Some(header) = &mut self.header {
            // R omits the index column's name; some tools end every record with a separator
            if header.names.len() + 1 == first && (0..self.cells.len()).all(|r| self.cells.width(r) == first) {
                let at = if last_empty { header.names.len() } else { 0 };
                header.names.insert(at, Cow::Borrowed(""));
            } else {
                self.width = header.names.len();
                why = format!("like the header in row {}", header.line);
            }
        }
        for row in 0..self.cells.len() {
            let got = self.cells.width(row);
            if row > 0 && self.repeats_header(row) {
                return Err(Fault::SecondHeader.at_row(self.file, self.cells.line(row)));
            }
            if got != self.width {
                let fault = Fault::Width { expected: self.width, got, why };
                return Err(fault.at_row(self.file, self.cells.line(row)));
            }
        }
        for comment in &self.cells.comments {
            // words before the first row are a remark, not a record
            let words = comment.rows_before == 0 && !self.numbers_in(comment);
            if self.width > 1 && !words && self.fields(self.cells.comment(comment)) == self.width {
                return Err(Fault::Comment.at_row(self.file, comment.line));
            }
        }
        Ok(())
    }

    /// Whether a row repeats the header, as if two files were concatenated.
    fn repeats_header(&self, row: usize) -> bool {
        let Some(header) = self.header.as_ref().filter(|h| h.names.len() == self.cells.width(row)) else {
            return false;
        };
        let same = |(column, name): (usize, &Cow<'_, str>)| {
            self.cells.get(row, column).trim_start_matches('\u{feff}').trim() == name.trim()
        };
        header.names.iter().enumerate().all(same) && !header.names.iter().all(|n| crate::number::is_numeric(n))
    }

    fn numbers_in(&self, comment: &Comment) -> bool {
        let separator = char::from(self.separator.byte());
        self.cells.comment(comment).split(separator).any(|text| crate::number::is_numeric(text.trim()))
    }

    fn fields(&self, text: &str) -> usize {
        Cells::cut(text, self.separator.byte(), 1).map_or(0, |c| if c.len() == 0 { 0 } else { c.width(0) })
    }

    /// Number of rows, without the header.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }
    /// The text of a field.
    pub(crate) fn get(&self, row: usize, column: usize) -> Cow<'t, str> {
        self.cells.get(row, column)
    }
    /// First line of a row, from 1.
    pub(crate) fn line(&self, row: usize) -> u64 {
        self.cells.line(row)
    }
    /// The original text of a row.
    pub(crate) fn raw(&self, row: usize) -> &'t str {
        self.cells.raw(row)
    }
    /// The original text of a row, with one field replaced by that of another row.
    pub(crate) fn exchanged(&self, row: usize, column: usize, other: usize) -> String {
        let raw = self.raw(row);
        let field = self.cells.place(row, column);
        [&raw[..field.start], &self.raw(other)[self.cells.place(other, column)], &raw[field.end..]].concat()
    }
    /// Number of comment lines, without a commented header.
    pub(crate) fn comments(&self) -> usize {
        self.cells.comments.len() - usize::from(self.header.as_ref().is_some_and(|h| h.comment))
    }
    /// Number of rows dropped because they hold no value.
    pub(crate) fn blank(&self) -> usize {
        self.cells.blank
    }
    /// A column's name, or, for example, `column 3`.
    pub(crate) fn name(&self, column: usize) -> String {
        match self.header.as_ref().map(|h| h.names[column].as_ref()) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("column {}", column + 1),
        }
    }
}

/// The fields of the first row and of those below, if the first has so few that it is no header. R leaves one name out.
fn title(cells: &Cells<'_>) -> Option<(usize, usize)> {
    if cells.len() < 3 {
        return None;
    }
    let (got, below) = (cells.width(0), cells.width(1));
    (got + 1 < below && (2..cells.len()).all(|r| cells.width(r) == below)).then_some((got, below))
}

fn find_header<'t>(
    cells: &mut Cells<'t>,
    separator: Separator,
    file: &str,
    options: &Options,
    against: Against<'_>,
) -> Result<Option<Header<'t>>, DataError> {
    if cells.len() == 0 {
        return Ok(None);
    }
    let first = match options.header {
        Some(true) => First::Header,
        Some(false) => First::Record,
        None => match commented(cells, separator) {
            Some(header) => return Ok(Some(header)),
            None => judged(cells, against),
        },
    };
    match first {
        First::Record => Ok(None),
        First::Unclear(why) => Err(Fault::Header { why }.at_row(file, cells.line(0))),
        First::Header => {
            let names = (0..cells.width(0)).map(|c| cells.get(0, c)).collect();
            let header = Header { line: cells.line(0), comment: false, names, raw: cells.raw(0) };
            cells.drop_first();
            Ok(Some(header))
        }
    }
}

/// Classifies the first row: one with the schema's names is a header, unless it may also be a record.
fn judged(cells: &Cells<'_>, against: Against<'_>) -> First {
    let Against::Schema(schema) = against else { return header::first_row(cells, &|_| false) };
    let keys: Vec<Key> = match schema.target() {
        Target::Classes(labels) => labels.iter().map(|l| Key::of(l, Decimal::Point)).collect(),
        Target::Real { .. } => Vec::new(),
    };
    let known = |text: &str| keys.contains(&Key::of(text, Decimal::Point));
    let names: Vec<_> = (0..cells.width(0)).map(|c| cells.get(0, c)).collect();
    if inputs(schema).iter().all(|(wanted, _)| names.iter().any(|n| same_name(n, wanted))) {
        let numbers = names.iter().all(|n| crate::number::is_numeric(n));
        let last = names.last().map_or("", |n| n.as_ref());
        if numbers && (known(last) || keys.is_empty()) && names.len() < 4 {
            return First::Unclear("its fields are names of the schema, but could be values".into());
        }
        return First::Header;
    }
    match header::first_row(cells, &known) {
        // a record with an unknown label gets an error of its own
        First::Unclear(_) if (0..cells.width(0) - 1).all(|c| crate::number::is_numeric(&cells.get(0, c))) => {
            First::Record
        }
        first => first,
    }
}

/// The last comment before the first row, if it has a name for every field, as NumPy's `savetxt` writes its header.
fn commented<'t>(cells: &Cells<'t>, separator: Separator) -> Option<Header<'t>> {
    let comment = cells.comments.iter().rfind(|c| c.rows_before == 0)?;
    let raw = cells.comment(comment);
    let cut = Cells::cut(raw, separator.byte(), 1).ok().filter(|c| c.len() == 1)?;
    let names: Vec<_> = (0..cut.width(0)).map(|c| cut.get(0, c)).collect();
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    let fits = names.len() == cells.width(0) && names.len() > 1 && distinct.len() == names.len();
    // above a real header these would be duplicate names
    let records = header::first_row(cells, &|_| false) == First::Record;
    let words = names.iter().all(|n| !n.is_empty() && !crate::number::is_numeric(n));
    (fits && records && words).then_some(Header { line: comment.line, comment: true, names, raw })
}

/// Whether two names are equal, ignoring case and surrounding blanks.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a == b || a.trim().to_lowercase() == b.trim().to_lowercase()
}
