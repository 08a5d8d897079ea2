//! Jobs that have lost their worker: they go back to the queue, and a worker that was only presumed lost takes its job back.

use sqlx::any::AnyRow;
use sqlx::Row as _;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Tx;
use tribute_telemetry::names::{requeued, Requeue};

use super::queue::{Guarded, Queue, LONGEST_MS, MAX_LOST};
use super::{Event, Fenced, Lease, State};

impl Queue {
    /// Takes back a job that was considered lost, for instance because the database was gone for longer than the lease, if
    /// nobody has leased it since.
    pub(super) async fn take_back(&self, tx: &mut Tx, lease: &Lease, lease_ms: i64) -> Result<Option<AnyRow>> {
        let row = sqlx::query(self.database().sql(
            "UPDATE jobs SET state = 'running', worker = $4, lease_until = {now} + $3
             WHERE id = $1 AND fence = $2 AND state = 'queued' RETURNING cancel",
        ))
        .bind(&lease.job.id)
        .bind(lease.fence)
        .bind(lease_ms)
        .bind(&lease.job.worker)
        .fetch_optional(&mut **tx)
        .await?;
        if row.is_some() {
            self.count_moved(tx, &lease.job.id, -1, 1).await?;
            self.add_event(tx, &lease.job.id, &Event::State(State::Running)).await?;
        }
        Ok(row)
    }

    /// Returns a job to the queue without using up an attempt: its process was lost, or the worker is stopping. `lost`
    /// says whether the job itself may be the cause; it counts towards [`MAX_LOST`].
    pub async fn release(&self, lease: &Lease, why: &str, lost: bool) -> Guarded<()> {
        let mut tx = self.database().begin().await?;
        let changed = self.requeue(&mut tx, &lease.job.id, lease.fence, why, lost).await?;
        if !changed {
            tx.rollback().await?;
            return Ok(Err(Fenced));
        }
        tx.commit().await?;
        requeued(if lost { Requeue::Lost } else { Requeue::Stopped }, 1);
        Ok(Ok(()))
    }

    /// Requeues jobs whose leases have lapsed, or end later than any can, because a clock was wrong; fails jobs past their deadline, and returns how many were requeued. Any
    /// process may call it at any time.
    pub async fn recover(&self) -> Result<u64> {
        let mut tx = self.database().begin().await?;
        let lapsed = sqlx::query(self.database().sql(
            "SELECT id, fence, worker, cancel FROM jobs
             WHERE state = 'running' AND NOT lease_until BETWEEN {now} AND {now} + $1 ORDER BY tenant",
        ))
        .bind(LONGEST_MS)
        .fetch_all(&mut *tx)
        .await?;
        let mut count = 0;
        for row in &lapsed {
            let (id, fence): (String, i64) = (row.try_get("id")?, row.try_get("fence")?);
            if row.try_get::<i64, _>("cancel")? != 0 {
                self.end_where(&mut tx, &id, "fence = $2", fence, State::Cancelled, None, None).await?;
                continue;
            }
            let worker: Option<String> = row.try_get("worker")?;
            let why = format!("worker {} was lost", worker.as_deref().unwrap_or("?"));
            count += u64::from(self.requeue(&mut tx, &id, fence, &why, true).await?);
        }
        let late = sqlx::query(self.database().sql(
            "SELECT id, deadline FROM jobs WHERE state IN ('queued', 'running') AND deadline > 0 AND deadline < {now}
             ORDER BY tenant",
        ))
        .fetch_all(&mut *tx)
        .await?;
        for row in &late {
            let (id, deadline): (String, i64) = (row.try_get("id")?, row.try_get("deadline")?);
            let problem = Problem::new(Reason::DeadlinePassed, format!("job {id} had not ended at its deadline"))
                .with("job", &id)
                .with("deadline_ms", deadline);
            self.end_where(&mut tx, &id, "deadline = $2", deadline, State::Failed, Some(&problem), None).await?;
        }
        tx.commit().await?;
        requeued(Requeue::Lost, count);
        Ok(count)
    }

    async fn requeue(&self, tx: &mut Tx, id: &str, fence: i64, why: &str, lost: bool) -> Result<bool> {
        let row = sqlx::query(self.database().sql(
            "UPDATE jobs SET state = 'queued', lost = lost + $3, worker = NULL, lease_until = NULL
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING lost",
        ))
        .bind(id)
        .bind(fence)
        .bind(i64::from(lost))
        .fetch_optional(&mut **tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        self.count_moved(tx, id, 1, -1).await?;
        if row.try_get::<i64, _>("lost")? >= MAX_LOST {
            let message = format!("job {id} lost its worker {MAX_LOST} times, the last time because {why}");
            let problem = Problem::new(Reason::WorkerLost, message).with("job", id);
            return self.end_where(tx, id, "fence = $2", fence, State::Failed, Some(&problem), None).await;
        }
        self.add_event(tx, id, &Event::Requeued(why.into())).await?;
        Ok(true)
    }
}
