//! The queue's conformance suite, run on SQLite and on PostgreSQL. It is one long file, because every case runs on both in one
//! list.

use std::collections::HashSet;
use std::time::Duration;

use tribute_problem::{Problem, Reason};
use tribute_service::jobs::fitness::announce;
use tribute_service::jobs::news::News;
use tribute_service::jobs::queue::{Heartbeat, Queue, Quotas, MAX_ATTEMPTS, MAX_LOST};
use tribute_service::jobs::retention::sweep;
use tribute_service::jobs::{Event, EventRow, Fenced, Lease, NewJob, State};
use tribute_steps::toolbox::Progress;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;
use tribute_testing::stores::Postgres;

const LEASE: i64 = 30_000;
const ANY: i64 = i64::MAX;

fn job(tenant: &str, payload: &str) -> NewJob {
    NewJob {
        tenant: tenant.into(),
        kind: "test".into(),
        payload: payload.into(),
        priority: 0,
        weight_mb: 10,
        deadline_ms: None,
    }
}

async fn lease(queue: &Queue) -> Lease {
    queue.lease("w", LEASE, ANY).await.unwrap().expect("a job to lease")
}

async fn succeed(queue: &Queue, lease: &Lease) {
    let Ok(completion) = queue.complete(lease, "{}").await.unwrap() else { panic!("the lease has lapsed") };
    completion.commit().await.unwrap();
}

async fn state(queue: &Queue, id: &str) -> State {
    queue.get(id).await.unwrap().unwrap().state
}

async fn equal_work_is_one_job(queue: &Queue) {
    let (a, fresh) = queue.submit(&job("t", "equal")).await.unwrap();
    assert!(fresh);
    let (b, fresh) = queue.submit(&job("t", "equal")).await.unwrap();
    assert!(!fresh && a.id == b.id);
    let (c, _) = queue.submit(&job("u", "equal")).await.unwrap();
    assert_ne!(a.id, c.id, "another tenant's equal work is another job");
    // finished work is found again, cancelled work is not
    let held = lease(queue).await;
    succeed(queue, &held).await;
    assert_eq!(queue.submit(&job(&held.job.tenant, "equal")).await.unwrap().0.id, held.job.id);
    let other = lease(queue).await;
    queue.cancel(&other.job.id).await.unwrap();
    queue.stopped(&other).await.unwrap().unwrap();
    assert_ne!(queue.submit(&job(&other.job.tenant, "equal")).await.unwrap().0.id, other.job.id);
    succeed(queue, &lease(queue).await).await;

    // work that is being cancelled is no answer to who asks for it again
    let (dying, _) = queue.submit(&job("t", "asked for again")).await.unwrap();
    let held = lease(queue).await;
    queue.cancel(&dying.id).await.unwrap();
    let (again, fresh) = queue.submit(&job("t", "asked for again")).await.unwrap();
    assert!(fresh && again.id != dying.id);
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Ok(Heartbeat::Cancel));
    queue.stopped(&held).await.unwrap().unwrap();
    assert_eq!((state(queue, &dying.id).await, state(queue, &again.id).await), (State::Cancelled, State::Queued));
    // what has ended cannot be cancelled, and is found as before
    succeed(queue, &lease(queue).await).await;
    queue.cancel(&again.id).await.unwrap();
    assert_eq!(queue.submit(&job("t", "asked for again")).await.unwrap().0.id, again.id);
}

async fn a_batch_is_all_or_none(queue: &Queue) {
    let jobs = queue.submit_all(&[job("t", "b1"), job("t", "b2"), job("t", "b1")]).await.unwrap();
    assert_eq!((jobs[0].1, jobs[1].1, jobs[2].1), (true, true, false));
    assert_eq!(jobs[0].0.id, jobs[2].0.id);
    for _ in 0..2 {
        succeed(queue, &lease(queue).await).await;
    }
}

