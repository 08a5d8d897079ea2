//! The contracts' state, rebuilt from their events. Pure: events in, tables out.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, I256, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use serde::{Deserialize, Serialize};
use tribute_core::context::Terms;
use tribute_core::id::{
    AgentId, CircuitId, DatasetId, GradientDigest, LayoutHash, ModelDigest, SchemaId, SessionId, ShardDigest,
    WeightsDigest,
};

use crate::abi::IAgentRegistry::IAgentRegistryEvents as AgentEvent;
use crate::abi::IDatasetRegistry::IDatasetRegistryEvents as DatasetEvent;
use crate::abi::IProofGate::IProofGateEvents as GateEvent;
use crate::abi::ISessionEscrow::ISessionEscrowEvents as SessionEvent;
use crate::dataset_node::NodeEntry;
use crate::deployment::Deployment;
use crate::error::{ChainError, Result};

/// A circuit of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitState {
    /// Code of its statement.
    pub statement: u8,
    /// Hash of its layout.
    pub layout: LayoutHash,
    /// Its verifier.
    pub verifier: Address,
    /// Whether it was stopped.
    pub stopped: bool,
}

/// A shard of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardState {
    /// Digest of its committed columns.
    pub digest: ShardDigest,
    /// Owner of the dataset when it was added, whom its proof names.
    pub owner: Address,
    /// Number of its records.
    pub records: u64,
}

/// A grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantState {
    /// Number of agent versions that may still list the dataset.
    pub uses: u32,
    /// Unix time in seconds, inclusive, until which it is valid.
    pub expiry: u64,
    /// Counts the grants to this account.
    pub serial: u32,
}

/// A version of a dataset; terms, owner and grants are those of its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetState {
    /// Id of its first version.
    pub root: DatasetId,
    /// Its owner.
    pub owner: Address,
    /// Schema id.
    pub schema: SchemaId,
    /// Circuit that admitted it.
    pub circuit: CircuitId,
    /// Hash of its layout.
    pub layout: LayoutHash,
    /// Number of its records.
    pub records: u64,
    /// Its terms.
    pub terms: Terms,
    /// Its shards in order, those of earlier versions first.
    pub shards: Vec<ShardState>,
    /// Grants by agent owner; only set in the root.
    pub grants: BTreeMap<Address, GrantState>,
    /// Payout address of its rewards, if not the owner; only set in the root.
    pub payout: Option<Address>,
    /// What its entry says about its provider's node; only set in the root.
    pub node: Option<NodeEntry>,
}

/// Content of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateState {
    /// Records of all datasets.
    pub records: u64,
    /// Proven bound of the gradient's norm, in units of 2^-44.
    pub epsilon: u64,
    /// Proven lower bound of the weights' norm, in units of 2^-10.
    pub norm: u32,
    /// Sum of all contributions, in the version's units.
    pub total: I256,
    /// Sum of the positive ones among them.
    pub positive: U256,
}

/// Status of a version, as far as events show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionStage {
    /// Its owner lists datasets.
    Draft,
    /// The list is final.
    Closed,
    /// Certified.
    Certified,
    /// Abandoned.
    Abandoned,
}

/// An agent version and its money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionState {
    /// Digest of its weights.
    pub weights: WeightsDigest,
    /// SHA-256 of its file.
    pub model: ModelDigest,
    /// The owner who proposed it.
    pub owner: Address,
    /// Its status.
    pub stage: VersionStage,
    /// Least price of a query, in token units.
    pub price: u128,
    /// Its datasets in order.
    pub datasets: Vec<DatasetId>,
    /// Digests of the gradients added, by dataset and shard.
    pub gradients: BTreeMap<DatasetId, BTreeMap<u32, GradientDigest>>,
    /// Contribution of each dataset so far, in the version's units.
    pub contributions: BTreeMap<DatasetId, I256>,
    /// Its certificate, if it has one.
    pub certificate: Option<CertificateState>,
    /// Accrued for data providers.
    pub to_data: U256,
    /// Accrued for the owner.
    pub to_owner: U256,
    /// Paid to the owner.
    pub owner_paid: U256,
    /// Paid to providers by dataset.
    pub providers_paid: BTreeMap<DatasetId, U256>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentState {
    /// Its owner.
    pub owner: Address,
    /// Its name, zero-padded UTF-8.
    pub name: B256,
    /// Where to find it and how to use it.
    pub metadata: String,
    /// Payout address of its owner's fees, if not the owner.
    pub payout: Option<Address>,
    /// Its versions by number.
    pub versions: BTreeMap<u32, VersionState>,
}

