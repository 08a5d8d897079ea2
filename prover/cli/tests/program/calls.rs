//! Calls over a socket: authentication, refusals, and what a generic gRPC client sees.

use std::process::Command;

use alloy::signers::local::PrivateKeySigner;
use prost::Message as _;
use tonic::{Code, Status};
use tribute_client::signing::{Authorization, Content};
use tribute_client::{problem, Client};
use tribute_problem::Reason;
use tribute_proto::{v1, Access, CALLS};
use tribute_testing::calls::{calibrate, connect, submit, token};
use tribute_testing::{program, raw, Place};

const SUBMIT: &str = "/tribute.v1.JobService/Submit";
const BATCH: &str = "/tribute.v1.JobService/SubmitBatch";
const CANCEL: &str = "/tribute.v1.JobService/CancelJob";
const GET: &str = "/tribute.v1.JobService/GetJob";
const UPLOAD: &str = "/tribute.v1.UploadService/Upload";

fn refused(answer: Result<Vec<u8>, Status>) -> (Code, Reason) {
    let status = answer.expect_err("must be refused");
    (status.code(), problem(status).reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_call_counts_once_and_as_it_was_signed() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let (owner, stranger) = (connect(&served.url).await, connect(&served.url).await);
    let job = submit(&owner, calibrate(10, 1, "")).await;
    let channel = raw::channel(&served.url).await;
    let message = v1::CancelJobRequest { job: job.id.clone() }.encode_to_vec();
    let cancel =
        async |authorization: Option<&str>| refused(raw::call(&channel, CANCEL, message.clone(), authorization).await);

    assert_eq!(cancel(None).await, (Code::Unauthenticated, Reason::BadSignature));
    // signed by somebody else: the job does not exist for them
    let strange = stranger.authorization(CANCEL, Content::of(&message)).unwrap();
    assert_eq!(cancel(Some(&strange)).await, (Code::NotFound, Reason::NotFound));
    // in the owner's name, with a stranger's signature
    let mut forged = Authorization::parse(&stranger.authorization(CANCEL, Content::of(&message)).unwrap()).unwrap();
    forged.signer = owner.account().unwrap();
    assert_eq!(cancel(Some(&forged.header())).await, (Code::Unauthenticated, Reason::BadSignature));
    // another message, another method, too late
    let other = owner.authorization(CANCEL, Content::of(b"other")).unwrap();
    assert_eq!(cancel(Some(&other)).await, (Code::Unauthenticated, Reason::BadSignature));
    let other = owner.authorization(SUBMIT, Content::of(&message)).unwrap();
    assert_eq!(cancel(Some(&other)).await, (Code::Unauthenticated, Reason::BadSignature));
    let good = owner.authorization(CANCEL, Content::of(&message)).unwrap();
    let mut late = Authorization::parse(&good).unwrap();
    late.deadline -= 4000;
    assert_eq!(cancel(Some(&late.header())).await, (Code::Unauthenticated, Reason::RequestExpired));

    // what was refused used nothing up; what passed passes once
    raw::call(&channel, CANCEL, message.clone(), Some(&good)).await.unwrap();
    assert_eq!(cancel(Some(&good)).await, (Code::Unauthenticated, Reason::NonceReplayed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_for_one_server_is_void_at_another() {
    let (here, there) = (Place::new(), Place::new());
    let (served, other) = (here.serve(&["--workers", "0"]), there.serve(&["--workers", "0"]));
    let client = connect(&served.url).await;
    let message = v1::SubmitRequest { work: Some(calibrate(10, 1, "")), options: None }.encode_to_vec();
    let content = Content::of(&message);
    let signed = client.authorization(SUBMIT, content).unwrap();
    let elsewhere = raw::channel(&other.url).await;
    let at_other = raw::call(&elsewhere, SUBMIT, message.clone(), Some(&signed)).await;
    assert_eq!(refused(at_other), (Code::Unauthenticated, Reason::BadSignature));

    // a server that says it is this one, and passes on what its own clients sign
    let instance = client.info.instance.as_slice().try_into().unwrap();
    let relayed = Authorization::sign(client.key().unwrap(), "relay.example:443", &instance, SUBMIT, content).unwrap();
    let channel = raw::channel(&served.url).await;
    let status = raw::call(&channel, SUBMIT, message.clone(), Some(&relayed.header())).await.unwrap_err();
    assert!(status.message().contains("relay.example:443"), "{status}");
    assert_eq!(problem(status).reason, Reason::BadSignature);
    raw::call(&channel, SUBMIT, message, Some(&signed)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_answers_to_its_names_only() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0", "--name", "Tribute.Example:443"]);
    let client = connect(&served.url).await;
    let request = v1::SubmitRequest { work: Some(calibrate(10, 1, "")), options: None };
    let refused = client.jobs().submit(request.clone()).await.map_err(problem).unwrap_err();
    assert_eq!(refused.reason, Reason::BadSignature);
    assert!(refused.message.contains("tribute.example:443") && refused.message.contains("--name"), "{refused}");
    // nor does a login for another name give a token
    let refused = client.jobs().list_jobs(v1::ListJobsRequest::default()).await.map_err(problem).unwrap_err();
    assert_eq!(refused.reason, Reason::BadSignature);

    let message = request.encode_to_vec();
    let instance = client.info.instance.as_slice().try_into().unwrap();
    let named =
        Authorization::sign(client.key().unwrap(), "tribute.example:443", &instance, SUBMIT, Content::of(&message))
            .unwrap();
    raw::call(&raw::channel(&served.url).await, SUBMIT, message, Some(&named.header())).await.unwrap();
}

/// `SubmitBatchRequest` of as many empty pieces of work as fit: two bytes each, some hundred in memory.
fn bomb(bytes: usize) -> Vec<u8> {
    [0x0a, 0x00].repeat(bytes / 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_messages_that_grow_large_are_refused_or_borne() {
    let place = Place::new();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 4194304 && exec \"$0\" \"$@\""]).arg(program());
    let served = place.serve_with(limited, "127.0.0.1:0", &["--workers", "0"]);
    let client = connect(&served.url).await;
    let channel = raw::channel(&served.url).await;

    // 64 MB: from nobody; signed; and signed as something smaller
    let large = bomb(64 << 20);
    assert_eq!(refused(raw::call(&channel, BATCH, large.clone(), None).await).0, Code::Unauthenticated);
    let signed = client.authorization(BATCH, Content::of(&large)).unwrap();
    assert_eq!(refused(raw::call(&channel, BATCH, large.clone(), Some(&signed)).await).1, Reason::TooLarge);
    let smaller = client.authorization(BATCH, Content { length: 1000, ..Content::of(&large) }).unwrap();
    assert_eq!(refused(raw::call(&channel, BATCH, large, Some(&smaller)).await).1, Reason::TooLarge);
    // what anybody may call, too
    let public = raw::call(&channel, "/tribute.v1.CircuitService/ListCircuits", bomb(4 << 20), None).await;
    assert_eq!(refused(public).1, Reason::TooLarge);

    // the largest that is allowed, sixty-four at a time
    let full = bomb(512 << 10);
    let calls = (0..64).map(|_| {
        let signed = client.authorization(BATCH, Content::of(&full)).unwrap();
        let (channel, full) = (channel.clone(), full.clone());
        tokio::spawn(async move { refused(raw::call(&channel, BATCH, full, Some(&signed)).await).1 })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Reason::BadField);
    }
    submit(&client, calibrate(10, 1, "alive")).await;
}

/// Every call, without, with wrong, and with a stranger's authorization: none gets as far as its message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_looks_into_a_message_of_whom_it_does_not_serve() {
    let place = Place::new();
    let accounts = place.path().join("accounts");
    let guest = PrivateKeySigner::random();
    std::fs::write(&accounts, format!("# who may call\n{}\n", guest.address())).unwrap();
    let served = place.serve(&["--workers", "0", "--accounts", accounts.to_str().unwrap()]);
    let (stranger, channel) = (connect(&served.url).await, raw::channel(&served.url).await);
    let guest = Client::connect(&served.url, guest).await.unwrap();
    let job = submit(&guest, calibrate(10, 1, "")).await;
    // no message at all: decoding it would fail
    let garbage = vec![0xff; 40];

    for call in CALLS.iter().filter(|c| c.access != Access::Public) {
        let answer = async |authorization: Option<&str>| {
            refused(raw::call(&channel, call.path, garbage.clone(), authorization).await).0
        };
        assert_eq!(answer(None).await, Code::Unauthenticated, "{}", call.path);
        let signed = stranger.authorization(call.path, Content::of(&garbage)).unwrap();
        for wrong in
            ["", "Basic Zm9vOmJhcg==", "Bearer ", "Bearer 00", "Tribute ", &signed.replace("signature=", "signature=0")]
        {
            assert_eq!(answer(Some(wrong)).await, Code::Unauthenticated, "{} {wrong}", call.path);
        }
        let code = answer(Some(&signed)).await;
        let expected = if call.access == Access::Signed { Code::PermissionDenied } else { Code::Unauthenticated };
        assert_eq!(code, expected, "{}", call.path);
    }
    // a stranger gets no token
    let login = stranger.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap_err();
    assert_eq!(login.code(), Code::PermissionDenied);

    // a list that changes counts at once, for tokens that were given too
    guest.jobs().get_job(v1::GetJobRequest { job: job.id.clone() }).await.unwrap();
    std::fs::write(&accounts, format!("{}\n", stranger.account().unwrap())).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let gone = guest.jobs().get_job(v1::GetJobRequest { job: job.id }).await.unwrap_err();
    assert_eq!(gone.code(), Code::PermissionDenied);
    stranger.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap();
}

/// A request in which only the name of a thing is right, and the thing is not the caller's. `None` where a call names nothing
/// of anybody's.
fn of_another(path: &str) -> Option<Vec<u8>> {
    let id = || vec![7; 32];
    let csv = || Some(v1::CsvRecords { upload: id(), ..Default::default() });
    let terms = || Some(v1::TrainingTerms { dataset_ids: vec![id()], lambda: 0, link: 99 });
    let (service, call) = path.trim_start_matches("/tribute.v1.").split_once('/').unwrap();
    let nonsense = Some(v1::JobOptions { priority: 1000, deadline: u64::MAX, ..Default::default() });
    Some(match (service, call) {
        ("AgentService", "TrainAgent") => {
            let work = Some(v1::TrainWork { terms: terms(), start: id(), ..Default::default() });
            v1::TrainAgentRequest { work, options: nonsense }.encode_to_vec()
        }
        ("AgentService", "ImportAgent") => {
            let work = Some(v1::ImportWork { terms: terms(), ..Default::default() });
            v1::ImportAgentRequest { work, options: nonsense }.encode_to_vec()
        }
        ("AgentService", "GetAgent") => v1::GetAgentRequest { weights_digest: id() }.encode_to_vec(),
        ("AgentService", "ProveGradients") => {
            v1::ProveGradientsRequest { weights_digest: id(), context: None, options: nonsense }.encode_to_vec()
        }
        ("AgentService", "ProveOptimum") => {
            let work = Some(v1::OptimumWork { weights_digest: id(), ..Default::default() });
            v1::ProveOptimumRequest { work, options: nonsense }.encode_to_vec()
        }
        ("AgentService", "GetCertificate") => v1::GetCertificateRequest { weights_digest: id() }.encode_to_vec(),
        ("AgentService", "EvaluateAgent") => {
            let work = Some(v1::EvaluationWork { weights_digest: id(), dataset_id: vec![1] });
            v1::EvaluateAgentRequest { work, options: nonsense }.encode_to_vec()
        }
        ("AgentService", "ValueAgent") => {
            let coalitions = vec![v1::Coalition { owners: vec![0] }];
            let work = v1::ValuationWork { weights_digest: id(), dataset_id: vec![1], coalitions };
            v1::ValueAgentRequest { options: nonsense, work: Some(work) }.encode_to_vec()
        }
        ("AgentService", "ShowScores") => v1::ShowScoresRequest { weights_digest: id(), show: true }.encode_to_vec(),
        ("DatasetService", "RegisterDataset") => {
            let records = csv().map(v1::dataset_work::Records::Csv);
            let work = Some(v1::DatasetWork { records, ..Default::default() });
            v1::RegisterDatasetRequest { work, options: nonsense }.encode_to_vec()
        }
        ("DatasetService", "CheckRecords") => {
            v1::CheckRecordsRequest { schema_json: vec![1], csv: csv() }.encode_to_vec()
        }
        ("DatasetService", "InferSchema") => {
            v1::InferSchemaRequest { csv: csv(), range: "wide".into(), ..Default::default() }.encode_to_vec()
        }
        ("DatasetService", "ForgetDataset") => v1::ForgetDatasetRequest { id: id() }.encode_to_vec(),
        ("DatasetService", "GetDataset") => v1::GetDatasetRequest { id: id() }.encode_to_vec(),
        ("DatasetService", "GrantTraining") => {
            v1::GrantTrainingRequest { dataset_id: id(), expiry: u64::MAX, ..Default::default() }.encode_to_vec()
        }
        ("DatasetService", "ShowRecord") => {
            v1::ShowRecordRequest { dataset_id: id(), record: 1, context: vec![1] }.encode_to_vec()
        }
        ("JobService", "GetJob") => v1::GetJobRequest { job: "7".into() }.encode_to_vec(),
        ("JobService", "WaitJob") => v1::WaitJobRequest { job: "7".into(), timeout_seconds: 1 }.encode_to_vec(),
        ("JobService", "WatchJob") => v1::WatchJobRequest { job: "7".into(), after: u64::MAX }.encode_to_vec(),
        ("JobService", "CancelJob") => v1::CancelJobRequest { job: "7".into() }.encode_to_vec(),
        ("SessionService", "GetSession") => v1::GetSessionRequest { session: id() }.encode_to_vec(),
        ("SessionService", "Query" | "QueryStream") => {
            v1::QueryRequest { session: id(), ..Default::default() }.encode_to_vec()
        }
        ("SessionService", "SubmitVoucher") => {
            let voucher = Some(v1::Voucher { session: id(), ..Default::default() });
            v1::SubmitVoucherRequest { voucher }.encode_to_vec()
        }
        ("SessionService", "ProveService") => {
            let work = Some(v1::ServiceWork { weights_digest: id(), sessions: Vec::new() });
            v1::ProveServiceRequest { work, options: nonsense }.encode_to_vec()
        }
        ("TrainingService", "DescribeDataset") => v1::DescribeDatasetRequest { dataset_id: id() }.encode_to_vec(),
        ("TrainingService", "GetTrainingRequest") => {
            v1::GetTrainingRequestRequest { id: id(), account: vec![7; 20] }.encode_to_vec()
        }
        ("TrainingService", "PrepareConsent") => v1::PrepareConsentRequest { id: id() }.encode_to_vec(),
        ("TrainingService", "ApproveTraining") => {
            let (signature, numbers, again) = (vec![1], vec![1], true);
            v1::ApproveTrainingRequest { id: id(), signature, numbers, least_share_bps: 1 << 20, again }.encode_to_vec()
        }
        ("TrainingService", "DeclineTraining") => {
            v1::DeclineTrainingRequest { id: id(), reason: String::new() }.encode_to_vec()
        }
        ("TrainingService", "AnswerRound") => {
            v1::AnswerRoundRequest { id: id(), query: vec![1], ..Default::default() }.encode_to_vec()
        }
        ("TrainingService", "AnswerRanges") => {
            v1::AnswerRangesRequest { id: id(), account: vec![7; 20], consents: Vec::new() }.encode_to_vec()
        }
        ("TrainingService", "ProveAtHome") => {
            v1::ProveAtHomeRequest { id: id(), blinding: vec![1], ..Default::default() }.encode_to_vec()
        }
        ("TrainingService", "GetHomeGradients") => {
            v1::GetHomeGradientsRequest { id: id(), account: Vec::new() }.encode_to_vec()
        }
        ("LoginService", "RevokeKey") => v1::RevokeKeyRequest { name: "7".into() }.encode_to_vec(),
        ("TrainingService", "LendWeights") => {
            v1::LendWeightsRequest { weights_digest: id(), dataset_id: vec![1], ..Default::default() }.encode_to_vec()
        }
        ("TrainingService", "EvaluateAtHome") => {
            v1::EvaluateAtHomeRequest { dataset_id: id(), blinding: vec![1], options: nonsense, ..Default::default() }
                .encode_to_vec()
        }
        ("OperatorService", "GetOverview") => v1::GetOverviewRequest {}.encode_to_vec(),
        // what these name is the caller's own, or nothing
        ("AgentService", "ListAgents")
        | ("DatasetService", "ListDatasets")
        | ("JobService", "Estimate" | "Submit" | "SubmitBatch" | "ListJobs")
        | ("CircuitService", "PrepareCircuits")
        | ("TrainingService", "AskTraining" | "ListTrainingRequests" | "CommitWeights" | "GatherAgent")
        | ("UploadService", "Upload")
        | ("LoginService", "Logout" | "CreateKey" | "ListKeys") => return None,
        // without a chain there are no sessions to open
        ("SessionService", "OpenSession") => return None,
        _ => panic!("{path}: say here what a stranger gets"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_a_thing_is_comes_before_what_is_wrong_with_the_rest() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let (stranger, channel) = (connect(&served.url).await, raw::channel(&served.url).await);
    let token = token(&stranger).await;
    for call in CALLS.iter().filter(|c| c.access != Access::Public) {
        let Some(message) = of_another(call.path) else { continue };
        let authorization = match call.access {
            Access::Signed => stranger.authorization(call.path, Content::of(&message)).unwrap(),
            _ => format!("Bearer {token}"),
        };
        let status = raw::call(&channel, call.path, message, Some(&authorization)).await.unwrap_err();
        assert!([Code::NotFound, Code::PermissionDenied].contains(&status.code()), "{}: {status}", call.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_needs_a_login_and_writes_nothing() {
    sqlx::any::install_default_drivers();
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(10, 1, "")).await;
    let get = v1::GetJobRequest { job: job.id.clone() };
    client.jobs().get_job(get.clone()).await.unwrap();
    let rows = async || -> (i64, i64) {
        let pool =
            sqlx::AnyPool::connect(&format!("sqlite:{}", place.data().join("tribute.db").display())).await.unwrap();
        let count = "SELECT (SELECT COUNT(*) FROM nonces), (SELECT COUNT(*) FROM tokens)";
        let rows = sqlx::query_as(count).fetch_one(&pool).await.unwrap();
        pool.close().await;
        rows
    };
    // one signed call and one login
    assert_eq!(rows().await, (2, 1));
    for _ in 0..5 {
        client.jobs().get_job(get.clone()).await.unwrap();
    }
    assert_eq!(rows().await, (2, 1));
    // a signature is not taken where a token is due, nor a token where a signature is
    let channel = raw::channel(&served.url).await;
    let message = get.encode_to_vec();
    let signed = client.authorization(GET, Content::of(&message)).unwrap();
    assert_eq!(refused(raw::call(&channel, GET, message.clone(), Some(&signed)).await).1, Reason::BadToken);
    let bearer = format!("Bearer {}", token(&client).await);
    assert_eq!(refused(raw::call(&channel, CANCEL, message.clone(), Some(&bearer)).await).1, Reason::BadSignature);
    // a token that is ended is void, and the client gets itself another
    raw::call(&channel, GET, message.clone(), Some(&bearer)).await.unwrap();
    raw::call(&channel, "/tribute.v1.LoginService/Logout", Vec::new(), Some(&bearer)).await.unwrap();
    assert_eq!(refused(raw::call(&channel, GET, message.clone(), Some(&bearer)).await).1, Reason::BadToken);
    // so is one that was stolen, after its time: here every token's has passed
    let stolen = format!("Bearer {}", token(&client).await);
    raw::call(&channel, GET, message.clone(), Some(&stolen)).await.unwrap();
    let pool = sqlx::AnyPool::connect(&format!("sqlite:{}", place.data().join("tribute.db").display())).await.unwrap();
    sqlx::query("UPDATE tokens SET expires = unixepoch() - 1").execute(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(refused(raw::call(&channel, GET, message, Some(&stolen)).await).1, Reason::BadToken);
    client.logins().logout(v1::LogoutRequest {}).await.unwrap();
    client.jobs().get_job(get).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_counts_once_letter_for_letter() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let (client, other) = (connect(&served.url).await, connect(&served.url).await);
    let challenge = client.logins().get_challenge(v1::GetChallengeRequest {}).await.unwrap().into_inner();
    let (message, signature) = client.login_message(&challenge).unwrap();
    let login = async |message: String, signature: Vec<u8>| {
        client.logins().login(v1::LoginRequest { message, signature }).await.map_err(|s| problem(s).reason)
    };
    let (_, theirs) = other.login_message(&challenge).unwrap();
    assert_eq!(login(message.clone(), theirs).await.unwrap_err(), Reason::BadSignature);
    let resigned = |message: String| {
        use alloy::signers::SignerSync as _;
        let signature = client.key().unwrap().sign_message_sync(message.as_bytes()).unwrap().as_bytes().to_vec();
        (message, signature)
    };
    for (from, to) in [
        ("127.0.0.1", "relay.example"),
        ("Read what", "Write what"),
        ("Version: 1", "Version: 2"),
        ("Chain ID: 1", "Chain ID: 2"),
        ("Request ID: 0x", "Request ID: 0x00"),
        ("Nonce: 0", "Nonce: 1"),
        ("Expiration Time: 2", "Expiration Time: 3"),
    ] {
        assert!(message.contains(from), "{message}");
        let (altered, signature) = resigned(message.replacen(from, to, 1));
        assert_eq!(login(altered, signature).await.unwrap_err(), Reason::BadSignature, "{to}");
    }
    let (longer, resigned) = resigned(format!("{message}\nResources:\n- all"));
    assert_eq!(login(longer, resigned).await.unwrap_err(), Reason::BadSignature);
    login(message.clone(), signature.clone()).await.unwrap();
    assert_eq!(login(message, signature).await.unwrap_err(), Reason::NonceReplayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_are_what_was_signed_within_a_quota_and_their_senders_own() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0", "--upload-quota", "1"]);
    let (client, other) = (connect(&served.url).await, connect(&served.url).await);
    let table = b"a,b,class\n1,2,x\n3,4,y\n".to_vec();
    let upload = client.upload(table.clone()).await.unwrap();
    let check = v1::InferSchemaRequest {
        csv: Some(v1::CsvRecords { upload: upload.clone(), ..Default::default() }),
        name: "t".into(),
        ..Default::default()
    };
    client.datasets().infer_schema(check.clone()).await.unwrap();
    let theirs = other.datasets().infer_schema(check).await.map_err(problem).unwrap_err();
    assert_eq!(theirs.reason, Reason::NotFound);
    // the same again counts once; beyond the quota nothing is kept, and what was kept stays
    for _ in 0..3 {
        assert_eq!(client.upload(table.clone()).await.unwrap(), upload);
    }
    assert_eq!(client.upload(vec![1; (1 << 20) + 1]).await.unwrap_err().reason, Reason::QuotaSpent);
    for _ in 0..2 {
        client.upload(vec![2; 1 << 19]).await.unwrap();
    }
    assert_eq!(client.upload(vec![3; 1 << 19]).await.unwrap_err().reason, Reason::QuotaSpent);
    other.upload(vec![3; 1 << 19]).await.unwrap();

    // fewer bytes than were signed, more, and others
    let channel = raw::channel(&served.url).await;
    let chunk = v1::UploadChunk { data: vec![5; 1000] }.encode_to_vec();
    for (content, reason) in [
        (Content { length: 2000, ..Content::of(&[5; 1000]) }, Reason::BadSignature),
        (Content { length: 999, ..Content::of(&[5; 1000]) }, Reason::BadField),
        (Content { length: 1000, ..Content::of(&[6; 1000]) }, Reason::BadSignature),
    ] {
        let signed = client.authorization(UPLOAD, content).unwrap();
        assert_eq!(refused(raw::call(&channel, UPLOAD, chunk.clone(), Some(&signed)).await).1, reason);
    }
    let signed = client.authorization(UPLOAD, Content::of(&[5; 1000])).unwrap();
    raw::call(&channel, UPLOAD, chunk.clone(), Some(&signed)).await.unwrap();
    assert_eq!(refused(raw::call(&channel, UPLOAD, chunk, Some(&signed)).await).1, Reason::NonceReplayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_gets_a_stable_code_and_leaves_nothing() {
    let place = Place::new();
    let served = place.serve(&[]);
    let client = connect(&served.url).await;
    for work in [None, Some(v1::Work { work: None }), Some(calibrate(9, 1, "")), Some(calibrate(15, 10_001, ""))] {
        let request = v1::SubmitRequest { work, options: None };
        assert_eq!(problem(client.jobs().submit(request).await.unwrap_err()).reason, Reason::BadField);
    }
    // a batch with one bad job queues none
    let work = vec![calibrate(10, 1, "good"), calibrate(9, 1, "bad")];
    let request = v1::SubmitBatchRequest { work, ..Default::default() };
    assert_eq!(problem(client.jobs().submit_batch(request).await.unwrap_err()).reason, Reason::BadField);
    let list = v1::ListJobsRequest::default();
    assert!(client.jobs().list_jobs(list).await.unwrap().into_inner().jobs.is_empty());
    let request = v1::GetJobRequest { job: "' OR 1=1 --".into() };
    assert_eq!(problem(client.jobs().get_job(request).await.unwrap_err()).reason, Reason::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_reflection_answer() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let channel = tonic::transport::Endpoint::from_shared(served.url.clone()).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);

    // in the version of the standard, and in the one that Python's client speaks
    macro_rules! services {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::{
                server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse, ServerReflectionRequest,
            };
            let ask = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(channel.clone());
            let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
            match answers.message().await.unwrap().unwrap().message_response {
                Some(MessageResponse::ListServicesResponse(list)) => list.service.into_iter().map(|s| s.name).collect(),
                _ => Vec::new(),
            }
        }};
    }
    for names in [services!(v1), services!(v1alpha)] {
        let names: Vec<String> = names;
        assert!(names.contains(&"tribute.v1.JobService".to_owned()), "{names:?}");
    }

    // answers are compressed for who takes them so
    let gzip = tonic::codec::CompressionEncoding::Gzip;
    let mut client = v1::server_service_client::ServerServiceClient::new(channel).accept_compressed(gzip);
    let answer = client.get_server_info(v1::GetServerInfoRequest {}).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
}
