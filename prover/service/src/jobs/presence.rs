//! Which workers there are. A lease shows a worker only while it has a job; this shows the idle ones too.

use std::time::Duration;

use tribute_problem::Result;

use super::queue::Queue;

/// How long a worker that stopped without a word is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(3600);
/// Shortest pause between two signs of life: each is a write to the database.
const SHORTEST: Duration = Duration::from_secs(1);

/// A worker's signs of life.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    queue: Queue,
    worker: String,
    slots: usize,
    /// Pause between two signs of life.
    pub(super) pause: Duration,
}

impl Presence {
    /// For a worker that runs `slots` jobs at a time, under leases of this length.
    pub(super) fn new(queue: Queue, worker: &str, slots: usize, lease: Duration) -> Self {
        Presence { queue, worker: worker.to_owned(), slots, pause: (lease / 3).max(SHORTEST) }
    }

    /// The worker is there. `unfit` says why it runs no jobs; empty if it does.
    pub(super) async fn tell(&self, unfit: &str) -> Result<()> {
        let db = self.queue.database();
        let mut tx = db.begin().await?;
        sqlx::query(db.sql(
            "INSERT INTO workers (worker, slots, patience_ms, started_ms, seen_ms, unfit) VALUES ($1, $2, $3, {now}, {now}, $4)
             ON CONFLICT (worker) DO UPDATE SET seen_ms = {now}, unfit = $4",
        ))
        .bind(&self.worker)
        .bind(self.slots as i64)
        .bind(3 * self.pause.as_millis() as i64)
        .bind(unfit)
        .execute(&mut *tx)
        .await?;
        sqlx::query(db.sql("DELETE FROM workers WHERE seen_ms < {now} - $1"))
            .bind(REMEMBERED.as_millis() as i64)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The worker has stopped as it should.
    pub(super) async fn leave(&self) -> Result<()> {
        let db = self.queue.database();
        sqlx::query(db.sql("DELETE FROM workers WHERE worker = $1")).bind(&self.worker).execute(db.pool()).await?;
        Ok(())
    }
}
