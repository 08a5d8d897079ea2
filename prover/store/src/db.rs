//! The database: one SQLite file, or PostgreSQL by URL. Statements are written once; what differs is a word or two.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _, SqlStr, Transaction};
use tribute_problem::{Problem, Reason, Result};

/// A transaction on either database.
pub type Tx = Transaction<'static, sqlx::Any>;

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// A connection pool with its tables made.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    dialect: Dialect,
}

/// Statements that make the tables; each may run again.
const TABLES: &[&str] = &[
    include_str!("sql/jobs.sql"),
    include_str!("sql/custody.sql"),
    include_str!("sql/registry.sql"),
    include_str!("sql/sessions.sql"),
];

impl Database {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`) and makes what tables are missing.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            (Dialect::Postgres, url.to_owned())
        } else if url.starts_with("sqlite:") {
            let separator = if url.contains('?') { '&' } else { '?' };
            (Dialect::Sqlite, format!("{url}{separator}mode=rwc"))
        } else {
            return Err(Problem::field("database", "the URL must start with sqlite: or postgres:"));
        };
        let options = AnyConnectOptions::from_str(&url).map_err(|e| Problem::field("database", e.to_string()))?;
        let pool = AnyPoolOptions::new()
            .max_connections(if dialect == Dialect::Sqlite { 4 } else { 16 })
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if dialect == Dialect::Sqlite {
                        // WAL with full sync: a row that was committed stands after a power cut
                        let pragmas =
                            "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
                        connection.execute(pragmas).await?;
                    }
                    Ok(())
                })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // SQLite ends a transaction by itself when the disk is full; the rollback that follows then fails,
                    // and the connection would count as inside a transaction for good
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options)
            .await
            .map_err(|e| Problem::new(Reason::StorageFailed, format!("cannot open the database: {e}")))?;
        let db = Database { pool, dialect };
        db.make_tables().await?;
        Ok(db)
    }

    async fn make_tables(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            // several servers may start at once
            tx.execute("SELECT pg_advisory_xact_lock(8472946501)").await?;
        }
        for statement in TABLES.iter().flat_map(|text| text.split(';')).map(str::trim).filter(|s| !s.is_empty()) {
            tx.execute(self.sql(statement)).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Fills in the words that differ: `{now}` (Unix milliseconds by the database's clock), `{skip_locked}` (rows of the
    /// alias `j`), `{for_share}` and `{for_update}` (locks on the rows selected).
    #[must_use]
    pub fn sql(&self, statement: &str) -> SqlStr {
        let words = match self.dialect {
            // one writer at a time: nothing to lock
            Dialect::Sqlite => [
                ("{now}", "CAST(unixepoch('subsec') * 1000 AS BIGINT)"),
                ("{skip_locked}", ""),
                ("{for_share}", ""),
                ("{for_update}", ""),
            ],
            Dialect::Postgres => [
                ("{now}", "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"),
                ("{skip_locked}", "FOR UPDATE OF j SKIP LOCKED"),
                ("{for_share}", "FOR SHARE"),
                ("{for_update}", "FOR UPDATE"),
            ],
        };
        let filled = words.iter().fold(statement.to_owned(), |text, (word, sql)| text.replace(word, sql));
        AssertSqlSafe(filled).into_sql_str()
    }

    /// Begins a transaction that will write.
    pub async fn begin(&self) -> Result<Tx> {
        let begin = match self.dialect {
            // take the write lock at once: upgrading later can fail under load
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// The pool, for single statements.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// The database's clock, Unix milliseconds.
    pub async fn now_ms(&self) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql("SELECT {now}")).fetch_one(&self.pool).await?)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
