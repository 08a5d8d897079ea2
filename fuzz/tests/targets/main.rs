//! One target for each kind of untrusted input. Valid inputs are in `corpus/`, made by `corpus/make.sh`.

mod agent;
mod calldata;
mod ceremony;
mod certificate;
mod request;
mod schema;
mod socket;
mod table;
mod voucher;

use std::path::{Path, PathBuf};

fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)).expect(name)
}

/// Folder for failing inputs, and for files that are read from a path.
fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Gives mutations of `seeds` to `check`.
fn fuzz(target: &str, seeds: &[Vec<u8>], cases: u64, check: impl Fn(&[u8])) {
    tribute_fuzz::fuzz(target, &scratch(), seeds, cases, check);
}
