//! Private files.

use std::path::Path;

use tribute_problem::{Problem, Result};

/// Writes a file that only its owner can read.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file).map_err(|e| file_problem(file, &e))?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(|e| file_problem(file, &e))
}

/// Converts an I/O error on a file.
#[must_use]
pub fn file_problem(file: &Path, error: &std::io::Error) -> Problem {
    Problem::storage(format!("{}: {error}", file.display())).with("file", file.display())
}
