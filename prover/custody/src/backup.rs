//! Backups of secrets and counters in a sealed file. [`crate::budget`] defines how backup and restore change the
//! counters.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _};
use tribute_problem::{Problem, Result};
use tribute_store::db::Tx;
use tribute_store::files::{file_problem, write_private};

use crate::budget::{Counter, Lineage};
use crate::sealing::{seal, unseal};
use crate::Custody;

/// Contents of a backup; only ever written sealed.
#[derive(Serialize, Deserialize)]
struct Backup {
    /// Identifies the first store that this one descends from.
    origin: String,
    /// Lineage for the store that restores the backup.
    lineage: String,
    /// Address and secret of each tenant, in hex.
    tenants: Vec<(String, String)>,
    openings: Vec<Reserve>,
}

/// The openings of a commitment that are reserved for a restored store.
#[derive(Serialize, Deserialize)]
struct Reserve {
    digest: String,
    budget: u64,
    from: u64,
    to: u64,
}

/// A row of the table `openings`.
struct Row {
    digest: String,
    budget: u64,
    counter: Counter,
}

impl Custody {
    /// Writes secrets and counters to a file, sealed under `key`.
    ///
    /// # Errors
    /// If the file or the database cannot be written.
    pub async fn backup(&self, file: &Path, key: &[u8; 32]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let lineage = self.lineage(&mut tx, "{for_update}").await?;
        let mut rows = self.counters(&mut tx).await?;
        if lineage.backed_up() != lineage {
            for row in &mut rows {
                row.counter = row.counter.set_aside(&lineage, row.budget);
                self.write_counter(&mut tx, row).await?;
            }
            self.set(&mut tx, "lineage", &lineage.backed_up().text()).await?;
        }
        let mut tenants = Vec::new();
        for row in sqlx::query(self.db.sql("SELECT address, sealed_secret FROM tenants")).fetch_all(&mut *tx).await? {
            let address: String = row.try_get("address")?;
            let secret = self.unseal_secret(&address, &row.try_get::<String, _>("sealed_secret")?)?;
            tenants.push((address, hex::encode(secret)));
        }
        let openings = rows
            .into_iter()
            .map(|r| Reserve { digest: r.digest, budget: r.budget, from: r.counter.end, to: r.counter.reserved_to })
            .collect();
        let origin = self.origin(&mut tx).await?;
        tx.commit().await?;
        let backup = Backup { origin, lineage: lineage.restored().text(), tenants, openings };
        write_private(file, &seal(key, b"tribute.backup.v2", &serde_json::to_vec(&backup)?)?)
    }

