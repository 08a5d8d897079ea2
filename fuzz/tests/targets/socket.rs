//! Raw bytes on the socket of a real server: what clients send, altered. The server closes what it does not understand, panics
//! nowhere, and goes on answering others.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tribute_client::asking::QueryStream;
use tribute_client::Client;
use tribute_proto::v1;
use tribute_service::auth::accounts::Accounts;
use tribute_service::jobs::config;
use tribute_service::jobs::queue::Quotas;
use tribute_service::{connections, server, Limits};
use tribute_steps::place::Storage;

use super::fuzz;

/// Altered connections between two questions whether the server still answers.
const BETWEEN: u32 = 50;

/// A server in `folder` that answers to `name`.
fn config(folder: &Path, name: &str) -> server::Config {
    server::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        names: vec![name.to_owned()],
        accounts: Accounts::all(),
        operators: Vec::new(),
        uploads: Limits::default(),
        quotas: Quotas::default(),
        connections: connections::Limits::default(),
        tls: None,
        worker: config::Config::new(Storage::in_folder(folder), 0).unwrap(),
        profile: (10, Some(8)),
        chain: None,
        registries: Vec::new(),
        keep: None,
        metrics: None,
        audit: None,
        public_rpc: None,
    }
}

/// What clients have sent on each of their connections.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes connections on to `server` and notes what clients send.
async fn record(listener: TcpListener, server: SocketAddr, sent: Sent) {
    while let Ok((client, _)) = listener.accept().await {
        let sent = sent.clone();
        tokio::spawn(async move {
            let number = {
                let mut sent = sent.lock().unwrap();
                sent.push(Vec::new());
                sent.len() - 1
            };
            let (mut from, mut to) = client.into_split();
            let (mut back, mut on) = tokio::net::TcpStream::connect(server).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
            let mut piece = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut piece).await {
                sent.lock().unwrap()[number].extend_from_slice(&piece[..length]);
                on.write_all(&piece[..length]).await.unwrap();
            }
        });
    }
}

/// One connection each for calls of every kind: public, read-only, signed, streams of one side and of both.
async fn calls(url: &str) {
    for kind in 0..5 {
        let client = Client::connect(url, PrivateKeySigner::random()).await.unwrap();
        match kind {
            0 => drop(client.circuits().list_circuits(v1::ListCircuitsRequest::default()).await),
            1 => drop(client.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap()),
            2 => {
                let calibrate = v1::CalibrateWork { k: 10, rounds: 1, tag: "socket".into() };
                let work = Some(v1::Work { work: Some(v1::work::Work::Calibrate(calibrate)) });
                let job = client.jobs().submit(v1::SubmitRequest { work, options: None }).await.unwrap();
                let job = job.into_inner().job.unwrap().id;
                let watch = v1::WatchJobRequest { job: job.clone(), after: 0 };
                drop(client.jobs().watch_job(watch).await.unwrap().into_inner().message().await.unwrap());
                client.jobs().cancel_job(v1::CancelJobRequest { job }).await.unwrap();
            }
            3 => drop(client.upload(vec![7; 1000]).await.unwrap()),
            _ => {
                let query = v1::QueryRequest { session: vec![1; 32], ..Default::default() };
                QueryStream::new(&client).exchange(query).await.unwrap_err();
            }
        }
    }
}

/// What is no HTTP/2: gRPC-Web, and a page.
fn others(name: &str) -> Vec<Vec<u8>> {
    let web = "POST /tribute.v1.ServerService/GetServerInfo HTTP/1.1";
    let length = "content-type: application/grpc-web+proto\r\ncontent-length: 5";
    vec![
        format!("{web}\r\nhost: {name}\r\n{length}\r\n\r\n\0\0\0\0\0").into_bytes(),
        format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n").into_bytes(),
    ]
}

/// Sends bytes and returns the answer, until the server closes or is silent. `cut` ends the stream after the bytes.
fn say(server: SocketAddr, bytes: &[u8], patience: Duration, cut: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("the server accepts connections");
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.set_write_timeout(Some(patience)).unwrap();
    let mut answer = Vec::new();
    // a server that refuses may close before it has read everything
    if stream.write_all(bytes).is_ok() {
        if cut {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let _ = stream.take(1 << 20).read_to_end(&mut answer);
    }
    answer
}

/// Panics of the server's threads.
fn panics() -> &'static AtomicUsize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some("server") {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            before(panic);
        }));
    });
    &PANICS
}

#[test]
fn bytes_on_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let runtime: Runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .unwrap();
    let sent = Sent::default();
    let (server, name) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let server = server::start(config(folder.path(), &name)).await.unwrap();
        tokio::spawn(record(listener, server.address, sent.clone()));
        calls(&format!("http://{name}")).await;
        (server, name)
    });
    let mut seeds = sent.lock().unwrap().clone();
    assert_eq!(seeds.len(), 5);
    let others = others(&name);
    let page = others[1].clone();
    seeds.extend(others);

    let panics = panics();
    let answers = || say(server.address, &page, Duration::from_secs(10), false).starts_with(b"HTTP/1.1 ");
    assert!(answers());
    let count = Cell::new(0_u32);
    fuzz("socket", &seeds, 400, |input| {
        say(server.address, input, Duration::from_millis(100), true);
        count.set(count.get() + 1);
        if count.get().is_multiple_of(BETWEEN) {
            assert!(answers(), "the server is silent");
        }
        assert_eq!(panics.load(Ordering::Relaxed), 0, "the server panicked");
    });
    runtime.block_on(server.stop()).unwrap();
}
