//! Agents on chain.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::U256;
use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::agents::{short_name, Added, Contribution, Gradient, NewVersion};
use tribute_chain::state::CertificateState;
use tribute_core::id::{AgentId, CircuitId, DatasetId, ModelDigest, ShardDigest, WeightsDigest};
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Reason, Result};

use super::find::MetadataArgs;
use super::{json_file, ChainArgs, Connected};
use crate::proof_file::ProofFile;
use crate::typed::units;
use crate::CommandResult;

/// How often the contributions are read, once a second, until the node shows all.
const LOOKS: u32 = 10;

/// Keeps a transaction within a block's gas: listing a dataset takes about a hundred thousand gas.
pub(super) const DATASETS_TO_A_TRANSACTION: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The agent's name, up to 32 bytes.
    #[arg(long, default_value = "agent")]
    name: String,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// The agent's id.
    agent: AgentId,
    /// The agent's file, as `tribute agent train --out` wrote it.
    #[arg(long, value_name = "FILE")]
    trained: PathBuf,
    /// The circuits, as `tribute circuits add --out` wrote them.
    #[arg(long, value_name = "FILE")]
    circuits: PathBuf,
    /// Part of the fees that goes to data providers, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 5000)]
    data_bps: u16,
    /// Minimum price of a query, in the token's base units: no session can be opened below it.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0, value_parser = units)]
    price: u128,
    /// Leave the version as a draft, whose list of datasets can still grow.
    #[arg(long)]
    draft: bool,
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
    /// Only the gradient of this shard, numbered from 0 across all datasets.
    #[arg(long, value_name = "SHARD")]
    only: Option<usize>,
    /// Proofs per transaction; each takes about half a million gas.
    #[arg(long, value_name = "PROOFS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    batch: u16,
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
    /// Gradient proofs, as `tribute agent prove-gradients --out` wrote them. Those not on chain yet are submitted with the
    /// optimum, so that one pairing checks all.
    #[arg(long, value_name = "FILE")]
    gradients: Option<PathBuf>,
    /// Maximum number of proofs per transaction.
    #[arg(long, value_name = "PROOFS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    batch: u16,
    #[command(flatten)]
    chain: ChainArgs,
}

/// An agent's numbers, as `crate::output::agent` writes them.
#[derive(Deserialize)]
pub(super) struct AgentFile {
    weights_digest: WeightsDigest,
    pub(super) dataset_ids: Vec<DatasetId>,
    lambda: u64,
    link: Link,
    schema: Schema,
    k: u32,
    columns: usize,
    intercept_scale: u32,
    model_sha256: ModelDigest,
}

#[derive(Deserialize)]
pub(super) struct CircuitsFile {
    ready: Vec<CircuitFile>,
}

#[derive(Deserialize)]
struct CircuitFile {
    statement: String,
    circuit_id: CircuitId,
}

#[derive(Deserialize)]
pub(super) struct GradientsFile {
    pub(super) gradients: Vec<ProofFile>,
}

#[derive(Deserialize)]
pub(super) struct OptimumFile {
    pub(super) proof: ProofFile,
}

pub(super) async fn create(a: CreateArgs) -> CommandResult {
    let name =
        short_name(&a.name).ok_or_else(|| Problem::field("name", format!("`{}` has more than 32 bytes", a.name)))?;
    let metadata = a.metadata.text()?.unwrap_or_default();
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.create_agent(name, &metadata), |e| json!({ "agent_id": e })).await?;
    a.chain.emit(&value)
}

