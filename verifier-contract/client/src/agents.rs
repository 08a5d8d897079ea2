//! Agents: versions, gradients, certificates, views.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use tribute_core::id::{AgentId, DatasetId};
use tribute_core::proof::Proof;

use crate::abi::IAgentRegistry::GradientProof;
use crate::abi::{bytes, inputs, word, IAgentRegistry as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;
use crate::sync::windows;

pub use crate::abi::IAgentRegistry::{
    AgentCreated, Contribution, DatasetListed, GradientAdded, Layout, Status, Sums, Version, VersionCertified,
    VersionClosed, VersionParams, VersionProposed,
};

/// Where a version stands, as the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its owner lists datasets.
    Draft,
    /// The list is final; gradients are being brought.
    Closed,
    /// Certified, and none of its circuits is stopped.
    Certified,
    /// Certified, but one of its circuits was stopped since.
    Doubtful,
    /// Given up before it was certified.
    Abandoned,
}

impl Stage {
    /// Its name, in lower case.
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

impl Version {
    /// Where it stands. A version that is read exists, so it stands somewhere.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.status {
            1 => Stage::Draft,
            2 => Stage::Closed,
            3 => Stage::Certified,
            4 => Stage::Doubtful,
            _ => Stage::Abandoned,
        }
    }
}

/// The gradient proof of one listed shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gradient {
    /// The dataset.
    pub dataset: DatasetId,
    /// Which of its shards, counted from 0.
    pub shard: u32,
    /// The proof.
    pub proof: Proof,
}

impl Contracts {
    /// Creates an agent owned by the sender; `name` is UTF-8 of at most 32 bytes, see [`short_name`]; `metadata` says where
    /// to find it and how to use it, at most 1,024 bytes.
    pub fn create_agent(&self, name: B256, metadata: &str) -> Call<Abi::createAgentCall, AgentCreated> {
        let call = Abi::createAgentCall { name, metadata: metadata.to_owned() };
        self.call(self.agents_at(), "create an agent", &call, |e| e.one())
    }

    /// Proposes an agent's next version: a draft.
    pub fn propose(&self, agent: &AgentId, params: VersionParams) -> Call<Abi::proposeCall, VersionProposed> {
        let call = Abi::proposeCall { agentId: word(agent), params };
        self.call(self.agents_at(), format!("propose a version of agent {agent}"), &call, |e| e.one())
    }

    /// Lists datasets in a draft, after those listed before; takes one use of each one's grant.
    pub fn add_datasets(
        &self,
        agent: &AgentId,
        version: u32,
        datasets: &[DatasetId],
    ) -> Call<Abi::addDatasetsCall, Vec<DatasetListed>> {
        let call =
            Abi::addDatasetsCall { agentId: word(agent), version, datasetIds: datasets.iter().map(word).collect() };
        let action = format!("list {} dataset(s) in agent {agent} version {version}", datasets.len());
        self.call(self.agents_at(), action, &call, |e| e.all())
    }

    /// Makes a draft's list final.
    pub fn close(&self, agent: &AgentId, version: u32) -> Call<Abi::closeCall, VersionClosed> {
        let call = Abi::closeCall { agentId: word(agent), version };
        self.call(self.agents_at(), format!("close agent {agent} version {version}"), &call, |e| e.one())
    }

    /// Adds gradient proofs of listed shards to a closed version.
    pub fn add_gradients(
        &self,
        agent: &AgentId,
        version: u32,
        gradients: &[Gradient],
    ) -> Call<Abi::addGradientsCall, Vec<GradientAdded>> {
        let action = format!("add {} gradient(s) to agent {agent} version {version}", gradients.len());
        let proof = |g: &Gradient| GradientProof {
            datasetId: word(&g.dataset),
            shard: g.shard,
            inputs: inputs(&g.proof),
            proof: bytes(&g.proof),
        };
        let proofs = gradients.iter().map(proof).collect();
        let call = Abi::addGradientsCall { agentId: word(agent), version, proofs };
        self.call(self.agents_at(), action, &call, |e| e.all())
    }

    /// Gives up a draft or closed version.
    pub fn abandon(
        &self,
        agent: &AgentId,
        version: u32,
    ) -> Call<Abi::abandonCall, crate::abi::IAgentRegistry::VersionAbandoned> {
        let call = Abi::abandonCall { agentId: word(agent), version };
        self.call(self.agents_at(), format!("abandon agent {agent} version {version}"), &call, |e| e.one())
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

    /// What a version's gradients add up to so far.
    pub async fn sums(&self, agent: &AgentId, version: u32) -> Result<Sums> {
        self.chain.read(self.agents_at(), &Abi::sumsOfCall { agentId: word(agent), version }).await
    }

    /// A dataset in a version: all 0 if that version of the dataset is not listed.
    pub async fn contribution(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<Contribution> {
        let call = Abi::contributionOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        self.chain.read(self.agents_at(), &call).await
    }

    /// The datasets that a version lists, in order, from its events.
    pub async fn listed(&self, agent: &AgentId, version: u32) -> Result<Vec<DatasetId>> {
        let filter = Filter::new()
            .address(self.agents_at())
            .event_signature(DatasetListed::SIGNATURE_HASH)
            .topic1(word(agent))
            .topic2(B256::from(U256::from(version)));
        let newest = self.chain.block_number().await?;
        let logs = windows(&self.chain, &filter, self.deployment.block, newest).await?;
        // a log under this signature that does not decode is none of this contract's
        let listed = logs.iter().filter_map(|log| DatasetListed::decode_log(&log.inner).ok());
        Ok(listed.map(|event| DatasetId::new(event.datasetId.0)).collect())
    }

    /// Whether a shard's gradient was added.
    pub async fn gradient_added(&self, agent: &AgentId, version: u32, dataset: &DatasetId, shard: u32) -> Result<bool> {
        let call = Abi::gradientAddedCall { agentId: word(agent), version, datasetId: word(dataset), shard };
        self.chain.read(self.agents_at(), &call).await
    }

    /// The context that a shard's gradient proof must carry, as the contract computes it.
    pub async fn gradient_context(
        &self,
        agent: &AgentId,
        version: u32,
        dataset: &DatasetId,
        shard: u32,
    ) -> Result<U256> {
        let call = Abi::gradientContextCall { agentId: word(agent), version, datasetId: word(dataset), shard };
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
