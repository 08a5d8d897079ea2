//! Uncertified versions: listing datasets, closing, status and abandoning.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::{I256, U256};
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::agents::{Contribution, Sums};
use tribute_chain::version::{Stage, Version};
use tribute_chain::{ChainError, Contracts};
use tribute_core::context::list_hash;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::Result;

use super::agent::{share, OptimumFile, DATASETS_TO_A_TRANSACTION};
use super::{json_file, ChainArgs, ReadArgs};
use crate::output::hexed;
use crate::CommandResult;

/// An agent's version.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct VersionArgs {
    /// The agent's id.
    pub(super) agent: AgentId,
    /// Its version.
    #[arg(long, default_value_t = 1)]
    pub(super) version: u32,
}

#[derive(Debug, Args)]
pub(crate) struct AddDatasetsArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// A dataset's id; repeat for every dataset, in the order of the list.
    #[arg(long = "dataset", value_name = "ID", required = true)]
    datasets: Vec<DatasetId>,
    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    #[command(flatten)]
    pub(super) which: VersionArgs,
    #[command(flatten)]
    pub(super) chain: ChainArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// A candidate dataset: reports whether it could be listed now, and if not, why; repeatable.
    #[arg(long = "dataset", value_name = "ID")]
    datasets: Vec<DatasetId>,
    /// The optimum proof, as `tribute agent prove-optimum --out` wrote it: reports whether it would certify the version now.
    #[arg(long, value_name = "FILE")]
    optimum: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
}

pub(super) async fn add_datasets(a: AddDatasetsArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let mut listed: Vec<Value> = Vec::new();
    for datasets in a.datasets.chunks(DATASETS_TO_A_TRANSACTION) {
        let call = c.contracts.add_datasets(&agent, version, datasets);
        listed.push(c.send(&call, |e| json!({ "datasets": e.len() })).await?);
    }
    a.chain.emit(&json!({ "agent_id": agent, "version": version, "listed": listed }))
}

pub(super) async fn close(a: StepArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let told = |e: &tribute_chain::agents::Closed| {
        json!({
            "agent_id": agent, "version": version, "datasets": e.datasets, "shards": e.shards, "records": e.records,
            "list": hexed(&e.list),
        })
    };
    let value = c.send(&c.contracts.close(&agent, version), told).await?;
    a.chain.emit(&value)
}

/// Adopts a version that an earlier owner of the agent proposed.
pub(super) async fn adopt(a: StepArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let call = c.contracts.adopt_version(&agent, version);
    let value = c.send(&call, |()| json!({ "agent_id": agent, "version": version })).await?;
    a.chain.emit(&value)
}

/// Abandons a version and returns its uses of grants. After an interruption, the next run does the rest.
pub(super) async fn abandon(a: StepArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let mut value = json!({ "agent_id": agent, "version": version });
    if c.contracts.version(&agent, version).await?.stage == Stage::Abandoned {
        note!("already abandoned");
    } else {
        value = c.send(&c.contracts.abandon(&agent, version), |()| value.clone()).await?;
    }
    // a nonzero serial marks a use that was taken from a grant and not yet returned
    let mut taken = Vec::new();
    for dataset in c.contracts.listed(&agent, version).await? {
        let part = c.contracts.contribution(&agent, version, &dataset).await?;
        if part.grant_serial != 0 && part.shards_done == 0 {
            taken.push(dataset);
        }
    }
    let mut returned: Vec<Value> = Vec::new();
    for datasets in taken.chunks(DATASETS_TO_A_TRANSACTION) {
        let call = c.contracts.return_uses(&agent, version, datasets);
        returned.push(c.send(&call, |roots| json!({ "roots": roots })).await?);
    }
    value["returned"] = returned.into();
    a.chain.emit(&value)
}

