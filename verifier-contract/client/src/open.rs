//! A transaction that was given up before its fate was known.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};

use crate::wording::hashes;

/// A transaction whose fate is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it is for.
    pub action: String,
    /// The sender.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Hashes of all versions sent with that nonce.
    pub transactions: Vec<B256>,
    /// Its record, if there is a journal.
    pub record: Option<PathBuf>,
}

impl Open {
    /// Its nonce and hashes.
    pub(crate) fn named(&self) -> String {
        format!("nonce {} of {} ({})", self.nonce, self.from, hashes(&self.transactions))
    }

    /// What to do about it.
    pub(crate) fn go_on(&self) -> String {
        match &self.record {
            Some(file) => format!(
                "run the same command again to go on with it; its record is {}, to be removed only by somebody who \
                 knows that it will never be mined",
                file.display()
            ),
            None => "look for its hash before sending again".to_owned(),
        }
    }
}

/// The end of an error's message, if something was sent.
pub(crate) fn then(open: &Option<Box<Open>>) -> String {
    open.as_ref().map(|open| format!(" ({}); {}", open.named(), open.go_on())).unwrap_or_default()
}
