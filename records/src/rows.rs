//! The original rows of a text file, for splitting it into smaller files.

use std::ops::Range;

use tribute_core::schema::Schema;

use crate::cells::Cells;
use crate::columns::Roles;
use crate::error::DataError;
use crate::heading::Against;
use crate::options::Options;
use crate::table::{Source, Table};

/// The rows of a file as text.
#[derive(Debug)]
pub struct Rows<'t> {
    cells: Cells<'t>,
    header: Option<&'t str>,
    label: usize,
}

impl Source {
    /// The rows, one per record of `schema`.
    ///
    /// # Errors
    /// As [`Source::records`], for the table's structure; a columnar file, which has no rows of text.
    pub fn rows(&self, schema: &Schema, options: &Options) -> Result<Rows<'_>, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let cells = table.cells()?.clone();
        let label = Roles::of(&table, options, schema, false)?.label.unwrap_or(table.width - 1);
        Ok(Rows { cells, header: table.header.as_ref().map(|h| h.raw), label })
    }
}

impl Rows<'_> {
    /// The header's line, if there is one.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header
    }
    /// Number of rows, without the header.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }
    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A row, without its line break.
    ///
    /// # Panics
    /// If `row` is out of bounds.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        self.cells.raw(row)
    }
    /// A row with its label replaced by the first different one in the file; `None` if all labels are equal.
    #[must_use]
    pub fn relabelled(&self, row: usize) -> Option<String> {
        let own = self.cells.get(row, self.label);
        let other = (0..self.len()).find(|r| self.cells.get(*r, self.label) != own)?;
        let place = |row| -> Range<usize> { self.cells.place(row, self.label) };
        let (raw, field) = (self.get(row), place(row));
        Some([&raw[..field.start], &self.get(other)[place(other)], &raw[field.end..]].concat())
    }
}
