//! Estimates of a job's memory, from which workers decide what to run beside what, and a server what to refuse. They are
//! the peaks in `benches/RESULTS.md` with a third on top; a test compares them with the peaks of real jobs.

use tribute_core::statement::Statement;

use crate::memory::{training_mb, Shape, MB, TRAINING_MB};
use crate::shape::Profile;
use crate::work::Work;

/// Memory of a process before it holds anything, MB.
const BASE: u64 = 64;
/// Bytes of each row for one more data column.
const COLUMN: u64 = 112;

/// Bytes of each row of a circuit, besides its data columns.
const fn row(statement: Statement) -> u64 {
    match statement {
        Statement::Dataset => 2_700,
        Statement::Gradient => 4_300,
        Statement::Evaluation => 3_500,
        Statement::Optimum => 5_000,
        Statement::Service => 5_700,
    }
}

/// Estimate for making the keys of a circuit and a proof with it, MB.
fn proof(statement: Statement, profile: &Profile) -> u64 {
    let rows = 1_u64.checked_shl(profile.k).unwrap_or(u64::MAX);
    let bytes = row(statement).saturating_add(COLUMN.saturating_mul(profile.columns as u64));
    BASE + mb(rows.saturating_mul(bytes))
}

/// Estimate for training, MB: the records as numbers, and the parameters for the commitment to the weights.
fn training(records: u64, shape: Shape, k: u32) -> u64 {
    let parameters = 1_u64.checked_shl(k).unwrap_or(u64::MAX).saturating_mul(200);
    2 * BASE + mb(shape.bytes(records)) + mb(parameters)
}

/// Bytes in MB, with a third on top.
fn mb(bytes: u64) -> u64 {
    bytes / MB
}

impl Work {
    /// Estimated memory in MB.
    #[must_use]
    pub fn weight_mb(&self) -> i64 {
        let records = |count: u64, columns: usize| mb(count.saturating_mul(4 * columns as u64));
        let estimate = match self {
            Work::Calibrate(job) => BASE / 2 + mb(1_u64.checked_shl(job.k).unwrap_or(u64::MAX).saturating_mul(300)),
            Work::Circuit(job) => proof(job.shape.statement, &job.shape.profile),
            Work::Dataset(job) => proof(Statement::Dataset, &job.profile) + records(job.count, job.profile.columns),
            Work::Shard(job) => {
                let shard = job.dataset.count.min(1_u64.checked_shl(job.dataset.profile.k).unwrap_or(u64::MAX));
                proof(Statement::Dataset, &job.dataset.profile) + records(shard, job.dataset.profile.columns)
            }
            Work::Train(job) => {
                let shape = Shape::of(&job.schema);
                // a server does not start with another limit than a number
                let held = shape.held(job.sources.iter().map(|s| s.count), training_mb().unwrap_or(TRAINING_MB));
                training(held, shape, job.profile.k)
            }
            Work::Gradient(job) => proof(Statement::Gradient, &job.agent.profile),
            Work::Optimum(job) => proof(Statement::Optimum, &job.agent.profile),
            Work::Evaluation(job) => proof(Statement::Evaluation, &job.dataset.profile),
            Work::Coalition(job) => {
                let count = job.sources().iter().map(|s| s.count).sum();
                let proofs = [Statement::Gradient, Statement::Optimum, Statement::Evaluation];
                proofs.map(|statement| proof(statement, &job.agent.profile)).into_iter().max().unwrap_or(0)
                    + training(count, Shape::of(&job.agent.schema), job.agent.profile.k)
            }
            Work::Valuation(_) => BASE,
            Work::Service(job) => proof(Statement::Service, &job.agent.profile),
            Work::Home(job) => proof(Statement::Gradient, &job.profile),
            // the keys of two circuits, of which the larger is made alone
            Work::Across(job) => proof(Statement::Gradient, &job.profile),
        };
        i64::try_from(estimate).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_records_to_train_on_need_no_more_memory_than_the_most_that_is_kept() {
        for (features, classes) in [(4, 3), (64, 10), (784, 10), (64, 100)] {
            let shape = Shape { features, classes };
            let most_held = TRAINING_MB * MB / shape.bytes(1);
            let shard = 20_000;
            for records in [1, shard, most_held, most_held + 1, 2 * most_held, 100 * most_held] {
                let full = usize::try_from(records / shard).unwrap();
                let shards = std::iter::repeat_n(shard, full).chain([records % shard]);
                let held = shape.held(shards, TRAINING_MB);
                assert_eq!(held == records, records <= most_held.max(shard), "{records} × {features} × {classes}");
                assert!(training(held, shape, 15) <= TRAINING_MB + 2 * BASE + mb(200 << 15), "{records} × {features}");
            }
        }
    }

    /// Peaks measured on two cores: `benches/RESULTS.md`.
    #[test]
    fn estimates_are_above_what_was_measured_and_not_far() {
        let measured = [
            (Statement::Dataset, 15, 8, 127),
            (Statement::Gradient, 15, 8, 175),
            (Statement::Gradient, 15, 24, 229),
            (Statement::Gradient, 16, 8, 343),
            (Statement::Gradient, 17, 8, 673),
            (Statement::Gradient, 17, 24, 897),
            (Statement::Gradient, 18, 8, 1328),
            (Statement::Evaluation, 15, 8, 152),
            (Statement::Service, 15, 8, 219),
            (Statement::Service, 16, 8, 423),
        ];
        for (statement, k, columns, peak) in measured {
            let estimate = proof(statement, &Profile { k, columns, intercept_scale: 0 });
            assert!(estimate > peak && estimate < 2 * peak, "{statement:?} {k} {columns}: {estimate}, was {peak}");
        }
        let huge = Profile { k: 22, columns: 64, intercept_scale: 0 };
        assert!(proof(Statement::Gradient, &huge) > 40_000);
        assert_eq!(
            i64::try_from(proof(Statement::Gradient, &Profile { k: 99, ..huge })).ok(),
            Some(64 + (u64::MAX / 750_000) as i64)
        );
    }
}
