//! Datasets on chain.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tribute_chain::datasets::{GrantTerms, NewDataset};
use tribute_core::context::{list_hash, Terms};
use tribute_core::hexed::Hex20;
use tribute_core::id::{DatasetId, SchemaId};
use tribute_core::proof::Proof;
use tribute_problem::Problem;

use super::{account, json_file, ChainArgs};
use crate::agent::LinkArg;
use crate::proof_file::ProofFile;
use crate::CommandResult;

/// Checking a shard's proof takes about a third of a million gas.
const SHARDS_TO_A_TRANSACTION: usize = 24;

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The dataset's file.
    dataset: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The dataset's id.
    dataset: DatasetId,
    /// The agent owner's account.
    #[arg(long, value_name = "ADDRESS")]
    to: Hex20,
    /// How many agent versions; 0 takes the grant back.
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// For how many days.
    #[arg(long, default_value_t = 365)]
    days: u64,
    /// Least share of what goes to data providers, in basis points: below it the agent is not certified.
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    min_share_bps: u16,
    /// Least part of the fees that goes to data providers, in basis points.
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    min_data_bps: u16,
    /// Least price of a query, in the token's base units.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0)]
    min_price: u128,
    /// A link that the agent may have; give one for each. [default: logistic and softmax. Squared has to be named, here or in
    /// the dataset's terms: under it small changes of the data move shares far]
    #[arg(long = "link", value_name = "LINK", value_enum)]
    links: Vec<LinkArg>,
    /// Grant later versions of the dataset too.
    #[arg(long)]
    covers_later: bool,
    /// The agent version must list exactly these datasets, this one among them, in this order.
    #[arg(long = "participant", value_name = "ID")]
    participants: Vec<DatasetId>,
    #[command(flatten)]
    chain: ChainArgs,
}

/// What `tribute dataset register` writes.
#[derive(Deserialize)]
struct DatasetFile {
    schema_id: SchemaId,
    terms: Terms,
    shards: Vec<ShardFile>,
}

#[derive(Deserialize)]
struct ShardFile {
    proof: ProofFile,
}

pub(super) async fn register(a: RegisterArgs) -> CommandResult {
    let file: DatasetFile = json_file(&a.dataset)?;
    let shards: Vec<Proof> = file.shards.iter().map(|s| s.proof.proof()).collect();
    let (first, further) = shards.split_at(shards.len().min(SHARDS_TO_A_TRANSACTION));
    let circuit = shards
        .first()
        .ok_or_else(|| Problem::field("dataset", format!("{} has no shard", a.dataset.display())))?
        .circuit;
    let new = NewDataset { schema: file.schema_id, circuit, terms: file.terms };
    let c = a.chain.connect().await?;
    let call = c.contracts.register_dataset(&new, first);
    let mut value = c.send(&call, |e| json!({ "dataset_id": e.dataset, "records": e.records })).await?;
    // what does not fit into a transaction makes later versions, of which the last is the whole
    for shards in further.chunks(SHARDS_TO_A_TRANSACTION) {
        let previous: DatasetId = serde_json::from_value(value["dataset_id"].clone())?;
        let call = c.contracts.extend_dataset(&previous, shards);
        value = c.send(&call, |e| json!({ "dataset_id": e.dataset, "records": e.records })).await?;
    }
    a.chain.emit(&value)
}

pub(super) async fn grant(a: GrantArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seconds = a.days.saturating_mul(86_400);
    let terms = GrantTerms {
        uses: a.uses,
        expiry: seconds,
        links: a.links.iter().fold(0, |bits, link| bits | 1 << link.link().code()),
        min_share_bps: a.min_share_bps,
        min_data_bps: a.min_data_bps,
        min_price: a.min_price,
        covers_later: a.covers_later,
        participants: (!a.participants.is_empty()).then(|| list_hash(a.participants.iter().copied())),
    };
    let call = c.contracts.grant_training_for(&a.dataset, account(a.to), terms, now);
    let value = c
        .send(&call, |e| json!({ "dataset_id": a.dataset, "grantee": a.to, "uses": a.uses, "expiry": e.expiry }))
        .await?;
    a.chain.emit(&value)
}
