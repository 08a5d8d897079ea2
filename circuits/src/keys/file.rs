//! Keys in files, and the file format.
//!
//! Keys follow from the SRS and the circuit alone, so a key file is only a shortcut: it contains what
//! [`Keys::generate`] would produce, with the circuit's fingerprint and a checksum over everything. [`Keys::load`]
//! fails on a file that is damaged, has another version, or is for another SRS or circuit;
//! [`KeyCache`](super::KeyCache) regenerates such a file.
//!
//! ```text
//! "TRIBKEY1" | SHA-256 of the rest | fingerprint | SRS digest | digest of the shape | digest of the verifying key
//!            | length u64 | verifying key as halo2 writes it | columns u32 | coefficients of each fixed column, raw
//! ```
//!
//! A file saves computing the commitments to the fixed columns and their transforms. It is trusted as far as its
//! folder: a proof under wrong fixed polynomials does not verify, and a wrong verifying key gives another circuit id.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::serde::SerdeObject as _;
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::SerdeFormat;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tribute_core::digest::Digest;
use tribute_core::shape::Shape;
use tribute_engine::checksummed;
use tribute_engine::srs::Srs;

use super::fingerprint::fingerprint;
use super::generate::{check_shape, key_digest, Keys};
use crate::circuit::ShapeCircuit;
use crate::error::ProveError;

/// First bytes of the format; the last one is its version.
const MAGIC: [u8; 8] = *b"TRIBKEY1";
/// Length of the digests of circuit, SRS, shape and key, 32 bytes each, and of the verifying key's length.
const FIXED: usize = 4 * 32 + 8;

/// A key file that cannot be used.
#[derive(Debug, Error)]
#[error("keys {path}: {flaw}")]
pub struct KeyFileError {
    /// The file.
    pub path: String,
    /// Why it cannot be used.
    #[source]
    pub flaw: KeyFlaw,
}

/// Why a key file cannot be used.
#[derive(Debug, Error)]
pub enum KeyFlaw {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not a key file.
    #[error("starts with {found}: not a key file (`TRIBKEY1`)")]
    Unknown {
        /// The file's first bytes.
        found: String,
    },
    /// An unsupported format version.
    #[error("has format version {got}; this program reads version {expected}")]
    Version {
        /// The supported version.
        expected: u32,
        /// The file's version.
        got: u32,
    },
    /// The content does not match the checksum or the lengths in the file.
    #[error("is damaged: {what}")]
    Damaged {
        /// What does not match.
        what: &'static str,
    },
    /// Keys for another circuit, SRS or shape.
    #[error("is for {what} 0x{got}; 0x{expected} is needed")]
    Other {
        /// What differs: the circuit, the SRS or the shape.
        what: &'static str,
        /// The digest needed.
        expected: String,
        /// The file's digest.
        got: String,
    },
    /// Keys that fail the checks every circuit must pass.
    #[error(transparent)]
    Refused(#[from] ProveError),
}

impl Keys {
    /// Writes the keys atomically.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file cannot be written.
    pub fn save(&self, srs: &Srs, path: &Path) -> Result<(), KeyFileError> {
        self.write(srs, path).map_err(|source| at(path, source.into()))
    }

