//! Agreed weights: what a version pays its datasets by if their owners agreed on something other than shares.

use alloy::primitives::{Address, B256, U256};
use tribute_core::digest::Digest;
use tribute_core::id::{AgentId, DatasetId};

use crate::abi::{digest, word, IAgreedWeights as Abi};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

/// Weights proposed for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: u32,
    /// The round; signatures of earlier ones are void.
    pub round: u32,
    /// The version's datasets in the order of its list, each with its weight in units of 10^-18.
    pub weights: Vec<(DatasetId, u64)>,
    /// SHA-256 of the canonical valuation file.
    pub valuation: Digest,
    /// The dataset that the valuation was made on; `None` if it is not registered, which only owners can sign.
    pub test_set: Option<DatasetId>,
    /// The attester; `None` if every owner signs.
    pub attester: Option<Address>,
}

/// What a version pays by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying {
    /// The current round, counted from 1.
    pub round: u32,
    /// Times that weights came into force.
    pub changes: u32,
    /// The weights in force; `None` for shares.
    pub agreed: Option<Agreed>,
    /// The proposal in its challenge period, and the Unix time in seconds at which that ends.
    pub waiting: Option<(Digest, u64)>,
}

/// Weights in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Id of their proposal.
    pub proposal: Digest,
    /// SHA-256 of the canonical valuation file.
    pub valuation: Digest,
    /// What the version had accrued for data when they came into force, in token units.
    pub since: U256,
}

/// An owner's acceptance of valuations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The owner who accepted; void if the dataset has another owner now.
    pub owner: Address,
    /// Counts the acceptances of the dataset for the account.
    pub serial: u32,
    /// The attester; `None` if it was withdrawn.
    pub attester: Option<Address>,
    /// The test set.
    pub test_set: Digest,
}

/// How far the installation of a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Datasets placed, in the order of the list; 0 if it was not begun.
    pub placed: u32,
    /// SHA-256 of the canonical valuation file that the proposal names.
    pub valuation: Digest,
}

/// What a call of `install` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// Placed some datasets; others are missing.
    Placed(u32),
    /// Placed the last one: the weights are in force.
    InForce,
    /// Placed the last one, without all signatures in one call: the challenge period ends at this Unix time in seconds.
    Waits(u64),
}

impl Proposal {
    /// The proposal in the contract's type.
    pub(crate) fn abi(&self) -> Abi::Proposal {
        Abi::Proposal {
            agentId: word(&self.agent),
            version: self.version,
            round: self.round,
            datasetIds: self.weights.iter().map(|(id, _)| word(id)).collect(),
            weights: self.weights.iter().map(|(_, weight)| *weight).collect(),
            valuation: B256::new(self.valuation),
            testSet: self.test_set.as_ref().map_or(B256::ZERO, word),
            attester: self.attester.unwrap_or_default(),
        }
    }
}

impl Contracts {
    /// What a version pays by, and what waits.
    pub async fn paying(&self, agent: &AgentId, version: u32) -> Result<Paying> {
        let call = Abi::stateOfCall { agentId: word(agent), version };
        let s = self.chain.read(self.weights_at(), &call).await?;
        let agreed = digest(s.inForce).map(|proposal| Agreed { proposal, valuation: s.valuation.0, since: s.since });
        let waiting = digest(s.waiting).map(|proposal| (proposal, s.until));
        Ok(Paying { round: s.round, changes: s.changes, agreed, waiting })
    }

