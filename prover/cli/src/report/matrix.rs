//! Which classes an agent takes for which, on a certificate's page. Nothing proves it: whoever writes the page counts it, on
//! records of their own. Only the number of right answers is held against what was proven.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use maud::{html, Markup};
use tribute_client::files::read_file;
use tribute_core::head::{answer, Weights};
use tribute_core::id::DatasetId;
use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};
use tribute_inference::Agent;
use tribute_problem::{Problem, Reason, Result};
use tribute_records::Source;
use tribute_verify::Report;

use crate::dataset::range;
use crate::output::grouped;
use crate::table::{told, AcceptArgs, FormArgs};

/// The records of an evaluation, and the model that answers them.
#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// The table of an evaluation's records, if you have it: which classes the agent takes for which is counted on this machine, and
    /// shown as not proven. Refused if it has another number of records or of right answers than was proven.
    #[arg(long, value_name = "TABLE", requires = "model")]
    records: Option<PathBuf>,
    /// The agent's model, as `tribute agent get --onnx` writes it.
    #[arg(long, value_name = "ONNX", requires = "records")]
    model: Option<PathBuf>,
    /// Only records A..B of the table, counted from 0, B excluded.
    #[arg(long, value_name = "A..B", value_parser = range, requires = "records")]
    rows: Option<Range<usize>>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    accept: AcceptArgs,
}

/// Numbers of records by class and answer.
#[derive(Debug)]
pub(super) struct Matrix {
    dataset: DatasetId,
    labels: Vec<String>,
    counts: Vec<Vec<u64>>,
}

impl MatrixArgs {
    /// The matrix of one of the evaluations; `None` if no records were given.
    ///
    /// # Errors
    /// Table or model cannot be read, belong to another schema, or do not fit any of the evaluations.
    pub(super) fn matrix(&self, report: &Report, evaluations: &[Report]) -> Result<Option<Matrix>> {
        let (Some(table), Some(model)) = (&self.records, &self.model) else { return Ok(None) };
        let schema = Schema::from_json(&report.certificate().schema)?;
        let Target::Classes(labels) = schema.target() else {
            return Err(Problem::field("records", "a regression has no classes: leave out --records"));
        };
        let unusable = |what: String| Problem::new(Reason::BadModel, format!("{}: {what}", model.display()));
        let agent = Agent::from_bytes(&read_file(model)?).map_err(|e| unusable(e.to_string()))?;
        if agent.schema != hex::encode(schema.id()) || agent.weights.classes() != labels.len() {
            return Err(unusable("its schema is not the certificate's".into()));
        }
        let options = self.form.options(self.rows.clone(), &self.accept.accepted());
        let found = Source::open(table, &options)?.records(&schema, &options)?;
        note!("{}", told(&found.report, false)?);
        let counts = counted(&agent.weights, &found.into_records()?);
        Matrix::of(labels, counts, evaluations)
            .map(Some)
            .map_err(|e| Problem::field("records", format!("{}: {e}", table.display())))
    }
}

impl Matrix {
    /// The matrix of the evaluation with as many records and right answers.
    pub(super) fn of(
        labels: &[String],
        counts: Vec<Vec<u64>>,
        evaluations: &[Report],
    ) -> std::result::Result<Self, String> {
        let proven = || evaluations.iter().filter_map(Report::evaluation).map(|e| &e.dataset);
        let numbers = (counts.iter().flatten().sum::<u64>(), right(&counts));
        match proven().find(|d| (d.records, d.correct) == numbers) {
            Some(d) => Ok(Matrix { dataset: d.dataset_id, labels: labels.to_vec(), counts }),
            None => {
                let all: Vec<String> = proven().map(|d| format!("{} of {}", d.correct, d.records)).collect();
                let all = if all.is_empty() { "nothing".into() } else { all.join(", ") };
                Err(format!(
                    "the model is right on {} of {} records, but {all} is proven: give the records that were evaluated, and \
                     the model of that version",
                    numbers.1, numbers.0
                ))
            }
        }
    }

    pub(super) fn shown(&self) -> Markup {
        html! {
            h3 { "Which classes it takes for which" }
            p.warning role="note" {
                strong { "Not proven. " }
                "Whoever wrote this page counted it, with records that are not shown. It has as many right answers on dataset "
                code { (self.dataset) } " as were proven, " (grouped(right(&self.counts))) "; nobody can check the others."
            }
            div.scroll tabindex="0" {
                table {
                    caption { "Records by their class (rows) and the agent's answer (columns)" }
                    thead { tr {
                        th scope="col" { "Class" }
                        @for label in &self.labels { th.number scope="col" { (label) } }
                    } }
                    tbody { @for (label, row) in self.labels.iter().zip(&self.counts) { tr {
                        th scope="row" { (label) }
                        @for count in row { td.number { (grouped(*count)) } }
                    } } }
                }
            }
        }
    }
}

/// Numbers of records, shape `[classes][classes]`: by their class, then by the answer.
pub(super) fn counted(weights: &Weights, records: &Records) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; weights.classes()]; weights.classes()];
    for (features, class) in records.iter() {
        counts[usize::from(class)][usize::from(answer(&weights.logits(features)))] += 1;
    }
    counts
}

fn right(counts: &[Vec<u64>]) -> u64 {
    counts.iter().enumerate().map(|(class, row)| row[class]).sum()
}
