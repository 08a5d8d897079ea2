//! Checksummed files that this program both writes and reads: magic bytes, SHA-256 of the contents, contents.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Writes a file atomically and creates its folder.
pub fn write(path: &Path, magic: &[u8; 8], bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let mut file = File::create(&part)?;
    file.write_all(magic)?;
    file.write_all(&Sha256::digest(bytes))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}
