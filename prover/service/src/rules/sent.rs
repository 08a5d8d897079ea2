//! Uploaded records: a table, or rows that the sender has already quantised.

use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};
use tribute_problem::{Problem, Reason, Result};

use super::tables::{self, Table};
use super::uploads::{File, Share};

/// An uploaded file of records.
pub(super) enum Sent {
    /// A table.
    Table(Box<Table>),
    /// Quantised rows, in the format that [`quantised`] reads.
    Quantised(File),
}

impl Sent {
    /// Parses the records according to the schema.
    pub(super) fn records(&self, schema: &Schema) -> Result<Records> {
        match self {
            Sent::Table(table) => tables::records(schema, table),
            Sent::Quantised(file) => quantised(schema, &file.bytes),
        }
    }

    /// Its share of memory, without the file.
    pub(super) fn into_share(self) -> Share {
        match self {
            Sent::Table(table) => table.share,
            Sent::Quantised(file) => file.share,
        }
    }
}

/// Parses quantised rows: one byte for each feature, then the target as two bytes, big-endian.
fn quantised(schema: &Schema, rows: &[u8]) -> Result<Records> {
    let width = schema.features().len();
    if rows.is_empty() {
        return Err(Problem::new(Reason::BadRecord, "quantised records: there are none"));
    }
    if !rows.len().is_multiple_of(width + 2) {
        let text = format!("{} bytes are no rows of {width} features and a target of two bytes", rows.len());
        return Err(Problem::field("quantised.upload", text));
    }
    let limit = match schema.target() {
        Target::Classes(labels) => labels.len(),
        Target::Real { .. } => 1 << 16,
    };
    let mut records = Records::new(width);
    for (i, row) in rows.chunks_exact(width + 2).enumerate() {
        let (features, target) = row.split_at(width);
        let target = u16::from_be_bytes([target[0], target[1]]);
        if usize::from(target) >= limit {
            return Err(Problem::new(
                Reason::BadRecord,
                format!("quantised records: row {} has target {target}; the schema has {limit}", i + 1),
            )
            .with("row", i + 1)
            .with("target", target));
        }
        records.push(features, target);
    }
    Ok(records)
}
