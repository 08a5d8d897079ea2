//! Uploaded files, which later calls refer to. They are stored sealed for their sender, in pieces, within a quota, for a day.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tribute_client::signing::Content;
use tribute_core::hexed::AccountAddress;
use tribute_custody::Custody;
use tribute_problem::{Problem, Reason, Result};
use tribute_records::{DataError, ReadAt};
use tribute_store::artefacts::{ArtefactId, Artefacts};
use tribute_store::db::Database;

const SEALED: &str = "upload";
/// Bytes of a file that are sealed together: what is in memory while it is received.
const PIECE: usize = 2 << 20;
/// Random bytes prepended to a piece before sealing. Without them equal pieces of two uploads would be the same
/// artefact, and deleting one would delete the other.
const PAD: usize = 16;
/// Memory that a file takes while it is received, or read piece by piece: pieces as they are and sealed.
pub(super) const AT_HAND: usize = 4 * PIECE;
/// Retention time of a file, milliseconds.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// Timeout for the next chunk of a file.
const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout for a whole upload, and the bytes in a second that a longer one must make.
const IN_ALL: Duration = Duration::from_secs(600);
const SLOWEST: u64 = 256 << 10;
/// Timeout for waiting for memory to read a file.
const WAIT: Duration = Duration::from_secs(60);
/// Unit in which the space for files that are being received is counted.
const UNIT: u64 = 64 << 10;

/// Upload limits, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Limit for one file, and for all stored files of one account together.
    pub account: u64,
    /// Limit for the stored files of all accounts together, and for those that are being received.
    pub all: u64,
    /// Memory for the files being received or read at the same time.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { account: 128 << 20, all: 4 << 30, memory: 256 << 20 }
    }
}

/// The store of uploaded files.
#[derive(Clone)]
pub(crate) struct Uploads {
    db: Database,
    artefacts: Artefacts,
    custody: Custody,
    pub(super) limits: Limits,
    memory: Arc<Semaphore>,
    /// Space for files that are being received, in [`UNIT`]s.
    space: Arc<Semaphore>,
}

/// A share of the memory for files, returned when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// A file in memory, with its share of [`Limits::memory`].
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Share,
}

/// The artefacts of a file that is being received; deleted unless the file is kept.
struct Pieces {
    artefacts: Artefacts,
    ids: Vec<ArtefactId>,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let (artefacts, ids) = (self.artefacts.clone(), std::mem::take(&mut self.ids));
        if let (false, Ok(handle)) = (ids.is_empty(), Handle::try_current()) {
            // what fails here is swept later, as nothing names it
            handle.spawn(async move { delete(&artefacts, &ids).await });
        }
    }
}

async fn delete(artefacts: &Artefacts, ids: &[ArtefactId]) -> Result<()> {
    for id in ids {
        artefacts.delete(id).await?;
    }
    Ok(())
}

/// The ids of pieces, as the table has them.
fn pieces(ids: &str) -> Vec<ArtefactId> {
    ids.split(' ').map(str::to_owned).collect()
}

/// A stored file, whose pieces are unsealed when they are read.
#[derive(Debug)]
pub(crate) struct Stored {
    custody: Custody,
    owner: String,
    ids: Vec<ArtefactId>,
    bytes: u64,
    runtime: Handle,
    /// The piece read last.
    last: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
    /// Why a piece could not be read, which says more than the reader's error.
    failed: Mutex<Option<Problem>>,
}

impl Stored {
    async fn piece(&self, number: usize) -> Result<Vec<u8>> {
        let id = self.ids.get(number).ok_or_else(|| Problem::internal("an upload lacks a piece"))?;
        let mut bytes = self.custody.get(&self.owner, SEALED, id).await?;
        bytes.drain(..PAD.min(bytes.len()));
        Ok(bytes)
    }

    /// The reason of a reader's error: that of a piece, if one could not be read.
    pub(crate) fn reason(&self, error: DataError) -> Problem {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.unwrap_or_else(|| error.into())
    }
}

