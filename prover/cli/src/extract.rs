//! `tribute extract`: a table of texts or numbers becomes a table of features, by a pinned model.

use std::path::{Path, PathBuf};

use clap::Args;
use tribute_client::files::{read_file, write_file};
use tribute_core::schema::Schema;
use tribute_inference::extract::Extractor;
use tribute_inference::split::split;
use tribute_inference::Runtime;
use tribute_problem::{Problem, Reason, Result};

use crate::CommandResult;

/// `tribute extract …`.
#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// The CSV file with a header: in each record one text and one label, or the model's inputs in their order and one label.
    csv: PathBuf,
    /// The ONNX file of a model of texts, with its tokenizer in its metadata, or of a model of numbers.
    #[arg(long, value_name = "MODEL")]
    extractor: PathBuf,
    /// The model is a network: cut it off at its last dense layer, write the rest to BODY, and use that as the extractor. Its
    /// own training is not proven, and every certificate says so.
    #[arg(long, value_name = "BODY")]
    split: Option<PathBuf>,
    /// The column of the texts.
    #[arg(long, value_name = "NAME", default_value = "text")]
    text: String,
    /// The column of the labels.
    #[arg(long, value_name = "NAME", default_value = "label")]
    label: String,
    /// CSV file to write: a column for each feature, and the label.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs `tribute extract`.
pub(crate) fn run(a: &ExtractArgs) -> CommandResult {
    let extractor = match &a.split {
        None => load(&a.extractor)?,
        Some(body) => {
            let cut = split(&model(&a.extractor)?)
                .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", a.extractor.display())))?;
            write_file(body, &cut.model)?;
            eprintln!(
                "cut off at layer `{}`; wrote {}. Not proven: how that part was trained",
                cut.layer,
                body.display()
            );
            load(body)?
        }
    };
    let unreadable = |e: csv::Error| Problem::new(Reason::BadRecord, format!("{}: {e}", a.csv.display()));
    let content = read_file(&a.csv)?;
    let mut table = csv::Reader::from_reader(&content[..]);
    let header = table.headers().map_err(unreadable)?.clone();
    let column = |name: &str| {
        header.iter().position(|h| h == name).ok_or_else(|| {
            let known = header.iter().collect::<Vec<_>>().join(", ");
            Problem::new(Reason::BadRecord, format!("{} has no column `{name}`, only {known}", a.csv.display()))
        })
    };
    let label = column(&a.label)?;
    let text = if extractor.takes_texts() { Some(column(&a.text)?) } else { None };
    let mut written = csv::Writer::from_writer(Vec::new());
    let mut records = 0usize;
    for record in table.records() {
        let record = record.map_err(unreadable)?;
        let features = match text {
            Some(text) => features(&extractor, &record[text])?,
            None => {
                let inputs = header.iter().enumerate().filter(|(i, _)| *i != label);
                let row = record.position().map_or(0, csv::Position::line);
                let values = inputs
                    .map(|(i, name)| {
                        record[i].trim().parse::<f32>().ok().filter(|x| x.is_finite()).ok_or_else(|| {
                            let said = format!(
                                "{}: row {row}, column {} (`{name}`) is `{}`, not a number",
                                a.csv.display(),
                                i + 1,
                                &record[i]
                            );
                            Problem::new(Reason::BadRecord, said)
                        })
                    })
                    .collect::<Result<Vec<f32>>>()?;
                extractor.run(&[1, values.len()], &values).map_err(|e| Problem::new(Reason::BadModel, e.to_string()))?
            }
        };
        if records == 0 {
            let names = (0..features.len()).map(|i| format!("e{i}"));
            written.write_record(names.chain([a.label.clone()])).map_err(unreadable)?;
        }
        // as f64: its digits, unlike those of an f32, are read back as the same number
        let fields = features.iter().map(|x| f64::from(*x).to_string());
        written.write_record(fields.chain([record[label].to_owned()])).map_err(unreadable)?;
        records += 1;
    }
    let made = written.into_inner().map_err(|e| Problem::storage(e.error()))?;
    write_file(&a.out, &made)?;
    eprintln!("{records} records; wrote {}", a.out.display());
    Ok(())
}

/// Reads a model to import, with the tensors that lie in a file beside it, as PyTorch writes them.
pub(crate) fn model(file: &Path) -> Result<Vec<u8>> {
    let folder = file.parent().unwrap_or(Path::new(""));
    tribute_inference::external::whole(read_file(file)?, folder)
        .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", file.display())))
}

/// Loads an extractor.
pub(crate) fn load(model: &Path) -> Result<Extractor> {
    let runtime = Runtime::locate_and_init(None).map_err(|e| Problem::new(Reason::ToolMissing, e.to_string()))?;
    Extractor::new(&runtime, &read_file(model)?, None)
        .map_err(|e| Problem::new(Reason::BadModel, format!("{}: {e}", model.display())))
}

/// Features of a text.
pub(crate) fn features(extractor: &Extractor, text: &str) -> Result<Vec<f32>> {
    extractor.embed(text).map_err(|e| Problem::new(Reason::BadModel, e.to_string()))
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
    let values: Vec<f64> = features(&extractor, text)?.into_iter().map(f64::from).collect();
    Ok(schema.quantise(&values)?)
}
