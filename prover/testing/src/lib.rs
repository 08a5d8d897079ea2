//! Test environments: real servers, real chains, small data. Everything panics on failure.
//!
//! | module | contents |
//! |---|---|
//! | [`place`] | a data folder, and the server and worker processes on it |
//! | [`world`] | runs the program's commands in a folder, with an optional server and chain |
//! | [`calls`] | client calls, from submitting work to fetching a certificate |
//! | [`market`] | an agent certified on a chain, and sessions with it |
//! | [`data`] | small tables and the requests that register them |
//! | [`raw`] | sends calls as raw bytes, which a client never would |
//! | [`stores`] | temporary servers that store: PostgreSQL and S3 |
//! | [`process`] | finds, limits and kills processes |
//! | [`threads`] | work on several threads |
//! | [`chain`] | a life cycle of the contracts, with a verifier that accepts what a test commits to |

pub mod calls;
pub mod chain;
pub mod data;
pub mod market;
pub mod place;
pub mod process;
pub mod raw;
pub mod stores;
pub mod threads;
pub mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use place::{Place, Served};
pub use world::World;

/// Root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Path of the program under test.
///
/// # Panics
/// Outside the tests of the crate that builds it.
#[must_use]
pub fn program() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_tribute").expect("run by cargo, as a test of the program's crate").into()
}

/// Parses a JSON file.
#[must_use]
pub fn json(file: &Path) -> serde_json::Value {
    let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Polls `look` until it returns something, for at most three minutes.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Polls until `come`, for at most a minute.
pub async fn wait_until(what: &str, mut come: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !come().await {
        assert!(start.elapsed() < Duration::from_secs(60), "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
