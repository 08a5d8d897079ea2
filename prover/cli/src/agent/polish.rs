//! Report of `tribute agent import --polish`: how far the weights moved, and which answers changed on training and held-out
//! records.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Value};
use tribute_client::Client;
use tribute_core::schema::{Schema, Target};
use tribute_inference::{import, moved, Agent, InputScale, Moved};
use tribute_problem::{field, Problem, Result};
use tribute_proto::v1;
use tribute_records::{Kind, Source};

use super::ImportArgs;
use crate::agent_results::get;
use crate::dataset::range;
use crate::table::{told as report, FormArgs};

/// Held-out records, to measure how polishing changed the answers.
#[derive(Debug, Args)]
pub(super) struct HeldOutArgs {
    /// CSV of held-out records: reports how many answers change, and the accuracy before and after. The records never leave
    /// this machine.
    #[arg(long, value_name = "CSV", requires = "polish")]
    held_out: Option<PathBuf>,
    /// Only records A..B of the file, counted from 0, B excluded.
    #[arg(long, value_name = "A..B", value_parser = range, requires = "held_out")]
    rows: Option<Range<usize>>,
    #[command(flatten)]
    form: FormArgs,
    /// Accept more than a few values of a feature outside its range, one far outside, or any of a real target: they are moved to its
    /// ends.
    #[arg(long, requires = "held_out")]
    allow_clamped: bool,
    /// Take labels that are the schema's numbers in another spelling for these: `7` for `007`, or `1.00` among labels `1`.
    #[arg(long, requires = "held_out")]
    allow_similar_labels: bool,
}

/// Compares the model before and after polishing on the held-out records; `None` if no file was given.
pub(super) async fn held_out(
    client: &Client,
    a: &ImportArgs,
    onnx: &[u8],
    polished: &v1::Agent,
) -> Result<Option<Moved>> {
    let h = &a.held_out;
    let Some(csv) = &h.held_out else { return Ok(None) };
    let text = String::from_utf8(polished.schema_json.clone()).map_err(Problem::internal)?;
    let schema = Schema::from_json(&text)?;
    let accepted = [(Kind::Clamped, h.allow_clamped), (Kind::Similar, h.allow_similar_labels)];
    let options = h.form.options(h.rows.clone(), &accepted);
    let found = Source::open(csv, &options)?.queries(&schema, &options)?;
    note!("{}", report(&found.report, false)?);
    let queries = found.into_queries()?;

    let digest = field("weights_digest", &polished.weights_digest)?;
    let after = Agent::from_bytes(&get(client, digest).await?.onnx).map_err(Problem::internal)?.weights;
    let scale = if a.quantised_features { InputScale::Quantised } else { InputScale::Raw };
    let intercept_scale = polished.profile.unwrap_or_default().intercept_scale;
    let before = import(onnx, &schema, scale, a.loss.link.link(), intercept_scale, &[])
        .map_err(|e| Problem::field("model", format!("{}: {e}", a.model.display())))?
        .weights;
    if matches!(schema.target(), Target::Real { .. }) {
        let message =
            "a regression has no classes to compare: leave out --held-out and compare the models' predictions yourself";
        return Err(Problem::field("held-out", message));
    }
    Ok(Some(moved(&before, &after, queries.iter().map(|q| (&q.features[..], q.target)))))
}

/// One line of text about the polish.
pub(super) fn told(agent: &v1::Agent, p: &v1::Polish, held_out: Option<&Moved>) -> String {
    let mut text = format!("polished: weights moved by {:.1e} of their norm", p.moved);
    if p.training_accuracy_before > 0.0 {
        text += &format!(
            "; {} of {} answers on training records changed, accuracy {:.4} to {:.4}",
            p.answers_changed, agent.records, p.training_accuracy_before, agent.training_accuracy
        );
    }
    if let Some(m) = held_out {
        text += &format!("; {} of {} on held-out records", m.changed, m.records);
        if let [Some(before), Some(after)] = accuracy(m) {
            text += &format!(", accuracy {before:.4} to {after:.4}");
        }
    }
    text
}

/// The comparison as JSON.
pub(super) fn value(m: &Moved) -> Value {
    let [before, after] = accuracy(m);
    json!({ "records": m.records, "answers_changed": m.changed, "accuracy_before": before, "accuracy": after })
}

/// Accuracy before and after; `None` if no record has a label.
fn accuracy(m: &Moved) -> [Option<f64>; 2] {
    m.right.map(|right| (m.known > 0).then(|| right as f64 / m.known as f64))
}
