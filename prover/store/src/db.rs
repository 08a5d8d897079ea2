//! The database: a SQLite file, or PostgreSQL by URL. Statements are written once, with placeholders for what differs.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::PgConnectOptions;
pub use sqlx::postgres::PgListener;
use sqlx::{AnyPool, AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _, SqlStr, Transaction};
use tribute_problem::{Problem, Reason, Result};

/// A transaction on either database.
pub type Tx = Transaction<'static, sqlx::Any>;

/// SQL dialect of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// A connection pool to a database migrated to this program's version.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    /// One connection, only for asking whether the database answers.
    probe: AnyPool,
    dialect: Dialect,
    url: String,
}

/// Longest wait for a connection, or for SQLite's other writer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for the answer to [`Database::answers`].
const PROBED: Duration = Duration::from_secs(3);

/// How long an unused connection stays open.
const IDLE: Duration = Duration::from_secs(60);

/// Most connections that a process opens to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A server's: 16.
    Server,
    /// A worker's: 2, besides the one on which it hears of new jobs.
    Worker,
}

impl Share {
    fn connections(self) -> u32 {
        match self {
            Share::Server => 16,
            Share::Worker => 2,
        }
    }
}

/// A migration: the number of its file, and its SQL.
type Migration = (i64, &'static str);

/// The migrations, in the order of their numbers, which may have gaps. Those that a database lacks are applied. Released
/// files never change.
const MIGRATIONS: &[Migration] = &[
    (1, include_str!("../migrations/0001_first.sql")),
    (2, include_str!("../migrations/0002_turns.sql")),
    (12, include_str!("../migrations/0012_observe.sql")),
    (13, include_str!("../migrations/0013_needs.sql")),
    (14, include_str!("../migrations/0014_keys.sql")),
    (15, include_str!("../migrations/0015_training_across_nodes.sql")),
    (17, include_str!("../migrations/0017_workers.sql")),
    (30, include_str!("../migrations/0030_versions.sql")),
    (40, include_str!("../migrations/0040_scores.sql")),
    (41, include_str!("../migrations/0041_api_keys.sql")),
    (42, include_str!("../migrations/0042_requests_by_owner.sql")),
    (43, include_str!("../migrations/0043_job_notes.sql")),
];

const VERSION: &str = "SELECT COALESCE(CAST(MAX(version) AS BIGINT), 0) FROM migrations";

/// The statements of a migration, without its comments, which may contain semicolons.
#[must_use]
pub fn statements(migration: &str) -> Vec<String> {
    let code: Vec<&str> = migration.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    code.join("\n").split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// Refuses tables of a version that is not among `migrations`.
fn check_version(version: i64, migrations: &[Migration]) -> Result<()> {
    let known = migrations.iter().map(|(number, _)| *number).max().unwrap_or_default();
    if version <= known {
        return Ok(());
    }
    let message = format!(
        "a newer program has migrated it to version {version}, and this one knows versions up to {known}: start the newer \
         one again, or restore the backup from before the upgrade"
    );
    Err(Problem::field("database", message).with("version", version).with("known", known))
}

impl Database {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`) and migrates its tables to this program's version. `sslmode` and
    /// `sslrootcert` of a PostgreSQL URL mean what they mean to libpq.
    ///
    /// # Errors
    /// If the database cannot be opened or a newer program has migrated it further.
    pub async fn open(url: &str) -> Result<Self> {
        Database::open_for(url, Share::Server).await
    }

    /// [`Database::open`] with a process's share of the connections.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_for(url: &str, share: Share) -> Result<Self> {
        Database::open_within(url, share, PATIENCE).await
    }

    /// [`Database::open_for`] with the longest wait for a connection, or for SQLite's other writer.
    async fn open_within(url: &str, share: Share, patience: Duration) -> Result<Self> {
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
        let cannot = |e: sqlx::Error| match Problem::from(e) {
            p if p.reason == Reason::StorageUnavailable => p,
            p => Problem::new(p.reason, format!("cannot open the database: {}", p.message)),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(if dialect == Dialect::Sqlite { 4 } else { share.connections() })
            .idle_timeout(IDLE)
            .acquire_timeout(patience)
            // nothing here may need the disk: a connection that fails to start is tried again until the patience ends
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if dialect == Dialect::Sqlite {
                        let wait = format!("PRAGMA busy_timeout = {}", patience.as_millis());
                        connection.execute(AssertSqlSafe(wait)).await?;
                    }
                    Ok(())
                })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // SQLite ends a transaction by itself when the disk is full; the rollback that follows then fails,
                    // and the connection would be considered inside a transaction for ever
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(cannot)?;
        if dialect == Dialect::Sqlite {
            // for good: the file remembers it. With SQLite's usual full sync, committed rows survive a power cut.
            pool.execute("PRAGMA journal_mode = WAL").await?;
        }
        let probe = AnyPoolOptions::new().max_connections(1).acquire_timeout(PROBED).connect_lazy_with(options);
        let db = Database { pool, probe, dialect, url };
        db.warn_if_plain().await?;
        db.migrate(MIGRATIONS).await?;
        Ok(db)
    }

    /// Whether the database answers, over a connection of its own, within three seconds.
    pub async fn answers(&self) -> Result<()> {
        let asked = sqlx::query("SELECT 1").execute(&self.probe);
        match tokio::time::timeout(PROBED, asked).await {
            Ok(answer) => Ok(answer.map(|_| ())?),
            Err(_) => Err(Problem::unavailable(format!("within {} s", PROBED.as_secs()))),
        }
    }

    /// Warns if the connection to PostgreSQL crosses a network in plain text, which `sslmode=prefer`, the default, allows.
    async fn warn_if_plain(&self) -> Result<()> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let plain: bool = sqlx::query_scalar(
            "SELECT NOT ssl AND inet_server_addr() IS NOT NULL AND NOT inet_server_addr() <<= '127.0.0.0/8'::inet
             FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
        .fetch_one(&self.pool)
        .await?;
        if plain {
            tracing::warn!("the connection to PostgreSQL is not encrypted: use sslmode=verify-full");
        }
        Ok(())
    }

    /// Whether this program still knows the tables: a newer one may have migrated them since it opened the database.
    ///
    /// # Errors
    /// If not, and what to do.
    pub async fn is_known(&self) -> Result<()> {
        check_version(sqlx::query_scalar(VERSION).fetch_one(&self.pool).await?, MIGRATIONS)
    }

    /// Applies the missing migrations in one transaction.
    async fn migrate(&self, migrations: &[Migration]) -> Result<()> {
        let mut tx = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            // several servers may start at once
            tx.execute("SELECT pg_advisory_xact_lock(8472946501)").await?;
        }
        tx.execute("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied_ms BIGINT NOT NULL)")
            .await?;
        let version: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *tx).await?;
        check_version(version, migrations)?;
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM migrations").fetch_all(&mut *tx).await?;
        for (number, migration) in migrations.iter().filter(|(number, _)| !applied.contains(number)) {
            for statement in statements(migration) {
                tx.execute(self.sql(&statement)).await?;
            }
            sqlx::query(self.sql("INSERT INTO migrations (version, applied_ms) VALUES ($1, {now})"))
                .bind(*number)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Replaces placeholders by the dialect's SQL: `{now}` (Unix milliseconds by the database's clock), `{skip_locked}`
    /// (rows of the alias `j`), `{for_share}` and `{for_update}` (locks on the selected rows).
    #[must_use]
    pub fn sql(&self, statement: &str) -> SqlStr {
        let words = match self.dialect {
            // SQLite has one writer at a time, so nothing needs a lock
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

    /// Whether it is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// A connection that hears PostgreSQL's notifications; `None` on SQLite.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn listener(&self) -> Result<Option<PgListener>> {
        if !self.is_postgres() {
            return Ok(None);
        }
        let options = PgConnectOptions::from_str(&self.url)?;
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        Ok(Some(PgListener::connect_with(&pool).await?))
    }

    /// The text columns of every table.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn text_columns(&self) -> Result<Vec<(String, Vec<String>)>> {
        let select = match self.dialect {
            Dialect::Sqlite => {
                "SELECT t.name AS tab, c.name AS col FROM sqlite_master t JOIN pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.type = 'TEXT' ORDER BY t.name, c.cid"
            }
            Dialect::Postgres => {
                "SELECT CAST(table_name AS TEXT) AS tab, CAST(column_name AS TEXT) AS col FROM information_schema.columns
                 WHERE table_schema = current_schema() AND data_type = 'text' ORDER BY table_name, ordinal_position"
            }
        };
        let rows: Vec<(String, String)> = sqlx::query_as(select).fetch_all(&self.pool).await?;
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for (table, column) in rows {
            match tables.last_mut() {
                Some((known, columns)) if *known == table => columns.push(column),
                _ => tables.push((table, vec![column])),
            }
        }
        Ok(tables)
    }

    /// Begins a transaction for writing. Each of its statements reads what was committed before the statement.
    pub async fn begin(&self) -> Result<Tx> {
        let begin = match self.dialect {
            // take the write lock at once: upgrading later can fail under load
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            // whatever the server's default is: a snapshot of the whole transaction would be older than what it waits for
            Dialect::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// Has transactions that lock the same `name` wait for each other: what this one reads after it, the others do not change
    /// before it ends.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn lock(&self, tx: &mut Tx, name: &str) -> Result<()> {
        // SQLite has one writer at a time, so nothing needs a lock
        if self.is_postgres() {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind(name).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// The connection pool, for single statements.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// The database's clock, in Unix milliseconds.
    pub async fn now_ms(&self) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql("SELECT {now}")).fetch_one(&self.pool).await?)
    }

    /// Bytes that the database takes.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn bytes(&self) -> Result<u64> {
        let select = match self.dialect {
            Dialect::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Dialect::Postgres => "SELECT pg_database_size(current_database())",
        };
        let bytes: i64 = sqlx::query_scalar(select).fetch_one(&self.pool).await?;
        Ok(bytes.unsigned_abs())
    }

    /// What is kept under a name for the whole server: `fresh`, if nothing was yet.
    pub async fn kept(&self, name: &str, fresh: &str) -> Result<String> {
        sqlx::query(self.sql("INSERT INTO server (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING"))
            .bind(name)
            .bind(fresh)
            .execute(&self.pool)
            .await?;
        // another process may have been first: what is in the table counts
        let select = self.sql("SELECT value FROM server WHERE name = $1");
        Ok(sqlx::query_scalar(select).bind(name).fetch_one(&self.pool).await?)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE pets (name TEXT PRIMARY KEY)";
    const SECOND: &str = "ALTER TABLE pets ADD COLUMN legs BIGINT; UPDATE pets SET legs = 4";

    async fn versions(db: &Database) -> Vec<i64> {
        sqlx::query_scalar("SELECT version FROM migrations ORDER BY version").fetch_all(db.pool()).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_committed_to_sqlite_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(db.pool()).await.unwrap();
        let sync: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(db.pool()).await.unwrap();
        assert_eq!((mode.as_str(), sync), ("wal", 2));
        db.answers().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_said_to_be_once_the_patience_ends() {
        let (began, patience) = (std::time::Instant::now(), Duration::from_millis(300));
        let gone =
            Database::open_within("postgres://nobody@127.0.0.1:1/none", Share::Server, patience).await.unwrap_err();
        assert_eq!(gone.reason, Reason::StorageUnavailable, "{gone}");
        // and not after anybody else's, which is much longer
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn migrations_are_applied_once_in_order_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&format!("sqlite:{}", folder.path().join("t.db").display())).await.unwrap();
        assert_eq!(versions(&db).await, MIGRATIONS.iter().map(|(number, _)| *number).collect::<Vec<_>>());
        // a different history, starting from an empty table of versions
        sqlx::query("DELETE FROM migrations").execute(db.pool()).await.unwrap();
        db.migrate(&[(1, FIRST)]).await.unwrap();
        sqlx::query("INSERT INTO pets (name) VALUES ('rex')").execute(db.pool()).await.unwrap();
        db.migrate(&[(1, FIRST), (5, SECOND)]).await.unwrap();
        db.migrate(&[(1, FIRST), (5, SECOND)]).await.unwrap();
        assert_eq!(versions(&db).await, [1, 5]);
        let legs: i64 = sqlx::query_scalar("SELECT legs FROM pets").fetch_one(db.pool()).await.unwrap();
        assert_eq!(legs, 4);

        // a migration that fails leaves nothing behind
        let broken = "CREATE TABLE more (x BIGINT); INSERT INTO nowhere VALUES (1)";
        assert!(db.migrate(&[(1, FIRST), (5, SECOND), (6, broken)]).await.is_err());
        assert_eq!(versions(&db).await, [1, 5]);
        assert!(sqlx::query("SELECT x FROM more").fetch_all(db.pool()).await.is_err());

        // one that was made at the same time, whose number is lower
        db.migrate(&[(1, FIRST), (3, "CREATE TABLE toys (name TEXT)"), (5, SECOND)]).await.unwrap();
        assert_eq!(versions(&db).await, [1, 3, 5]);

        let older = db.migrate(&[(1, FIRST)]).await.unwrap_err();
        assert!(older.message.contains("newer program"), "{older}");
    }
}
