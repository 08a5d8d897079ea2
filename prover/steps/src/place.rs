//! Where a service stores its data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tribute_core::id::SrsDigest;
use tribute_custody::KeySource;
use tribute_engine::srs::{Srs, SrsStore};
use tribute_problem::{Problem, Reason, Result};
use tribute_simd::Backend;
use tribute_store::artefacts::{ArtefactId, Artefacts};

/// Where a server stores its data.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Database URL.
    pub database: String,
    /// Source of the master key.
    pub master_key: KeySource,
    /// What its children may open, too.
    pub workplace: Workplace,
}

/// The part of a server's storage that the children of its workers open: neither the database nor the master key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workplace {
    /// Data folder.
    pub data: PathBuf,
    /// URL of the artefact store; `None` for a folder in the data folder.
    pub artefacts: Option<String>,
    /// SRS file or folder; `None` for the development SRS.
    pub srs: Option<PathBuf>,
    /// Keys to keep in the cache, MB.
    pub cache_mb: u64,
}

/// Keys that are kept in the cache unless told otherwise, MB.
pub const CACHE_MB: u64 = 4096;

/// What a service says about itself, for its workers to compare with their own machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    /// An artefact that the service's store has, whole or damaged.
    pub artefact: Option<ArtefactId>,
    /// The SRS that it proves under.
    pub srs: Option<SrsDigest>,
}

/// The SRS of size `2^k` in a store.
pub(crate) fn of_size(store: &SrsStore, k: u32) -> Result<Srs> {
    store.get(k).map_err(|e| Problem::new(Reason::NotReady, format!("no parameters for k = {k}: {e}")))
}

impl Storage {
    /// The default locations inside a data folder.
    #[must_use]
    pub fn in_folder(data: &Path) -> Self {
        Storage {
            database: format!("sqlite:{}", data.join("tribute.db").display()),
            master_key: KeySource::in_folder(data),
            workplace: Workplace { data: data.into(), artefacts: None, srs: None, cache_mb: CACHE_MB },
        }
    }
}

impl Workplace {
    /// Opens the artefact store.
    pub fn artefacts(&self) -> Result<Artefacts> {
        match &self.artefacts {
            Some(url) => Artefacts::at(url),
            None => Artefacts::in_folder(&self.data.join("artefacts")),
        }
    }

    /// Folder of cached parameters and keys.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.data.join("cache")
    }

    /// Opens the SRS.
    pub fn srs(&self) -> Result<SrsStore> {
        SrsStore::open(self.srs.as_deref(), Some(&self.cache())).map_err(|e| Problem::field("srs", e.to_string()))
    }

    /// The SRS of size `2^k`.
    pub fn srs_of(&self, k: u32) -> Result<Srs> {
        of_size(&self.srs()?, k)
    }

    /// Opens the stores, if they are the service's.
    ///
    /// # Errors
    /// What is missing or different, and what to do.
    pub async fn open(&self, known: &Known) -> Result<(Artefacts, SrsStore)> {
        std::fs::create_dir_all(self.cache())?;
        let artefacts = self.artefacts()?;
        if let Some(id) = &known.artefact {
            if !artefacts.has(id).await? {
                let message = match &self.artefacts {
                    Some(url) => format!(
                        "{url} is not the service's store, or has lost its artefacts: start server and workers with the same \
                         --artefacts"
                    ),
                    None => format!(
                        "the data folder {} is not the service's, or has lost its artefacts: start all its workers with the \
                         same --data, or with the same --artefacts",
                        self.data.display()
                    ),
                };
                return Err(Problem::new(Reason::NotReady, message));
            }
        }
        let srs = self.srs()?;
        if let Some(wanted) = known.srs {
            let has = srs.digest().map_err(|e| Problem::field("srs", e.to_string()))?;
            if has != wanted {
                let message = format!(
                    "the worker has the SRS {has}, but is to prove under {wanted}: start server and workers with the same --srs"
                );
                return Err(Problem::new(Reason::NotReady, message).with("expected", wanted).with("got", has));
            }
        }
        Ok((artefacts, srs))
    }

    /// Tests that every kind of work can be done here: the CPU has the arithmetic that the environment asks for, the
    /// stores are the service's, the cache can be written to, and onnxruntime loads.
    ///
    /// # Errors
    /// What is missing or different, and what to do.
    pub async fn test(&self, known: &Known) -> Result<()> {
        Backend::try_best()
            .map_err(|message| Problem::new(Reason::BadField, message).with("field", Backend::VARIABLE))?;
        self.open(known).await?;
        let file = self.cache().join(format!("test-{}", std::process::id()));
        let written = std::fs::write(&file, [0; 4096]);
        let _ = std::fs::remove_file(&file);
        written.map_err(|e| Problem::storage(format!("cannot write to {}: {e}", self.cache().display())))?;
        tribute_inference::runtime::Runtime::locate_and_init(None)
            .map_err(|e| Problem::new(Reason::ToolMissing, e.to_string()))?;
        Ok(())
    }
}
