//! Another master key.

use tribute_problem::{Problem, Result};

use crate::sealing::fingerprint;
use crate::{Custody, KeySource};

impl Custody {
    /// Seals all secrets under the key of `to` instead, in one transaction. Artefacts are sealed under the tenants' secrets,
    /// which stay, so nothing else changes. Processes that still hold the old key fail from then on, without storing anything
    /// under it: restart them with the new one.
    ///
    /// # Errors
    /// If the new key cannot be read, or the old one was replaced by somebody else.
    pub async fn rotate(&self, to: &KeySource) -> Result<usize> {
        let new = Custody { master: to.read()?, ..self.clone() };
        let mut tx = self.db.begin().await?;
        self.check_master(&mut tx, "{for_update}").await?;
        let rows: Vec<(String, String)> =
            sqlx::query_as(self.db.sql("SELECT address, sealed_secret FROM tenants")).fetch_all(&mut *tx).await?;
        for (address, sealed) in &rows {
            let secret = self.unseal_secret(address, sealed)?;
            sqlx::query(self.db.sql("UPDATE tenants SET sealed_secret = $2 WHERE address = $1"))
                .bind(address)
                .bind(new.seal_secret(address, &secret)?)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query(self.db.sql("UPDATE server SET value = $1 WHERE name = 'master_key'"))
            .bind(fingerprint(&new.master))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(rows.len())
    }

    /// Refuses to go on if the database's secrets are sealed under another key. `lock` is a SQL locking clause that keeps
    /// it so until the transaction ends.
    pub(crate) async fn check_master(&self, tx: &mut tribute_store::db::Tx, lock: &str) -> Result<()> {
        let select = format!("SELECT value FROM server WHERE name = 'master_key' {lock}");
        let known: String = sqlx::query_scalar(self.db.sql(&select)).fetch_one(&mut **tx).await?;
        let mine = fingerprint(&self.master);
        if known == mine {
            return Ok(());
        }
        let message = format!(
            "the master key was replaced: the secrets are sealed under {known}, this process holds {mine}. Restart it with the \
             new key"
        );
        Err(Problem::field("master-key", message).with("expected", known).with("got", mine))
    }
}
