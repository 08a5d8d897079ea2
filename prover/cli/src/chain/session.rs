//! Sessions and claims on chain.

use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use clap::Args;
use serde_json::json;
use tribute_chain::sessions::{NewSession, Opened};
use tribute_chain::{Call, ChainError, Sent, SignedVoucher};
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{AgentId, SessionId};
use tribute_problem::{Problem, Reason, Result};

use super::terms::now;
use super::{account, json_file, ChainArgs, Connected, ReadArgs};
use crate::proof_file::ClaimFile;
use crate::typed::{somebody, units};
use crate::CommandResult;

/// Validity of a permit in seconds.
const PERMIT: u64 = 3600;

/// The session to open.
#[derive(Debug, Args)]
pub(crate) struct NewSessionArgs {
    /// The agent's id.
    #[arg(long, value_name = "ID")]
    agent: AgentId,
    /// Its version.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// Price of one answer, in the token's base units.
    #[arg(long, value_name = "UNITS", value_parser = units)]
    price: u128,
    /// Amount to put into escrow, in the token's base units.
    #[arg(long, value_name = "UNITS", value_parser = units)]
    escrow: u128,
    /// Account whose key signs vouchers. [default: the client]
    #[arg(long, value_name = "ADDRESS", value_parser = somebody)]
    session_key: Option<AccountAddress>,
}

