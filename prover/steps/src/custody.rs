//! Custody: the one place that touches records, column secrets and the budget of openings.
//!
//! - Every tenant has a secret of 32 random bytes, sealed in the database under the master key. Its data key (records,
//!   weights, queries at rest) and its column secret (salts and tails of committed columns) are derived from it.
//! - Private artefacts are sealed with XChaCha20-Poly1305. The nonce is derived from key and plaintext, so the same
//!   records are the same artefact; what that shows to somebody without the key is only that two artefacts are equal.
//! - Every proof opens each of its committed columns at one more point. A column with `s` salts stays hidden through
//!   `s − 1` openings, so a durable counter per commitment is advanced *before* a proof starts and never goes back.
//!
//! A backup carries secrets and counters. Because the store may go on proving after the backup was made, the first
//! backup sets a quarter of each budget aside: the live store stops short of it, and a restored store starts there.

use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sqlx::Row as _;
use tribute_core::records::Records;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::{ArtefactId, Artefacts};
use tribute_store::db::Database;
use tribute_store::files::{file_problem, write_private};

/// Secrets, private artefacts and opening budgets.
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

/// What a backup holds. Written only sealed.
#[derive(Serialize, Deserialize)]
struct Backup {
    tenants: Vec<(String, String)>,
    openings: Vec<(String, i64, i64)>,
}

impl Custody {
    /// Opens custody with the master key in `key_file`; a missing file is made, readable by its owner only.
    pub fn open(db: Database, artefacts: Artefacts, key_file: &Path) -> Result<Self> {
        let master = master_key(key_file)?;
        Ok(Custody { db, artefacts, master })
    }

    /// Seals `plaintext` for a tenant and stores it.
    pub async fn put(&self, tenant: &str, purpose: &str, plaintext: &[u8]) -> Result<ArtefactId> {
        let sealed = self.seal(tenant, purpose, plaintext).await?;
        self.artefacts.put(sealed).await
    }

    /// Reads a private artefact of a tenant's.
    pub async fn get(&self, tenant: &str, purpose: &str, id: &str) -> Result<Vec<u8>> {
        self.unseal(tenant, purpose, &self.artefacts.get(id).await?).await
    }

    /// Stores records.
    pub async fn put_records(&self, tenant: &str, records: &Records) -> Result<ArtefactId> {
        self.put(tenant, "records", &records.to_bytes()).await
    }

    /// Reads records.
    pub async fn records(&self, tenant: &str, id: &str) -> Result<Records> {
        let bytes = self.get(tenant, "records", id).await?;
        Records::from_bytes(&bytes)
            .ok_or_else(|| Problem::new(Reason::ArtefactDamaged, format!("artefact {id} holds no records")))
    }

    /// The secret that salts and tails of a tenant's committed columns come from.
    pub async fn column_secret(&self, tenant: &str) -> Result<[u8; 32]> {
        Ok(derive(&self.secret(tenant).await?, b"tribute.columns.v1"))
    }

