//! `tribute chain check-certificate`: whether the chain certified what a file says.

use std::fmt::Display;
use std::path::PathBuf;

use alloy::primitives::I256;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::version::Stage;
use tribute_chain::{Contracts, Follower, Tables};
use tribute_client::files::read_file;
use tribute_core::certificate::{Certificate, Dataset};
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Reason, Result};
use tribute_verify::contained;

use super::ReadArgs;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The certificate, or an evaluation, whose certificate is then checked. Its proofs are not checked here: `tribute verify`
    /// does that.
    file: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
}

/// What was compared.
#[derive(Default)]
struct Compared {
    agreed: u64,
    differences: Vec<Value>,
}

impl Compared {
    fn equal<T: PartialEq + Display>(&mut self, what: impl Into<String>, file: T, chain: T) {
        if file == chain {
            self.agreed += 1;
            return;
        }
        let (file, chain) = (file.to_string(), chain.to_string());
        self.differences.push(json!({ "what": what.into(), "file": file, "chain": chain }));
    }
}

pub(super) async fn run(a: CheckArgs) -> CommandResult {
    let certificate = read(&a.file)?;
    let contracts = a.read.contracts().await?;
    let mut follower = Follower::new(&contracts);
    follower.follow(&contracts).await?;
    let compared = compare(&certificate, &contracts, follower.tables()).await?;
    let found = compared.differences.len();
    a.read.emit(&json!({
        "agent_id": certificate.agent.id,
        "version": certificate.agent.version,
        "block": follower.head(),
        "agrees": found == 0,
        "compared": compared.agreed + found as u64,
        "differences": compared.differences,
    }))?;
    if found == 0 {
        return Ok(());
    }
    let message = format!("the chain differs from {} in {found} points: do not rely on it", a.file.display());
    Err(Problem::new(Reason::ChainDiffers, message))
}

fn read(file: &std::path::Path) -> Result<Certificate> {
    let bytes = read_file(file)?;
    let refused = |e: String| Problem::field("file", format!("{} is refused: {e}", file.display()));
    let certificate = contained(&bytes).map_err(|e| refused(e.to_string()))?;
    certificate.check().map_err(|e| refused(e.to_string()))?;
    Ok(certificate)
}

async fn compare(c: &Certificate, contracts: &Contracts, tables: &Tables) -> Result<Compared> {
    let mut compared = Compared::default();
    let deployment = contracts.deployment();
    let hex = |address: alloy::primitives::Address| AccountAddress::from(address.into_array());
    compared.equal("chain.chain_id", c.chain.chain_id, deployment.chain_id);
    compared.equal("chain.dataset_registry", c.chain.dataset_registry, hex(deployment.dataset_registry.address));
    compared.equal("chain.agent_registry", c.chain.agent_registry, hex(deployment.agent_registry.address));
    if !compared.differences.is_empty() {
        return Ok(compared);
    }
    let (id, number) = (&c.agent.id, c.agent.version);
    let Some(version) = contracts.find_version(id, number).await? else {
        let message = format!("the chain has no version {number} of agent {id}");
        return Err(Problem::new(Reason::ChainDiffers, message).with("agent", id));
    };
    compared.equal("agent: status", Stage::Certified.name(), version.stage.name());
    compared.equal("agent.owner", c.agent.owner, hex(version.owner));
    compared.equal("agent.weights_digest", c.agent.weights_digest, version.weights);
    compared.equal("schema: id", Schema::from_json(&c.schema)?.id(), version.schema);
    compared.equal("layout: hash", Hex(*c.layout.hash().as_bytes()), Hex(*version.layout.as_bytes()));
    compared.equal("loss.lambda", c.loss.lambda, version.lambda);
    compared.equal("optimum.records", c.optimum.records, version.records);
    compared.equal("optimum.epsilon", c.optimum.epsilon, version.epsilon);
    compared.equal("optimum.norm", c.optimum.norm, version.norm.into());
    let listed = contracts.listed(id, number).await?;
    compared.equal("datasets: number", c.datasets.len(), listed.len());
    for (i, (dataset, chain)) in c.datasets.iter().zip(&listed).enumerate() {
        compared.equal(format!("datasets[{i}].dataset_id"), dataset.dataset_id, *chain);
        let own = contracts.contribution(id, number, chain).await?.value;
        let stated = I256::try_from(dataset.contribution.0).unwrap_or(I256::MAX);
        compared.equal(format!("datasets[{i}].contribution"), stated, own);
        compare_dataset(&mut compared, tables, i, dataset);
    }
    Ok(compared)
}

/// Compares a dataset with its registration: its shards, and who owned it when each was added.
fn compare_dataset(compared: &mut Compared, tables: &Tables, i: usize, dataset: &Dataset) {
    let Some(registered) = tables.datasets.get(&dataset.dataset_id) else {
        compared.equal(format!("datasets[{i}]"), "registered", "not registered");
        return;
    };
    compared.equal(format!("datasets[{i}].records"), dataset.records, registered.records);
    compared.equal(format!("datasets[{i}].terms: hash"), Hex(dataset.terms.hash()), Hex(registered.terms.hash()));
    compared.equal(format!("datasets[{i}].shards: number"), dataset.shards.len(), registered.shards.len());
    for (j, (shard, added)) in dataset.shards.iter().zip(&registered.shards).enumerate() {
        let at = |field: &str| format!("datasets[{i}].shards[{j}].{field}");
        compared.equal(at("digest"), shard.digest, added.digest);
        compared.equal(at("records"), shard.records, added.records);
        compared.equal(at("owner"), shard.owner, AccountAddress::from(added.owner.into_array()));
    }
}
