//! `tribute chain check-certificate`: whether the chain certified what a file says.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use alloy::primitives::{Address, I256};
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::draws::Draw;
use tribute_chain::version::Stage;
use tribute_chain::{Contracts, Follower, Tables};
use tribute_client::files::read_file;
use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::certificate::{Certificate, Dataset};
use tribute_core::context::Terms;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{DatasetId, ShardDigest};
use tribute_core::schema::Schema;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Reason, Result};
use tribute_verify::File;

use super::{drawn, ReadArgs};
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
    let (compared, follower, sampled) = match &file {
        File::Valuation(valuation) => {
            let (compared, follower, draw) = compared_valuation(valuation, &contracts).await?;
            (compared, follower, drawn::sampled(valuation, draw.as_ref()))
        }
        File::Certificate(_) => {
            let (compared, follower) = compared(certificate, None, &contracts).await?;
            (compared, follower, None)
        }
        File::Evaluation(evaluation) => {
            let (compared, follower) = compared(certificate, Some(evaluated(evaluation)), &contracts).await?;
            (compared, follower, None)
        }
    };
    let found = compared.differences.len();
    a.read.emit(&json!({
        "agent_id": certificate.agent.id,
        "version": certificate.agent.version,
        "block": follower.head(),
        "agrees": found == 0,
        "compared": compared.agreed + found as u64,
        "sampled": sampled,
        "differences": compared.differences,
    }))?;
    if found == 0 {
        return Ok(());
    }
    let message = format!("the chain differs from {} in {found} points: do not rely on it", a.file.display());
    Err(Problem::new(Reason::ChainDiffers, message))
}

