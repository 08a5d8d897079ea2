//! `tribute chain check-certificate`: whether the chain certified what a file says.

use std::fmt::Display;
use std::path::PathBuf;

use alloy::primitives::I256;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::version::Stage;
use tribute_chain::{Contracts, Follower, Tables};
use tribute_client::files::read_file;
use tribute_core::certificate::Certificate;
use tribute_core::context::Terms;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{DatasetId, ShardDigest};
use tribute_core::schema::Schema;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Reason, Result};
use tribute_verify::File;

use super::ReadArgs;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The certificate, evaluation or valuation. Its proofs are not checked here: `tribute verify` does that.
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

/// What a file says of a dataset's registration.
struct Stated<'a> {
    path: String,
    id: &'a DatasetId,
    terms: &'a Terms,
    records: u64,
    shards: Vec<(ShardDigest, u64, AccountAddress)>,
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
    let file = read(&a.file)?;
    let contracts = a.read.contracts().await?;
    let certificate = file.certificate();
    let (compared, follower) = compared(certificate, tested(&file), &contracts).await?;
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

/// Fails unless the chain certified what a verified valuation says of its version, and registered its datasets and its
/// test set as it says.
pub(super) async fn requires(valuation: &Valuation, contracts: &Contracts) -> Result<()> {
    let (compared, _) = compared(&valuation.certificate, Some(test_set(valuation)), contracts).await?;
    match compared.differences.first() {
        None => Ok(()),
        Some(first) => {
            let text = |field: &str| first[field].as_str().unwrap_or_default().to_owned();
            let message = format!(
                "the chain differs from it in {} points: {} is {} in the file and {} on chain; `tribute chain check-certificate` \
                 lists them all",
                compared.differences.len(),
                text("what"),
                text("file"),
                text("chain")
            );
            Err(Problem::new(Reason::ChainDiffers, message))
        }
    }
}

/// Compares a certificate, and the dataset that its agent was tested on, with the chain.
async fn compared(
    certificate: &Certificate,
    tested: Option<Stated<'_>>,
    contracts: &Contracts,
) -> Result<(Compared, Follower)> {
    let mut follower = Follower::new(contracts);
    follower.follow(contracts).await?;
    let mut compared = compare(certificate, contracts, follower.tables()).await?;
    if let Some(tested) = &tested {
        compare_dataset(&mut compared, follower.tables(), tested);
    }
    Ok((compared, follower))
}

fn read(path: &std::path::Path) -> Result<File> {
    let bytes = read_file(path)?;
    let refused = |e: String| Problem::field("file", format!("{} is refused: {e}", path.display()));
    let file = File::from_json(&bytes).map_err(|e| refused(e.to_string()))?;
    file.certificate().check().map_err(|e| refused(e.to_string()))?;
    Ok(file)
}

/// The dataset that the agent was tested on.
fn tested(file: &File) -> Option<Stated<'_>> {
    match file {
        File::Certificate(_) => None,
        File::Evaluation(evaluation) => {
            let d = &evaluation.dataset;
            let shards = d.shards.iter().map(|s| (s.digest, s.records, s.owner)).collect();
            Some(Stated { path: "dataset".into(), id: &d.dataset_id, terms: &d.terms, records: d.records, shards })
        }
        File::Valuation(valuation) => Some(test_set(valuation)),
    }
}

fn test_set(valuation: &Valuation) -> Stated<'_> {
    let d = &valuation.test;
    let shards = d.shards.iter().map(|s| (s.digest, s.records, s.owner)).collect();
    Stated { path: "test".into(), id: &d.dataset_id, terms: &d.terms, records: d.records, shards }
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
        let shards = dataset.shards.iter().map(|s| (s.digest, s.records, s.owner)).collect();
        let path = format!("datasets[{i}]");
        let stated = Stated { path, id: &dataset.dataset_id, terms: &dataset.terms, records: dataset.records, shards };
        compare_dataset(&mut compared, tables, &stated);
    }
    Ok(compared)
}

/// Compares a dataset with its registration: its shards, and who owned it when each was added.
fn compare_dataset(compared: &mut Compared, tables: &Tables, stated: &Stated<'_>) {
    let path = &stated.path;
    let Some(registered) = tables.datasets.get(stated.id) else {
        compared.equal(path.as_str(), "registered", "not registered");
        return;
    };
    compared.equal(format!("{path}.records"), stated.records, registered.records);
    compared.equal(format!("{path}.terms: hash"), Hex(stated.terms.hash()), Hex(registered.terms.hash()));
    compared.equal(format!("{path}.shards: number"), stated.shards.len(), registered.shards.len());
    for (j, ((digest, records, owner), added)) in stated.shards.iter().zip(&registered.shards).enumerate() {
        let at = |field: &str| format!("{path}.shards[{j}].{field}");
        compared.equal(at("digest"), *digest, added.digest);
        compared.equal(at("records"), *records, added.records);
        compared.equal(at("owner"), *owner, AccountAddress::from(added.owner.into_array()));
    }
}
