//! Flags for reading tables: the file's format, and which doubtful contents to accept.

use std::ops::Range;
use std::path::Path;

use clap::{Args, ValueEnum};
use tribute_records::{Decimal, Kind, Options, Report, Separator};

use tribute_problem::Result;

/// The file's format, for what cannot be detected.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FormArgs {
    /// The first row is a header with column names.
    #[arg(long, conflicts_with = "no_header")]
    header: bool,
    /// The first row is a record.
    #[arg(long)]
    no_header: bool,
    /// The field separator.
    #[arg(long, value_name = "S", value_enum)]
    separator: Option<SeparatorArg>,
    /// The decimal mark.
    #[arg(long, value_name = "MARK", value_enum)]
    decimal: Option<DecimalArg>,
    /// The label's column: its name, or its number from 1. [default: beside a schema's names the one other column, if it has a
    /// label's name, such as `label` or `class`, or holds the schema's classes and they are no numbers; without a schema or a header the last column]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Columns to ignore: names, or numbers from 1.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    drop: Vec<String>,
    /// Treat `NA`, `missing`, `-` and the like in the label's column as a class.
    #[arg(long)]
    gaps_are_labels: bool,
    /// Drop records with a missing feature.
    #[arg(long)]
    drop_incomplete: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SeparatorArg {
    Comma,
    Semicolon,
    Tab,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DecimalArg {
    Point,
    Comma,
}

impl FormArgs {
    /// Reader options; each of `accepted` is a kind of finding and whether its flag was given.
    pub(crate) fn options(&self, rows: Option<Range<usize>>, accepted: &[(Kind, bool)]) -> Options {
        let header = if self.header { Some(true) } else { self.no_header.then_some(false) };
        let all = accepted.iter().copied().chain([(Kind::Incomplete, self.drop_incomplete)]);
        Options {
            header,
            separator: self.separator.map(|s| match s {
                SeparatorArg::Comma => Separator::Comma,
                SeparatorArg::Semicolon => Separator::Semicolon,
                SeparatorArg::Tab => Separator::Tab,
            }),
            decimal: self.decimal.map(|d| match d {
                DecimalArg::Point => Decimal::Point,
                DecimalArg::Comma => Decimal::Comma,
            }),
            label: self.label.clone(),
            drop: self.drop.clone(),
            rows,
            gaps_are_labels: self.gaps_are_labels,
            accept: all.filter(|(_, given)| *given).map(|(kind, _)| kind).collect(),
            ..Options::default()
        }
    }
}

/// Flags that accept doubtful findings in records of a schema.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AcceptArgs {
    /// Drop records without a label.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Accept more than a few values of a feature outside its range, one far outside, or any of a real target: they are moved to its
    /// ends.
    #[arg(long)]
    allow_clamped: bool,
    /// Accept features whose values nearly all fall on a few of the 256 quantisation steps.
    #[arg(long)]
    allow_coarse: bool,
    /// Match columns by position although their names differ from the schema's.
    #[arg(long)]
    by_position: bool,
    /// Take labels that are the schema's numbers in another spelling for these: `7` for `007`, or `1.00` among labels `1`.
    #[arg(long)]
    allow_similar_labels: bool,
}

impl AcceptArgs {
    pub(crate) fn accepted(self) -> [(Kind, bool); 5] {
        [
            (Kind::Unlabelled, self.drop_unlabelled),
            (Kind::Clamped, self.allow_clamped),
            (Kind::Coarse, self.allow_coarse),
            (Kind::Position, self.by_position),
            (Kind::Similar, self.allow_similar_labels),
        ]
    }
}

/// A report on a table, as text or as JSON.
pub(crate) fn told(report: &Report, json: bool) -> Result<String> {
    Ok(if json { serde_json::to_string_pretty(report)? } else { report.to_string().trim_end().to_owned() })
}

/// A file's name without its extensions.
pub(crate) fn stem(file: &Path) -> String {
    let name = file.file_name().map_or("data".into(), |n| n.to_string_lossy());
    name.split('.').next().unwrap_or("data").to_owned()
}
