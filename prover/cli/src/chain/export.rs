//! `tribute chain export`: the contracts' events between two blocks, as tables for an audit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface as _;
use clap::Args;
use serde_json::{json, Map, Value};
use tribute_chain::abi::IAgentRegistry::IAgentRegistryEvents as Agent;
use tribute_chain::abi::IAgreedWeights::IAgreedWeightsEvents as Weights;
use tribute_chain::abi::IDatasetRegistry::IDatasetRegistryEvents as Dataset;
use tribute_chain::abi::ISessionEscrow::ISessionEscrowEvents as Session;
use tribute_chain::dataset_node::NodeEntry;
use tribute_chain::Contracts;
use tribute_client::files::write_file;
use tribute_problem::{Problem, Result};

use super::terms::links;
use super::NodeArgs;
use crate::CommandResult;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// First block. [default: the deployment's]
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,
    /// Last block. [default: the newest]
    #[arg(long, value_name = "BLOCK")]
    to: Option<u64>,
    /// Folder to write to; created if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

/// A row: the position of its event on chain, then the columns of its table.
type Row = Map<String, Value>;

/// The tables with their columns, after those of [`PLACE`]. A row leaves the columns empty that its kind of event lacks.
const TABLES: [(&str, &[&str]); 5] = [
    (
        "datasets",
        &[
            "kind",
            "dataset_id",
            "root",
            "owner",
            "account",
            "node",
            "schema_id",
            "records",
            "shards",
            "min_share_bps",
            "min_data_bps",
            "min_price",
            "links",
            "open_training",
        ],
    ),
    (
        "grants",
        &[
            "kind",
            "root",
            "dataset_id",
            "grantee",
            "serial",
            "uses",
            "expiry",
            "min_share_bps",
            "min_data_bps",
            "min_price",
            "links",
            "covers_later",
            "participants",
        ],
    ),
    (
        "certificates",
        &[
            "kind",
            "agent_id",
            "version",
            "account",
            "dataset_id",
            "shard",
            "contribution",
            "records",
            "lambda",
            "epsilon",
            "norm",
            "total",
            "positive",
            "data_bps",
            "price",
            "weights_digest",
            "model_sha256",
            "list",
        ],
    ),
    (
        "weights",
        &[
            "kind",
            "agent_id",
            "version",
            "round",
            "dataset_id",
            "root",
            "account",
            "weight",
            "proposal",
            "valuation",
            "test_set",
            "attester",
            "grantee",
            "permutations",
            "attempt",
            "drawn_block",
            "beacon",
            "until",
            "earned_before",
        ],
    ),
    (
        "payments",
        &[
            "kind",
            "session",
            "agent_id",
            "version",
            "dataset_id",
            "account",
            "price",
            "queries",
            "amount",
            "escrow",
            "rewards",
        ],
    ),
];

/// Columns with an event's position on chain.
const PLACE: [&str; 4] = ["block", "time", "tx", "index"];

pub(super) async fn run(a: ExportArgs) -> CommandResult {
    let contracts = a.node.contracts().await?;
    let newest = contracts.chain().block_number().await?;
    let from = a.from.unwrap_or(contracts.deployment().block);
    let to = a.to.unwrap_or(newest);
    if from > to {
        return Err(Problem::field("from", format!("block {from} comes after block {to}")));
    }
    if to > newest {
        return Err(Problem::field(
            "to",
            format!("block {to} does not exist yet: the chain's newest block is {newest}"),
        ));
    }
    let mut tables: BTreeMap<&str, Vec<Row>> = TABLES.iter().map(|(name, _)| (*name, Vec::new())).collect();
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for log in contracts.logs(from, to).await? {
        let Some((table, row)) = row(&contracts, &log)? else { continue };
        let block = log.block_number.unwrap_or_default();
        if let std::collections::btree_map::Entry::Vacant(entry) = times.entry(block) {
            let found = contracts.chain().block(block).await?;
            entry.insert(found.map_or(0, |b| b.timestamp));
        }
        let mut all = Row::new();
        all.insert("block".into(), block.into());
        all.insert("time".into(), times.get(&block).copied().unwrap_or_default().into());
        all.insert("tx".into(), log.transaction_hash.unwrap_or_default().to_string().into());
        all.insert("index".into(), log.log_index.unwrap_or_default().into());
        all.extend(row);
        tables.entry(table).or_default().push(all);
    }
    std::fs::create_dir_all(&a.out)
        .map_err(|e| Problem::field("out", format!("cannot make {}: {e}", a.out.display())))?;
    for (name, columns) in TABLES {
        let rows = tables.get(name).map_or(&[] as &[Row], Vec::as_slice);
        write_file(&a.out.join(format!("{name}.csv")), csv(columns, rows).as_bytes())?;
        write_file(&a.out.join(format!("{name}.json")), serde_json::to_string_pretty(rows)?.as_bytes())?;
    }
    let d = contracts.deployment();
    let totals = totals(tables.get("payments").map_or(&[], Vec::as_slice));
    let summary = json!({
        "chain_id": d.chain_id,
        "from": from,
        "to": to,
        "contracts": {
            "DatasetRegistry": d.dataset_registry.address, "AgentRegistry": d.agent_registry.address,
            "SessionEscrow": d.session_escrow.address, "AgreedWeights": d.agreed_weights.address, "token": d.token.address,
        },
        "rows": tables.iter().map(|(name, rows)| ((*name).to_owned(), rows.len().into())).collect::<Row>(),
        "totals": totals,
    });
    write_file(&a.out.join("summary.json"), serde_json::to_string_pretty(&summary)?.as_bytes())?;
    match a.node.json {
        true => say!("{summary}"),
        false => say_part!("{}", super::show::lines(&summary)),
    }
    Ok(())
}

