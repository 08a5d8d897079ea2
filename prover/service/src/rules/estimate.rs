//! What work costs, before anything is spent.

use tribute_core::hexed::AccountAddress;
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::schema::Schema;
use tribute_core::statement::Statement;
use tribute_problem::Result;
use tribute_proto::v1;
use tribute_steps::dataset;
use tribute_steps::gradient::GradientJob;
use tribute_steps::shape::{ShapeBody, Target};
use tribute_steps::work::Work;

use super::admission::{Admission, Admitted};
use super::openings::Plan;
use crate::wire;

impl Admission {
    /// Checks work as if it were submitted, and says what it would cost. Nothing is stored.
    pub(crate) async fn estimate(&self, caller: AccountAddress, work: v1::work::Work) -> Result<v1::EstimateResponse> {
        let admitted = self.holding().prepare(caller, work).await?;
        let Admitted { work, parts, .. } = &admitted;
        let Plan { missing, proven, datasets } = self.plan(caller, &admitted).await?;
        let mut estimate = v1::EstimateResponse {
            jobs: parts.len() as u32 + 1,
            existing: self.queue.equal(&self.new_job(caller, work, None)?).await?.unwrap_or_default(),
            datasets: datasets.into_iter().map(|p| wire::openings(p.dataset, p.openings, p.left)).collect(),
            ..Default::default()
        };
        // parts do the work of the whole, which only puts them together
        let working = if parts.is_empty() { vec![work] } else { missing };
        for work in working {
            let weight = work.weight_mb();
            estimate.seconds += self.usual_seconds(work).await?.unwrap_or_default();
            estimate.memory_mb = estimate.memory_mb.max(weight.unsigned_abs());
            let (shape, openings) = proof(work)?;
            let noted = match work {
                Work::Coalition(job) if proven.contains(&job.owners) => job.sources().len() as u64,
                _ => 0,
            };
            estimate.openings += openings - noted;
            if let Some(shape) = shape {
                let gas = self.registry.circuit(&shape).await?.map_or(0, |(_, gas)| gas);
                estimate.gas_verify += gas;
            }
        }
        Ok(estimate)
    }

    /// Seconds that work like this took lately. A coalition's, unless one was proven already, follow from those of its proofs.
    async fn usual_seconds(&self, work: &Work) -> Result<Option<f64>> {
        if let Some(ms) = self.queue.usual_ms(work.kind(), work.weight_mb()).await? {
            return Ok(Some(ms as f64 / 1e3));
        }
        let Work::Coalition(job) = work else { return Ok(None) };
        let (agent, target) = (job.agent.clone(), Target::default());
        let gradient = Work::Gradient(GradientJob { agent, slot: 0, target });
        let Some(gradient) = self.queue.usual_ms(gradient.kind(), gradient.weight_mb()).await? else { return Ok(None) };
        // training, the optimum and the evaluation of a shard each take about as long as the gradient of one
        let proofs = job.sources().len() + job.test.shards.len() + 2;
        Ok(Some(gradient as f64 / 1e3 * proofs as f64))
    }
}

fn of(statement: Statement, layout: &Layout, link: Link) -> Option<ShapeBody> {
    Some(ShapeBody::of(statement, layout, link))
}

/// The circuit of the proof that goes on chain, if there is one, and the openings of datasets' commitments.
fn proof(work: &Work) -> Result<(Option<ShapeBody>, u64)> {
    Ok(match work {
        Work::Calibrate(_) | Work::Circuit(_) | Work::Train(_) | Work::Across(_) => (None, 0),
        Work::Dataset(job) => (Some(dataset::shape(&job.layout()?)), 1),
        Work::Shard(job) => (Some(dataset::shape(&job.dataset.layout()?)), 1),
        Work::Home(job) => {
            let layout = job.profile.layout(&Schema::from_json(&job.schema)?)?;
            (of(Statement::Gradient, &layout, job.link), job.sources.len() as u64)
        }
        Work::Gradient(job) => (of(Statement::Gradient, &job.agent.layout()?, job.agent.link), 1),
        Work::Optimum(job) => (of(Statement::Optimum, &job.agent.layout()?, job.agent.link), 0),
        Work::Evaluation(job) => {
            (of(Statement::Evaluation, &job.dataset.layout()?, job.link), job.dataset.shards.len() as u64)
        }
        // it only names what its parts have made
        Work::Valuation(_) => (None, 0),
        // its proofs stay in the valuation file
        Work::Coalition(job) => (None, (job.sources().len() + job.test.shards.len()) as u64),
        Work::Service(job) => (of(Statement::Service, &job.agent.layout()?, job.agent.link), 0),
    })
}
