//! Content-addressed store: bytes by their SHA-256. Every read checks the hash, so corruption is detected.

use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use sha2::{Digest as _, Sha256};
use tribute_problem::{Problem, Reason, Result};

use crate::off_thread;

/// Id of an artefact: the SHA-256 of its bytes, in lower-case hex.
pub type ArtefactId = String;

/// A store of immutable bytes.
#[derive(Clone, Debug)]
pub struct Artefacts {
    store: Arc<dyn ObjectStore>,
}

impl Artefacts {
    /// A store in a local folder, created if missing.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| failed("open", &folder.display(), &e))?;
        Ok(Artefacts { store: Arc::new(store.with_fsync(true)) })
    }

    /// Stores bytes; the same bytes twice are one artefact, and mend it where it was damaged.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<ArtefactId> {
        let (id, bytes) = off_thread(move || Ok((hex::encode(Sha256::digest(&bytes)), bytes))).await?;
        let payload = PutPayload::from(bytes);
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        // whole or not at all: the local store writes to a temporary name and renames
        match self.store.put_opts(&path(&id), payload.clone(), options).await {
            Ok(_) => Ok(id),
            Err(object_store::Error::AlreadyExists { .. }) => match self.get(&id).await {
                // damaged since: these are the bytes it had
                Err(p) if p.reason == Reason::ArtefactDamaged => {
                    self.store.put(&path(&id), payload).await.map_err(|e| failed("write", &id, &e))?;
                    Ok(id)
                }
                found => found.map(|_| id),
            },
            Err(e) => Err(failed("write", &id, &e)),
        }
    }

    /// Whether there is an artefact with this id, whole or damaged.
    pub async fn has(&self, id: &str) -> Result<bool> {
        match self.store.head(&path(id)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(failed("look for", &id, &e)),
        }
    }

    /// Removes an artefact; one that is gone stays gone.
    pub async fn delete(&self, id: &str) -> Result<()> {
        match self.store.delete(&path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(failed("remove", &id, &e)),
        }
    }

    /// Reads an artefact and checks its hash.
    pub async fn get(&self, id: &str) -> Result<Vec<u8>> {
        if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Problem::field("artefact", format!("`{id}` is not a SHA-256 in hex")));
        }
        let found = self.store.get(&path(id)).await.map_err(|e| match e {
            object_store::Error::NotFound { .. } => Problem::new(
                Reason::ArtefactDamaged,
                format!("artefact {id} is missing from the store: restore it from a backup of the data folder"),
            )
            .with("artefact", id),
            e => failed("read", &id, &e),
        })?;
        let bytes = Vec::from(found.bytes().await.map_err(|e| failed("read", &id, &e))?);
        let (actual, bytes) = off_thread(move || Ok((hex::encode(Sha256::digest(&bytes)), bytes))).await?;
        if actual != id {
            return Err(Problem::new(
                Reason::ArtefactDamaged,
                format!("artefact {id} is corrupt (its bytes hash to {actual}): restore it from a backup of the data folder"),
            )
            .with("artefact", id)
            .with("found", actual));
        }
        Ok(bytes)
    }
}

fn path(id: &str) -> ObjectPath {
    ObjectPath::from_iter([&id[..2], id])
}

fn failed(what: &str, name: &dyn std::fmt::Display, error: &object_store::Error) -> Problem {
    Problem::storage(format!("artefact store: cannot {what} {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn damage_is_found_on_reading() {
        let folder = tempfile::tempdir().unwrap();
        let store = Artefacts::in_folder(folder.path()).unwrap();
        let id = store.put(b"hello".to_vec()).await.unwrap();
        assert_eq!(store.put(b"hello".to_vec()).await.unwrap(), id);
        assert_eq!(store.get(&id).await.unwrap(), b"hello");
        let file = folder.path().join(&id[..2]).join(&id);
        std::fs::write(&file, b"hellp").unwrap();
        assert!(store.has(&id).await.unwrap());
        assert_eq!(store.get(&id).await.unwrap_err().reason, Reason::ArtefactDamaged);
        // the same bytes again heal it
        assert_eq!(store.put(b"hello".to_vec()).await.unwrap(), id);
        assert_eq!(store.get(&id).await.unwrap(), b"hello");
        std::fs::remove_file(&file).unwrap();
        assert!(!store.has(&id).await.unwrap());
        assert_eq!(store.get(&id).await.unwrap_err().reason, Reason::ArtefactDamaged);
        assert_eq!(store.get("../../etc/passwd").await.unwrap_err().reason, Reason::BadField);
    }
}