async fn a_lapsed_lease_changes_nothing(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "lapsed")).await.unwrap();
    let old = queue.lease("dead", 1, ANY).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(queue.recover().await.unwrap(), 1);
    let new = lease(queue).await;
    assert_eq!(new.job.id, submitted.id);
    assert!(new.fence > old.fence);
    assert_eq!((new.job.starts, new.job.attempts), (2, 0), "a lost worker uses up no attempt");

    let problem = Problem::internal("late");
    assert_eq!(queue.heartbeat(&old, LEASE, None).await.unwrap(), Err(Fenced));
    assert!(queue.complete(&old, "\"old\"").await.unwrap().is_err());
    assert_eq!(queue.fail(&old, &problem).await.unwrap(), Err(Fenced));
    assert_eq!(queue.stopped(&old).await.unwrap(), Err(Fenced));
    assert_eq!(queue.release(&old, "late", true).await.unwrap(), Err(Fenced));
    assert_eq!(state(queue, &submitted.id).await, State::Running);

    queue.complete(&new, "\"new\"").await.unwrap().ok().unwrap().commit().await.unwrap();
    assert!(queue.complete(&new, "\"again\"").await.unwrap().is_err(), "a job ends once");
    assert_eq!(queue.get(&submitted.id).await.unwrap().unwrap().outcome.as_deref(), Some("\"new\""));
}

/// Times that lie further ahead than any lease or pause were written while a clock was wrong.
async fn a_clock_that_was_ahead_keeps_no_job(queue: &Queue) {
    let id = queue.submit(&job("time", "ahead")).await.unwrap().0.id;
    let lost = lease(queue).await;
    assert_eq!(queue.recover().await.unwrap(), 0);
    let db = queue.database();
    let ahead = |column: &str| db.sql(&format!("UPDATE jobs SET {column} = {{now}} + 86400000 WHERE id = $1"));
    sqlx::query(ahead("lease_until")).bind(&id).execute(db.pool()).await.unwrap();
    assert_eq!(queue.recover().await.unwrap(), 1);
    sqlx::query(ahead("not_before_ms")).bind(&id).execute(db.pool()).await.unwrap();
    let again = lease(queue).await;
    assert_eq!((&again.job.id, again.fence), (&id, lost.fence + 1));
    succeed(queue, &again).await;
}

/// The database was gone for longer than the lease: whoever still has the job goes on, unless another has leased it.
async fn a_lapsed_lease_is_taken_back(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "taken back")).await.unwrap();
    let lapse = async || {
        let held = queue.lease("cut off", 1, ANY).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(queue.recover().await.unwrap(), 1);
        held
    };
    let held = lapse().await;
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Ok(Heartbeat::Continue));
    assert_eq!(state(queue, &submitted.id).await, State::Running);
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none(), "it is running");
    queue.release(&held, "stopping", false).await.unwrap().unwrap();

    // its result counts, too, and once
    let held = lapse().await;
    succeed(queue, &held).await;
    assert_eq!(state(queue, &submitted.id).await, State::Succeeded);
    assert!(queue.complete(&held, "{}").await.unwrap().is_err());
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none());
}

async fn an_uncommitted_completion_counts_for_nothing(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "uncommitted")).await.unwrap();
    let held = lease(queue).await;
    drop(queue.complete(&held, "{}").await.unwrap().ok().unwrap());
    assert_eq!(state(queue, &submitted.id).await, State::Running);
    succeed(queue, &held).await;
    assert_eq!(state(queue, &submitted.id).await, State::Succeeded);
}

async fn failures_use_up_attempts(queue: &Queue) {
    let db = queue.database();
    let (submitted, _) = queue.submit(&job("t", "flaky")).await.unwrap();
    for attempt in 1..=MAX_ATTEMPTS {
        let held = lease(queue).await;
        assert_eq!(held.job.attempts, attempt - 1);
        let expected = if attempt == MAX_ATTEMPTS { State::Failed } else { State::Queued };
        let failed_at = db.now_ms().await.unwrap();
        assert_eq!(queue.fail(&held, &Problem::internal("again")).await.unwrap(), Ok(expected));
        if expected == State::Queued {
            // retries are delayed, each for longer than the one before; half a minute more, so that the next call comes before
            let later = "UPDATE jobs SET not_before_ms = not_before_ms + 30000 WHERE id = $1 RETURNING not_before_ms";
            let at: i64 = sqlx::query_scalar(later).bind(&submitted.id).fetch_one(db.pool()).await.unwrap();
            assert!(at - 30_000 - failed_at >= 500 << attempt, "attempt {attempt}: {at} after {failed_at}");
            assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none(), "attempt {attempt}");
            let now = "UPDATE jobs SET not_before_ms = 0 WHERE id = $1";
            sqlx::query(now).bind(&submitted.id).execute(db.pool()).await.unwrap();
        }
    }
    assert_eq!(queue.get(&submitted.id).await.unwrap().unwrap().problem.unwrap().message, "again");

    // a problem that a retry cannot solve fails the job at once
    let (submitted, _) = queue.submit(&job("t", "hopeless")).await.unwrap();
    let held = lease(queue).await;
    let problem = Problem::new(Reason::NotTheOptimum, "no").with("norm", 3);
    assert_eq!(queue.fail(&held, &problem).await.unwrap(), Ok(State::Failed));
    assert_eq!(queue.get(&submitted.id).await.unwrap().unwrap().problem, Some(problem));
}

