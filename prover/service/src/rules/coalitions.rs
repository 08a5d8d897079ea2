//! Work that values an agent: the coalitions of its datasets' owners.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;
use tribute_steps::coalition::CoalitionJob;
use tribute_steps::dataset::DatasetBody;
use tribute_steps::train::AgentBody;
use tribute_steps::work::Work;
use tribute_store::artefacts::ArtefactId;

use super::admission::{Admission, Admitted, Grant};
use super::evaluations::OwnEvaluation;
use crate::wire;

/// An agent and the test set that it is valued on.
struct Valued {
    agent: Arc<AgentBody>,
    certificate: ArtefactId,
    test: Arc<DatasetBody>,
    /// What the test set takes.
    of_test: Vec<Grant>,
    /// What the datasets take that were looked at so far.
    of_data: BTreeMap<DatasetId, Option<Grant>>,
}

impl Admission {
    /// Queues different coalitions of one agent on one test set, all or none. The jobs come without outcomes.
    pub(crate) async fn submit_coalitions(
        &self,
        caller: AccountAddress,
        work: v1::EvaluationWork,
        coalitions: Vec<Vec<u32>>,
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<v1::Job>> {
        self.check_number("coalitions", coalitions.len())?;
        let mut seen = BTreeSet::new();
        if let Some(again) = coalitions.iter().find(|owners| !seen.insert(*owners)) {
            return Err(Problem::field("coalitions", format!("{again:?} is listed twice")));
        }
        let mut valued = self.valued(caller, work).await?;
        let mut admitted = Vec::with_capacity(coalitions.len());
        for owners in coalitions {
            admitted.push(self.coalition_of(caller, &mut valued, owners).await?);
        }
        let told = |work: &Work, job| match work {
            Work::Coalition(coalition) => wire::titled(job, coalition.title()),
            _ => wire::job(job, None),
        };
        self.queue_each(caller, &admitted, options, told).await
    }

    pub(super) async fn coalition_work(&self, caller: AccountAddress, w: v1::CoalitionWork) -> Result<Admitted> {
        let evaluation = v1::EvaluationWork { weights_digest: w.weights_digest, dataset_id: w.dataset_id };
        let mut valued = self.valued(caller, evaluation).await?;
        self.coalition_of(caller, &mut valued, w.owners).await
    }

    /// Checks what all coalitions have in common.
    async fn valued(&self, caller: AccountAddress, work: v1::EvaluationWork) -> Result<Valued> {
        let (evaluation, of_test) = self.evaluation_of(caller, work).await?;
        let OwnEvaluation { agent, certificate, dataset: test } = evaluation;
        if let Some(across) = &agent.across {
            let text = format!(
                "the agent's data stayed at other nodes (request {}): a coalition is trained where its datasets are, so only \
                 an agent over datasets of this server can be valued",
                across.request
            );
            return Err(Problem::field("weights_digest", text));
        }
        self.check_stranger(&agent, &test).await?;
        Ok(Valued { agent: agent.into(), certificate, test: test.into(), of_test, of_data: BTreeMap::new() })
    }

    /// A coalition is trained on its owners' datasets as if it were an agent: each of them, and the test set, is used
    /// once more.
    async fn coalition_of(&self, caller: AccountAddress, valued: &mut Valued, owners: Vec<u32>) -> Result<Admitted> {
        let (agent, certificate, test) = (valued.agent.clone(), valued.certificate.clone(), valued.test.clone());
        let all = agent.owners().len();
        let ascending = owners.is_sorted_by(|a, b| a < b);
        let inside = owners.iter().all(|i| (*i as usize) < all);
        if owners.is_empty() || owners.len() >= all || !ascending || !inside {
            let message = format!(
                "{owners:?} is not a coalition of some of {all} owners: positions below that number, ascending; all of them together \
                 are the agent, whose evaluation is enough"
            );
            return Err(Problem::field("owners", message));
        }
        let job = CoalitionJob { agent, certificate, test, owners };
        let mut grants = valued.of_test.clone();
        for id in job.datasets() {
            let grant = match valued.of_data.get(&id) {
                Some(grant) => *grant,
                None => {
                    let (_, grant) = self.usable(caller, id).await?;
                    valued.of_data.insert(id, grant);
                    grant
                }
            };
            grants.extend(grant);
        }
        Ok(Admitted { grants, ..Work::Coalition(Box::new(job)).into() })
    }
    /// Checks that nobody owns or registered both the test set and one of the agent's datasets; either may have been sold
    /// since.
    async fn check_stranger(&self, agent: &AgentBody, test: &DatasetBody) -> Result<()> {
        let mut of_test: Vec<AccountAddress> = test.shards.iter().map(|s| s.owner).chain([test.owner]).collect();
        of_test.push(self.owner_now(test).await?);
        let mut of_data: Vec<AccountAddress> = agent.sources.iter().map(|s| s.owner).collect();
        for id in agent.datasets() {
            if let Some(dataset) = self.registry.dataset(id).await? {
                of_data.push(self.owner_now(&dataset.body).await?);
            }
        }
        let Some(account) = of_test.iter().find(|account| of_data.contains(account)) else { return Ok(()) };
        let message = format!("{account} owns or registered the test set and one of the datasets that it would value");
        Err(Problem::field("dataset_id", message).with("dataset", test.id))
    }
}
