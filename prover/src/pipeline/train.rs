//! An agent: fitted down to the certificate's bound, or brought along and checked to be the optimum.

use tribute_circuits::columns::{commit_weights, Secret};
use tribute_core::head::{answer, Weights};
use tribute_core::layout::Task;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_inference::{check_optimum, import, train, Agent, ImportError, InputScale, LossOptions, OptimumError};

use super::types::{AgentBody, SourceBody, TrainJob};
use super::Toolbox;
use crate::hexed::Hex;
use crate::problem::{Problem, Reason, Result};

/// Fits or checks the head, and commits to its weights.
pub fn run(job: &TrainJob, toolbox: &Toolbox) -> Result<AgentBody> {
    let schema = Schema::from_json(&job.schema)?;
    let layout = schema.layout(job.profile.k, job.profile.columns)?;
    let datasets = load(&job.sources, toolbox)?;
    let datasets: Vec<&Records> = datasets.iter().collect();
    let options = LossOptions { link: job.link, lambda: job.lambda, reg_bias: job.reg_bias };
    let weights = match &job.model {
        Some(model) => imported(job, &schema, &datasets, model, toolbox)?,
        None => {
            train(&schema, &datasets, &options, |p| toolbox.progress("fit", p.step as u64, 100))
                .map_err(|e| Problem::new(Reason::BadField, format!("training: {e}")))?
                .weights
        }
    };
    toolbox.progress("check", 0, 1);
    let report = check_optimum(&schema, &layout, &weights, &datasets, &options).map_err(not_optimal)?;

    toolbox.progress("commit", 0, 1);
    let tenant = job.owner.to_string();
    let secret = Secret::from_bytes(toolbox.wait(toolbox.custody.column_secret(&tenant))?);
    let srs = toolbox.srs(layout.k())?;
    weights.check(&layout).map_err(Problem::internal)?;
    let digest = commit_weights(&srs, &layout, &secret, &weights).digest();
    let agent = Agent { weights, schema: hex::encode(schema.id()), certificate: hex::encode(digest) };
    let training_accuracy = accuracy(&agent.weights, &datasets, layout.task());
    let model = toolbox.wait(toolbox.custody.put(&tenant, "model", &agent.to_bytes()))?;
    Ok(AgentBody {
        weights_digest: Hex(digest),
        owner: job.owner,
        name: job.name.clone(),
        schema: job.schema.clone(),
        profile: job.profile,
        sources: job.sources.clone(),
        lambda: job.lambda,
        link: job.link,
        reg_bias: job.reg_bias,
        model,
        model_sha256: Hex(agent.sha256()),
        count: datasets.iter().map(|d| d.len() as u64).sum(),
        epsilon: report.optimum.epsilon,
        norm: report.optimum.norm,
        relative_distance: report.relative_distance,
        shares: report.optimum.shares.clone(),
        training_accuracy,
    })
}

/// The records of every dataset, shards joined.
fn load(sources: &[SourceBody], toolbox: &Toolbox) -> Result<Vec<Records>> {
    let mut datasets: Vec<Records> = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        toolbox.progress("read", i as u64, sources.len() as u64);
        let records = toolbox.wait(toolbox.custody.records(&source.owner.to_string(), &source.records))?;
        match datasets.last_mut() {
            Some(last) if source.shard > 0 => last.extend(&records),
            _ => datasets.push(records),
        }
    }
    Ok(datasets)
}

/// The weights of the model that was brought along: a canonical agent's as they are, any other's head.
fn imported(job: &TrainJob, schema: &Schema, datasets: &[&Records], model: &str, toolbox: &Toolbox) -> Result<Weights> {
    let bytes = toolbox.wait(toolbox.custody.get(&job.owner.to_string(), "model", model))?;
    let scale = if job.quantised_features { InputScale::Quantised } else { InputScale::Raw };
    let found = import(&bytes, schema, scale, job.link, datasets).map_err(|e| match &e {
        ImportError::Runtime(missing) if missing.is_missing() => Problem::new(Reason::ToolMissing, e.to_string()),
        ImportError::Link { expected, got, .. } => {
            Problem::new(Reason::BadModel, format!("the model file: {e}")).with("expected", expected).with("got", got)
        }
        _ => Problem::new(Reason::BadModel, format!("the model file: {e}")),
    })?;
    tracing::info!(output = found.output, residual = found.residual, "model imported");
    Ok(found.weights)
}

fn not_optimal(e: OptimumError) -> Problem {
    match &e {
        OptimumError::NotOptimal { gradient, allowed, feature, class, entry, diagnosis } => {
            let best = diagnosis.best_lambda.map_or_else(String::new, |lambda| lambda.to_string());
            Problem::new(Reason::NotTheOptimum, e.to_string())
                .with("best_lambda", best)
                .with("diagnosis", diagnosis)
                .with("gradient", gradient)
                .with("allowed", allowed)
                .with("feature", feature)
                .with("class", class)
                .with("entry", entry)
        }
        OptimumError::NegativeShare { dataset, share } => {
            Problem::new(Reason::NotTheOptimum, e.to_string()).with("dataset", dataset).with("share", share)
        }
        OptimumError::LambdaTooSmall { .. } => Problem::field("lambda", e.to_string()),
        OptimumError::Head(_) => Problem::new(Reason::BadField, e.to_string()),
    }
}

/// Fraction of records whose class the integer head answers; 0 for a regression.
fn accuracy(weights: &Weights, datasets: &[&Records], task: Task) -> f64 {
    let total: usize = datasets.iter().map(|d| d.len()).sum();
    if task == Task::Real || total == 0 {
        return 0.0;
    }
    let right: usize =
        datasets.iter().map(|d| d.iter().filter(|(f, t)| answer(&weights.logits(f)) == *t).count()).sum();
    right as f64 / total as f64
}
