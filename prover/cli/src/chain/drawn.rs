//! What a reader of a sampled valuation should know of its draw.

use serde_json::{json, Value};
use tribute_chain::draws::Draw;
use tribute_chain::Contracts;
use tribute_core::hexed::Hex;
use tribute_core::id::AgentId;
use tribute_core::valuation::Valuation;
use tribute_problem::{Problem, Reason, Result};

/// The draw that a version's owner committed to.
pub(super) async fn committed(contracts: &Contracts, agent: &AgentId, version: u32) -> Result<Draw> {
    let none = || {
        let message = format!(
            "no valuation of agent {agent} version {version} was committed to: its owner does that with `tribute chain \
             commit-valuation`"
        );
        Problem::new(Reason::NotReady, message).with("agent", agent)
    };
    contracts.draw(agent, version).await?.ok_or_else(none)
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
    note!(
        "these values are estimates: {} permutations of {} owners were drawn by the beacon that block {} gave; the widest interval \
         is ± {:.6} of mean loss saved",
        sampling.permutations,
        valuation.owners.len(),
        draw.block,
        largest_half_width(valuation)
    );
    if draw.attempts > 1 {
        note!(
            "{} earlier draws were left to lapse: each could be seen before it was given up, so these values may be the best of {}",
            draw.attempts - 1,
            draw.attempts
        );
    }
    let others = contracts.other_draws(&agent.id, agent.version).await?;
    if !others.is_empty() {
        note!(
            "the agent has other versions over the same datasets, {others:?}, each with a draw of its own: these values may be the \
             best of {}",
            others.len() + 1
        );
    }
    Ok(())
}

/// Half the width of the widest interval, as mean loss saved.
fn largest_half_width(valuation: &Valuation) -> f64 {
    valuation.per_record(valuation.values.iter().map(|v| v.half_width).max().unwrap_or_default())
}
