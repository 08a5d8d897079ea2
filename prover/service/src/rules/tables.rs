//! Uploaded tables, read like those on the command line and with the same errors.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tribute_core::hexed::AccountAddress;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_records::{Inferred, Options, Predicts, Range, ReadAt, Report, Source};

use super::off_thread;
use super::uploads::{File, Share, Stored, Uploads, AT_HAND};

/// An uploaded table.
pub(crate) struct Table {
    pub(crate) source: Source,
    pub(crate) options: Options,
    /// Memory for reading it.
    pub(crate) share: Share,
    /// The file, for as long as it is read.
    pub(crate) stored: Arc<Stored>,
}

impl Uploads {
    /// Opens an account's table, with its share of memory: a columnar one is read where it is, a column at a time.
    pub(crate) async fn table(&self, owner: AccountAddress, csv: Option<v1::CsvRecords>) -> Result<Table> {
        let csv = csv.ok_or_else(|| Problem::field("csv", "is missing"))?;
        let stored = Arc::new(self.stored(owner, "csv.upload", &csv.upload).await?);
        let options = Options { most_bytes: self.most(), ..options(csv.options.unwrap_or_default())? };
        let file = if csv.file.is_empty() { "records".to_owned() } else { csv.file };
        let share = self.share(AT_HAND).await?;
        let (name, how, bytes) = (file.clone(), options.clone(), stored.clone());
        let columnar = off_thread(move || {
            let reader: Arc<dyn ReadAt> = bytes.clone();
            Source::columnar(&name, reader, &how).map_err(|e| bytes.reason(e))
        })
        .await?;
        // a file that waits for more holds nothing that others wait for
        drop(share);
        let (source, share) = match columnar {
            Some(source) => {
                let share = self.share(source.memory().saturating_add(AT_HAND)).await?;
                (source, share)
            }
            None => {
                let File { bytes, share } = self.whole(&stored).await?;
                let how = options.clone();
                let source = off_thread(move || Ok(Source::from_bytes(&file, bytes, &how)?)).await?;
                drop(share);
                // a table that is larger than the memory for all is read alone
                let share = self.share(source.memory().min(self.limits.memory)).await?;
                (source, share)
            }
        };
        Ok(Table { source, options, share, stored })
    }
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
