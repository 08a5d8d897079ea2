//! Runs the public command line: every command is a child process and a line in `commands.sh`. Keys are passed through the
//! environment. A child never outlives the demo: dropping its handle kills it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::process::{Child, ChildStdin, Command};
use tribute_problem::{Problem, Reason, Result};

use super::parties::Party;

/// File with the parties' keys, which `commands.sh` reads.
const KEYS: &str = "keys.env";
/// Time that a server has to stop before it is killed.
const STOP: Duration = Duration::from_secs(15);

/// The shell of one demo. Commands run in its output folder.
pub(super) struct Shell {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    log: Mutex<Log>,
}

struct Log {
    commands: File,
    count: usize,
}

impl Shell {
    /// Creates `commands.sh` in `folder`. All commands get the variables in `environment`.
    pub(super) fn new(folder: &Path, environment: Vec<(String, String)>) -> Result<Self> {
        let program = std::env::current_exe()?;
        std::fs::create_dir_all(folder.join("logs"))?;
        let mut commands = File::create(folder.join("commands.sh"))?;
        make_executable(&folder.join("commands.sh"))?;
        let mut head = format!(
            "#!/usr/bin/env bash\n# Every command of the demo, in the order in which they were started.\n\
             set -euo pipefail\ncd \"$(dirname \"${{BASH_SOURCE[0]}}\")\"\n. ./{KEYS}\ntribute() {{ {} \"$@\"; }}\n",
            quoted(&program.to_string_lossy())
        );
        for (name, value) in &environment {
            head.push_str(&format!("export {name}={}\n", quoted(value)));
        }
        commands.write_all(head.as_bytes())?;
        let log = Mutex::new(Log { commands, count: 0 });
        Ok(Shell { program, folder: folder.to_owned(), environment, log })
    }

    /// Sets a variable for all later commands.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.environment.push((name.to_owned(), value.to_owned()));
        self.note(&format!("export {name}={}", quoted(value)))
    }

    /// Writes the parties' keys next to `commands.sh`, which reads them.
    pub(super) fn write_keys(&self, parties: &[&Party]) -> Result<()> {
        let lines = parties.iter().map(|p| format!("export {}={} # {}\n", p.variable, p.secret(), p.address()));
        let head = "# Keys of a throw-away chain: worth nothing anywhere else.\n".to_owned();
        let text = std::iter::once(head).chain(lines).collect::<String>();
        tribute_store::files::write_private(&self.folder.join(KEYS), text.as_bytes())
    }

    /// Adds a line to `commands.sh` that is not a `tribute` command.
    pub(super) fn note(&self, line: &str) -> Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writeln!(log.commands, "{line}")?)
    }

    /// Runs a command as `who` and returns its standard output.
    pub(super) async fn run(&self, who: Option<&Party>, args: &[&str]) -> Result<String> {
        let (mut command, log) = self.command(who, args, "")?;
        // not `output`, which would take standard error away from the log
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|e| self.cannot_start(&e))?;
        let output = child.wait_with_output().await?;
        if output.status.success() {
            return String::from_utf8(output.stdout).map_err(Problem::internal);
        }
        let complaints = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = || complaints.lines().filter(|l| !l.trim().is_empty());
        let last = lines().rfind(|l| l.starts_with("error: ")).or(lines().next_back());
        let said = last.map_or("no error message", |l| l.trim_start_matches("error: "));
        let name = args.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Err(Problem::new(
            Reason::Internal,
            format!("`tribute {name}` failed ({}): {said}; see {}", output.status, log.display()),
        ))
    }

    /// Runs a command as `who` and parses the JSON on its standard output.
    pub(super) async fn json<T: DeserializeOwned>(&self, who: Option<&Party>, args: &[&str]) -> Result<T> {
        // `tribute chain` prints text by default
        let flag: &[&str] = if args.first() == Some(&"chain") { &["--json"] } else { &[] };
        let text = self.run(who, &[args, flag].concat()).await?;
        serde_json::from_str(&text)
            .map_err(|e| Problem::internal(format!("cannot parse the output of `tribute {}`: {e}", args.join(" "))))
    }

    /// Starts a server command. It runs until it is stopped, or until its standard input closes.
    pub(super) fn start(&self, args: &[&str]) -> Result<Running> {
        let (mut command, _) = self.command(None, args, " &")?;
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(|e| self.cannot_start(&e))?;
        let leash = child.stdin.take();
        Ok(Running { child, leash })
    }

    /// A `tribute` command with its environment and log file for standard error; adds it to `commands.sh`.
    fn command(&self, who: Option<&Party>, args: &[&str], suffix: &str) -> Result<(Command, PathBuf)> {
        let mut words: Vec<&str> = args.to_vec();
        if let Some(party) = who {
            words.extend(["--key-env", party.variable.as_str()]);
        }
        let line = words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ");
        let name = args.iter().take(2).copied().collect::<Vec<_>>().join("-");
        let log = {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.count += 1;
            writeln!(log.commands, "tribute {line}{suffix}")?;
            self.folder.join("logs").join(format!("{:02}-{name}.log", log.count))
        };
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stderr(File::create(&log)?)
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0); // Ctrl-C reaches only the demo, which then stops everything in order
        if let Some(party) = who {
            command.env(&party.variable, party.secret());
        }
        Ok((command, log))
    }

    fn cannot_start(&self, e: &std::io::Error) -> Problem {
        Problem::new(Reason::ToolMissing, format!("cannot start {}: {e}", self.program.display()))
    }
}

/// A running server command. Dropping it stops it and waits until it has exited.
pub(super) struct Running {
    child: Child,
    leash: Option<ChildStdin>,
}

impl Running {
    /// True while it has not exited.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop and waits; kills it if that takes too long.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.leash.take());
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.leash.take());
        let start = Instant::now();
        while self.is_running() {
            if start.elapsed() > STOP {
                let _ = self.child.start_kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Quotes a word for a shell, if necessary.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn make_executable(file: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--rows"), "--rows");
        assert_eq!(quoted("data/provider-1.csv"), "data/provider-1.csv");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
