//! Worlds for tests: real servers, real chains, small data. Everything panics where a test would.
//!
//! | module | holds |
//! |---|---|
//! | [`place`] | a data folder, and the server and worker processes on it |
//! | [`world`] | the program's commands in a folder, with a server and a chain where there is one |
//! | [`calls`] | a client's calls, from submitting work to a certificate |
//! | [`data`] | small tables and what is registered of them |
//! | [`raw`] | calls as bytes, which a client would never send |
//! | [`process`] | processes found and killed |
//! | [`chain`] | a life cycle of the contracts, with a verifier that accepts what a test commits to |

pub mod calls;
pub mod chain;
pub mod data;
pub mod place;
pub mod process;
pub mod raw;
pub mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use place::{Place, Served};
pub use world::World;

/// The repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The program under test.
///
/// # Panics
/// Outside of the tests of the crate that builds it.
#[must_use]
pub fn program() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_tribute").expect("run by cargo, as a test of the program's crate").into()
}

/// A file that must be JSON.
#[must_use]
pub fn json(file: &Path) -> serde_json::Value {
    let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Looks until there is something, for at most a minute.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
