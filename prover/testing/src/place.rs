//! A data folder, and server and worker processes that use it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{program, wait_for};

/// A `tribute serve` process; killed when dropped.
#[derive(Debug)]
pub struct Served {
    /// The process.
    pub process: Child,
    /// URL of the server.
    pub url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A data folder that outlives its servers.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// Creates an empty folder.
    #[must_use]
    #[allow(clippy::new_without_default)] // it makes a folder
    pub fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    /// The servers' data folder inside it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    /// Starts a server on a free port.
    #[must_use]
    pub fn serve(&self, extra: &[&str]) -> Served {
        self.serve_at("127.0.0.1:0", extra)
    }
    /// Starts a server at an address.
    #[must_use]
    pub fn serve_at(&self, address: &str, extra: &[&str]) -> Served {
        self.serve_with(Command::new(program()), address, extra)
    }
    /// Starts a server with `program`: the program itself, or a command that runs it.
    #[must_use]
    pub fn serve_with(&self, mut program: Command, address: &str, extra: &[&str]) -> Served {
        let port_file = self.folder.path().join("address");
        let _ = std::fs::remove_file(&port_file);
        program.args(["serve", "--listen", address, "--port-file"]).arg(&port_file);
        let mut process = self.start(program, extra);
        let address = wait_for("the server's address", || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at its start: {ended:?}");
            std::fs::read_to_string(&port_file).ok()
        });
        Served { process, url: format!("http://{}", address.trim()) }
    }
    /// Starts a separate worker process.
    #[must_use]
    pub fn worker(&self, extra: &[&str]) -> Child {
        self.worker_with(Command::new(program()), extra)
    }
    /// Starts a worker with `program`: the program itself, or a command that runs it.
    #[must_use]
    pub fn worker_with(&self, mut program: Command, extra: &[&str]) -> Child {
        program.arg("worker");
        self.start(program, extra)
    }
    fn start(&self, mut program: Command, extra: &[&str]) -> Child {
        program.args([OsStr::new("--stop-with-stdin"), OsStr::new("--data"), self.data().as_os_str()]).args(extra);
        program.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }
}