pub(super) async fn propose(a: ProposeArgs) -> CommandResult {
    let trained: AgentFile = json_file(&a.trained)?;
    let circuits: CircuitsFile = json_file(&a.circuits)?;
    let new = new_version(&trained, &circuits, a.price, a.data_bps)?;
    let c = a.chain.connect().await?;
    let proposed = c.contracts.propose(&a.agent, &new);
    let mut value = c.send(&proposed, |version| json!({ "agent_id": a.agent, "version": version })).await?;
    let version = value["version"].as_u64().and_then(|v| u32::try_from(v).ok()).unwrap_or_default();
    // the same command again would propose another version
    let left = |e: Problem| {
        let message = format!(
            "version {version} is proposed and a draft: go on with `tribute chain add-datasets` and `close-version` \
             (`tribute chain version` shows what it lists), or end it with `abandon-version`: {}",
            e.message
        );
        Problem { message, ..e }
    };
    let mut listed: Vec<Value> = Vec::new();
    for datasets in trained.dataset_ids.chunks(DATASETS_TO_A_TRANSACTION) {
        let call = c.contracts.add_datasets(&a.agent, version, datasets);
        listed.push(c.send(&call, |e| json!({ "datasets": e.len() })).await.map_err(left)?);
    }
    value["listed"] = listed.into();
    if !a.draft {
        let call = c.contracts.close(&a.agent, version);
        let closed = c.send(&call, |e| json!({ "shards": e.shards, "records": e.records }));
        value["closed"] = closed.await.map_err(left)?;
    }
    a.chain.emit(&value)
}

/// The version of a trained agent, with the circuits of its schema.
pub(super) fn new_version(
    trained: &AgentFile,
    circuits: &CircuitsFile,
    price: u128,
    data_bps: u16,
) -> Result<NewVersion> {
    if trained.schema.task() == Task::Real {
        let message =
            "the agent predicts a real number, and service proofs cover only classifiers, so it cannot go on chain: \
                       certify it off chain (agent prove-gradients and prove-optimum with --off-chain)";
        return Err(Problem::field("trained", message));
    }
    let circuit = |statement: &str| {
        let found = circuits.ready.iter().find(|c| c.statement == statement).map(|c| c.circuit_id);
        found.ok_or_else(|| {
            let message =
                format!("there is no `{statement}` circuit for this schema: `tribute circuits add` makes one");
            Problem::field("circuits", message)
        })
    };
    let layout = trained.schema.layout(trained.k, trained.columns)?.with_intercept_scale(trained.intercept_scale)?;
    Ok(NewVersion {
        layout,
        lambda: trained.lambda,
        link: trained.link,
        price,
        data_bps,
        weights: trained.weights_digest,
        gradient: circuit("gradient")?,
        optimum: circuit("optimum")?,
        service: circuit("service")?,
        model: trained.model_sha256,
    })
}

/// Dataset and position of every shard of a version, by digest.
async fn shards(c: &Connected, agent: &AgentId, version: u32) -> Result<HashMap<ShardDigest, (DatasetId, u32)>> {
    let mut all = HashMap::new();
    for dataset in c.contracts.listed(agent, version).await? {
        for (shard, digest) in c.contracts.shard_digests(&dataset).await?.into_iter().enumerate() {
            all.insert(digest, (dataset, shard as u32));
        }
    }
    Ok(all)
}

/// The gradients of a file that are not on chain yet: an earlier run, or somebody else, may have submitted some.
async fn pending(
    c: &Connected,
    agent: &AgentId,
    version: u32,
    file: GradientsFile,
    only: Option<usize>,
) -> Result<Vec<Gradient>> {
    let listed = shards(c, agent, version).await?;
    let wanted = file.gradients.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at));
    let mut gradients = Vec::new();
    for (at, file) in wanted {
        let place = file.shard().and_then(|digest| listed.get(&digest));
        let (dataset, shard) = place.copied().ok_or_else(|| {
            let message = format!(
                "proof {at} is over a shard that no dataset of version {version} of agent {agent} has: does it belong to \
                 another agent or version?"
            );
            Problem::field("gradients", message)
        })?;
        if !c.contracts.gradient_added(agent, version, &dataset, shard).await? {
            gradients.push(Gradient { dataset, shard, proof: file.proof() });
        }
    }
    Ok(gradients)
}

/// Adds gradients in one transaction.
async fn add(c: &Connected, agent: &AgentId, version: u32, gradients: &[Gradient]) -> Result<Value> {
    let tell = |added: &Vec<Added>| {
        let one = |e: &Added| {
            json!({
                "dataset_id": e.dataset,
                "shard": e.shard,
                "contribution": e.contribution.to_string(),
                "gradient": e.gradient,
            })
        };
        json!({ "gradients": added.iter().map(one).collect::<Vec<_>>() })
    };
    c.send(&c.contracts.add_gradients(agent, version, gradients), tell).await
}

