//! Parts of error messages, as `thiserror` passes them their fields.

use std::path::PathBuf;

use alloy::primitives::B256;

pub(crate) fn shown(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    if names.is_empty() {
        "no place".to_owned()
    } else {
        names.join(", ")
    }
}

pub(crate) fn hashes(transactions: &[B256]) -> String {
    let names: Vec<String> = transactions.iter().map(ToString::to_string).collect();
    names.join(", ")
}

pub(crate) fn titled(title: &str) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!(" titled {title:?}")
    }
}

pub(crate) fn spaced(ends_in_space: &bool) -> &'static str {
    if *ends_in_space {
        ": it ends in white space, perhaps a line break that does not belong to it"
    } else {
        ""
    }
}

pub(crate) fn gwei(wei: &u128) -> f64 {
    *wei as f64 / 1e9
}

pub(crate) fn asks(told: &Option<u64>) -> String {
    told.map(|seconds| format!("; the node asks for a pause of {seconds} s")).unwrap_or_default()
}

pub(crate) fn because(cause: &Option<String>) -> String {
    cause.as_ref().map(|c| format!(" ({c})")).unwrap_or_default()
}

pub(crate) fn also(capped: &Option<String>) -> String {
    capped.as_ref().map(|c| format!("; {c}")).unwrap_or_default()
}

pub(crate) fn by_ours(block: &Option<u64>) -> String {
    block.map_or("and it is not known by which transaction".to_owned(), |b| format!("by ours, in block {b}"))
}
