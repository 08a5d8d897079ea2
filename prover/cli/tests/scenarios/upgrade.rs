//! An upgrade from the previous version of the tables, with jobs in flight, and the way back: tables are only ever migrated
//! forward, so an older program refuses to touch what a newer one has migrated, and nothing is lost by trying.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};
use tribute_proto::v1::JobState;
use tribute_store::db::statements;
use tribute_testing::calls::{connect, get, submit, until};
use tribute_testing::program;
use tribute_testing::stores::Postgres;

use super::stage::{slow, works, Stage};

/// Makes the tables as the previous version had them.
async fn previous_tables(sql: &mut AnyConnection) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.pop();
    sql.execute("CREATE TABLE migrations (version BIGINT PRIMARY KEY, applied_ms BIGINT NOT NULL)").await.unwrap();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for statement in statements(&text) {
            sql.execute(AssertSqlSafe(statement)).await.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        }
        let number: i64 = file.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
        sqlx::query("INSERT INTO migrations VALUES ($1, 0)").bind(number).execute(&mut *sql).await.unwrap();
    }
}

/// Adds a job as the previous version would have: waiting, or on a worker that is gone.
async fn add(sql: &mut AnyConnection, tag: &str, state: &str) {
    let lease = if state == "running" { "1" } else { "NULL" };
    let insert = format!(
        "INSERT INTO jobs (id, tenant, kind, content, payload, state, priority, weight_mb, starts, lost, attempts, max_attempts,
            fence, lease_until, cancel, phase, done, total, events, created_ms, not_before_ms, started_ms, ended_ms)
         VALUES ($1, '0x1111111111111111111111111111111111111111', 'calibrate', $1, $2, $3, 0, 16, 0, 0, 0, 3,
            0, {lease}, 0, '', 0, 0, 0, 0, 0, 0, 0)"
    );
    let payload = format!("{{\"kind\":\"calibrate\",\"k\":10,\"rounds\":1,\"tag\":\"{tag}\"}}");
    sqlx::query(AssertSqlSafe(insert)).bind(tag).bind(payload).bind(state).execute(&mut *sql).await.unwrap();
}

/// What `tribute ARGUMENTS` says as it refuses.
fn refused(stage: &Stage, arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    command.args(arguments).arg("--data").arg(stage.place.data()).args(["--database", &stage.database]);
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert!(!ended.status.success(), "{arguments:?}");
    String::from_utf8(ended.stderr).unwrap()
}

pub(crate) async fn upgraded_and_back(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
    let mut sql = stage.sql().await;
    previous_tables(&mut sql).await;
    add(&mut sql, "waiting", "queued").await;
    add(&mut sql, "lost", "running").await;
    sql.execute("INSERT INTO turns VALUES ('0x1111111111111111111111111111111111111111', 1, 1, 0)").await.unwrap();
    let served = stage.serve("0");
    let worker = stage.worker();
    let (mut lost, mut doubled) = stage.all_succeed().await;

    // a newer program migrates while this one, now the older, has a job in its hands
    let client = connect(&served.url).await;
    let running = submit(&client, slow("in flight")).await;
    until(&client, &running.id, works).await;
    sql.execute("INSERT INTO migrations VALUES (9999, 0)").await.unwrap();
    // what runs is finished, and nothing is begun
    until(&client, &running.id, |j| j.state() == JobState::Succeeded).await;
    let waiting = submit(&client, slow("after")).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let found = get(&client, &waiting.id).await;
    assert_eq!((found.state(), found.attempts), (JobState::Queued, 0), "{found:?}");
    drop((worker, served));
    // and the older program starts no more
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["worker"], &["status"]] {
        let said = refused(&stage, command);
        let clear = ["version 9999", "newer program", "restore the backup"];
        assert!(clear.iter().all(|words| said.contains(words)), "{command:?}: {said}");
    }
    // with the newer one, here the same, everything is there and goes on
    sql.execute("DELETE FROM migrations WHERE version = 9999").await.unwrap();
    let _served = stage.serve("1");
    let (more, twice) = stage.all_succeed().await;
    lost += more;
    doubled += twice;
    (lost, doubled)
}
