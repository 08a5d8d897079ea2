//! Compiles Solidity to bytecode, with the compiler known to compile generated verifiers correctly.

use crate::{Bytecode, Error};
use sha3::{Digest, Keccak256};
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Environment variable that names the compiler.
pub const COMPILER_VARIABLE: &str = "TRIBUTE_SOLC";
/// Path of the compiler below the project root.
const COMPILER_PATH: &str = "verifier-contract/bin/solc";
/// Maximum length of compiler output that an error quotes.
const STDERR_LIMIT: usize = 2_000;

/// Compiles a generated verifier. With a `cache` folder, results are cached there by source.
///
/// # Errors
/// If no compiler is found or it refuses the source.
pub fn compile(source: &str, cache: Option<&Path>) -> Result<Bytecode, Error> {
    let kept = cache.map(|dir| dir.join(format!("{}.bin", hex::encode(Keccak256::digest(source)))));
    if let Some(path) = &kept {
        if let Some(creation) = fs::read_to_string(path).ok().and_then(|s| hex::decode(s.trim()).ok()) {
            return Bytecode::from_creation(creation);
        }
    }
    let creation = run_compiler(&find_compiler()?, source)?;
    let bytecode = Bytecode::from_creation(creation)?;
    if let Some(path) = &kept {
        store(path, &bytecode.creation)?;
    }
    Ok(bytecode)
}

/// Writes to a temporary file next to the target first, so that no reader ever sees a partial file.
fn store(path: &Path, creation: &[u8]) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(io(dir))?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, hex::encode(creation)).map_err(io(&part))?;
    fs::rename(&part, path).map_err(io(path))
}

/// The compiler of [`COMPILER_VARIABLE`], or the project's, searched for from the current folder upwards.
fn find_compiler() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(COMPILER_VARIABLE).filter(|v| !v.is_empty()) {
        return Ok(path.into());
    }
    let from = env::current_dir().map_err(|source| Error::Io { path: ".".into(), source })?;
    let found = from.ancestors().map(|dir| dir.join(COMPILER_PATH)).find(|path| path.is_file());
    found.ok_or(Error::CompilerMissing { from })
}

fn run_compiler(compiler: &Path, source: &str) -> Result<Vec<u8>, Error> {
    let failed = |status: String, stderr: &[u8]| {
        let text = String::from_utf8_lossy(stderr);
        let tail = text.char_indices().rev().nth(STDERR_LIMIT).map_or(0, |(at, _)| at);
        Error::Compiler { compiler: compiler.to_owned(), status, stderr: text[tail..].trim().to_owned() }
    };
    let mut child = Command::new(compiler)
        .args(["--bin", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string(), b""))?;
    // The compiler reads all of its input before it writes anything, so this cannot block. If it stops early, its exit
    // status says more than the broken pipe.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(source.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string(), b""))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string(), &output.stderr));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let code = stdout.split_whitespace().last().and_then(|word| hex::decode(word).ok());
    code.filter(|code| !code.is_empty()).ok_or(Error::NoBytecode { compiler: compiler.to_owned() })
}
