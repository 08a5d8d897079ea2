//! Trees of sums: how the gradients of more shards than an `optimum` proof has slots reach it.
//!
//! A slot of the optimum holds the gradient of one shard or of several shards of one dataset, added by `sum` proofs, and
//! so does each part of a sum. Leaves are not named: in order, over all slots, they are the shards of the listed datasets,
//! in order. So no shard can stand in a tree twice, none can be missing, and a slot cannot hold two datasets' shards
//! without a relation of [`super::Certificate::check`] failing:
//!
//! - there are as many leaves as shards, and a slot's leaves belong to one dataset; slots of one dataset are joined;
//! - every leaf's `gradient` proof is of its shard and of the certified weights;
//! - the gradient of every node, shard's or sum's, is the one in its place in the proof above it;
//! - every sum's `ctx` names the owner, the weights and the shards under it.
//!
//! How deep a tree is does not matter: what bounds a node's integers is the number of records under it, below
//! [`crate::numbers::COUNT_LIMIT_BITS`] bits for all of them together (`circuits/src/sum.rs`).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Proof;
use crate::statement::{OPTIMUM_SLOTS, SUM_PARTS, TREE_SHARDS};

/// The gradient in a slot or in a part of a sum; `P` is what is known of a sum: its proof, or nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node<P = Proof> {
    /// The next shard's.
    Shard,
    /// The sum of others.
    Sum(Sum<P>),
}

/// A sum of gradients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum<P = Proof> {
    /// That it is.
    pub proof: P,
    /// What it is the sum of, in the proof's order.
    pub parts: Vec<Node<P>>,
}

impl<P> Node<P> {
    /// Shards under the node, itself if it is one.
    #[must_use]
    pub fn shards(&self) -> usize {
        match self {
            Node::Shard => 1,
            Node::Sum(sum) => sum.parts.iter().map(Node::shards).sum(),
        }
    }

    /// The sums of the tree under and at the node, parts before what they are parts of.
    #[must_use]
    pub fn sums(&self) -> Vec<&Sum<P>> {
        match self {
            Node::Shard => vec![],
            Node::Sum(sum) => sum.parts.iter().flat_map(Node::sums).chain([sum]).collect(),
        }
    }

    /// Calls `f` with every sum at and under the node and its path, `path` being the node's.
    pub fn walk(&self, path: &str, f: &mut impl FnMut(&str, &Sum<P>)) {
        let Node::Sum(sum) = self else { return };
        let path = format!("{path}.sum");
        for (i, part) in sum.parts.iter().enumerate() {
            part.walk(&format!("{path}.parts[{i}]"), f);
        }
        f(&path, sum);
    }

    /// The same tree with what `f` makes of every sum, in the order of [`Node::sums`].
    ///
    /// # Errors
    /// The first of `f`'s.
    pub fn try_map<Q, E>(&self, f: &mut impl FnMut(&Sum<P>) -> Result<Q, E>) -> Result<Node<Q>, E> {
        let Node::Sum(sum) = self else { return Ok(Node::Shard) };
        let parts = sum.parts.iter().map(|part| part.try_map(f)).collect::<Result<_, E>>()?;
        Ok(Node::Sum(Sum { proof: f(sum)?, parts }))
    }
}

/// Shards that no tree takes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// No shards at all, or a dataset without any.
    #[error("dataset {dataset} has no shards: an agent is trained on at least one")]
    Empty {
        /// Position, from 0.
        dataset: usize,
    },
    /// More shards than a tree has leaves.
    #[error("{shards} shards in all; a tree of sums takes {TREE_SHARDS}: register the records with a larger k, so that fewer shards hold them")]
    Shards {
        /// How many.
        shards: usize,
    },
    /// More datasets than an optimum publishes shares of.
    #[error("{datasets} datasets; an optimum publishes the shares of {OPTIMUM_SLOTS}, one slot or more for each")]
    Datasets {
        /// How many.
        datasets: usize,
    },
}

