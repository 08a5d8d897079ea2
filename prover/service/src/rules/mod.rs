//! Authorization and business rules. They do not depend on gRPC; messages are converted in [`crate::wire`].

pub(crate) mod admission;
pub(crate) mod agents;
pub(crate) mod certificates;
mod estimate;
mod extension;
pub(crate) mod files;
mod forget;
pub(crate) mod gather;
pub(crate) mod ownership;
pub(crate) mod records;
mod sent;
pub(crate) mod sessions;
mod submission;
pub(crate) mod tables;
pub(crate) mod training;
pub(crate) mod uploads;

use tribute_problem::{Problem, Result};

/// Runs long computations off the threads that serve calls.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
}
