//! Hashes the sources that determine the keys, so that a cached key is never taken for that of another version.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The circuits, and the layouts and numbers they are made of. Another halo2 shows in the key's own digest.
const SOURCES: [&str; 2] = ["src", "core/src"];

fn main() {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.to_string_lossy().replace('\\', "/");
        let content = std::fs::read(&file).unwrap_or_default();
        for part in [name.as_bytes(), &content] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    println!("cargo::rustc-env=TRIBUTE_CIRCUITS_SOURCE={hex}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) if path.is_file() => files.push(path.into()),
        Err(_) => {}
    }
}