fn csv(columns: &[&str], rows: &[Row]) -> String {
    let mut text = String::new();
    let all: Vec<&str> = PLACE.iter().chain(columns).copied().collect();
    text.push_str(&all.join(","));
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = all.iter().map(|name| cell(row.get(*name))).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// A value as a CSV cell, quoted if necessary.
fn cell(value: Option<&Value>) -> String {
    let plain = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    };
    match plain.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", plain.replace('"', "\"\"")),
        false => plain,
    }
}

/// Sums of the payments by kind, and the net change of the escrow contract's liabilities. Over all blocks since the deployment,
/// that change is what the contract owes.
fn totals(payments: &[Row]) -> Value {
    let mut sums: BTreeMap<String, U256> = BTreeMap::new();
    let mut left = [("escrow", U256::ZERO, U256::ZERO), ("rewards", U256::ZERO, U256::ZERO)];
    for row in payments {
        let number = |name: &str| -> Option<(bool, U256)> {
            let text = row.get(name)?.as_str()?;
            let digits = text.strip_prefix('-').unwrap_or(text);
            Some((text.starts_with('-'), digits.parse().ok()?))
        };
        if let (Some(kind), Some((_, amount))) = (row.get("kind").and_then(Value::as_str), number("amount")) {
            let sum = sums.entry(kind.replace('-', "_")).or_default();
            *sum = sum.saturating_add(amount);
        }
        for (name, plus, minus) in &mut left {
            match number(name) {
                Some((false, n)) => *plus = plus.saturating_add(n),
                Some((true, n)) => *minus = minus.saturating_add(n),
                None => {}
            }
        }
    }
    let mut all: Row = sums.into_iter().map(|(kind, n)| (kind, n.to_string().into())).collect();
    for (name, plus, minus) in left {
        let text = match plus >= minus {
            true => (plus - minus).to_string(),
            false => format!("-{}", minus - plus),
        };
        all.insert(format!("{name}_change"), text.into());
    }
    all.into()
}

/// The table and the row of an event that matters in an audit; `None` for others.
fn row(contracts: &Contracts, log: &Log) -> Result<Option<(&'static str, Row)>> {
    let d = contracts.deployment();
    let (address, bad) = (log.address(), |e: alloy::sol_types::Error| Problem::internal(e));
    let known = |selectors: &[[u8; 32]]| log.topic0().is_some_and(|topic| selectors.contains(&topic.0));
    let found = if address == d.dataset_registry.address && known(Dataset::SELECTORS) {
        dataset(Dataset::decode_log(&log.inner).map_err(bad)?.data)
    } else if address == d.agent_registry.address && known(Agent::SELECTORS) {
        agent(Agent::decode_log(&log.inner).map_err(bad)?.data)
    } else if address == d.session_escrow.address && known(Session::SELECTORS) {
        session(Session::decode_log(&log.inner).map_err(bad)?.data)
    } else if address == d.agreed_weights.address && known(Weights::SELECTORS) {
        weights(Weights::decode_log(&log.inner).map_err(bad)?.data)
    } else {
        None
    };
    Ok(found.map(|(table, value)| (table, value.as_object().cloned().unwrap_or_default())))
}

fn somebody(account: Address) -> Option<Address> {
    (!account.is_zero()).then_some(account)
}

