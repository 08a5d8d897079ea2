//! Sources of an SRS: a powers-of-tau file, halo2's parameters, a file or folder of imported SRS, or, if none is given, the
//! development secret.
//!
//! A given source is checked in full before it is used. With a cache folder, the result is stored there under the
//! secret's digest and the size, and later only its checksum is checked; a damaged cache file is replaced.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use tribute_core::id::SrsDigest;

use super::error::{Flaw, SrsError};
use super::{file, ptau, Halo2Params, Ptau, Srs};

/// log2 of the number of rows that circuits have by default.
const USUAL_K: u32 = 15;

/// Provides the SRS of every size from one source.
#[derive(Clone, Debug)]
pub struct SrsStore {
    source: Source,
    cache: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Source {
    Development,
    Ptau(PathBuf),
    Halo2(PathBuf),
    File(PathBuf),
    Folder(PathBuf),
}

impl SrsStore {
    /// A store over `given`: a `.ptau` file, halo2's parameters, a file written by [`Srs::save`], or a folder of such
    /// files named as [`SrsStore::file_name`] says. `None` selects the development SRS.
    ///
    /// # Errors
    /// [`SrsError`] if it is none of these.
    pub fn open(given: Option<&Path>, cache: Option<&Path>) -> Result<Self, SrsError> {
        let source = match given {
            None => Source::Development,
            Some(path) => Self::source(path)?,
        };
        Ok(SrsStore { source, cache: cache.map(Path::to_owned) })
    }

    fn source(path: &Path) -> Result<Source, SrsError> {
        if path.is_dir() {
            return Ok(Source::Folder(path.into()));
        }
        let mut start = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut start));
        read.map_err(|e| Flaw::from(e).at(path))?;
        if start.starts_with(&ptau::MAGIC) {
            Ok(Source::Ptau(path.into()))
        } else if start.starts_with(&file::MAGIC[..7]) {
            Ok(Source::File(path.into()))
        } else if Halo2Params::open(path)?.is_some() {
            Ok(Source::Halo2(path.into()))
        } else {
            Err(Flaw::Unknown { found: hex::encode(start) }.at(path))
        }
    }

    /// The file name of an imported SRS in a folder.
    #[must_use]
    pub fn file_name(digest: &SrsDigest, k: u32) -> String {
        format!("{}-k{k}.srs", hex::encode(&digest.as_bytes()[..16]))
    }

    /// Identity of the secret, see [`Srs::digest`]. Nothing is checked yet.
    ///
    /// # Errors
    /// [`SrsError`] if the source cannot be read.
    pub fn digest(&self) -> Result<SrsDigest, SrsError> {
        match &self.source {
            Source::Development => Ok(Srs::development_digest()),
            Source::Ptau(path) => Ptau::open(path)?.digest(),
            Source::Halo2(path) => params(path)?.digest(),
            Source::File(path) => Ok(Srs::open(path)?.digest()),
            Source::Folder(folder) => {
                let first = *sizes(folder)?.first().ok_or_else(|| Flaw::Empty.at(folder))?;
                Ok(Srs::open(&find(folder, first)?)?.digest())
            }
        }
    }

    /// The available sizes: all sizes in a folder, or the one of a file. A ceremony and the development SRS support any
    /// size; for them, the default size or the ceremony's largest if that is smaller.
    ///
    /// # Errors
    /// [`SrsError`] if the source cannot be read.
    pub fn sizes(&self) -> Result<Vec<u32>, SrsError> {
        match &self.source {
            Source::Development => Ok(vec![USUAL_K]),
            Source::Ptau(path) => Ok(vec![Ptau::open(path)?.power().min(USUAL_K)]),
            Source::Halo2(path) => Ok(vec![params(path)?.power().min(USUAL_K)]),
            Source::File(path) => Ok(vec![Srs::open(path)?.k()]),
            Source::Folder(folder) => sizes(folder),
        }
    }

    /// The SRS of size `2^k`, checked.
    ///
    /// # Errors
    /// [`SrsError`] if the source is flawed; a damaged cache is not an error.
    pub fn get(&self, k: u32) -> Result<Srs, SrsError> {
        match &self.source {
            Source::Development => self.cached(&Srs::development_digest(), k, || Ok(Srs::development(k))),
            Source::Ptau(path) => {
                let file = Ptau::open(path)?;
                self.cached(&file.digest()?, k, || file.import(k))
            }
            Source::Halo2(path) => {
                let file = params(path)?;
                self.cached(&file.digest()?, k, || file.import(k))
            }
            // small enough to read before checking the cache, so that the SRS returned is the one checked
            Source::File(path) => self.checked(path, k),
            Source::Folder(folder) => {
                let path = find(folder, k)?;
                self.checked(&path, k)
            }
        }
    }

    /// A file in [`Srs::save`]'s format, from an untrusted source.
    fn checked(&self, path: &Path, k: u32) -> Result<Srs, SrsError> {
        let srs = Srs::load(path, k)?;
        let digest = srs.digest();
        if let Some(known) = self.known(&digest, k) {
            // an identical SRS was checked before
            if known.same_as(&srs) {
                return Ok(srs);
            }
        }
        srs.check().map_err(|flaw| flaw.at(path))?;
        self.keep(&srs)?;
        Ok(srs)
    }

    fn cached(
        &self,
        digest: &SrsDigest,
        k: u32,
        make: impl FnOnce() -> Result<Srs, SrsError>,
    ) -> Result<Srs, SrsError> {
        if let Some(srs) = self.known(digest, k) {
            return Ok(srs);
        }
        let srs = make()?;
        self.keep(&srs)?;
        Ok(srs)
    }

    /// The cached SRS, if its file is intact.
    fn known(&self, digest: &SrsDigest, k: u32) -> Option<Srs> {
        let path = self.cache.as_ref()?.join(Self::file_name(digest, k));
        Srs::load(&path, k).ok().filter(|srs| srs.digest() == *digest)
    }

    fn keep(&self, srs: &Srs) -> Result<(), SrsError> {
        match &self.cache {
            Some(folder) => srs.save(&folder.join(Self::file_name(&srs.digest(), srs.k()))),
            None => Ok(()),
        }
    }
}

/// Halo2's parameters in a file that had their length when the store was opened.
fn params(path: &Path) -> Result<Halo2Params, SrsError> {
    Halo2Params::open(path)?.ok_or_else(|| Flaw::Damaged.at(path))
}

/// The sizes in a folder, smallest first.
fn sizes(folder: &Path) -> Result<Vec<u32>, SrsError> {
    let look = || -> Result<Vec<u32>, Flaw> {
        let mut sizes = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let size: Option<u32> =
                name.to_str().and_then(|n| n.strip_suffix(".srs")?.rsplit_once("-k")?.1.parse().ok());
            sizes.extend(size);
        }
        sizes.sort_unstable();
        sizes.dedup();
        Ok(sizes)
    };
    look().map_err(|flaw| flaw.at(folder))
}

/// The only file of this size in a folder.
fn find(folder: &Path, k: u32) -> Result<PathBuf, SrsError> {
    let look = || -> Result<PathBuf, Flaw> {
        let suffix = format!("-k{k}.srs");
        let mut found: Option<(String, PathBuf)> = None;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let Some(digest) = name.strip_suffix(&suffix).map(str::to_owned) else { continue };
            if let Some((other, _)) = &found {
                return Err(Flaw::Mixed { one: other.clone(), other: digest });
            }
            found = Some((digest, path));
        }
        found.map(|(_, path)| path).ok_or(Flaw::Missing { k })
    };
    look().map_err(|flaw| flaw.at(folder))
}
