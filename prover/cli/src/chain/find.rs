//! Finding agents: their metadata, prices and certification.

use alloy::primitives::U256;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::state::AgentState;
use tribute_chain::version::Stage;
use tribute_chain::{Contracts, Follower};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, DatasetId, SchemaId};
use tribute_problem::{Problem, Result};

use super::{account, ChainArgs, ReadArgs};
use crate::typed::units;
use crate::CommandResult;

/// Maximum length of an agent's metadata, in bytes.
const METADATA_BYTES: usize = 1_024;

/// Metadata of an agent, by which clients find it.
#[derive(Clone, Debug, Args)]
pub(crate) struct MetadataArgs {
    /// URL of the service that serves the agent.
    #[arg(long, value_name = "URL")]
    service: Option<String>,
    /// Description of what the agent does.
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
    /// The complete metadata instead: a URI or JSON.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["service", "about"])]
    metadata: Option<String>,
}

impl MetadataArgs {
    /// The text that the registry stores: JSON with `service` and `about`, or `--metadata` itself; `None` without arguments.
    pub(super) fn text(&self) -> Result<Option<String>> {
        if let Some(url) = &self.service {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(Problem::field(
                    "service",
                    format!("`{url}` is not a URL: it must start with http:// or https://"),
                ));
            }
        }
        let text = match (&self.metadata, &self.service, &self.about) {
            (Some(text), ..) => text.clone(),
            (None, None, None) => return Ok(None),
            (None, service, about) => {
                let mut value = json!({});
                for (name, said) in [("service", service), ("about", about)] {
                    if let Some(said) = said {
                        value[name] = said.as_str().into();
                    }
                }
                value.to_string()
            }
        };
        if text.len() > METADATA_BYTES {
            let message =
                format!("{} bytes are more than the maximum of {METADATA_BYTES}: link to the rest", text.len());
            return Err(Problem::field("metadata", message));
        }
        Ok(Some(text))
    }
}

#[derive(Debug, Args)]
pub(crate) struct SetMetadataArgs {
    /// The agent's id.
    agent: AgentId,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Only agents whose name or metadata contains this text, ignoring case.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only agents of this owner.
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<AccountAddress>,
    /// Only agents that take records of this schema.
    #[arg(long, value_name = "ID")]
    schema: Option<SchemaId>,
    /// Only agents that were trained on any version of this dataset.
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// Only agents whose price per query is at most this, in the token's base units.
    #[arg(long, value_name = "AMOUNT", value_parser = units)]
    max_price: Option<u128>,
    /// Include agents without a certified version and agents with a stopped circuit.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The agent's id.
    agent: AgentId,
    #[command(flatten)]
    read: ReadArgs,
}

/// The version that is offered to clients. If it is doubtful, no session can be opened with it.
struct Offer {
    version: u32,
    stage: Stage,
    price: u128,
    data_bps: u16,
    schema: SchemaId,
    records: u64,
    /// Numbers of paid queries: those with a proof, and those settled by a client's signature.
    served: (U256, U256),
}

impl Offer {
    fn value(&self) -> Value {
        json!({
            "version": self.version,
            "stage": self.stage.name(),
            "price": self.price.to_string(),
            "data_bps": self.data_bps,
            "schema_id": self.schema,
            "records": self.records,
            "proven_queries": self.served.0.to_string(),
            "settled_queries": self.served.1.to_string(),
        })
    }
}

pub(super) async fn set_metadata(a: SetMetadataArgs) -> CommandResult {
    let text = a.metadata.text()?;
    let text =
        text.ok_or_else(|| Problem::field("metadata", "nothing to set: give --service, --about or --metadata"))?;
    let c = a.chain.connect().await?;
    let told = |()| json!({ "agent_id": a.agent, "metadata": said(&text) });
    let value = c.send(&c.contracts.set_metadata(&a.agent, &text), |()| told(())).await?;
    a.chain.emit(&value)
}

/// The certified version with the highest number.
async fn offer(contracts: &Contracts, agent: &AgentId, state: &AgentState) -> Result<Option<Offer>> {
    let certified = state.versions.iter().rev().find(|(_, v)| v.certificate.is_some());
    let Some((version, _)) = certified else { return Ok(None) };
    let v = contracts.version(agent, *version).await?;
    Ok(Some(Offer {
        version: *version,
        stage: v.stage,
        price: v.price,
        data_bps: v.data_bps,
        schema: v.schema,
        records: v.records,
        served: contracts.served_queries(agent, *version).await?,
    }))
}

/// Metadata as a JSON object if it is one, otherwise as text.
fn said(metadata: &str) -> Value {
    match serde_json::from_str::<Value>(metadata) {
        Ok(value) if value.is_object() => value,
        _ => metadata.into(),
    }
}

fn name(state: &AgentState) -> String {
    String::from_utf8_lossy(state.name.as_slice()).trim_end_matches('\0').to_owned()
}

pub(super) async fn find(a: FindArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let mut follower = Follower::new(&contracts);
    follower.follow(&contracts).await?;
    let tables = follower.tables();
    let text = a.text.as_ref().map(|t| t.to_lowercase());
    let root = match a.dataset {
        Some(id) => Some(contracts.dataset(&id).await?.root),
        None => None,
    };
    let mut found = Vec::new();
    for (id, state) in &tables.agents {
        let says = |t: &String| name(state).to_lowercase().contains(t) || state.metadata.to_lowercase().contains(t);
        if text.as_ref().is_some_and(|t| !says(t)) || a.owner.is_some_and(|owner| account(owner) != state.owner) {
            continue;
        }
        let offer = offer(&contracts, id, state).await?;
        let usable = offer.as_ref().is_some_and(|o| o.stage == Stage::Certified);
        if !usable && !a.all {
            continue;
        }
        if a.max_price.is_some_and(|most| offer.as_ref().is_none_or(|o| o.price > most))
            || a.schema.is_some_and(|schema| offer.as_ref().is_none_or(|o| o.schema != schema))
        {
            continue;
        }
        if let Some(root) = root {
            let of = |id: &DatasetId| tables.datasets.get(id).is_some_and(|d| d.root == root);
            let listed = offer.as_ref().and_then(|o| state.versions.get(&o.version));
            if !listed.is_some_and(|v| v.datasets.iter().any(of)) {
                continue;
            }
        }
        found.push(json!({
            "agent_id": id,
            "name": name(state),
            "owner": state.owner,
            "metadata": said(&state.metadata),
            "offer": offer.as_ref().map(Offer::value),
        }));
    }
    a.read.emit(&json!({ "agents": found }))
}

pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let owner = contracts.agent_owner(&a.agent).await?; // fails for an unknown agent
    let mut follower = Follower::new(&contracts);
    follower.follow(&contracts).await?;
    let state = follower.tables().agents.get(&a.agent).ok_or_else(|| Problem::not_found("agent", a.agent))?;
    let mut versions = Vec::new();
    for (number, v) in &state.versions {
        let stage = contracts.version(&a.agent, *number).await?.stage;
        versions.push(json!({
            "version": number, "stage": stage.name(), "price": v.price.to_string(), "datasets": v.datasets,
        }));
    }
    a.read.emit(&json!({
        "agent_id": a.agent,
        "name": name(state),
        "owner": owner,
        "offered_to": contracts.agent_offered_to(&a.agent).await?,
        "payout": contracts.agent_payout(&a.agent).await?,
        "metadata": said(&state.metadata),
        "offer": offer(&contracts, &a.agent, state).await?.as_ref().map(Offer::value),
        "versions": versions,
    }))
}
