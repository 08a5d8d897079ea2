//! Journal of in-flight transactions. Each is written to a file before a node gets it, and removed when it is confirmed,
//! or when it is seen that it never can be, because another one used its nonce. If its process dies or gives up in
//! between, the next process that sends the same message resumes the recorded transaction instead of making a second
//! one.
//!
//! A lock file per nonce shows that a live process is sending with it; the lock is released when the process ends for
//! any reason. Records are named after nonce *and* message, so a record left by a dead process is never overwritten by
//! another transaction of the same nonce (at most one of them can be mined).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use alloy::primitives::{hex, keccak256, Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::error::{ChainError, Result};
use crate::transaction::{Message, Signed};

/// The chain that a record belongs to. A restarted local chain has the same id, but usually another first block; `None`
/// if the node does not show that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainName {
    pub(crate) id: u64,
    pub(crate) genesis: Option<B256>,
}

impl ChainName {
    /// Whether both may be the same chain.
    pub(crate) fn may_be(&self, other: &ChainName) -> bool {
        self.id == other.id && (self.genesis == other.genesis || self.genesis.is_none() || other.genesis.is_none())
    }
}

/// One transaction and all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    chain: ChainName,
    from: Address,
    pub(crate) nonce: u64,
    /// Gas limit of the newest version.
    pub(crate) gas: u64,
    /// Description, for people who read the file.
    action: String,
    to: Option<Address>,
    /// [`Message::identity`].
    identity: B256,
    value: U256,
    /// Newest last.
    pub(crate) versions: Vec<Signed>,
}

impl Record {
    pub(crate) fn new(
        chain: ChainName,
        from: Address,
        nonce: u64,
        gas: u64,
        message: &Message,
        first: Signed,
    ) -> Record {
        Record {
            chain,
            from,
            nonce,
            gas,
            action: message.action.clone(),
            to: message.to,
            identity: message.identity,
            value: message.value,
            versions: vec![first],
        }
    }

    fn is_of(&self, chain: &ChainName, from: Address) -> bool {
        self.chain.may_be(chain) && self.from == from
    }

    pub(crate) fn says(&self, message: &Message) -> bool {
        (self.to, self.value, self.identity) == (message.to, message.value, message.identity)
    }

    /// File name: chain, sender, nonce and a digest of the rest.
    fn name(&self) -> String {
        let (genesis, to) = (self.chain.genesis.unwrap_or_default(), self.to.unwrap_or_default());
        let rest = keccak256([&genesis[..], &to[..], &self.value.to_be_bytes::<32>(), &self.identity[..]].concat());
        format!("{}-{}.json", self.nonce_name(), hex::encode(&rest[..8]))
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.name())
    }

    fn lock_path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.lock", self.nonce_name()))
    }

    fn nonce_name(&self) -> String {
        format!("{}-{}-{}", self.chain.id, self.from, self.nonce)
    }
}

/// A record held by this process. When dropped, its file stays for the next process.
#[derive(Debug)]
pub(crate) struct Held {
    record: Record,
    folder: PathBuf,
    _lock: File,
}

impl Held {
    /// Records a transaction that no node has yet; `None` if another process is sending with its nonce. If a process that
    /// sent the same message with this nonce has just given up, this is one more version of its transaction.
    pub(crate) fn create(folder: &Path, mut record: Record) -> Result<Option<Held>> {
        let Some(lock) = lock(folder, &record)? else { return Ok(None) };
        if let Some(left) = read(&record.path(folder))? {
            record.versions.splice(..0, left.versions);
        }
        let held = Held { record, folder: folder.to_owned(), _lock: lock };
        held.write()?;
        Ok(Some(held))
    }

    /// The record of this message left by a dead process; the oldest, if there are several. Records of live processes
    /// are ignored: two concurrent runs of a command are two transactions.
    pub(crate) fn left(folder: &Path, chain: &ChainName, from: Address, message: &Message) -> Result<Option<Held>> {
        for record in records(folder, chain, from)?.into_iter().filter(|record| record.says(message)) {
            let Some(lock) = lock(folder, &record)? else {
                if std::fs::read_to_string(record.lock_path(folder)).is_ok_and(|name| name == record.name()) {
                    continue;
                }
                let action = message.action.clone();
                return Err(ChainError::NonceBusy { action, from, nonce: record.nonce });
            };
            // read again under the lock: it may have been confirmed or replaced by a version with higher fees
            if let Some(record) = read(&record.path(folder))? {
                return Ok(Some(Held { record, folder: folder.to_owned(), _lock: lock }));
            }
        }
        Ok(None)
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The record's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.record.path(&self.folder)
    }

