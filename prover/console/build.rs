//! Embeds the bundle of `console/`, if it has been built: `make setup` does. Building the program needs no Node.js.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let bundle = manifest.join("../../console/dist");
    // a folder that is missing would make cargo run this again and again
    let watched = if bundle.exists() { &bundle } else { &manifest.join("../../console") };
    println!("cargo:rerun-if-changed={}", watched.display());
    let mut files = Vec::new();
    if bundle.exists() {
        collect(&bundle, &bundle, &mut files)?;
    }
    files.sort();
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    // a copy, so that a bundle which is rebuilt meanwhile does not end the compilation
    let copies = out.join("bundle");
    let _ = fs::remove_dir_all(&copies);
    for (path, name) in &mut files {
        let copy = copies.join(name);
        fs::create_dir_all(copy.parent().unwrap_or(&copies))?;
        fs::copy(&path, &copy)?;
        *path = copy;
    }
    let mut table = String::from("&[\n");
    for (path, name) in files.iter().filter(|(_, name)| !name.ends_with(".gz")) {
        let bytes = fs::read(path)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let packed = path.with_file_name(format!("{}.gz", path.file_name().unwrap_or_default().to_string_lossy()));
        let packed = if packed.exists() { format!("Some(include_bytes!({packed:?}))") } else { "None".into() };
        let kind = kind(name);
        writeln!(
            table,
            "    File {{ path: \"/{name}\", kind: {kind:?}, etag: {etag:?}, bytes: include_bytes!({path:?}), gzip: {packed} }},"
        )
        .map_err(io::Error::other)?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
            files.push((path.canonicalize()?, name));
        }
    }
    Ok(())
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
