//! Training across nodes, with four servers, each with its own data folder and custody, over gRPC: from requests to a certificate.

mod kills;
mod party;
mod ranges;
mod refused;
mod several;

use serde_json::Value;
use tribute_client::{problem, Client};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{calibrate, registered, submit, terms, trained};
use tribute_testing::data::{self, csv, wine_schema};

use crate::party::{held_out, part, Party, LAMBDA};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_stays_home() {
    let mut providers: Vec<Party> = (0..3).map(|_| Party::new()).collect();
    let owner = Party::new();
    let mut datasets = Vec::new();
    for (i, provider) in providers.iter().enumerate() {
        let work = data::dataset(&wine_schema(), csv("wine.csv", part(i)));
        datasets.push(registered(&provider.client().await, work).await);
    }

    // the owner asks; nothing is computed before all approve
    let mut ask: Vec<String> = ["request", "ask", "--lambda", LAMBDA, "--purpose", "wines"].map(Into::into).into();
    for (provider, dataset) in providers.iter().zip(&datasets) {
        ask.extend(["--node".into(), format!("{}=0x{}", provider.served.url, hex::encode(&dataset.id))]);
    }
    let asked = owner.says(&ask.iter().map(String::as_str).collect::<Vec<_>>());
    let id = asked["request"].as_str().unwrap().to_owned();
    let train = ["request", "train", "request.json", "--patience", "120", "--out", "agent.json"];
    let refused = owner.fails(&train);
    assert!(refused.contains("not approved yet by") && refused.contains(&providers[2].served.url), "{refused}");

    // providers see what they would publish and spend; one wants more company, one declines at first
    let shown = providers[0].says(&["request", "show", &id]);
    assert_eq!((&shown["state"], &shown["expenses"]["shards"]), (&"asked".into(), &1.into()));
    let alone = providers[0].fails(&["request", "approve", &id, "--least-participants", "4"]);
    assert!(alone.contains("3 accounts take part, at least 4 are wanted"), "{alone}");
    for provider in &providers {
        assert_eq!(provider.says(&["request", "approve", &id])["state"], "approved");
    }
    let listed = providers[1].says(&["request", "list"]);
    assert_eq!(listed[0]["request"], id.as_str());
    // strangers see nothing
    assert!(Party::new().fails(&["request", "show", &id]).contains("no request"));

    // a node is killed while the owner trains, and comes back at its address
    let running = owner.command(&train).spawn().unwrap();
    providers[1].restart();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    let agent: Value = serde_json::from_slice(&std::fs::read(owner.place.path().join("agent.json")).unwrap()).unwrap();
    let rounds = agent["training"]["rounds"].as_u64().unwrap();
    assert!(rounds <= 15, "{rounds} rounds");
    assert!(agent["relative_distance"].as_f64().unwrap() < 1e-3);
    assert_eq!((&agent["gradients_proven"], &agent["records"]), (&3.into(), &178.into()));
    let weights = agent["weights_digest"].as_str().unwrap().to_owned();
    // asked again, everything is found: no further round, no further proof
    let again = owner.says(&["request", "train", "request.json"]);
    assert_eq!(again["weights_digest"], weights.as_str());

    owner.says(&["agent", "prove-optimum", &weights]);
    owner.says(&["agent", "certificate", &weights]);
    owner.says(&["verify", "certificate.json", "--allow-dev-srs"]);

    // the same as if all data had been in one place: same circuits, shares within what both distances allow
    let hosted = Party::new();
    let mut all = Vec::new();
    for i in 0..3 {
        all.push(registered(&hosted.client().await, data::dataset(&wine_schema(), csv("wine.csv", part(i)))).await);
    }
    let lambda = (LAMBDA.parse::<f64>().unwrap() * f64::from(44).exp2()) as u64;
    let one = trained(&hosted.client().await, terms(&all.iter().collect::<Vec<_>>(), v1::Link::Softmax, lambda))
        .await
        .unwrap();
    let bound = 8.0 * (one.relative_distance + agent["relative_distance"].as_f64().unwrap());
    for (a, b) in one.shares.iter().zip(agent["shares"].as_array().unwrap()) {
        assert!((a - b.as_f64().unwrap()).abs() <= bound, "{a} {b} {bound:e}");
    }
    for (a, b) in all.iter().zip(&datasets) {
        let circuit = |d: &v1::Dataset| d.shards[0].proof.clone().unwrap().circuit_id;
        assert_eq!(circuit(a), circuit(b));
    }

    // a coalition is trained where its datasets are, and here they are nowhere
    let nowhere = format!("0x{}", "11".repeat(32));
    let refused = owner.fails(&["agent", "value", &weights, "--test", &nowhere]);
    assert!(refused.contains("data stayed at other nodes"), "{refused}");

    // the agent's accuracy on wines that another provider keeps at home, who has to grant it
    let (guest, held_out) = (Party::new(), held_out());
    let work = data::dataset(&wine_schema(), csv("wine.csv", held_out));
    let kept = registered(&guest.client().await, work).await;
    let kept_id = format!("0x{}", hex::encode(&kept.id));
    let url = guest.link.url();
    let evaluate = ["agent", "evaluate", &weights, "--dataset", &kept_id, "--node", &url];
    let refused = owner.fails(&evaluate);
    assert!(refused.contains(&url) && refused.contains("grant"), "{refused}");
    // the training allotted openings to three; nothing is lent before the node has said that it would evaluate
    sqlx::any::install_default_drivers();
    let database = format!("sqlite:{}", owner.place.data().join("tribute.db").display());
    let allotted = async || {
        let pool = sqlx::AnyPool::connect(&database).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM allotted").fetch_one(&pool).await.unwrap();
        pool.close().await;
        rows
    };
    assert_eq!(allotted().await, 3);
    let account = owner.client().await.account().unwrap().to_string();
    let grant_two = ["dataset", "grant", &kept_id, "--to", &account, "--uses", "2"];
    guest.says(&grant_two);
    owner.says(&evaluate);
    assert_eq!(allotted().await, 4);
    // the node deletes what it was lent once the job has ended
    let guests = format!("sqlite:{}", guest.place.data().join("tribute.db").display());
    let lent_at_guest = async || {
        let pool = sqlx::AnyPool::connect(&guests).await.unwrap();
        let last = "SELECT payload FROM jobs WHERE kind = 'evaluation' ORDER BY created_ms DESC LIMIT 1";
        let payload: String = sqlx::query_scalar(last).fetch_one(&pool).await.unwrap();
        pool.close().await;
        let payload: Value = serde_json::from_str(&payload).unwrap();
        let lent = payload["weights"]["lent"].as_str().unwrap();
        guest.place.data().join("artefacts").join(&lent[..2]).join(lent)
    };
    let file = lent_at_guest().await;
    for _ in 0..100 {
        if !file.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!file.exists(), "{} is still there", file.display());
    let proven = || std::fs::read(owner.place.path().join("evaluation.json")).unwrap();
    let first = proven();
    // lent again, with openings of its own
    let lent_as = |number| [&evaluate[..], &["--lending", number]].concat();
    owner.says(&lent_as("1"));
    assert_eq!(allotted().await, 5);
    let second = proven();
    assert_ne!(first, second);
    // no use is left: what was evaluated is found again, and another evaluation is refused before anything is lent
    owner.says(&evaluate);
    assert_eq!(proven(), first);
    owner.says(&lent_as("1"));
    assert_eq!(proven(), second);
    let refused = owner.fails(&lent_as("2"));
    assert!(refused.contains("its owner has to grant it"), "{refused}");
    assert_eq!(allotted().await, 5);
    let file = lent_at_guest().await;
    assert!(!file.exists(), "{} is still there", file.display());
    // nor may other weights take the place of those that were lent: they are other work, with which no job is made
    let certificate = std::fs::read(owner.place.path().join("certificate.json")).unwrap();
    let sent = async |client: &Client, certificate: Vec<u8>, weights: Vec<u8>, dataset: &[u8]| {
        let request = v1::EvaluateAtHomeRequest {
            dataset_id: dataset.to_vec(),
            certificate_upload: client.upload(certificate).await.unwrap(),
            weights_upload: client.upload(weights).await.unwrap(),
            blinding: vec![1; 96],
            options: None,
            lending: 0,
        };
        let job = client.trainings().evaluate_at_home(request).await.map_err(problem)?.into_inner().job.unwrap();
        client.finish(&job.id, |_| {}).await
    };
    let asking = Client::connect(&url, owner.key.clone()).await.unwrap();
    let jobs_at_guest = async || {
        let pool = sqlx::AnyPool::connect(&guests).await.unwrap();
        let jobs: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs").fetch_one(&pool).await.unwrap();
        pool.close().await;
        jobs
    };
    let jobs = jobs_at_guest().await;
    let refused = sent(&asking, certificate.clone(), vec![0; 8 * 14 * 3], &kept.id).await.unwrap_err();
    assert_eq!((refused.reason, jobs_at_guest().await), (Reason::NoGrant, jobs), "{refused}");
    guest.says(&grant_two);
    let said = owner.command(&["verify", "evaluation.json", "--allow-dev-srs"]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let evaluation = tribute_testing::json(&owner.place.path().join("evaluation.json"));
    assert_eq!(evaluation["dataset"]["records"], 20);
    assert!(evaluation["dataset"]["correct"].as_u64().unwrap() > 15);
    // without a grant, somebody else's agent, changed weights, a certificate that does not hold, records that it was trained on
    let stranger = Client::connect(&url, providers[0].key.clone()).await.unwrap();
    let refused = sent(&stranger, certificate.clone(), vec![0; 8], &kept.id).await.unwrap_err();
    assert!(refused.message.contains("its owner has to grant it"), "{refused}");
    // and before anything is read: no such file was uploaded
    let unread = v1::EvaluateAtHomeRequest {
        dataset_id: kept.id.clone(),
        certificate_upload: vec![9; 32],
        ..Default::default()
    };
    let refused = problem(stranger.trainings().evaluate_at_home(unread).await.unwrap_err());
    assert_eq!(refused.reason, Reason::NoGrant, "{refused}");
    let refused = sent(&guest.client().await, certificate.clone(), vec![0; 8], &kept.id).await.unwrap_err();
    assert!(refused.message.contains("only its owner has it evaluated"), "{refused}");
    let refused = sent(&asking, certificate.clone(), vec![0; 8 * 14 * 3], &kept.id).await.unwrap_err();
    assert!(refused.message.contains("weights"), "{refused}");
    // what was lent for a job that never ran goes, too
    let before = submit(&asking, calibrate(14, 5000, "before it")).await;
    let waiting = v1::EvaluateAtHomeRequest {
        dataset_id: kept.id.clone(),
        certificate_upload: asking.upload(certificate.clone()).await.unwrap(),
        weights_upload: asking.upload(vec![0; 8 * 14 * 3]).await.unwrap(),
        blinding: vec![2; 96],
        options: Some(v1::JobOptions { needs: vec![before.id.clone()], ..Default::default() }),
        lending: 0,
    };
    let waiting = asking.trainings().evaluate_at_home(waiting).await.unwrap().into_inner().job.unwrap();
    let file = lent_at_guest().await;
    assert!(file.exists());
    // it fails with the one that it waits for
    for job in [before.id, waiting.id] {
        asking.jobs().cancel_job(v1::CancelJobRequest { job }).await.unwrap();
    }
    assert!(!file.exists(), "{} is still there", file.display());
    let broken = String::from_utf8(certificate.clone()).unwrap().replacen("\"epsilon\": ", "\"epsilon\": 1", 1);
    assert_ne!(broken.as_bytes(), certificate);
    let refused = sent(&asking, broken.into_bytes(), vec![0; 8], &kept.id).await.unwrap_err();
    assert!(refused.message.contains("does not hold") || refused.message.contains("epsilon"), "{refused}");
    let at_provider = Client::connect(&providers[0].served.url, owner.key.clone()).await.unwrap();
    let refused = sent(&at_provider, certificate, vec![0; 8], &datasets[0].id).await.unwrap_err();
    assert!(refused.message.contains("grant") || refused.message.contains("trained on it"), "{refused}");

    // records are at the providers only
    let other = owner.client().await;
    for dataset in &datasets {
        let get = v1::GetDatasetRequest { id: dataset.id.clone() };
        assert!(problem(other.datasets().get_dataset(get).await.unwrap_err()).message.contains("no dataset"));
    }
    // a provider withdraws: nothing more is answered
    providers[0].says(&["request", "decline", &id, "--reason", "the agent is trained"]);
    assert!(owner.fails(&train).contains("declined: the agent is trained"));
}