    /// Records one more version, with this gas limit.
    pub(crate) fn add(&mut self, version: &Signed, gas: u64) -> Result<()> {
        self.record.gas = gas;
        self.record.versions.push(version.clone());
        self.write()
    }

    /// Removes the record of a confirmed transaction, and all others of its nonce: they never can be confirmed.
    pub(crate) fn confirmed(self) {
        let Record { chain, from, nonce, .. } = self.record;
        let others = records(&self.folder, &chain, from).unwrap_or_default();
        for other in others.iter().filter(|other| other.chain == chain && other.nonce == nonce) {
            let _ = std::fs::remove_file(other.path(&self.folder));
        }
        self.done();
    }

    /// Removes the record: the transaction never can be confirmed.
    pub(crate) fn done(self) {
        let _ = std::fs::remove_file(self.record.path(&self.folder));
        let _ = std::fs::remove_file(self.record.lock_path(&self.folder));
        let _ = std::fs::remove_dir(&self.folder); // fails while there are others
    }

    fn write(&self) -> Result<()> {
        let path = self.record.path(&self.folder);
        let text = serde_json::to_string_pretty(&self.record).map_err(|e| wrong(&path, &e))?;
        write_whole(&path, &(text + "\n"))
    }
}

/// All records of an account on a chain, by nonce.
pub(crate) fn records(folder: &Path, chain: &ChainName, from: Address) -> Result<Vec<Record>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(wrong(folder, &e)),
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "json") {
            found.extend(read(&path)?.filter(|record| record.is_of(chain, from)));
        }
    }
    found.sort_by_key(|record| record.nonce);
    Ok(found)
}

/// `None` if the file is gone.
fn read(path: &Path) -> Result<Option<Record>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(path, &e)),
    };
    let parsed = serde_json::from_str(&text);
    parsed.map(Some).map_err(|e| wrong(path, &format!("not a transaction's record ({e}); remove it")))
}

/// Takes the lock of a record's nonce and writes the record's name into it; `None` if another process has it.
fn lock(folder: &Path, record: &Record) -> Result<Option<File>> {
    let path = record.lock_path(folder);
    let failed = |e: std::io::Error| wrong(&path, &e);
    loop {
        let mut file = open_lock(folder, &path).map_err(failed)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        // its holder may have removed the file between our opening and locking it
        let ours = file.metadata().map_err(failed)?;
        if std::fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            file.set_len(0).map_err(failed)?;
            file.write_all(record.name().as_bytes()).map_err(failed)?;
            return Ok(Some(file));
        }
    }
}

/// Opens a lock's file, making its folder, which a process that has no record left may remove at any time.
fn open_lock(folder: &Path, path: &Path) -> std::io::Result<File> {
    let mut attempts = 0;
    loop {
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(path);
        match std::fs::create_dir_all(folder).and_then(|()| open()) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) && attempts < 1000 => {
                attempts += 1;
            }
            opened => return opened,
        }
    }
}

/// Writes a file atomically and durably: it is on disk when this returns.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, path)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    });
    written.map_err(|e| {
        let _ = std::fs::remove_file(&aside);
        wrong(path, &e)
    })
}

