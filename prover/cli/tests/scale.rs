//! The queue when it is long: how long a lease takes, and what watchers cost. The default sizes are small; `make load` takes
//! 500,000 jobs on PostgreSQL, 200,000 on SQLite and 10,000 watchers, and writes the figures to benches/RESULTS.md.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tribute_service::jobs::news::News;
use tribute_service::jobs::queue::Queue;
use tribute_service::jobs::NewJob;
use tribute_store::db::{Database, Share};
use tribute_testing::stores::Postgres;

/// Whether the sizes are those of `make load`.
fn full() -> bool {
    std::env::var_os("TRIBUTE_LOAD").is_some()
}

/// Fills the queue with jobs of 100 accounts, as if they had been submitted one by one.
async fn fill(db: &Database, jobs: i64) {
    let numbers = if db.is_postgres() {
        "SELECT n FROM generate_series(1, $1) AS s(n)"
    } else {
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < $1) SELECT n FROM s"
    };
    let hex = if db.is_postgres() { "md5(CAST(n AS TEXT))" } else { "lower(hex(randomblob(16)))" };
    let insert = db.sql(&format!(
        "INSERT INTO jobs (id, tenant, kind, content, payload, state, priority, weight_mb, starts, lost, attempts,
            max_attempts, fence, cancel, phase, done, total, events, deadline, created_ms, not_before_ms, started_ms, ended_ms)
         SELECT {hex}, '0x' || CAST(n % 100 AS TEXT), 'calibrate', 'filled ' || CAST(n AS TEXT), '{{}}', 'queued', n % 5, 16, 0,
            0, 0, 3, 0, 0, '', 0, 0, 0, 0, n, 0, 0, 0 FROM ({numbers}) AS numbers"
    ));
    sqlx::query(insert).bind(jobs).execute(db.pool()).await.unwrap();
    sqlx::query(
        "INSERT INTO turns (tenant, queued, running, turn)
         SELECT tenant, COUNT(*), 0, 0 FROM jobs WHERE state = 'queued' GROUP BY tenant",
    )
    .execute(db.pool())
    .await
    .unwrap();
    sqlx::query("ANALYZE").execute(db.pool()).await.unwrap();
}

fn name(db: &Database) -> &'static str {
    if db.is_postgres() {
        "PostgreSQL"
    } else {
        "SQLite"
    }
}

/// Median and 99th percentile of a lease, milliseconds.
async fn leases(db: &Database, jobs: i64) -> (f64, f64) {
    fill(db, jobs).await;
    let queue = Queue::new(db.clone());
    let mut times = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        let lease = queue.lease("w", 60_000, 8192).await.unwrap().expect("a job");
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let Ok(completion) = queue.complete(&lease, "{}").await.unwrap() else { panic!("the lease has lapsed") };
        completion.commit().await.unwrap();
    }
    let start = Instant::now();
    queue.recover().await.unwrap();
    let recover = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    tribute_service::observe::state::read(db).await.unwrap();
    let state = start.elapsed().as_secs_f64() * 1e3;
    times.sort_by(f64::total_cmp);
    let (median, slow) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let line = serde_json::json!({
        "what": "lease", "database": name(db), "queued": jobs, "p50_ms": median, "p99_ms": slow, "recover_ms": recover,
        "status_ms": state,
    });
    println!("load: {line}");
    (median, slow)
}

/// A lease looks at few rows, however many wait: far below what a scan would take, even on a busy machine.
const QUICK: f64 = 50.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_quick_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&format!("sqlite:{}", folder.path().join("queue.db").display())).await.unwrap();
    let (median, _) = leases(&db, if full() { 200_000 } else { 20_000 }).await;
    assert!(median < QUICK, "{median} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_quick_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    let db = Database::open(&postgres.url).await.unwrap();
    let (median, _) = leases(&db, if full() { 500_000 } else { 20_000 }).await;
    assert!(median < QUICK, "{median} ms");
}

