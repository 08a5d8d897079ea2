//! Evaluations on chain.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tribute_chain::evaluations::Evaluated;
use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::numbers::{real, LOSS_BITS};
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;
use tribute_problem::Problem;

use super::{json_file, ChainArgs};
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct EvaluationArgs {
    /// The evaluation, as `tribute agent evaluate --out` wrote it. Its dataset must be registered on chain.
    evaluation: PathBuf,
    /// Proofs per transaction; each takes about half a million gas.
    #[arg(long, value_name = "PROOFS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=24))]
    batch: u16,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn submit_evaluation(a: EvaluationArgs) -> CommandResult {
    let file: Evaluation = json_file(&a.evaluation)?;
    let (agent, version, dataset) =
        (file.certificate.agent.id, file.certificate.agent.version, file.dataset.dataset_id);
    let c = a.chain.connect().await?;
    // the file does not name the proofs' circuit: find it in the gate
    let v = c.contracts.version(&agent, version).await?;
    let srs = c.contracts.circuit(&v.gradient).await?.srsDigest;
    let mut circuit = None;
    for id in c.contracts.circuits().await? {
        let info = c.contracts.circuit(&id).await?;
        let fits = info.statement == Statement::Evaluation.code()
            && info.link == file.certificate.loss.link.code()
            && info.layoutHash.0 == *v.layout.as_bytes()
            && info.srsDigest == srs
            && !c.contracts.is_circuit_stopped(&id).await?;
        if fits {
            circuit = Some(id);
        }
    }
    let circuit = circuit.ok_or_else(|| {
        Problem::field(
            "evaluation",
            format!(
                "the gate has no evaluation circuit for version {version}'s link, layout and SRS: \
                                              `tribute circuits add --evaluation` adds it"
            ),
        )
    })?;
    let proofs: Vec<(u32, Proof)> = file
        .dataset
        .shards
        .iter()
        .enumerate()
        .map(|(shard, s)| {
            let proof = &s.evaluation_proof;
            let (inputs, bytes) = (proof.inputs.clone(), proof.bytes.0.clone());
            (shard as u32, Proof { statement: Statement::Evaluation, circuit, inputs, bytes })
        })
        .collect();
    let mut sent = Vec::new();
    for batch in proofs.chunks(a.batch.into()) {
        let call = c.contracts.evaluate(&agent, version, &dataset, &circuit, batch);
        let tell = |counted: &Vec<Evaluated>| {
            json!({ "shards": counted.iter().map(|e| json!({
                "shard": e.shard, "correct": e.correct, "records": e.records, "loss": real(e.loss, LOSS_BITS),
            })).collect::<Vec<_>>() })
        };
        sent.push(c.send(&call, tell).await?);
    }
    let accuracy = c.contracts.accuracy(&agent, version, &dataset).await?;
    let loss = c.contracts.loss(&agent, version, &dataset).await?;
    a.chain.emit(&json!({
        "agent_id": agent,
        "version": version,
        "dataset_id": dataset,
        "circuit_id": circuit,
        "correct": accuracy.map(|(correct, _)| correct),
        "records": accuracy.map(|(_, records)| records),
        "loss": loss.map(|(loss, _)| real(loss, LOSS_BITS)),
        "transactions": sent,
    }))
}
