//! Datasets on chain.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tribute_chain::datasets::NewDataset;
use tribute_core::context::Terms;
use tribute_core::hexed::Hex20;
use tribute_core::id::{DatasetId, SchemaId};
use tribute_core::proof::Proof;

use super::{account, json_file, ChainArgs};
use crate::proof_file::ProofFile;
use crate::CommandResult;

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
    uses: u64,
    /// For how many days.
    #[arg(long, default_value_t = 365)]
    days: u64,
    #[command(flatten)]
    chain: ChainArgs,
}

/// What `tribute dataset register` writes.
#[derive(Deserialize)]
struct DatasetFile {
    schema_id: SchemaId,
    min_data_bps: u16,
    open_training: bool,
    shards: Vec<ShardFile>,
}

#[derive(Deserialize)]
struct ShardFile {
    proof: ProofFile,
}

pub(super) async fn register(a: RegisterArgs) -> CommandResult {
    let file: DatasetFile = json_file(&a.dataset)?;
    let terms = Terms { min_data_bps: file.min_data_bps, open_training: file.open_training };
    let new = NewDataset { schema: file.schema_id, terms };
    let shards: Vec<Proof> = file.shards.iter().map(|s| s.proof.proof()).collect();
    let c = a.chain.connect().await?;
    let call = c.contracts.register_dataset(&new, &shards);
    let value = c.send(&call, |e| json!({ "dataset_id": e.dataset, "records": e.records })).await?;
    a.chain.emit(&value)
}

pub(super) async fn grant(a: GrantArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seconds = a.days.saturating_mul(86_400);
    let call = c.contracts.grant_training_for(&a.dataset, account(a.to), a.uses, now, seconds);
    let value = c
        .send(&call, |e| json!({ "dataset_id": a.dataset, "grantee": a.to, "uses": a.uses, "expiry": e.expiry }))
        .await?;
    a.chain.emit(&value)
}
