//! Temporary servers that store: PostgreSQL and S3.

use std::process::Command;

/// A temporary PostgreSQL server, stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: String,
    /// URL of an empty database.
    pub url: String,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres-for-tests.sh");

impl Postgres {
    /// Starts a server; `None` if PostgreSQL is not installed, unless `TRIBUTE_REQUIRE_POSTGRES` is set.
    #[must_use]
    pub fn start() -> Option<Self> {
        Postgres::with_connections(60)
    }

    /// The same, with so many connections at most.
    #[must_use]
    pub fn with_connections(most: u32) -> Option<Self> {
        let started = Command::new(SCRIPT).args(["start", &most.to_string()]).output().unwrap();
        if started.status.code() == Some(3) && std::env::var_os("TRIBUTE_REQUIRE_POSTGRES").is_none() {
            eprintln!("not run: {}", String::from_utf8_lossy(&started.stderr).trim());
            return None;
        }
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let said = String::from_utf8(started.stdout).unwrap();
        let (folder, url) = said.trim().split_once(' ').unwrap();
        Some(Postgres { folder: folder.into(), url: url.into() })
    }

    /// Its folder, which has its `data`.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// `halt` stops the server at once, which breaks all connections off; `resume` starts it again on its data and port.
    pub fn control(&self, what: &str) {
        assert!(Command::new(SCRIPT).args([what, &self.folder]).status().unwrap().success());
    }

    /// The URL with a password, which the server does not ask for.
    #[must_use]
    pub fn url_with(&self, password: &str) -> String {
        self.url.replace("postgres@", &format!("postgres:{password}@"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).args(["stop", &self.folder]).status();
    }
}

const S3_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/s3-for-tests.sh");

/// A temporary S3 server with one bucket, `tribute`; stopped when dropped.
#[derive(Debug)]
pub struct S3 {
    /// What stops it: its process and folder.
    stop: Vec<String>,
    /// Environment variables with its endpoint and credentials.
    pub environment: Vec<(&'static str, String)>,
}

impl S3 {
    /// Starts a server; `None` if it is not installed, unless `TRIBUTE_REQUIRE_S3` is set.
    #[must_use]
    pub fn start() -> Option<Self> {
        let keys = [("AWS_ACCESS_KEY_ID", "planted-access-key"), ("AWS_SECRET_ACCESS_KEY", "planted-secret-key")];
        let started = Command::new(S3_SCRIPT).arg("start").envs(keys).output().unwrap();
        if started.status.code() == Some(3) && std::env::var_os("TRIBUTE_REQUIRE_S3").is_none() {
            eprintln!("not run: {}", String::from_utf8_lossy(&started.stderr).trim());
            return None;
        }
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let said = String::from_utf8(started.stdout).unwrap();
        let [process, endpoint, folder] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{said}") };
        let place = [("AWS_ENDPOINT", endpoint), ("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "eu-central-1")];
        let environment = place.into_iter().chain(keys).map(|(name, value)| (name, value.to_owned())).collect();
        Some(S3 { stop: vec![process.into(), folder.into()], environment })
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = Command::new(S3_SCRIPT).arg("stop").args(&self.stop).status();
    }
}