/// Fails unless the chain certified what a verified valuation says of its version, registered its datasets and its test
/// set as it says, nobody owns or registered both, who it values as one owner is one today, and what was drawn was drawn by the
/// chain.
pub(super) async fn requires(valuation: &Valuation, contracts: &Contracts) -> Result<()> {
    let (compared, follower, _) = compared_valuation(valuation, contracts).await?;
    requires_apart(follower.tables(), &valuation.test.dataset_id, &datasets(valuation))?;
    if let Some(message) = regrouped(follower.tables(), valuation) {
        return Err(Problem::new(Reason::ChainDiffers, message));
    }
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

/// Fails if somebody owns or registered both the test set and one of the datasets that it would value; returns how many owners
/// it would value.
pub(super) async fn requires_stranger(
    contracts: &Contracts,
    test: &DatasetId,
    datasets: &[DatasetId],
) -> Result<usize> {
    let mut follower = Follower::new(contracts);
    follower.follow(contracts).await?;
    let tables = follower.tables();
    requires_apart(tables, test, datasets)?;
    // files value who owned a dataset when its last shard was added
    let last = datasets.iter().filter_map(|id| tables.datasets.get(id)?.shards.last());
    Ok(last.map(|shard| shard.owner).collect::<BTreeSet<Address>>().len())
}

fn requires_apart(tables: &Tables, test: &DatasetId, datasets: &[DatasetId]) -> Result<()> {
    let Some((account, dataset)) = of_both(tables, test, datasets) else { return Ok(()) };
    let message = format!(
        "{account} owns or registered the test set {test} and the dataset {dataset} that it would value: whoever has data to be \
         valued must not choose what it is valued on"
    );
    Err(Problem::field("test_set", message).with("dataset", dataset))
}

/// Somebody who owns or registered the test set and one of the datasets, with that dataset. A file names only who registered
/// them; either may have been sold since.
fn of_both(tables: &Tables, test: &DatasetId, datasets: &[DatasetId]) -> Option<(Address, DatasetId)> {
    let accounts = |id: &DatasetId| -> Vec<Address> {
        let found = tables.datasets.get(id);
        found.map_or_else(Vec::new, |d| d.shards.iter().map(|s| s.owner).chain([d.owner]).collect())
    };
    let of_test = accounts(test);
    datasets.iter().find_map(|id| accounts(id).into_iter().find(|a| of_test.contains(a)).map(|a| (a, *id)))
}

/// Two datasets that are valued as one owner's and belong to two by now, or the other way round, in words.
fn regrouped(tables: &Tables, valuation: &Valuation) -> Option<String> {
    let now = |id: &DatasetId| tables.datasets.get(id).map(|d| d.owner);
    let datasets = &valuation.certificate.datasets;
    let of_two = |one: &Dataset, other: &Dataset| {
        let (one_now, other_now) = (now(&one.dataset_id)?, now(&other.dataset_id)?);
        let (then, today) = match (one.latest_owner() == other.latest_owner(), one_now == other_now) {
            (true, false) => ("one owner's", "two"),
            (false, true) => ("two owners'", "one"),
            _ => return None,
        };
        Some(format!(
            "it values {} and {} as {then}, and they belong to {today} now, so it does not say what each owner's data is worth; \
             owners can still sign weights without it",
            other.dataset_id, one.dataset_id
        ))
    };
    datasets.iter().enumerate().find_map(|(i, one)| datasets[..i].iter().find_map(|other| of_two(one, other)))
}

fn datasets(valuation: &Valuation) -> Vec<DatasetId> {
    valuation.certificate.datasets.iter().map(|d| d.dataset_id).collect()
}

/// Compares a valuation with the chain: its certificate and test set, who owns what, and what was drawn.
async fn compared_valuation(
    valuation: &Valuation,
    contracts: &Contracts,
) -> Result<(Compared, Follower, Option<Draw>)> {
    let (mut compared, follower) = compared(&valuation.certificate, Some(test_set(valuation)), contracts).await?;
    let both = of_both(follower.tables(), &valuation.test.dataset_id, &datasets(valuation));
    let both = both.map_or_else(|| "nobody".to_owned(), |(account, dataset)| format!("{account}, of {dataset}"));
    compared.equal("who owns or registered the test set and a dataset", "nobody".to_owned(), both);
    let as_valued = "as they are valued".to_owned();
    let found = regrouped(follower.tables(), valuation).unwrap_or_else(|| as_valued.clone());
    compared.equal("whose the datasets are", as_valued, found);
    let Some(sampling) = &valuation.sampling else { return Ok((compared, follower, None)) };
    let agent = &valuation.certificate.agent;
    let draw = contracts.draw(&agent.id, agent.version).await?;
    match &draw {
        None => compared.equal("sampling", "committed to", "not committed to"),
        Some(draw) => {
            compared.equal("test.dataset_id: of the draw", valuation.test.dataset_id, draw.test_set);
            compared.equal("sampling.permutations", sampling.permutations, draw.permutations);
            let beacon = draw.beacon.map_or_else(|| "not fixed yet".to_owned(), |beacon| Hex(beacon).to_string());
            compared.equal("sampling.beacon", sampling.beacon.to_string(), beacon);
        }
    }
    Ok((compared, follower, draw))
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

/// The dataset that an agent was evaluated on.
fn evaluated(evaluation: &Evaluation) -> Stated<'_> {
    let d = &evaluation.dataset;
    let shards = d.shards.iter().map(|s| (s.digest, s.records, s.owner)).collect();
    Stated { path: "dataset".into(), id: &d.dataset_id, terms: &d.terms, records: d.records, shards }
}

fn test_set(valuation: &Valuation) -> Stated<'_> {
    let d = &valuation.test;
    let shards = d.shards.iter().map(|s| (s.digest, s.records, s.owner)).collect();
    Stated { path: "test".into(), id: &d.dataset_id, terms: &d.terms, records: d.records, shards }
}

async fn compare(c: &Certificate, contracts: &Contracts, tables: &Tables) -> Result<Compared> {
    let mut compared = Compared::default();
    let deployment = contracts.deployment();
    let hex = |address: Address| AccountAddress::from(address.into_array());
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
