//! A temporary PostgreSQL server.

use std::process::Command;

use crate::ROOT;

/// A temporary server, stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: String,
    /// URL of an empty database.
    pub url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.script("stop");
    }
}

impl Postgres {
    /// Starts one; `None` if PostgreSQL is not installed, unless TRIBUTE_REQUIRE_POSTGRES is set.
    #[must_use]
    pub fn start() -> Option<Self> {
        let started = script().arg("start").output().unwrap();
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

    /// Kills the server; its data stays.
    pub fn break_down(&self) {
        assert!(self.script("break"));
    }

    /// Starts it again.
    pub fn mend(&self) {
        assert!(self.script("mend"));
    }

    fn script(&self, what: &str) -> bool {
        script().args([what, &self.folder]).status().is_ok_and(|s| s.success())
    }
}

fn script() -> Command {
    Command::new(format!("{ROOT}/scripts/postgres-for-tests.sh"))
}
