//! The table of datasets: one row for each version.

use sqlx::Row as _;
use tribute_core::hexed::AccountAddress;
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::DatasetBody;
use tribute_store::db::Tx;

use super::{Dated, Registry};

/// A version of a dataset, without its shards.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// Its id.
    pub id: DatasetId,
    /// The account that registered it here.
    pub owner: AccountAddress,
    /// Number of its records.
    pub records: u64,
    /// Number of its shards.
    pub shards: u32,
}

impl Registry {
    /// Stores a version.
    ///
    /// # Errors
    /// [`Reason::BadField`] if another version extends the same one.
    pub(super) async fn put_dataset(&self, tx: &mut Tx, dataset: &DatasetBody) -> Result<()> {
        if let Some(previous) = dataset.previous {
            let select = "SELECT id FROM datasets WHERE previous = $1 AND id <> $2 AND forgotten = 0";
            let other: Option<String> = sqlx::query_scalar(self.db.sql(select))
                .bind(previous.to_string())
                .bind(dataset.id.to_string())
                .fetch_optional(&mut **tx)
                .await?;
            if let Some(other) = other {
                return Err(already_extended(previous, other));
            }
        }
        sqlx::query(self.db.sql(
            "INSERT INTO datasets (id, owner, schema_id, body, created_ms, root, previous, records, shards)
             VALUES ($1, $2, $3, $4, {now}, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET body = excluded.body, root = excluded.root, previous = excluded.previous,
                forgotten = 0",
        ))
        .bind(dataset.id.to_string())
        .bind(dataset.owner.to_string())
        .bind(dataset.schema_id().to_string())
        .bind(serde_json::to_string(dataset)?)
        .bind(dataset.root.to_string())
        .bind(dataset.previous.map_or_else(String::new, |previous| previous.to_string()))
        .bind(dataset.count as i64)
        .bind(dataset.shards.len() as i64)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Refuses a version that another one extends.
    ///
    /// # Errors
    /// [`Reason::BadField`].
    pub async fn check_latest(&self, dataset: DatasetId) -> Result<()> {
        let select = "SELECT id FROM datasets WHERE previous = $1 AND forgotten = 0";
        let later: Option<String> =
            sqlx::query_scalar(self.db.sql(select)).bind(dataset.to_string()).fetch_optional(self.db.pool()).await?;
        later.map_or(Ok(()), |later| Err(already_extended(dataset, later)))
    }

    /// All versions of the dataset with this first version, in their order.
    pub async fn versions(&self, root: DatasetId) -> Result<Vec<Version>> {
        let select =
            "SELECT id, owner, records, shards FROM datasets WHERE root = $1 AND forgotten = 0 ORDER BY shards";
        let rows = sqlx::query(self.db.sql(select)).bind(root.to_string()).fetch_all(self.db.pool()).await?;
        let version = |row: &sqlx::any::AnyRow| {
            Ok(Version {
                id: row.try_get::<String, _>("id")?.parse().map_err(Problem::internal)?,
                owner: row.try_get::<String, _>("owner")?.parse().map_err(Problem::internal)?,
                records: row.try_get::<i64, _>("records")?.unsigned_abs(),
                shards: row.try_get::<i64, _>("shards")?.unsigned_abs() as u32,
            })
        };
        rows.iter().map(version).collect()
    }

    /// Another dataset that names an artefact, if there is one.
    pub async fn sharing(&self, tx: &mut Tx, dataset: DatasetId, artefact: &str) -> Result<Option<DatasetId>> {
        let select = "SELECT id FROM datasets WHERE id <> $1 AND forgotten = 0 AND body LIKE '%' || $2 || '%' LIMIT 1";
        let id: Option<String> = sqlx::query_scalar(self.db.sql(select))
            .bind(dataset.to_string())
            .bind(artefact)
            .fetch_optional(&mut **tx)
            .await?;
        id.map(|id| id.parse().map_err(Problem::internal)).transpose()
    }

    /// Marks a dataset's records as deleted, and ends the grants for it.
    pub async fn forget(&self, tx: &mut Tx, dataset: DatasetId) -> Result<()> {
        for change in ["UPDATE datasets SET forgotten = 1 WHERE id = $1", "DELETE FROM grants WHERE dataset = $1"] {
            sqlx::query(self.db.sql(change)).bind(dataset.to_string()).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Refuses a dataset whose records are deleted.
    ///
    /// # Errors
    /// [`Reason::NotReady`].
    pub async fn check_kept(&self, dataset: DatasetId) -> Result<()> {
        let select = "SELECT forgotten FROM datasets WHERE id = $1";
        let forgotten: Option<i64> =
            sqlx::query_scalar(self.db.sql(select)).bind(dataset.to_string()).fetch_optional(self.db.pool()).await?;
        if forgotten.unwrap_or_default() == 0 {
            return Ok(());
        }
        let message = format!(
            "the records of dataset {dataset} were deleted from this server: its owner can register them again"
        );
        Err(Problem::new(Reason::NotReady, message).with("dataset", dataset))
    }

    /// A dataset by id.
    pub async fn dataset(&self, id: DatasetId) -> Result<Option<Dated<DatasetBody>>> {
        self.one("datasets", "id", id).await
    }

    /// An owner's datasets, newest first.
    pub async fn datasets(
        &self,
        owner: AccountAddress,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Dated<DatasetBody>>> {
        self.page("datasets", "id", owner, after, limit).await
    }
}

fn already_extended(dataset: DatasetId, later: String) -> Problem {
    let message = format!(
        "dataset {dataset} is already extended by {later}: extend that one, or first have it forgotten (`tribute dataset forget`)"
    );
    Problem::field("extends", message).with("dataset", dataset).with("later", later)
}
