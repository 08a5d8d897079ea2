//! The audit log: one JSON object a line for every call that needs an account, answered or refused.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Result};

/// A file to which lines are appended. It is opened anew for every line, so it may be moved away at any time.
#[derive(Clone, Debug)]
pub struct AuditLog {
    file: PathBuf,
}

/// A line.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// Unix milliseconds of the answer.
    pub(crate) at_ms: u64,
    /// gRPC path.
    pub(crate) method: &'a str,
    /// Who called; `null` if the caller did not authenticate.
    pub(crate) account: Option<AccountAddress>,
    /// SHA-256 of a signed call's message, which the caller's signature covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_sha256: Option<String>,
    /// gRPC code of the answer.
    pub(crate) code: &'a str,
    /// Milliseconds until the answer.
    pub(crate) took_ms: u64,
}

impl AuditLog {
    /// Appends to `file`, which is created if missing, readable only by its owner.
    ///
    /// # Errors
    /// If it cannot be opened for writing.
    pub fn to(file: &Path) -> Result<Self> {
        let audit = AuditLog { file: std::path::absolute(file)? };
        audit.open().map_err(|e| Problem::field("audit", format!("cannot write to {}: {e}", file.display())))?;
        Ok(audit)
    }

    fn open(&self) -> std::io::Result<std::fs::File> {
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.file)
    }

    pub(crate) fn write(&self, line: &Line<'_>) {
        let written = serde_json::to_vec(line).map_err(std::io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            // one write, so that lines of several servers do not mix
            self.open()?.write_all(&text)
        });
        if let Err(e) = written {
            tracing::error!(error = %e, file = %self.file.display(), "a line of the audit log is lost");
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
