//! Files of a client: read with errors that name them, written whole or not at all.

use std::path::Path;

use tribute_problem::{Problem, Result};

/// Writes a file whole or not at all, making its folder.
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

/// Reads a file, naming it when that fails.
pub fn read_file(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Problem::field("file", format!("cannot read {}: {e}", file.display())))
}