    /// What the next fees are divided by: the dataset gets the first number of the second. Reverts with `WrongStatus`
    /// unless the version is certified, and with `DatasetNotInVersion`.
    pub async fn paid_weight(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<(U256, U256)> {
        let call = Abi::weightOfCall { agentId: word(agent), version, datasetId: word(dataset) };
        let found = self.chain.read(self.weights_at(), &call).await?;
        Ok((found.weight, found.total))
    }

    /// Id of a proposal.
    pub async fn proposal_id(&self, proposal: &Proposal) -> Result<Digest> {
        let call = Abi::proposalIdCall { proposal: proposal.abi() };
        Ok(self.chain.read(self.weights_at(), &call).await?.0)
    }

    /// How far the installation of a proposal is, by the proposal's id.
    pub async fn installation(&self, proposal: &Digest) -> Result<Installation> {
        let call = Abi::installationOfCall { proposal: B256::new(*proposal) };
        let found = self.chain.read(self.weights_at(), &call).await?;
        Ok(Installation { placed: found.placed, valuation: found.valuation.0 })
    }

    /// A dataset's weight in a proposal, in units of 10^-18; 0 also if it was not placed.
    pub async fn placed_weight(&self, proposal: &Digest, dataset: &DatasetId) -> Result<u64> {
        let call = Abi::placedWeightCall { proposal: B256::new(*proposal), datasetId: word(dataset) };
        self.chain.read(self.weights_at(), &call).await
    }

    /// The acceptance of valuations for an owner of agents, `None` for the one that covers anybody; reverts with
    /// `UnknownDataset`.
    pub async fn acceptance(&self, dataset: &DatasetId, grantee: Option<Address>) -> Result<Option<Acceptance>> {
        let call = Abi::acceptanceOfCall { datasetId: word(dataset), grantee: grantee.unwrap_or_default() };
        let a = self.chain.read(self.weights_at(), &call).await?;
        let attester = (!a.attester.is_zero()).then_some(a.attester);
        let found = Acceptance { owner: a.owner, serial: a.serial, attester, test_set: a.testSet.0 };
        Ok((a.serial != 0).then_some(found))
    }

    /// Whether a dataset's owner objected to weights of a version before.
    pub async fn refused_before(&self, agent: &AgentId, version: u32, dataset: &DatasetId) -> Result<bool> {
        let call = Abi::refusedBeforeCall { agentId: word(agent), version, datasetId: word(dataset) };
        self.chain.read(self.weights_at(), &call).await
    }

    /// Accepts valuations on `test_set` by `attester` for versions of `grantee`'s agents, `None` for anybody's; without
    /// an attester and test set the acceptance is withdrawn. Only the dataset's owner.
    pub fn accept_valuations(
        &self,
        dataset: &DatasetId,
        grantee: Option<Address>,
        accepted: Option<(Address, DatasetId)>,
    ) -> Call<Abi::acceptValuationsCall, u32> {
        let (attester, test_set) = accepted_words(accepted);
        let call = Abi::acceptValuationsCall {
            datasetId: word(dataset),
            grantee: grantee.unwrap_or_default(),
            attester,
            testSet: test_set,
        };
        let action = match accepted {
            Some((attester, _)) => format!("accept valuations of {dataset} by {attester}"),
            None => format!("withdraw the acceptance of valuations of {dataset}"),
        };
        self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::ValuationsAccepted| e.serial))
    }

    /// Brings the waiting weights into force; returns what the version had accrued for data, in token units.
    pub fn enforce_weights(&self, agent: &AgentId, version: u32) -> Call<Abi::enforceCall, U256> {
        let call = Abi::enforceCall { agentId: word(agent), version };
        let action = format!("bring the weights of agent {agent} version {version} into force");
        self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::WeightsInForce| e.since))
    }

    /// Objects to all weights proposed in a round. Only the owner of a listed dataset.
    pub fn object_weights(
        &self,
        agent: &AgentId,
        version: u32,
        round: u32,
        dataset: &DatasetId,
    ) -> Call<Abi::objectCall, u32> {
        let call = Abi::objectCall { agentId: word(agent), version, round, datasetId: word(dataset) };
        let action = format!("object to weights of agent {agent} version {version}");
        self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::WeightsRefused| e.round))
    }

    pub(crate) fn weights_at(&self) -> Address {
        self.deployment.agreed_weights.address
    }
}

/// The attester and the test set in the contract's types; zero withdraws.
pub(crate) fn accepted_words(accepted: Option<(Address, DatasetId)>) -> (Address, B256) {
    accepted.map_or((Address::ZERO, B256::ZERO), |(attester, test_set)| (attester, word(&test_set)))
}