pub(super) async fn gradients(a: GradientsArgs) -> CommandResult {
    let file: GradientsFile = json_file(&a.gradients)?;
    let c = a.chain.connect().await?;
    let gradients = pending(&c, &a.agent, a.version, file, a.only).await?;
    let mut sent: Vec<Value> = Vec::new();
    for batch in gradients.chunks(a.batch.into()) {
        sent.push(add(&c, &a.agent, a.version, batch).await?);
    }
    a.chain.emit(&json!({ "agent_id": a.agent, "version": a.version, "transactions": sent }))
}

pub(super) async fn certify(a: CertifyArgs) -> CommandResult {
    let file: OptimumFile = json_file(&a.optimum)?;
    let gradients: GradientsFile = match &a.gradients {
        Some(file) => json_file(file)?,
        None => GradientsFile { gradients: Vec::new() },
    };
    let c = a.chain.connect().await?;
    let value = submit(&c, &a.agent, a.version, gradients, &file.proof, a.batch.into()).await?;
    a.chain.emit(&value)
}

/// Submits the gradients that are not on chain yet, at most `batch` proofs to a transaction, the last of them with the
/// optimum, and returns the version's state with its shares.
pub(super) async fn submit(
    c: &Connected,
    agent: &AgentId,
    version: u32,
    gradients: GradientsFile,
    optimum: &ProofFile,
    batch: usize,
) -> Result<Value> {
    let mut last = pending(c, agent, version, gradients, None).await?;
    let mut sent: Vec<Value> = Vec::new();
    // leave room for the optimum in the last transaction
    while last.len() + 1 > batch {
        let rest = last.split_off(batch.min(last.len()));
        sent.push(add(c, agent, version, &last).await?);
        last = rest;
    }
    let optimum = optimum.proof();
    let tell = |e: &CertificateState| -> Value {
        json!({
            "agent_id": agent,
            "version": version,
            "records": e.records,
            "epsilon": e.epsilon,
            "norm": e.norm,
            "positive": e.positive.to_string(),
        })
    };
    let mut value: Value = if last.is_empty() {
        c.send(&c.contracts.certify(agent, version, &optimum), tell).await?
    } else {
        c.send(&c.contracts.add_gradients_and_certify(agent, version, &last, &optimum), tell).await?
    };
    if !sent.is_empty() {
        value["transactions"] = sent.into();
    }
    // a revert that was expected certifies nothing
    if let Some(positive) = value["positive"].as_str().and_then(|p| p.parse().ok()) {
        value["shares"] = match shares(c, agent, version, positive).await {
            Ok(shares) => shares.into(),
            Err(e) => {
                note!("certified, but the shares cannot be read: {e}; `tribute chain version` will show them");
                Value::Null
            }
        };
    }
    Ok(value)
}

/// Shares of a certified version's datasets, in order. Its positive contributions add up to `positive`; as long as they do not,
/// the node that answers has not seen all gradients yet, which is an error after some seconds.
async fn shares(c: &Connected, agent: &AgentId, version: u32, positive: U256) -> Result<Vec<f64>> {
    for _ in 0..LOOKS {
        let mut parts = Vec::new();
        for dataset in c.contracts.listed(agent, version).await? {
            parts.push(c.contracts.contribution(agent, version, &dataset).await?);
        }
        let seen = parts.iter().filter(|part| part.value.is_positive()).map(|part| part.value.unsigned_abs());
        if seen.sum::<U256>() == positive {
            return Ok(parts.iter().map(|part| share(part, positive)).collect());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(Problem::new(Reason::ChainUnavailable, "the node does not show all contributions yet"))
}

/// A dataset's share of the fees for data, 0 to 1. `positive`: sum of the version's positive contributions.
pub(super) fn share(part: &Contribution, positive: U256) -> f64 {
    let number = |text: String| text.parse::<f64>().unwrap_or(f64::NAN);
    number(part.value.to_string()).max(0.0) / number(positive.to_string())
}
