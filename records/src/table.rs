//! A table: names and rows of fields with their positions in the file. Later stages see only tables, so supporting
//! another format means producing one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use tribute_core::schema::{Schema, Target};

use crate::cells::Cells;
use crate::columnar::{Column, Columns, Format, ReadAt};
use crate::dialect::{self, Separator};
use crate::error::{DataError, Fault};
use crate::header::{self, First, Header};
use crate::inputs::inputs;
use crate::labels::Key;
use crate::number::{is_numeric, Decimal};
use crate::options::Options;
use crate::phrase::folded;
use crate::square::{squared, title};

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
    /// Opens a file; text is read and unpacked.
    ///
    /// # Errors
    /// A file that cannot be read, is corrupt, or is neither Parquet, nor Arrow, nor a text table in UTF-8.
    pub fn open(path: &Path, options: &Options) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let failed = |e: std::io::Error| Fault::Io { reason: e.to_string() }.of(&file);
        let mut opened = std::fs::File::open(path).map_err(failed)?;
        let mut start = Vec::new();
        opened.by_ref().take(8).read_to_end(&mut start).map_err(failed)?;
        match Format::of(&start) {
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

/// What the header is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against<'s> {
    /// Nothing: a schema is being inferred.
    Nothing,
    /// The names and labels of this schema.
    Schema(&'s Schema),
    /// Names of which one shows that it is a header; `texts` if they are of a column of texts.
    Names { names: &'s [&'s str], texts: bool },
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
        let text = &text[start..];
        let separator = match options.separator.or(named) {
            Some(separator) => separator,
            None => dialect::separator(text).map_err(|f| f.of(file))?,
        };
        let mut cells =
            Cells::cut(text, separator.byte(), usize::MAX).map_err(|(fault, line)| fault.at_row(file, line))?;
        if let Some(fault) = title(&cells, options.header) {
            return Err(fault.at_row(file, cells.line(0)));
        }
        let header = find_header(&mut cells, separator, file, options, against)?;
        if cells.len() == 0 {
            return Err(Fault::Empty.of(file));
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

    /// Whether a column may count records, as far as its type says.
    pub(crate) fn may_count(&self, column: usize) -> bool {
        match &self.fields {
            Fields::Text { .. } => true,
            Fields::Columns(loaded) => loaded.columns.counts(column),
        }
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

/// The records that were asked for.
fn chosen(options: &Options, len: usize, file: &str) -> Result<Option<Range<usize>>, DataError> {
    let Some(rows) = &options.rows else { return Ok(None) };
    if rows.end > len || rows.is_empty() {
        return Err(Fault::Rows { len, from: rows.start, to: rows.end }.of(file));
    }
    Ok(Some(rows.clone()))
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
        None => judged(cells, options, against),
    };
    if options.header != Some(true) {
        if let Some(header) = commented(cells, separator, file, options, against)? {
            return Ok(Some(header));
        }
    }
    match first {
        First::Record => Ok(None),
        First::Unclear(why) => Err(Fault::Header { why }.at_row(file, cells.line(0))),
        First::Header => {
            let names = fields(cells);
            let header = Header { line: cells.line(0), comment: false, names, raw: cells.raw(0) };
            cells.drop_first();
            Ok(Some(header))
        }
    }
}

/// Classifies the first row: one with the schema's names is a header, unless it may also be a record.
fn judged(cells: &Cells<'_>, options: &Options, against: Against<'_>) -> First {
    let schema = match against {
        Against::Schema(schema) => schema,
        Against::Names { names, .. } => return named(cells, names),
        Against::Nothing => return header::first_row(cells, &|_| false),
    };
    let keys: Vec<Key> = match schema.target() {
        Target::Classes(labels) => labels.iter().map(|l| Key::of(l, Decimal::Point)).collect(),
        Target::Real { .. } => Vec::new(),
    };
    let known = |text: &str| keys.contains(&Key::of(text, Decimal::Point));
    let names = fields(cells);
    let wanted = wanted(against);
    let last = names.last().map_or("", |n| n.as_ref());
    if has_all(&names, &wanted) {
        let numbers = names.iter().all(|n| is_numeric(n));
        let in_order = wanted.iter().zip(&names).all(|(wanted, n)| same_name(n, wanted));
        if numbers && (!in_order || (names.len() < 4 && (known(last) || keys.is_empty()))) {
            return First::Unclear("its fields are names of the schema, but could be values".into());
        }
        return First::Header;
    }
    let labelled = options.label.is_none() && names.len() > wanted.len();
    let values = names.iter().take(names.len() - 1).all(|n| is_numeric(n));
    match header::first_row(cells, &known) {
        // a record with an unknown label gets an error of its own
        First::Unclear(_) if labelled && values && !keys.is_empty() && !known(last) => First::Record,
        first => first,
    }
}

/// Classifies the first row by names of which one shows that it is a header. The number of a column shows nothing: it may be a value,
/// too.
fn named(cells: &Cells<'_>, names: &[&str]) -> First {
    let width = cells.width(0);
    let there = |name: &&&str| (0..width).any(|c| same_name(&cells.get(0, c), name));
    let number = |name: &&&str| name.parse::<usize>().is_ok_and(|n| (1..=width).contains(&n));
    if names.iter().any(|name| !number(&name) && there(&name)) {
        return First::Header;
    }
    match names.iter().find(there) {
        Some(name) => First::Unclear(format!("`{name}` is the number of a column, but also stands in this row")),
        None => header::first_row(cells, &|_| false),
    }
}

/// The names by which a header is known: the schema's, or those of a model's inputs.
fn wanted(against: Against<'_>) -> Vec<&str> {
    match against {
        Against::Nothing => Vec::new(),
        Against::Schema(schema) => inputs(schema).into_iter().map(|(name, _)| name).collect(),
        Against::Names { names, .. } => names.iter().copied().filter(|name| name.parse::<usize>().is_err()).collect(),
    }
}

/// Whether all names that are wanted are among `names`; not if none is wanted.
fn has_all(names: &[Cow<'_, str>], wanted: &[&str]) -> bool {
    // there may be many comments to look at
    let may = wanted.first().is_some_and(|first| names.iter().any(|name| same_name(name, first)));
    if !may || names.len() < wanted.len() {
        return false;
    }
    let there: HashSet<String> = names.iter().map(|name| folded(name)).collect();
    wanted.iter().all(|name| there.contains(&folded(name)))
}

/// The fields of the first row.
fn fields<'t>(cells: &Cells<'t>) -> Vec<Cow<'t, str>> {
    (0..cells.width(0)).map(|column| cells.get(0, column)).collect()
}

/// The comment before the first row that is the header, as NumPy's `savetxt` writes it: the last one with all names that are wanted,
/// or with none for a first column that numbers the rows, because that is called `#`; if there is no such comment, and the first row
/// is found to be a record, the last one that is not blank, if it has a word for every field.
///
/// # Errors
/// A comment with all names that are wanted, but not one for every field, unless it lacks only the label's behind a schema's names in
/// order, which is how the fields are read anyway.
fn commented<'t>(
    cells: &Cells<'t>,
    separator: Separator,
    file: &str,
    options: &Options,
    against: Against<'_>,
) -> Result<Option<Header<'t>>, DataError> {
    let (width, wanted) = (cells.width(0), wanted(against));
    let cut = |text: &'t str, separator: Separator| {
        Cells::cut(text, separator.byte(), 1).ok().filter(|c| c.len() == 1).map_or(Vec::new(), |c| fields(&c))
    };
    let above = cells.comments.iter().rev().filter(|c| c.rows_before == 0).map(|c| (c.line, cells.comment(c)));
    let above: Vec<_> = above.map(|(line, text)| (line, text, cut(text, separator))).collect();
    if above.is_empty() || has_all(&fields(cells), &wanted) {
        return Ok(None);
    }
    let words = |names: &[Cow<'_, str>]| names.iter().all(|n| !n.is_empty() && !is_numeric(n));
    for &(line, text, ref names) in &above {
        let numbered =
            names.len() == width && names[0].is_empty() && words(&names[1..]) && is_numeric(&cells.get(0, 0));
        let named = has_all(names, &wanted);
        let blanks = || text.split_whitespace().map(Cow::Borrowed).collect::<Vec<_>>();
        let otherwise = || {
            let mut others = Separator::ALL.iter().filter(|other| text.contains(char::from(other.byte())));
            others.any(|other| has_all(&cut(text, *other), &wanted))
                || (text.split_whitespace().count() == width && has_all(&blanks(), &wanted))
        };
        if names.len() == width && (named || (numbered && width > 1)) {
            let mut names = names.clone();
            if names[0].is_empty() {
                names[0] = Cow::Borrowed("#");
            }
            return Ok(Some(Header { line, comment: true, names, raw: text }));
        }
        let in_order = matches!(against, Against::Schema(_)) && names.len() + 1 == width && *names == wanted;
        if in_order {
            return Ok(None);
        }
        if named || otherwise() {
            let said = format!(
                "names the columns in a comment, but not one for each of the {width} fields of the rows, with {}s between them: write \
                 it so, or delete it",
                separator.name()
            );
            return Err(Fault::Names(said).at_row(file, line));
        }
    }
    // above a real header these would be duplicate names
    if options.header.is_some() || header::first_row(cells, &|_| false) != First::Record {
        return Ok(None);
    }
    let fits = |names: &[Cow<'_, str>]| {
        let distinct: HashSet<_> = names.iter().collect();
        names.len() == width && width > 1 && distinct.len() == width && words(names)
    };
    let last = above.into_iter().find(|(_, text, _)| !text.trim().is_empty());
    let found = last.filter(|(_, _, names)| fits(names));
    Ok(found.map(|(line, raw, names)| Header { line, comment: true, names, raw }))
}

/// Whether two names are equal, ignoring case, blanks around them and invisible characters.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.trim().eq_ignore_ascii_case(b.trim());
    }
    folded(a) == folded(b)
}