impl NewSessionArgs {
    /// The session, whose vouchers the client itself signs unless another key was named.
    pub(super) fn session(&self, client: Address) -> NewSession {
        let session_key = self.session_key.map_or(client, account);
        let NewSessionArgs { agent, version, price, escrow, .. } = *self;
        NewSession { agent, version, price, escrow, session_key }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    new: NewSessionArgs,
    /// Approve the escrow in a separate transaction, for a token without permits (ERC-2612).
    #[arg(long)]
    approve: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The session's id.
    session: SessionId,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The session's id.
    session: SessionId,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ThawArgs {
    /// The session's id.
    session: SessionId,
    /// Amount in the token's base units. [default: all that is left when the thaw ends]
    #[arg(long, value_name = "UNITS", value_parser = units)]
    amount: Option<u128>,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TopUpArgs {
    /// The session's id.
    session: SessionId,
    /// Amount to add to its escrow, in the token's base units.
    #[arg(long, value_name = "UNITS", value_parser = units)]
    amount: u128,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// The claim file (proof and vouchers), as `tribute claim prove` wrote it.
    claim: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn open(a: OpenArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let new = a.new.session(c.wallet.address());
    let told = |e: &Opened| {
        json!({
            "session": e.session,
            "agent_id": new.agent,
            "version": new.version,
            "price": new.price.to_string(),
            "escrow": new.escrow.to_string(),
            "transcript": e.transcript,
        })
    };
    if a.approve {
        let call = c.contracts.open_session(&new);
        let approved = approve(&c, &call, U256::from(new.escrow)).await?;
        let mut value = c.send(&call, told).await?;
        value["approval"] = serde_json::to_value(approved)?;
        return a.chain.emit(&value);
    }
    // the chain's clock may run ahead of this machine's
    let deadline = now().max(c.contracts.chain().time().await?) + PERMIT;
    let permit = c.contracts.permit(&c.wallet, U256::from(new.escrow), deadline).await?;
    let call = c.contracts.open_session_with_permit(&new, &permit);
    let value = c.send(&call, told).await?;
    a.chain.emit(&value)
}

/// Approves `amount` for the escrow contract, which takes it in `call`, unless its allowance suffices, for example after an
/// interrupted run. Sends nothing if the call would fail in spite of it.
async fn approve<C: SolCall, T>(c: &Connected, call: &Call<C, T>, amount: U256) -> Result<Option<Sent>> {
    let owner = c.wallet.address();
    if c.wallet.left(call.message()).await? || c.contracts.escrow_allowance(owner).await? >= amount {
        return Ok(None);
    }
    if !c.expect_revert {
        match call.simulate(owner).await {
            Ok(_) => return Ok(None),
            Err(error) if is_of_token(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let held = c.contracts.token_balance(owner).await?;
        if held < amount {
            let message = format!("{owner} has {held} units of the token, and {amount} are needed; nothing was sent");
            return Err(Problem::new(Reason::Reverted, message));
        }
    }
    let sent = c.contracts.approve_escrow(amount).send(&c.wallet).await?.sent;
    note!("approved {amount} units for the escrow contract in transaction {}", sent.tx);
    Ok(Some(sent))
}

/// Whether a call failed only when the token was asked to transfer, which the contract does last.
fn is_of_token(error: &ChainError) -> bool {
    let names = ["ERC20InsufficientAllowance", "SafeERC20FailedOperation", "Error", "Panic", "Nothing", "Unknown"];
    names.iter().any(|name| error.is_revert(name))
}

pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let s = a.read.contracts().await?.session(&a.session).await?;
    a.read.emit(&json!({
        "session": a.session,
        "client": Hex(s.client.into_array()),
        "session_key": Hex(s.session_key.into_array()),
        "agent_id": s.agent,
        "version": s.version,
        "count": s.count,
        "paid": s.paid,
        "transcript": s.transcript,
        "price": s.price.to_string(),
        "remaining": s.remaining.to_string(),
        "thaw_end": s.thawing.map_or(0, |t| t.end),
        "thaw_amount": s.thawing.map(|t| t.amount.min(s.remaining).to_string()),
    }))
}

pub(super) async fn top_up(a: TopUpArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let call = c.contracts.top_up(&a.session, a.amount);
    let approved = approve(&c, &call, U256::from(a.amount)).await?;
    let mut value = c.send(&call, |left| json!({ "session": a.session, "remaining": left.to_string() })).await?;
    value["approval"] = serde_json::to_value(approved)?;
    a.chain.emit(&value)
}

pub(super) async fn thaw(a: ThawArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let call = c.contracts.request_thaw(&a.session, a.amount);
    let amount = a.amount.map(|n| n.to_string());
    let value = c.send(&call, |e| json!({ "session": a.session, "amount": amount, "thaw_end": e.end })).await?;
    a.chain.emit(&value)
}

pub(super) async fn cancel_thaw(a: CloseArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.cancel_thaw(&a.session), |()| json!({ "session": a.session })).await?;
    a.chain.emit(&value)
}

pub(super) async fn refund(a: CloseArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let call = c.contracts.withdraw_thawed(&a.session);
    let value = c.send(&call, |e| json!({ "session": a.session, "amount": e.to_string() })).await?;
    a.chain.emit(&value)
}

pub(super) async fn claim(a: ClaimArgs) -> CommandResult {
    let file: ClaimFile = json_file(&a.claim)?;
    let claim = file.claim();
    let c = a.chain.connect().await?;
    let call = c.contracts.claim(std::slice::from_ref(&claim));
    // a transaction left in flight by an earlier run is completed below, with its usual output
    if !c.wallet.left(call.message()).await? {
        if let Some(paid) = paid_already(&c, &claim.vouchers).await? {
            return a.chain.emit(&paid);
        }
    }
    let value = c
        .send(&call, |done| {
            json!({
                "sessions": done.sessions.iter().map(|s| json!({
                    "session": s.session, "count": s.count, "paid": s.paid, "amount": s.amount.to_string(),
                })).collect::<Vec<_>>(),
                "skipped": done.skipped.iter().map(|s| json!({
                    "session": s.session, "slot": s.slot.to_string(), "reason": s.reason.text(),
                })).collect::<Vec<_>>(),
                "fees": done.fees.iter().map(|f| json!({
                    "to_data": f.to_data.to_string(), "to_owner": f.to_owner.to_string(),
                })).collect::<Vec<_>>(),
            })
        })
        .await?;
    if value["sessions"].as_array().is_some_and(Vec::is_empty) {
        let skipped = value["skipped"].as_array().into_iter().flatten();
        let reasons: Vec<String> =
            skipped.filter_map(|s| Some(format!("session {}: {}", s["session"], s["reason"].as_str()?))).collect();
        let message = format!("the contract accepted the proof but paid nothing: {}", reasons.join("; "));
        return Err(Problem::new(Reason::Reverted, message));
    }
    a.chain.emit(&value)
}

/// The sessions' state on chain if it equals what the vouchers say: then an earlier run of this claim was paid, even if it
/// crashed before reporting so, and nothing needs to be sent. `None` otherwise.
async fn paid_already(c: &Connected, vouchers: &[SignedVoucher]) -> Result<Option<serde_json::Value>> {
    let mut sessions = Vec::new();
    for voucher in vouchers {
        let session = voucher.session();
        let stored = c.contracts.session(&session).await?;
        if (stored.count, stored.transcript) != (voucher.count(), voucher.transcript()) {
            return Ok(None);
        }
        sessions.push(json!({ "session": session, "count": stored.count }));
    }
    note!("already paid: the contract's state matches these vouchers; nothing was sent");
    Ok(Some(json!({ "paid_already": true, "sessions": sessions })))
}
