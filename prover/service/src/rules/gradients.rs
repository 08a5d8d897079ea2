//! Work that proves an agent's gradients.

use std::sync::Arc;

use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_steps::gradient::GradientJob;
use tribute_steps::shape::Target;
use tribute_steps::train::AgentBody;
use tribute_steps::work::Work;

use super::admission::{Admission, Admitted};
use crate::wire;

impl Admission {
    /// Queues the gradients of all an agent's shards, in slot order, all or none. The jobs come without outcomes.
    pub(crate) async fn submit_gradients(
        &self,
        caller: AccountAddress,
        weights_digest: &[u8],
        context: Option<v1::ChainContext>,
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<v1::Job>> {
        let (agent, target) = self.provable(caller, weights_digest, context).await?;
        self.check_number("shards", agent.sources.len())?;
        let work = |slot| Work::Gradient(GradientJob { agent: agent.clone(), slot, target });
        let admitted: Vec<Admitted> = (0..agent.sources.len() as u32).map(|slot| work(slot).into()).collect();
        self.queue_each(caller, &admitted, options, |job| wire::job(job, None)).await
    }

    pub(super) async fn gradient_work(&self, caller: AccountAddress, w: v1::GradientWork) -> Result<Work> {
        let (agent, target) = self.provable(caller, &w.weights_digest, w.context).await?;
        if w.slot as usize >= agent.sources.len() {
            return Err(Problem::field("slot", format!("{}: the agent has {} shards", w.slot, agent.sources.len())));
        }
        Ok(Work::Gradient(GradientJob { agent, slot: w.slot, target }))
    }

    /// An agent of the caller's whose gradients are proven here, and for which registry.
    async fn provable(
        &self,
        caller: AccountAddress,
        weights_digest: &[u8],
        context: Option<v1::ChainContext>,
    ) -> Result<(Arc<AgentBody>, Target)> {
        let agent = self.ownership.agent(caller, weights_digest).await?.body;
        if let Some(across) = &agent.across {
            let text = format!(
                "the agent's data stayed at other nodes, which have proven its gradients under request {}: prove its optimum",
                across.request
            );
            return Err(Problem::field("weights_digest", text));
        }
        Ok((agent.into(), self.target(context, |r| r.agents)?))
    }

    /// Refuses a request of more jobs than an account may have waiting, before any of them is made.
    pub(super) fn check_number(&self, field: &str, jobs: usize) -> Result<()> {
        let most = self.queue.quotas().queued;
        if i64::try_from(jobs).unwrap_or(i64::MAX) > most {
            let message = format!(
                "{jobs} jobs in one request, and an account may have {most} waiting: send fewer, or ask the server's operator \
                 (`tribute serve --queued-quota`)"
            );
            return Err(Problem::field(field, message).with("most", most));
        }
        Ok(())
    }
}