/// The slots of the optimum over datasets of so many shards each, or `None` where every shard has a slot of its own.
///
/// Shards of a dataset are bundled eight to a sum. Where the bundles of all datasets fit the slots, each has its own, and
/// bundles of one dataset are joined; otherwise each dataset has one slot, with the sum of its bundles.
///
/// # Errors
/// [`TreeError`].
pub fn plan(shards: &[usize]) -> Result<Option<Vec<Node<()>>>, TreeError> {
    if let Some(dataset) = shards.iter().position(|n| *n == 0).or(shards.is_empty().then_some(0)) {
        return Err(TreeError::Empty { dataset });
    }
    if shards.len() > OPTIMUM_SLOTS {
        return Err(TreeError::Datasets { datasets: shards.len() });
    }
    let all: usize = shards.iter().sum();
    if all <= OPTIMUM_SLOTS {
        return Ok(None);
    }
    if all > TREE_SHARDS {
        return Err(TreeError::Shards { shards: all });
    }
    let datasets: Vec<Vec<Node<()>>> = shards.iter().map(|n| bundles(*n)).collect();
    if datasets.iter().map(Vec::len).sum::<usize>() <= OPTIMUM_SLOTS {
        return Ok(Some(datasets.into_iter().flatten().collect()));
    }
    Ok(Some(datasets.into_iter().map(sum_of).collect()))
}

/// The shards of one dataset, as few sums as hold them.
fn bundles(shards: usize) -> Vec<Node<()>> {
    let most = *SUM_PARTS.end();
    (0..shards).step_by(most).map(|start| sum_of(vec![Node::Shard; (shards - start).min(most)])).collect()
}

fn sum_of(mut parts: Vec<Node<()>>) -> Node<()> {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            Node::Sum(Sum { proof: (), parts })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn depth(node: &Node<()>) -> usize {
        match node {
            Node::Shard => 0,
            Node::Sum(sum) => 1 + sum.parts.iter().map(depth).max().unwrap_or(0),
        }
    }

    #[test]
    fn eight_shards_need_no_tree_and_sixty_four_fit() {
        assert_eq!(plan(&[8]), Ok(None));
        assert_eq!(plan(&[1; 8]), Ok(None));
        let joined = plan(&[64]).unwrap().unwrap();
        assert_eq!((joined.len(), joined[0].shards()), (8, 8), "bundles of one dataset in joined slots");
        let each = plan(&[8; 8]).unwrap().unwrap();
        assert_eq!((each.len(), each[7].sums().len()), (8, 1));
        let deep = plan(&[10, 20, 30]).unwrap().unwrap();
        assert_eq!(deep.iter().map(Node::shards).collect::<Vec<_>>(), [10, 20, 30], "a slot for each dataset");
        assert_eq!(deep.iter().map(depth).collect::<Vec<_>>(), [2; 3]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_numbers() {
        assert_eq!(plan(&[]), Err(TreeError::Empty { dataset: 0 }));
        assert_eq!(plan(&[9, 0]), Err(TreeError::Empty { dataset: 1 }));
        assert_eq!(plan(&[65]), Err(TreeError::Shards { shards: 65 }));
        assert_eq!(plan(&[1; 9]), Err(TreeError::Datasets { datasets: 9 }));
        assert!(plan(&[65]).unwrap_err().to_string().starts_with("65 shards in all; a tree of sums takes 64"));
    }

    proptest! {
        #[test]
        fn every_plan_has_each_shard_once_within_the_limits(shards in prop::collection::vec(1usize..30, 1..=8)) {
            let all: usize = shards.iter().sum();
            match plan(&shards) {
                Ok(None) => prop_assert!(all <= OPTIMUM_SLOTS),
                Ok(Some(slots)) => {
                    prop_assert!(all > OPTIMUM_SLOTS && slots.len() <= OPTIMUM_SLOTS);
                    prop_assert_eq!(slots.iter().map(Node::shards).sum::<usize>(), all);
                    for sum in slots.iter().flat_map(Node::sums) {
                        prop_assert!(SUM_PARTS.contains(&sum.parts.len()));
                    }
                    // no slot crosses from one dataset into the next
                    let mut ends: Vec<usize> = Vec::new();
                    for slot in &slots {
                        ends.push(ends.last().unwrap_or(&0) + slot.shards());
                    }
                    let mut end = 0;
                    for n in &shards {
                        end += n;
                        prop_assert!(ends.contains(&end));
                    }
                }
                Err(e) => prop_assert_eq!(e, TreeError::Shards { shards: all }),
            }
        }
    }
}
