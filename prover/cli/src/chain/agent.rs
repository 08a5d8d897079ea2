//! Agents on chain.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::agents::{short_name, NewVersion};
use tribute_chain::state::CertificateState;
use tribute_core::id::{AgentId, CircuitId, DatasetId, ModelDigest, WeightsDigest};
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Result};

use super::{json_file, ChainArgs};
use crate::proof_file::ProofFile;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The agent's name, at most 32 bytes.
    #[arg(long, default_value = "agent")]
    name: String,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// The agent's id.
    agent: AgentId,
    /// The agent's numbers, as `tribute agent train --out` wrote them.
    #[arg(long, value_name = "FILE")]
    trained: PathBuf,
    /// The circuits, as `tribute circuits add --out` wrote them.
    #[arg(long, value_name = "FILE")]
    circuits: PathBuf,
    /// Share of the fees that goes to data providers, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 5000)]
    data_bps: u16,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GradientsArgs {
    /// The agent's id.
    agent: AgentId,
    /// Its version.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// The proofs, as `tribute agent prove-gradients --out` wrote them.
    #[arg(long, value_name = "FILE")]
    gradients: PathBuf,
    /// Only this slot.
    #[arg(long)]
    slot: Option<usize>,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CertifyArgs {
    /// The agent's id.
    agent: AgentId,
    /// Its version.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// The proof, as `tribute agent prove-optimum --out` wrote it.
    #[arg(long, value_name = "FILE")]
    optimum: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Deserialize)]
struct AgentFile {
    weights_digest: WeightsDigest,
    dataset_ids: Vec<DatasetId>,
    lambda: u32,
    link: Link,
    reg_bias: bool,
    schema: Schema,
    k: u32,
    columns: usize,
    model_sha256: ModelDigest,
}

#[derive(Deserialize)]
struct CircuitsFile {
    ready: Vec<CircuitFile>,
}

#[derive(Deserialize)]
struct CircuitFile {
    statement: String,
    circuit_id: CircuitId,
}

#[derive(Deserialize)]
struct GradientsFile {
    gradients: Vec<ProofFile>,
}

#[derive(Deserialize)]
struct OptimumFile {
    proof: ProofFile,
}

pub(super) async fn create(a: CreateArgs) -> CommandResult {
    let name =
        short_name(&a.name).ok_or_else(|| Problem::field("name", format!("`{}` has more than 32 bytes", a.name)))?;
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.create_agent(name), |e| json!({ "agent_id": e })).await?;
    a.chain.emit(&value)
}

pub(super) async fn propose(a: ProposeArgs) -> CommandResult {
    let trained: AgentFile = json_file(&a.trained)?;
    if trained.schema.task() == Task::Real {
        let message =
            "the agent predicts a real value: versions on chain are of classifiers, whose answers a service proof \
                       counts; certify it off chain (agent prove-gradients and prove-optimum with --off-chain)";
        return Err(Problem::field("trained", message));
    }
    let circuits: CircuitsFile = json_file(&a.circuits)?;
    let circuit = |statement: &str| {
        let found = circuits.ready.iter().find(|c| c.statement == statement).map(|c| c.circuit_id);
        found
            .ok_or_else(|| Problem::field("circuits", format!("{} has no `{statement}` circuit", a.circuits.display())))
    };
    let layout = trained.schema.layout(trained.k, trained.columns)?;
    let new = NewVersion {
        datasets: trained.dataset_ids,
        layout,
        lambda: trained.lambda,
        link: trained.link,
        reg_bias: trained.reg_bias,
        data_bps: a.data_bps,
        weights: trained.weights_digest,
        gradient: circuit("gradient")?,
        optimum: circuit("optimum")?,
        service: circuit("service")?,
        model: trained.model_sha256,
    };
    let c = a.chain.connect().await?;
    let call = c.contracts.propose_version(&a.agent, &new);
    let value = c.send(&call, |version| json!({ "agent_id": a.agent, "version": version })).await?;
    a.chain.emit(&value)
}

pub(super) async fn gradients(a: GradientsArgs) -> CommandResult {
    let file: GradientsFile = json_file(&a.gradients)?;
    let c = a.chain.connect().await?;
    let mut sent: Vec<Value> = Vec::new();
    let slots = file.gradients.iter().enumerate().filter(|(slot, _)| a.slot.is_none_or(|only| only == *slot));
    for (slot, proof) in slots {
        let call = c.contracts.submit_gradient(&a.agent, a.version, slot as u64, &proof.proof());
        sent.push(c.send(&call, |digest| json!({ "slot": slot, "gradient": digest })).await?);
    }
    a.chain.emit(&json!({ "agent_id": a.agent, "version": a.version, "gradients": sent }))
}

pub(super) async fn certify(a: CertifyArgs) -> CommandResult {
    let file: OptimumFile = json_file(&a.optimum)?;
    let c = a.chain.connect().await?;
    let call = c.contracts.certify(&a.agent, a.version, &file.proof.proof());
    let tell = |e: &CertificateState| -> Value {
        json!({
            "agent_id": a.agent,
            "version": a.version,
            "records": e.records,
            "epsilon": e.epsilon,
            "norm": e.norm,
            "shares": e.shares,
        })
    };
    let value: Result<Value> = c.send(&call, tell).await;
    a.chain.emit(&value?)
}