/// A session and its money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Its client.
    pub client: Address,
    /// Its agent.
    pub agent: AgentId,
    /// The agent's version.
    pub version: u32,
    /// Price per query, in token units.
    pub price: u128,
    /// Token units escrowed, at opening and later.
    pub escrowed: U256,
    /// Key that signs vouchers.
    pub session_key: Address,
    /// Transcript after the last proven query.
    pub transcript: U256,
    /// Queries proven.
    pub count: u64,
    /// Queries paid.
    pub paid: u64,
    /// Token units claimed.
    pub claimed: U256,
    /// Token units paid back.
    pub refunded: U256,
    /// Unix time in seconds from which the thawing amount can be withdrawn; 0 unless thawing.
    pub thaw_end: u64,
}

impl SessionState {
    /// Token units still in escrow.
    #[must_use]
    pub fn remaining(&self) -> U256 {
        self.escrowed.saturating_sub(self.claimed).saturating_sub(self.refunded)
    }
}

/// The state of all contracts, as far as their events contain it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Circuits by id.
    pub circuits: BTreeMap<CircuitId, CircuitState>,
    /// Datasets by id.
    pub datasets: BTreeMap<DatasetId, DatasetState>,
    /// Agents by id.
    pub agents: BTreeMap<AgentId, AgentState>,
    /// Sessions by id.
    pub sessions: BTreeMap<SessionId, SessionState>,
}

impl Tables {
    /// Tokens still in escrow, all sessions together.
    #[must_use]
    pub fn escrow(&self) -> U256 {
        self.sessions.values().map(SessionState::remaining).fold(U256::ZERO, U256::saturating_add)
    }

    /// Rewards accrued and not paid, including rounding dust.
    #[must_use]
    pub fn rewards(&self) -> U256 {
        let versions = self.agents.values().flat_map(|agent| agent.versions.values());
        versions.fold(U256::ZERO, |sum, v| {
            let paid = v.providers_paid.values().fold(v.owner_paid, |s, p| s.saturating_add(*p));
            sum.saturating_add(v.to_data.saturating_add(v.to_owner).saturating_sub(paid))
        })
    }

    /// Applies one log. Logs of other contracts and events that carry no state here are skipped.
    pub fn apply(&mut self, deployment: &Deployment, log: &Log) -> Result<()> {
        let address = log.address();
        let outcome = if address == deployment.proof_gate.address {
            decoded(log, GateEvent::SELECTORS, GateEvent::decode_log).map(|e| e.map(|e| self.gate(e)))
        } else if address == deployment.dataset_registry.address {
            decoded(log, DatasetEvent::SELECTORS, DatasetEvent::decode_log).map(|e| e.map(|e| self.dataset(e)))
        } else if address == deployment.agent_registry.address {
            decoded(log, AgentEvent::SELECTORS, AgentEvent::decode_log).map(|e| e.map(|e| self.agent(e)))
        } else if address == deployment.session_escrow.address {
            decoded(log, SessionEvent::SELECTORS, SessionEvent::decode_log).map(|e| e.map(|e| self.session(e)))
        } else {
            Ok(None)
        };
        let known = match outcome {
            Ok(applied) => applied.unwrap_or(Some(())),
            Err(cause) => return Err(bad(log, cause)),
        };
        known.ok_or_else(|| bad(log, "it is about something that no earlier event created".to_owned()))
    }

    fn gate(&mut self, event: GateEvent) -> Option<()> {
        match event {
            GateEvent::CircuitAdded(e) => {
                let entry = CircuitState {
                    statement: e.statement,
                    layout: LayoutHash::new(e.layoutHash.0),
                    verifier: e.verifier,
                    stopped: false,
                };
                self.circuits.insert(CircuitId::new(e.circuitId.0), entry);
            }
            GateEvent::CircuitStopped(e) => self.circuits.get_mut(&e.circuitId.0)?.stopped = true,
            _ => {}
        }
        Some(())
    }

