//! The state of an agent version.

use alloy::primitives::Address;
use tribute_core::digest::Digest;
use tribute_core::id::{CircuitId, LayoutHash, ModelDigest, SchemaId, WeightsDigest};

/// Status of a version, as stored by the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its owner lists datasets.
    Draft,
    /// The list is final; gradients are being submitted.
    Closed,
    /// Certified, and none of its circuits is stopped.
    Certified,
    /// Certified, but one of its circuits was stopped since.
    Doubtful,
    /// Abandoned before it was certified.
    Abandoned,
}

impl Stage {
    /// Name of the status, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Draft => "draft",
            Stage::Closed => "closed",
            Stage::Certified => "certified",
            Stage::Doubtful => "doubtful",
            Stage::Abandoned => "abandoned",
        }
    }
}

impl Stage {
    /// From its code in the contract's `Status`. A version that can be read exists, so its status is never `Unknown`.
    pub(crate) fn of(code: u8) -> Self {
        match code {
            1 => Stage::Draft,
            2 => Stage::Closed,
            3 => Stage::Certified,
            4 => Stage::Doubtful,
            _ => Stage::Abandoned,
        }
    }
}

/// Current state of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its status.
    pub stage: Stage,
    /// The agent's owner at the proposal.
    pub owner: Address,
    /// λ, in units of 2^-44.
    pub lambda: u64,
    /// δ, the worst-case error of the link tables, in units of 2^-44.
    pub delta: u64,
    /// Proven bound of the gradient's norm, in units of 2^-44; 0 before it is certified.
    pub epsilon: u64,
    /// Proven lower bound of the weights' norm, in units of 2^-10; 0 before it is certified.
    pub norm: u32,
    /// Least price of a query, in token units.
    pub price: u128,
    /// Part of the fees that goes to data providers, in basis points.
    pub data_bps: u16,
    /// Number of datasets listed; see [`Contracts::listed`] for their ids.
    pub datasets: u32,
    /// Shards listed.
    pub shards: u32,
    /// Shards whose gradient was added.
    pub shards_done: u32,
    /// Records of all shards listed.
    pub records: u64,
    /// Unix time in seconds from which anybody may abandon it, unless it is certified.
    pub deadline: u64,
    /// Hash of the list so far, see [`tribute_core::context::list_hash`].
    pub list: Digest,
    /// Hash of the list that its grants require, if any.
    pub participants: Option<Digest>,
    /// Schema of its datasets; zero before the first is listed.
    pub schema: SchemaId,
    /// Layout of its circuits.
    pub layout: LayoutHash,
    /// Digest of its committed weights.
    pub weights: WeightsDigest,
    /// Circuit of its gradient proofs.
    pub gradient: CircuitId,
    /// Circuit of its optimum proof.
    pub optimum: CircuitId,
    /// Circuit of its service proofs.
    pub service: CircuitId,
    /// SHA-256 of its canonical agent file.
    pub model: ModelDigest,
    /// Circuits that admitted its datasets.
    pub admitting: Vec<CircuitId>,
}