fn dataset(event: Dataset) -> Option<(&'static str, Value)> {
    let grant = |kind: &str, root, grantee, serial, uses| {
        ("grants", json!({ "kind": kind, "root": root, "grantee": grantee, "serial": serial, "uses": uses }))
    };
    Some(match event {
        Dataset::DatasetRegistered(e) => (
            "datasets",
            json!({
                "kind": "registered", "dataset_id": e.datasetId, "root": e.datasetId, "owner": e.owner,
                "schema_id": e.schemaId, "records": e.records, "shards": e.shards,
                "min_share_bps": e.terms.minShareBps, "min_data_bps": e.terms.minDataBps,
                "min_price": e.terms.minPricePerQuery.to_string(), "links": links(e.terms.links),
                "open_training": e.terms.openTraining,
            }),
        ),
        Dataset::DatasetExtended(e) => (
            "datasets",
            json!({
                "kind": "extended", "dataset_id": e.datasetId, "root": e.root, "records": e.records, "shards": e.shards,
            }),
        ),
        Dataset::DatasetOffered(e) => {
            ("datasets", json!({ "kind": "offered", "root": e.root, "owner": e.from, "account": somebody(e.to) }))
        }
        Dataset::DatasetTransferred(e) => {
            ("datasets", json!({ "kind": "transferred", "root": e.root, "owner": e.to, "account": e.from }))
        }
        Dataset::PayoutChanged(e) => {
            ("datasets", json!({ "kind": "payout", "root": e.root, "account": somebody(e.payout) }))
        }
        Dataset::NodeSet(e) => {
            // a text that is no URL is told escaped, between quotes
            let told = |entry: NodeEntry| entry.url().map_or_else(|bad| bad.to_string(), String::from);
            ("datasets", json!({ "kind": "node", "root": e.root, "node": NodeEntry::new(e.node).map(told) }))
        }
        Dataset::TrainingGranted(e) => (
            "grants",
            json!({
                "kind": if e.terms.uses == 0 { "revoked" } else { "granted" },
                "root": e.root, "dataset_id": e.datasetId, "grantee": e.grantee, "serial": e.serial,
                "uses": e.terms.uses, "expiry": e.terms.expiry, "min_share_bps": e.terms.minShareBps,
                "min_data_bps": e.terms.minDataBps, "min_price": e.terms.minPricePerQuery.to_string(),
                "links": links(e.terms.links), "covers_later": e.terms.coversLater,
                "participants": (!e.terms.participants.is_zero()).then_some(e.terms.participants),
            }),
        ),
        Dataset::GrantUsed(e) => grant("used", e.root, e.grantee, e.serial, e.usesLeft),
        Dataset::GrantReturned(e) => grant("returned", e.root, e.grantee, e.serial, e.usesLeft),
        _ => return None,
    })
}

fn weights(event: Weights) -> Option<(&'static str, Value)> {
    let value = match event {
        Weights::ValuationsAccepted(e) => json!({
            "kind": if e.attester.is_zero() { "acceptance-withdrawn" } else { "accepted" },
            "root": e.root, "account": e.owner, "grantee": somebody(e.grantee), "attester": somebody(e.attester),
            "test_set": (!e.testSet.is_zero()).then_some(e.testSet),
        }),
        Weights::ValuationCommitted(e) => json!({
            "kind": "valuation-committed", "agent_id": e.agentId, "version": e.version, "test_set": e.testSet,
            "permutations": e.permutations, "attempt": e.attempt, "drawn_block": e.blockNumber,
        }),
        Weights::BeaconFixed(e) => json!({
            "kind": "beacon-fixed", "agent_id": e.agentId, "version": e.version, "attempt": e.attempt,
            "beacon": e.beacon,
        }),
        Weights::WeightsProposed(e) => json!({
            "kind": "proposed", "agent_id": e.agentId, "version": e.version, "proposal": e.proposal, "round": e.round,
            "valuation": e.valuation, "test_set": (!e.testSet.is_zero()).then_some(e.testSet),
            "attester": somebody(e.attester),
        }),
        Weights::WeightPlaced(e) => json!({
            "kind": if e.signed { "signed" } else { "counted-on-acceptance" }, "agent_id": e.agentId,
            "version": e.version, "dataset_id": e.datasetId, "proposal": e.proposal, "weight": e.weight.to_string(),
            "account": e.owner,
        }),
        Weights::WeightsWaiting(e) => json!({
            "kind": "waiting", "agent_id": e.agentId, "version": e.version, "proposal": e.proposal, "until": e.until,
        }),
        Weights::WeightsInForce(e) => json!({
            "kind": "in-force", "agent_id": e.agentId, "version": e.version, "proposal": e.proposal,
            "valuation": e.valuation, "earned_before": e.since.to_string(),
        }),
        Weights::WeightsRefused(e) => json!({
            "kind": "refused", "agent_id": e.agentId, "version": e.version, "round": e.round,
            "dataset_id": e.datasetId, "account": e.owner,
        }),
        _ => return None,
    };
    Some(("weights", value))
}