/// Read in a thread that may wait.
impl ReadAt for Stored {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let mut at = usize::try_from(at).map_err(Error::other)?;
        let mut buffer = buffer;
        while !buffer.is_empty() {
            let number = at / PIECE;
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let piece = match last.filter(|(last, _)| *last == number) {
                Some((_, piece)) => piece,
                None => {
                    let piece = self.runtime.block_on(self.piece(number)).map_err(|problem| {
                        let error = Error::other(problem.to_string());
                        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
                        error
                    })?;
                    let piece = Arc::new(piece);
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, piece.clone()));
                    piece
                }
            };
            let there = piece.get(at % PIECE..).filter(|there| !there.is_empty()).ok_or(ErrorKind::UnexpectedEof)?;
            let length = there.len().min(buffer.len());
            let (now, rest) = buffer.split_at_mut(length);
            now.copy_from_slice(&there[..length]);
            (buffer, at) = (rest, at + length);
        }
        Ok(())
    }
}

impl Uploads {
    pub(crate) fn new(db: Database, artefacts: Artefacts, custody: Custody, limits: Limits) -> Self {
        let space = usize::try_from(limits.all.max(limits.account) / UNIT + 1).unwrap_or(Semaphore::MAX_PERMITS);
        let memory = Arc::new(Semaphore::new(limits.memory.min(u32::MAX as usize)));
        Uploads { db, artefacts, custody, limits, memory, space: Arc::new(Semaphore::new(space)) }
    }

    /// Maximum decompressed size of a table, bytes, or number of values of a columnar one.
    pub(super) fn most(&self) -> usize {
        usize::try_from(self.limits.account).unwrap_or(usize::MAX)
    }

    /// Receives a file and stores it, if it matches the signed length and SHA-256.
    pub(crate) async fn receive(
        &self,
        owner: AccountAddress,
        content: Content,
        chunks: impl Stream<Item = Result<Vec<u8>>>,
    ) -> Result<()> {
        if self.known(owner, &hex::encode(content.sha256)).await?.is_none() {
            self.check(&self.kept(owner).await?, content)?;
        }
        let busy = |_| Problem::new(Reason::Busy, "other uploads fill the server's memory: send it again in a moment");
        let units = u32::try_from(content.length / UNIT + 1).map_err(Problem::internal)?;
        let _space = self.space.clone().try_acquire_many_owned(units).map_err(busy)?;
        let _memory = self.memory.clone().try_acquire_many_owned(AT_HAND as u32).map_err(busy)?;
        let mut stored = Pieces { artefacts: self.artefacts.clone(), ids: Vec::new() };
        let patience = IN_ALL + Duration::from_secs(content.length / SLOWEST);
        let found = tokio::time::timeout(patience, self.store(owner, content, chunks, &mut stored.ids));
        if found.await.map_err(|_| stalled())?? != content {
            return Err(Problem::new(
                Reason::BadSignature,
                "the file is not the one whose length and SHA-256 are signed",
            ));
        }
        // whatever happens to this call or to the answer to its commit: pieces that may be recorded are not deleted
        let ids = std::mem::take(&mut stored.ids);
        match self.keep(owner, content, &ids).await {
            Ok(Kept::New) => Ok(()),
            Ok(Kept::Instead(damaged)) => delete(&self.artefacts, &damaged).await,
            // what it had is whole: the new pieces are deleted when they are dropped
            Ok(Kept::Known) => {
                stored.ids = ids;
                Ok(())
            }
            Err(problem) => {
                if problem.reason == Reason::QuotaSpent {
                    stored.ids = ids;
                }
                Err(problem)
            }
        }
    }

