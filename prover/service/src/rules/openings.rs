//! Openings that a valuation takes of datasets' commitments, before any of it is queued.

use std::collections::{BTreeMap, HashSet};

use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::SourceBody;
use tribute_steps::valuation::ValuationJob;
use tribute_steps::work::Work;

use super::admission::{Admission, Admitted};

/// Openings of each of a dataset's commitments.
pub(super) struct Planned {
    pub(super) dataset: DatasetId,
    /// By work that is not done yet.
    pub(super) openings: u64,
    /// How often the caller may still open the commitment that has the fewest left.
    pub(super) left: u64,
}

/// What is left to do of admitted work.
pub(super) struct Plan<'a> {
    /// Its parts that have not succeeded before.
    pub(super) missing: Vec<&'a Work>,
    /// Owners of the coalitions whose proofs are noted already.
    pub(super) proven: HashSet<Vec<u32>>,
    /// Openings of each dataset, of a valuation.
    pub(super) datasets: Vec<Planned>,
}

impl Admission {
    /// Those of an account's `parts` that have not succeeded before.
    async fn missing<'a>(&self, caller: AccountAddress, parts: &'a [Admitted]) -> Result<Vec<&'a Work>> {
        let mut missing = Vec::new();
        for Admitted { work, .. } in parts {
            if self.queue.made(&self.new_job(caller, work, None)?).await?.is_none() {
                missing.push(work);
            }
        }
        Ok(missing)
    }

    /// Coalitions of the agent that is valued which earlier jobs have proven, by their owners: their proofs are noted, so that on
    /// another test set they are only evaluated.
    async fn proven(&self, caller: AccountAddress, work: &Work) -> Result<HashSet<Vec<u32>>> {
        let (agent, certificate) = match work {
            Work::Valuation(job) => (&job.agent, &job.certificate),
            Work::Coalition(job) => (&job.agent, &job.certificate),
            _ => return Ok(HashSet::new()),
        };
        self.queue.proven_coalitions(&caller.to_string(), self.srs, agent.weights_digest, certificate).await
    }

    /// What is left to do of admitted work. What queued jobs will open is not counted.
    pub(super) async fn plan<'a>(&self, caller: AccountAddress, admitted: &'a Admitted) -> Result<Plan<'a>> {
        let missing = self.missing(caller, &admitted.parts).await?;
        let proven = self.proven(caller, &admitted.work).await?;
        let datasets = match &admitted.work {
            Work::Valuation(job) => self.planned(caller, job, &missing, &proven).await?,
            _ => Vec::new(),
        };
        Ok(Plan { missing, proven, datasets })
    }

    /// What a valuation opens: the agent's datasets in their order, and the test set.
    async fn planned(
        &self,
        caller: AccountAddress,
        job: &ValuationJob,
        missing: &[&Work],
        proven: &HashSet<Vec<u32>>,
    ) -> Result<Vec<Planned>> {
        let mut openings: BTreeMap<DatasetId, u64> = BTreeMap::new();
        for work in missing {
            let trained = match work {
                Work::Coalition(coalition) if !proven.contains(&coalition.owners) => coalition.datasets(),
                _ => Vec::new(),
            };
            // all of them are evaluated
            for id in trained.into_iter().chain([job.test.id]) {
                *openings.entry(id).or_default() += 1;
            }
        }
        let budget = job.agent.layout()?.opening_budget();
        let tested: Vec<SourceBody> = job.test.sources().collect();
        let trained = job.agent.sources.chunk_by(|a, b| a.dataset == b.dataset);
        let datasets: Vec<&[SourceBody]> = trained.chain([tested.as_slice()]).collect();
        let mut planned = Vec::with_capacity(datasets.len());
        for shards in datasets {
            let Some(SourceBody { dataset, .. }) = shards.first() else { continue };
            let mut left = u64::MAX;
            for shard in shards {
                let lent = shard.owner != caller;
                left = left.min(self.custody.openings_left(&shard.digest.into(), budget, lent).await?);
            }
            let openings = openings.get(dataset).copied().unwrap_or_default();
            planned.push(Planned { dataset: *dataset, openings, left });
        }
        Ok(planned)
    }

    /// Refuses a valuation for which too few openings are left, rather than have it end on its way.
    ///
    /// # Errors
    /// [`Reason::BudgetSpent`], with the dataset and both numbers.
    pub(super) async fn check_openings(&self, caller: AccountAddress, admitted: &Admitted) -> Result<()> {
        if !matches!(admitted.work, Work::Valuation(_)) {
            return Ok(());
        }
        for Planned { dataset, openings, left } in self.plan(caller, admitted).await?.datasets {
            if openings > left {
                let message = format!(
                    "this opens dataset {dataset} {openings} times, and {left} openings of it are left: value by fewer \
                     coalitions, or have the data registered again with a profile of larger k"
                );
                let problem = Problem::new(Reason::BudgetSpent, message).with("dataset", dataset);
                return Err(problem.with("planned", openings).with("left", left));
            }
        }
        Ok(())
    }
}
