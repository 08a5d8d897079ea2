//! Draws of sampled valuations: committing to one, and the beacon that follows.

use std::time::Duration;

use alloy::primitives::Address;
use clap::Args;
use serde_json::{json, Value};
use tribute_chain::draws::Draw;
use tribute_chain::Contracts;
use tribute_core::id::{AgentId, DatasetId};
use tribute_core::valuation::sampled::{most_coalitions, MAX_PERMUTATIONS, MIN_PERMUTATIONS};
use tribute_core::valuation::shapley::{EXACT_PLAYERS, MAX_PLAYERS};
use tribute_problem::{Problem, Result};
use tribute_service::jobs::queue::Quotas;

use super::check;
use super::drawn::{committed, fields};
use super::version::{StepArgs, VersionArgs};
use super::ChainArgs;
use crate::CommandResult;

/// Pause between two questions whether the block is there.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// The registered dataset that the valuation will be made on. The version has no other draw, so check that its owner lets you
    /// use it as often as `tribute agent value --estimate` says.
    #[arg(long, value_name = "ID")]
    test_set: DatasetId,
    /// Number of permutations of the owners that will be drawn. m permutations of k owners have up to k(k + 1)/2 + m(k − 3)
    /// coalitions, each of which is a job and opens the test set: `tribute agent value --estimate` with any beacon says how many
    /// there are about, and whether the test set has openings for them.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(i64::from(MIN_PERMUTATIONS)..=i64::from(MAX_PERMUTATIONS)))]
    permutations: u32,
    /// Commit even if there may be more coalitions than a server takes at once by default (`tribute serve --queued-quota`).
    #[arg(long)]
    many_coalitions: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) async fn commit(a: CommitArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let VersionArgs { agent, version } = a.which;
    let listed = c.contracts.listed(&agent, version).await?;
    let owners = check::requires_stranger(&c.contracts, &a.test_set, &listed).await?;
    let most = most_to_prove(owners, a.permutations, a.many_coalitions)?;
    if owners <= EXACT_PLAYERS {
        note!("of {owners} owners every coalition is trained and nothing is drawn: no commitment is needed");
    } else {
        note!("{} permutations of {owners} owners have up to {most} coalitions", a.permutations);
    }
    let call = c.contracts.commit_valuation(&agent, version, &a.test_set, a.permutations);
    let value = c
        .send(&call, |done| {
            json!({
                "agent_id": agent, "version": version, "test_set": a.test_set, "permutations": a.permutations,
                "most_coalitions": most, "attempt": done.attempt, "block": done.block,
            })
        })
        .await?;
    a.chain.emit(&value)?;
    note!("once that block is there: `tribute chain beacon {agent} --version {version}`");
    Ok(())
}

/// The most coalitions that have to be proven besides all owners together. Fails if nobody could prove them, and without `many`
/// if a server takes fewer at once by default: what is for good should be possible.
fn most_to_prove(owners: usize, permutations: u32, many: bool) -> Result<u64> {
    if owners <= EXACT_PLAYERS {
        return Ok((1u64 << owners).saturating_sub(2));
    }
    if owners > MAX_PLAYERS {
        return Err(Problem::field("version", format!("{owners} owners: at most {MAX_PLAYERS} can be valued")));
    }
    let (most, at_once) = (most_coalitions(owners, permutations), Quotas::default().queued.unsigned_abs());
    if most > at_once && !many {
        let message = format!(
            "{permutations} permutations of {owners} owners may have {most} coalitions, and a server takes {at_once} at once unless \
             its operator allows more (`tribute serve --queued-quota`): commit to fewer, or give --many-coalitions; `tribute \
             agent value --estimate` with any beacon says how many there are about"
        );
        return Err(Problem::field("permutations", message));
    }
    Ok(most)
}

/// Shows the beacon, fixing it first if nobody has; waits for the block that it follows from.
pub(super) async fn beacon(a: StepArgs) -> CommandResult {
    let VersionArgs { agent, version } = a.which;
    let contracts = a.chain.sender.read.contracts().await?;
    let mut draw = committed(&contracts, &agent, version).await?;
    if draw.beacon.is_none() {
        wait_beyond(&contracts, &agent, version, draw.block).await?;
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

/// Waits until the contract knows the hash of this block. The contract is asked, because on some rollups nodes count other blocks
/// than contracts do.
async fn wait_beyond(contracts: &Contracts, agent: &AgentId, version: u32, block: u64) -> Result<()> {
    let call = contracts.fix_beacon(agent, version);
    let mut told = false;
    loop {
        match call.simulate(Address::ZERO).await {
            Err(e) if e.is_revert("BlockToCome") => {}
            Err(e) if e.revert().is_none() => return Err(e.into()),
            // any other revert is told by whoever sends it
            _ => return Ok(()),
        }
        if !told {
            note!("waiting for the block after {block}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_to_what_can_be_proven() {
        let refused = |owners, permutations, many| most_to_prove(owners, permutations, many).unwrap_err().to_string();
        assert_eq!(most_to_prove(12, 40, false).unwrap(), 438);
        assert!(refused(12, 200, false).contains("200 permutations of 12 owners may have 1878 coalitions"));
        assert_eq!(most_to_prove(12, 200, true).unwrap(), 1878);
        // 55 + 7 · 135 is 1,000
        assert_eq!(most_to_prove(10, 135, false).unwrap(), 1000);
        assert!(refused(10, 136, false).contains("--many-coalitions"));
        assert!(refused(33, 30, true).contains("at most 32 can be valued"));
        // nothing is drawn
        assert_eq!([0, 1, 2, 6].map(|owners| most_to_prove(owners, 4096, false).unwrap()), [0, 0, 2, 62]);
    }
}
