//! Finds, limits and kills processes.

use std::process::{Child, Command};

/// Process ids of the children of `parent` that execute jobs.
#[must_use]
pub fn working_children(parent: u32) -> Vec<u32> {
    children(parent).into_iter().filter(|(_, name)| name == "tribute-job").map(|(pid, _)| pid).collect()
}

/// Process ids of all children of `parent`: those that execute jobs, and those that wait for one.
#[must_use]
pub fn all_children(parent: u32) -> Vec<u32> {
    children(parent).into_iter().map(|(pid, _)| pid).collect()
}

/// Process ids and names of the children of `parent` that have not ended.
fn children(parent: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // pid (name) state ppid …
        let Some((start, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        if fields[0] != "Z" && fields[1] == parent.to_string() {
            found.push((pid, start.split_once('(').unwrap().1.to_owned()));
        }
    }
    found
}

/// Whether a process with that id exists and has not ended.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// Kills a process with SIGKILL.
pub fn kill_hard(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// A process that is killed when dropped.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program with a limit on file sizes that can be set later: a write beyond it is an error, as on a full disk, and not
/// a fatal signal.
#[must_use]
pub fn limitable() -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(crate::program());
    shell
}

/// Limits the size of files that a process writes, or no longer: `unlimited`. False if there is no such process.
pub fn limit_files(pid: u32, bytes: &str) -> bool {
    let limit = format!("--fsize={bytes}:unlimited");
    Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status()
        .expect("prlimit, of util-linux")
        .success()
}
