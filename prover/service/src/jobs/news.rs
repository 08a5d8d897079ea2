//! Tells those who wait what has changed in the queue, so that they need not ask the database again and again. On PostgreSQL
//! every event notifies all processes; on SQLite one reader for the whole process looks for new events.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Row as _;
use tokio::sync::{watch, Notify};
use tokio::task::JoinHandle;
use tribute_problem::Result;
use tribute_store::db::{Database, PgListener};

/// Channel of PostgreSQL's notifications. The payload is a job's id, after a `+` if there may be a job to lease.
pub(super) const CHANNEL: &str = "tribute_jobs";
/// How often SQLite's events are read.
const LOOK: Duration = Duration::from_millis(100);
/// How often PostgreSQL's channel is tried, in case a connection is dead without saying so.
const PING: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(20) };
/// Wait before a broken connection is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where to wait for news.
#[derive(Clone, Debug, Default)]
pub struct News {
    jobs: Arc<Mutex<HashMap<String, watch::Sender<u64>>>>,
    queued: Arc<Notify>,
}

/// Waits for news of one job.
#[derive(Debug)]
pub struct Watcher {
    news: News,
    job: String,
    changed: watch::Receiver<u64>,
}

impl News {
    /// News of the queue in `db`, until `stop` becomes true.
    #[must_use]
    pub fn start(db: Database, stop: watch::Receiver<bool>) -> (News, JoinHandle<()>) {
        let news = News::default();
        let task = tokio::spawn({
            let news = news.clone();
            async move {
                let mut stopped = stop.clone();
                tokio::select! {
                    () = news.gather(&db) => {}
                    _ = stopped.changed() => {}
                }
            }
        });
        (news, task)
    }

    /// Notified when there may be a job to lease.
    #[must_use]
    pub fn queued(&self) -> Arc<Notify> {
        self.queued.clone()
    }

    /// Waits for news of a job from now on: subscribe first, then read the job.
    #[must_use]
    pub fn watch(&self, job: &str) -> Watcher {
        let mut jobs = self.jobs();
        let sender = jobs.entry(job.to_owned()).or_insert_with(|| watch::channel(0).0);
        let changed = sender.subscribe();
        drop(jobs);
        Watcher { news: self.clone(), job: job.to_owned(), changed }
    }

    fn jobs(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Sender<u64>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, job: &str) {
        if let Some(sender) = self.jobs().get(job) {
            sender.send_modify(|n| *n += 1);
        }
    }

    /// Something may have been missed: everybody looks.
    fn tell_all(&self) {
        for sender in self.jobs().values() {
            sender.send_modify(|n| *n += 1);
        }
        self.queued.notify_one();
    }

    async fn gather(&self, db: &Database) {
        loop {
            let broken = match db.listener().await {
                Ok(None) => self.read(db).await,
                Ok(Some(listener)) => self.listen(db, listener).await,
                Err(e) => Err(e),
            };
            if let Err(e) = broken {
                tracing::warn!(error = %e, "no news of jobs: trying again");
            }
            tokio::time::sleep(AGAIN).await;
            self.tell_all();
        }
    }

    async fn listen(&self, db: &Database, mut listener: PgListener) -> Result<()> {
        listener.listen(CHANNEL).await?;
        self.tell_all();
        let heard = AtomicBool::new(true);
        // neither interrupts the other: a reconnection that is cut short is made up for later without a word
        let hear = async {
            loop {
                match listener.try_recv().await? {
                    Some(notification) => {
                        heard.store(true, Ordering::Relaxed);
                        match notification.payload().strip_prefix('+') {
                            Some(job) => {
                                self.tell(job);
                                self.queued.notify_one();
                            }
                            None => self.tell(notification.payload()),
                        }
                    }
                    // the connection was lost, and opened again
                    None => self.tell_all(),
                }
            }
        };
        let ping = async {
            while heard.swap(false, Ordering::Relaxed) {
                sqlx::query("SELECT COUNT(pg_notify($1, ''))").bind(CHANNEL).execute(db.pool()).await?;
                tokio::time::sleep(PING).await;
            }
            // not even the last ping was heard
            Ok(())
        };
        tokio::select! {
            broken = hear => broken,
            silent = ping => silent,
        }
    }

    /// Reads SQLite's events as they are added.
    async fn read(&self, db: &Database) -> Result<()> {
        let newest = "SELECT COALESCE(MAX(rowid), 0) FROM job_events";
        let mut seen: i64 = sqlx::query_scalar(newest).fetch_one(db.pool()).await?;
        self.tell_all();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let rows = sqlx::query(
                "SELECT rowid AS number, job, event FROM job_events WHERE rowid > $1 ORDER BY rowid LIMIT 1000",
            )
            .bind(seen)
            .fetch_all(db.pool())
            .await?;
            for row in &rows {
                seen = row.try_get("number")?;
                self.tell(row.try_get("job")?);
                let event: &str = row.try_get("event")?;
                if event.contains("queued") || event.contains("succeeded") {
                    self.queued.notify_one();
                }
            }
            if rows.is_empty() {
                // numbers begin again if the last events are deleted
                let last: i64 = sqlx::query_scalar(newest).fetch_one(db.pool()).await?;
                seen = seen.min(last);
            }
        }
    }
}

impl Watcher {
    /// Returns when the job has changed since the last call, or may have; at the latest after `patience`.
    pub async fn changed(&mut self, patience: Duration) {
        if let Ok(Err(_)) = tokio::time::timeout(patience, self.changed.changed()).await {
            // there will be no news any more: time passes all the same
            tokio::time::sleep(patience).await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut jobs = self.news.jobs();
        // its own receiver is still counted
        if jobs.get(&self.job).is_some_and(|sender| sender.receiver_count() <= 1) {
            jobs.remove(&self.job);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};
    use tribute_testing::stores::Postgres;
    use tribute_testing::wait_until;

    use super::*;

    /// Accepts connections for `server` until it is aborted; those that it has accepted go on.
    fn door(listener: TcpListener, server: String) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        })
    }

    #[tokio::test]
    async fn who_waits_looks_again_once_a_lost_connection_is_back() {
        let Some(postgres) = Postgres::start() else { return };
        let server = postgres.url.split(['@', '/']).find(|part| part.contains(':') && part.contains('.')).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = door(listener, server.to_owned());
        let db = Database::open(&postgres.url.replace(server, &address.to_string())).await.unwrap();
        let direct = Database::open(&postgres.url).await.unwrap();
        let (_stop, stopped) = watch::channel(false);
        let (news, _task) = News::start(db, stopped);
        let listening = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        let count = async |what: &str| -> i64 {
            let select = sqlx::AssertSqlSafe(format!("SELECT COUNT({what}) {listening}"));
            sqlx::query_scalar(select).fetch_one(direct.pool()).await.unwrap()
        };
        wait_until("the listener", async || count("pid").await == 1).await;

        // for some pings, no new connection reaches the database, while the one that pings goes on
        open.abort();
        let mut watcher = news.watch("job");
        assert_eq!(count("pg_terminate_backend(pid)").await, 1);
        tokio::time::sleep(3 * PING).await;
        let _open = door(TcpListener::bind(address).await.unwrap(), server.to_owned());
        let told = tokio::time::timeout(Duration::from_secs(10), watcher.changed.changed()).await;
        told.expect("who waits is told that something may have been missed").unwrap();
    }
}
