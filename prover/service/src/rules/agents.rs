//! Agents loaded into onnxruntime for answering queries.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tribute_core::head::answer;
use tribute_core::id::WeightsDigest;
use tribute_core::layout::{Layout, Task};
use tribute_core::schema::Schema;
use tribute_custody::Custody;
use tribute_inference::agent::Agent;
use tribute_inference::runtime::{AgentSession, Runtime, RuntimeError};
use tribute_problem::{Problem, Reason, Result};

use crate::registry::Registry;

/// An agent loaded into onnxruntime.
pub(crate) struct Loaded {
    agent: Agent,
    running: AgentSession,
    /// Schema of its queries.
    pub(crate) schema: Schema,
    pub(crate) layout: Layout,
}

/// Cache of loaded agents.
#[derive(Clone)]
pub(crate) struct LoadedAgents {
    registry: Registry,
    custody: Custody,
    /// Keyed by the digest of the weights.
    loaded: Arc<Mutex<HashMap<WeightsDigest, Arc<Loaded>>>>,
}

impl LoadedAgents {
    pub(crate) fn new(registry: Registry, custody: Custody) -> Self {
        LoadedAgents { registry, custody, loaded: Arc::default() }
    }

    /// The agent, loaded on first use.
    pub(crate) async fn get(&self, digest: WeightsDigest) -> Result<Arc<Loaded>> {
        let mut loaded = self.loaded.lock().await;
        if let Some(agent) = loaded.get(&digest) {
            return Ok(agent.clone());
        }
        let body = self.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        if body.layout()?.task() == Task::Real {
            return Err(Problem::field(
                "weights_digest",
                format!("agent {digest} predicts a real value: sessions are with classifiers, whose answers a proof can count"),
            ));
        }
        let bytes = self.custody.get(&body.owner.to_string(), "model", &body.model).await?;
        let agent = Agent::from_bytes(&bytes).map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
        let missing = |e: RuntimeError| Problem::new(Reason::ToolMissing, e.to_string());
        let runtime = Runtime::locate_and_init(None).map_err(missing)?;
        let running = agent.session(&runtime).map_err(missing)?;
        let fresh = Arc::new(Loaded { schema: body.schema()?, layout: body.layout()?, agent, running });
        loaded.insert(digest, fresh.clone());
        Ok(fresh)
    }
}

impl Loaded {
    /// onnxruntime's answer. It must agree with the integer function: any other answer could not be proven.
    pub(crate) fn answer(&self, features: &[u8]) -> Result<u16> {
        let given = self.running.run(features).map_err(Problem::internal)?;
        let class = given.first().map(|a| a.class).ok_or_else(|| Problem::internal("onnxruntime gave no answer"))?;
        let exact = answer(&self.agent.weights.logits(features));
        if class != usize::from(exact) {
            return Err(Problem::internal(format!("onnxruntime answers {class}, the integer function {exact}")));
        }
        Ok(exact)
    }
}
