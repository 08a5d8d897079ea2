//! A real server process with a data folder of its own.

#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use tempfile::TempDir;
use tribute_client::Client;
use tribute_core::schema::Schema;
use tribute_proto::v1;
use tribute_records::{Options, Predicts, Range, Source};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tribute");

/// The schema of a table.
pub fn infer(file: &str, predicts: Predicts, bytes: &[u8]) -> Schema {
    let options = Options::default();
    let source = Source::from_bytes(file, bytes.to_vec(), &options).unwrap();
    let name = file.split('.').next().unwrap();
    source.infer(name, predicts, Range::MinMax, &options).unwrap().into_schema().unwrap()
}

/// A `tribute serve` process; killed when dropped.
pub struct Served {
    pub process: Child,
    pub url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A data folder that outlives the servers on it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    pub fn serve(&self, extra: &[&str]) -> Served {
        self.serve_at("127.0.0.1:0", extra)
    }
    pub fn serve_at(&self, address: &str, extra: &[&str]) -> Served {
        let port_file = self.folder.path().join("address");
        let _ = std::fs::remove_file(&port_file);
        let process = Command::new(PROGRAM)
            .args(["serve", "--listen", address, "--stop-with-stdin", "--port-file"])
            .arg(&port_file)
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = wait_for("the server's address", || std::fs::read_to_string(&port_file).ok());
        Served { process, url: format!("http://{}", address.trim()) }
    }
    pub fn worker(&self, extra: &[&str]) -> Child {
        Command::new(PROGRAM)
            .args(["worker", "--stop-with-stdin", "--data"])
            .arg(self.folder.path().join("data"))
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// Looks until there is something, for at most a minute.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub async fn connect(url: &str) -> Client {
    Client::connect(url, PrivateKeySigner::random()).await.unwrap()
}

/// Work that takes a while, in steps: commitments of 2^k random scalars.
pub fn calibrate(k: u32, rounds: u32, tag: &str) -> v1::Work {
    let work = v1::CalibrateWork { k, rounds, tag: tag.into() };
    v1::Work { work: Some(v1::work::Work::Calibrate(work)) }
}

pub async fn submit(client: &Client, work: v1::Work) -> v1::Job {
    let request = client.sign(v1::SubmitRequest { auth: None, work: Some(work), options: None }).unwrap();
    client.jobs().submit(request).await.unwrap().into_inner().job.unwrap()
}

pub async fn get(client: &Client, job: &str) -> v1::Job {
    let request = client.sign(v1::GetJobRequest { auth: None, job: job.into() }).unwrap();
    client.jobs().get_job(request).await.unwrap().into_inner()
}

/// Looks at a job until `ready`, for at most a minute.
pub async fn until(client: &Client, job: &str, ready: impl Fn(&v1::Job) -> bool) -> v1::Job {
    let start = Instant::now();
    loop {
        let found = get(client, job).await;
        if ready(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain; last seen: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Process ids of the children of `parent` that do jobs.
pub fn working_children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // pid (name) state ppid …
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        if fields[0] != "Z" && fields[1] == parent.to_string() {
            found.push(pid);
        }
    }
    found
}

pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// kill -9.
pub fn kill_hard(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
