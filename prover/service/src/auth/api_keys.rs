//! Keys of accounts, for programs that only read and have no key to sign with. Like tokens, they are stored as hashes.

use sqlx::Row as _;
use tribute_client::signing::unix_seconds;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1::{ApiKey, KeyRole};
use tribute_proto::Call;
use tribute_store::db::Database;

use super::hash;

/// Beginning of every key, so that one in a log or a repository is recognised.
const MARK: &str = "tribute_";
/// Most keys of an account.
const MOST: i64 = 16;
/// Longest name of a key, and longest time for which one is good, days.
const LONGEST_NAME: usize = 64;
const LONGEST_DAYS: u32 = 366;
const DAY: u64 = 86_400;

/// What a token or key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To look at the account's jobs.
    Watcher,
    /// All calls that only read.
    Reader,
}

impl Role {
    fn text(self) -> &'static str {
        match self {
            Role::Watcher => "watcher",
            Role::Reader => "reader",
        }
    }

    /// Parses a role as the database has it.
    pub(crate) fn of(text: &str) -> Result<Self> {
        match text {
            "watcher" => Ok(Role::Watcher),
            "reader" => Ok(Role::Reader),
            other => Err(Problem::internal(format!("a key has the role `{other}`"))),
        }
    }

    fn message(self) -> KeyRole {
        match self {
            Role::Watcher => KeyRole::Watcher,
            Role::Reader => KeyRole::Reader,
        }
    }

    /// # Errors
    /// [`Reason::NotAllowed`] for a call beyond the role.
    pub(crate) fn admit(self, call: &Call) -> Result<()> {
        if self == Role::Reader || call.watcher {
            return Ok(());
        }
        let text = format!("this key may only look at jobs, and {} is more: use one with the role `reader`", call.path);
        Err(Problem::new(Reason::NotAllowed, text))
    }
}

/// Makes, lists and revokes keys.
#[derive(Clone)]
pub struct ApiKeys {
    db: Database,
}

impl ApiKeys {
    /// The keys in `db`.
    #[must_use]
    pub fn new(db: Database) -> Self {
        ApiKeys { db }
    }

    /// Makes a key of an account; returns it with its expiry (Unix seconds).
    ///
    /// # Errors
    /// A name that is none or taken, an unknown role, too many days, or too many keys.
    pub async fn create(&self, account: AccountAddress, name: &str, role: KeyRole, days: u32) -> Result<(String, u64)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let text = format!("`{name}` is no name of 1 to {LONGEST_NAME} letters, digits, `-`, `_` and `.`");
            return Err(Problem::field("name", text));
        }
        let role = match role {
            KeyRole::Watcher => Role::Watcher,
            KeyRole::Reader => Role::Reader,
            KeyRole::Unspecified => return Err(Problem::field("role", "is missing: watcher or reader")),
        };
        if !(1..=LONGEST_DAYS).contains(&days) {
            return Err(Problem::field("days", format!("{days} is outside 1..={LONGEST_DAYS}")));
        }
        let (now, key) = (unix_seconds(), format!("{MARK}{}", hex::encode(rand::random::<[u8; 32]>())));
        let expires = now + u64::from(days) * DAY;
        let mut tx = self.db.begin().await?;
        // concurrent calls cannot make more keys together, whether or not the account has a row to lock
        self.db.lock(&mut tx, &format!("keys of {account}")).await?;
        sqlx::query(self.db.sql("DELETE FROM api_keys WHERE account = $1 AND expires <= $2"))
            .bind(account.to_string())
            .bind(now as i64)
            .execute(&mut *tx)
            .await?;
        let count: i64 = sqlx::query_scalar(self.db.sql("SELECT COUNT(*) FROM api_keys WHERE account = $1"))
            .bind(account.to_string())
            .fetch_one(&mut *tx)
            .await?;
        if count >= MOST {
            let text = format!("the account has {count} keys, and the most are {MOST}: revoke one");
            return Err(Problem::new(Reason::QuotaSpent, text).with("most", MOST));
        }
        let made = sqlx::query(self.db.sql(
            "INSERT INTO api_keys (hash, account, name, role, created, expires) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
        ))
        .bind(hash(&key))
        .bind(account.to_string())
        .bind(name)
        .bind(role.text())
        .bind(now as i64)
        .bind(expires as i64)
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Err(Problem::field("name", format!("there is a key `{name}`: revoke it, or take another name")));
        }
        tx.commit().await?;
        Ok((key, expires))
    }

    /// An account's keys, by name.
    pub async fn list(&self, account: AccountAddress) -> Result<Vec<ApiKey>> {
        let select =
            "SELECT name, role, created, expires FROM api_keys WHERE account = $1 AND expires > $2 ORDER BY name";
        let rows = sqlx::query(self.db.sql(select))
            .bind(account.to_string())
            .bind(unix_seconds() as i64)
            .fetch_all(self.db.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let seconds = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
                let role = Role::of(row.try_get("role")?)?.message().into();
                Ok(ApiKey {
                    name: row.try_get("name")?,
                    role,
                    created: seconds("created")?,
                    expires: seconds("expires")?,
                })
            })
            .collect()
    }

    /// Revokes a key by its name.
    ///
    /// # Errors
    /// [`Reason::NotFound`].
    pub async fn revoke(&self, account: AccountAddress, name: &str) -> Result<()> {
        let gone = sqlx::query(self.db.sql("DELETE FROM api_keys WHERE account = $1 AND name = $2"))
            .bind(account.to_string())
            .bind(name)
            .execute(self.db.pool())
            .await?;
        if gone.rows_affected() == 0 {
            return Err(Problem::not_found("key", name));
        }
        Ok(())
    }
}
