//! The worker's end of the protocol with a [`child`](crate::child).

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tribute_problem::{Problem, Reason, Result};
use tribute_simd::Backend;
use tribute_store::artefacts::ENVIRONMENT;

use crate::child::{Message, Opening};
use crate::memory::TRAINING_VARIABLE;
use crate::place::Workplace;

/// Environment variables that a child is given, beside those of logs and traces: where to find libraries, how many threads
/// to start, how much memory to train in, which arithmetic to prove with. Anything else, such as a database's password,
/// stays with the worker.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RAYON_NUM_THREADS",
    LIBRARY,
    TRAINING_VARIABLE,
    Backend::VARIABLE,
];
/// Those that say how to reach an artefact store with a URL, beside those that begin with
/// [`ENVIRONMENT`](tribute_store::artefacts::ENVIRONMENT).
const FOR_A_STORE: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
const LIBRARY: &str = tribute_inference::runtime::LIBRARY_VARIABLE;

/// A running child, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts `program work`, which waits for its request at a workplace. It computes with so many threads, unless
    /// RAYON_NUM_THREADS says otherwise.
    ///
    /// # Errors
    /// [`Reason::ToolMissing`] if it does not start.
    pub fn start(program: &Path, workplace: &Workplace, threads: Option<usize>) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        command.env_clear();
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        command.envs(tribute_telemetry::environment());
        let store = workplace.artefacts.is_some();
        for (name, value) in std::env::vars_os() {
            let Some(text) = name.to_str() else { continue };
            let reaches = text.starts_with(ENVIRONMENT) || FOR_A_STORE.contains(&text);
            if PASSED_ON.contains(&text) || (store && reaches) {
                command.env(&name, value);
            }
        }
        #[cfg(unix)]
        command.process_group(0); // Ctrl-C reaches the worker, which then stops its children
        let mut child = command
            .spawn()
            .map_err(|e| Problem::new(Reason::ToolMissing, format!("cannot start {}: {e}", program.display())))?;
        let without = |what: &str| Problem::internal(format!("child without standard {what}"));
        let input = child.stdin.take().ok_or_else(|| without("input"))?;
        let output = child.stdout.take().ok_or_else(|| without("output"))?;
        Ok(Running { child, input, lines: BufReader::new(output).lines() })
    }

    /// Tells it what to load while it waits, or its request.
    ///
    /// # Errors
    /// [`Reason::ToolMissing`] if it has ended.
    pub async fn tell(&mut self, opening: &Opening) -> Result<()> {
        let ended = |e| Problem::new(Reason::ToolMissing, format!("the working process takes no request: {e}"));
        self.send(opening).await?.map_err(ended)
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<std::io::Result<()>> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        Ok(match self.input.write_all(&line).await {
            Ok(()) => self.input.flush().await,
            failed => failed,
        })
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The child's process id; `None` when it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The child's next message; `None` when it has closed its output. Losing the future loses no message.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(message) => return Some(message),
                    Err(_) => tracing::debug!(line = %line, "child said"),
                },
                _ => return None,
            }
        }
    }

    /// Answers [`Message::Ask`].
    pub async fn answer(&mut self, answer: &Result<Option<String>>) -> Result<()> {
        // a child that has ended meanwhile closes its output, too
        let _ = self.send(answer).await?;
        Ok(())
    }

    /// Waits for the child's own end.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the child.
    pub async fn kill(mut self) {
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
    }
}
