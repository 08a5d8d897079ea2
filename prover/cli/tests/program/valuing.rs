//! A valuation as a job: what is refused before anything is spent, parts that fail, and work that goes on on another machine.

use std::time::Duration;

use sqlx::AnyPool;
use tribute_client::{problem, Client};
use tribute_core::schema::{Feature, Schema, Target};
use tribute_problem::{Reason, Result};
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{connect, gradients, grant, optimum, registered, terms, trained};
use tribute_testing::data::{csv, dataset, file, wine_schema, wines};
use tribute_testing::process::{is_alive, working_children};
use tribute_testing::{wait_for, Place};

/// λ = 2^-5.
const LAMBDA: u64 = 1 << 39;
/// Short leases, so that a lost worker is noticed soon.
const SHORT: &[&str] = &["--lease-ms", "600"];

fn open(work: v1::DatasetWork) -> v1::DatasetWork {
    let terms = Some(v1::Terms { min_data_bps: 5000, open_training: true, ..Default::default() });
    v1::DatasetWork { terms, ..work }
}

/// A certified agent over two owners' datasets, and another's test set, which has to be granted.
struct Market {
    owner: Client,
    tester: Client,
    weights: Vec<u8>,
    datasets: [v1::Dataset; 2],
    test: v1::Dataset,
}

impl Market {
    async fn new(url: &str, data: [v1::DatasetWork; 2], test: v1::DatasetWork, link: v1::Link, lambda: u64) -> Self {
        let [first, second] = data;
        let datasets =
            [registered(&connect(url).await, open(first)).await, registered(&connect(url).await, open(second)).await];
        let (owner, tester) = (connect(url).await, connect(url).await);
        let agent = trained(&owner, terms(&[&datasets[0], &datasets[1]], link, lambda)).await.unwrap();
        gradients(&owner, &agent.weights_digest).await;
        optimum(&owner, &agent.weights_digest).await.unwrap();
        let test = registered(&tester, test).await;
        Market { owner, tester, weights: agent.weights_digest, datasets, test }
    }

    async fn of_wines(url: &str) -> Self {
        let [first, second, test] =
            [0..60, 60..120, 120..178].map(|rows| dataset(&wine_schema(), csv("wine.csv", wines(rows))));
        Market::new(url, [first, second], test, v1::Link::Squared, LAMBDA).await
    }

    /// Lets the test set be used once more.
    async fn grant(&self) {
        grant(&self.tester, &self.test.id, &self.owner).await.unwrap();
    }

    /// Each owner alone: two coalitions.
    fn work(&self, test: &v1::Dataset) -> v1::ValuationWork {
        let coalitions = [0, 1].map(|owner| v1::Coalition { owners: vec![owner] }).to_vec();
        v1::ValuationWork { weights_digest: self.weights.clone(), dataset_id: test.id.clone(), coalitions }
    }

    async fn value(&self, test: &v1::Dataset) -> Result<v1::Job> {
        let request = v1::ValueAgentRequest { work: Some(self.work(test)), options: None };
        Ok(self.owner.agents().value_agent(request).await.map_err(problem)?.into_inner().job.unwrap())
    }

    async fn estimate(&self, test: &v1::Dataset) -> v1::EstimateResponse {
        let work = Some(v1::Work { work: Some(v1::work::Work::Valuation(self.work(test))) });
        self.owner.jobs().estimate(v1::EstimateRequest { work }).await.unwrap().into_inner()
    }

    /// The owner's jobs of a valuation.
    async fn jobs(&self) -> Vec<v1::Job> {
        let jobs = self.owner.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
        jobs.into_iter().filter(|job| ["valuation", "coalition", "evaluation"].contains(&job.kind.as_str())).collect()
    }
}

/// The database of a server.
async fn database(place: &Place) -> AnyPool {
    sqlx::any::install_default_drivers();
    AnyPool::connect(&format!("sqlite:{}", place.data().join("tribute.db").display())).await.unwrap()
}

/// How often the commitments of datasets of one shard were opened.
async fn opened(pool: &AnyPool, datasets: &[&v1::Dataset]) -> i64 {
    let mut opened = 0;
    for dataset in datasets {
        let select = sqlx::query_scalar("SELECT used FROM openings WHERE digest = $1");
        let used: i64 = select.bind(hex::encode(&dataset.shards[0].digest)).fetch_one(pool).await.unwrap();
        opened += used;
    }
    opened
}

