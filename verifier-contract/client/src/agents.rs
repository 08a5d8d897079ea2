//! Agents: versions, gradients, certificates, views.

use alloy::primitives::{Address, B256, U256};

use tribute_core::id::AgentId;
use tribute_core::proof::Proof;

use crate::abi::{bytes, inputs, word, IAgentRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

pub use crate::abi::IAgentRegistry::{
    AgentCreated, GradientProven, Layout, Version, VersionCertified, VersionParams, VersionProposed,
};

impl Contracts {
    /// Creates an agent owned by the sender; `name` is UTF-8 of at most 32 bytes, see [`short_name`].
    pub fn create_agent(&self, name: B256) -> Call<Abi::createAgentCall, AgentCreated> {
        self.call(self.agents_at(), "create an agent", &Abi::createAgentCall { name }, |e| e.one())
    }

    /// Proposes an agent's next version; takes one use of each dataset's grant.
    pub fn propose_version(
        &self,
        agent: &AgentId,
        params: VersionParams,
    ) -> Call<Abi::proposeVersionCall, VersionProposed> {
        let call = Abi::proposeVersionCall { agentId: word(agent), params };
        self.call(self.agents_at(), format!("propose a version of agent {agent}"), &call, |e| e.one())
    }

    /// Brings the gradient proof of one slot.
    pub fn submit_gradient(
        &self,
        agent: &AgentId,
        version: u32,
        slot: u64,
        proof: &Proof,
    ) -> Call<Abi::submitGradientCall, GradientProven> {
        let call = Abi::submitGradientCall {
            agentId: word(agent),
            version,
            slot: U256::from(slot),
            inputs: inputs(proof),
            proof: bytes(proof),
        };
        let action = format!("submit the gradient of slot {slot} for agent {agent} version {version}");
        self.call(self.agents_at(), action, &call, |e| e.one())
    }

    /// Brings the optimum proof.
    pub fn certify(&self, agent: &AgentId, version: u32, proof: &Proof) -> Call<Abi::certifyCall, VersionCertified> {
        let call = Abi::certifyCall { agentId: word(agent), version, inputs: inputs(proof), proof: bytes(proof) };
        self.call(self.agents_at(), format!("certify agent {agent} version {version}"), &call, |e| e.one())
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
        self.chain.read(self.agents_at(), &Abi::getVersionCall { agentId: word(agent), version }).await
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
