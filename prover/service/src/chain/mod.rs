//! What the service reads from a chain. It never writes: clients sign and send their own transactions.

mod rpc;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId, SessionId, Transcript, WeightsDigest};
use tribute_problem::Result;
use tribute_steps::shape::Target;

pub use rpc::RpcChain;

/// Chain id and addresses of the contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `ProofGate`.
    pub proof_gate: AccountAddress,
    /// `DatasetRegistry`.
    pub dataset_registry: AccountAddress,
    /// `AgentRegistry`.
    pub agent_registry: AccountAddress,
    /// `SessionEscrow`.
    pub session_escrow: AccountAddress,
    /// `Evaluations`.
    pub evaluations: AccountAddress,
    /// First block that may hold events of the contracts.
    pub block: u64,
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

/// A session's state in the escrow contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSession {
    /// Account that pays.
    pub client: AccountAddress,
    /// Account that signs vouchers.
    pub session_key: AccountAddress,
    /// Agent that serves the session.
    pub agent_id: AgentId,
    /// Version of that agent.
    pub version: u32,
    /// Number of answers claimed so far.
    pub count: u64,
    /// Transcript after those answers.
    pub transcript: Transcript,
    /// Unix seconds from which the client may withdraw the rest; 0 unless it has asked to.
    pub thaw_end: u64,
    /// Token base units per answer.
    pub price: u128,
    /// Token base units left in escrow.
    pub remaining: u128,
}

/// An agent version's state in the agent registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainVersion {
    /// The agent's owner.
    pub owner: AccountAddress,
    /// Digest of its weights.
    pub weights_digest: WeightsDigest,
    /// Whether it is certified and not in doubt.
    pub certified: bool,
}

/// Why an account may train on a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// It owns the dataset, or the dataset's terms allow anyone.
    Free,
    /// The dataset registry has a grant.
    Granted(ChainGrant),
}

/// A training grant in the dataset registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainGrant {
    /// First version of the dataset: a grant covers all its versions.
    pub root: DatasetId,
    /// Sequence number among the grants of the dataset to this account.
    pub serial: u32,
    /// Agent versions that may still list the dataset.
    pub uses: u32,
}

/// A chain to read from.
#[tonic::async_trait]
pub trait Chain: Send + Sync + std::fmt::Debug {
    /// Chain id and addresses of the contracts.
    fn contracts(&self) -> Contracts;
    /// A session by id; `None` if there is none.
    async fn session(&self, id: SessionId) -> Result<Option<ChainSession>>;
    /// An agent version; `None` if there is none.
    async fn version(&self, agent: AgentId, version: u32) -> Result<Option<ChainVersion>>;
    /// A dataset's current owner; `None` if the registry does not know it.
    async fn dataset_owner(&self, dataset: DatasetId) -> Result<Option<AccountAddress>>;
    /// Unix seconds of the newest block.
    async fn latest(&self) -> Result<u64>;
    /// Why an account may train on a dataset now; `None` if it may not.
    async fn training(&self, dataset: DatasetId, account: AccountAddress) -> Result<Option<Training>>;
}
