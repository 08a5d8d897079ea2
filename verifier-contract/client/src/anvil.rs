//! A local chain of our own: anvil as a child process that never outlives us, not even if we are killed.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use alloy::primitives::Bytes;
use alloy::signers::local::PrivateKeySigner;

use crate::artifacts::upward;
use crate::chain::Chain;
use crate::error::{ChainError, Result};

/// Environment variable that names the anvil program.
pub const ANVIL_VARIABLE: &str = "TRIBUTE_ANVIL";
/// The rules of main network today; the contracts are compiled for them.
pub const HARDFORK: &str = "osaka";
const USUAL_PLACE: &str = "verifier-contract/bin/anvil";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs anvil in a process group of its own, so that Ctrl-C reaches only us and we decide what happens first. Our end
/// of its standard input closes when we end, however we end; then anvil is stopped.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
anvil=$!
(read -r _ <&3; kill -TERM "$anvil") >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$anvil"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
"#;

/// How to start a local chain.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// The program; `None` looks for it.
    pub program: Option<PathBuf>,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Funded accounts.
    pub accounts: u16,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// State that an earlier chain dumped.
    pub load_state: Option<PathBuf>,
    /// Whether blocks come with transactions (else only when asked for).
    pub automine: bool,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        AnvilOptions { program: None, port: 0, accounts: 20, chain_id: 31_337, load_state: None, automine: true }
    }
}

/// A running anvil; dropping it stops it.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    /// Closing it stops anvil.
    leash: Option<ChildStdin>,
    url: String,
    keys: Vec<PrivateKeySigner>,
}

impl Anvil {
    /// Starts anvil on a free port.
    pub fn start() -> Result<Anvil> {
        Anvil::start_with(&AnvilOptions::default())
    }

    /// Starts anvil: real code-size and transaction-gas limits, main network's hardfork.
    pub fn start_with(options: &AnvilOptions) -> Result<Anvil> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => find()?,
        };
        let failed = |cause: String| ChainError::AnvilFailed { path: program.clone(), cause };
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "anvil"]).arg(&program).args(["--host", "127.0.0.1"]);
        command.args(["--port", &options.port.to_string(), "--accounts", &options.accounts.to_string()]);
        command.args(["--chain-id", &options.chain_id.to_string(), "--hardfork", HARDFORK]);
        command.arg("--enable-tx-gas-limit");
        if let Some(state) = &options.load_state {
            command.arg("--load-state").arg(state);
        }
        if !options.automine {
            command.arg("--no-mining");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|e| failed(format!("sh: {e}")))?;
        let leash = child.stdin.take();
        let lines = listen(child.stdout.take());
        let complaints = listen(child.stderr.take());
        let mut anvil = Anvil { child, leash, url: String::new(), keys: Vec::new() };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => anvil.note(&line),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(failed(format!("no chain after {} s", START_TIMEOUT.as_secs())));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let said: Vec<String> = complaints.iter().collect();
                    return Err(failed(format!("it ended: {}", said.join(" ").trim())));
                }
            }
            if !anvil.url.is_empty() {
                return Ok(anvil);
            }
        }
    }

    /// Reads one line of what anvil prints when it starts: keys, then the address.
    fn note(&mut self, line: &str) {
        if let Some(address) = line.trim().strip_prefix("Listening on ") {
            self.url = format!("http://{}", address.trim());
        } else if let Some((_, key)) = line.trim().split_once(") 0x") {
            // addresses have the same form but are shorter
            if let (64, Ok(signer)) = (key.len(), key.parse::<PrivateKeySigner>()) {
                self.keys.push(signer);
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its funded accounts.
    #[must_use]
    pub fn keys(&self) -> &[PrivateKeySigner] {
        &self.keys
    }

    /// The process that stands for it (its watchdog); the whole process group has this number.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Connects to it.
    pub async fn connect(&self) -> Result<Chain> {
        Chain::connect(&self.url).await
    }

    /// Stops it and waits until it is gone.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.leash.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // does not happen unless `sh` itself is stuck
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.end();
    }
}

/// Passes on what the process prints, line by line, and keeps its pipe from filling up afterwards.
fn listen(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
    }
    receiver
}

/// The anvil in `TRIBUTE_ANVIL`, else `verifier-contract/bin/anvil` in the current folder or one above it.
fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(ANVIL_VARIABLE).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(ChainError::AnvilMissing { looked: vec![path] }) };
    }
    let looked = upward(USUAL_PLACE);
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(ChainError::AnvilMissing { looked }),
    }
}

/// What only a local chain can do.
impl Chain {
    /// Writes the chain's whole state, blocks included, as JSON that anvil loads again (`--load-state`).
    pub async fn dump_state(&self, path: &Path) -> Result<()> {
        let dumped: Bytes = self.request("anvil_dumpState", ()).await?;
        let wrong = |cause: String| ChainError::File { path: path.to_owned(), cause };
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(dumped.as_ref())
            .read_to_end(&mut json)
            .map_err(|e| wrong(format!("the node's state is not gzip: {e}")))?;
        std::fs::write(path, json).map_err(|e| wrong(e.to_string()))
    }

    /// Moves the clock forward and mines a block there.
    pub async fn advance_time(&self, seconds: u64) -> Result<()> {
        let _: serde_json::Value = self.request("evm_increaseTime", (seconds,)).await?;
        self.mine(1).await
    }

    /// Mines blocks.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        let _: serde_json::Value = self.request("anvil_mine", (format!("{blocks:#x}"),)).await?;
        Ok(())
    }

    /// Whether transactions are mined at once.
    pub async fn set_automine(&self, on: bool) -> Result<()> {
        let _: serde_json::Value = self.request("evm_setAutomine", (on,)).await?;
        Ok(())
    }

    /// Replaces the newest `depth` blocks by empty ones, as a reorganisation does.
    pub async fn reorganise(&self, depth: u64) -> Result<()> {
        let none: [(); 0] = [];
        let _: serde_json::Value = self.request("anvil_reorg", (depth, none)).await?;
        Ok(())
    }
}
