//! Withdrawing the earnings of agents' owners and data providers.

use alloy::primitives::{Address, U256};
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::{Contracts, Follower, Tables};
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::Result;

use super::{ChainArgs, Connected};
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// Only the earnings of this agent.
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// The agent's version.
    #[arg(long, value_name = "N", requires = "agent", default_value_t = 1)]
    version: u32,
    /// Withdraw this dataset's rewards from that version, instead of the owner's fees.
    #[arg(long, value_name = "ID", requires = "agent")]
    dataset: Option<DatasetId>,
    #[command(flatten)]
    chain: ChainArgs,
}

/// An amount that an account may withdraw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) agent: AgentId,
    pub(super) version: u32,
    /// The dataset that earned it; `None` for the agent owner's fees.
    pub(super) dataset: Option<DatasetId>,
    pub(super) amount: U256,
}

impl Due {
    pub(super) fn value(&self) -> Value {
        let mut value = json!({
            "agent_id": self.agent, "version": self.version, "amount": self.amount.to_string(),
        });
        if let (Some(dataset), Some(object)) = (self.dataset, value.as_object_mut()) {
            object.insert("dataset_id".into(), json!(dataset));
        }
        value
    }
}

pub(super) async fn run(a: WithdrawArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    if let Some(agent) = a.agent {
        let due = Due { agent, version: a.version, dataset: a.dataset, amount: U256::ZERO };
        return a.chain.emit(&take(&c, due).await?);
    }
    let mut follower = Follower::new(&c.contracts);
    follower.follow(&c.contracts).await?;
    let account = c.wallet.address();
    let (mut paid, mut total) = (Vec::new(), U256::ZERO);
    for due in all_due(&c.contracts, follower.tables(), account).await? {
        paid.push(take(&c, due).await?);
        total += due.amount;
    }
    a.chain.emit(&json!({ "account": account, "amount": total.to_string(), "withdrawals": paid }))
}

async fn take(c: &Connected, due: Due) -> Result<Value> {
    let tell = |amount: U256| Due { amount, ..due }.value();
    match due.dataset {
        Some(dataset) => {
            c.send(&c.contracts.withdraw_provider(&due.agent, due.version, &dataset), |amount| tell(*amount)).await
        }
        None => c.send(&c.contracts.withdraw_owner(&due.agent, due.version), |amount| tell(*amount)).await,
    }
}

/// Everything that `account` may withdraw now, according to the contract.
pub(super) async fn all_due(contracts: &Contracts, tables: &Tables, account: Address) -> Result<Vec<Due>> {
    let mut all = Vec::new();
    for (agent, state) in &tables.agents {
        for (version, earned) in &state.versions {
            let (agent, version) = (*agent, *version);
            if state.owner == account {
                let amount = contracts.owner_due(&agent, version).await?;
                all.push(Due { agent, version, dataset: None, amount });
            }
            let own = |id: &&DatasetId| tables.datasets.get(*id).is_some_and(|d| d.owner == account);
            let certified = earned.certificate.is_some();
            for dataset in earned.datasets.iter().filter(own).filter(|_| certified) {
                let amount = contracts.provider_due(&agent, version, dataset).await?;
                all.push(Due { agent, version, dataset: Some(*dataset), amount });
            }
        }
    }
    all.retain(|due| !due.amount.is_zero());
    Ok(all)
}
