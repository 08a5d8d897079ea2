//! Transfers of ownership, and payout addresses.

use alloy::primitives::Address;
use clap::Args;
use serde_json::json;
use tribute_chain::Deployment;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::Problem;

use super::{account, ChainArgs};
use crate::output::once;
use crate::typed::somebody;
use crate::CommandResult;

/// Something with an owner.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Thing {
    /// A dataset with all its versions. Rewards not yet withdrawn go with it; grants stay valid.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// An agent. Fees not yet withdrawn go with it; uncertified versions continue under the owner who proposed them.
    #[arg(long, value_name = "ID")]
    agent: Option<AgentId>,
    /// The escrow contract, whose owner may pause new sessions. `tribute chain timelock` changes who announces circuits.
    #[arg(long)]
    escrow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    #[command(flatten)]
    what: Thing,
    /// Account that may accept it.
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "nobody",
        conflicts_with = "nobody",
        value_parser = somebody
    )]
    to: Option<AccountAddress>,
    /// Withdraw the offer.
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

/// Something with earnings.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Earner {
    /// A dataset with all its versions.
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
    /// Address that receives its rewards or fees.
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "owner",
        conflicts_with = "owner",
        value_parser = somebody
    )]
    to: Option<AccountAddress>,
    /// Pay its current owner, which is the default.
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
        note!("ownership has not changed yet: {to} has to accept it (tribute chain accept)");
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
            // otherwise `status` and `deploy` would report that the contracts differ from the deployment file
            if !c.contracts.proposes(owner).await? {
                let message = format!(
                    "a deployment's owner must be able to announce circuits, and {owner} cannot yet: the current owner has \
                     to run `tribute chain timelock add-proposer {owner}` first, and execute it after the delay"
                );
                return Err(Problem::field("escrow", message));
            }
            let value = c.send(&c.contracts.accept_escrow(), told).await?;
            let file = a.chain.sender.contracts_file();
            let renamed = Deployment::load(file).and_then(|deployment| Deployment { owner, ..deployment }.save(file));
            once(&value, renamed.map_err(Problem::from))?;
            note!("{} now names {owner} as the owner; replace all copies of it", file.display());
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
        _ => return Err(Problem::field("dataset", "give --dataset or --agent")),
    };
    a.chain.emit(&value)
}
