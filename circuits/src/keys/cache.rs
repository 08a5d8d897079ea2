//! A folder of key files.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_core::shape::Shape;
use tribute_engine::srs::Srs;

use super::file::{at, shape_digest, KeyFileError, KeyFlaw};
use super::fingerprint;
use super::generate::{check_shape, Keys};
use super::synthesis::Synthesis;
use crate::circuit::ShapeCircuit;
use crate::error::ProveError;

/// A folder of keys, indexed by shape, SRS and circuit.
#[derive(Clone, Debug)]
pub struct KeyCache {
    folder: PathBuf,
}

/// Where keys come from.
#[derive(Debug)]
pub enum Origin {
    /// Read from the cache.
    Kept,
    /// Generated because the cache did not have them.
    Made,
    /// Generated because the cache's file cannot be used.
    Remade(KeyFileError),
}

impl KeyCache {
    /// A cache in `folder`, which is created when keys are stored.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        KeyCache { folder: folder.into() }
    }

    /// The path of a circuit's key file. A changed circuit gets another file name, so that two versions of this program
    /// do not overwrite each other's.
    ///
    /// # Errors
    /// [`ProveError`] if there is no circuit of this shape.
    pub fn path(&self, srs: &Srs, shape: &Shape) -> Result<PathBuf, ProveError> {
        Ok(self.path_of(srs, shape, &fingerprint::fingerprint(shape)?))
    }

    fn path_of(&self, srs: &Srs, shape: &Shape, fingerprint: &Digest) -> PathBuf {
        let all = [*fingerprint, *srs.digest().as_bytes(), shape_digest(shape)].concat();
        self.folder.join(format!("{}-{}.key", shape.name(), hex::encode(&Sha256::digest(all)[..8])))
    }

    /// Reads the keys of a circuit, but generates none.
    ///
    /// # Errors
    /// [`KeyFileError`] if the cache does not have them, or its file cannot be used, or there are no keys for this shape.
    pub fn kept(&self, srs: &Srs, shape: &Shape) -> Result<Keys, KeyFileError> {
        let none = |e: ProveError| at(&self.folder, e.into());
        check_shape(srs, shape).map_err(none)?;
        let fingerprint = fingerprint::fingerprint(shape).map_err(none)?;
        let path = self.path_of(srs, shape, &fingerprint);
        Keys::read(srs, shape, fingerprint, &path).map_err(|flaw| at(&path, flaw))
    }

    /// Reads the keys of a circuit, or generates and stores them. It is not an error if the cache cannot be written.
    ///
    /// # Errors
    /// [`ProveError`] if there are no keys for this shape.
    pub fn get(&self, srs: &Srs, shape: &Shape) -> Result<(Keys, Origin), ProveError> {
        check_shape(srs, shape)?;
        let circuit = Synthesis::of_shape(shape, &ShapeCircuit::of(shape))?;
        let fingerprint = fingerprint::of(&circuit);
        let path = self.path_of(srs, shape, &fingerprint);
        let origin = match Keys::read(srs, shape, fingerprint, &path) {
            Ok(keys) => return Ok((keys, Origin::Kept)),
            Err(KeyFlaw::Io(e)) if e.kind() == io::ErrorKind::NotFound => Origin::Made,
            Err(flaw) => Origin::Remade(at(&path, flaw)),
        };
        let keys = Keys::of_synthesis(srs, shape, circuit, fingerprint)?;
        match keys.save(srs, &path) {
            Ok(()) => Ok((keys, origin)),
            Err(e) => Ok((keys, Origin::Remade(e))),
        }
    }
}
