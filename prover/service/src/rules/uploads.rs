//! Uploaded files, which later calls refer to. They are stored sealed for their sender, within a quota, for a day.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use sqlx::Row as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tribute_client::signing::Content;
use tribute_core::hexed::AccountAddress;
use tribute_custody::Custody;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use super::off_thread;
use super::tables::Table;

const SEALED: &str = "upload";
/// Random bytes prepended to a file before sealing. Without them two uploads of the same file would be the same
/// artefact, and deleting one would delete the other.
const PAD: usize = 16;
/// Retention time of a file, milliseconds.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// Timeout for the next chunk of a file.
const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout for a whole upload.
const IN_ALL: Duration = Duration::from_secs(600);
/// Timeout for waiting for memory to read a file.
const WAIT: Duration = Duration::from_secs(60);

/// Upload limits, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Limit for one file, and for all stored files of one account together.
    pub account: u64,
    /// Limit for the stored files of all accounts together.
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
    limits: Limits,
    memory: Arc<Semaphore>,
}

/// A share of the memory for files, returned when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// A file in memory, with its share of [`Limits::memory`].
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Share,
}

impl Uploads {
    pub(crate) fn new(db: Database, artefacts: Artefacts, custody: Custody, limits: Limits) -> Self {
        Uploads { db, artefacts, custody, limits, memory: Arc::new(Semaphore::new(limits.memory)) }
    }

    /// Maximum decompressed size of a table, bytes.
    fn most(&self) -> usize {
        usize::try_from(self.limits.account).unwrap_or(usize::MAX)
    }

    /// Receives a file and stores it, if it matches the signed length and SHA-256.
    pub(crate) async fn receive(
        &self,
        owner: AccountAddress,
        content: Content,
        pieces: impl Stream<Item = Result<Vec<u8>>>,
    ) -> Result<()> {
        self.check(&self.kept(owner).await?, content)?;
        let file = tokio::time::timeout(IN_ALL, self.collect(content, pieces)).await.map_err(|_| stalled())??;
        let File { bytes, share } = file;
        let (found, bytes, _share) = off_thread(move || Ok((Content::of(&bytes[PAD..]), bytes, share))).await?;
        if found != content {
            return Err(Problem::new(
                Reason::BadSignature,
                "the file is not the one whose length and SHA-256 are signed",
            ));
        }
        let artefact = self.custody.put(&owner.to_string(), SEALED, bytes).await?;
        let kept = self.keep(owner, content, &artefact).await;
        match &kept {
            Ok(None) => {}
            Ok(Some(other)) => self.artefacts.delete(other).await?,
            Err(_) => self.artefacts.delete(&artefact).await?,
        }
        kept.map(|_| ())
    }

    /// Collects the chunks after [`PAD`] random bytes, reserving memory as they arrive.
    async fn collect(&self, content: Content, pieces: impl Stream<Item = Result<Vec<u8>>>) -> Result<File> {
        let busy = || Problem::new(Reason::Busy, "other uploads fill the server's memory: send it again in a moment");
        let share = |bytes: usize| {
            let bytes = u32::try_from(bytes).map_err(Problem::internal)?;
            self.memory.clone().try_acquire_many_owned(bytes).map_err(|_| busy())
        };
        let mut pieces = std::pin::pin!(pieces);
        let mut file = File { bytes: rand::random::<[u8; PAD]>().to_vec(), share: share(PAD)? };
        loop {
            let piece = tokio::time::timeout(PATIENCE, pieces.next()).await.map_err(|_| stalled())?;
            let Some(piece) = piece.transpose()? else { return Ok(file) };
            file.share.merge(share(piece.len())?);
            file.bytes.extend_from_slice(&piece);
            if (file.bytes.len() - PAD) as u64 > content.length {
                let text = format!("more than the {} bytes that are signed", content.length);
                return Err(Problem::field("upload", text));
            }
        }
    }

