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
use tribute_steps::valuation::ValuationJob;
use tribute_steps::work::Work;
use tribute_store::artefacts::ArtefactId;

use super::admission::{Admission, Admitted, Grant};
use super::evaluations::{evaluation_here, OwnEvaluation};

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
    /// A valuation's parts are the agent's own evaluation, and different coalitions.
    pub(super) async fn valuation_work(&self, caller: AccountAddress, w: v1::ValuationWork) -> Result<Admitted> {
        self.check_number("coalitions", w.coalitions.len())?;
        let coalitions: Vec<Vec<u32>> = w.coalitions.into_iter().map(|c| c.owners).collect();
        if coalitions.is_empty() {
            return Err(Problem::field("coalitions", "name at least one"));
        }
        let mut seen = BTreeSet::new();
        if let Some(again) = coalitions.iter().find(|owners| !seen.insert(*owners)) {
            return Err(Problem::field("coalitions", format!("{again:?} is listed twice")));
        }
        let evaluation = v1::EvaluationWork { weights_digest: w.weights_digest, dataset_id: w.dataset_id };
        let mut valued = self.valued(caller, evaluation).await?;
        let (agent, certificate, test) = (valued.agent.clone(), valued.certificate.clone(), valued.test.clone());
        let own = Work::Evaluation(evaluation_here(caller, &agent, certificate.clone(), test.as_ref().clone()));
        let mut parts = vec![Admitted { grants: valued.of_test.clone(), ..own.into() }];
        for owners in &coalitions {
            parts.push(self.coalition_of(caller, &mut valued, owners.clone()).await?);
        }
        let work = Work::Valuation(Box::new(ValuationJob { agent, certificate, test, coalitions }));
        Ok(Admitted { parts, ..work.into() })
    }

    pub(super) async fn coalition_work(&self, caller: AccountAddress, w: v1::CoalitionWork) -> Result<Admitted> {
        let evaluation = v1::EvaluationWork { weights_digest: w.weights_digest, dataset_id: w.dataset_id };
        let mut valued = self.valued(caller, evaluation).await?;
        self.coalition_of(caller, &mut valued, w.owners).await
    }

    /// Checks what all coalitions have in common.
    async fn valued(&self, caller: AccountAddress, work: v1::EvaluationWork) -> Result<Valued> {
        if let Some(across) = self.ownership.agent(caller, &work.weights_digest).await?.body.across {
            let text = format!(
                "the agent's data stayed at other nodes (request {}): a coalition is trained where its datasets are, so only \
                 an agent over datasets of this server can be valued",
                across.request
            );
            return Err(Problem::field("weights_digest", text));
        }
        let (evaluation, of_test) = self.evaluation_of(caller, work).await?;
        let OwnEvaluation { agent, certificate, dataset: test } = evaluation;
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