async fn work_that_loses_every_worker_ends(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "poison")).await.unwrap();
    for _ in 0..MAX_LOST {
        let held = lease(queue).await;
        queue.release(&held, "its process was killed", true).await.unwrap().unwrap();
    }
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none());
    let ended = queue.get(&submitted.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.problem.unwrap().reason), (State::Failed, Reason::WorkerLost));
}

async fn cancel_reaches_queued_and_running(queue: &Queue) {
    let (waiting, _) = queue.submit(&job("t", "cancel 1")).await.unwrap();
    queue.cancel(&waiting.id).await.unwrap();
    assert_eq!(state(queue, &waiting.id).await, State::Cancelled);
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none());

    let (running, _) = queue.submit(&job("t", "cancel 2")).await.unwrap();
    let held = lease(queue).await;
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Ok(Heartbeat::Continue));
    queue.cancel(&running.id).await.unwrap();
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Ok(Heartbeat::Cancel));
    queue.stopped(&held).await.unwrap().unwrap();
    queue.cancel(&running.id).await.unwrap();
    assert_eq!(state(queue, &running.id).await, State::Cancelled);
}

async fn a_cancelled_job_whose_worker_died_is_not_run_again(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "cancel and die")).await.unwrap();
    queue.lease("dead", 1, ANY).await.unwrap().unwrap();
    queue.cancel(&submitted.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    queue.recover().await.unwrap();
    assert_eq!(state(queue, &submitted.id).await, State::Cancelled);
}

async fn deadlines_end_jobs(queue: &Queue) {
    let db = queue.database();
    let mut new = job("t", "late");
    new.deadline_ms = Some(db.now_ms().await.unwrap() + 60_000);
    let (late, _) = queue.submit(&new).await.unwrap();
    let held = lease(queue).await;
    queue.recover().await.unwrap();
    assert_eq!(state(queue, &late.id).await, State::Running, "there is time left");
    // the time passes
    let passed = "UPDATE jobs SET deadline = deadline - 60001 WHERE id = $1";
    sqlx::query(passed).bind(&late.id).execute(db.pool()).await.unwrap();
    queue.recover().await.unwrap();
    let ended = queue.get(&late.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.problem.unwrap().reason), (State::Failed, Reason::DeadlinePassed));
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Err(Fenced));
}

/// Runs everything that waits, one job at a time, and returns the payloads in order.
async fn run_all(queue: &Queue) -> Vec<String> {
    let mut order = Vec::new();
    while let Some(held) = queue.lease("w", LEASE, ANY).await.unwrap() {
        succeed(queue, &held).await;
        order.push(held.job.payload);
    }
    order
}

