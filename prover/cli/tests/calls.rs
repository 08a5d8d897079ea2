//! Calls over a socket: authentication, refusals, and what a generic gRPC client sees.

use tonic::Code;
use tribute_client::problem;
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{calibrate, connect, submit};
use tribute_testing::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_must_be_signed_by_the_owner_once() {
    let place = Place::new();
    let served = place.serve(&[]);
    let (owner, stranger) = (connect(&served.url).await, connect(&served.url).await);
    let job = submit(&owner, calibrate(10, 1, "")).await;

    let bare = v1::GetJobRequest { auth: None, job: job.id.clone() };
    let refused = owner.jobs().get_job(bare.clone()).await.unwrap_err();
    assert_eq!((refused.code(), problem(refused).reason), (Code::Unauthenticated, Reason::BadSignature));

    // signed by somebody else: the job does not exist for them
    let refused = stranger.jobs().get_job(stranger.sign(bare.clone()).unwrap()).await.unwrap_err();
    assert_eq!((refused.code(), problem(refused).reason), (Code::NotFound, Reason::NotFound));

    // in the owner's name, but with a stranger's signature
    let mut forged = stranger.sign(bare.clone()).unwrap();
    forged.auth.as_mut().unwrap().signer = owner.account().to_vec();
    assert_eq!(problem(owner.jobs().get_job(forged).await.unwrap_err()).reason, Reason::BadSignature);

    // twice
    let signed = owner.sign(bare.clone()).unwrap();
    owner.jobs().get_job(signed.clone()).await.unwrap();
    assert_eq!(problem(owner.jobs().get_job(signed).await.unwrap_err()).reason, Reason::NonceReplayed);

    // too late
    let mut late = owner.sign(bare.clone()).unwrap();
    late.auth.as_mut().unwrap().deadline -= 4000;
    assert_eq!(problem(owner.jobs().get_job(late).await.unwrap_err()).reason, Reason::RequestExpired);

    // and the honest request still passes
    owner.jobs().get_job(owner.sign(bare).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_for_one_server_is_void_at_another() {
    let (here, there) = (Place::new(), Place::new());
    let (served, other) = (here.serve(&[]), there.serve(&[]));
    let (client, elsewhere) = (connect(&served.url).await, connect(&other.url).await);
    let request = client.sign(v1::ListJobsRequest::default()).unwrap();
    assert_eq!(problem(elsewhere.jobs().list_jobs(request.clone()).await.unwrap_err()).reason, Reason::BadSignature);
    client.jobs().list_jobs(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_gets_a_stable_code_and_leaves_nothing() {
    let place = Place::new();
    let served = place.serve(&[]);
    let client = connect(&served.url).await;
    for work in [None, Some(v1::Work { work: None }), Some(calibrate(9, 1, "")), Some(calibrate(15, 10_001, ""))] {
        let request = client.sign(v1::SubmitRequest { auth: None, work, options: None }).unwrap();
        assert_eq!(problem(client.jobs().submit(request).await.unwrap_err()).reason, Reason::BadField);
    }
    // a batch with one bad job queues none
    let work = vec![calibrate(10, 1, "good"), calibrate(9, 1, "bad")];
    let request = client.sign(v1::SubmitBatchRequest { auth: None, work, options: None }).unwrap();
    assert_eq!(problem(client.jobs().submit_batch(request).await.unwrap_err()).reason, Reason::BadField);
    let list = client.sign(v1::ListJobsRequest::default()).unwrap();
    assert!(client.jobs().list_jobs(list).await.unwrap().into_inner().jobs.is_empty());
    let request = client.sign(v1::GetJobRequest { auth: None, job: "' OR 1=1 --".into() }).unwrap();
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

    use tonic_reflection::pb::v1::{
        server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
        server_reflection_response::MessageResponse, ServerReflectionRequest,
    };
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter([ask]))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
    assert!(names.contains(&"tribute.v1.JobService".to_owned()), "{names:?}");
}
