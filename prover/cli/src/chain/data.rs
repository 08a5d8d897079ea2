//! Datasets on chain.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::datasets::{GrantTerms, NewDataset};
use tribute_chain::messages::Shard;
use tribute_chain::{Contracts, Follower};
use tribute_core::certificate::owners;
use tribute_core::context::Terms;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{DatasetId, SchemaId, ShardDigest};
use tribute_core::proof::Proof;
use tribute_problem::{Problem, Result};

use super::terms::{effective, links, unset, warn, GrantTermsArgs};
use super::{account, json_file, node, ChainArgs, Connected, ReadArgs};
use crate::proof_file::ProofFile;
use crate::typed::somebody;
use crate::CommandResult;

/// Keeps a transaction within a block's gas: checking a shard's proof takes about a third of a million gas.
pub(super) const SHARDS_TO_A_TRANSACTION: usize = 24;

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The dataset's file.
    dataset: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// The dataset's file with all its shards: those already on chain, then the new ones.
    dataset: PathBuf,
    /// The version to extend. [default: the latest version that starts with the file's first shard]
    #[arg(long, value_name = "ID")]
    previous: Option<DatasetId>,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// Id of the dataset version to grant.
    dataset: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    to: AccountAddress,
    #[command(flatten)]
    terms: GrantTermsArgs,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The dataset's id.
    dataset: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    from: AccountAddress,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The dataset's id.
    dataset: DatasetId,
    #[command(flatten)]
    read: ReadArgs,
}

/// The file that `tribute dataset register` writes.
#[derive(Deserialize)]
pub(super) struct DatasetFile {
    pub(super) schema_id: SchemaId,
    pub(super) terms: Terms,
    owner: AccountAddress,
    shards: Vec<ShardFile>,
}

#[derive(Deserialize)]
struct ShardFile {
    digest: ShardDigest,
    proof: ProofFile,
}

impl DatasetFile {
    pub(super) fn described(&self, file: &Path) -> Result<NewDataset> {
        let first = self.shards.first();
        let none = || Problem::field("dataset", format!("{} has no shard", file.display()));
        Ok(NewDataset {
            schema: self.schema_id,
            circuit: first.ok_or_else(none)?.proof.proof().circuit,
            terms: self.terms,
        })
    }

    /// Fails unless the proofs name this account as the owner.
    pub(super) fn is_of(&self, account: [u8; 20]) -> Result<()> {
        if self.owner.0 == account {
            return Ok(());
        }
        let message = format!(
            "its proofs name {} as the owner, but this key belongs to {}",
            self.owner,
            AccountAddress::from(account)
        );
        Err(Problem::field("dataset", message))
    }

    /// The shards with their proofs.
    pub(super) fn shards(&self) -> Vec<Shard> {
        self.shards.iter().map(|s| Shard { digest: s.digest, proof: s.proof.proof() }).collect()
    }

    fn proofs(&self) -> Vec<Proof> {
        self.shards.iter().map(|s| s.proof.proof()).collect()
    }
}

pub(super) async fn register(a: RegisterArgs) -> CommandResult {
    let file: DatasetFile = json_file(&a.dataset)?;
    let (new, shards) = (file.described(&a.dataset)?, file.proofs());
    let (first, further) = shards.split_at(shards.len().min(SHARDS_TO_A_TRANSACTION));
    let c = a.chain.connect().await?;
    let call = c.contracts.register_dataset(&new, first);
    let mut value = c.send(&call, |e| json!({ "dataset_id": e.dataset, "records": e.records })).await?;
    if !further.is_empty() {
        let previous: DatasetId = serde_json::from_value(value["dataset_id"].clone())?;
        value = extend_by(&c, previous, further).await?;
    }
    a.chain.emit(&value)
}

/// Extends a dataset by shards, in as many transactions as they need. Each makes a version; the last has all shards.
async fn extend_by(c: &Connected, mut previous: DatasetId, shards: &[Proof]) -> Result<Value> {
    let mut value = Value::Null;
    for shards in shards.chunks(SHARDS_TO_A_TRANSACTION) {
        let call = c.contracts.extend_dataset(&previous, shards);
        value = c
            .send(
                &call,
                |e| json!({ "dataset_id": e.dataset, "records": e.records, "root": e.root, "previous": previous }),
            )
            .await?;
        if value["dataset_id"].is_null() {
            break; // expected to revert
        }
        previous = serde_json::from_value(value["dataset_id"].clone())?;
    }
    Ok(value)
}

/// The version on chain that a file extends, and how many shards it has.
async fn on_chain(
    contracts: &Contracts,
    path: &Path,
    shards: &[Shard],
    named: Option<DatasetId>,
) -> Result<(DatasetId, usize)> {
    let wrong = |message: String| Problem::field("dataset", format!("{}: {message}", path.display()));
    let first = shards.first().ok_or_else(|| wrong("it has no shard".to_owned()))?;
    let latest = match named {
        Some(id) => id,
        None => {
            let mut follower = Follower::new(contracts);
            follower.follow(contracts).await?;
            let of = follower
                .tables()
                .datasets
                .iter()
                .filter(|(_, d)| d.shards.first().map(|s| s.digest) == Some(first.digest));
            let latest = of.max_by_key(|(_, d)| d.shards.len()).map(|(id, _)| *id);
            latest.ok_or_else(|| {
                wrong("its first shard is not registered: use `tribute chain register-dataset`".to_owned())
            })?
        }
    };
    let there = contracts.shard_digests(&latest).await?;
    let same = there.iter().zip(shards).take_while(|(digest, shard)| **digest == shard.digest).count();
    if same == shards.len() && same < there.len() {
        return Err(wrong(format!("it has {same} shards, fewer than dataset {latest}, which has {}", there.len())));
    }
    if same < there.len() {
        let message = format!(
            "its shard {same} differs from that of dataset {latest}: new shards must come after the existing ones"
        );
        return Err(wrong(message));
    }
    if shards.len() == there.len() {
        return Err(wrong(format!("all its {same} shards are already registered as dataset {latest}")));
    }
    Ok((latest, there.len()))
}

