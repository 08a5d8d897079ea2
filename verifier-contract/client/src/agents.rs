//! Agents: versions, gradients, certificates, views.

use alloy::primitives::{Address, B256, U256};

use tribute_core::id::{AgentId, CircuitId, DatasetId, GradientDigest, ModelDigest, WeightsDigest};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::proof::Proof;

use crate::abi::{bytes, inputs, word, IAgentRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::state::CertificateState;

/// What an agent's owner proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// Its datasets in order.
    pub datasets: Vec<DatasetId>,
    /// Rows and columns of its circuits.
    pub layout: Layout,
    /// λ, units of 2^-32.
    pub lambda: u32,
    /// Link.
    pub link: Link,
    /// Whether the bias is penalised.
    pub reg_bias: bool,
    /// Part of the fees that goes to data, in basis points.
    pub data_bps: u16,
    /// Its committed weights.
    pub weights: WeightsDigest,
    /// Circuit of its gradients' proofs.
    pub gradient: CircuitId,
    /// Circuit of its optimum's proof.
    pub optimum: CircuitId,
    /// Circuit of its answers' proofs.
    pub service: CircuitId,
    /// Its file.
    pub model: ModelDigest,
}

impl NewVersion {
    fn params(&self) -> Abi::VersionParams {
        let l = &self.layout;
        Abi::VersionParams {
            datasetIds: self.datasets.iter().map(word).collect(),
            dims: Abi::Layout {
                k: l.k(),
                columns: l.columns() as u32,
                features: l.features() as u32,
                classes: l.classes() as u32,
                task: u32::from(l.task() == Task::Real),
                saltRows: l.salt_rows() as u32,
            },
            lambda: self.lambda,
            link: self.link.code(),
            regBias: self.reg_bias,
            dataBps: self.data_bps,
            wDigest: word(&self.weights),
            gradientCircuitId: word(&self.gradient),
            optimumCircuitId: word(&self.optimum),
            serviceCircuitId: word(&self.service),
            modelHash: word(&self.model),
        }
    }
}

/// A version as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whether its certificate stands.
    pub certified: bool,
    /// Its committed weights.
    pub weights: WeightsDigest,
    /// Its file.
    pub model: ModelDigest,
    /// Its datasets in order.
    pub datasets: Vec<DatasetId>,
    /// Share of each dataset, units of 2^-20; empty before it is certified.
    pub shares: Vec<i32>,
}

impl Contracts {
    /// Creates an agent owned by the sender; `name` is UTF-8 of at most 32 bytes, see [`short_name`].
    pub fn create_agent(&self, name: B256) -> Call<Abi::createAgentCall, AgentId> {
        self.call(self.agents_at(), "create an agent", &Abi::createAgentCall { name }, |e| {
            e.one().map(|e: Abi::AgentCreated| AgentId::new(e.agentId.0))
        })
    }

    /// Proposes an agent's next version, and says its number; takes one use of each dataset's grant.
    pub fn propose_version(&self, agent: &AgentId, new: &NewVersion) -> Call<Abi::proposeVersionCall, u32> {
        let call = Abi::proposeVersionCall { agentId: word(agent), params: new.params() };
        self.call(self.agents_at(), format!("propose a version of agent {agent}"), &call, |e| {
            e.one().map(|e: Abi::VersionProposed| e.version)
        })
    }

    /// Brings the gradient proof of one slot.
    pub fn submit_gradient(
        &self,
        agent: &AgentId,
        version: u32,
        slot: u64,
        proof: &Proof,
    ) -> Call<Abi::submitGradientCall, GradientDigest> {
        let call = Abi::submitGradientCall {
            agentId: word(agent),
            version,
            slot: U256::from(slot),
            inputs: inputs(proof),
            proof: bytes(proof),
        };
        let action = format!("submit the gradient of slot {slot} for agent {agent} version {version}");
        self.call(self.agents_at(), action, &call, |e| {
            e.one().map(|e: Abi::GradientProven| GradientDigest::new(e.gradientDigest.0))
        })
    }

    /// Brings the optimum proof.
    pub fn certify(&self, agent: &AgentId, version: u32, proof: &Proof) -> Call<Abi::certifyCall, CertificateState> {
        let call = Abi::certifyCall { agentId: word(agent), version, inputs: inputs(proof), proof: bytes(proof) };
        self.call(self.agents_at(), format!("certify agent {agent} version {version}"), &call, |e| {
            let e: Abi::VersionCertified = e.one()?;
            Ok(CertificateState { records: e.records, epsilon: e.epsilon, norm: e.norm, shares: e.shares })
        })
    }

    /// Number of agents that `owner` created.
    pub async fn agent_count(&self, owner: Address) -> Result<u64> {
        let count = self.chain.read(self.agents_at(), &Abi::agentCountCall { owner }).await?;
        Ok(count.saturating_to())
    }

    /// An agent's owner; reverts with `UnknownAgent`.
    pub async fn agent_owner(&self, agent: &AgentId) -> Result<Address> {
        self.chain.read(self.agents_at(), &Abi::agentOwnerCall { agentId: word(agent) }).await
    }

    /// Number of an agent's versions; they count from 1.
    pub async fn version_count(&self, agent: &AgentId) -> Result<u32> {
        self.chain.read(self.agents_at(), &Abi::versionCountCall { agentId: word(agent) }).await
    }

    /// A version as it stands; reverts with `UnknownVersion`.
    pub async fn version(&self, agent: &AgentId, version: u32) -> Result<Version> {
        let v = self.chain.read(self.agents_at(), &Abi::getVersionCall { agentId: word(agent), version }).await?;
        Ok(Version {
            certified: v.certified,
            weights: WeightsDigest::new(v.wDigest.0),
            model: ModelDigest::new(v.modelHash.0),
            datasets: v.datasetIds.iter().map(|id| DatasetId::new(id.0)).collect(),
            shares: v.shares,
        })
    }

    /// A version as it stands, `None` if there is none.
    pub async fn find_version(&self, agent: &AgentId, version: u32) -> Result<Option<Version>> {
        Self::known(self.version(agent, version).await, "UnknownVersion")
    }

    /// Whether a version is certified; false if there is none.
    pub async fn is_certified(&self, agent: &AgentId, version: u32) -> Result<bool> {
        self.chain.read(self.agents_at(), &Abi::isCertifiedCall { agentId: word(agent), version }).await
    }

    /// The context that a slot's gradient proof must carry, as the contract computes it.
    pub async fn gradient_context(&self, agent: &AgentId, version: u32, slot: u64) -> Result<U256> {
        let call = Abi::gradientContextCall { agentId: word(agent), version, slot: U256::from(slot) };
        self.chain.read(self.agents_at(), &call).await
    }

    /// The context that the optimum proof must carry, as the contract computes it.
    pub async fn optimum_context(&self, agent: &AgentId, version: u32) -> Result<U256> {
        self.chain.read(self.agents_at(), &Abi::optimumContextCall { agentId: word(agent), version }).await
    }

    fn agents_at(&self) -> Address {
        self.deployment.agent_registry.address
    }
}

/// A name as contracts store it: its UTF-8 bytes, zero-padded; `None` if it is longer than 32 bytes.
#[must_use]
pub fn short_name(name: &str) -> Option<B256> {
    let mut word = B256::ZERO;
    word.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(word)
}