    fn dataset(&mut self, event: DatasetEvent) -> Option<()> {
        let payout = |address: Address| (!address.is_zero()).then_some(address);
        match event {
            DatasetEvent::DatasetRegistered(e) => {
                let id = DatasetId::new(e.datasetId.0);
                let entry = DatasetState {
                    root: id,
                    owner: e.owner,
                    schema: SchemaId::new(e.schemaId.0),
                    circuit: CircuitId::new(e.circuitId.0),
                    layout: LayoutHash::new(e.layoutHash.0),
                    records: e.records,
                    terms: e.terms.into(),
                    shards: Vec::new(),
                    grants: BTreeMap::new(),
                    payout: None,
                    node: None,
                };
                self.datasets.insert(id, entry);
            }
            DatasetEvent::DatasetExtended(e) => {
                let mut entry = self.datasets.get(&e.previousId.0)?.clone();
                (entry.records, entry.grants, entry.payout, entry.node) = (e.records, BTreeMap::new(), None, None);
                self.datasets.insert(DatasetId::new(e.datasetId.0), entry);
            }
            DatasetEvent::ShardRegistered(e) => {
                let dataset = self.datasets.get_mut(&e.datasetId.0)?;
                let shard =
                    ShardState { digest: ShardDigest::new(e.digest.0), owner: dataset.owner, records: e.records };
                dataset.shards.push(shard);
            }
            DatasetEvent::TrainingGranted(e) => {
                let grant = GrantState { uses: e.terms.uses, expiry: e.terms.expiry, serial: e.serial };
                self.datasets.get_mut(&e.root.0)?.grants.insert(e.grantee, grant);
            }
            DatasetEvent::GrantUsed(e) => {
                self.datasets.get_mut(&e.root.0)?.grants.get_mut(&e.grantee)?.uses = e.usesLeft;
            }
            DatasetEvent::GrantReturned(e) => {
                self.datasets.get_mut(&e.root.0)?.grants.get_mut(&e.grantee)?.uses = e.usesLeft;
            }
            DatasetEvent::DatasetTransferred(e) => {
                let versions = self.datasets.values_mut().filter(|d| d.root.as_bytes() == &e.root.0);
                versions.for_each(|d| (d.owner, d.payout, d.node) = (e.to, None, None));
            }
            DatasetEvent::PayoutChanged(e) => self.datasets.get_mut(&e.root.0)?.payout = payout(e.payout),
            DatasetEvent::NodeSet(e) => self.datasets.get_mut(&e.root.0)?.node = NodeEntry::new(e.node),
            _ => {}
        }
        Some(())
    }

    fn agent(&mut self, event: AgentEvent) -> Option<()> {
        match event {
            AgentEvent::AgentCreated(e) => {
                let (name, metadata) = (e.name, e.metadata);
                let entry = AgentState { owner: e.owner, name, metadata, payout: None, versions: BTreeMap::new() };
                self.agents.insert(AgentId::new(e.agentId.0), entry);
            }
            AgentEvent::MetadataChanged(e) => self.agents.get_mut(&e.agentId.0)?.metadata = e.metadata,
            AgentEvent::AgentTransferred(e) => {
                let agent = self.agents.get_mut(&e.agentId.0)?;
                (agent.owner, agent.payout) = (e.to, None);
            }
            AgentEvent::PayoutChanged(e) => {
                self.agents.get_mut(&e.agentId.0)?.payout = (!e.payout.is_zero()).then_some(e.payout);
            }
            AgentEvent::VersionProposed(e) => {
                let entry = VersionState {
                    weights: WeightsDigest::new(e.params.wDigest.0),
                    model: ModelDigest::new(e.params.modelHash.0),
                    owner: e.owner,
                    stage: VersionStage::Draft,
                    price: e.params.pricePerQuery,
                    datasets: Vec::new(),
                    gradients: BTreeMap::new(),
                    contributions: BTreeMap::new(),
                    certificate: None,
                    to_data: U256::ZERO,
                    to_owner: U256::ZERO,
                    owner_paid: U256::ZERO,
                    providers_paid: BTreeMap::new(),
                };
                self.agents.get_mut(&e.agentId.0)?.versions.insert(e.version, entry);
            }
            AgentEvent::DatasetListed(e) => {
                self.version(e.agentId, e.version)?.datasets.push(DatasetId::new(e.datasetId.0));
            }
            AgentEvent::VersionClosed(e) => self.version(e.agentId, e.version)?.stage = VersionStage::Closed,
            AgentEvent::VersionAbandoned(e) => self.version(e.agentId, e.version)?.stage = VersionStage::Abandoned,
            AgentEvent::GradientAdded(e) => {
                let (version, dataset) = (self.version(e.agentId, e.version)?, DatasetId::new(e.datasetId.0));
                let digest = GradientDigest::new(e.gradientDigest.0);
                version.gradients.entry(dataset).or_default().insert(e.shard, digest);
                let sum = version.contributions.entry(dataset).or_default();
                *sum = sum.saturating_add(e.contribution);
            }
            AgentEvent::VersionCertified(e) => {
                let version = self.version(e.agentId, e.version)?;
                version.stage = VersionStage::Certified;
                version.certificate = Some(CertificateState {
                    records: e.records,
                    epsilon: e.epsilon,
                    norm: e.norm,
                    total: e.total,
                    positive: e.positive,
                });
            }
            _ => {}
        }
        Some(())
    }

