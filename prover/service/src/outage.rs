//! Whether the database answers. While it does not, every call is refused at once with `UNAVAILABLE`, also those that
//! wait for it, and the health service says `NOT_SERVING`.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tonic_health::server::HealthReporter;
use tonic_health::ServingStatus;
use tribute_problem::{Problem, Result};
use tribute_store::db::Database;

/// Pause between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the database answered when it was last asked.
#[derive(Clone, Debug)]
pub struct Outlook(watch::Receiver<bool>);

/// Sets what an [`Outlook`] sees.
#[derive(Debug)]
pub struct Lookout(watch::Sender<bool>);

/// A pair of both, of a database that answers.
#[must_use]
pub fn pair() -> (Lookout, Outlook) {
    let (tell, told) = watch::channel(true);
    (Lookout(tell), Outlook(told))
}

impl Lookout {
    /// Asks the database every second until `stop` becomes true.
    pub async fn watch(self, database: Database, health: HealthReporter, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let answer = database.answers().await;
            let before = self.0.send_replace(answer.is_ok());
            match &answer {
                Ok(()) if !before => tracing::warn!("the database answers again"),
                Err(e) if before => {
                    tracing::error!(error = %e, "the database is gone: calls are refused until it answers")
                }
                _ => {}
            }
            if answer.is_ok() != before {
                let status = if answer.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
                health.set_service_status("", status).await;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.changed() => {}
            }
        }
        health.set_service_status("", ServingStatus::NotServing).await;
    }
}

impl Outlook {
    /// The outcome of `work`, unless the database is gone before.
    ///
    /// # Errors
    /// [`tribute_problem::Reason::StorageUnavailable`].
    pub async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut seen = self.0.clone();
        tokio::select! {
            biased;
            // a lookout that has ended, because the server is stopping, says nothing
            Ok(_) = seen.wait_for(|answers| !answers) => Err(Problem::unavailable("it was asked in vain")),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_that_wait_end_when_the_database_is_gone() {
        let (lookout, outlook) = pair();
        assert_eq!(outlook.meanwhile(async { 1 }).await, Ok(1));
        let waiting = tokio::spawn({
            let outlook = outlook.clone();
            async move { outlook.meanwhile(std::future::pending::<()>()).await }
        });
        tokio::task::yield_now().await;
        lookout.0.send_replace(false);
        assert!(waiting.await.unwrap().is_err());
        assert!(outlook.meanwhile(async { 1 }).await.is_err());
        lookout.0.send_replace(true);
        assert_eq!(outlook.meanwhile(async { 1 }).await, Ok(1));
        drop(lookout);
        assert_eq!(outlook.meanwhile(async { 1 }).await, Ok(1));
    }
}
