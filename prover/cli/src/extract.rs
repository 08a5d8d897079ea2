//! `tribute extract`: a table of texts or numbers becomes a table of features, by a pinned model.

use std::path::{Path, PathBuf};

use clap::Args;
use tribute_client::files::{read_file, write_file};
use tribute_core::schema::Schema;
use tribute_inference::extract::Extractor;
use tribute_inference::split::split;
use tribute_inference::Runtime;
use tribute_problem::{Problem, Reason, Result};
use tribute_records::{Kind, RawInput, Source, Takes};

use crate::table::{told, FormArgs};
use crate::CommandResult;

/// `tribute extract …`.
#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// The table: CSV, optionally gzip-compressed, Parquet or Arrow. A record has a text, or the model's inputs, and a label.
    csv: PathBuf,
    /// The ONNX file of a model of texts, with its tokenizer in its metadata, or of a model of numbers: in float32, of single
    /// records, exported after `model.eval()`.
    #[arg(long, value_name = "MODEL")]
    extractor: PathBuf,
    /// The model is a network: cut it off at its last dense layer, write the rest to BODY, and use that as the extractor. Its
    /// own training is not proven, and every certificate says so.
    #[arg(long, value_name = "BODY", value_parser = crate::output::file())]
    split: Option<PathBuf>,
    /// The column of the texts: its name, or its number from 1. [default: text]
    #[arg(long, value_name = "COLUMN", conflicts_with = "inputs")]
    text: Option<String>,
    /// The columns of a model of numbers, in the model's order: names, or numbers from 1. [default: all but the label, in the
    /// file's order]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    inputs: Vec<String>,
    #[command(flatten)]
    form: FormArgs,
    /// Drop records without a label.
    #[arg(long)]
    drop_unlabelled: bool,
    /// Accept a column that numbers the records as an input.
    #[arg(long)]
    allow_index: bool,
    /// CSV file to write: a column for each feature, and the label.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: PathBuf,
}

impl ExtractArgs {
    /// What the model takes of each record.
    fn takes(&self, extractor: &Extractor) -> Result<Takes<'_>> {
        match (extractor.takes_texts(), &self.text) {
            (true, _) if !self.inputs.is_empty() => {
                Err(Problem::field("inputs", "the model takes texts: name their column with --text"))
            }
            (true, text) => Ok(Takes::Text(text.as_deref().unwrap_or("text"))),
            (false, Some(_)) => {
                Err(Problem::field("text", "the model takes numbers: name their columns with --inputs"))
            }
            (false, None) => Ok(Takes::Numbers(&self.inputs)),
        }
    }
}

/// Runs `tribute extract`.
pub(crate) fn run(a: &ExtractArgs) -> CommandResult {
    let extractor = match &a.split {
        None => load(&a.extractor)?,
        Some(body) => {
            let cut = split(&model(&a.extractor)?)
                .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", a.extractor.display())))?;
            write_file(body, &cut.model)?;
            note!("cut off at layer `{}`; wrote {}. Not proven: how that part was trained", cut.layer, body.display());
            load(body)?
        }
    };
    let options = a.form.options(None, &[(Kind::Unlabelled, a.drop_unlabelled), (Kind::Index, a.allow_index)]);
    let raw = Source::open(&a.csv, &options)?.raw(a.takes(&extractor)?, &options)?;
    note!("{}", told(&raw.report, false)?);
    let label = raw.report.label_name.clone().unwrap_or_else(|| "label".into());
    let mut written = csv::Writer::from_writer(Vec::new());
    let unwritten = |e: csv::Error| Problem::new(Reason::BadModel, format!("{}: {e}", a.extractor.display()));
    let records = raw.into_records()?;
    for (i, record) in records.iter().enumerate() {
        let features = match &record.input {
            RawInput::Text(text) => extractor.embed(text),
            RawInput::Numbers(values) => extractor.record(values),
        };
        let features = features
            .map_err(|e| Problem::new(Reason::BadModel, format!("{}: row {}: {e}", a.csv.display(), record.row)))?;
        if i == 0 {
            let names = (0..features.len()).map(|i| format!("e{i}"));
            written.write_record(names.chain([label.clone()])).map_err(unwritten)?;
        }
        // as f64: its digits, unlike those of an f32, are read back as the same number
        let fields = features.iter().map(|x| f64::from(*x).to_string());
        written.write_record(fields.chain([record.label.clone()])).map_err(unwritten)?;
    }
    let made = written.into_inner().map_err(|e| Problem::storage(e.error()))?;
    write_file(&a.out, &made)?;
    note!("wrote {}", a.out.display());
    Ok(())
}

/// Reads a model to import, with the tensors that lie in a file beside it, as PyTorch writes them.
pub(crate) fn model(file: &Path) -> Result<Vec<u8>> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let whole = tribute_inference::external::whole(read_file(file)?, folder)
        .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", file.display())))?;
    for read in &whole.files {
        note!("{} keeps tensors in {}: they are sent with it", file.display(), read.display());
    }
    Ok(whole.model)
}

/// Loads an extractor.
pub(crate) fn load(model: &Path) -> Result<Extractor> {
    let runtime = Runtime::locate_and_init(None).map_err(|e| Problem::new(Reason::ToolMissing, e.to_string()))?;
    Extractor::new(&runtime, &read_file(model)?, None)
        .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", model.display())))
}

/// The quantised features of a text, for an agent whose schema pins the model.
pub(crate) fn query(model: &Path, schema: &Schema, text: &str) -> Result<Vec<u8>> {
    let extractor = load(model)?;
    let digest = hex::encode(extractor.sha256());
    if schema.extractor() != Some(&digest) {
        let pinned = schema.extractor().map_or("no extractor".into(), |d| format!("the extractor {d}"));
        return Err(Problem::new(
            Reason::BadQuery,
            format!(
                "the agent's schema pins {pinned}, but {} is {digest}: get the model from the agent's owner",
                model.display()
            ),
        ));
    }
    let features = extractor.embed(text).map_err(|e| Problem::new(Reason::BadModel, e.to_string()))?;
    let values: Vec<f64> = features.into_iter().map(f64::from).collect();
    Ok(schema.quantise(&values)?)
}