pub(super) async fn extend(a: ExtendArgs) -> CommandResult {
    let file: DatasetFile = json_file(&a.dataset)?;
    let c = a.chain.connect().await?;
    let (previous, done) = on_chain(&c.contracts, &a.dataset, &file.shards(), a.previous).await?;
    let value = extend_by(&c, previous, &file.proofs()[done..]).await?;
    a.chain.emit(&value)
}

/// For a signed message: the version that a file extends, and the shards to add.
pub(super) async fn missing(
    contracts: &Contracts,
    path: &Path,
    named: Option<DatasetId>,
) -> Result<(DatasetId, Vec<Shard>)> {
    let shards = json_file::<DatasetFile>(path)?.shards();
    let (previous, done) = on_chain(contracts, path, &shards, named).await?;
    Ok((previous, shards[done..].to_vec()))
}

pub(super) async fn grant(a: GrantArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let (terms, now) = a.terms.terms();
    let dataset = c.contracts.dataset(&a.dataset).await?;
    told(&dataset.terms, &terms);
    let call = c.contracts.grant_training_for(&a.dataset, account(a.to), terms, now);
    let value = c
        .send(&call, |e| {
            json!({
                "dataset_id": a.dataset,
                "grantee": a.to,
                "uses": terms.uses,
                "expiry": e.expiry,
                "counts": effective(&dataset.terms, &terms),
            })
        })
        .await?;
    a.chain.emit(&value)
}

/// Warns about protections that neither the dataset's terms nor the grant ask for.
pub(super) fn told(terms: &Terms, grant: &GrantTerms) {
    let share = terms.min_share_bps.max(grant.min_share_bps);
    let unset = unset(
        share,
        terms.min_data_bps.max(grant.min_data_bps),
        terms.min_price.max(grant.min_price),
        grant.participants.is_some(),
    );
    warn(
        &unset,
        "To ask for more, grant again: the latest grant applies to versions that have not listed the dataset yet.",
    );
    if terms.open_training {
        note!("warning: the dataset is open: anyone can train without a grant, under the dataset's own terms alone");
    }
}

pub(super) async fn revoke(a: RevokeArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let from = account(a.from);
    let left = c.contracts.training_grant(&a.dataset, from).await?.terms.uses;
    let call = c.contracts.grant_training(&a.dataset, from, GrantTerms::default());
    let value =
        c.send(&call, |_| json!({ "dataset_id": a.dataset, "grantee": a.from, "uses_taken_back": left })).await?;
    if c.contracts.dataset(&a.dataset).await?.terms.open_training {
        note!("warning: the dataset is open and cannot be closed: {} needs no grant", a.from);
    }
    a.chain.emit(&value)
}

pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let d = contracts.dataset(&a.dataset).await?;
    let mut follower = Follower::new(&contracts);
    follower.follow(&contracts).await?;
    let mut grants = Vec::new();
    for to in follower.tables().datasets.get(&d.root).into_iter().flat_map(|root| root.grants.keys()) {
        let grant = contracts.training_grant(&a.dataset, *to).await?;
        if grant.terms.uses > 0 {
            grants.push(json!({
                "to": to,
                "uses": grant.terms.uses,
                "expiry": grant.terms.expiry,
                "shards": grant.shards,
                "covers_later": grant.terms.covers_later,
                "counts": effective(&d.terms, &grant.terms),
            }));
        }
    }
    let mut versions: Vec<_> = follower.tables().datasets.iter().filter(|(_, x)| x.root == d.root).collect();
    versions.sort_by_key(|(_, x)| x.shards.len());
    let shown = versions.iter().map(|(id, x)| {
        let added = owners(x.shards.iter().map(|s| Hex(s.owner.into_array())));
        json!({
            "dataset_id": id,
            "records": x.records,
            "shards": x.shards.len(),
            "added_by": added.iter().map(|(owner, shards)| json!({
                "owner": owner, "first_shard": shards.start, "shards": shards.len(),
            })).collect::<Vec<_>>(),
        })
    });
    let (node, node_refused) = node::told(contracts.dataset_node(&a.dataset).await?.as_ref());
    a.read.emit(&json!({
        "dataset_id": a.dataset,
        "root": d.root,
        "latest": versions.last().map(|(id, _)| id),
        "versions": shown.collect::<Vec<_>>(),
        "owner": d.owner,
        "offered_to": contracts.dataset_offered_to(&a.dataset).await?,
        "payout": contracts.dataset_payout(&a.dataset).await?,
        "node": node,
        "node_refused": node_refused,
        "records": d.records,
        "shards": d.shards,
        "schema_id": d.schema,
        "circuit_id": d.circuit,
        "terms": {
            "min_share_bps": d.terms.min_share_bps,
            "min_data_bps": d.terms.min_data_bps,
            "min_price": d.terms.min_price.to_string(),
            "links": links(d.terms.links),
            "open_training": d.terms.open_training,
        },
        "grants": grants,
    }))
}
