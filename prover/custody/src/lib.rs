//! Custody: the only crate that handles records, column secrets and opening budgets.
//!
//! It isolates them. It returns private data only to its owner, and otherwise handles: a [`Committer`] commits with a
//! tenant's secret, and a [`Committed`] value can be opened in a proof only through [`Lent::spend_openings`], which
//! counts the opening first. No secret leaves this crate, but for a [`Loan`]: the keys of one job's tenants, for the process
//! that runs the job.
//!
//! | module | contents |
//! |---|---|
//! | [`handles`] | committing and opening |
//! | [`lent`] | custody in a proving process: the keys of its job's tenants |
//! | [`budget`] | state machine that limits how often a commitment may be opened, across backups and restores |
//! | [`across`] | what leaves a node in a training across nodes: weights' blinding, gradients under masks |
//! | `backup` | backups of secrets and counters in a sealed file |
//! | [`KeySource`] | where the master key comes from |
//! | `rotation` | another master key |
//! | `sealing` | encryption at rest and key derivation |
//!
//! - Every tenant has a secret of 32 random bytes, sealed in the database under the master key. Its data key (for
//!   records, weights and queries at rest) and its column secret (for salts and tails of committed columns) are derived
//!   from it.
//! - Private artefacts are sealed with XChaCha20-Poly1305. The nonce is derived from key and plaintext, so equal
//!   records give equal artefacts; without the key one learns only that two artefacts are equal.
//! - Every proof opens each of its committed columns at one more point. A column with `s` salts stays hidden through
//!   `s − 1` openings, so a durable counter per commitment is advanced *before* a proof starts and never decreases.

pub mod across;
mod backup;
pub mod budget;
pub mod handles;
mod keys;
pub mod lent;
mod rotation;
mod sealing;

use sealing::{associated, derive, fingerprint, seal, unseal};
use tribute_core::records::Records;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::{ArtefactId, Artefacts};
use tribute_store::db::Database;
use tribute_store::off_thread;

pub use handles::{Charge, Committed, Committer, Opened, OPENINGS_OF_A_USE};
pub use keys::KeySource;
pub use lent::{Lent, Loan};

/// Secrets, private artefacts and opening budgets of all tenants.
#[derive(Clone)]
pub struct Custody {
    db: Database,
    artefacts: Artefacts,
    master: [u8; 32],
}

impl std::fmt::Debug for Custody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Custody")
    }
}

impl Custody {
    /// Opens custody with the master key from `source`. If the database has no secrets yet and its file is missing, it is
    /// created, readable only by its owner.
    ///
    /// # Errors
    /// If the database's secrets are sealed under another key, or there is no key.
    pub async fn open(db: Database, artefacts: Artefacts, source: &KeySource) -> Result<Self> {
        let select = "SELECT value FROM server WHERE name = 'master_key'";
        let known: Option<String> = sqlx::query_scalar(db.sql(select)).fetch_optional(db.pool()).await?;
        if let (Some(known), true) = (&known, source.is_missing()) {
            return Err(Problem::field(
                "master-key",
                format!(
                    "{source} is missing, but this database's secrets are sealed under the key with fingerprint {known}: \
                     restore that file, or name it with --master-key"
                ),
            )
            .with("fingerprint", known));
        }
        let master = source.read()?;
        let mine = fingerprint(&master);
        // the origin identifies copies of this database
        let origin = hex::encode(rand::random::<[u8; 16]>());
        for (name, value) in [("master_key", mine.as_str()), ("origin", origin.as_str()), ("lineage", "")] {
            sqlx::query(db.sql("INSERT INTO server (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING"))
                .bind(name)
                .bind(value)
                .execute(db.pool())
                .await?;
        }
        // another process may have been first, so the fingerprint in the table counts
        let known: String = sqlx::query_scalar(db.sql(select)).fetch_one(db.pool()).await?;
        if known != mine {
            return Err(Problem::field(
                "master-key",
                format!(
                    "{source} holds the key with fingerprint {mine}, but this database's secrets are sealed under {known}: \
                     name the right one with --master-key"
                ),
            )
            .with("expected", known)
            .with("got", mine));
        }
        Ok(Custody { db, artefacts, master })
    }

