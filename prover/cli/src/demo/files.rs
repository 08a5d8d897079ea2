//! The parts of the commands' JSON output that the demo reads.

use std::path::Path;

use alloy::primitives::B256;
use serde::de::DeserializeOwned;
use serde::Deserialize;
use tribute_client::files::read_file;
use tribute_core::id::{AgentId, DatasetId, SessionId, WeightsDigest};
use tribute_problem::{Problem, Result};

use crate::proof_file::ProofFile;

/// Reads a JSON file.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    serde_json::from_slice(&read_file(file)?).map_err(|e| Problem::internal(format!("{}: {e}", file.display())))
}

/// A mined transaction.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mined {
    pub(super) tx: B256,
    pub(super) gas_used: u64,
}

/// Output of `dataset register`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Dataset {
    pub(super) dataset_id: DatasetId,
    pub(super) records: u64,
    pub(super) shards: Vec<Shard>,
}

/// One shard of a [`Dataset`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shard {
    pub(super) proof: ProofFile,
}

/// Output of `agent train`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) weights_digest: WeightsDigest,
    pub(super) lambda: u64,
    pub(super) relative_distance: f64,
    pub(super) shares: Vec<f64>,
    pub(super) training_accuracy: f64,
}

/// Output of `agent prove-gradients`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Gradients {
    pub(super) gradients: Vec<ProofFile>,
}

/// Output of `agent prove-optimum`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Optimum {
    pub(super) proof: ProofFile,
}

/// Output of commands that send one transaction, such as `chain register-dataset`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Done {
    pub(super) tx: Mined,
}

/// Output of `chain create-agent`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Created {
    pub(super) agent_id: AgentId,
}

/// Output of `chain propose-version`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Proposed {
    pub(super) version: u32,
}

/// Output of `chain submit-gradients`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Submitted {
    pub(super) transactions: Vec<Added>,
}

/// One transaction of [`Submitted`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Added {
    pub(super) gradients: Vec<serde_json::Value>,
    pub(super) tx: Mined,
}

/// Output of `chain certify`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Certified {
    pub(super) epsilon: u64,
    pub(super) shares: Vec<f64>,
    pub(super) tx: Mined,
}

/// Output of `chain open-session`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Opened {
    pub(super) session: SessionId,
}

/// Output of `session query`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Queried {
    pub(super) count: u64,
    pub(super) right: u64,
    pub(super) voucher: serde_json::Value,
}

/// Output of `chain claim`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claimed {
    pub(super) sessions: Vec<ClaimedSession>,
    pub(super) fees: Vec<Fees>,
    pub(super) tx: Mined,
}

/// One session of [`Claimed`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ClaimedSession {
    pub(super) session: SessionId,
    #[serde(deserialize_with = "number")]
    pub(super) amount: u128,
}

/// Fees of one agent version in [`Claimed`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fees {
    #[serde(deserialize_with = "number")]
    pub(super) to_data: u128,
}

/// Output of `chain withdraw` and `chain refund`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Paid {
    #[serde(deserialize_with = "number")]
    pub(super) amount: u128,
}

fn number<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<u128, D::Error> {
    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
}
