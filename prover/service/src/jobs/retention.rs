//! Forgets what is old: ended jobs with their events, and artefacts that no row names.

use std::collections::HashSet;
use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::Row as _;
use tribute_problem::Result;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use super::queue::Queue;

/// Jobs deleted in one transaction.
const BATCH: i64 = 500;
/// Youngest artefact that may be deleted: what is stored now may be named by a row only soon.
pub const GRACE: Duration = Duration::from_secs(2 * 86_400);

impl Queue {
    /// Deletes jobs that ended more than `age` ago, with their events; returns how many. What they registered stays. A job that
    /// others wait for stays until they have ended, and a part as long as the whole, whose outcome may name it.
    pub async fn forget_ended(&self, age: Duration) -> Result<u64> {
        let db = self.database();
        let before = db.now_ms().await? - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let mut forgotten = 0;
        loop {
            let mut tx = db.begin().await?;
            let old = sqlx::query(db.sql(
                "SELECT id FROM jobs WHERE ended_ms > 0 AND ended_ms < $1
                    AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs w ON w.id = n.job
                        WHERE n.needs = jobs.id AND (n.position >= 0 OR w.ended_ms = 0))
                 ORDER BY ended_ms, id LIMIT $2 {for_update}",
            ))
            .bind(before)
            .bind(BATCH)
            .fetch_all(&mut *tx)
            .await?;
            for row in &old {
                let id: &str = row.try_get("id")?;
                for delete in [
                    "DELETE FROM job_events WHERE job = $1",
                    "DELETE FROM job_grants WHERE job = $1",
                    "DELETE FROM job_needs WHERE job = $1",
                    "DELETE FROM job_keys WHERE job = $1",
                    "DELETE FROM job_notes WHERE job = $1",
                    "DELETE FROM jobs WHERE id = $1",
                ] {
                    sqlx::query(db.sql(delete)).bind(id).execute(&mut *tx).await?;
                }
            }
            tx.commit().await?;
            // parts can go once their wholes have
            if old.is_empty() {
                return Ok(forgotten);
            }
            forgotten += old.len() as u64;
        }
    }
}

/// Deletes artefacts that are older than `grace` and named in no row of any table; returns how many.
///
/// # Errors
/// If the database or the store does not answer; then nothing that is named was deleted.
pub async fn sweep(db: &Database, artefacts: &Artefacts, grace: Duration) -> Result<u64> {
    // candidates first: a row that names one of them later was preceded by storing it, which makes it young again
    let old = artefacts.older_than(grace).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let named = named(db, &old).await?;
    let mut deleted = 0;
    for id in old.difference(&named) {
        artefacts.delete_older(id, grace).await?;
        deleted += 1;
    }
    Ok(deleted)
}

/// Those of `ids` that some row names. All text of all tables is searched, so a table that is added later is not forgotten.
async fn named(db: &Database, ids: &HashSet<String>) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    for (table, columns) in db.text_columns().await? {
        // events name no artefacts, and are many
        if table == "job_events" {
            continue;
        }
        let select = columns.iter().map(|c| format!("COALESCE({c}, '')")).collect::<Vec<_>>().join(" || ' ' || ");
        let select = db.sql(&format!("SELECT {select} AS text FROM {table}"));
        let mut rows = sqlx::query(select).fetch(db.pool());
        while let Some(row) = rows.try_next().await? {
            let text: &str = row.try_get("text")?;
            for word in text.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64) {
                if ids.contains(word) {
                    named.insert(word.to_owned());
                }
            }
        }
    }
    Ok(named)
}