pub(super) async fn show(a: ShowArgs) -> CommandResult {
    let contracts = a.read.contracts().await?;
    let VersionArgs { agent, version } = a.which;
    let v = contracts.version(&agent, version).await?;
    let sums = contracts.sums(&agent, version).await?;
    let listed = contracts.listed(&agent, version).await?;
    let mut parts = BTreeMap::new();
    let mut rows = Vec::new();
    for dataset in &listed {
        let part = contracts.contribution(&agent, version, dataset).await?;
        let mut missing = Vec::new();
        if v.stage == Stage::Closed && part.shards_done < part.shards {
            for shard in 0..part.shards {
                if !contracts.gradient_added(&agent, version, dataset, shard).await? {
                    missing.push(shard);
                }
            }
        }
        let complete = part.shards_done == part.shards;
        rows.push(json!({
            "dataset_id": dataset,
            "shards": part.shards,
            "gradients": part.shards_done,
            "missing_gradients": missing,
            "contribution": part.value.to_string(),
            "least_share": f64::from(part.min_share_bps) / 10_000.0,
            "share": (complete && v.shards_done == v.shards && v.shards > 0).then(|| share(&part, sums.positive)),
            "grant_serial": (part.grant_serial != 0).then_some(part.grant_serial),
        }));
        parts.insert(*dataset, part);
    }
    let mut candidates = Vec::new();
    for dataset in &a.datasets {
        let refused = match contracts.add_datasets(&agent, version, &[*dataset]).simulate(v.owner).await {
            Ok(_) => None,
            Err(error @ ChainError::Reverted { .. }) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        candidates.push(json!({ "dataset_id": dataset, "could_be_listed": refused.is_none(), "because": refused }));
    }
    let mut refusals = refusals(&contracts, &agent, version, &v, &sums, &parts, &listed).await?;
    if let (Some(file), true) = (&a.optimum, refusals.is_empty()) {
        let file: OptimumFile = json_file(file)?;
        match contracts.certify(&agent, version, &file.proof.proof()).simulate(v.owner).await {
            Ok(_) => {}
            Err(error @ ChainError::Reverted { .. }) => refusals.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    let certifiable = match (v.stage, refusals.is_empty(), a.optimum.is_some()) {
        (Stage::Certified | Stage::Doubtful | Stage::Abandoned, ..) => None,
        (_, false, _) => Some("no"),
        (_, true, true) => Some("yes, with this proof"),
        (_, true, false) => Some("yes, with a valid optimum proof"),
    };
    a.read.emit(&json!({
        "agent_id": agent,
        "version": version,
        "stage": v.stage.name(),
        "owner": v.owner,
        "price": v.price.to_string(),
        "data_bps": v.data_bps,
        "shards": v.shards,
        "gradients": v.shards_done,
        "records": v.records,
        "weights_digest": v.weights,
        "anybody_may_abandon_from": matches!(v.stage, Stage::Draft | Stage::Closed).then_some(v.deadline),
        "datasets": rows,
        "candidates": candidates,
        "certifiable": certifiable,
        "refusals": refusals,
    }))
}

/// Reasons why the contract would refuse to certify the version now, even with a valid proof; empty if there are none.
async fn refusals(
    contracts: &Contracts,
    agent: &AgentId,
    version: u32,
    v: &Version,
    sums: &Sums,
    parts: &BTreeMap<DatasetId, Contribution>,
    listed: &[DatasetId],
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    match v.stage {
        Stage::Draft => {
            all.push("its list of datasets is still open: `tribute chain close-version` closes it".to_owned())
        }
        Stage::Closed => {}
        Stage::Certified | Stage::Doubtful => return Ok(all),
        Stage::Abandoned => return Ok(vec!["it was abandoned: propose another version".to_owned()]),
    }
    if listed.is_empty() {
        all.push("no dataset is listed: `tribute chain add-datasets`".to_owned());
    }
    if let Some(circuit) = contracts.stopped_circuit(agent, version).await? {
        all.push(format!(
            "circuit {circuit} was stopped permanently: abandon this version and propose one with other circuits"
        ));
    }
    if let Some(wanted) = v.participants {
        let found = list_hash(listed.iter().copied());
        if wanted != found {
            all.push(format!(
                "a grant requires a dataset list with hash {}, but the list's hash is {}: list exactly the datasets that the \
                 grant names, in its order",
                hexed(&wanted),
                hexed(&found)
            ));
        }
    }
    if v.stage == Stage::Draft {
        return Ok(all);
    }
    if v.shards_done < v.shards {
        all.push(format!(
            "{} of {} gradients are missing: `tribute agent prove-gradients`, then `tribute chain submit-gradients`",
            v.shards - v.shards_done,
            v.shards
        ));
        return Ok(all);
    }
    let least = I256::try_from(u64::from(v.shards) << 20).unwrap_or(I256::MAX);
    if sums.total < least {
        all.push(format!("the contributions sum to {}, less than {least}: raise λ, or use fewer shards", sums.total));
    }
    let total = U256::try_from(sums.total).unwrap_or_default();
    let negative = sums.positive.saturating_sub(total);
    if negative.saturating_mul(U256::from(1024)) > total {
        let against: Vec<String> =
            parts.iter().filter(|(_, p)| p.value.is_negative()).map(|(id, _)| id.to_string()).collect();
        all.push(format!(
            "the negative contributions of {} exceed 2^-10 of the sum: leave those datasets out and train again",
            against.join(", ")
        ));
    }
    if sums.least_base.is_some_and(|base| base < sums.positive) {
        let below = parts.iter().filter(|(_, p)| share(p, sums.positive) < f64::from(p.min_share_bps) / 10_000.0);
        let said: Vec<String> = below
            .map(|(id, p)| {
                let (own, least) = (share(p, sums.positive), f64::from(p.min_share_bps) / 10_000.0);
                format!("{id} gets {own:.6} and asks for {least:.4}")
            })
            .collect();
        all.push(format!(
            "a dataset gets less than its least share ({}): leave it out, or ask for another grant",
            said.join("; ")
        ));
    }
    Ok(all)
}
