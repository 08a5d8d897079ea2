//! What the commands write, as far as the demo reads it.

use std::path::Path;

use alloy::primitives::{Bytes, B256, U256};
use serde::de::DeserializeOwned;
use serde::Deserialize;
use tribute_chain::sessions::ClaimBatch;
use tribute_chain::{word, SignedVoucher};
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId, SessionId, WeightsDigest};
use tribute_problem::{Problem, Result};

/// Reads a JSON file.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text =
        std::fs::read(file).map_err(|e| Problem::field("file", format!("cannot read {}: {e}", file.display())))?;
    serde_json::from_slice(&text).map_err(|e| Problem::internal(format!("{}: {e}", file.display())))
}

/// A mined transaction.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mined {
    pub(super) tx: B256,
    pub(super) gas_used: u64,
}

/// A proof with what it cost.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Proof {
    pub(super) statement: String,
    inputs: Vec<Hex<32>>,
    pub(super) proof: Bytes,
    pub(super) k: u32,
    pub(super) columns: u32,
    pub(super) seconds: f64,
    pub(super) bytes: u64,
    pub(super) verify_ms: f64,
    pub(super) gas_verify: u64,
    pub(super) peak_rss_mb: u64,
}

impl Proof {
    /// Public inputs, as contracts take them.
    pub(super) fn inputs(&self) -> Vec<U256> {
        words(&self.inputs)
    }
}

/// Words as numbers.
pub(super) fn words(words: &[Hex<32>]) -> Vec<U256> {
    words.iter().map(|word| U256::from_be_bytes(word.0)).collect()
}

/// `dataset register`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Dataset {
    pub(super) dataset_id: DatasetId,
    pub(super) records: u64,
    pub(super) shards: Vec<Shard>,
}

/// A part of [`Dataset`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shard {
    pub(super) proof: Proof,
}

/// `agent train`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) weights_digest: WeightsDigest,
    pub(super) lambda: u64,
    pub(super) relative_distance: f64,
    pub(super) training_accuracy: f64,
}

/// `agent prove-gradients`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Gradients {
    pub(super) gradients: Vec<Proof>,
}

/// `agent prove-optimum`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Optimum {
    pub(super) proof: Proof,
}

/// `claim prove`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claim {
    agent_id: AgentId,
    version: u32,
    pub(super) proof: Proof,
    pub(super) vouchers: Vec<SignedVoucher>,
}

impl Claim {
    /// As the contract takes it.
    pub(super) fn batch(&self) -> ClaimBatch {
        ClaimBatch {
            agentId: word(&self.agent_id),
            version: self.version,
            inputs: self.proof.inputs(),
            proof: self.proof.proof.clone(),
            slots: self.vouchers.iter().map(SignedVoucher::slot).collect(),
        }
    }
}

/// `chain register-dataset`, `chain claim`, `chain certify` and others that send one transaction.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Done {
    pub(super) tx: Mined,
}

/// `chain create-agent`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Created {
    pub(super) agent_id: AgentId,
}

/// `chain propose-version`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Proposed {
    pub(super) version: u32,
}

/// `chain submit-gradients`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Submitted {
    pub(super) gradients: Vec<Done>,
}

/// `chain certify`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Certified {
    pub(super) epsilon: u64,
    pub(super) shares: Vec<i64>,
    pub(super) tx: Mined,
}

/// `chain open-session`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Opened {
    pub(super) session: SessionId,
}

/// `session query`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Queried {
    pub(super) count: u64,
    pub(super) right: u64,
    pub(super) voucher: serde_json::Value,
}

/// `chain claim`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claimed {
    pub(super) sessions: Vec<ClaimedSession>,
    pub(super) fees: Vec<Fees>,
    pub(super) tx: Mined,
}

/// A part of [`Claimed`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ClaimedSession {
    pub(super) session: SessionId,
    #[serde(deserialize_with = "number")]
    pub(super) amount: u128,
}

/// A part of [`Claimed`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fees {
    #[serde(deserialize_with = "number")]
    pub(super) to_data: u128,
}

/// `chain withdraw`, `chain refund`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Paid {
    #[serde(deserialize_with = "number")]
    pub(super) amount: u128,
}

fn number<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<u128, D::Error> {
    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
}
