//! Ownership and payout addresses of datasets, agents and the escrow contract. Ownership changes in two steps: the
//! owner offers, the other side accepts.

use alloy::primitives::Address;
use tribute_core::id::{AgentId, DatasetId};

use crate::abi::{word, IAgentRegistry, IDatasetRegistry, ISessionEscrow, IStandard};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::Result;

/// The contracts encode nobody as zero.
fn somebody(account: Address) -> Option<Address> {
    (!account.is_zero()).then_some(account)
}

fn offer(what: &str, to: Option<Address>) -> String {
    to.map_or_else(|| format!("withdraw the offer of {what}"), |to| format!("offer {what} to {to}"))
}

fn pay(what: &str, to: Option<Address>) -> String {
    to.map_or_else(|| format!("pay what {what} earns to its owner"), |to| format!("pay what {what} earns to {to}"))
}

impl Contracts {
    /// Offers a dataset, with all its versions, to a new owner; `None` withdraws an offer. Only its owner.
    pub fn offer_dataset(
        &self,
        dataset: &DatasetId,
        to: Option<Address>,
    ) -> Call<IDatasetRegistry::offerDatasetCall, ()> {
        let call = IDatasetRegistry::offerDatasetCall { datasetId: word(dataset), to: to.unwrap_or_default() };
        self.call(self.datasets_at(), offer(&format!("dataset {dataset}"), to), &call, |e| {
            e.one().map(|_: IDatasetRegistry::DatasetOffered| ())
        })
    }

    /// Accepts a dataset that was offered to the sender; returns the previous owner.
    pub fn accept_dataset(&self, dataset: &DatasetId) -> Call<IDatasetRegistry::acceptDatasetCall, Address> {
        let call = IDatasetRegistry::acceptDatasetCall { datasetId: word(dataset) };
        self.call(self.datasets_at(), format!("accept dataset {dataset}"), &call, |e| {
            e.one().map(|e: IDatasetRegistry::DatasetTransferred| e.from)
        })
    }

    /// Sets the payout address of a dataset's rewards; `None` for its owner's own. Only its owner.
    pub fn set_dataset_payout(
        &self,
        dataset: &DatasetId,
        payout: Option<Address>,
    ) -> Call<IDatasetRegistry::setPayoutCall, ()> {
        let call = IDatasetRegistry::setPayoutCall { datasetId: word(dataset), payout: payout.unwrap_or_default() };
        self.call(self.datasets_at(), pay(&format!("dataset {dataset}"), payout), &call, |e| {
            e.one().map(|_: IDatasetRegistry::PayoutChanged| ())
        })
    }

    /// The account that may accept a dataset, if it is offered; reverts with `UnknownDataset`.
    pub async fn dataset_offered_to(&self, dataset: &DatasetId) -> Result<Option<Address>> {
        let call = IDatasetRegistry::offeredToCall { datasetId: word(dataset) };
        self.chain.read(self.datasets_at(), &call).await.map(somebody)
    }

    /// Payout address of a dataset's rewards; reverts with `UnknownDataset`.
    pub async fn dataset_payout(&self, dataset: &DatasetId) -> Result<Address> {
        self.chain.read(self.datasets_at(), &IDatasetRegistry::payoutOfCall { datasetId: word(dataset) }).await
    }

    /// Offers an agent to a new owner; `None` withdraws an offer. Only its owner.
    pub fn offer_agent(&self, agent: &AgentId, to: Option<Address>) -> Call<IAgentRegistry::offerAgentCall, ()> {
        let call = IAgentRegistry::offerAgentCall { agentId: word(agent), to: to.unwrap_or_default() };
        self.call(self.agents_at(), offer(&format!("agent {agent}"), to), &call, |e| {
            e.one().map(|_: IAgentRegistry::AgentOffered| ())
        })
    }

    /// Accepts an agent that was offered to the sender; returns the previous owner.
    pub fn accept_agent(&self, agent: &AgentId) -> Call<IAgentRegistry::acceptAgentCall, Address> {
        let call = IAgentRegistry::acceptAgentCall { agentId: word(agent) };
        self.call(self.agents_at(), format!("accept agent {agent}"), &call, |e| {
            e.one().map(|e: IAgentRegistry::AgentTransferred| e.from)
        })
    }

    /// Sets the payout address of an agent owner's fees; `None` for the owner's own. Only its owner.
    pub fn set_agent_payout(
        &self,
        agent: &AgentId,
        payout: Option<Address>,
    ) -> Call<IAgentRegistry::setPayoutCall, ()> {
        let call = IAgentRegistry::setPayoutCall { agentId: word(agent), payout: payout.unwrap_or_default() };
        self.call(self.agents_at(), pay(&format!("agent {agent}"), payout), &call, |e| {
            e.one().map(|_: IAgentRegistry::PayoutChanged| ())
        })
    }

    /// The account that may accept an agent, if it is offered; reverts with `UnknownAgent`.
    pub async fn agent_offered_to(&self, agent: &AgentId) -> Result<Option<Address>> {
        let call = IAgentRegistry::offeredToCall { agentId: word(agent) };
        self.chain.read(self.agents_at(), &call).await.map(somebody)
    }

    /// Payout address of an agent owner's fees; reverts with `UnknownAgent`.
    pub async fn agent_payout(&self, agent: &AgentId) -> Result<Address> {
        self.chain.read(self.agents_at(), &IAgentRegistry::payoutOfCall { agentId: word(agent) }).await
    }

    /// Offers the escrow contract, including the right to pause it, to a new owner; `None` withdraws an offer. Only its
    /// owner.
    pub fn offer_escrow(&self, to: Option<Address>) -> Call<ISessionEscrow::transferOwnershipCall, ()> {
        let call = ISessionEscrow::transferOwnershipCall { newOwner: to.unwrap_or_default() };
        self.call(self.escrow_at(), offer("the escrow contract", to), &call, |e| {
            e.one().map(|_: ISessionEscrow::OwnershipTransferStarted| ())
        })
    }

    /// Accepts the escrow contract that was offered to the sender; returns the previous owner.
    pub fn accept_escrow(&self) -> Call<ISessionEscrow::acceptOwnershipCall, Address> {
        self.call(self.escrow_at(), "accept the escrow contract", &ISessionEscrow::acceptOwnershipCall {}, |e| {
            e.one().map(|e: ISessionEscrow::OwnershipTransferred| e.previousOwner)
        })
    }

    /// The escrow contract's owner, and the account it is offered to.
    pub async fn escrow_owner(&self) -> Result<(Address, Option<Address>)> {
        let owner = self.chain.read(self.escrow_at(), &IStandard::ownerCall {}).await?;
        let pending = self.chain.read(self.escrow_at(), &ISessionEscrow::pendingOwnerCall {}).await?;
        Ok((owner, somebody(pending)))
    }

    /// Whether new sessions are paused.
    pub async fn paused(&self) -> Result<bool> {
        self.chain.read(self.escrow_at(), &IStandard::pausedCall {}).await
    }
}
