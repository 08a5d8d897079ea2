//! `tribute srs …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{json, Value};
use tribute_core::id::SrsDigest;
use tribute_engine::srs::{ceremonies, Halo2Params, Ptau, Srs, SrsError, SrsStore};
use tribute_problem::{Problem, Result};

use super::output::emit;
use super::CommandResult;

#[derive(Debug, Subcommand)]
pub(super) enum SrsCommand {
    /// Check a ceremony's powers-of-tau file (.ptau), or parameters written by halo2, and store the part that proofs need.
    ///
    /// Every point used is checked: it is on its curve, in its group and, by pairings, a power of the one secret. That nobody
    /// knows the secret rests on the ceremony: the file of a known public ceremony is recognised by its published hash; for
    /// any other, compare the digest with what others have.
    Import(ImportArgs),
    /// Check an SRS and describe it.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The powers-of-tau file, or halo2's parameters (`kzg_bn254_15.srs`), raw or compressed.
    file: PathBuf,
    /// log2 of the circuits' rows; repeatable.
    #[arg(long, value_name = "K", default_values_t = [15])]
    k: Vec<u32>,
    /// Folder to store it in, for `--srs` later. [default: a folder for each ceremony under $TRIBUTE_CACHE or
    /// ~/.cache/tribute]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A powers-of-tau file, halo2's parameters, or a file or folder from `tribute srs import`. [default: the development SRS]
    #[arg(value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
    /// log2 of the circuits' rows to check it for; repeatable. [default: all sizes in a folder; otherwise 15]
    #[arg(long, value_name = "K")]
    k: Vec<u32>,
}

pub(super) fn run(command: SrsCommand) -> CommandResult {
    match command {
        SrsCommand::Import(a) => import(&a),
        SrsCommand::Show(a) => show(&a),
    }
}

/// A file that can be imported.
enum Source {
    Ptau(Ptau),
    Halo2(Halo2Params),
}

impl Source {
    fn open(path: &Path) -> std::result::Result<Self, SrsError> {
        match Halo2Params::open(path)? {
            Some(params) => Ok(Source::Halo2(params)),
            None => Ptau::open(path).map(Source::Ptau),
        }
    }

    fn digest(&self) -> std::result::Result<SrsDigest, SrsError> {
        match self {
            Source::Ptau(file) => file.digest(),
            Source::Halo2(file) => file.digest(),
        }
    }

    fn power(&self) -> u32 {
        match self {
            Source::Ptau(file) => file.power(),
            Source::Halo2(file) => file.power(),
        }
    }

    fn import(&self, k: u32) -> std::result::Result<Srs, SrsError> {
        match self {
            Source::Ptau(file) => file.import(k),
            Source::Halo2(file) => file.import(k),
        }
    }
}

fn import(a: &ImportArgs) -> CommandResult {
    let file = Source::open(&a.file).map_err(unusable)?;
    let digest = file.digest().map_err(unusable)?;
    let hash = ceremonies::blake2b(&a.file).map_err(unusable)?;
    let published = ceremonies::named(&hash);
    match &published {
        Some(p) => note!("{} is {} of the {} ({})", a.file.display(), p.file, p.ceremony, p.source),
        None => note!(
            "{} is not the file of a ceremony that this program knows (BLAKE2b {hash}): compare the digest with what others \
             have before you trust it",
            a.file.display()
        ),
    }
    let ceremony = published.map(|p| json!({ "name": p.ceremony, "source": p.source, "file": p.file }));
    let folder = match &a.out {
        Some(folder) => folder.clone(),
        None => cache()?.join("srs").join(hex::encode(digest)),
    };
    let mut kept = Vec::new();
    for k in &a.k {
        note!("checking 2^{k} powers of {}", a.file.display());
        let srs = file.import(*k).map_err(unusable)?;
        let path = folder.join(SrsStore::file_name(&digest, *k));
        srs.save(&path).map_err(unusable)?;
        kept.push(described(&srs, &path));
    }
    let folder = folder.display().to_string();
    let power = file.power();
    let value = json!({
        "digest": digest, "power": power, "folder": folder, "sizes": kept, "blake2b": hash, "ceremony": ceremony,
    });
    emit(&value, None)
}

fn show(a: &ShowArgs) -> CommandResult {
    let store = SrsStore::open(a.srs.as_deref(), None).map_err(unusable)?;
    let digest = store.digest().map_err(unusable)?;
    let sizes = if a.k.is_empty() { store.sizes().map_err(unusable)? } else { a.k.clone() };
    let source = a.srs.clone().unwrap_or_else(|| "development".into());
    let mut shown = Vec::new();
    for k in sizes {
        shown.push(described(&store.get(k).map_err(unusable)?, &source));
    }
    let development = digest == Srs::development_digest();
    emit(&json!({ "digest": digest, "development": development, "sizes": shown }), None)
}

fn described(srs: &Srs, path: &Path) -> Value {
    json!({ "k": srs.k(), "path": path.display().to_string(), "digest": srs.digest(), "checked": true })
}

fn cache() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    named("TRIBUTE_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|p| p.join("tribute")))
        .or_else(|| named("HOME").map(|p| p.join(".cache/tribute")))
        .ok_or_else(|| Problem::field("out", "HOME is not set: choose a folder with --out"))
}

fn unusable(e: SrsError) -> Problem {
    Problem::field("srs", e.to_string())
}
