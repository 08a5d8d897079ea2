//! Agents loaded into onnxruntime for answering queries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tribute_core::head::real_logit;
use tribute_core::id::WeightsDigest;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::{self, Link};
use tribute_core::schema::Schema;
use tribute_custody::Custody;
use tribute_inference::agent::Agent;
use tribute_inference::runtime::{Runtime, RuntimeError};
use tribute_problem::{Problem, Reason, Result};

use super::batches::Batches;
use super::off_thread;
use crate::registry::Registry;

/// An agent loaded into onnxruntime.
pub(crate) struct Loaded {
    pub(crate) batches: Batches,
    /// Schema of its queries.
    pub(crate) schema: Schema,
    pub(crate) layout: Layout,
    link: Link,
}

impl Loaded {
    /// For each class, what the link makes of its logit.
    pub(crate) fn scores(&self, features: &[u8]) -> Vec<f64> {
        let mut scores: Vec<f64> = self.batches.logits(features).iter().map(|z| real_logit(*z)).collect();
        link::real(self.link, &mut scores);
        scores
    }
}

/// Agents kept loaded. A small one takes some 100 KB, the largest some MB.
const KEPT: usize = 64;

/// Cache of loaded agents.
#[derive(Clone)]
pub(crate) struct LoadedAgents {
    registry: Registry,
    custody: Custody,
    loaded: Arc<Mutex<Recent<WeightsDigest, Loading>>>,
}

/// An agent that is loaded, or being loaded.
#[derive(Clone, Default)]
struct Loading(Arc<OnceCell<Arc<Loaded>>>);

/// The items that were asked for last.
struct Recent<K, V> {
    most: usize,
    /// Items with the number of the request that asked for them last.
    items: HashMap<K, (V, u64)>,
    requests: u64,
}

impl<K: Copy + Eq + std::hash::Hash, V: Clone> Recent<K, V> {
    fn new(most: usize) -> Self {
        Recent { most, items: HashMap::new(), requests: 0 }
    }

    /// The item, made if it is not there. The one that was not asked for the longest makes room.
    fn get(&mut self, key: K, make: impl FnOnce() -> V) -> V {
        self.requests += 1;
        if !self.items.contains_key(&key) && self.items.len() >= self.most {
            let oldest = self.items.iter().min_by_key(|(_, (_, asked))| *asked).map(|(key, _)| *key);
            oldest.map(|key| self.items.remove(&key));
        }
        let item = self.items.entry(key).or_insert_with(|| (make(), 0));
        item.1 = self.requests;
        item.0.clone()
    }
}

impl LoadedAgents {
    pub(crate) fn new(registry: Registry, custody: Custody) -> Self {
        LoadedAgents { registry, custody, loaded: Arc::new(Mutex::new(Recent::new(KEPT))) }
    }

    /// The agent, loaded on first use. While one is loading, others are answered.
    pub(crate) async fn get(&self, digest: WeightsDigest) -> Result<Arc<Loaded>> {
        let Loading(cell) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(digest, Loading::default);
        cell.get_or_try_init(|| self.load(digest)).await.cloned()
    }

    async fn load(&self, digest: WeightsDigest) -> Result<Arc<Loaded>> {
        let body = self.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        if body.layout()?.task() == Task::Real {
            return Err(Problem::field(
                "weights_digest",
                format!("agent {digest} predicts a real value: sessions are with classifiers, whose answers a proof can count"),
            ));
        }
        let bytes = self.custody.get(&body.owner.to_string(), "model", &body.model).await?;
        let (schema, layout) = (body.schema()?, body.layout()?);
        off_thread(move || {
            let agent = Agent::from_bytes(&bytes).map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
            let missing = |e: RuntimeError| Problem::new(Reason::ToolMissing, e.to_string());
            let runtime = Runtime::locate_and_init(None).map_err(missing)?;
            let running = agent.session(&runtime).map_err(missing)?;
            Ok(Arc::new(Loaded { schema, layout, link: body.link, batches: Batches::new(agent, running) }))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_was_not_asked_for_the_longest_makes_room() {
        let mut recent = Recent::new(2);
        let mut made = Vec::new();
        for key in [1, 2, 1, 3, 1, 2] {
            recent.get(key, || made.push(key));
        }
        assert_eq!(made, [1, 2, 3, 2]);
        assert_eq!(recent.items.len(), 2);
    }
}