    /// Records a file and returns the artefact to delete, if any. If the account already has the file, its retention
    /// time starts again, and of the two artefacts the existing one is kept unless it is damaged.
    async fn keep(&self, owner: AccountAddress, content: Content, artefact: &str) -> Result<Option<String>> {
        let mut tx = self.db.begin().await?;
        // locks the account's row, so that concurrent uploads cannot exceed the quota together
        sqlx::query(self.db.sql("SELECT address FROM tenants WHERE address = $1 {for_update}"))
            .bind(owner.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let name = hex::encode(content.sha256);
        let known: Option<String> =
            sqlx::query_scalar(self.db.sql("SELECT artefact FROM uploads WHERE owner = $1 AND digest = $2"))
                .bind(owner.to_string())
                .bind(&name)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(known) = known else {
            let kept = kept(sqlx::query(self.db.sql(KEPT)).bind(owner.to_string()).fetch_one(&mut *tx).await?)?;
            self.check(&kept, content)?;
            sqlx::query(self.db.sql(
                "INSERT INTO uploads (owner, digest, artefact, bytes, created_ms) VALUES ($1, $2, $3, $4, {now})",
            ))
            .bind(owner.to_string())
            .bind(&name)
            .bind(artefact)
            .bind(content.length as i64)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            return Ok(None);
        };
        let whole = self.artefacts.get(&known).await.is_ok();
        let (stays, goes) = if whole { (known.as_str(), artefact) } else { (artefact, known.as_str()) };
        sqlx::query(
            self.db.sql("UPDATE uploads SET artefact = $3, created_ms = {now} WHERE owner = $1 AND digest = $2"),
        )
        .bind(owner.to_string())
        .bind(&name)
        .bind(stays)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(goes.to_owned()))
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
                "you have uploaded {own} of {most} bytes, and this is {length}: wait until the oldest is a day old"
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

    /// Reads an account's file by its SHA-256; `field` is the name of the request field, for errors.
    pub(crate) async fn open(&self, owner: AccountAddress, field: &str, digest: &[u8]) -> Result<File> {
        let name = hex::encode(digest);
        let row = sqlx::query(self.db.sql("SELECT artefact, bytes FROM uploads WHERE owner = $1 AND digest = $2"))
            .bind(owner.to_string())
            .bind(&name)
            .fetch_optional(self.db.pool())
            .await?;
        let row = row.ok_or_else(|| Problem::not_found("upload", &name).with("field", field))?;
        let bytes = u32::try_from(row.try_get::<i64, _>("bytes")?).map_err(Problem::internal)?;
        let waited = tokio::time::timeout(WAIT, self.memory.clone().acquire_many_owned(bytes)).await;
        let busy = |_| Problem::new(Reason::Busy, "other files fill the server's memory: send it again in a moment");
        let share = waited.map_err(busy)?.map_err(Problem::internal)?;
        let mut bytes = self.custody.get(&owner.to_string(), SEALED, &row.try_get::<String, _>("artefact")?).await?;
        bytes.drain(..PAD.min(bytes.len()));
        Ok(File { bytes, share })
    }

    /// Reads an account's table, with its share of memory.
    pub(crate) async fn table(&self, owner: AccountAddress, csv: Option<v1::CsvRecords>) -> Result<(Table, Share)> {
        let csv = csv.ok_or_else(|| Problem::field("csv", "is missing"))?;
        let File { bytes, share } = self.open(owner, "csv.upload", &csv.upload).await?;
        Ok((Table { csv, bytes, most: self.most() }, share))
    }

    /// Deletes files older than a day.
    pub(crate) async fn forget(&self) -> Result<()> {
        let old = sqlx::query(self.db.sql("DELETE FROM uploads WHERE created_ms < {now} - $1 RETURNING artefact"))
            .bind(KEPT_MS)
            .fetch_all(self.db.pool())
            .await?;
        for row in old {
            self.artefacts.delete(&row.try_get::<String, _>("artefact")?).await?;
        }
        Ok(())
    }
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