/// Leaves others so many openings of a dataset of one shard. The last quarter is the owner's alone.
async fn leave(pool: &AnyPool, dataset: &v1::Dataset, left: i64) {
    let update = sqlx::query("UPDATE openings SET used = ends - budget / 4 - $2 WHERE digest = $1");
    let update = update.bind(hex::encode(&dataset.shards[0].digest)).bind(left);
    assert_eq!(update.execute(pool).await.unwrap().rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valuation_that_could_not_end_is_refused_before_it_starts() {
    let place = Place::new();
    let served = place.serve(&["--k", "11"]);
    let m = Market::of_wines(&served.url).await;
    // without the leave of the test set's owner, or with fewer uses than the evaluation and both coalitions take
    for _ in 0..3 {
        assert_eq!(m.value(&m.test).await.unwrap_err().reason, Reason::NoGrant);
        m.grant().await;
    }

    // with fewer openings left than it takes, of a dataset or of the test set
    let pool = database(&place).await;
    for (dataset, planned) in [(&m.datasets[1], 1), (&m.test, 3)] {
        let left = planned - 1;
        leave(&pool, dataset, left).await;
        let refused = m.value(&m.test).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BudgetSpent, "{refused}");
        let told = ["dataset", "planned", "left"].map(|field| refused.metadata[field].clone());
        assert_eq!(told, [format!("0x{}", hex::encode(&dataset.id)), planned.to_string(), left.to_string()]);
        let estimate = m.estimate(&m.test).await;
        let told = estimate.datasets.iter().find(|d| d.dataset_id == dataset.id).unwrap();
        assert_eq!((told.planned as i64, told.left as i64), (planned, left));
        leave(&pool, dataset, planned).await;
    }
    assert!(m.jobs().await.is_empty(), "nothing was queued");

    // with exactly enough of both it succeeds, as one job
    let job = m.value(&m.test).await.unwrap();
    let done = m.owner.finish(&job.id, |_| {}).await.unwrap();
    let progress = done.progress.unwrap();
    assert_eq!((progress.phase.as_str(), progress.done, progress.total), ("parts", 3, 3));
    let Some(v1::outcome::Outcome::Valuation(proven)) = done.outcome.and_then(|o| o.outcome) else { panic!() };
    assert!(proven.coalition_jobs.len() == 2 && !proven.evaluation_json.is_empty());
    // the coalitions' proofs are in the outcomes of their jobs, in the order of the work
    for (job, position) in proven.coalition_jobs.into_iter().zip(0..) {
        let part = m.owner.jobs().get_job(v1::GetJobRequest { job }).await.unwrap().into_inner();
        let Some(v1::outcome::Outcome::Coalition(made)) = part.outcome.and_then(|o| o.outcome) else { panic!() };
        assert!(made.owners == [position] && !made.parts_json.is_empty());
    }
    let told = m.estimate(&m.test).await;
    assert!(told.existing == job.id && told.openings == 0 && told.datasets.iter().all(|d| d.planned == 0), "{told:?}");
    assert_eq!(told.datasets.iter().map(|d| d.left).collect::<Vec<_>>()[1..], [0, 0]);
    assert_eq!(m.jobs().await.len(), 4);
}

/// Records of two features and two classes.
fn coins(rows: &[([u8; 2], u16)]) -> v1::DatasetWork {
    let features = ["left", "right"].map(|name| Feature { name: name.into(), lo: 0.0, hi: 1.0 }).to_vec();
    let classes = Target::Classes(["heads", "tails"].map(String::from).to_vec());
    let schema = Schema::new("coins".into(), features, classes, None).unwrap();
    let bytes = rows.iter().flat_map(|(features, class)| [&features[..], &class.to_be_bytes()].concat()).collect();
    dataset(&schema, v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: file(bytes) }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coalition_that_cannot_be_certified_ends_the_valuation_with_its_reason() {
    let place = Place::new();
    let served = place.serve(&["--k", "15"]);
    // the second owner's records say next to nothing: their optimum is nearly zero, and the agent's is not
    let clear: [([u8; 2], u16); 2] = [([255, 0], 0), ([0, 255], 1)];
    let empty: [([u8; 2], u16); 2] = [([128, 128], 0), ([128, 128], 1)];
    let signal: [([u8; 2], u16); 2] = [([129, 128], 0), ([128, 129], 1)];
    let faint = [&empty.repeat(19)[..], &signal].concat();
    let [first, second, test] = [&clear.repeat(30), &faint, &clear.repeat(10)].map(|rows| coins(rows));
    let m = Market::new(&served.url, [first, second], open(test), v1::Link::Softmax, 1 << 43).await;

    let pool = database(&place).await;
    let before = opened(&pool, &[&m.datasets[1]]).await;
    let job = m.value(&m.test).await.unwrap();
    let refused = m.owner.finish(&job.id, |_| {}).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotTheOptimum, "{refused}");
    assert!(refused.message.contains("the optimum of coalition [1] is too small a model"), "{refused}");
    assert_eq!(opened(&pool, &[&m.datasets[1]]).await, before, "refused before anything was opened");
    // the other parts have ended before, or are stopped
    let start = std::time::Instant::now();
    loop {
        let jobs = m.jobs().await;
        let failed: Vec<&v1::Job> = jobs.iter().filter(|job| job.state() == JobState::Failed).collect();
        assert!(failed.len() == 2 && failed.iter().any(|failed| failed.id == refused.metadata["part"]), "{jobs:?}");
        if jobs.iter().all(|job| job.ended_ms > 0) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "some parts go on: {jobs:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_goes_on_opens_nothing_twice() {
    let place = Place::new();
    let served = place.serve(&["--k", "11", "--workers", "0"]);
    let mut worker = place.worker(SHORT);
    let m = Market::of_wines(&served.url).await;
    for _ in 0..3 {
        m.grant().await;
    }
    let pool = database(&place).await;
    let of_all = [&m.datasets[0], &m.datasets[1], &m.test];
    let before = opened(&pool, &of_all).await;
    let planned = m.estimate(&m.test).await.openings as i64;
    // one opening of each coalition's data, three of the test set
    assert_eq!(planned, 5);

    // from the first proof that is kept on, none can be opened: the machine goes down between two proofs
    let hold = "CREATE TRIGGER held BEFORE UPDATE ON openings WHEN EXISTS (SELECT 1 FROM job_notes)
         BEGIN SELECT RAISE(ABORT, 'held'); END";
    sqlx::query(hold).execute(&pool).await.unwrap();
    let job = m.value(&m.test).await.unwrap();
    let notes =
        async || -> i64 { sqlx::query_scalar("SELECT COUNT(*) FROM job_notes").fetch_one(&pool).await.unwrap() };
    let start = std::time::Instant::now();
    while notes().await == 0 {
        assert!(start.elapsed() < Duration::from_secs(180), "no proof was kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let child = wait_for("the working process", || working_children(worker.id()).pop());
    worker.kill().unwrap();
    worker.wait().unwrap();
    wait_for("the orphan's end", || (!is_alive(child)).then_some(()));
    assert_eq!(notes().await, 1);

    // the next one has nothing of its folder
    std::fs::remove_dir_all(place.data().join("cache")).unwrap();
    sqlx::query("DROP TRIGGER held").execute(&pool).await.unwrap();
    let mut worker = place.worker(SHORT);
    m.owner.finish(&job.id, |_| {}).await.unwrap();
    assert!(m.jobs().await.iter().any(|job| job.kind == "coalition" && job.starts > 1));
    assert_eq!(opened(&pool, &of_all).await, before + planned);
    // two gradients, two optima, two evaluations
    assert_eq!(notes().await, 6);

    // on another test set the coalitions are only evaluated: no opening of their data is needed
    for dataset in &m.datasets {
        leave(&pool, dataset, 0).await;
    }
    let before = opened(&pool, &of_all).await;
    let other = dataset(&wine_schema(), csv("wine.csv", wines(120..160)));
    let other = registered(&connect(&served.url).await, open(other)).await;
    let told = m.estimate(&other).await;
    assert_eq!(told.datasets.iter().map(|d| (d.planned, d.left)).collect::<Vec<_>>()[..2], [(0, 0); 2]);
    assert_eq!((told.datasets[2].planned, told.openings), (3, 3));
    let job = m.value(&other).await.unwrap();
    m.owner.finish(&job.id, |_| {}).await.unwrap();
    assert_eq!(opened(&pool, &of_all).await, before);
    assert_eq!(notes().await, 8);
    worker.kill().unwrap();
    worker.wait().unwrap();
}
