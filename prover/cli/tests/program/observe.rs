//! What an operator sees: metrics, traces across processes, logs, the audit log and `tribute status`; and what never shows
//! in any of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use alloy::signers::local::PrivateKeySigner;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tribute_client::{problem, Client};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{connect, dataset_of, submit_dataset};
use tribute_testing::data::{self, wine_schema};
use tribute_testing::process::working_children;
use tribute_testing::stores::Postgres;
use tribute_testing::{program, raw, wait_for, Place};

/// A collector of traces.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut all = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let service = format!("{:?}", resource.resource);
            let name = ["tribute-server", "tribute-worker", "tribute-job"].into_iter().find(|n| service.contains(n));
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                all.push((name.unwrap_or("?").to_owned(), span));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn find(&self, service: &str, name: &str) -> Option<Span> {
        self.0.lock().unwrap().iter().find(|(s, span)| s == service && span.name == name).map(|(_, span)| span.clone())
    }
}

/// An address that is free now.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = wait_for("metrics", || TcpStream::connect(address).ok());
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The value of a metric whose line contains all of `labels`.
fn value(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let lines = metrics.lines().filter(|l| l.starts_with(name) && labels.iter().all(|label| l.contains(label)));
    lines.filter_map(|l| l.rsplit_once(' ')?.1.parse().ok()).next()
}

/// Command lines of all processes, as `ps` shows them.
fn command_lines() -> String {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.map(|entry| command_line(&entry.path())).collect()
}

/// A process's command line, or nothing if it has ended.
fn command_line(process: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(process.join("cmdline")).unwrap_or_default()).into_owned()
}

