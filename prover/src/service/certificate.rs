//! The certificate file, assembled from an agent's proofs.

use super::Shared;
use crate::pipeline::types::AgentBody;
use crate::problem::{Problem, Reason, Result};

impl Shared {
    /// `certificate.json` of a proven agent.
    pub(super) async fn certificate(&self, agent: &AgentBody) -> Result<Vec<u8>> {
        let proofs = self.registry.agent_proofs(agent.weights_digest).await?;
        if proofs.optimum.is_none() {
            return Err(Problem::new(Reason::NotReady, "the agent's optimum is not proven yet: prove it first"));
        }
        Err(Problem::new(Reason::NotReady, "WIP"))
    }
}
