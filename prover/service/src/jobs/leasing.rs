//! Workers lease jobs that fit into memory and run each in a child process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{watch, Notify};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tribute_problem::{Reason, Result};
use tribute_steps::work::Payload;

use super::presence::Presence;
use super::worker::Worker;
use super::{fitness, run, Lease};

/// First and longest pause before a worker that is not fit tests itself again.
const RETEST: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

impl Worker {
    /// Requeues lost jobs. While the database is gone no worker can keep its lease alive, so what has lapsed says nothing
    /// until every worker has had the time for a heartbeat again.
    async fn recover(&self) {
        let done = if self.steady() < self.config.lease {
            self.queue.database().now_ms().await.map(|_| ())
        } else {
            self.queue.recover().await.map(|_| ())
        };
        if let Err(e) = done {
            tracing::warn!(error = %e, "cannot recover lost jobs");
            self.troubled();
        }
    }

    /// Tests whether this machine is fit for the service's jobs.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub async fn test(&self) -> Result<()> {
        fitness::test(&self.config, self.queue.database()).await
    }

    /// Runs jobs until `stop` becomes true, or none has come for long enough, then stops the child processes and returns
    /// their jobs to the queue.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let name = format!("{}-{}", std::process::id(), hex::encode(rand::random::<[u8; 4]>()));
        let config = &self.config;
        let mut running: JoinSet<(i64, bool)> = JoinSet::new();
        let mut free_mb = config.memory_mb;
        let mut recover = tokio::time::interval((config.lease / 3).max(Duration::from_millis(50)));
        let (mut test_at, mut pause) = (Some(Instant::now()), RETEST[0]);
        let mut idle_since = Instant::now();
        let presence = Presence::new(self.queue.clone(), &name, config.slots, config.lease);
        let mut present = tokio::time::interval(presence.pause);
        // why it is not fit for work; empty while it is
        let mut unfit = String::new();
        tracing::info!(worker = %name, slots = config.slots, "worker started");
        while !*stop.borrow() {
            if test_at.is_some_and(|at| at <= Instant::now()) {
                let tested = tokio::select! {
                    tested = self.test() => tested,
                    _ = stop.changed() => continue,
                };
                test_at = match tested {
                    Ok(()) => {
                        unfit.clear();
                        None
                    }
                    Err(e) => {
                        unfit.clone_from(&e.message);
                        tracing::error!(worker = %name, reason = e.reason.text(), error = %e, "not fit for work: no jobs are run here");
                        let wait = if e.reason == Reason::StorageUnavailable { RETEST[0] } else { pause };
                        pause = (pause * 2).min(RETEST[1]);
                        Some(Instant::now() + wait)
                    }
                };
            }
            while test_at.is_none() && running.len() < config.slots {
                match self.queue.lease(&name, config.lease_ms(), free_mb).await {
                    Ok(Some(lease)) => {
                        pause = RETEST[0];
                        let weight = weight_of(&lease);
                        free_mb -= weight;
                        let (worker, stop) = (self.clone(), stop.clone());
                        running.spawn(async move { (weight, run::run(&worker, &lease, stop).await) });
                    }
                    Ok(None) => break,
                    Err(e) => {
                        tracing::warn!(error = %e, "cannot lease a job");
                        self.troubled();
                        break;
                    }
                }
            }
            tokio::select! {
                Some(done) = running.join_next() => {
                    let (weight, fit) = done.unwrap_or((0, true));
                    free_mb += weight;
                    if !fit {
                        test_at = Some(Instant::now() + pause);
                    }
                }
                () = wake.notified() => {}
                // a job that waits after a failure becomes ready without news
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                _ = recover.tick() => self.recover().await,
                _ = present.tick() => {
                    if let Err(e) = presence.tell(&unfit).await {
                        tracing::warn!(error = %e, "cannot say that this worker is there");
                        self.troubled();
                    }
                }
                _ = stop.changed() => {}
            }
            if running.is_empty() {
                free_mb = config.memory_mb;
                if config.idle_exit.is_some_and(|most| idle_since.elapsed() >= most) {
                    break;
                }
            } else {
                idle_since = Instant::now();
            }
        }
        while running.join_next().await.is_some() {}
        if let Err(e) = presence.leave().await {
            tracing::warn!(error = %e, "cannot say that this worker has stopped");
        }
        tracing::info!(worker = %name, "worker stopped");
    }
}

fn weight_of(lease: &Lease) -> i64 {
    serde_json::from_str::<Payload>(&lease.job.payload).map_or(0, |payload| payload.work.weight_mb())
}