    /// Seals a small value of a tenant's.
    pub async fn seal(&self, tenant: &str, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>> {
        let secret = self.secret(tenant).await?;
        seal(&derive(&secret, b"tribute.data.v1"), &associated(tenant, purpose), plaintext)
    }

    /// Inverse of [`Custody::seal`].
    pub async fn unseal(&self, tenant: &str, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let secret = self.secret(tenant).await?;
        unseal(&derive(&secret, b"tribute.data.v1"), &associated(tenant, purpose), sealed)
    }

    /// Counts one more opening of each commitment, all or none, durably, before a proof may start.
    /// `salts` is the number of free scalars in a column, so `salts − 1` openings are its budget.
    pub async fn spend(&self, digests: &[[u8; 32]], salts: usize) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for digest in digests {
            let name = hex::encode(digest);
            sqlx::query(self.db.sql(
                "INSERT INTO openings (digest, used, budget, reserved) VALUES ($1, 0, $2, 0) ON CONFLICT DO NOTHING",
            ))
            .bind(&name)
            .bind(salts as i64 - 1)
            .execute(&mut *tx)
            .await?;
            let spent = sqlx::query(
                self.db.sql("UPDATE openings SET used = used + 1 WHERE digest = $1 AND used + reserved < budget"),
            )
            .bind(&name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if spent == 0 {
                return Err(Problem::new(
                    Reason::BudgetSpent,
                    format!(
                        "commitment 0x{name} has been opened as often as its {salts} salts allow: \
                         register the data again, with a profile of larger k, to go on"
                    ),
                )
                .with("commitment", &name)
                .with("budget", salts.saturating_sub(1)));
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Openings counted so far for a commitment.
    pub async fn spent(&self, digest: &[u8; 32]) -> Result<u64> {
        let used: Option<i64> = sqlx::query_scalar(self.db.sql("SELECT used FROM openings WHERE digest = $1"))
            .bind(hex::encode(digest))
            .fetch_optional(self.db.pool())
            .await?;
        Ok(used.unwrap_or(0).unsigned_abs())
    }

    /// Writes secrets and counters to a file, sealed with a key derived from `passphrase_key`.
    pub async fn backup(&self, file: &Path, passphrase_key: &[u8; 32]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sqlx::query(self.db.sql(
            "UPDATE openings SET reserved = CASE WHEN used <= budget - budget / 4 THEN budget / 4 ELSE budget - used END
             WHERE reserved = 0",
        ))
            .execute(&mut *tx)
            .await?;
        let mut tenants = Vec::new();
        for row in sqlx::query(self.db.sql("SELECT address, sealed_secret FROM tenants")).fetch_all(&mut *tx).await? {
            let address: String = row.try_get("address")?;
            let secret = self.unseal_secret(&address, &row.try_get::<String, _>("sealed_secret")?)?;
            tenants.push((address, hex::encode(secret)));
        }
        let mut openings = Vec::new();
        for row in sqlx::query(self.db.sql("SELECT digest, budget, reserved FROM openings")).fetch_all(&mut *tx).await?
        {
            let (budget, reserved): (i64, i64) = (row.try_get("budget")?, row.try_get("reserved")?);
            // the restored store starts where the live one stops
            openings.push((row.try_get("digest")?, budget - reserved, budget));
        }
        tx.commit().await?;
        let sealed = seal(passphrase_key, b"tribute.backup.v1", &serde_json::to_vec(&Backup { tenants, openings })?)?;
        std::fs::write(file, sealed).map_err(|e| file_problem(file, &e))
    }

    /// Takes secrets and counters from a backup. A counter that is further here stays; a tenant that has another secret
    /// here is refused.
    pub async fn restore(&self, file: &Path, passphrase_key: &[u8; 32]) -> Result<()> {
        let sealed = std::fs::read(file).map_err(|e| file_problem(file, &e))?;
        let backup: Backup = serde_json::from_slice(&unseal(passphrase_key, b"tribute.backup.v1", &sealed)?)?;
        let mut tx = self.db.begin().await?;
        for (address, secret) in &backup.tenants {
            let secret = hex::decode(secret).map_err(|e| Problem::field("backup", e.to_string()))?;
            let known: Option<String> =
                sqlx::query_scalar(self.db.sql("SELECT sealed_secret FROM tenants WHERE address = $1"))
                    .bind(address)
                    .fetch_optional(&mut *tx)
                    .await?;
            match known {
                Some(known) if self.unseal_secret(address, &known)?[..] != secret[..] => {
                    return Err(Problem::field(
                        "backup",
                        format!("{address} has another secret in this store already"),
                    ));
                }
                Some(_) => {}
                None => {
                    sqlx::query(self.db.sql("INSERT INTO tenants (address, sealed_secret) VALUES ($1, $2)"))
                        .bind(address)
                        .bind(hex::encode(seal(&self.wrap_key(), &associated(address, "secret"), &secret)?))
                        .execute(&mut *tx)
                        .await?;
                }
            }
        }
        for (digest, used, budget) in &backup.openings {
            sqlx::query(self.db.sql(
                "INSERT INTO openings (digest, used, budget, reserved) VALUES ($1, $2, $3, 0)
                 ON CONFLICT (digest) DO UPDATE SET used = excluded.used WHERE openings.used < excluded.used",
            ))
            .bind(digest)
            .bind(used)
            .bind(budget)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    fn wrap_key(&self) -> [u8; 32] {
        derive(&self.master, b"tribute.tenants.v1")
    }

    fn unseal_secret(&self, tenant: &str, sealed: &str) -> Result<[u8; 32]> {
        let sealed = hex::decode(sealed).map_err(Problem::internal)?;
        let secret = unseal(&self.wrap_key(), &associated(tenant, "secret"), &sealed)?;
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
        let fresh = seal(&self.wrap_key(), &associated(tenant, "secret"), &rand::random::<[u8; 32]>())?;
        sqlx::query(self.db.sql("INSERT INTO tenants (address, sealed_secret) VALUES ($1, $2) ON CONFLICT DO NOTHING"))
            .bind(tenant)
            .bind(hex::encode(fresh))
            .execute(self.db.pool())
            .await?;
        // another process may have been first: what stands in the table counts
        let known: String = sqlx::query_scalar(self.db.sql(select)).bind(tenant).fetch_one(self.db.pool()).await?;
        self.unseal_secret(tenant, &known)
    }
}

fn associated(tenant: &str, purpose: &str) -> Vec<u8> {
    format!("{purpose}\n{tenant}").into_bytes()
}

/// HKDF-SHA256 of a uniform 32-byte secret under a label.
fn derive(secret: &[u8; 32], label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // 32 bytes never exceed HKDF's limit of 255 blocks
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label, &mut key);
    debug_assert!(expanded.is_ok());
    key
}

fn seal(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut seed = Vec::with_capacity(associated.len() + plaintext.len() + 8);
    seed.extend_from_slice(&(associated.len() as u64).to_be_bytes());
    seed.extend_from_slice(associated);
    seed.extend_from_slice(plaintext);
    // a pseudorandom function of key, purpose and plaintext: equal nonces only for equal messages
    let mut nonce = [0; 24];
    Hkdf::<Sha256>::new(Some(key), &seed).expand(b"tribute.nonce.v1", &mut nonce).map_err(Problem::internal)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: associated })
        .map_err(|_| Problem::internal("sealing failed"))?;
    Ok([&nonce[..], &sealed].concat())
}

fn unseal(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let refused = || {
        Problem::new(
            Reason::ArtefactDamaged,
            "sealed data does not open: wrong master key or passphrase, or damaged data",
        )
    };
    let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or_else(refused)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: associated })
        .map_err(|_| refused())
}

/// Where the master key stands unless told otherwise.
#[must_use]
pub fn default_key_file(data: &Path) -> PathBuf {
    data.join("master.key")
}

fn master_key(file: &Path) -> Result<[u8; 32]> {
    if !file.exists() {
        let fresh = hex::encode(rand::random::<[u8; 32]>());
        // whole or not at all, and never over another's: written aside, then linked into place
        let aside = file.with_extension(format!("new-{}", std::process::id()));
        write_private(&aside, fresh.as_bytes())?;
        let linked = std::fs::hard_link(&aside, file);
        std::fs::remove_file(&aside).map_err(|e| file_problem(&aside, &e))?;
        if let Err(e) = linked {
            if e.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(file_problem(file, &e));
            }
        }
    }
    let text = std::fs::read_to_string(file).map_err(|e| file_problem(file, &e))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| Problem::field("master-key", format!("{} must hold 64 hex digits", file.display())))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store(folder: &Path) -> Custody {
        let db = Database::open(&format!("sqlite:{}", folder.join("t.db").display())).await.unwrap();
        let artefacts = Artefacts::in_folder(&folder.join("artefacts")).unwrap();
        Custody::open(db, artefacts, &default_key_file(folder)).unwrap()
    }

    #[tokio::test]
    async fn what_is_sealed_opens_for_its_tenant_and_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let custody = store(folder.path()).await;
        let id = custody.put("0xaa", "records", b"secret").await.unwrap();
        assert_eq!(custody.put("0xaa", "records", b"secret").await.unwrap(), id);
        assert_eq!(custody.get("0xaa", "records", &id).await.unwrap(), b"secret");
        assert!(custody.get("0xbb", "records", &id).await.is_err());
        assert!(custody.get("0xaa", "weights", &id).await.is_err());
        let raw = custody.artefacts.get(&id).await.unwrap();
        assert!(!raw.windows(6).any(|w| w == b"secret"));
        // a second opening of the same store has the same secrets
        let again = store(folder.path()).await;
        assert_eq!(again.column_secret("0xaa").await.unwrap(), custody.column_secret("0xaa").await.unwrap());
        assert_ne!(again.column_secret("0xaa").await.unwrap(), custody.column_secret("0xbb").await.unwrap());
    }

    #[tokio::test]
    async fn the_budget_ends_and_a_refused_spend_counts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let custody = store(folder.path()).await;
        let (a, b) = ([1; 32], [2; 32]);
        for _ in 0..3 {
            custody.spend(&[a], 4).await.unwrap();
        }
        let refused = custody.spend(&[b, a], 4).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BudgetSpent);
        assert_eq!((custody.spent(&a).await.unwrap(), custody.spent(&b).await.unwrap()), (3, 0));
        custody.spend(&[b], 4).await.unwrap();
        // durable
        assert_eq!(store(folder.path()).await.spend(&[a], 4).await.unwrap_err().reason, Reason::BudgetSpent);
    }

    #[tokio::test]
    async fn backup_and_restore_never_exceed_the_budget_together() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (live, other) = (store(one.path()).await, store(two.path()).await);
        let secret = live.column_secret("0xaa").await.unwrap();
        let d = [7; 32];
        live.spend(&[d], 9).await.unwrap(); // budget 8
        let file = one.path().join("backup");
        live.backup(&file, &[5; 32]).await.unwrap();
        live.backup(&file, &[5; 32]).await.unwrap();
        let mut openings = 1;
        while live.spend(&[d], 9).await.is_ok() {
            openings += 1;
        }
        assert!(other.restore(&file, &[6; 32]).await.is_err());
        other.restore(&file, &[5; 32]).await.unwrap();
        assert_eq!(other.column_secret("0xaa").await.unwrap(), secret);
        while other.spend(&[d], 9).await.is_ok() {
            openings += 1;
        }
        assert_eq!(openings, 8);
        other.restore(&file, &[5; 32]).await.unwrap();
        assert!(other.spend(&[d], 9).await.is_err(), "restoring again resets nothing");
        // a store from before the backup takes over what the live one may have opened since
        let older = tempfile::tempdir().unwrap();
        let older = store(older.path()).await;
        older.spend(&[d], 9).await.unwrap();
        older.restore(&file, &[5; 32]).await.unwrap();
        assert_eq!(older.spent(&d).await.unwrap(), 6);
        // a store whose tenant has another secret is refused
        let three = tempfile::tempdir().unwrap();
        let third = store(three.path()).await;
        third.column_secret("0xaa").await.unwrap();
        assert!(third.restore(&file, &[5; 32]).await.is_err());
    }
}
