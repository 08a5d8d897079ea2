//! Commands of a deployment's owner and guardian: stop circuits, pause new sessions, announce operations of the timelock.

use std::path::PathBuf;

use alloy::primitives::{keccak256, B256};
use clap::{Args, Subcommand};
use serde::Deserialize as _;
use serde_json::{json, Value};
use tribute_chain::timelock::{Announced, Operation, Progress};
use tribute_chain::Contracts;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::CircuitId;
use tribute_problem::{Problem, Result};

use super::{account, json_file, ChainArgs, Connected};
use crate::output::hexed;
use crate::proof_file::ProofFile;
use crate::typed::somebody;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The circuit's id.
    circuit: CircuitId,
    /// Confirms that the circuit is to be stopped permanently.
    #[arg(long, required = true)]
    for_good: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StopUnsoundArgs {
    /// File with the proof, by itself or in the field `proof` of a larger file such as a claim.
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    chain: ChainArgs,
}

/// Operations of the timelock that owns the proof gate. Without a delay, a proposer does them at once; with a delay, they are
/// announced and, once it has passed, executed by anybody. `tribute circuits add` announces circuits in the same way.
#[derive(Debug, Subcommand)]
pub(crate) enum TimelockCommand {
    /// Change the delay of future operations.
    Delay(DelayArgs),
    /// Raise a circuit's gas cap; caps can never be lowered.
    RaiseGasCap(GasCapArgs),
    /// Set the guardian, who may stop circuits besides the timelock.
    Guardian(GuardianArgs),
    /// Allow an account to announce and cancel operations.
    AddProposer(ProposerArgs),
    /// Revoke an account's right to announce and cancel operations.
    RemoveProposer(ProposerArgs),
    /// Offer the proof gate to a new owner.
    OfferGate(ProposerArgs),
    /// Accept the proof gate when it was offered to the timelock.
    AcceptGate(PauseArgs),
    /// Execute an operation whose delay has passed; anybody may do this.
    Execute(OperationArgs),
    /// Cancel an announced operation (proposers only).
    Cancel(OperationArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DelayArgs {
    /// New delay in seconds, such as 172800 for two days. Lowering it has to wait the current delay.
    seconds: u64,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GasCapArgs {
    /// The circuit's id.
    circuit: CircuitId,
    /// New cap: maximum gas forwarded to the circuit's verifier.
    #[arg(long, value_name = "GAS")]
    to: u32,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GuardianArgs {
    /// The account.
    #[arg(required_unless_present = "nobody", conflicts_with = "nobody", value_parser = somebody)]
    account: Option<AccountAddress>,
    /// No guardian: then only the timelock can stop circuits, after its delay.
    #[arg(long)]
    nobody: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProposerArgs {
    /// The account.
    #[arg(value_parser = somebody)]
    account: AccountAddress,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OperationArgs {
    /// The operation's id, printed when it was announced; `tribute chain status` lists them too.
    id: Hex<32>,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn stop(a: StopArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.stop_circuit(&a.circuit), |()| json!({ "stopped": a.circuit })).await?;
    a.chain.emit(&value)
}

pub(super) async fn stop_unsound(a: StopUnsoundArgs) -> CommandResult {
    let value: Value = json_file(&a.proof)?;
    let part = value.get("proof").filter(|p| p.is_object()).unwrap_or(&value);
    let wrong =
        |e: serde_json::Error| Problem::field("proof", format!("{} does not contain a proof: {e}", a.proof.display()));
    let proof = ProofFile::deserialize(part).map_err(wrong)?.proof();
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.stop_unsound(&proof), |()| json!({ "stopped": proof.circuit })).await?;
    a.chain.emit(&value)
}

pub(super) async fn pause(a: PauseArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.pause(), |()| json!({ "new_sessions": "paused" })).await?;
    a.chain.emit(&value)
}

pub(super) async fn unpause(a: PauseArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let value = c.send(&c.contracts.unpause(), |()| json!({ "new_sessions": "allowed" })).await?;
    a.chain.emit(&value)
}

pub(super) async fn timelock(command: TimelockCommand) -> CommandResult {
    let (operation, chain) = match command {
        TimelockCommand::Delay(a) => (Operation::SetDelay(a.seconds), a.chain),
        TimelockCommand::RaiseGasCap(a) => (Operation::RaiseGasCap { circuit: a.circuit, cap: a.to }, a.chain),
        TimelockCommand::Guardian(a) => (Operation::SetGuardian(a.account.map(account)), a.chain),
        TimelockCommand::AddProposer(a) => (Operation::AddProposer(account(a.account)), a.chain),
        TimelockCommand::RemoveProposer(a) => (Operation::RemoveProposer(account(a.account)), a.chain),
        TimelockCommand::OfferGate(a) => (Operation::OfferGate(account(a.account)), a.chain),
        TimelockCommand::AcceptGate(a) => (Operation::AcceptGate, a.chain),
        TimelockCommand::Execute(a) => return execute(a).await,
        TimelockCommand::Cancel(a) => {
            let c = a.chain.connect().await?;
            let value = c.send(&c.contracts.cancel(a.id.0), |()| json!({ "cancelled": a.id })).await?;
            return a.chain.emit(&value);
        }
    };
    let c = chain.connect().await?;
    if operation == Operation::RemoveProposer(c.wallet.address()) {
        let message =
            "you cannot remove yourself, because you might be the last proposer: let another proposer remove you";
        return Err(Problem::field("account", message));
    }
    chain.emit(&act(&c, &operation).await?)
}

/// Does an operation at once if the timelock has no delay, otherwise announces it.
pub(crate) async fn act(c: &Connected, operation: &Operation) -> Result<Value> {
    let delay = c.contracts.circuit_delay().await?;
    let mut value = json!({ "operation": operation.to_string() });
    if delay == 0 {
        let mut sent = Vec::new();
        for call in c.contracts.run(operation) {
            sent.push(c.send(&call, |()| json!({})).await?);
        }
        value["done"] = sent.into();
        return Ok(value);
    }
    let same: Vec<Announced> =
        c.contracts.announced().await?.into_iter().filter(|a| a.operations == [operation.clone()]).collect();
    if let Some(there) = same.iter().find(|a| a.is_pending()) {
        note!("already announced");
        return Ok(json!({ "operation": operation.to_string(), "id": B256::new(there.id) }));
    }
    // the salt makes a repeated operation's id unique; a cancelled one can be announced again under its old id
    let done = same.iter().filter(|a| a.progress == Progress::Done).count();
    let salt = keccak256((done as u64).to_be_bytes()).0;
    value = c
        .send(
            &c.contracts.announce(operation, delay, salt),
            |id| json!({ "operation": operation.to_string(), "id": hexed(id), "delay": delay }),
        )
        .await?;
    if let Some(id) = value["id"].as_str() {
        note!("announced; in {delay} s anybody can run: tribute chain timelock execute {id}");
    }
    Ok(value)
}

async fn execute(a: OperationArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let all = c.contracts.announced().await?;
    let found = all.iter().rev().find(|x| x.id == a.id.0);
    let found = found.ok_or_else(|| Problem::field("id", format!("the timelock announced no operation {}", a.id)))?;
    let told = |()| operation(found);
    let value = match c.contracts.execute(found) {
        Some(call) => c.send(&call, |()| told(())).await?,
        None => c.send(&c.contracts.execute_batch(found), |()| told(())).await?,
    };
    a.chain.emit(&value)
}

fn operation(announced: &Announced) -> Value {
    json!({
        "id": B256::new(announced.id),
        "operations": announced.operations.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The state of the timelock: delay, guardian, and pending operations.
pub(super) async fn shown(contracts: &Contracts) -> Result<Value> {
    let mut waiting = Vec::new();
    for announced in contracts.announced().await? {
        let mut value = operation(&announced);
        match announced.progress {
            Progress::Waiting(due) => value["due"] = due.into(),
            Progress::Ready => value["due"] = "now: anybody can execute it".into(),
            Progress::Done | Progress::Cancelled => continue,
        }
        waiting.push(value);
    }
    Ok(json!({
        "delay": contracts.circuit_delay().await?,
        "guardian": contracts.guardian().await?,
        "announced": waiting,
    }))
}
