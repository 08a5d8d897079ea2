//! Agents: versions, gradients, certificates, views.

use alloy::primitives::{Address, B256, I256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use tribute_core::digest::Digest;
use tribute_core::id::{
    AgentId, CircuitId, DatasetId, GradientDigest, LayoutHash, ModelDigest, SchemaId, WeightsDigest,
};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::proof::Proof;

use crate::abi::IAgentRegistry::GradientProof;
use crate::abi::{bytes, digest, inputs, word, IAgentRegistry as Abi, IDatasetRegistry};
use crate::call::{Call, Events};
use crate::contracts::Contracts;
use crate::error::Result;
use crate::state::CertificateState;
use crate::sync::windows;
use crate::version::{Stage, Version};

/// The parameters of a proposed agent version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// Layout of its circuits.
    pub layout: Layout,
    /// λ, in units of 2^-44.
    pub lambda: u64,
    /// Link.
    pub link: Link,
    /// Least price of a query, in token units.
    pub price: u128,
    /// Part of the fees that goes to data providers, in basis points.
    pub data_bps: u16,
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
}

impl NewVersion {
    fn params(&self) -> Abi::VersionParams {
        let l = &self.layout;
        Abi::VersionParams {
            dims: Abi::Layout {
                k: l.k(),
                columns: l.columns() as u32,
                features: l.features() as u32,
                classes: l.classes() as u32,
                task: u32::from(l.task() == Task::Real),
                saltRows: l.salt_rows() as u32,
                interceptScale: l.intercept_scale(),
            },
            lambda: self.lambda,
            link: self.link.code(),
            dataBps: self.data_bps,
            pricePerQuery: self.price,
            wDigest: word(&self.weights),
            gradientCircuitId: word(&self.gradient),
            optimumCircuitId: word(&self.optimum),
            serviceCircuitId: word(&self.service),
            modelHash: word(&self.model),
        }
    }
}

/// A dataset that was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The dataset.
    pub dataset: DatasetId,
    /// Its shards.
    pub shards: u32,
    /// Records in them.
    pub records: u64,
    /// Hash of the list up to and including it.
    pub list: Digest,
}

impl From<Abi::DatasetListed> for Listed {
    fn from(e: Abi::DatasetListed) -> Self {
        let (shards, records) = (e.admission.shards, e.admission.records);
        Listed { dataset: DatasetId::new(e.datasetId.0), shards, records, list: e.listHash.0 }
    }
}

/// A version whose list was made final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Hash of the list.
    pub list: Digest,
    /// Datasets listed.
    pub datasets: u32,
    /// Their shards.
    pub shards: u32,
    /// Records in them.
    pub records: u64,
}

/// Running sums over a version's gradients, in the version's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Sum of the contributions of all complete datasets.
    pub total: I256,
    /// Sum of the positive ones among them.
    pub positive: U256,
    /// Least `⌊N·10000/least share⌋` of the complete datasets with a least share, which `positive` must not exceed; `None`
    /// without any.
    pub least_base: Option<U256>,
}

/// A dataset's entry in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Sum of the contributions of its shards so far, in the version's units.
    pub value: I256,
    /// Shards listed; 0 if this version of the dataset is not listed.
    pub shards: u32,
    /// Shards whose gradient was added.
    pub shards_done: u32,
    /// Least share that its terms or grant ask for, in basis points.
    pub min_share_bps: u16,
    /// Serial of the grant that a use was taken from; 0 if none, or if the use was returned.
    pub grant_serial: u32,
}

/// The gradient proof of one listed shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gradient {
    /// The dataset.
    pub dataset: DatasetId,
    /// Index of the shard, from 0.
    pub shard: u32,
    /// The proof.
    pub proof: Proof,
}

/// A gradient that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The dataset.
    pub dataset: DatasetId,
    /// Index of the shard, from 0.
    pub shard: u32,
    /// The shard's contribution, in the version's units.
    pub contribution: I256,
    /// Digest of the committed gradient.
    pub gradient: GradientDigest,
}

impl From<&Gradient> for GradientProof {
    fn from(g: &Gradient) -> Self {
        GradientProof { datasetId: word(&g.dataset), shard: g.shard, inputs: inputs(&g.proof), proof: bytes(&g.proof) }
    }
}

impl From<Abi::GradientAdded> for Added {
    fn from(e: Abi::GradientAdded) -> Self {
        Added {
            dataset: DatasetId::new(e.datasetId.0),
            shard: e.shard,
            contribution: e.contribution,
            gradient: GradientDigest::new(e.gradientDigest.0),
        }
    }
}

impl Contracts {
    /// Creates an agent owned by the sender; `name` is UTF-8 of at most 32 bytes, see [`short_name`]; `metadata` says where
    /// to find it and how to use it, at most 1,024 bytes.
    pub fn create_agent(&self, name: B256, metadata: &str) -> Call<Abi::createAgentCall, AgentId> {
        let call = Abi::createAgentCall { name, metadata: metadata.to_owned() };
        self.call(self.agents_at(), "create an agent", &call, |e| {
            e.one().map(|e: Abi::AgentCreated| AgentId::new(e.agentId.0))
        })
    }