    /// The same custody over another handle of its artefacts, such as [`Artefacts::holding`].
    #[must_use]
    pub fn over(&self, artefacts: Artefacts) -> Self {
        Custody { artefacts, ..self.clone() }
    }

    /// Seals `plaintext` for a tenant and stores it.
    pub async fn put(&self, tenant: &str, purpose: &str, plaintext: Vec<u8>) -> Result<ArtefactId> {
        let (key, associated) = (self.data_key(tenant).await?, associated(tenant, purpose));
        let sealed = off_thread(move || seal(&key, &associated, &plaintext)).await?;
        self.artefacts.put(sealed).await
    }

    /// Reads a private artefact of a tenant.
    pub async fn get(&self, tenant: &str, purpose: &str, id: &str) -> Result<Vec<u8>> {
        let (key, associated) = (self.data_key(tenant).await?, associated(tenant, purpose));
        let sealed = self.artefacts.get(id).await?;
        off_thread(move || unseal(&key, &associated, sealed)).await
    }

    /// Deletes a private artefact; one that is gone stays gone.
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.artefacts.delete(id).await
    }

    /// Seals and stores records.
    pub async fn put_records(&self, tenant: &str, records: &Records) -> Result<ArtefactId> {
        self.put(tenant, "records", records.to_bytes()).await
    }

    /// Reads and unseals records.
    pub async fn records(&self, tenant: &str, id: &str) -> Result<Records> {
        let bytes = self.get(tenant, "records", id).await?;
        Records::from_bytes(&bytes)
            .ok_or_else(|| Problem::new(Reason::ArtefactDamaged, format!("artefact {id} does not hold records")))
    }

    /// Seals a small value for a tenant.
    pub async fn seal(&self, tenant: &str, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>> {
        seal(&self.data_key(tenant).await?, &associated(tenant, purpose), plaintext)
    }

    /// Inverse of [`Custody::seal`].
    pub async fn unseal(&self, tenant: &str, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        unseal(&self.data_key(tenant).await?, &associated(tenant, purpose), sealed.to_vec())
    }

    /// Key of a tenant's data at rest.
    async fn data_key(&self, tenant: &str) -> Result<[u8; 32]> {
        Ok(derive(&self.secret(tenant).await?, b"tribute.data.v1"))
    }

    /// Secret of a tenant's committed columns.
    async fn column_key(&self, tenant: &str) -> Result<[u8; 32]> {
        Ok(derive(&self.secret(tenant).await?, b"tribute.columns.v1"))
    }

    fn wrap_key(&self) -> [u8; 32] {
        derive(&self.master, b"tribute.tenants.v1")
    }

    fn seal_secret(&self, tenant: &str, secret: &[u8]) -> Result<String> {
        Ok(hex::encode(seal(&self.wrap_key(), &associated(tenant, "secret"), secret)?))
    }

    fn unseal_secret(&self, tenant: &str, sealed: &str) -> Result<[u8; 32]> {
        let sealed = hex::decode(sealed).map_err(Problem::internal)?;
        let secret = unseal(&self.wrap_key(), &associated(tenant, "secret"), sealed)?;
        secret.try_into().map_err(|_| Problem::internal("a tenant's secret has the wrong length"))
    }

    /// A tenant's secret, made on first use.
    async fn secret(&self, tenant: &str) -> Result<[u8; 32]> {
        let select = "SELECT sealed_secret FROM tenants WHERE address = $1";
        let known: Option<String> =
            sqlx::query_scalar(self.db.sql(select)).bind(tenant).fetch_optional(self.db.pool()).await?;
        if let Some(known) = known {
            return self.unseal_secret(tenant, &known);
        }
        let mut tx = self.db.begin().await?;
        // nothing may be sealed under a key that was replaced
        self.check_master(&mut tx, "{for_share}").await?;
        sqlx::query(self.db.sql("INSERT INTO tenants (address, sealed_secret) VALUES ($1, $2) ON CONFLICT DO NOTHING"))
            .bind(tenant)
            .bind(self.seal_secret(tenant, &rand::random::<[u8; 32]>())?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        // another process may have been first, so the secret in the table counts
        let known: String = sqlx::query_scalar(self.db.sql(select)).bind(tenant).fetch_one(self.db.pool()).await?;
        self.unseal_secret(tenant, &known)
    }
}

#[cfg(test)]
mod tests;