fn stop(mut process: Child) {
    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_everything_but_secrets() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::new();
    let file = |name: &str| place.path().join(name);

    // secrets: keys, a password, a record
    let master = hex::encode(rand::random::<[u8; 32]>());
    std::fs::create_dir_all(place.data()).unwrap();
    std::fs::write(place.data().join("master.key"), &master).unwrap();
    let password = "planted-password";
    let key = PrivateKeySigner::random();
    let record = "13.27182";
    let mut secrets = vec![master, password.to_owned(), hex::encode(key.to_bytes()), record.to_owned()];

    let collector = Collector::default();
    let otlp = format!("http://{}", collector.start().await);
    let (of_server, of_worker) = (free_address(), free_address());
    let start = |role: &str, log: &str, metrics: SocketAddr, extra: &[&str]| {
        let mut command = Command::new(program());
        command.arg(role).arg("--stop-with-stdin").arg("--data").arg(place.data());
        command.args(["--metrics", &metrics.to_string()]).args(extra);
        command.env("TRIBUTE_DATABASE", postgres.url_with(password));
        command.env("RUST_LOG", "debug").env("TRIBUTE_LOG_FORMAT", "json");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &otlp).env("OTEL_BSP_SCHEDULE_DELAY", "100");
        let log = File::create(file(log)).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    };
    let (port_file, audit) = (file("address"), file("audit.log"));
    let (port_file, audit) = (port_file.to_str().unwrap(), audit.to_str().unwrap());
    let operator = PrivateKeySigner::random();
    let named = operator.address().to_string();
    let extra = ["--workers", "0", "--k", "11", "--columns", "8", "--listen", "127.0.0.1:0", "--port-file", port_file];
    let server =
        start("serve", "server.log", of_server, &[&extra[..], &["--audit", audit, "--operator", &named]].concat());
    let url = format!("http://{}", wait_for("the address", || std::fs::read_to_string(port_file).ok()).trim());
    let client = Client::connect(&url, key.clone()).await.unwrap();

    // a job that waits: the queue has it, with its account
    let mut table = data::wines(0..60);
    let comma = table.iter().skip_while(|b| **b != b'\n').position(|b| *b == b',').unwrap();
    let row = table.iter().position(|b| *b == b'\n').unwrap() + 1;
    table.splice(row..row + comma - 1, record.bytes());
    let work = data::dataset(&wine_schema(), data::csv("wine.csv", table));
    let job = submit_dataset(&client, work).await.unwrap();
    let account = client.account().unwrap().to_string();
    let metrics = scrape(of_server);
    let mine = format!("tenant=\"{account}\"");
    assert_eq!(value(&metrics, "tribute_queue_jobs", &[&mine, "queued"]), Some(1.0), "{metrics}");
    assert!(value(&metrics, "tribute_queue_oldest_seconds", &[&mine]).is_some());
    assert_eq!(value(&metrics, "tribute_database_up", &[]), Some(1.0));

    // its owner does not see everybody's queue, an operator does
    let refused = client.operators().get_overview(v1::GetOverviewRequest {}).await.map_err(problem).unwrap_err();
    assert_eq!(refused.reason, Reason::NotAllowed);
    assert!(refused.message.contains("--operator"), "{refused}");
    let operator = Client::connect(&url, operator).await.unwrap();
    let overview = async || operator.operators().get_overview(v1::GetOverviewRequest {}).await.unwrap().into_inner();
    let seen = overview().await;
    assert_eq!((seen.queued, seen.running, seen.workers.len()), (1, 0, 0));
    assert_eq!((&seen.accounts[0].account, seen.accounts[0].queued), (&account, 1));
    let (storage, health) = (seen.storage.unwrap(), seen.health.unwrap());
    assert!(storage.database_bytes > 1e4 as u64 && storage.artefacts > 0 && storage.disk_free_bytes > 0, "{storage:?}");
    assert!(storage.disk_free_bytes < storage.disk_bytes && health.resident_bytes > 1e6 as u64, "{health:?}");
    assert_eq!((health.artefacts_problem.as_str(), health.chain_problem.as_str(), health.block_time), ("", "", 0));

    // it runs
    let worker = start("worker", "worker.log", of_worker, &[]);
    let dataset = tokio::spawn({
        let client = client.clone();
        async move { dataset_of(&client, &job).await }
    });
    let (mut seen, mut working) = (String::new(), String::new());
    while !dataset.is_finished() {
        seen.push_str(&command_lines());
        // those that wait for a job do not count
        for pid in working_children(worker.id()) {
            working.push_str(&command_line(&Path::new("/proc").join(pid.to_string())));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(working.contains("\0work\0"), "the job's process was not seen");
    seen.push_str(&working);
    let dataset = dataset.await.unwrap();
    let workers = overview().await.workers;
    let [idle] = &workers[..] else { panic!("one worker: {workers:?}") };
    assert_eq!(idle.unfit, "");
    assert_eq!((idle.silent, idle.jobs, idle.slots), (false, 0, 1), "{idle:?}");
    assert!(idle.heard_ms < 15_000, "{idle:?}");

    // errors: what a stranger gets, and its owner gets for a bad record
    let stranger = connect(&url).await;
    let request = v1::GetDatasetRequest { id: dataset.id.clone() };
    let refused = stranger.datasets().get_dataset(request).await.unwrap_err();
    let channel = raw::channel(&url).await;
    let unsigned = v1::CancelJobRequest { job: "none".into() }.encode_to_vec();
    let nobody = raw::call(&channel, "/tribute.v1.JobService/CancelJob", unsigned, None).await.unwrap_err();
    let text = format!("{refused:?} {nobody:?}");
    assert_eq!(problem(nobody).reason, Reason::BadSignature);

    let metrics = scrape(of_worker);
    let counted = |name: &str, labels: &[&str]| {
        value(&metrics, name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is not in\n{metrics}"))
    };
    assert_eq!(counted("tribute_runs_total", &["dataset", "succeeded"]), 1.0);
    // another test may have made them
    let keys =
        ["warm", "kept", "made", "remade"].map(|origin| counted("tribute_keys_total", &[&format!("\"{origin}\"")]));
    assert_eq!((keys[0], keys.iter().sum::<f64>()), (0.0, 1.0));
    assert!(counted("tribute_phase_seconds_sum", &["dataset", "prove"]) > 0.0);
    assert!(counted("tribute_run_peak_bytes_sum", &["dataset"]) > 1e7);
    assert!(counted("tribute_verifier_gas", &["dataset"]) > 1e5);
    assert!(counted("tribute_resident_bytes", &[]) > 1e6);
    // what was read of the queue is shown for some seconds
    let of_server = wait_for("the openings in the server's metrics", || {
        Some(scrape(of_server)).filter(|all| value(all, "tribute_openings_left", &["commitment"]).is_some())
    });
    let of_both = of_server + &metrics;
    let submitted = "method=\"/tribute.v1.DatasetService/RegisterDataset\"";
    assert_eq!(value(&of_both, "tribute_calls_total", &[submitted, "OK"]), Some(1.0));
    assert_eq!(value(&of_both, "tribute_calls_total", &["CancelJob", "UNAUTHENTICATED"]), Some(1.0));
    assert!(value(&of_both, "tribute_openings_left", &["commitment"]).unwrap() > 0.0);

    let mut status = Command::new(program());
    status.args(["status", "--json", "--data"]).arg(place.data()).env("TRIBUTE_DATABASE", postgres.url_with(password));
    let status = status.output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["queued"], &status["ended"][0]["kind"]), (&0.into(), &"dataset".into()), "{status}");

    // one trace from the call to the phases, through four processes' hands
    let call = wait_for("the call's span", || collector.find("tribute-server", &submitted[8..submitted.len() - 1]));
    let ran = wait_for("the worker's span", || collector.find("tribute-worker", "job"));
    let process = wait_for("the process's span", || collector.find("tribute-job", "process"));
    let phase = wait_for("a phase's span", || collector.find("tribute-job", "prove"));
    let links = [(&ran, &call), (&process, &ran), (&phase, &process)];
    for (child, parent) in links {
        assert_eq!(child.parent_span_id, parent.span_id, "{} of {}", child.name, parent.name);
        assert_eq!(child.trace_id, call.trace_id);
    }

    // the next job of that circuit finds a process that has its keys already
    let work = data::dataset(&wine_schema(), data::csv("wine.csv", data::wines(60..120)));
    let job = submit_dataset(&client, work).await.unwrap();
    dataset_of(&client, &job).await;
    assert_eq!(value(&scrape(of_worker), "tribute_keys_total", &["\"warm\""]), Some(1.0));

    stop(worker);
    // it said that it stopped: it is not missed
    assert!(overview().await.workers.is_empty());
    stop(server);
    let logs =
        std::fs::read_to_string(file("server.log")).unwrap() + &std::fs::read_to_string(file("worker.log")).unwrap();
    for line in logs.lines() {
        let _: HashMap<String, Value> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    assert!(logs.contains("\"job succeeded\""));
    let audit = std::fs::read_to_string(audit).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |method: &str, code: &str| lines.iter().find(|l| l["method"] == method && l["code"] == code).unwrap();
    let registered = line("/tribute.v1.DatasetService/RegisterDataset", "OK");
    assert_eq!(registered["account"], account.as_str());
    assert_eq!(registered["message_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        line("/tribute.v1.DatasetService/GetDataset", "NOT_FOUND")["account"],
        stranger.account().unwrap().to_string()
    );
    assert_eq!(line("/tribute.v1.JobService/CancelJob", "UNAUTHENTICATED")["account"], Value::Null);

    // the tenant's secret, and what custody derives, are nowhere either: the database has them sealed
    let spans = format!("{:?}", collector.0.lock().unwrap());
    secrets.push(hex::encode(&secrets[0]));
    for secret in &secrets {
        for (name, text) in [
            ("logs", &logs),
            ("metrics", &of_both),
            ("traces", &spans),
            ("ps", &seen),
            ("errors", &text),
            ("audit", &audit),
        ] {
            assert!(!text.contains(secret.as_str()), "{secret} is in the {name}");
        }
    }
}
