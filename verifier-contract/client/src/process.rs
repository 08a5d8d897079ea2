//! A node as a child process that ends with its parent, even if the parent is killed.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{ChainError, Result};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a node in a process group of its own, so that Ctrl-C does not reach it before the parent can react. The
/// parent's end of standard input closes when the parent ends for any reason; the watchdog then stops the node.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
node=$!
(read -r _ <&3; kill -TERM "$node") >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$node"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
"#;

/// A child process that ends with its parent; dropping it stops it.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    child: Child,
    /// Its standard input; closing it stops the child.
    stdin: Option<ChildStdin>,
}

impl NodeProcess {
    /// Starts a node and reads its output until `ready` recognises that it is serving.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        folder: Option<&Path>,
        mut ready: impl FnMut(&str) -> bool,
    ) -> Result<NodeProcess> {
        let failed = |cause: String| ChainError::NodeFailed { path: program.to_owned(), cause };
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "node"]).arg(program).args(arguments);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|e| failed(format!("sh: {e}")))?;
        let stdin = child.stdin.take();
        let lines = listen(child.stdout.take());
        let complaints = listen(child.stderr.take());
        let process = NodeProcess { child, stdin };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if ready(&line) => return Ok(process),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(failed(format!("no chain after {} s", START_TIMEOUT.as_secs())));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let said: Vec<String> = complaints.iter().collect();
                    return Err(failed(format!("it ended: {}", said.join(" ").trim())));
                }
            }
        }
    }

    /// Id of the watchdog process, and of the whole process group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn end(&mut self) {
        drop(self.stdin.take());
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

impl Drop for NodeProcess {
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
