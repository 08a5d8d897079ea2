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

/// Words of a node or a contract, with control characters escaped: a terminal must not obey them.
pub(crate) fn printable(words: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    words.chars().map(escaped).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_give_a_terminal_no_orders() {
        for (words, shown) in [
            ("it's \"low\" \\ für 5 ⟠", "it's \"low\" \\ für 5 ⟠"),
            ("\u{1b}[2J\rno\n", "\\u{1b}[2J\\rno\\n"),
            ("\u{9b}2J\u{202e}", "\\u{9b}2J\\u{202e}"),
        ] {
            assert_eq!(printable(words), shown);
        }
    }
}