    /// Proposes an agent's next version, as a draft, and returns its number.
    pub fn propose(&self, agent: &AgentId, new: &NewVersion) -> Call<Abi::proposeCall, u32> {
        let call = Abi::proposeCall { agentId: word(agent), params: new.params() };
        self.call(self.agents_at(), format!("propose a version of agent {agent}"), &call, |e| {
            e.one().map(|e: Abi::VersionProposed| e.version)
        })
    }

    /// Appends datasets to a draft's list; takes one use from each one's grant.
    pub fn add_datasets(
        &self,
        agent: &AgentId,
        version: u32,
        datasets: &[DatasetId],
    ) -> Call<Abi::addDatasetsCall, Vec<Listed>> {
        let call =
            Abi::addDatasetsCall { agentId: word(agent), version, datasetIds: datasets.iter().map(word).collect() };
        let action = format!("list {} dataset(s) in agent {agent} version {version}", datasets.len());
        self.call(self.agents_at(), action, &call, |e| {
            Ok(e.all::<Abi::DatasetListed>()?.into_iter().map(Listed::from).collect())
        })
    }

    /// Makes a draft's list final.
    pub fn close(&self, agent: &AgentId, version: u32) -> Call<Abi::closeCall, Closed> {
        let call = Abi::closeCall { agentId: word(agent), version };
        self.call(self.agents_at(), format!("close agent {agent} version {version}"), &call, |e| {
            let e: Abi::VersionClosed = e.one()?;
            Ok(Closed { list: e.listHash.0, datasets: e.datasets, shards: e.shards, records: e.records })
        })
    }

    /// Adds gradient proofs of listed shards to a closed version.
    pub fn add_gradients(
        &self,
        agent: &AgentId,
        version: u32,
        gradients: &[Gradient],
    ) -> Call<Abi::addGradientsCall, Vec<Added>> {
        let action = format!("add {} gradient(s) to agent {agent} version {version}", gradients.len());
        let proofs = gradients.iter().map(GradientProof::from).collect();
        let call = Abi::addGradientsCall { agentId: word(agent), version, proofs };
        self.call(self.agents_at(), action, &call, |e| {
            Ok(e.all::<Abi::GradientAdded>()?.into_iter().map(Added::from).collect())
        })
    }

    /// Abandons a draft or closed version.
    pub fn abandon(&self, agent: &AgentId, version: u32) -> Call<Abi::abandonCall, ()> {
        let call = Abi::abandonCall { agentId: word(agent), version };
        self.call(self.agents_at(), format!("abandon agent {agent} version {version}"), &call, |e| {
            e.one().map(|_: Abi::VersionAbandoned| ())
        })
    }

    /// Returns the uses of grants that an abandoned version took; yields the roots of the datasets concerned.
    pub fn return_uses(
        &self,
        agent: &AgentId,
        version: u32,
        datasets: &[DatasetId],
    ) -> Call<Abi::returnUsesCall, Vec<DatasetId>> {
        let call =
            Abi::returnUsesCall { agentId: word(agent), version, datasetIds: datasets.iter().map(word).collect() };
        self.call(self.agents_at(), format!("return grant uses of agent {agent} version {version}"), &call, |e| {
            let returned = e.all::<IDatasetRegistry::GrantReturned>()?;
            Ok(returned.into_iter().map(|e| DatasetId::new(e.root.0)).collect())
        })
        .emitted_by(self.datasets_at())
    }

    /// Changes an agent's metadata: where clients find it, at most 1,024 bytes. Only its owner.
    pub fn set_metadata(&self, agent: &AgentId, metadata: &str) -> Call<Abi::setMetadataCall, ()> {
        let call = Abi::setMetadataCall { agentId: word(agent), metadata: metadata.to_owned() };
        self.call(self.agents_at(), format!("change the metadata of agent {agent}"), &call, |e| {
            e.one().map(|_: Abi::MetadataChanged| ())
        })
    }

    /// Submits the last gradient proofs and the optimum proof, with one pairing for all.
    pub fn add_gradients_and_certify(
        &self,
        agent: &AgentId,
        version: u32,
        gradients: &[Gradient],
        optimum: &Proof,
    ) -> Call<Abi::addGradientsAndCertifyCall, CertificateState> {
        let call = Abi::addGradientsAndCertifyCall {
            agentId: word(agent),
            version,
            proofs: gradients.iter().map(GradientProof::from).collect(),
            inputs: inputs(optimum),
            proof: bytes(optimum),
        };
        let action = format!("add {} gradients and certify agent {agent} version {version}", gradients.len());
        self.call(self.agents_at(), action, &call, certified)
    }

    /// Adopts a closed version that an earlier owner of the agent proposed; only the agent's owner.
    pub fn adopt_version(&self, agent: &AgentId, version: u32) -> Call<Abi::adoptCall, ()> {
        let call = Abi::adoptCall { agentId: word(agent), version };
        self.call(self.agents_at(), format!("adopt version {version} of agent {agent}"), &call, |e| {
            e.one().map(|_: Abi::VersionAdopted| ())
        })
    }

