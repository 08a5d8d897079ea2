//! A client's files: errors name the file, and writes are atomic.

use std::path::Path;

use tribute_problem::{Problem, Result};

/// Writes a file atomically, creating its folder.
pub fn write_file(file: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| Problem::storage(format!("cannot write {}: {e}", file.display()));
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    std::fs::write(&aside, bytes).map_err(failed)?;
    std::fs::rename(&aside, file).map_err(|e| {
        let _ = std::fs::remove_file(&aside);
        failed(e)
    })
}

/// Reads a file; the error names it.
pub fn read_file(file: &Path) -> Result<Vec<u8>> {
    read_given("file", file)
}

/// Reads the file that is given for an option; the error names both.
pub fn read_given(option: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Problem::field(option, format!("cannot read {}: {e}", file.display())))
}
