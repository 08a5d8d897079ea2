//! Transactions under way, in files. Each is written down before a node gets it and struck off when it is confirmed, so
//! that a process that is killed in between leaves it on record: the same message, sent again, goes on with that
//! transaction instead of making a second one.
//!
//! A record belongs to the process that holds its lock; the lock goes with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes, TxHash, B256, U256};
use alloy::providers::utils::Eip1559Estimation;
use serde::{Deserialize, Serialize};

use crate::error::{ChainError, Result};
use crate::pending::Signed;
use crate::wallet::Message;

/// One transaction and all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) chain_id: u64,
    /// Hash of the chain's first block: a local chain that was started anew is another one.
    pub(crate) genesis: Option<B256>,
    pub(crate) from: Address,
    pub(crate) nonce: u64,
    pub(crate) gas: u64,
    /// For people.
    action: String,
    to: Option<Address>,
    /// [`Message::identity`].
    #[serde(alias = "data")]
    identity: B256,
    value: U256,
    /// The last one pays most.
    pub(crate) versions: Vec<Version>,
}

/// A signed version; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    hash: TxHash,
    raw: Bytes,
    max_fee_per_gas: u128,
    max_priority_fee_per_gas: u128,
}

impl From<&Signed> for Version {
    fn from(signed: &Signed) -> Self {
        Version {
            hash: signed.hash,
            raw: signed.raw.clone(),
            max_fee_per_gas: signed.fees.max_fee_per_gas,
            max_priority_fee_per_gas: signed.fees.max_priority_fee_per_gas,
        }
    }
}

impl From<&Version> for Signed {
    fn from(v: &Version) -> Self {
        let fees = Eip1559Estimation {
            max_fee_per_gas: v.max_fee_per_gas,
            max_priority_fee_per_gas: v.max_priority_fee_per_gas,
        };
        Signed { hash: v.hash, raw: v.raw.clone(), fees }
    }
}

impl Record {
    pub(crate) fn new(
        chain_id: u64,
        genesis: Option<B256>,
        from: Address,
        nonce: u64,
        gas: u64,
        message: &Message,
        first: &Signed,
    ) -> Record {
        Record {
            chain_id,
            genesis,
            from,
            nonce,
            gas,
            action: message.action.clone(),
            to: message.to,
            identity: message.identity,
            value: message.value,
            versions: vec![first.into()],
        }
    }

    fn is_of(&self, chain_id: u64, from: Address, message: &Message) -> bool {
        (self.chain_id, self.from) == (chain_id, from)
            && (self.to, self.value, self.identity) == (message.to, message.value, message.identity)
    }

    fn name(&self) -> String {
        format!("{}-{}-{}", self.chain_id, self.from, self.nonce)
    }
}

/// A record that this process holds. Dropped, it stays on file for whoever asks next.
#[derive(Debug)]
pub(crate) struct Held {
    record: Record,
    folder: PathBuf,
    _lock: File,
}

impl Held {
    /// Writes down a transaction that no node has yet.
    pub(crate) fn create(folder: &Path, record: Record) -> Result<Held> {
        std::fs::create_dir_all(folder).map_err(|e| wrong(folder, &e))?;
        let path = lock_path(folder, &record.name());
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| wrong(&path, &e))?;
        // a record of the same nonce that somebody else holds can only be of a chain that was reset meanwhile
        lock.try_lock().map_err(|_| wrong(&path, &"another process sends a transaction with this nonce"))?;
        let held = Held { record, folder: folder.to_owned(), _lock: lock };
        held.write()?;
        Ok(held)
    }

    /// What a process that is gone left of this message.
    pub(crate) fn left(folder: &Path, chain_id: u64, from: Address, message: &Message) -> Result<Option<Held>> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue }; // struck off this moment
            let record: Record = serde_json::from_str(&text)
                .map_err(|e| wrong(&path, &format!("not a transaction's record ({e}); remove it")))?;
            if !record.is_of(chain_id, from, message) {
                continue;
            }
            let lock = lock_path(folder, &record.name());
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
            let lock = lock.map_err(|e| wrong(&path, &e))?;
            // held: another process is sending the same message right now, and that is its own business
            if lock.try_lock().is_ok() && path.exists() {
                return Ok(Some(Held { record, folder: folder.to_owned(), _lock: lock }));
            }
        }
        Ok(None)
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Writes down one more version.
    pub(crate) fn add(&mut self, version: &Signed) -> Result<()> {
        self.record.versions.push(version.into());
        self.write()
    }

    /// Strikes it off: it is confirmed, or can never be mined.
    pub(crate) fn done(self) {
        let name = self.record.name();
        let _ = std::fs::remove_file(self.folder.join(format!("{name}.json")));
        let _ = std::fs::remove_file(lock_path(&self.folder, &name));
        let _ = std::fs::remove_dir(&self.folder); // fails while there are others
    }

    /// Whole or not at all, and on the disk before a node gets the transaction.
    fn write(&self) -> Result<()> {
        let path = self.folder.join(format!("{}.json", self.record.name()));
        let text = serde_json::to_string_pretty(&self.record).map_err(|e| wrong(&path, &e))?;
        write_whole(&path, &(text + "\n"))
    }
}

/// Writes a file whole or not at all; it is on the disk when this returns.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    });
    written.map_err(|e| {
        let _ = std::fs::remove_file(&aside);
        wrong(path, &e)
    })
}

fn lock_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.lock"))
}

fn wrong(path: &Path, cause: &dyn std::fmt::Display) -> ChainError {
    ChainError::File { path: path.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(data: u8) -> Message {
        Message::new("try", Some(Address::ZERO), vec![data].into(), U256::ZERO)
    }

    fn record(nonce: u64, data: u8) -> Record {
        let fees = Eip1559Estimation { max_fee_per_gas: 2, max_priority_fee_per_gas: 1 };
        let signed = Signed { hash: B256::repeat_byte(data), raw: Bytes::from(vec![data]), fees };
        Record::new(1, None, Address::ZERO, nonce, 21_000, &message(data), &signed)
    }

    #[test]
    fn a_record_is_found_by_its_message_once_its_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pending");
        let left = |data| Held::left(&place, 1, Address::ZERO, &message(data)).unwrap();
        assert!(left(7).is_none());
        let held = Held::create(&place, record(5, 7)).unwrap();
        assert!(left(7).is_none(), "its process lives");
        drop(held);
        assert!(left(8).is_none(), "another message");
        let mut found = left(7).unwrap();
        assert_eq!(found.record(), &record(5, 7));
        let dearer = Signed { hash: B256::ZERO, ..Signed::from(&found.record().versions[0]) };
        found.add(&dearer).unwrap();
        drop(found);
        let found = left(7).unwrap();
        assert_eq!(found.record().versions.len(), 2);
        found.done();
        assert!(left(7).is_none() && !place.exists());
    }

    #[test]
    fn a_broken_record_is_told_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1-x-5.json"), "{").unwrap();
        let error = Held::left(folder.path(), 1, Address::ZERO, &message(7)).unwrap_err();
        assert!(error.to_string().contains("1-x-5.json"), "{error}");
    }
}
