//! Grants to train, given through this server. Where a chain is configured its registry's grants count too.

use sqlx::Row as _;
use tribute_core::hexed::Hex20;
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Tx;

use super::Registry;

impl Registry {
    /// Adds uses to a grant and sets its expiry (Unix seconds); the uses left.
    pub async fn grant(&self, dataset: DatasetId, grantee: Hex20, uses: u32, expiry: i64) -> Result<i64> {
        let row = sqlx::query(self.db.sql(
            "INSERT INTO grants (dataset, grantee, uses, expiry) VALUES ($1, $2, $3, $4)
             ON CONFLICT (dataset, grantee) DO UPDATE SET uses = grants.uses + excluded.uses, expiry = excluded.expiry
             RETURNING uses",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .bind(i64::from(uses))
        .bind(expiry)
        .fetch_one(self.db.pool())
        .await?;
        Ok(row.try_get("uses")?)
    }

    /// Uses a grant once, in the transaction that queues the training.
    pub async fn use_grant(&self, tx: &mut Tx, dataset: DatasetId, grantee: Hex20) -> Result<()> {
        let used = sqlx::query(self.db.sql(
            "UPDATE grants SET uses = uses - 1
             WHERE dataset = $1 AND grantee = $2 AND uses > 0 AND expiry * 1000 > {now}",
        ))
        .bind(dataset.to_string())
        .bind(grantee.to_string())
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if used == 1 {
            return Ok(());
        }
        Err(Problem::new(
            Reason::NoGrant,
            format!("{grantee} may not use dataset {dataset}: its owner has to grant it (`tribute dataset grant`)"),
        )
        .with("dataset", dataset)
        .with("grantee", grantee))
    }
}