    fn write(&self, srs: &Srs, path: &Path) -> io::Result<()> {
        let rows = self.shape().layout.rows();
        let mut bytes = Vec::with_capacity(FIXED + self.fixed_polynomials().len() * (rows + 4) * 32);
        let (srs, key) = (srs.digest(), key_digest(self.vk()));
        for part in [&self.fingerprint(), srs.as_bytes(), &shape_digest(self.shape()), key.as_bytes()] {
            bytes.extend_from_slice(part);
        }
        let vk = self.vk().to_bytes(SerdeFormat::RawBytes);
        bytes.extend_from_slice(&(vk.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&vk);
        bytes.extend_from_slice(&(self.fixed_polynomials().len() as u32).to_le_bytes());
        for x in self.fixed_polynomials().iter().flatten() {
            x.write_raw(&mut bytes)?;
        }
        checksummed::write(path, &MAGIC, &bytes)
    }

    /// Reads a file written by [`Keys::save`] for this SRS and this shape's circuit.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file is not a key file, is damaged, or is for another version, SRS or circuit.
    pub fn load(srs: &Srs, shape: &Shape, path: &Path) -> Result<Self, KeyFileError> {
        let load = || {
            check_shape(srs, shape)?;
            Self::read(srs, shape, fingerprint(shape)?, path)
        };
        load().map_err(|flaw| at(path, flaw))
    }

    /// [`Keys::load`] for a shape of the SRS's size whose circuit has this fingerprint.
    pub(super) fn read(srs: &Srs, shape: &Shape, fingerprint: Digest, path: &Path) -> Result<Self, KeyFlaw> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        if !bytes.starts_with(&MAGIC[..7]) || bytes.len() < 8 {
            return Err(KeyFlaw::Unknown { found: hex::encode(&bytes[..bytes.len().min(8)]) });
        }
        if bytes[7] != MAGIC[7] {
            let version = |byte: u8| u32::from(byte.saturating_sub(b'0'));
            return Err(KeyFlaw::Version { expected: version(MAGIC[7]), got: version(bytes[7]) });
        }
        let short = KeyFlaw::Damaged { what: "it is cut short" };
        let Some((checksum, rest)) = bytes[8..].split_first_chunk::<32>() else { return Err(short) };
        if *checksum != <Digest>::from(Sha256::digest(rest)) {
            return Err(KeyFlaw::Damaged { what: "its checksum does not match" });
        }
        let Some((head, rest)) = rest.split_first_chunk::<FIXED>() else { return Err(short) };
        let needed = [("circuit", fingerprint), ("SRS", *srs.digest().as_bytes()), ("shape", shape_digest(shape))];
        for (i, (what, expected)) in needed.into_iter().enumerate() {
            let got = &head[32 * i..32 * i + 32];
            if got != expected {
                return Err(KeyFlaw::Other { what, expected: hex::encode(expected), got: hex::encode(got) });
            }
        }
        let length = u64::from_le_bytes(head[128..].try_into().unwrap_or_default());
        let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((mut vk, rest)) = split else { return Err(short) };
        let vk =
            VerifyingKey::<G1Affine>::read::<_, ShapeCircuit>(&mut vk, SerdeFormat::RawBytes, ShapeCircuit::of(shape))?;
        let digest = key_digest(&vk);
        if digest.as_bytes()[..] != head[96..128] {
            let (expected, got) = (hex::encode(&head[96..128]), hex::encode(digest));
            return Err(KeyFlaw::Other { what: "verifying key", expected, got });
        }
        let Some((columns, rest)) = rest.split_first_chunk::<4>() else { return Err(short) };
        let (columns, rows) = (u32::from_le_bytes(*columns) as usize, shape.layout.rows());
        let fits = columns == vk.fixed_commitments().len() && rest.len() == columns.saturating_mul(rows * 32);
        if !fits {
            return Err(KeyFlaw::Damaged { what: "its number of fixed columns differs from the circuit's" });
        }
        let column = |bytes: &[u8]| bytes.chunks_exact(32).map(Fr::from_raw_bytes).collect::<Option<Vec<Fr>>>();
        let fixed: Option<Vec<Vec<Fr>>> = rest.par_chunks(rows * 32).map(column).collect();
        let fixed = fixed.ok_or(KeyFlaw::Damaged { what: "a coefficient is not below the modulus" })?;
        Ok(Keys::from_parts(shape, fingerprint, vk, fixed)?)
    }
}

pub(super) fn at(path: &Path, flaw: KeyFlaw) -> KeyFileError {
    KeyFileError { path: path.display().to_string(), flaw }
}

/// Digest of everything that a shape contains.
pub(super) fn shape_digest(shape: &Shape) -> Digest {
    Sha256::digest(format!("{shape:?}")).into()
}