    /// Submits the optimum proof.
    pub fn certify(&self, agent: &AgentId, version: u32, proof: &Proof) -> Call<Abi::certifyCall, CertificateState> {
        let call = Abi::certifyCall { agentId: word(agent), version, inputs: inputs(proof), proof: bytes(proof) };
        self.call(self.agents_at(), format!("certify agent {agent} version {version}"), &call, certified)
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

    /// Number of an agent's versions, which are numbered from 1.
    pub async fn version_count(&self, agent: &AgentId) -> Result<u32> {
        self.chain.read(self.agents_at(), &Abi::versionCountCall { agentId: word(agent) }).await
    }

    /// Current state of a version; reverts with `UnknownVersion`.
    pub async fn version(&self, agent: &AgentId, version: u32) -> Result<Version> {
        let v = self.chain.read(self.agents_at(), &Abi::getVersionCall { agentId: word(agent), version }).await?;
        Ok(Version {
            stage: Stage::of(v.status),
            owner: v.owner,
            lambda: v.lambda,
            delta: v.delta,
            epsilon: v.epsilon,
            norm: v.norm,
            price: v.pricePerQuery,
            data_bps: v.dataBps,
            datasets: v.datasets,
            shards: v.shards,
            shards_done: v.shardsDone,
            records: v.records,
            deadline: v.deadline,
            list: v.listHash.0,
            participants: digest(v.participants),
            schema: SchemaId::new(v.schemaId.0),
            layout: LayoutHash::new(v.layoutHash.0),
            weights: WeightsDigest::new(v.wDigest.0),
            gradient: CircuitId::new(v.gradientCircuitId.0),
            optimum: CircuitId::new(v.optimumCircuitId.0),
            service: CircuitId::new(v.serviceCircuitId.0),
            model: ModelDigest::new(v.modelHash.0),
            admitting: v.datasetCircuitIds.into_iter().map(|id| CircuitId::new(id.0)).collect(),
        })
    }

    /// Current state of a version; `None` if it does not exist.
    pub async fn find_version(&self, agent: &AgentId, version: u32) -> Result<Option<Version>> {
        Self::known(self.version(agent, version).await, "UnknownVersion")
    }

    /// Whether a version is certified; false if there is none.
    pub async fn is_certified(&self, agent: &AgentId, version: u32) -> Result<bool> {
        self.chain.read(self.agents_at(), &Abi::isCertifiedCall { agentId: word(agent), version }).await
    }

    /// The first of a version's circuits that was stopped, if any was.
    pub async fn stopped_circuit(&self, agent: &AgentId, version: u32) -> Result<Option<CircuitId>> {
        let call = Abi::stoppedCircuitCall { agentId: word(agent), version };
        let circuit = self.chain.read(self.agents_at(), &call).await?;
        Ok((!circuit.is_zero()).then_some(CircuitId::new(circuit.0)))
    }

    /// Running sums over a version's gradients.
    pub async fn sums(&self, agent: &AgentId, version: u32) -> Result<Sums> {
        let sums = self.chain.read(self.agents_at(), &Abi::sumsOfCall { agentId: word(agent), version }).await?;
        let least_base = (sums.leastBase != U256::from(u128::MAX)).then_some(sums.leastBase);
        Ok(Sums { total: sums.total, positive: sums.positive, least_base })
    }

    /// A dataset's entry in a version: all 0 if that version of the dataset is not listed.
    pub async fn contribution(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<Contribution> {
        let call = Abi::contributionOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        let c = self.chain.read(self.agents_at(), &call).await?;
        Ok(Contribution {
            value: c.value,
            shards: c.shards,
            shards_done: c.shardsDone,
            min_share_bps: c.minShareBps,
            grant_serial: c.grantSerial,
        })
    }

    /// The datasets that a version lists, in order, from its events.
    pub async fn listed(&self, agent: &AgentId, version: u32) -> Result<Vec<DatasetId>> {
        let filter = Filter::new()
            .address(self.agents_at())
            .event_signature(Abi::DatasetListed::SIGNATURE_HASH)
            .topic1(word(agent))
            .topic2(B256::from(U256::from(version)));
        let newest = self.chain.block_number().await?;
        let logs = windows(&self.chain, &filter, self.deployment.block, newest).await?;
        // a log with this signature that does not decode is not from this contract
        let listed = logs.iter().filter_map(|log| Abi::DatasetListed::decode_log(&log.inner).ok());
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

    pub(crate) fn agents_at(&self) -> Address {
        self.deployment.agent_registry.address
    }
}

fn certified(events: &Events<'_>) -> Result<CertificateState> {
    let e: Abi::VersionCertified = events.one()?;
    Ok(CertificateState { records: e.records, epsilon: e.epsilon, norm: e.norm, total: e.total, positive: e.positive })
}

/// A name in the contracts' form: its UTF-8 bytes, zero-padded; `None` if it is longer than 32 bytes.
#[must_use]
pub fn short_name(name: &str) -> Option<B256> {
    let mut word = B256::ZERO;
    word.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(word)
}
