//! `tribute schema …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use tribute_circuits::statements::service::capacity as answers;
use tribute_client::files::{read_file, write_file};
use tribute_core::layout::{Task, MIN_SERVICE_K};
use tribute_core::numbers::{link_error_units, real, smallest_lambda, LAMBDA_BITS, NORM_BITS};
use tribute_core::schema::{Feature, Schema};
use tribute_problem::{Problem, Reason, Result};
use tribute_records::{Kind, Options, Predicts, Range, Source};

use super::table::{stem, told, FormArgs};
use super::CommandResult;

/// The one range of an extractor's features is wider than what was seen by this factor.
const SPARE: f64 = 1.05;

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Infer a schema from a table: names from the header, ranges from the values, classes from the labels. Reports what it
    /// found on standard error.
    Infer(InferArgs),
    /// Check a schema file; show its id and how many records a shard holds.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct InferArgs {
    /// The table: CSV, optionally gzip-compressed, Parquet or Arrow.
    csv: PathBuf,
    /// The label is a real number, not a class: a regression, for the squared link.
    #[arg(long)]
    real: bool,
    /// Range that the 256 quantisation steps of a feature cover.
    #[arg(long, value_enum, default_value_t = RangeArg::Minmax)]
    range: RangeArg,
    #[command(flatten)]
    form: FormArgs,
    /// Categorical columns, one-hot encoded: a 0/1 feature for each value. Names, or numbers from 1.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    one_hot: Vec<String>,
    /// The ONNX file that computed the features (`tribute extract`): the schema pins it by its digest. All features get one range,
    /// because those that hardly vary would otherwise depend on last bits, in which machines differ.
    #[arg(long, value_name = "MODEL", conflicts_with = "one_hot")]
    extractor: Option<PathBuf>,
    /// Drop records without a label.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Keep labels, or one-hot encoded categories, that look alike apart: `yes` and `Yes`, `7` and `007`.
    #[arg(long)]
    allow_similar_labels: bool,
    /// Accept labels as classes even if they look like measurements or free text.
    #[arg(long)]
    allow_many_classes: bool,
    /// Accept a column that numbers the records as a feature.
    #[arg(long)]
    allow_index: bool,
    /// Accept days written as numbers, such as 20210304, as a feature.
    #[arg(long)]
    allow_days: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// The schema's name. [default: the CSV file's name]
    #[arg(long)]
    name: Option<String>,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RangeArg {
    /// From the smallest to the largest value.
    Minmax,
    /// Four and a half standard deviations on each side of the mean.
    Standard,
    /// From the 5 % to the 95 % quantile, extended by that distance on each side but not beyond the values: ignores outliers.
    Quantile,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The schema file.
    schema: PathBuf,
    /// log2 of the circuits' rows.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Data columns of the circuits. [default: as many as fit the schema best]
    #[arg(long)]
    columns: Option<usize>,
    /// Constant feature of the bias, as 2^S.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=4))]
    intercept_scale: u32,
}

/// Reads a schema file.
pub(crate) fn read(file: &Path) -> Result<Schema> {
    let text = String::from_utf8(read_file(file)?)
        .map_err(|_| Problem::new(Reason::BadSchema, format!("{} is not text", file.display())))?;
    Schema::from_json(text.trim())
        .map_err(|e| Problem::new(Reason::BadSchema, format!("{}: {e}", file.display())).with("file", file.display()))
}

/// The schema with the digest of its extractor, and one range for all features.
fn pinned(schema: &Schema, model: &Path) -> Result<Schema> {
    let digest = hex::encode(crate::extract::load(model)?.sha256());
    let end = schema.features().iter().fold(0.0f64, |most, f| most.max(f.lo.abs()).max(f.hi.abs())) * SPARE;
    let features = schema.features().iter().map(|f| Feature { name: f.name.clone(), lo: -end, hi: end }).collect();
    Ok(Schema::new(schema.name().to_owned(), features, schema.target().clone(), Some(digest))?)
}

pub(super) fn run(command: SchemaCommand) -> CommandResult {
    match command {
        SchemaCommand::Infer(a) => {
            let form = a.form.options(
                None,
                &[
                    (Kind::Unlabelled, a.drop_unlabelled),
                    (Kind::Similar, a.allow_similar_labels),
                    (Kind::ManyClasses, a.allow_many_classes),
                    (Kind::Index, a.allow_index),
                    (Kind::Days, a.allow_days),
                ],
            );
            let options = Options { one_hot: a.one_hot, ..form };
            let name = a.name.unwrap_or_else(|| stem(&a.csv));
            let predicts = if a.real { Predicts::Real } else { Predicts::Classes };
            let range = match a.range {
                RangeArg::Minmax => Range::MinMax,
                RangeArg::Standard => Range::Standard,
                RangeArg::Quantile => Range::Quantile,
            };
            let found = Source::open(&a.csv, &options)?.infer(&name, predicts, range, &options)?;
            note!("{}", told(&found.report, a.json)?);
            let found = found.into_schema()?;
            let schema = match &a.extractor {
                Some(model) => pinned(&found, model)?,
                None => found,
            };
            match a.out {
                Some(out) => write_file(&out, schema.canonical().as_bytes())?,
                None => say!("{}", schema.canonical()),
            }
        }
        SchemaCommand::Show(a) => {
            let schema = read(&a.schema)?;
            let columns = a.columns.unwrap_or_else(|| schema.fitting_columns());
            let layout = schema.layout(a.k, columns)?.with_intercept_scale(a.intercept_scale)?;
            let delta = link_error_units(layout.features(), layout.classes(), a.intercept_scale);
            let least = |norm: u64| real(smallest_lambda(delta, norm << NORM_BITS), LAMBDA_BITS);
            say!("schema    {}", schema.name());
            say!("id        {}", schema.id());
            say!("features  {}", schema.features().len());
            say!("classes   {}", schema.classes());
            say!("a shard holds {} records at k = {}, {} columns", layout.capacity(), a.k, columns);
            match (layout.task(), a.k < MIN_SERVICE_K) {
                (Task::Real, _) => say!("answers   of a regression cannot be proven: it is certified off chain"),
                (Task::Classes, true) => say!(
                    "answers   are provable from k = {MIN_SERVICE_K}: at k = {} an agent can be certified off chain only",
                    a.k
                ),
                (Task::Classes, false) => say!("answers   {} to a proof", answers(&layout)),
            }
            say!(
                "lambda    at least {:.1e} for weights of norm 1, {:.1e} for norm 10: below it no optimum can be certified",
                least(1),
                least(10)
            );
        }
    }
    Ok(())
}
