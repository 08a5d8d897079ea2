//! Uploaded text tables, parsed like those on the command line and with the same errors.

use serde::de::DeserializeOwned;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_proto::v1;
use tribute_records::{Inferred, Options, Predicts, Range, Reading, Report, Source};

use tribute_problem::{Problem, Result};

/// A table as uploaded.
pub(crate) struct Table {
    /// The sender's description of it: file name and options.
    pub(crate) csv: v1::CsvRecords,
    /// The file's contents, possibly compressed.
    pub(crate) bytes: Vec<u8>,
    /// Maximum decompressed size, bytes.
    pub(crate) most: usize,
}

/// An uploaded table, decompressed.
struct Sent {
    source: Source,
    options: Options,
}

impl Sent {
    fn new(table: Table) -> Result<Self> {
        // a compressed file may not decompress to more than could have been uploaded
        let options = Options { most_bytes: table.most, ..options(table.csv.options.unwrap_or_default())? };
        let file = if table.csv.file.is_empty() { "records" } else { &table.csv.file };
        Ok(Sent { source: Source::from_bytes(file, table.bytes, &options)?, options })
    }

    fn read(&self, schema: &Schema) -> Result<Reading> {
        Ok(self.source.records(schema, &self.options)?)
    }
}

/// Parses the records of a table.
pub(crate) fn records(schema: &Schema, table: Table) -> Result<Records> {
    Ok(Sent::new(table)?.read(schema)?.into_records()?)
}

/// Reports what is in a table, without storing anything.
pub(crate) fn check(schema: &Schema, table: Table) -> Result<v1::CheckRecordsResponse> {
    let report = Sent::new(table)?.read(schema)?.report;
    Ok(v1::CheckRecordsResponse { report_json: json(&report)?, report: report.to_string() })
}

/// Infers a schema from a table.
pub(crate) fn infer(table: Table, r: v1::InferSchemaRequest) -> Result<v1::InferSchemaResponse> {
    let mut sent = Sent::new(table)?;
    sent.options.one_hot = r.one_hot;
    let range: Range = named("range", &r.range)?.unwrap_or_default();
    let predicts = if r.real { Predicts::Real } else { Predicts::Classes };
    let found: Inferred = sent.source.infer(&r.name, predicts, range, &sent.options)?;
    let (report_json, report) = (json(&found.report)?, found.report.to_string());
    let schema = found.into_schema().map(|schema| schema.canonical().into_bytes());
    Ok(v1::InferSchemaResponse { schema_json: schema.unwrap_or_default(), report_json, report })
}

fn json(report: &Report) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(report)?)
}

fn options(o: v1::TableOptions) -> Result<Options> {
    let accept = o.accept.iter().map(|kind| {
        named("options.accept", kind)?.ok_or_else(|| Problem::field("options.accept", "a doubt without a name"))
    });
    Ok(Options {
        header: o.header,
        separator: named("options.separator", &o.separator)?,
        decimal: named("options.decimal", &o.decimal)?,
        label: Some(o.label).filter(|l| !l.is_empty()),
        drop: o.drop,
        gaps_are_labels: o.gaps_are_labels,
        accept: accept.collect::<Result<_>>()?,
        ..Options::default()
    })
}

/// Parses the name of an enum variant; `None` if the field is empty.
fn named<T: DeserializeOwned>(field: &str, name: &str) -> Result<Option<T>> {
    if name.is_empty() {
        return Ok(None);
    }
    // serde's message lists the valid names
    serde_json::from_value(name.into()).map(Some).map_err(|e| Problem::field(field, e.to_string()))
}

#[cfg(test)]
mod tests {
    use tribute_records::{Decimal, Kind, Separator};

    use super::*;
    use tribute_problem::Reason;

    #[test]
    fn options_are_named_as_on_the_command_line() {
        let read = options(v1::TableOptions {
            header: Some(false),
            separator: "semicolon".into(),
            decimal: "comma".into(),
            accept: vec!["clamped".into(), "many_classes".into()],
            ..Default::default()
        });
        let read = read.unwrap();
        assert_eq!((read.separator, read.decimal), (Some(Separator::Semicolon), Some(Decimal::Comma)));
        assert_eq!((read.header, read.label), (Some(false), None));
        assert_eq!(read.accept, [Kind::Clamped, Kind::ManyClasses].into());
        for wrong in [
            v1::TableOptions { separator: "pipe".into(), ..Default::default() },
            v1::TableOptions { accept: vec!["everything".into()], ..Default::default() },
            v1::TableOptions { accept: vec![String::new()], ..Default::default() },
        ] {
            assert_eq!(options(wrong).unwrap_err().reason, Reason::BadField);
        }
    }
}
