//! Deployment and balances.

use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use clap::Args;
use serde_json::json;
use tribute_chain::{Artifacts, DeployOptions, Deployment};
use tribute_core::hexed::AccountAddress;
use tribute_problem::Problem;

use super::{account, ChainArgs, ReadArgs, SenderArgs};
use crate::typed::{somebody, units};
use crate::CommandResult;

/// Default delay of new circuits on chains that are not local, in seconds. `CircuitTimelock` enforces at least a day there.
const CIRCUIT_DELAY: u64 = 172_800;

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Thaw period in seconds: from a client's request for its remaining escrow until it can withdraw it.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    thaw_seconds: u64,
    /// Challenge period in seconds: how long owners of datasets can object to weights that they did not sign.
    #[arg(long, value_name = "SECONDS", default_value_t = 259_200)]
    challenge_seconds: u64,
    /// Delay of new circuits in seconds, including the first ones. [default: 0 on a local chain, otherwise two days]
    #[arg(long, value_name = "SECONDS")]
    circuit_delay: Option<u64>,
    /// The ERC-20 token for payments. [default: deploys a test token, on local chains only]
    #[arg(long, value_name = "ADDRESS")]
    token: Option<AccountAddress>,
    /// Deploy the test token, which anybody can mint, even on a chain that is not local.
    #[arg(long, conflicts_with = "token")]
    allow_test_token: bool,
    /// Account that adds circuits and may pause new sessions. [default: the sender]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<AccountAddress>,
    /// Account that may stop a circuit permanently. [default: the owner]
    #[arg(long, value_name = "ADDRESS")]
    guardian: Option<AccountAddress>,
    /// forge's output folder. [default: TRIBUTE_ARTIFACTS, or verifier-contract/out in this folder or one above]
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// File to write the contracts' addresses to.
    #[arg(long, value_name = "FILE", default_value = "deployment.json", value_parser = crate::output::file())]
    deployment: PathBuf,
    #[command(flatten)]
    chain: SenderArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MintArgs {
    /// Recipient.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    to: AccountAddress,
    /// Amount in base units.
    #[arg(long, value_parser = units)]
    amount: u128,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FundArgs {
    /// Recipient.
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    to: AccountAddress,
    /// Amount in wei.
    #[arg(long, value_parser = units)]
    wei: u128,
    #[command(flatten)]
    chain: SenderArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// Accounts.
    accounts: Vec<AccountAddress>,
    #[command(flatten)]
    read: ReadArgs,
}

pub(super) async fn deploy(a: DeployArgs) -> CommandResult {
    let artifacts = match &a.artifacts {
        Some(folder) => Artifacts::at(folder)?,
        None => Artifacts::find()?,
    };
    let wallet = a.chain.wallet(&a.deployment).await?;
    let local = wallet.chain().is_local();
    let options = DeployOptions {
        owner: a.owner.map(account),
        guardian: a.guardian.map(account),
        thaw_seconds: a.thaw_seconds,
        challenge_seconds: a.challenge_seconds,
        circuit_delay: a.circuit_delay.unwrap_or(if local { 0 } else { CIRCUIT_DELAY }),
        token: a.token.map(account),
    };
    if a.token.is_none() && !a.allow_test_token && !local {
        let message = format!(
            "chain {} is not local, and anybody could mint the test token: give the ERC-20 token for payments with --token, or \
             pass --allow-test-token if nothing is at stake",
            wallet.chain().id()
        );
        return Err(Problem::field("token", message));
    }
    let (deployment, sent) = Deployment::deploy_to(&wallet, &artifacts, &options, &a.deployment).await?;
    let done = if sent.is_empty() { "already deployed" } else { "deployed" };
    note!("contracts {done}; addresses are in {}", a.deployment.display());
    a.chain.emit(&json!({ "deployment": deployment, "txs": sent }))
}

pub(super) async fn mint(a: MintArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let call = c.contracts.mint(account(a.to), U256::from(a.amount))?;
    let value = c.send(&call, |()| json!({ "to": a.to, "amount": a.amount.to_string() })).await?;
    a.chain.emit(&value)
}

pub(super) async fn fund(a: FundArgs) -> CommandResult {
    let file = a.chain.contracts_file();
    let wallet = a.chain.wallet(file).await?;
    // coin may be needed before there are contracts
    if file.exists() {
        wallet.chain().require_id(Deployment::load(file)?.chain_id)?;
    }
    let sent = wallet.send_coin(account(a.to), U256::from(a.wei)).await?;
    a.chain.emit(&json!({ "to": a.to, "wei": a.wei.to_string(), "tx": sent }))
}

pub(super) async fn balance(a: BalanceArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let accounts: Vec<Address> = a.accounts.iter().copied().map(account).collect();
    let balances = contracts.token_balances(&accounts).await?;
    let rows: Vec<_> =
        a.accounts.iter().zip(balances).map(|(who, n)| json!({ "account": who, "tokens": n.to_string() })).collect();
    let holdings = contracts.holdings().await?;
    a.read.emit(&json!({
        "accounts": rows,
        "escrow": {
            "held": holdings.held.to_string(),
            "liabilities": holdings.liabilities.to_string(),
            "escrow": holdings.escrow.to_string(),
            "rewards": holdings.rewards.to_string(),
        },
    }))
}
