//! Proves that the weights minimise the stated loss over exactly the listed shards.

use serde::{Deserialize, Serialize};
use tribute_circuits::columns::masked::{from_bytes, unmasked_sum};
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::context::{list_hash, optimum_ctx};
use tribute_core::head::{self, add};
use tribute_core::id::{AgentId, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::statement::Statement;
use tribute_core::I256;
use tribute_custody::across::sum_of_all;
use tribute_custody::Committed;
use tribute_engine::field::from_core;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::across::{gradient_of, COLUMN};
use crate::circuit::prepare;
use crate::circuit::ProofBody;
use crate::gradient::{commit, weights};
use crate::refusal::head_of_others;
use crate::shape::{ShapeBody, Target};
use crate::toolbox::Toolbox;
use crate::train::AcrossBody;
use crate::train::AgentBody;

/// Proves the optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumJob {
    /// The agent.
    pub agent: AgentBody,
    /// The gradient of every shard, in order; none of an agent whose data stayed at other nodes.
    pub gradients: Vec<ArtefactId>,
    /// The agent registry that the proof is for.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// The agent's version.
    pub version: u32,
}

/// A proven optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumOutcome {
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// The agent registry that the proof is for.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// The agent's version.
    pub version: u32,
    /// The proof.
    pub proof: ProofBody,
}

/// Recomputes the commitments to weights and gradients, sums the gradients one by one, and proves the optimum for the
/// sum. Memory does not grow with the number of shards.
pub fn run(job: &OptimumJob, toolbox: &Toolbox) -> Result<OptimumOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let prepared = prepare(&ShapeBody::of(Statement::Optimum, &layout, agent.link), toolbox)?;
    let (weights, committed_weights) = weights(agent, &layout, &prepared.srs, toolbox)?;

    let (total, sum) = match &agent.across {
        None => summed(job, &layout, &prepared.srs, toolbox)?,
        Some(across) => summed_across(agent, across, &layout, &prepared.srs, toolbox)?,
    };
    let numbers = head::optimum(&layout, &weights, &total, agent.count, agent.lambda)
        .map_err(|e| Problem::new(Reason::NotTheOptimum, head_of_others(&e)))?;

    toolbox.progress("witness", 0, 1);
    let opened = toolbox.custody.spend_openings(&[&committed_weights, &sum])?;
    let [weights_group, sum] = opened.exactly()?;
    let circuit = OptimumCircuit::new(prepared.shape().clone(), weights_group, &weights, sum, &numbers);
    let list = list_hash(agent.datasets());
    let ctx = optimum_ctx(&job.target.domain(), &job.agent_id, job.version, &agent.weights_digest, &list);
    let inputs = circuit.public_inputs(from_core(&ctx));
    let proof = prepared.prove(toolbox, &circuit, &opened, inputs)?;
    Ok(OptimumOutcome {
        weights_digest: agent.weights_digest,
        target: job.target,
        agent_id: job.agent_id,
        version: job.version,
        proof,
    })
}

/// The sum of the shards' gradients, and its commitment.
fn summed(job: &OptimumJob, layout: &Layout, srs: &Srs, toolbox: &Toolbox) -> Result<(Vec<I256>, Committed)> {
    let agent = &job.agent;
    let owner = agent.owner.to_string();
    let mut total = vec![I256::ZERO; layout.weights()];
    let mut sum: Option<Committed> = None;
    for (shard, (source, artefact)) in agent.sources.iter().zip(&job.gradients).enumerate() {
        toolbox.progress("commit", shard as u64, agent.sources.len() as u64);
        let gradient = read_gradient(&toolbox.wait(toolbox.custody.get(&owner, "gradient", artefact))?)
            .filter(|g| g.len() == layout.weights())
            .ok_or_else(|| {
                Problem::new(
                    Reason::ArtefactDamaged,
                    format!("artefact {artefact} does not hold a gradient of this shape"),
                )
            })?;
        let committed = commit(agent, layout, srs, source.digest, &gradient, toolbox)?;
        add(&mut total, &gradient);
        sum = Some(match sum {
            None => committed,
            Some(sum) => sum.plus(&committed),
        });
    }
    Ok((total, sum.ok_or_else(|| Problem::internal("the agent has no shards"))?))
}

/// The same for gradients that were proven at other nodes, which sent only their sum.
fn summed_across(
    agent: &AgentBody,
    across: &AcrossBody,
    layout: &Layout,
    srs: &Srs,
    toolbox: &Toolbox,
) -> Result<(Vec<I256>, Committed)> {
    let bytes = toolbox.wait(toolbox.custody.get(&agent.owner.to_string(), COLUMN, &across.sum))?;
    let rows = from_bytes(layout, &bytes).ok_or_else(|| {
        Problem::new(Reason::ArtefactDamaged, format!("artefact {} does not hold a column of this layout", across.sum))
    })?;
    Ok((gradient_of(layout, &rows), sum_of_all(unmasked_sum(srs, &[rows]))))
}

fn read_gradient(bytes: &[u8]) -> Option<Vec<I256>> {
    let (words, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| words.iter().map(|w| I256::from_be_bytes(*w)).collect())
}