fn agent(event: Agent) -> Option<(&'static str, Value)> {
    let value = match event {
        Agent::AgentCreated(e) => json!({ "kind": "agent-created", "agent_id": e.agentId, "account": e.owner }),
        Agent::AgentTransferred(e) => json!({ "kind": "agent-transferred", "agent_id": e.agentId, "account": e.to }),
        Agent::VersionProposed(e) => json!({
            "kind": "proposed", "agent_id": e.agentId, "version": e.version, "account": e.owner,
            "lambda": e.params.lambda, "data_bps": e.params.dataBps, "price": e.params.pricePerQuery.to_string(),
            "weights_digest": e.params.wDigest, "model_sha256": e.params.modelHash,
        }),
        Agent::DatasetListed(e) => json!({
            "kind": "listed", "agent_id": e.agentId, "version": e.version, "dataset_id": e.datasetId,
            "records": e.admission.records, "list": e.listHash,
        }),
        Agent::VersionClosed(e) => json!({
            "kind": "closed", "agent_id": e.agentId, "version": e.version, "records": e.records, "list": e.listHash,
        }),
        Agent::GradientAdded(e) => json!({
            "kind": "gradient", "agent_id": e.agentId, "version": e.version, "dataset_id": e.datasetId,
            "shard": e.shard, "contribution": e.contribution.to_string(),
        }),
        Agent::VersionCertified(e) => json!({
            "kind": "certified", "agent_id": e.agentId, "version": e.version, "records": e.records,
            "epsilon": e.epsilon, "norm": e.norm, "total": e.total.to_string(), "positive": e.positive.to_string(),
        }),
        Agent::VersionAbandoned(e) => {
            json!({ "kind": "abandoned", "agent_id": e.agentId, "version": e.version, "account": e.by })
        }
        _ => return None,
    };
    Some(("certificates", value))
}

/// `escrow` and `rewards` are the event's signed changes to what the contract owes.
fn session(event: Session) -> Option<(&'static str, Value)> {
    let less = |amount: U256| format!("-{amount}");
    let value = match event {
        Session::SessionOpened(e) => json!({
            "kind": "opened", "session": e.session, "agent_id": e.agentId, "version": e.version, "account": e.client,
            "price": e.pricePerQuery.to_string(), "amount": e.escrow.to_string(), "escrow": e.escrow.to_string(),
        }),
        Session::SessionToppedUp(e) => json!({
            "kind": "topped-up", "session": e.session, "account": e.from, "amount": e.amount.to_string(),
            "escrow": e.amount.to_string(),
        }),
        Session::ThawedWithdrawn(e) => json!({
            "kind": "refunded", "session": e.session, "account": e.client, "amount": e.amount.to_string(),
            "escrow": less(e.amount),
        }),
        Session::QueriesClaimed(e) => json!({
            "kind": "claimed", "session": e.session, "agent_id": e.agentId, "version": e.version,
            "queries": e.queries, "amount": e.amount.to_string(), "escrow": less(e.amount),
        }),
        Session::SessionSettled(e) => json!({
            "kind": "settled", "session": e.session, "agent_id": e.agentId, "version": e.version,
            "queries": e.queries, "amount": e.amount.to_string(), "escrow": less(e.amount),
        }),
        Session::FeesAccrued(e) => {
            let both = e.toData.saturating_add(e.toOwner);
            json!({
                "kind": "accrued", "agent_id": e.agentId, "version": e.version, "queries": e.queries,
                "amount": both.to_string(), "rewards": both.to_string(),
            })
        }
        Session::ProviderPaid(e) => json!({
            "kind": "provider-paid", "agent_id": e.agentId, "version": e.version, "dataset_id": e.datasetId,
            "account": e.payee, "amount": e.amount.to_string(), "rewards": less(e.amount),
        }),
        Session::OwnerPaid(e) => json!({
            "kind": "owner-paid", "agent_id": e.agentId, "version": e.version, "account": e.payee,
            "amount": e.amount.to_string(), "rewards": less(e.amount),
        }),
        _ => return None,
    };
    Some(("payments", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        assert_eq!(cell(Some(&json!("a,b"))), "\"a,b\"");
        assert_eq!(cell(Some(&json!("say \"x\""))), "\"say \"\"x\"\"\"");
        assert_eq!(cell(Some(&json!(["softmax", "logistic"]))), "softmax logistic");
        assert_eq!(
            (cell(None), cell(Some(&Value::Null)), cell(Some(&json!(7)))),
            (String::new(), String::new(), "7".into())
        );
    }
}
