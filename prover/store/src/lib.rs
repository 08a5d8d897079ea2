//! Storage of the service: rows in a [`db::Database`], immutable bytes in [`artefacts::Artefacts`], secrets in private
//! [`files`].

pub mod artefacts;
pub mod db;
pub mod files;

use tribute_problem::{Problem, Result};

/// Runs a long computation off the threads that serve futures.
///
/// # Errors
/// Those of `work`, or that it panicked.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
}
