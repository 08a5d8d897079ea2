//! `tribute chain relay`: submits messages that others signed. Checks all of them before it sends a transaction.

use std::path::PathBuf;

use alloy::primitives::U256;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::messages::{settlement_digest, signer_of, Decision, SignedDecision};
use tribute_chain::{ChainError, Contracts};
use tribute_core::digest::Digest;
use tribute_problem::{Problem, Result};

use super::data::SHARDS_TO_A_TRANSACTION;
use super::message::{Content, MessageFile, Opening};
use super::{json_file, weights, ChainArgs, Connected};
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// The messages, as `tribute chain sign` wrote them. Those about datasets go into one transaction, in this order, if they
    /// fit.
    #[arg(required = true)]
    messages: Vec<PathBuf>,
    /// Print who signed what and whether it would be accepted, then exit.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CancelNonceArgs {
    /// The nonce in the message's file.
    nonce: U256,
    /// Of a message about weights, whose nonces are counted apart.
    #[arg(long)]
    weights: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn run(a: RelayArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let d = c.contracts.deployment().clone();
    let (mut decisions, mut others, mut about_weights) = (Vec::new(), Vec::new(), Vec::new());
    for path in &a.messages {
        let file: MessageFile = json_file(path)?;
        file.for_here(d.chain_id, file.taker(&d))?;
        match (file.decision()?, weights::signed(&file)?) {
            (Some(decision), _) => decisions.push((file.words(), decision)),
            (None, Some(signed)) => about_weights.push((file, signed)),
            (None, None) => others.push(file),
        }
    }
    let batches = batches(decisions);
    for (words, batch) in &batches {
        c.contracts.check_messages(batch).await?;
        words.iter().for_each(|w| note!("{w}"));
    }
    for file in &others {
        check(&c.contracts, file).await?;
        note!("{}", file.words());
    }
    for (file, signed) in &about_weights {
        if file.submitted_by() != "relay" {
            let message = format!("`tribute chain {}` submits all owners' signatures together", file.submitted_by());
            return Err(Problem::field("message", message));
        }
        c.contracts.check_weight_message(signed).await?;
        note!("{}", file.words());
    }
    if a.dry_run {
        note!("{} message(s) would be accepted; nothing was sent", a.messages.len());
        return Ok(());
    }
    let mut sent = Vec::new();
    for (words, batch) in &batches {
        let told = |ids: &Vec<_>| json!({ "messages": words, "dataset_ids": ids });
        sent.push(c.send(&c.contracts.relay(batch), told).await?);
    }
    for file in &others {
        sent.push(bring(&c, file).await?);
    }
    for (_, signed) in &about_weights {
        if let Some(call) = c.contracts.accept_valuations_for(signed) {
            sent.push(c.send(&call, |serial| json!({ "acceptance": serial })).await?);
        }
        if let Some(call) = c.contracts.object_weights_for(signed) {
            sent.push(c.send(&call, |round| json!({ "round_over": round })).await?);
        }
    }
    a.chain.emit(&json!({ "relayed": sent }))
}

/// Groups messages into transactions, as many to each as fit, in order. Each message comes with its text.
fn batches(all: Vec<(String, SignedDecision)>) -> Vec<(Vec<String>, Vec<SignedDecision>)> {
    let mut batches: Vec<(Vec<String>, Vec<SignedDecision>)> = Vec::new();
    let mut shards = 0;
    for (words, signed) in all {
        let own = match &signed.draft.decision {
            Decision::Register { shards, .. } | Decision::Extend { shards, .. } => shards.len(),
            _ => 0,
        };
        match batches.last_mut() {
            Some(last) if shards + own <= SHARDS_TO_A_TRANSACTION => {
                last.0.push(words);
                last.1.push(signed);
                shards += own;
            }
            _ => {
                batches.push((vec![words], vec![signed]));
                shards = own;
            }
        }
    }
    batches
}

/// Fails if the escrow contract would refuse a message, or if the signature is not its signer's.
async fn check(contracts: &Contracts, file: &MessageFile) -> Result<()> {
    let refused = |cause: String| Problem::from(ChainError::BadMessage { signer: file.signer, cause });
    let domain = contracts.session_domain();
    let digest: Digest = match &file.message {
        Content::Settlement { session, count } => {
            let stored = contracts.session(session).await?;
            if stored.client != file.signer {
                return Err(refused(format!("the client of session {session} is {}", stored.client)));
            }
            if *count <= stored.paid {
                return Err(refused(format!("{} queries of session {session} are already paid", stored.paid)));
            }
            settlement_digest(&domain, session, *count)
        }
        Content::OpenSession(opening) => {
            let (nonce, deadline) = (file.number()?, file.until()?);
            let now = contracts.chain().time().await?;
            if deadline < now {
                return Err(refused(format!(
                    "it expired at {deadline}, and the chain's time is {now}; ask for a new one"
                )));
            }
            let next = contracts.session_count(file.signer).await?;
            if nonce != U256::from(next) {
                return Err(refused(format!("it opens session {nonce} of its signer, but the next session is {next}")));
            }
            opening.session()?.digest(file.signer, &domain, next, deadline)
        }
        _ => return Ok(()),
    };
    let account = contracts.chain().code(file.signer).await?.is_empty();
    if account && signer_of(&digest, &file.signature.0) != Some(file.signer) {
        return Err(refused("the signature is not its signer's over exactly this message".to_owned()));
    }
    Ok(())
}

async fn bring(c: &Connected, file: &MessageFile) -> Result<Value> {
    let signature = file.signature.0.clone().into();
    match &file.message {
        Content::Settlement { session, count } => {
            let call = c.contracts.settle(session, *count, signature);
            c.send(&call, |e| json!({ "session": session, "paid": e.paid, "amount": e.amount.to_string() })).await
        }
        Content::OpenSession(opening) => open(c, file, opening).await,
        _ => Ok(Value::Null),
    }
}

/// Opens a session for its client; submits the client's permit first if the escrow contract's allowance is too small.
async fn open(c: &Connected, file: &MessageFile, opening: &Opening) -> Result<Value> {
    let new = opening.session()?;
    let escrow = U256::from(new.escrow);
    let permitted = match c.contracts.escrow_allowance(file.signer).await? < escrow {
        true => {
            let call = c.contracts.bring_permit(file.signer, escrow, &opening.permit()?);
            Some(call.send(&c.wallet).await?.sent)
        }
        false => None,
    };
    let signature = file.signature.0.clone().into();
    let call = c.contracts.open_session_for(file.signer, &new, file.until()?, signature);
    let told = |e: &tribute_chain::sessions::Opened| json!({ "session": e.session, "client": e.client, "transcript": e.transcript });
    let mut value = c.send(&call, told).await?;
    value["permit"] = serde_json::to_value(permitted)?;
    Ok(value)
}

pub(super) async fn cancel_nonce(a: CancelNonceArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let told = |()| json!({ "nonce": a.nonce.to_string() });
    let value = match a.weights {
        true => c.send(&c.contracts.cancel_weight_nonce(a.nonce), |()| told(())).await?,
        false => c.send(&c.contracts.cancel_nonce(a.nonce), |()| told(())).await?,
    };
    a.chain.emit(&value)
}
