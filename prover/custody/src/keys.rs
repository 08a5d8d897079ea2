//! Where the master key comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tribute_problem::{Problem, Result};
use tribute_store::files::{file_problem, write_private};

/// A source of the master key: 32 bytes as 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A shell command that prints it: the way to a key management service, such as `aws kms decrypt …` or `vault kv get …`.
    Run(String),
}

impl KeySource {
    /// The file in a data folder.
    #[must_use]
    pub fn in_folder(data: &Path) -> Self {
        KeySource::File(data.join("master.key"))
    }

    /// Whether it is a file that does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, KeySource::File(file) if !file.exists())
    }

    /// The key. A missing file is created with a random key, readable only by its owner.
    ///
    /// # Errors
    /// If there is no key, or it is not 64 hex digits. No error shows the key.
    pub fn read(&self) -> Result<[u8; 32]> {
        let text = match self {
            KeySource::File(file) => read_or_make(file)?,
            KeySource::Env(name) => std::env::var(name)
                .map_err(|_| Problem::field("master-key", format!("the environment variable {name} is not set")))?,
            KeySource::Run(command) => self.run(command)?,
        };
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key)
            .map_err(|_| Problem::field("master-key", format!("{self} must give 64 hex digits")))?;
        Ok(key)
    }

    fn run(&self, command: &str) -> Result<String> {
        let failed = |why: String| Problem::field("master-key", format!("{self} gives no key: {why}"));
        let output = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| failed(e.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        String::from_utf8(output.stdout).map_err(|_| failed("it prints no text".into()))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::File(file) => write!(f, "{}", file.display()),
            KeySource::Env(name) => write!(f, "env:{name}"),
            // its arguments may be secrets
            KeySource::Run(command) => write!(f, "run:{} …", command.split(' ').next().unwrap_or_default()),
        }
    }
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':') {
            Some(("env" | "run", "")) => Err(format!("`{text}` names nothing: env:NAME or run:COMMAND")),
            Some(("env", name)) => Ok(KeySource::Env(name.into())),
            Some(("run", command)) => Ok(KeySource::Run(command.into())),
            _ => Ok(KeySource::File(std::path::absolute(text).map_err(|e| e.to_string())?)),
        }
    }
}

fn read_or_make(file: &Path) -> Result<String> {
    if !file.exists() {
        let fresh = hex::encode(rand::random::<[u8; 32]>());
        // created atomically and never over an existing file: written to a temporary file, then linked into place
        let aside = file.with_extension(format!("new-{}", std::process::id()));
        write_private(&aside, fresh.as_bytes())?;
        let linked = std::fs::hard_link(&aside, file);
        std::fs::remove_file(&aside).map_err(|e| file_problem(&aside, &e))?;
        if let Err(e) = linked {
            if e.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(file_problem(file, &e));
            }
        }
    }
    std::fs::read_to_string(file).map_err(|e| file_problem(file, &e))
}
