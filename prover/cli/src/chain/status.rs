//! `tribute chain status`: the contracts' state.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::Address;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::state::{AgentState, DatasetState, SessionState, VersionState};
use tribute_chain::{Artifacts, ChainError, Contracts, Follower, Tables};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId, SessionId};
use tribute_core::statement::Statement;
use tribute_problem::Result;

use super::{account, guard, node, withdraw, ReadArgs};
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Show only this account's datasets, agents and sessions, and what it may withdraw.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<AccountAddress>,
    /// forge's output folder, to compare its code with the chain's. [default: TRIBUTE_ARTIFACTS, or verifier-contract/out in
    /// this folder or one above; if there is none, code is not compared]
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
}

pub(super) async fn run(a: StatusArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let artifacts = match &a.artifacts {
        Some(folder) => Some(Artifacts::at(folder)?),
        None => Artifacts::find().ok(),
    };
    let checked = match &artifacts {
        Some(artifacts) => Some(contracts.deployment().check(contracts.chain(), artifacts).await),
        None => None,
    };
    let who = a.account.map(account);
    let mut value = status(&contracts, who).await?;
    let code = match &checked {
        None => "not compared: no local build".to_owned(),
        Some(Ok(())) => "equal to the local build, bound to each other as the deployment says".to_owned(),
        Some(Err(error)) => error.to_string(),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("code".into(), Value::String(code));
    }
    a.read.emit(&value)?;
    match checked {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

async fn status(contracts: &Contracts, who: Option<Address>) -> Result<Value> {
    let mut follower = Follower::new(contracts);
    follower.follow(contracts).await?;
    let tables = follower.tables();
    let d = contracts.deployment();
    let money = contracts.holdings().await?;
    let mut value = json!({
        "chain": { "id": d.chain_id, "node": contracts.chain().url(), "block": follower.head(), "deployed_in": d.block },
        "contracts": {
            "ProofGate": d.proof_gate.address, "DatasetRegistry": d.dataset_registry.address,
            "AgentRegistry": d.agent_registry.address, "SessionEscrow": d.session_escrow.address,
            "AgreedWeights": d.agreed_weights.address,
            "token": d.token.address, "test_token": d.test_token,
            "owner": d.owner, "thaw_seconds": d.thaw_seconds, "challenge_seconds": d.challenge_seconds,
        },
        "money": {
            "held": money.held.to_string(), "owed": money.liabilities.to_string(),
            "escrow": money.escrow.to_string(), "rewards": money.rewards.to_string(),
            // amounts rebuilt from all events since the deployment
            "events_agree": (tables.escrow(), tables.rewards()) == (money.escrow, money.rewards),
        },
        "new_sessions": if contracts.paused().await? { "paused" } else { "allowed" },
        "timelock": guard::shown(contracts).await?,
        "circuits": circuits(contracts, tables).await?,
        "datasets": tables.datasets.iter().filter(|(_, d)| concerns(who, d.owner)).map(dataset).collect::<Vec<_>>(),
        "agents": tables.agents.iter().filter(|(_, a)| concerns(who, a.owner)).map(agent).collect::<Vec<_>>(),
        "sessions": tables.sessions.iter().filter(|(_, s)| concerns(who, s.client)).map(session).collect::<Vec<_>>(),
    });
    if let (Some(who), Some(object)) = (who, value.as_object_mut()) {
        let due = withdraw::all_due(contracts, tables, who).await?;
        object.insert("due".into(), due.iter().map(withdraw::Due::value).collect());
        object.insert("tokens".into(), json!(contracts.token_balance(who).await?.to_string()));
    }
    Ok(value)
}

fn concerns(who: Option<Address>, owner: Address) -> bool {
    who.is_none_or(|who| who == owner)
}

async fn circuits(contracts: &Contracts, tables: &Tables) -> Result<Vec<Value>, ChainError> {
    let mut all = Vec::new();
    for (id, state) in &tables.circuits {
        let info = contracts.circuit(id).await?;
        all.push(json!({
            "circuit_id": id,
            "statement": statement(state.statement),
            "layout_hash": state.layout,
            "verifier": state.verifier,
            "gas_cap": info.gasCap,
            "stopped": state.stopped,
        }));
    }
    Ok(all)
}

/// The name of a statement code, or the code itself if it is unknown.
fn statement(code: u8) -> String {
    let found = Statement::ALL.into_iter().find(|s| s.code() == code);
    found.map_or_else(|| code.to_string(), |s| s.name().to_owned())
}

fn dataset((id, d): (&DatasetId, &DatasetState)) -> Value {
    let grants = d.grants.iter().filter(|(_, g)| g.uses > 0);
    let (node, node_refused) = node::told(d.node.as_ref());
    json!({
        "dataset_id": id, "owner": d.owner, "records": d.records, "shards": d.shards.len(),
        "root": d.root, "schema_id": d.schema, "circuit_id": d.circuit, "terms": d.terms, "payout": d.payout,
        "node": node, "node_refused": node_refused,
        "grants": grants.map(|(to, g)| json!({ "to": to, "uses": g.uses, "expiry": g.expiry })).collect::<Vec<_>>(),
    })
}

fn agent((id, a): (&AgentId, &AgentState)) -> Value {
    let name = String::from_utf8_lossy(a.name.as_slice()).trim_end_matches('\0').to_owned();
    json!({
        "agent_id": id, "owner": a.owner, "name": name, "metadata": a.metadata, "payout": a.payout,
        "versions": a.versions.iter().map(version).collect::<Vec<_>>(),
    })
}

fn version((number, v): (&u32, &VersionState)) -> Value {
    let certificate = v.certificate.as_ref();
    json!({
        "version": number,
        "weights_digest": v.weights,
        "model_sha256": v.model,
        "dataset_ids": v.datasets,
        "stage": v.stage,
        "price": v.price.to_string(),
        "gradients_proven": v.gradients.values().map(BTreeMap::len).sum::<usize>(),
        "certified": certificate.is_some(),
        "records": certificate.map(|c| c.records),
        "contributions": v.contributions.iter().map(|(id, n)| (id.to_string(), n.to_string())).collect::<BTreeMap<_, _>>(),
        "earned_for_data": v.to_data.to_string(),
        "earned_for_owner": v.to_owner.to_string(),
    })
}

fn session((id, s): (&SessionId, &SessionState)) -> Value {
    json!({
        "session": id, "client": s.client, "agent_id": s.agent, "version": s.version,
        "price": s.price.to_string(), "escrowed": s.escrowed.to_string(), "claimed": s.claimed.to_string(),
        "remaining": s.remaining().to_string(), "count": s.count, "paid": s.paid, "thaw_end": s.thaw_end,
    })
}