    /// Seals and stores chunks in pieces, each behind [`PAD`] random bytes; returns what the file is.
    async fn store(
        &self,
        owner: AccountAddress,
        content: Content,
        chunks: impl Stream<Item = Result<Vec<u8>>>,
        ids: &mut Vec<ArtefactId>,
    ) -> Result<Content> {
        let owner = owner.to_string();
        let fresh = || {
            let mut piece = Vec::with_capacity(PAD + PIECE);
            piece.extend_from_slice(&rand::random::<[u8; PAD]>());
            piece
        };
        let (mut chunks, mut piece) = (std::pin::pin!(chunks), fresh());
        let (mut digest, mut length) = (Sha256::new(), 0);
        loop {
            let chunk = tokio::time::timeout(PATIENCE, chunks.next()).await.map_err(|_| stalled())?;
            let Some(chunk) = chunk.transpose()? else { break };
            digest.update(&chunk);
            length += chunk.len() as u64;
            if length > content.length {
                let text = format!("more than the {} bytes that are signed", content.length);
                return Err(Problem::field("upload", text));
            }
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(PAD + PIECE - piece.len()));
                piece.extend_from_slice(now);
                rest = later;
                if piece.len() == PAD + PIECE {
                    ids.push(self.custody.put(&owner, SEALED, std::mem::replace(&mut piece, fresh())).await?);
                }
            }
        }
        if piece.len() > PAD || ids.is_empty() {
            ids.push(self.custody.put(&owner, SEALED, piece).await?);
        }
        Ok(Content { length, sha256: digest.finalize().into() })
    }

    /// Records a file. If the account already has it, its retention time starts again, and its pieces are kept unless they
    /// are damaged.
    async fn keep(&self, owner: AccountAddress, content: Content, ids: &[ArtefactId]) -> Result<Kept> {
        let name = hex::encode(content.sha256);
        let known = self.known(owner, &name).await?;
        let mut whole = true;
        for id in known.iter().flat_map(|(ids, _)| ids) {
            whole &= self.artefacts.get(id).await.is_ok();
        }
        let mut tx = self.db.begin().await?;
        // concurrent uploads of an account cannot exceed its quota together
        self.db.lock(&mut tx, &format!("uploads of {owner}")).await?;
        let found: Option<String> =
            sqlx::query_scalar(self.db.sql("SELECT artefact FROM uploads WHERE owner = $1 AND digest = $2"))
                .bind(owner.to_string())
                .bind(&name)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(found) = found else {
            let kept = kept(sqlx::query(self.db.sql(KEPT)).bind(owner.to_string()).fetch_one(&mut *tx).await?)?;
            self.check(&kept, content)?;
            sqlx::query(self.db.sql(
                "INSERT INTO uploads (owner, digest, artefact, bytes, created_ms) VALUES ($1, $2, $3, $4, {now})",
            ))
            .bind(owner.to_string())
            .bind(&name)
            .bind(ids.join(" "))
            .bind(content.length as i64)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            return Ok(Kept::New);
        };
        // stored by another call since it was looked at: whole
        let whole = whole || known.is_none_or(|(ids, _)| ids.join(" ") != found);
        sqlx::query(
            self.db.sql("UPDATE uploads SET artefact = $3, created_ms = {now} WHERE owner = $1 AND digest = $2"),
        )
        .bind(owner.to_string())
        .bind(&name)
        .bind(if whole { found.clone() } else { ids.join(" ") })
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if whole { Kept::Known } else { Kept::Instead(pieces(&found)) })
    }

    /// The pieces and bytes of an account's file.
    async fn known(&self, owner: AccountAddress, name: &str) -> Result<Option<(Vec<ArtefactId>, u64)>> {
        let row = sqlx::query(self.db.sql("SELECT artefact, bytes FROM uploads WHERE owner = $1 AND digest = $2"))
            .bind(owner.to_string())
            .bind(name)
            .fetch_optional(self.db.pool())
            .await?;
        row.map(|row| {
            Ok((pieces(&row.try_get::<String, _>("artefact")?), row.try_get::<i64, _>("bytes")?.unsigned_abs()))
        })
        .transpose()
    }

    async fn kept(&self, owner: AccountAddress) -> Result<(u64, u64)> {
        kept(sqlx::query(self.db.sql(KEPT)).bind(owner.to_string()).fetch_one(self.db.pool()).await?)
    }

    /// Refuses a file that exceeds a quota, given the bytes stored for the account and for all accounts.
    fn check(&self, (own, all): &(u64, u64), content: Content) -> Result<()> {
        let (length, most) = (content.length, self.limits.account);
        let over = |text: String| Err(Problem::new(Reason::QuotaSpent, text).with("bytes", length).with("most", most));
        if length > most {
            return over(format!("a file has at most {most} bytes here, this one {length}: register it in parts"));
        }
        if own.saturating_add(length) > most {
            return over(format!(
                "you have uploaded {own} of {most} bytes, and this is {length}: wait until the oldest is a day old, or ask the \
                 operator for more (`tribute serve --upload-quota`)"
            ));
        }
        if all.saturating_add(length) > self.limits.all {
            return over(format!(
                "all accounts' uploads fill the {} bytes there are: try again tomorrow",
                self.limits.all
            ));
        }
        Ok(())
    }

    /// An account's file by its SHA-256; `field` is the name of the request field, for errors.
    pub(super) async fn stored(&self, owner: AccountAddress, field: &str, digest: &[u8]) -> Result<Stored> {
        let name = hex::encode(digest);
        let known = self.known(owner, &name).await?;
        let (ids, bytes) = known.ok_or_else(|| Problem::not_found("upload", &name).with("field", field))?;
        let (custody, owner, runtime) = (self.custody.clone(), owner.to_string(), Handle::current());
        Ok(Stored { custody, owner, ids, bytes, runtime, last: Mutex::default(), failed: Mutex::default() })
    }

    /// Waits for a share of the memory.
    pub(super) async fn share(&self, bytes: usize) -> Result<Share> {
        let most = self.limits.memory;
        if bytes > most {
            let text = format!(
                "reading this file takes {bytes} bytes of memory, and the most are {most}: register it in parts"
            );
            return Err(Problem::new(Reason::TooLarge, text).with("bytes", bytes).with("most", most));
        }
        let bytes = u32::try_from(bytes).map_err(Problem::internal)?;
        let waited = tokio::time::timeout(WAIT, self.memory.clone().acquire_many_owned(bytes)).await;
        let busy = |_| Problem::new(Reason::Busy, "other files fill the server's memory: send it again in a moment");
        waited.map_err(busy)?.map_err(Problem::internal)
    }

    pub(super) async fn whole(&self, stored: &Stored) -> Result<File> {
        let length = usize::try_from(stored.bytes).map_err(Problem::internal)?;
        let share = self.share(length).await?;
        let mut bytes = Vec::with_capacity(length);
        for number in 0..stored.ids.len() {
            bytes.extend_from_slice(&stored.piece(number).await?);
        }
        Ok(File { bytes, share })
    }

    /// Reads an account's file by its SHA-256; `field` is the name of the request field, for errors.
    pub(crate) async fn open(&self, owner: AccountAddress, field: &str, digest: &[u8]) -> Result<File> {
        self.whole(&self.stored(owner, field, digest).await?).await
    }

    /// Deletes files older than a day.
    pub(crate) async fn forget(&self) -> Result<()> {
        let old = sqlx::query(self.db.sql("DELETE FROM uploads WHERE created_ms < {now} - $1 RETURNING artefact"))
            .bind(KEPT_MS)
            .fetch_all(self.db.pool())
            .await?;
        // their rows are gone: one that cannot be deleted keeps no other from it
        let mut deleted = Ok(());
        for row in old {
            deleted = deleted.and(delete(&self.artefacts, &pieces(row.try_get("artefact")?)).await);
        }
        deleted
    }
}

/// What became of a file's pieces.
enum Kept {
    /// They are the file's.
    New,
    /// The account has the file already, whole.
    Known,
    /// They replace these, of which some were damaged.
    Instead(Vec<ArtefactId>),
}

fn stalled() -> Problem {
    Problem::new(Reason::RequestExpired, "the upload stalled: send it again")
}

const KEPT: &str = "SELECT CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN bytes ELSE 0 END), 0) AS BIGINT) AS own,
    CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS total FROM uploads";

fn kept(row: sqlx::any::AnyRow) -> Result<(u64, u64)> {
    let bytes = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    Ok((bytes("own")?, bytes("total")?))
}
