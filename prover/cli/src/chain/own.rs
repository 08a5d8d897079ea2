//! Handing things over, and where the money for them goes.

use alloy::primitives::Address;
use clap::Args;
use serde_json::json;
use tribute_chain::Deployment;
use tribute_core::hexed::Hex20;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::Problem;

use super::{account, ChainArgs};
use crate::CommandResult;

/// Something with an owner.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Thing {
    /// A dataset, all versions of it. Rewards that nobody has withdrawn go along; grants stay.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// An agent. Fees that nobody has withdrawn go along; versions under way go on under the owner who proposed them.
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// The escrow contract: who may pause new sessions. Who announces circuits is changed by `tribute chain timelock`.
    #[arg(long)]
    escrow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    #[command(flatten)]
    what: Thing,
    /// Who may accept it.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "nobody", conflicts_with = "nobody")]
    to: Option<Hex20>,
    /// Take the offer back.
    #[arg(long)]
    nobody: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    what: Thing,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Something that earns.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Earner {
    /// A dataset, all versions of it.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// An agent.
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
}

#[derive(Debug, Args)]
pub(crate) struct PayoutArgs {
    #[command(flatten)]
    what: Earner,
    /// Where its rewards or fees go.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "owner", conflicts_with = "owner")]
    to: Option<Hex20>,
    /// They go to whoever owns it, as they do until this is set.
    #[arg(long)]
    owner: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn transfer(a: TransferArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let to = a.to.map(account);
    let value = match (a.what.dataset, a.what.agent) {
        (Some(id), _) => {
            c.send(&c.contracts.offer_dataset(&id, to), |()| json!({ "dataset_id": id, "offered_to": to })).await?
        }
        (_, Some(id)) => {
            c.send(&c.contracts.offer_agent(&id, to), |()| json!({ "agent_id": id, "offered_to": to })).await?
        }
        _ => {
            c.send(&c.contracts.offer_escrow(to), |()| json!({ "contract": "SessionEscrow", "offered_to": to })).await?
        }
    };
    if let Some(to) = to {
        eprintln!("nothing has changed hands yet: {to} has to accept it (tribute chain accept)");
    }
    a.chain.emit(&value)
}

pub(super) async fn accept(a: AcceptArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let owner = c.wallet.address();
    let told = |from: &Address| json!({ "from": from, "owner": owner });
    let value = match (a.what.dataset, a.what.agent) {
        (Some(id), _) => c.send(&c.contracts.accept_dataset(&id), told).await?,
        (_, Some(id)) => c.send(&c.contracts.accept_agent(&id), told).await?,
        _ => {
            // or `status` and `deploy` would say that the contracts are not those of the file
            if !c.contracts.proposes(owner).await? {
                let message = format!(
                    "{owner} may not announce circuits yet, and the owner of a deployment may: the owner of today says \
                     `tribute chain timelock add-proposer {owner}` first, and executes it when it is due"
                );
                return Err(Problem::field("escrow", message));
            }
            let value = c.send(&c.contracts.accept_escrow(), told).await?;
            let file = a.chain.sender.contracts_file();
            Deployment { owner, ..Deployment::load(file)? }.save(file)?;
            eprintln!("{} names {owner} as the owner now; whoever has a copy of it needs this one", file.display());
            value
        }
    };
    a.chain.emit(&value)
}

pub(super) async fn payout(a: PayoutArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let to = a.to.map(account);
    let value = match (a.what.dataset, a.what.agent) {
        (Some(id), _) => {
            c.send(&c.contracts.set_dataset_payout(&id, to), |()| json!({ "dataset_id": id, "payout": to })).await?
        }
        (_, Some(id)) => {
            c.send(&c.contracts.set_agent_payout(&id, to), |()| json!({ "agent_id": id, "payout": to })).await?
        }
        _ => return Err(Problem::field("dataset", "say whose payout: --dataset or --agent")),
    };
    a.chain.emit(&value)
}