async fn submit_in_order(queue: &Queue, jobs: &[(&str, &str, i64)]) {
    for (tenant, payload, priority) in jobs {
        queue.submit(&NewJob { priority: *priority, ..job(tenant, payload) }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn accounts_take_turns(queue: &Queue) {
    // one account's jobs are in order of priority, then age; they hold back no other account's, whatever their priority
    let jobs =
        [("a", "1", 0), ("a", "2", 0), ("a", "3", 100), ("a", "4", 0), ("b", "5", -100), ("c", "6", 0), ("b", "7", 0)];
    submit_in_order(queue, &jobs).await;
    assert_eq!(run_all(queue).await, ["3", "7", "6", "1", "5", "2", "4"]);

    // 25 jobs of one account before the first of another, one worker: the other waits for one job
    for i in 0..25 {
        queue.submit(&job("flood", &format!("flood {i}"))).await.unwrap();
    }
    let first = lease(queue).await;
    queue.submit(&job("late", "late")).await.unwrap();
    succeed(queue, &first).await;
    let order = run_all(queue).await;
    assert_eq!(order.iter().position(|payload| payload == "late"), Some(1), "{order:?}");

    // several workers: an account without a running job comes before one with
    submit_in_order(queue, &[("a", "8", 0), ("a", "9", 0), ("b", "10", 0), ("a", "11", 0)]).await;
    let mut held = Vec::new();
    for expected in ["8", "10", "9", "11"] {
        held.push(lease(queue).await);
        assert_eq!(held.last().unwrap().job.payload, expected);
    }
    for l in &held {
        succeed(queue, l).await;
    }

    // whoever comes back has no better place than who stayed, and accounts that keep arriving hold nobody up
    submit_in_order(queue, &[("stays", "12", 0), ("stays", "13", 0), ("new 1", "14", 0)]).await;
    let mut order = Vec::new();
    for i in 0..4 {
        let held = lease(queue).await;
        queue.submit(&job(&format!("sybil {i}"), &format!("sybil {i}"))).await.unwrap();
        succeed(queue, &held).await;
        order.push(held.job.payload);
    }
    assert_eq!(order, ["12", "14", "13", "sybil 0"]);
    run_all(queue).await;
}

async fn quotas_hold(queue: &Queue) {
    let queue = queue.clone().with_quotas(Quotas { queued: 3, running: 2 });
    submit_in_order(&queue, &[("greedy", "quota 0", 0), ("greedy", "quota 1", 0), ("greedy", "quota 2", 0)]).await;
    let refused = queue.submit(&job("greedy", "quota 3")).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["most"].as_str()), (Reason::QuotaSpent, "3"));
    // a batch is refused whole, equal work is no new job, and others are not concerned
    assert!(queue.submit_all(&[job("greedy", "quota 0"), job("greedy", "quota 4")]).await.is_err());
    assert!(!queue.submit(&job("greedy", "quota 2")).await.unwrap().1);
    queue.submit(&job("modest", "quota 0")).await.unwrap();

    let held = [lease(&queue).await, lease(&queue).await, lease(&queue).await];
    assert_eq!(held.iter().filter(|l| l.job.tenant == "greedy").count(), 2);
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none(), "greedy runs two already");
    queue.submit(&job("greedy", "quota 3")).await.unwrap();
    for l in &held {
        succeed(&queue, l).await;
    }
    assert_eq!(run_all(&queue).await, ["quota 2", "quota 3"]);
}

