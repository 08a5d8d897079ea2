//! Sums of gradients: how the shards of an agent that has more than the optimum has slots reach them.

use std::collections::HashMap;

use tribute_circuits::statements::sum::SumCircuit;
use tribute_core::certificate::{Node, Sum};
use tribute_core::context::sum_ctx;
use tribute_core::digest::{keccak, keccak_packed};
use tribute_core::head::add;
use tribute_core::id::ShardDigest;
use tribute_core::layout::Layout;
use tribute_core::I256;
use tribute_custody::{Committed, Committer};
use tribute_engine::field::from_core;
use tribute_problem::{Problem, Result};

use crate::circuit::ProofBody;
use crate::circuit::{prepare, Prepared};
use crate::shape::{ShapeBody, Target};
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// A gradient with its commitment.
pub(super) type Gradient = (Committed, Vec<I256>);

/// Goes through a tree from its leaves up.
pub(super) struct Sums<'a> {
    agent: &'a AgentBody,
    layout: Layout,
    target: Target,
    committer: Committer,
    toolbox: &'a Toolbox,
    /// Gradients of the shards that are still to come.
    shards: std::vec::IntoIter<Gradient>,
    /// By number of parts.
    prepared: HashMap<usize, Prepared>,
    done: u64,
    total: u64,
}

impl<'a> Sums<'a> {
    /// Over the gradients of all shards of `agent`, in order.
    pub(super) fn new(
        agent: &'a AgentBody,
        target: Target,
        shards: Vec<Gradient>,
        toolbox: &'a Toolbox,
    ) -> Result<Self> {
        let committer = toolbox.wait(toolbox.custody.committer(&agent.owner.to_string()))?;
        let shards = shards.into_iter();
        let layout = agent.layout()?;
        Ok(Sums { agent, layout, target, committer, toolbox, shards, prepared: HashMap::new(), done: 0, total: 0 })
    }

    /// What the slots of the optimum hold, with a proof for every sum.
    pub(super) fn prove(mut self, tree: &[Node<()>]) -> Result<(Vec<Node<ProofBody>>, Vec<Gradient>)> {
        self.total = tree.iter().map(|node| node.sums().len() as u64).sum();
        let mut first = 0;
        let mut slots = (Vec::with_capacity(tree.len()), Vec::with_capacity(tree.len()));
        for node in tree {
            let (proven, gradient) = self.node(node, first)?;
            first += node.shards();
            slots.0.push(proven);
            slots.1.push(gradient);
        }
        Ok(slots)
    }

    /// `first`: the node's first shard, by its place among all.
    fn node(&mut self, node: &Node<()>, first: usize) -> Result<(Node<ProofBody>, Gradient)> {
        let Node::Sum(sum) = node else {
            let gradient =
                self.shards.next().ok_or_else(|| Problem::internal("a tree with more leaves than shards"))?;
            return Ok((Node::Shard, gradient));
        };
        let mut at = first;
        let (mut parts, mut gradients) = (Vec::new(), Vec::new());
        for part in &sum.parts {
            let (proven, gradient) = self.node(part, at)?;
            at += part.shards();
            parts.push(proven);
            gradients.push(gradient);
        }
        let (proof, gradient) = self.sum(&gradients, first..at)?;
        Ok((Node::Sum(Sum { proof, parts }), gradient))
    }

    fn sum(&mut self, parts: &[Gradient], shards: std::ops::Range<usize>) -> Result<(ProofBody, Gradient)> {
        self.toolbox.progress("sums", self.done, self.total);
        if !self.prepared.contains_key(&parts.len()) {
            let circuit = prepare(&ShapeBody::sum(&self.layout, parts.len()), self.toolbox)?;
            self.prepared.insert(parts.len(), circuit);
        }
        let circuit = &self.prepared[&parts.len()];
        let mut total = vec![I256::ZERO; self.layout.weights()];
        parts.iter().for_each(|(_, gradient)| add(&mut total, gradient));
        let (owner, weights) = (&self.agent.owner.0, &self.agent.weights_digest);
        let digests: Vec<ShardDigest> = self.agent.sources[shards].iter().map(|s| s.digest).collect();
        let about = [keccak(b"tribute.sum.v1"), *weights.as_bytes(), keccak_packed(&digests)];
        let committed = self.committer.gradient(&circuit.srs, &self.layout, &about, &total);

        let all: Vec<&Committed> = std::iter::once(&committed).chain(parts.iter().map(|(part, _)| part)).collect();
        let opened = self.toolbox.wait(self.toolbox.custody.spend_openings(&all))?;
        let groups: Vec<_> = opened.groups().iter().collect();
        let witness = SumCircuit::new(circuit.shape().clone(), groups[0], &groups[1..]);
        let ctx = sum_ctx(&self.target.domain(), owner, weights, &digests);
        let proof = circuit.prove(self.toolbox, &witness, &opened, vec![from_core(&ctx)])?;
        self.done += 1;
        Ok((proof, (committed, total)))
    }
}
