//! The original rows of a file, for splitting it into smaller files.

use tribute_core::schema::Schema;

use crate::columns::Roles;
use crate::error::DataError;
use crate::options::Options;
use crate::table::{Against, Source, Table};

/// The rows of a file as text.
#[derive(Debug)]
pub struct Rows<'t> {
    table: Table<'t>,
    label: usize,
}

impl Source {
    /// The rows, one per record of `schema`.
    ///
    /// # Errors
    /// As [`Source::records`], for the table's structure.
    pub fn rows(&self, schema: &Schema, options: &Options) -> Result<Rows<'_>, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let label = Roles::of(&table, options, schema, false)?.label.unwrap_or(table.width - 1);
        Ok(Rows { table, label })
    }
}

impl Rows<'_> {
    /// The header's line, if there is one.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.table.header.as_ref().map(|h| h.raw)
    }
    /// Number of rows, without the header.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
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
        self.table.raw(row)
    }
    /// A row with its label replaced by the first different one in the file; `None` if all labels are equal.
    #[must_use]
    pub fn relabelled(&self, row: usize) -> Option<String> {
        let own = self.table.get(row, self.label);
        let other = (0..self.len()).find(|r| self.table.get(*r, self.label) != own)?;
        Some(self.table.exchanged(row, self.label, other))
    }
}
