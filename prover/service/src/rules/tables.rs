//! Uploaded tables, read like those on the command line and with the same errors.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_proto::v1;
use tribute_records::{Inferred, Options, Predicts, Range, Report, Source};

use super::uploads::{Share, Stored};
use tribute_problem::{Problem, Result};

/// An uploaded table.
pub(crate) struct Table {
    pub(crate) source: Source,
    pub(crate) options: Options,
    /// Memory for reading it.
    pub(crate) share: Share,
    /// The file, for as long as it is read.
    pub(crate) stored: Arc<Stored>,
}

/// Parses the records of a table.
pub(crate) fn records(schema: &Schema, table: &Table) -> Result<Records> {
    let read = table.source.records(schema, &table.options).map_err(|e| table.stored.reason(e))?;
    Ok(read.into_records()?)
}

/// Reports what is in a table, without storing anything.
pub(crate) fn check(schema: &Schema, table: &Table) -> Result<v1::CheckRecordsResponse> {
    let report = table.source.report(schema, &table.options).map_err(|e| table.stored.reason(e))?;
    Ok(v1::CheckRecordsResponse { report_json: json(&report)?, report: report.to_string() })
}

/// Infers a schema from a table.
pub(crate) fn infer(table: Table, r: v1::InferSchemaRequest) -> Result<v1::InferSchemaResponse> {
    let Table { source, mut options, share: _share, stored } = table;
    options.one_hot = r.one_hot;
    let range: Range = named("range", &r.range)?.unwrap_or_default();
    let predicts = if r.real { Predicts::Real } else { Predicts::Classes };
    let found: Inferred = source.infer(&r.name, predicts, range, &options).map_err(|e| stored.reason(e))?;
    let (report_json, report) = (json(&found.report)?, found.report.to_string());
    let schema = found.into_schema().map(|schema| schema.canonical().into_bytes());
    Ok(v1::InferSchemaResponse { schema_json: schema.unwrap_or_default(), report_json, report })
}

fn json(report: &Report) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(report)?)
}

/// How the sender wants a table read.
pub(crate) fn options(o: v1::TableOptions) -> Result<Options> {
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
