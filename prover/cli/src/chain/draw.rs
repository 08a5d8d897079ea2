//! Draws of sampled valuations: committing to one, the beacon that follows, and what a reader of the file should know.

use std::time::Duration;

use clap::Args;
use serde_json::{json, Value};
use tribute_chain::draws::Draw;
use tribute_chain::Contracts;
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId};
use tribute_core::valuation::sampled::{MAX_PERMUTATIONS, MIN_PERMUTATIONS};
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Reason, Result};

use super::check;
use super::version::{StepArgs, VersionArgs};
use super::ChainArgs;
use crate::CommandResult;

/// Pause between two looks at the newest block.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// The registered dataset that the valuation will be made on. The version has no other draw, so check that its owner lets you
    /// use it as often as `tribute agent value --estimate` says.
    #[arg(long, value_name = "ID")]
    test_set: DatasetId,
    /// Number of permutations of the owners that will be drawn.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(i64::from(MIN_PERMUTATIONS)..=i64::from(MAX_PERMUTATIONS)))]
    permutations: u32,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn commit(a: CommitArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    check::requires_stranger(&c.contracts, &a.test_set, &c.contracts.listed(&agent, version).await?).await?;
    let call = c.contracts.commit_valuation(&agent, version, &a.test_set, a.permutations);
    let value = c
        .send(&call, |done| {
            json!({
                "agent_id": agent, "version": version, "test_set": a.test_set, "permutations": a.permutations,
                "attempt": done.attempt, "block": done.block,
            })
        })
        .await?;
    a.chain.emit(&value)?;
    eprintln!("once that block is there: `tribute chain beacon {agent} --version {version}`");
    Ok(())
}

/// Shows the beacon, fixing it first if nobody has; waits for the block that it follows from.
pub(super) async fn beacon(a: StepArgs) -> CommandResult {
    let VersionArgs { agent, version } = a.which;
    let contracts = a.chain.sender.read.contracts().await?;
    let mut draw = committed(&contracts, &agent, version).await?;
    if draw.beacon.is_none() {
        wait_beyond(&contracts, draw.block).await?;
        let c = a.chain.connect().await?;
        let fixed = move |beacon: &[u8; 32]| shown(&agent, version, &Draw { beacon: Some(*beacon), ..draw });
        match c.send(&c.contracts.fix_beacon(&agent, version), fixed).await {
            Ok(value) => return a.chain.emit(&value),
            Err(problem) => {
                // somebody else may have fixed it in the meantime
                draw = committed(&contracts, &agent, version).await?;
                if draw.beacon.is_none() {
                    return Err(problem);
                }
            }
        }
    }
    a.chain.emit(&shown(&agent, version, &draw))
}

async fn committed(contracts: &Contracts, agent: &AgentId, version: u32) -> Result<Draw> {
    let none = || {
        let message = format!(
            "no valuation of agent {agent} version {version} was committed to: its owner does that with `tribute chain \
             commit-valuation`"
        );
        Problem::new(Reason::NotReady, message).with("agent", agent)
    };
    contracts.draw(agent, version).await?.ok_or_else(none)
}

/// Waits until the chain has a block after this one, so that the hash of this one is known.
async fn wait_beyond(contracts: &Contracts, block: u64) -> Result<()> {
    let mut told = false;
    loop {
        let head = contracts.chain().block_number().await?;
        if head > block {
            return Ok(());
        }
        if !told {
            eprintln!("waiting for the block after {block}; the newest is {head}");
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A draw as a result.
fn shown(agent: &AgentId, version: u32, draw: &Draw) -> Value {
    let mut value = fields(draw);
    value["agent_id"] = json!(agent);
    value["version"] = json!(version);
    value
}

/// What the chain has of a draw.
pub(super) fn fields(draw: &Draw) -> Value {
    json!({
        "test_set": draw.test_set, "permutations": draw.permutations, "attempts": draw.attempts, "block": draw.block,
        "beacon": draw.beacon.map(Hex),
    })
}

/// What to know of a valuation whose permutations were drawn, as numbers; `None` if every coalition is there.
pub(super) fn sampled(valuation: &Valuation, draw: Option<&Draw>) -> Option<Value> {
    let sampling = valuation.sampling.as_ref()?;
    Some(json!({
        "permutations": sampling.permutations, "attempts": draw.map(|d| d.attempts),
        "largest_half_width": largest_half_width(valuation),
    }))
}

/// The same in words, for whoever is about to propose or sign weights.
pub(super) async fn warn(contracts: &Contracts, valuation: &Valuation) -> Result<()> {
    let Some(sampling) = &valuation.sampling else { return Ok(()) };
    let agent = &valuation.certificate.agent;
    let draw = committed(contracts, &agent.id, agent.version).await?;
    eprintln!(
        "these values are estimates: {} permutations of {} owners were drawn by the beacon that block {} gave; the widest interval \
         is ± {:.6} of mean loss saved",
        sampling.permutations,
        valuation.owners.len(),
        draw.block,
        largest_half_width(valuation)
    );
    if draw.attempts > 1 {
        eprintln!(
            "{} earlier draws were left to lapse: each could be seen before it was given up, so these values may be the best of {}",
            draw.attempts - 1,
            draw.attempts
        );
    }
    Ok(())
}

/// Half the width of the widest interval, as mean loss saved.
fn largest_half_width(valuation: &Valuation) -> f64 {
    valuation.per_record(valuation.values.iter().map(|v| v.half_width).max().unwrap_or_default())
}
