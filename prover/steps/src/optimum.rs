//! The optimum: that the weights minimise the stated loss over exactly the listed shards, and every dataset's share.

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::optimum::{OptimumCircuit, Slot};
use tribute_core::certificate::Node;
use tribute_core::context::optimum_ctx;
use tribute_core::head::{self, add};
use tribute_core::id::{AgentId, WeightsDigest};
use tribute_core::statement::{Statement, OPTIMUM_SLOTS};
use tribute_core::I256;
use tribute_custody::Committed;
use tribute_engine::field::from_core;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::prepare;
use crate::circuit::ProofBody;
use crate::gradient::{commit, weights};
use crate::shape::{ShapeBody, Target};
use crate::sum::{Gradient, Sums};
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// Prove the optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumJob {
    /// The agent.
    pub agent: AgentBody,
    /// The gradient of every slot.
    pub gradients: Vec<ArtefactId>,
    /// The agent registry.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// Its version.
    pub version: u32,
}

/// A proven optimum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OptimumOutcome {
    /// The sums in its slots, where an agent has more shards than there are slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Vec<Node<ProofBody>>>,
    /// The agent.
    pub weights_digest: WeightsDigest,
    /// The agent registry.
    pub target: Target,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// Its version.
    pub version: u32,
    /// The proof.
    pub proof: ProofBody,
}

/// Commits again to weights and gradients, and proves the optimum over them; where there are more shards than slots, over
/// sums of them, which it proves first.
pub fn run(job: &OptimumJob, toolbox: &Toolbox) -> Result<OptimumOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let prepared = prepare(&ShapeBody::of(Statement::Optimum, &layout, agent.link, agent.reg_bias), toolbox)?;
    let (weights, committed_weights) = weights(agent, &layout, &prepared.srs, toolbox)?;

    let owner = agent.owner.to_string();
    let mut shards: Vec<Gradient> = Vec::with_capacity(agent.sources.len());
    for (shard, (source, artefact)) in agent.sources.iter().zip(&job.gradients).enumerate() {
        toolbox.progress("commit", shard as u64, agent.sources.len() as u64);
        let gradient = read_gradient(&toolbox.wait(toolbox.custody.get(&owner, "gradient", artefact))?)
            .filter(|g| g.len() == layout.weights())
            .ok_or_else(|| {
                Problem::new(Reason::ArtefactDamaged, format!("artefact {artefact} holds no gradient of this shape"))
            })?;
        let group = commit(agent, &layout, &prepared.srs, source.digest, &gradient, toolbox)?;
        shards.push((group, gradient));
    }

    // shards of one dataset count together: a share belongs to a dataset
    let mut datasets: Vec<Vec<I256>> = Vec::new();
    for (source, (_, gradient)) in agent.sources.iter().zip(&shards) {
        match datasets.last_mut() {
            Some(sum) if source.shard > 0 => add(sum, gradient),
            _ => datasets.push(gradient.clone()),
        }
    }
    let numbers = head::optimum(&layout, agent.reg_bias, &weights, &datasets, agent.count, agent.lambda)
        .map_err(|e| Problem::new(Reason::NotTheOptimum, e.to_string()))?;

    // first shard of every slot, and what the slots hold
    let plan = agent.tree()?;
    let firsts: Vec<usize> = match &plan {
        None => (0..shards.len()).collect(),
        Some(slots) => slots.iter().scan(0, |at, slot| Some(std::mem::replace(at, *at + slot.shards()))).collect(),
    };
    let (tree, slots) = match plan {
        None => (None, shards),
        Some(plan) => {
            let (tree, slots) = Sums::new(agent, job.target, shards, toolbox)?.prove(&plan)?;
            (Some(tree), slots)
        }
    };

    toolbox.progress("witness", 0, 1);
    let committer = toolbox.wait(toolbox.custody.committer(&owner))?;
    let unused: Vec<Committed> = (slots.len()..OPTIMUM_SLOTS)
        .map(|slot| committer.unused_slot(&prepared.srs, &layout, &agent.weights_digest, slot))
        .collect();
    let all: Vec<&Committed> =
        std::iter::once(&committed_weights).chain(slots.iter().map(|(slot, _)| slot)).chain(&unused).collect();
    let opened = toolbox.wait(toolbox.custody.spend_openings(&all))?;
    let (weights_group, gradients) =
        opened.groups().split_first().ok_or_else(|| Problem::internal("no opening of the weights"))?;
    let (used, unused) = gradients.split_at(slots.len());
    let active: Vec<Slot<'_>> = firsts
        .iter()
        .zip(used.iter().zip(&slots))
        .map(|(first, (group, (_, gradient)))| Slot { group, gradient, joined: agent.sources[*first].shard > 0 })
        .collect();
    let circuit = OptimumCircuit::new(prepared.shape().clone(), weights_group, &weights, &active, unused, &numbers);
    let ctx = optimum_ctx(&job.target.domain(), &job.agent_id, job.version, &agent.weights_digest, &agent.datasets());
    let inputs = circuit.public_inputs(from_core(&ctx));
    let proof = prepared.prove(toolbox, &circuit, &opened, inputs)?;
    Ok(OptimumOutcome {
        tree,
        weights_digest: agent.weights_digest,
        target: job.target,
        agent_id: job.agent_id,
        version: job.version,
        proof,
    })
}

fn read_gradient(bytes: &[u8]) -> Option<Vec<I256>> {
    let (words, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| words.iter().map(|w| I256::from_be_bytes(*w)).collect())
}