/// Processor time of this process, seconds.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // utime and stime, in ticks of 10 ms
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Watchers cost next to nothing while nothing changes, and each hears of its job and of no other.
async fn watchers(url: &str) {
    let db = Database::open(url).await.unwrap();
    let (queue, database) = (Queue::new(db.clone()), name(&db));
    let count = if full() { 10_000 } else { 1_000 };
    let new: Vec<NewJob> = (0..count)
        .map(|i| NewJob {
            tenant: format!("0x{}", i % 100),
            kind: "test".into(),
            payload: i.to_string(),
            priority: 0,
            weight_mb: 1,
            deadline_ms: None,
        })
        .collect();
    let mut jobs = Vec::new();
    for batch in new.chunks(500) {
        jobs.extend(queue.submit_all(batch).await.unwrap().into_iter().map(|(job, _)| job.id));
    }
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let (news, task) = News::start(db, stopping);
    // it listens
    news.watch("none").changed(Duration::from_secs(10)).await;
    let mut heard = tokio::task::JoinSet::new();
    for job in jobs {
        let mut watcher = news.watch(&job);
        heard.spawn(async move {
            watcher.changed(Duration::from_secs(600)).await;
            job
        });
    }
    // other tests in this process may add to it, but do not run all the time
    let mut load = f64::INFINITY;
    for _ in 0..10 {
        let (start, before) = (Instant::now(), processor_time());
        tokio::time::sleep(Duration::from_secs(if full() { 20 } else { 3 })).await;
        load = load.min((processor_time() - before) / start.elapsed().as_secs_f64());
        if load < 0.1 {
            break;
        }
    }
    println!(
        "load: {}",
        serde_json::json!({"what": "watchers", "database": database, "watchers": count, "core": load})
    );
    assert!(load < 0.1, "{load} of a core");
    let lease = queue.lease("w", 60_000, 8192).await.unwrap().unwrap();
    let first = tokio::time::timeout(Duration::from_secs(10), heard.join_next()).await.expect("no news");
    assert_eq!(first.unwrap().unwrap(), lease.job.id);
    assert!(tokio::time::timeout(Duration::from_millis(500), heard.join_next()).await.is_err(), "news of no change");
    stop.send_replace(true);
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_cost_little_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    watchers(&format!("sqlite:{}", folder.path().join("queue.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_cost_little_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    watchers(&postgres.url).await;
}

/// Servers and workers as the operator's page has them, on so many connections as it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_workers_fit_into_one_postgres() {
    const SERVERS: usize = 4;
    const WORKERS: usize = 100;
    const EACH: usize = 4;
    let Some(postgres) = Postgres::with_connections(400) else { return };
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let mut gathering = Vec::new();
    let mut open = Vec::new();
    for i in 0..SERVERS + WORKERS {
        let share = if i < SERVERS { Share::Server } else { Share::Worker };
        let db = Database::open_for(&postgres.url, share).await.unwrap();
        let (news, task) = News::start(db.clone(), stopping.clone());
        gathering.push(task);
        open.push((db, news));
    }
    let watching = open[0].0.clone();
    fill(&watching, (WORKERS * EACH) as i64).await;
    let counted = tokio::spawn(async move {
        let count = "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'";
        let mut most = 0;
        while sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM jobs WHERE state <> 'succeeded'")
            .fetch_one(watching.pool())
            .await
            .unwrap()
            > 0
        {
            most = most.max(sqlx::query_scalar::<_, i64>(count).fetch_one(watching.pool()).await.unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    });
    let start = Instant::now();
    let mut busy = tokio::task::JoinSet::new();
    // all of a process's connections at a time: a server asks whether the database answers, a worker has two jobs
    let done = Arc::new(AtomicUsize::new(0));
    for (i, (db, _)) in open.iter().enumerate() {
        if i < SERVERS {
            db.answers().await.unwrap();
        }
        for slot in 0..if i < SERVERS { 16 } else { 2 } {
            let (db, done) = (db.clone(), done.clone());
            busy.spawn(async move {
                if i < SERVERS {
                    db.now_ms().await.unwrap();
                    return;
                }
                let queue = Queue::new(db);
                while done.load(Ordering::Relaxed) < WORKERS * EACH {
                    let Some(lease) = queue.lease(&format!("{i}-{slot}"), 60_000, 8192).await.unwrap() else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    let _ = queue.heartbeat(&lease, 60_000, None).await.unwrap();
                    let Ok(completion) = queue.complete(&lease, "{}").await.unwrap() else { panic!("it has lapsed") };
                    completion.commit().await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    busy.join_all().await;
    let done = done.load(Ordering::Relaxed);
    let most = tokio::time::timeout(Duration::from_secs(60), counted).await.expect("some job was left").unwrap();
    println!("{WORKERS} workers: {done} jobs in {:?}, {most} connections", start.elapsed());
    assert_eq!(done, WORKERS * EACH);
    assert!(most <= (SERVERS * 18 + WORKERS * 3) as i64, "{most} connections");
    assert!(most < 400);
    stop.send_replace(true);
    for task in gathering {
        task.await.unwrap();
    }
}