/// Whatever happened, the counts of the accounts' jobs are those of the jobs.
async fn counts_are_right(queue: &Queue) {
    let wrong: Vec<String> = sqlx::query_scalar(
        "SELECT t.tenant FROM turns t WHERE
            t.queued <> (SELECT COUNT(*) FROM jobs j WHERE j.tenant = t.tenant AND j.state = 'queued')
            OR t.running <> (SELECT COUNT(*) FROM jobs j WHERE j.tenant = t.tenant AND j.state = 'running')",
    )
    .fetch_all(queue.database().pool())
    .await
    .unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

async fn memory_is_admitted_by_weight(queue: &Queue) {
    let mut heavy = job("t", "heavy");
    heavy.weight_mb = 4000;
    queue.submit(&heavy).await.unwrap();
    assert!(queue.lease("w", LEASE, 3999).await.unwrap().is_none());
    let held = queue.lease("w", LEASE, 4000).await.unwrap().unwrap();
    succeed(queue, &held).await;
}

async fn events_tell_the_whole_story(queue: &Queue) {
    let (submitted, _) = queue.submit(&job("t", "story")).await.unwrap();
    let held = lease(queue).await;
    let progress = Progress { phase: "prove".into(), done: 1, total: 3 };
    queue.heartbeat(&held, LEASE, Some(&progress)).await.unwrap().unwrap();
    queue.release(&held, "gone", false).await.unwrap().unwrap();
    let held = lease(queue).await;
    succeed(queue, &held).await;
    let events = queue.events(&submitted.id, 0).await.unwrap();
    let story: Vec<Event> = events.iter().map(|e| e.event.clone()).collect();
    assert_eq!(
        story,
        [
            Event::State(State::Queued),
            Event::State(State::Running),
            Event::Progress(progress),
            Event::Requeued("gone".into()),
            Event::State(State::Running),
            Event::State(State::Succeeded),
        ]
    );
    assert_eq!(events.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(queue.events(&submitted.id, 4).await.unwrap(), events[4..]);
}

/// Several workers at once: every job is leased once and ends once.
async fn concurrent_workers_share_the_jobs(queue: &Queue) {
    let new: Vec<NewJob> = (0..40).map(|i| job("t", &format!("concurrent {i}"))).collect();
    queue.submit_all(&new).await.unwrap();
    let workers: Vec<_> = (0..4)
        .map(|w| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(held) = queue.lease(&format!("w{w}"), LEASE, ANY).await.unwrap() {
                    succeed(&queue, &held).await;
                    mine.push(held.job.id);
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    // a worker may find the queue empty while another's row is locked, but no job is done twice or left
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 40);
}

async fn listing_pages(queue: &Queue) {
    for i in 0..5 {
        queue.submit(&job("lister", &format!("list {i}"))).await.unwrap();
    }
    let first = queue.list("lister", None, None, 3).await.unwrap();
    let last = first.last().unwrap();
    let rest = queue.list("lister", None, Some((last.created_ms, last.id.clone())), 3).await.unwrap();
    let ids: HashSet<_> = first.iter().chain(&rest).map(|j| j.id.clone()).collect();
    assert_eq!((first.len(), rest.len(), ids.len()), (3, 2, 5));
    assert!(queue.list("lister", Some(State::Failed), None, 9).await.unwrap().is_empty());
    while let Some(held) = queue.lease("w", LEASE, ANY).await.unwrap() {
        succeed(queue, &held).await;
    }
}

async fn waiting(queue: &Queue, name: &str) -> (String, Vec<String>) {
    let parts: Vec<NewJob> = (0..2).map(|i| job("needy", &format!("{name} {i}"))).collect();
    let mut tx = queue.database().begin().await.unwrap();
    let (whole, _) = queue.insert(&mut tx, &job("needy", name)).await.unwrap();
    let mut needs = Vec::new();
    for part in &parts {
        needs.push(queue.insert(&mut tx, part).await.unwrap().0.id);
    }
    queue.make_wait(&mut tx, &whole.id, &needs, &[]).await.unwrap();
    tx.commit().await.unwrap();
    (whole.id, needs)
}

async fn a_job_waits_for_those_it_needs(queue: &Queue) {
    let (whole, needs) = waiting(queue, "all succeed").await;
    let (first, second) = (lease(queue).await, lease(queue).await);
    assert!(needs.contains(&first.job.id) && needs.contains(&second.job.id), "the parts come first");
    succeed(queue, &first).await;
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none(), "one is not enough");
    // a part that comes back does not count twice
    queue.release(&second, "gone", true).await.unwrap().unwrap();
    let second = lease(queue).await;
    succeed(queue, &second).await;
    let last = lease(queue).await;
    assert_eq!(last.job.id, whole);
    succeed(queue, &last).await;

    let progress = |event: &EventRow| match &event.event {
        Event::Progress(p) => Some((p.phase.clone(), p.done, p.total)),
        _ => None,
    };
    let story = queue.events(&whole, 0).await.unwrap();
    let told: Vec<_> = story.iter().filter_map(progress).collect();
    assert_eq!(told, [0, 1, 2].map(|done| ("parts".to_owned(), done, 2)), "how many parts are done");

    // a part that fails ends the whole with its reason, and the parts that still wait or run
    let (whole, needs) = waiting(queue, "one fails").await;
    let held = lease(queue).await;
    queue.fail(&held, &Problem::new(Reason::BadRecord, "no")).await.unwrap().unwrap();
    let ended = queue.get(&whole).await.unwrap().unwrap();
    let problem = ended.problem.unwrap();
    assert_eq!((ended.state, problem.reason, problem.message.as_str()), (State::Failed, Reason::BadRecord, "no"));
    assert_eq!(problem.metadata["part"], held.job.id);
    let other = needs.iter().find(|part| **part != held.job.id).unwrap();
    assert_eq!(state(queue, other).await, State::Cancelled);
    assert!(queue.lease("w", LEASE, ANY).await.unwrap().is_none());
    waiting(queue, "one fails while another runs").await;
    let (failing, running) = (lease(queue).await, lease(queue).await);
    queue.fail(&failing, &Problem::new(Reason::BadRecord, "no")).await.unwrap().unwrap();
    assert_eq!(queue.heartbeat(&running, LEASE, None).await.unwrap(), Ok(Heartbeat::Cancel));
    queue.stopped(&running).await.unwrap().unwrap();
    // what has failed cannot be waited for
    let (late, _) = queue.submit(&job("needy", "too late")).await.unwrap();
    let mut tx = queue.database().begin().await.unwrap();
    assert_eq!(queue.make_wait(&mut tx, &late.id, &[], &needs).await.unwrap_err().reason, Reason::NotReady);
    tx.rollback().await.unwrap();
    succeed(queue, &lease(queue).await).await;

    // a cancelled whole takes its parts along, running ones too
    let (whole, needs) = waiting(queue, "cancelled").await;
    let held = lease(queue).await;
    queue.cancel(&whole).await.unwrap();
    assert_eq!(state(queue, &whole).await, State::Cancelled);
    assert_eq!(queue.heartbeat(&held, LEASE, None).await.unwrap(), Ok(Heartbeat::Cancel));
    queue.stopped(&held).await.unwrap().unwrap();
    for part in &needs {
        assert_eq!(state(queue, part).await, State::Cancelled);
    }

    // but not those that another whole waits for
    let (whole, needs) = waiting(queue, "shared").await;
    let mut tx = queue.database().begin().await.unwrap();
    let (other, _) = queue.insert(&mut tx, &job("needy", "shares one")).await.unwrap();
    queue.make_wait(&mut tx, &other.id, &needs[..1], &[]).await.unwrap();
    tx.commit().await.unwrap();
    queue.cancel(&whole).await.unwrap();
    assert_eq!([state(queue, &needs[0]).await, state(queue, &needs[1]).await], [State::Queued, State::Cancelled]);
    queue.cancel(&other.id).await.unwrap();
    assert_eq!(state(queue, &needs[0]).await, State::Cancelled);

    // a job counts once, however often it is named
    let (whole, needs) = waiting(queue, "named twice").await;
    let mut tx = queue.database().begin().await.unwrap();
    let twice = [&needs[0], &needs[0]].map(String::clone);
    let (after, _) = queue.insert(&mut tx, &job("needy", "after both")).await.unwrap();
    queue.make_wait(&mut tx, &after.id, &needs, &twice).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..2 {
        let held = lease(queue).await;
        assert!(needs.contains(&held.job.id));
        succeed(queue, &held).await;
    }
    let ends = [lease(queue).await, lease(queue).await];
    assert!([&whole, &after.id].iter().all(|id| ends.iter().any(|held| held.job.id == **id)));
    for held in &ends {
        succeed(queue, held).await;
    }
}

/// A part that its owner has submitted as well, before or after the whole, does not end with it.
async fn what_was_submitted_outlives_its_whole(queue: &Queue) {
    let (before, _) = queue.submit(&job("needy", "before 0")).await.unwrap();
    let (first, parts) = waiting(queue, "before").await;
    assert_eq!(before.id, parts[0]);
    let (second, others) = waiting(queue, "after").await;
    let (after, fresh) = queue.submit(&job("needy", "after 1")).await.unwrap();
    assert!(!fresh && after.id == others[1]);
    for whole in [&first, &second] {
        queue.cancel(whole).await.unwrap();
    }
    let states = [&parts[0], &parts[1], &others[0], &others[1]];
    let expected = [State::Queued, State::Cancelled, State::Cancelled, State::Queued];
    for (part, expected) in states.into_iter().zip(expected) {
        assert_eq!(state(queue, part).await, expected);
    }
    // their owner ends them
    for part in [&before.id, &after.id] {
        queue.cancel(part).await.unwrap();
        assert_eq!(state(queue, part).await, State::Cancelled);
    }
}

async fn news_reaches_who_waits(queue: &Queue) {
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let (news, task) = News::start(queue.database().clone(), stopping);
    let (submitted, _) = queue.submit(&job("t", "news")).await.unwrap();
    let mut watcher = news.watch(&submitted.id);
    let quick = Duration::from_secs(20);
    // when the reader has connected, everybody looks once
    watcher.changed(quick).await;
    for _ in 0..3 {
        let held = lease(queue).await;
        let start = std::time::Instant::now();
        watcher.changed(quick).await;
        assert!(start.elapsed() < Duration::from_secs(10), "no news of a lease");
        queue.release(&held, "gone", false).await.unwrap().unwrap();
        watcher.changed(quick).await;
    }
    // another process hears of it as well: it has a connection of its own
    let queued = news.queued();
    let told = tokio::time::timeout(Duration::from_secs(10), queued.notified());
    queue.submit(&job("t", "more news")).await.unwrap();
    told.await.expect("no news of a queued job");
    for _ in 0..2 {
        succeed(queue, &lease(queue).await).await;
    }
    drop(watcher);
    stop.send_replace(true);
    task.await.unwrap();
}

async fn old_jobs_are_forgotten(queue: &Queue) {
    let (old, _) = queue.submit(&job("t", "old")).await.unwrap();
    succeed(queue, &lease(queue).await).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (waiting, _) = queue.submit(&job("t", "still waiting")).await.unwrap();
    // notes are found by the tenant's jobs, the latest first, and go with the job that kept them
    for note in ["draft", "old"] {
        queue.keep_note(&old.id, "proof", note).await.unwrap();
    }
    let noted = async |tenant, name| queue.note(tenant, name).await.unwrap();
    assert_eq!(noted("t", "proof").await.as_deref(), Some("old"));
    assert_eq!((noted("u", "proof").await, noted("t", "other").await), (None, None));
    queue.keep_note(&waiting.id, "proof", "new").await.unwrap();
    queue.keep_note(&old.id, "gone", "old").await.unwrap();
    assert_eq!(noted("t", "proof").await.as_deref(), Some("new"));
    // whether there is one is not asked of jobs that were cancelled or have failed
    let (dropped, _) = queue.submit(&job("t", "dropped")).await.unwrap();
    queue.keep_note(&dropped.id, "dropped", "").await.unwrap();
    let is_noted = async |tenant, name| queue.is_noted(tenant, name).await.unwrap();
    assert!(is_noted("t", "gone").await && is_noted("t", "dropped").await);
    assert!(!is_noted("u", "gone").await && !is_noted("t", "other").await);
    queue.cancel(&dropped.id).await.unwrap();
    assert!(!is_noted("t", "dropped").await);
    let (failing, _) = queue.submit(&NewJob { priority: 1, ..job("t", "failing") }).await.unwrap();
    queue.keep_note(&failing.id, "failing", "").await.unwrap();
    let held = lease(queue).await;
    assert!(held.job.id == failing.id && is_noted("t", "failing").await);
    let problem = Problem::new(Reason::BadField, "it cannot be done");
    assert_eq!(queue.fail(&held, &problem).await.unwrap(), Ok(State::Failed));
    assert!(!is_noted("t", "failing").await);
    assert_eq!(queue.forget_ended(Duration::from_secs(3600)).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(queue.forget_ended(Duration::ZERO).await.unwrap() > 5);
    assert!(queue.get(&old.id).await.unwrap().is_none());
    assert_eq!((noted("t", "proof").await.as_deref(), noted("t", "gone").await), (Some("new"), None));
    assert!(!is_noted("t", "gone").await);
    assert!(queue.events(&old.id, 0).await.unwrap().is_empty());
    assert_eq!(state(queue, &waiting.id).await, State::Queued);
    succeed(queue, &lease(queue).await).await;
}

/// What a job needs is kept until it has ended, and its parts as long as itself.
async fn what_is_needed_is_not_forgotten(queue: &Queue) {
    let forget = async || {
        tokio::time::sleep(Duration::from_millis(5)).await;
        queue.forget_ended(Duration::ZERO).await.unwrap()
    };
    forget().await;
    let (other, _) = queue.submit(&job("needy", "needed by one that waits")).await.unwrap();
    succeed(queue, &lease(queue).await).await;
    let (whole, parts) = waiting(queue, "waits while parts grow old").await;
    let mut tx = queue.database().begin().await.unwrap();
    let (after, _) = queue.insert(&mut tx, &job("needy", "waits for others")).await.unwrap();
    queue.make_wait(&mut tx, &after.id, &[], &[other.id.clone(), whole.clone()]).await.unwrap();
    tx.commit().await.unwrap();
    let exists = async |id: &str| queue.get(id).await.unwrap().is_some();
    succeed(queue, &lease(queue).await).await;
    assert_eq!(forget().await, 0);
    succeed(queue, &lease(queue).await).await;
    assert_eq!(forget().await, 0);
    assert!(exists(parts[0].as_str()).await && exists(parts[1].as_str()).await && exists(other.id.as_str()).await);
    // the whole has ended, but is itself needed: its parts stay
    let held = lease(queue).await;
    assert_eq!(held.job.id, whole);
    succeed(queue, &held).await;
    assert_eq!(forget().await, 0);
    assert!(exists(parts[0].as_str()).await && exists(parts[1].as_str()).await);
    let last = lease(queue).await;
    assert_eq!(last.job.id, after.id);
    succeed(queue, &last).await;
    // then all go at once
    assert_eq!(forget().await, 5);
}

/// What no row names is deleted when it is old; what is named, or young, stays.
async fn unnamed_artefacts_are_swept(queue: &Queue) {
    let folder = tempfile::tempdir().unwrap();
    let artefacts = Artefacts::in_folder(folder.path()).unwrap();
    let named = artefacts.put(b"named".to_vec()).await.unwrap();
    let unnamed = artefacts.put(b"unnamed".to_vec()).await.unwrap();
    queue.submit(&job("sweeper", &format!("{{\"records\":\"{named}\"}}"))).await.unwrap();
    let db = queue.database();
    // by which workers recognise the store
    announce(db, &artefacts, None).await.unwrap();
    assert_eq!(sweep(db, &artefacts, Duration::from_secs(60)).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(sweep(db, &artefacts, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(artefacts.get(&named).await.unwrap(), b"named");
    assert!(artefacts.get(&unnamed).await.is_err());
    succeed(queue, &lease(queue).await).await;
}

async fn conforms(url: &str) {
    let queue = Queue::new(Database::open(url).await.unwrap());
    equal_work_is_one_job(&queue).await;
    a_batch_is_all_or_none(&queue).await;
    a_lapsed_lease_changes_nothing(&queue).await;
    a_lapsed_lease_is_taken_back(&queue).await;
    a_clock_that_was_ahead_keeps_no_job(&queue).await;
    an_uncommitted_completion_counts_for_nothing(&queue).await;
    failures_use_up_attempts(&queue).await;
    work_that_loses_every_worker_ends(&queue).await;
    cancel_reaches_queued_and_running(&queue).await;
    a_cancelled_job_whose_worker_died_is_not_run_again(&queue).await;
    deadlines_end_jobs(&queue).await;
    counts_are_right(&queue).await;
    accounts_take_turns(&queue).await;
    quotas_hold(&queue).await;
    memory_is_admitted_by_weight(&queue).await;
    events_tell_the_whole_story(&queue).await;
    concurrent_workers_share_the_jobs(&queue).await;
    a_job_waits_for_those_it_needs(&queue).await;
    what_was_submitted_outlives_its_whole(&queue).await;
    news_reaches_who_waits(&queue).await;
    unnamed_artefacts_are_swept(&queue).await;
    old_jobs_are_forgotten(&queue).await;
    what_is_needed_is_not_forgotten(&queue).await;
    listing_pages(&queue).await;
    counts_are_right(&queue).await;
    // reopening keeps the jobs
    let again = Queue::new(Database::open(url).await.unwrap());
    assert_eq!(again.list("lister", Some(State::Succeeded), None, 9).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&format!("sqlite:{}", folder.path().join("queue.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    let Some(postgres) = Postgres::start() else { return };
    conforms(&postgres.url).await;
}
