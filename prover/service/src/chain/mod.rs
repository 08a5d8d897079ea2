//! What the service asks a chain. Reading only: transactions are signed and sent by their owners' clients.

mod rpc;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tribute_core::hexed::Hex20;
use tribute_core::id::{AgentId, DatasetId, SessionId, Transcript, WeightsDigest};
use tribute_problem::Result;
use tribute_steps::shape::Target;

pub use rpc::RpcChain;

/// Where the contracts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `ProofGate`.
    pub proof_gate: Hex20,
    /// `DatasetRegistry`.
    pub dataset_registry: Hex20,
    /// `AgentRegistry`.
    pub agent_registry: Hex20,
    /// `SessionEscrow`.
    pub session_escrow: Hex20,
}

impl Contracts {
    /// Target of `dataset` proofs.
    #[must_use]
    pub fn datasets(&self) -> Target {
        Target { chain_id: self.chain_id, contract: self.dataset_registry }
    }
    /// Target of `gradient` and `optimum` proofs.
    #[must_use]
    pub fn agents(&self) -> Target {
        Target { chain_id: self.chain_id, contract: self.agent_registry }
    }
    /// Target of `service` proofs.
    #[must_use]
    pub fn sessions(&self) -> Target {
        Target { chain_id: self.chain_id, contract: self.session_escrow }
    }
}

/// Registries that proofs are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registries {
    /// Target of `dataset` proofs.
    pub datasets: Target,
    /// Target of `gradient` and `optimum` proofs.
    pub agents: Target,
}

impl From<Contracts> for Registries {
    fn from(c: Contracts) -> Self {
        Registries { datasets: c.datasets(), agents: c.agents() }
    }
}

impl FromStr for Registries {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("`{text}` is not CHAIN_ID:DATASET_REGISTRY:AGENT_REGISTRY");
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(wrong);
        let chain_id = next()?.parse().map_err(|_| wrong())?;
        let datasets = next()?.parse().map_err(|_| wrong())?;
        let agents = next()?.parse().map_err(|_| wrong())?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        let at = |contract| Target { chain_id, contract };
        Ok(Registries { datasets: at(datasets), agents: at(agents) })
    }
}

/// A session as the escrow contract has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSession {
    /// Who pays.
    pub client: Hex20,
    /// Who signs vouchers.
    pub session_key: Hex20,
    /// The agent.
    pub agent_id: AgentId,
    /// Its version.
    pub version: u32,
    /// Answers paid for already.
    pub count: u64,
    /// Transcript after them.
    pub transcript: Transcript,
    /// Unix seconds at which the client may take the rest; 0 unless it asked to.
    pub thaw_end: u64,
    /// Token base units per answer.
    pub price: u128,
    /// What is left in escrow.
    pub remaining: u128,
}

/// An agent version as its registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainVersion {
    /// The agent's owner.
    pub owner: Hex20,
    /// Digest of its weights.
    pub weights_digest: WeightsDigest,
    /// Whether its certificate stands.
    pub certified: bool,
}

/// By what right an account may train on a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// It owns the dataset, or anybody may.
    Free,
    /// A grant of the registry's.
    Granted(ChainGrant),
}

/// A grant to train, as the dataset registry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainGrant {
    /// The dataset's first version: a grant is of all versions together.
    pub root: DatasetId,
    /// Counts the grants of the dataset to this account.
    pub serial: u32,
    /// Agent versions that may still list the dataset.
    pub uses: u32,
}

/// A chain to read from.
#[tonic::async_trait]
pub trait Chain: Send + Sync + std::fmt::Debug {
    /// Where the contracts stand.
    fn contracts(&self) -> Contracts;
    /// A session, if there is one of that id.
    async fn session(&self, id: SessionId) -> Result<Option<ChainSession>>;
    /// An agent version, if there is one.
    async fn version(&self, agent: AgentId, version: u32) -> Result<Option<ChainVersion>>;
    /// By what right an account may train on a dataset now, if by any.
    async fn training(&self, dataset: DatasetId, account: Hex20) -> Result<Option<Training>>;
}
