//! What the scenarios have in common: a service with its database, worker processes, and the count of what became of jobs.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::calibrate;
use tribute_testing::data::{self, wine_schema, wines};
use tribute_testing::process::Killed;
use tribute_testing::stores::Postgres;
use tribute_testing::{program, Place, Served};

/// Leases are short, so that what is lost is noticed soon.
const LEASE: &[&str] = &["--lease-ms", "1000"];
const SMALL: &[&str] = &["--k", "10", "--columns", "8"];

/// A service on a database of its own.
pub(crate) struct Stage {
    postgres: Option<Arc<Postgres>>,
    pub(crate) place: Place,
    /// Its database's URL.
    pub(crate) database: String,
}

impl Stage {
    pub(crate) async fn on(postgres: Arc<Postgres>) -> Self {
        static STAGES: AtomicUsize = AtomicUsize::new(0);
        sqlx::any::install_default_drivers();
        let name = format!("stage_{}", STAGES.fetch_add(1, Ordering::Relaxed));
        let mut sql = AnyConnection::connect(&postgres.url).await.unwrap();
        sql.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let (server, _) = postgres.url.rsplit_once('/').unwrap();
        Stage { database: format!("{server}/{name}"), postgres: Some(postgres), place: Place::new() }
    }

    pub(crate) fn on_sqlite() -> Self {
        let place = Place::new();
        Stage { database: format!("sqlite:{}", place.data().join("tribute.db").display()), postgres: None, place }
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        self.postgres.as_deref().unwrap()
    }

    pub(crate) fn serve(&self, workers: &str) -> Served {
        self.serve_with(Command::new(program()), workers)
    }

    /// Starts a server with `program`: the program itself, or a command that runs it.
    pub(crate) fn serve_with(&self, program: Command, workers: &str) -> Served {
        let options = [SMALL, LEASE, &["--workers", workers, "--database", &self.database]].concat();
        self.place.serve_with(program, "127.0.0.1:0", &options)
    }

    pub(crate) fn worker(&self) -> Killed {
        self.worker_with(Command::new(program()), &self.database)
    }

    /// Starts a worker with `program`: the program itself, or a command that runs it.
    pub(crate) fn worker_with(&self, program: Command, database: &str) -> Killed {
        Killed(self.place.worker_with(program, &[LEASE, &["--database", database]].concat()))
    }

    pub(crate) async fn sql(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.database).await.unwrap()
    }

    /// Jobs that have not ended in `state`, and jobs that ended more than once.
    pub(crate) async fn count(&self, state: &str) -> (i64, i64) {
        let mut sql = self.sql().await;
        let lost = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state <> $1").bind(state);
        let doubled = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT job FROM job_events WHERE event LIKE '%succeeded%' OR event LIKE '%failed\"%'
                OR event LIKE '%cancelled%' GROUP BY job HAVING COUNT(*) > 1) AS twice",
        );
        (lost.fetch_one(&mut sql).await.unwrap(), doubled.fetch_one(&mut sql).await.unwrap())
    }

    /// Waits until every job has ended.
    pub(crate) async fn ended(&self, patience: Duration) {
        let start = Instant::now();
        let mut sql = self.sql().await;
        let open = "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running')";
        while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut sql).await.unwrap() > 0 {
            if start.elapsed() > patience {
                return; // the count says what is missing
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn all_succeed(&self) -> (i64, i64) {
        self.ended(Duration::from_secs(300)).await;
        self.count("succeeded").await
    }

    /// How many of `datasets` are not registered, and how many are beyond them: each counts once, whatever was computed
    /// again.
    pub(crate) async fn registered(&self, datasets: usize) -> (i64, i64) {
        let registered: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM datasets").fetch_one(&mut self.sql().await).await.unwrap();
        let wanted = i64::try_from(datasets).unwrap();
        ((wanted - registered).max(0), (registered - wanted).max(0))
    }

    /// Waits until a job is in a phase, or has ended. Returns the phase in which it was found.
    pub(crate) async fn phase(&self, job: &str, wanted: &str) -> String {
        let mut sql = self.sql().await;
        let start = Instant::now();
        loop {
            let (state, phase): (String, String) = sqlx::query_as("SELECT state, phase FROM jobs WHERE id = $1")
                .bind(job)
                .fetch_one(&mut sql)
                .await
                .unwrap();
            if !["queued", "running"].contains(&state.as_str()) {
                return "ended".into();
            }
            if phase == wanted {
                return phase;
            }
            assert!(start.elapsed() < Duration::from_secs(180), "{state}, {phase}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Removes the cached proving keys.
    pub(crate) fn forget_keys(&self) {
        for file in std::fs::read_dir(self.place.data().join("cache")).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|e| e == "key") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }
}

/// A dataset of its own for every `seed`: a real proof.
pub(crate) fn dataset(seed: usize) -> v1::DatasetWork {
    data::dataset(&wine_schema(), data::csv("wine.csv", wines(seed % 100..seed % 100 + 20 + seed / 100)))
}

pub(crate) fn works(job: &v1::Job) -> bool {
    job.state() == JobState::Running && job.progress.is_some()
}

/// Some seconds of work.
pub(crate) fn slow(tag: &str) -> v1::Work {
    calibrate(13, 100, tag)
}

pub(crate) fn send(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}
