//! `tribute schema …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tribute_client::files::{read_file, write_file};
use tribute_core::records::{infer_regression_schema, infer_schema};
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Reason, Result};

use super::output::{hexed, read_csv_file};
use super::CommandResult;

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Make a schema from a CSV: names from the header, ranges from the values, classes from the labels (last column).
    Infer(InferArgs),
    /// Check a schema file and show its id, and how many records a shard holds.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct InferArgs {
    /// The CSV, gzip-compressed or not.
    csv: PathBuf,
    /// The last column is a real value to predict, not a class: a regression, for the squared link.
    #[arg(long)]
    real: bool,
    /// The schema's name. [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The schema file.
    schema: PathBuf,
    /// log2 of the circuits' rows.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Data columns of the circuits.
    #[arg(long, default_value_t = 8)]
    columns: usize,
}

/// Reads a schema file.
pub(crate) fn read(file: &std::path::Path) -> Result<Schema> {
    let text = String::from_utf8(read_file(file)?)
        .map_err(|_| Problem::new(Reason::BadSchema, format!("{} is not text", file.display())))?;
    Schema::from_json(text.trim())
        .map_err(|e| Problem::new(Reason::BadSchema, format!("{}: {e}", file.display())).with("file", file.display()))
}

pub(super) fn run(command: SchemaCommand) -> CommandResult {
    match command {
        SchemaCommand::Infer(a) => {
            let (file, text) = read_csv_file(&a.csv)?;
            let stem = a.csv.file_name().map_or("data".into(), |n| n.to_string_lossy().into_owned());
            let name = a.name.unwrap_or_else(|| stem.split('.').next().unwrap_or("data").to_owned());
            let infer = if a.real { infer_regression_schema } else { infer_schema };
            let schema = infer(&file, &name, &text)?;
            match a.out {
                Some(out) => write_file(&out, schema.canonical().as_bytes())?,
                None => println!("{}", schema.canonical()),
            }
        }
        SchemaCommand::Show(a) => {
            let schema = read(&a.schema)?;
            let layout = schema.layout(a.k, a.columns)?;
            println!("schema    {}", schema.name());
            println!("id        {}", hexed(&schema.id()));
            println!("features  {} (circuits for {})", schema.features().len(), layout.features());
            println!("classes   {}", schema.classes());
            println!("a shard holds {} records at k = {}, {} columns", layout.capacity(), a.k, a.columns);
        }
    }
    Ok(())
}