    /// Imports secrets and reserves from a backup. Restore each backup into one store only.
    ///
    /// # Errors
    /// If the file cannot be unsealed with `key`, or this store already has secrets and is not a copy of the store that
    /// was backed up.
    pub async fn restore(&self, file: &Path, key: &[u8; 32]) -> Result<()> {
        let sealed = std::fs::read(file).map_err(|e| file_problem(file, &e))?;
        let backup: Backup = serde_json::from_slice(&unseal(key, b"tribute.backup.v2", sealed)?)?;
        let theirs = Lineage::parse(&backup.lineage).ok_or_else(|| Problem::field("backup", "names no lineage"))?;
        let mut tx = self.db.begin().await?;
        let mine = self.lineage(&mut tx, "{for_update}").await?;
        let rows = self.counters(&mut tx).await?;
        let tenants: i64 = sqlx::query_scalar(self.db.sql("SELECT COUNT(*) FROM tenants")).fetch_one(&mut *tx).await?;
        let empty = tenants == 0 && rows.is_empty();
        if !empty && self.origin(&mut tx).await? != backup.origin {
            return Err(Problem::field(
                "backup",
                "this store already has secrets and is not a copy of the store that was backed up: \
                 restore into an empty data folder",
            ));
        }
        for (address, secret) in &backup.tenants {
            self.restore_tenant(&mut tx, address, secret).await?;
        }
        // if this store or an ancestor already owns the reserve, its counters are ahead of the backup's
        let owned = !empty && mine.descends_from(&theirs);
        let lineage = if owned { &mine } else { &theirs };
        if !owned {
            for row in &rows {
                let counter = row.counter.take_over(lineage.interval(row.budget));
                self.write_counter(&mut tx, &Row { digest: row.digest.clone(), budget: row.budget, counter }).await?;
            }
            self.set(&mut tx, "origin", &backup.origin).await?;
            self.set(&mut tx, "lineage", &lineage.text()).await?;
        }
        for reserve in backup.openings {
            let known = rows.iter().find(|row| row.digest == reserve.digest);
            let counter = match known {
                Some(row) if owned => Counter { used: row.counter.used.max(reserve.from), ..row.counter },
                Some(row) => row.counter.take_over(reserve.from..reserve.to),
                None => {
                    let first = lineage.counter(reserve.budget);
                    Counter { used: first.used.max(reserve.from), ..first }
                }
            };
            self.write_counter(&mut tx, &Row { digest: reserve.digest, budget: reserve.budget, counter }).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn restore_tenant(&self, tx: &mut Tx, address: &str, secret: &str) -> Result<()> {
        let secret = hex::decode(secret).map_err(|e| Problem::field("backup", e.to_string()))?;
        let known: Option<String> =
            sqlx::query_scalar(self.db.sql("SELECT sealed_secret FROM tenants WHERE address = $1"))
                .bind(address)
                .fetch_optional(&mut **tx)
                .await?;
        match known {
            Some(known) if self.unseal_secret(address, &known)?[..] != secret[..] => {
                Err(Problem::field("backup", format!("{address} already has a different secret in this store")))
            }
            Some(_) => Ok(()),
            None => {
                sqlx::query(self.db.sql("INSERT INTO tenants (address, sealed_secret) VALUES ($1, $2)"))
                    .bind(address)
                    .bind(self.seal_secret(address, &secret)?)
                    .execute(&mut **tx)
                    .await?;
                Ok(())
            }
        }
    }

    /// The store's lineage. `lock` is a SQL locking clause that keeps it unchanged until the transaction ends.
    pub(crate) async fn lineage(&self, connection: &mut AnyConnection, lock: &str) -> Result<Lineage> {
        // custody inserts this row when it is opened, so there is a row to lock
        let select = format!("SELECT value FROM server WHERE name = 'lineage' {lock}");
        let text: String = sqlx::query_scalar(self.db.sql(&select)).fetch_one(connection).await?;
        Lineage::parse(&text).ok_or_else(|| Problem::internal(format!("`{text}` is not a lineage")))
    }

    /// Identifies the first store that this one descends from.
    async fn origin(&self, tx: &mut Tx) -> Result<String> {
        let select = "SELECT value FROM server WHERE name = 'origin'";
        Ok(sqlx::query_scalar(self.db.sql(select)).fetch_one(&mut **tx).await?)
    }

    async fn set(&self, tx: &mut Tx, name: &str, value: &str) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO server (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        ))
        .bind(name)
        .bind(value)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn counters(&self, tx: &mut Tx) -> Result<Vec<Row>> {
        let rows: Vec<(String, i64, i64, i64, i64)> =
            sqlx::query_as(self.db.sql("SELECT digest, budget, used, ends, reserved_to FROM openings"))
                .fetch_all(&mut **tx)
                .await?;
        let n = i64::unsigned_abs;
        Ok(rows
            .into_iter()
            .map(|(digest, budget, used, end, to)| Row {
                digest,
                budget: n(budget),
                counter: Counter { used: n(used), end: n(end), reserved_to: n(to) },
            })
            .collect())
    }

    async fn write_counter(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        sqlx::query(self.db.sql(
            "INSERT INTO openings (digest, budget, used, ends, reserved_to) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (digest) DO UPDATE
             SET used = excluded.used, ends = excluded.ends, reserved_to = excluded.reserved_to",
        ))
        .bind(&row.digest)
        .bind(row.budget as i64)
        .bind(row.counter.used as i64)
        .bind(row.counter.end as i64)
        .bind(row.counter.reserved_to as i64)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
