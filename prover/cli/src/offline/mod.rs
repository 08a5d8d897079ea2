//! `tribute verify`: checks a certificate, an evaluation or a valuation file offline, with no service, no chain and no data.
//!
//! [`tribute_verify`] does the checking. This module supplies what it trusts: the SRS from the caller's own file, and the
//! verifying keys derived from it and the shape. The file may come from anybody, so all of it, powers and Lagrange basis, is
//! checked every time.

#[cfg(test)]
mod alter;
mod command;
#[cfg(test)]
pub(crate) mod evaluation_tests;
#[cfg(test)]
mod made;
#[cfg(test)]
pub(crate) mod many_tests;
#[cfg(test)]
mod refusal;
#[cfg(test)]
pub(crate) mod sampled_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) mod valuation_tests;
#[cfg(test)]
mod valued;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::verifying_key;
use tribute_core::id::SrsDigest;
use tribute_core::shape::Shape;
use tribute_core::srs::SrsPoints;
use tribute_engine::srs::{Srs, SrsError, SrsStore};
use tribute_verify::{Report, Trust, Verifier, VerifyingKey};

pub(crate) use command::{problem, verified};
pub use command::{run, TrustArgs, VerifyArgs};

/// What the caller trusts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Accept proofs under the development SRS, which anyone can forge.
    pub allow_dev_srs: bool,
    /// The SRS file or folder, for certificates that do not use the development SRS.
    pub srs: Option<PathBuf>,
}

/// Why a file could not be checked.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The I/O error.
        source: std::io::Error,
    },
    /// No SRS file was given.
    #[error("srs.digest: the proofs were made under the SRS {digest}; give its file with --srs")]
    SrsNeeded {
        /// The SRS's digest.
        digest: SrsDigest,
    },
    /// The given SRS is not the proofs' SRS.
    #[error("srs.digest: the proofs were made under the SRS {expected}, {path} holds {got}")]
    OtherSrs {
        /// Digest in the certificate.
        expected: SrsDigest,
        /// The SRS file.
        path: String,
        /// Digest of the SRS file.
        got: SrsDigest,
    },
    /// The SRS file cannot be used.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// No keys could be derived for the certificate's shape.
    #[error("layout: {0}")]
    Keys(#[from] ProveError),
}

/// Why a certificate was refused.
pub type Refused = tribute_verify::Refused<Unavailable>;

/// Checks the certificate, the evaluation or the valuation in a file.
///
/// # Errors
/// [`Refused`] starts with the field that is wrong.
pub fn verify_file(path: &Path, options: &Options) -> Result<Report, Refused> {
    verify_json(file_bytes(path)?, options)
}

/// The contents of a file that is to be checked.
///
/// # Errors
/// [`Unavailable::File`].
pub(crate) fn file_bytes(path: &Path) -> Result<Vec<u8>, Refused> {
    std::fs::read(path).map_err(|source| Refused::Trust(Unavailable::File { path: path.display().to_string(), source }))
}

/// Checks a certificate, an evaluation or a valuation.
///
/// # Errors
/// [`Refused`] starts with the field that is wrong.
pub fn verify_json(json: impl AsRef<[u8]>, options: &Options) -> Result<Report, Refused> {
    Verifier::new(Derived::new(options.clone())).verify(json.as_ref())
}

/// The SRS from the caller's file, and keys derived from it.
#[derive(Debug)]
pub struct Derived {
    options: Options,
    srs: HashMap<u32, Srs>,
}

impl Derived {
    /// Reads nothing until a certificate needs it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Derived { options, srs: HashMap::new() }
    }

    fn of(&mut self, k: u32, digest: &SrsDigest) -> Result<&Srs, Unavailable> {
        if self.srs.get(&k).is_none_or(|srs| srs.digest() != *digest) {
            self.srs.insert(k, read(&self.options, k, digest)?);
        }
        Ok(&self.srs[&k])
    }
}

impl Trust for Derived {
    type Error = Unavailable;

    fn accepts_development_srs(&self) -> bool {
        self.options.allow_dev_srs
    }

    fn srs(&mut self, k: u32, digest: &SrsDigest) -> Result<SrsPoints, Unavailable> {
        Ok(self.of(k, digest)?.points())
    }

    fn verifying_key(&mut self, shape: &Shape, srs: &SrsDigest) -> Result<VerifyingKey, Unavailable> {
        Ok(verifying_key(self.of(shape.layout.k(), srs)?, shape)?)
    }
}

/// Loads the SRS with this digest for `2^k` rows.
fn read(options: &Options, k: u32, digest: &SrsDigest) -> Result<Srs, Unavailable> {
    if *digest == Srs::development_digest() {
        return Ok(Srs::development(k));
    }
    let path = options.srs.as_ref().ok_or(Unavailable::SrsNeeded { digest: *digest })?;
    let srs = SrsStore::open(Some(path), None)?.get(k)?;
    if srs.digest() != *digest {
        let (path, got) = (path.display().to_string(), srs.digest());
        return Err(Unavailable::OtherSrs { expected: *digest, path, got });
    }
    Ok(srs)
}