fn wrong(path: &Path, cause: &dyn std::fmt::Display) -> ChainError {
    ChainError::File { path: path.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Fees;
    use alloy::primitives::Bytes;

    const CHAIN: ChainName = ChainName { id: 1, genesis: Some(B256::ZERO) };

    fn message(data: u8) -> Message {
        Message::new("try", Some(Address::ZERO), vec![data].into(), U256::ZERO)
    }

    fn signed(data: u8) -> Signed {
        let fees = Fees::Dynamic { max_fee: u128::MAX, tip: 1 };
        Signed { hash: B256::repeat_byte(data), raw: Bytes::from(vec![data]), fees }
    }

    fn record(nonce: u64, data: u8) -> Record {
        Record::new(CHAIN, Address::ZERO, nonce, 21_000, &message(data), signed(data))
    }

    #[test]
    fn a_record_is_found_by_its_message_once_its_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pending");
        let left = |data| Held::left(&place, &CHAIN, Address::ZERO, &message(data)).unwrap();
        assert!(left(7).is_none());
        let held = Held::create(&place, record(5, 7)).unwrap().unwrap();
        assert!(left(7).is_none(), "its process lives");
        drop(held);
        assert!(left(8).is_none(), "another message");
        let mut found = left(7).unwrap();
        assert_eq!(found.record(), &record(5, 7));
        found.add(&signed(9), 30_000).unwrap();
        drop(found);
        let found = left(7).unwrap();
        assert_eq!((found.record().gas, &found.record().versions[..]), (30_000, &[signed(7), signed(9)][..]));
        found.done();
        assert!(left(7).is_none() && !place.exists());
    }

    #[test]
    fn processes_that_begin_and_end_side_by_side_share_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pending");
        std::thread::scope(|scope| {
            for nonce in 0..4 {
                let place = &place;
                scope.spawn(move || {
                    for _ in 0..500 {
                        let path = record(nonce, 7).lock_path(place);
                        drop((
                            open_lock(place, &path).unwrap(),
                            std::fs::remove_file(path),
                            std::fs::remove_dir(place),
                        ));
                    }
                });
            }
        });
        for nonce in 0..4 {
            Held::create(&place, record(nonce, 7)).unwrap().unwrap().done();
        }
        assert!(!place.exists());
        std::fs::write(&place, "").unwrap();
        assert!(matches!(Held::create(&place, record(5, 7)), Err(ChainError::File { .. })), "a file is there");
    }

    #[test]
    fn a_record_of_the_same_nonce_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let left = |data| Held::left(folder.path(), &CHAIN, Address::ZERO, &message(data)).unwrap();
        let first = Held::create(folder.path(), record(5, 7)).unwrap().unwrap();
        assert!(Held::create(folder.path(), record(5, 8)).unwrap().is_none(), "its process lives");
        assert!(Held::create(folder.path(), record(6, 8)).unwrap().is_some(), "another nonce");
        drop(first);
        let second = Held::create(folder.path(), record(5, 9)).unwrap().unwrap();
        let error = Held::left(folder.path(), &CHAIN, Address::ZERO, &message(7)).unwrap_err();
        assert!(matches!(error, ChainError::NonceBusy { nonce: 5, .. }), "another message uses its nonce: {error}");
        second.done();
        assert_eq!(left(7).unwrap().record(), &record(5, 7));
        // the same message: one more version
        let again = Record { versions: vec![signed(8)], ..record(5, 7) };
        let both = Held::create(folder.path(), again).unwrap().unwrap();
        assert_eq!(both.record().versions, [signed(7), signed(8)]);
    }

    #[test]
    fn a_confirmed_transaction_takes_the_records_of_its_nonce_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = Record { chain: ChainName { genesis: Some(B256::repeat_byte(1)), ..CHAIN }, ..record(5, 7) };
        for other in [record(5, 7), record(6, 7), elsewhere.clone()] {
            drop(Held::create(folder.path(), other).unwrap().unwrap());
        }
        Held::create(folder.path(), record(5, 8)).unwrap().unwrap().confirmed();
        assert_eq!(records(folder.path(), &CHAIN, Address::ZERO).unwrap(), [record(6, 7)]);
        assert_eq!(records(folder.path(), &elsewhere.chain, Address::ZERO).unwrap(), [elsewhere]);
    }

    #[test]
    fn records_of_other_chains_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let left = |chain| Held::left(folder.path(), &chain, Address::ZERO, &message(7)).unwrap();
        drop(Held::create(folder.path(), record(5, 7)).unwrap());
        assert!(left(ChainName { id: 2, ..CHAIN }).is_none());
        assert!(left(ChainName { genesis: Some(B256::repeat_byte(1)), ..CHAIN }).is_none());
        // a node that has pruned the first block cannot distinguish chains
        assert!(left(ChainName { genesis: None, ..CHAIN }).is_some());
        assert!(left(CHAIN).is_some());
    }

    #[test]
    fn a_broken_record_is_told_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1-x-5.json"), "{").unwrap();
        let error = Held::left(folder.path(), &CHAIN, Address::ZERO, &message(7)).unwrap_err();
        assert!(error.to_string().contains("1-x-5.json"), "{error}");
    }
}