    fn session(&mut self, event: SessionEvent) -> Option<()> {
        match event {
            SessionEvent::SessionOpened(e) => {
                let entry = SessionState {
                    client: e.client,
                    agent: AgentId::new(e.agentId.0),
                    version: e.version,
                    price: e.pricePerQuery,
                    escrowed: U256::from(e.escrow),
                    session_key: e.sessionKey,
                    transcript: e.transcript,
                    count: 0,
                    paid: 0,
                    claimed: U256::ZERO,
                    refunded: U256::ZERO,
                    thaw_end: 0,
                };
                self.sessions.insert(SessionId::new(e.session.0), entry);
            }
            SessionEvent::SessionToppedUp(e) => {
                add(&mut self.sessions.get_mut(&e.session.0)?.escrowed, U256::from(e.amount));
            }
            SessionEvent::ThawRequested(e) => self.sessions.get_mut(&e.session.0)?.thaw_end = e.thawEnd,
            SessionEvent::ThawCancelled(e) => self.sessions.get_mut(&e.session.0)?.thaw_end = 0,
            SessionEvent::ThawedWithdrawn(e) => {
                let entry = self.sessions.get_mut(&e.session.0)?;
                entry.thaw_end = 0;
                add(&mut entry.refunded, e.amount);
            }
            SessionEvent::QueriesClaimed(e) => {
                let entry = self.sessions.get_mut(&e.session.0)?;
                (entry.count, entry.transcript, entry.paid) = (e.count, e.transcript, e.paid);
                add(&mut entry.claimed, e.amount);
            }
            SessionEvent::SessionSettled(e) => {
                let entry = self.sessions.get_mut(&e.session.0)?;
                entry.paid = e.paid;
                add(&mut entry.claimed, e.amount);
            }
            SessionEvent::FeesAccrued(e) => {
                let entry = self.version(e.agentId, e.version)?;
                add(&mut entry.to_data, e.toData);
                add(&mut entry.to_owner, e.toOwner);
            }
            SessionEvent::ProviderPaid(e) => {
                let paid = &mut self.version(e.agentId, e.version)?.providers_paid;
                add(paid.entry(DatasetId::new(e.datasetId.0)).or_default(), e.amount);
            }
            SessionEvent::OwnerPaid(e) => add(&mut self.version(e.agentId, e.version)?.owner_paid, e.amount),
            _ => {}
        }
        Some(())
    }

    fn version(&mut self, agent: B256, version: u32) -> Option<&mut VersionState> {
        self.agents.get_mut(&agent.0)?.versions.get_mut(&version)
    }
}

fn add(sum: &mut U256, amount: U256) {
    *sum = sum.saturating_add(amount);
}

/// The event in a log; `None` if it is an event of one of the contract's libraries.
fn decoded<E>(
    log: &Log,
    selectors: &[[u8; 32]],
    decode: fn(&alloy::primitives::Log) -> alloy::sol_types::Result<alloy::primitives::Log<E>>,
) -> Result<Option<E>, String> {
    let known = log.topic0().is_some_and(|topic| selectors.contains(&topic.0));
    if !known {
        return Ok(None);
    }
    decode(&log.inner).map(|decoded| Some(decoded.data)).map_err(|e| e.to_string())
}

fn bad(log: &Log, cause: String) -> ChainError {
    ChainError::BadLog { tx: log.transaction_hash.unwrap_or_default(), index: log.log_index.unwrap_or_default(), cause }
}
