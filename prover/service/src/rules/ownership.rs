//! Lookups restricted to the caller's own items. Items of other accounts are reported as not found.

use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, WeightsDigest};
use tribute_problem::{field, Problem, Result};
use tribute_steps::dataset::DatasetBody;
use tribute_steps::train::AgentBody;

use crate::jobs::queue::Queue;
use crate::jobs::Job;
use crate::registry::{Dated, Registry};

/// Looks up datasets, agents and jobs of the caller.
#[derive(Clone)]
pub(crate) struct Ownership {
    pub(crate) registry: Registry,
    pub(crate) queue: Queue,
}

impl Ownership {
    /// The caller's dataset with this id.
    pub(crate) async fn dataset(&self, caller: AccountAddress, id: &[u8]) -> Result<Dated<DatasetBody>> {
        let id: DatasetId = field("dataset_id", id)?;
        match self.registry.dataset(id).await? {
            Some(dataset) if dataset.body.owner == caller => Ok(dataset),
            _ => Err(Problem::not_found("dataset", id)),
        }
    }

    /// The caller's agent with this digest of its weights.
    pub(crate) async fn agent(&self, caller: AccountAddress, digest: &[u8]) -> Result<Dated<AgentBody>> {
        let digest: WeightsDigest = field("weights_digest", digest)?;
        match self.registry.agent(digest).await? {
            Some(agent) if agent.body.owner == caller => Ok(agent),
            _ => Err(Problem::not_found("agent", digest)),
        }
    }

    /// The caller's job with this id.
    pub(crate) async fn job(&self, caller: AccountAddress, id: &str) -> Result<Job> {
        match self.queue.get(id).await? {
            Some(job) if job.tenant == caller.to_string() => Ok(job),
            _ => Err(Problem::not_found("job", id)),
        }
    }
}
