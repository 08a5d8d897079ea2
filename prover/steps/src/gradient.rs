//! The proven gradient of one shard.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::context::gradient_ctx;
use tribute_core::head::{gradient, Weights};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{GroupDigest, ShardDigest, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::records::Records;
use tribute_core::statement::Statement;
use tribute_core::I256;
use tribute_custody::Committed;
use tribute_engine::field::from_core;
use tribute_engine::srs::Srs;
use tribute_inference::Agent;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::prepare;
use crate::circuit::ProofBody;
use crate::dataset::SourceBody;
use crate::refusal::{no_gradient, unresolved};
use crate::shape::{ShapeBody, Target};
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// Proves the gradient of one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GradientJob {
    /// The agent.
    #[serde(with = "crate::shared")]
    pub agent: Arc<AgentBody>,
    /// Index of the shard among the agent's shards.
    pub slot: u32,
    /// The agent registry that the proof is for.
    pub target: Target,
}

/// A proven gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GradientOutcome {
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// Index of the shard among the agent's shards.
    pub slot: u32,
    /// The agent registry that the proof is for.
    pub target: Target,
    /// The proof.
    pub proof: ProofBody,
    /// The gradient, sealed for the agent's owner; none if it was proven at another node, and stayed there.
    pub gradient: Option<ArtefactId>,
}

/// Recomputes the commitments, checks that they match the registered ones, and proves the gradient.
pub fn run(job: &GradientJob, toolbox: &Toolbox) -> Result<GradientOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let source = agent
        .sources
        .get(job.slot as usize)
        .ok_or_else(|| Problem::field("slot", format!("{} of {} shards", job.slot, agent.sources.len())))?;
    let prepared = prepare(&ShapeBody::of(Statement::Gradient, &layout, agent.link), toolbox)?;

    toolbox.progress("commit", 0, 3);
    let (records, shard) = shard(source, agent.owner, &layout, &prepared.srs, toolbox)?;
    toolbox.progress("commit", 1, 3);
    let (weights, committed) = weights(agent, &layout, &prepared.srs, toolbox)?;
    toolbox.progress("commit", 2, 3);
    let g = gradient(&layout, agent.link, &weights, &records).map_err(no_gradient)?;
    let gradient = commit(agent, &layout, &prepared.srs, source.digest, &g, toolbox)?;

    toolbox.progress("witness", 0, 1);
    let opened = toolbox.custody.spend_openings(&[&shard, &committed, &gradient])?;
    let [shard, weights, gradient] = opened.exactly()?;
    let circuit = GradientCircuit::new(prepared.shape().clone(), shard, weights, gradient).map_err(unresolved)?;
    let ctx = gradient_ctx(&job.target.domain(), &agent.owner.0, &agent.weights_digest, &source.digest);
    let proof = prepared.prove(toolbox, &circuit, &opened, circuit.public_inputs(from_core(&ctx)))?;
    let bytes: Vec<u8> = g.iter().flat_map(|x| x.to_be_bytes()).collect();
    Ok(GradientOutcome {
        weights_digest: agent.weights_digest,
        slot: job.slot,
        target: job.target,
        proof,
        gradient: Some(toolbox.wait(toolbox.custody.put(&agent.owner.to_string(), "gradient", &bytes))?),
    })
}

/// A shard's records, sealed for their owner, and their commitment, which must be the one they are registered by. What it is
/// opened for is charged to `account`, where that is another.
pub(super) fn shard(
    source: &SourceBody,
    account: AccountAddress,
    layout: &Layout,
    srs: &Srs,
    toolbox: &Toolbox,
) -> Result<(Records, Committed)> {
    let owner = source.owner.to_string();
    let records = toolbox.wait(toolbox.custody.records(&owner, &source.records))?;
    let committed = toolbox.custody.committer(&owner)?.records(srs, layout, &records)?;
    same("shard", &committed, source.digest)?;
    let committed = if source.owner == account { committed } else { committed.lent(source.root, account) };
    Ok((records, committed))
}

/// An agent's weights and their recomputed commitment, which must match the agent's digest.
pub(super) fn weights(
    agent: &AgentBody,
    layout: &Layout,
    srs: &Srs,
    toolbox: &Toolbox,
) -> Result<(Weights, Committed)> {
    own_weights(agent.owner, &agent.model, agent.weights_digest, layout, srs, toolbox)
}

/// The weights of an account's model and their recomputed commitment, which must match the digest.
pub(super) fn own_weights(
    owner: AccountAddress,
    model: &ArtefactId,
    digest: WeightsDigest,
    layout: &Layout,
    srs: &Srs,
    toolbox: &Toolbox,
) -> Result<(Weights, Committed)> {
    let owner = owner.to_string();
    let model = toolbox.wait(toolbox.custody.get(&owner, "model", model))?;
    let model = Agent::from_bytes(&model).map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
    let committed = toolbox.custody.committer(&owner)?.weights(srs, layout, &model.weights)?;
    same("weights", &committed, digest)?;
    Ok((model.weights, committed))
}

/// The commitment to a gradient: the same in the `gradient` and in the `optimum` proof.
pub(super) fn commit(
    agent: &AgentBody,
    layout: &Layout,
    srs: &Srs,
    shard: ShardDigest,
    gradient: &[I256],
    toolbox: &Toolbox,
) -> Result<Committed> {
    let committer = toolbox.custody.committer(&agent.owner.to_string())?;
    Ok(committer.gradient(srs, layout, &[*shard.as_bytes(), *agent.weights_digest.as_bytes()], gradient))
}

/// Checks that a recomputed commitment equals the original.
pub fn same(what: &str, committed: &Committed, expected: impl Into<GroupDigest>) -> Result<()> {
    let (got, expected) = (committed.digest(), expected.into());
    if got == expected {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ArtefactDamaged,
        format!("the commitment to the {what} is {got}, but was {expected}: it was made under another tenant's secret or other parameters"),
    )
    .with("expected", expected)
    .with("got", got))
}
