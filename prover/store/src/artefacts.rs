//! Content-addressed store, in a folder or on S3: bytes by their SHA-256. Every read checks the hash, so corruption is detected.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, RetryConfig};
use sha2::{Digest as _, Sha256};
use tribute_problem::{Problem, Reason, Result};

use crate::off_thread;

/// Id of an artefact: the SHA-256 of its bytes, in lower-case hex.
pub type ArtefactId = String;

/// An artefact that is stored again is written again if it is older than this.
const REFRESH: Duration = Duration::from_secs(86_400);

/// Environment variables that say how to reach an S3 store begin with this.
pub const ENVIRONMENT: &str = "AWS_";

/// What is to be stored, by id.
type Held = BTreeMap<ArtefactId, Vec<u8>>;

/// A store of immutable bytes.
#[derive(Clone, Debug)]
pub struct Artefacts {
    store: Arc<dyn ObjectStore>,
    /// Bytes that are to be stored, if they are held for the time being.
    held: Option<Arc<Mutex<Held>>>,
}

impl Artefacts {
    /// A store in a local folder, created if missing.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| failed("open", &folder.display(), &e))?;
        Ok(Artefacts { store: Arc::new(store.with_fsync(true)), held: None })
    }

    /// The store at a URL: `s3://BUCKET/PREFIX`, with credentials, region and endpoint from the environment.
    ///
    /// # Errors
    /// If the URL is none of S3, or the environment lacks something.
    pub fn at(url: &str) -> Result<Self> {
        let wrong = |why: String| Problem::field("artefacts", why);
        let Some(place) = url.strip_prefix("s3://") else {
            return Err(wrong(format!("`{url}` is not s3://BUCKET/PREFIX")));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        // two providers of cryptography are never in one process here; whoever comes first has set the same
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .build()
            .map_err(|e| wrong(format!("{url}: {e}")))?;
        let store: Arc<dyn ObjectStore> = match prefix.trim_matches('/') {
            "" => Arc::new(store),
            prefix => Arc::new(PrefixStore::new(store, prefix)),
        };
        Ok(Artefacts { store, held: None })
    }

    /// The same store, of which what is put is only held in memory until [`Artefacts::store_held`]: to know ids before it is
    /// decided whether anything is stored.
    #[must_use]
    pub fn holding(&self) -> Self {
        Artefacts { store: self.store.clone(), held: Some(Arc::default()) }
    }

    /// Stores what is held.
    pub async fn store_held(&self) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let bytes = std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, bytes) in bytes {
            self.store_as(&id, bytes).await?;
        }
        Ok(())
    }

    /// Checks that the store answers.
    pub async fn check(&self) -> Result<()> {
        match self.store.list(None).try_next().await {
            Ok(_) => Ok(()),
            Err(e) => Err(failed("list", &"its contents", &e)),
        }
    }

    /// Stores bytes; the same bytes twice are one artefact, and mend it where it was damaged.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<ArtefactId> {
        let (id, bytes) = off_thread(move || Ok((hex::encode(Sha256::digest(&bytes)), bytes))).await?;
        match &self.held {
            Some(held) => {
                held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), bytes);
            }
            None => self.store_as(&id, bytes).await?,
        }
        Ok(id)
    }

    async fn store_as(&self, id: &str, bytes: Vec<u8>) -> Result<()> {
        let payload = PutPayload::from(bytes);
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        let again = async |payload| match self.store.put(&path(id), payload).await {
            Ok(_) => Ok(()),
            Err(e) => Err(failed("write", &id, &e)),
        };
        // whole or not at all: the local store writes to a temporary name and renames
        match self.store.put_opts(&path(id), payload.clone(), options).await {
            Ok(_) => Ok(()),
            // whoever stores it again is about to name it: it must not be deleted as old and unnamed
            Err(object_store::Error::AlreadyExists { .. }) if self.is_old(id).await? => again(payload).await,
            Err(object_store::Error::AlreadyExists { .. }) => match self.read(id).await {
                // damaged since: these are the bytes it had
                Err(p) if p.reason == Reason::ArtefactDamaged => again(payload).await,
                found => found.map(|_| ()),
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

    /// The artefacts that were stored longer than `age` ago.
    pub async fn older_than(&self, age: Duration) -> Result<HashSet<ArtefactId>> {
        let now = SystemTime::now();
        self.store
            .list(None)
            .map_err(|e| failed("list", &"its contents", &e))
            .try_filter_map(|object| async move {
                let id = object.location.filename().filter(|name| name.len() == 64);
                let stored = SystemTime::from(object.last_modified);
                let old = now.duration_since(stored).is_ok_and(|since| since > age);
                Ok(id.filter(|_| old).map(str::to_owned))
            })
            .try_collect()
            .await
    }

    /// Number of artefacts, and their bytes: lists the whole store.
    pub async fn usage(&self) -> Result<(u64, u64)> {
        self.store
            .list(None)
            .map_err(|e| failed("list", &"its contents", &e))
            .try_fold((0, 0), |(count, bytes), object| async move { Ok((count + 1, bytes + object.size)) })
            .await
    }

    /// Deletes an artefact if it is still older than `age`.
    pub async fn delete_older(&self, id: &str, age: Duration) -> Result<()> {
        match self.age(id).await? {
            Some(since) if since > age => self.delete(id).await,
            _ => Ok(()),
        }
    }

    async fn is_old(&self, id: &str) -> Result<bool> {
        Ok(self.age(id).await?.is_some_and(|age| age > REFRESH))
    }

    async fn age(&self, id: &str) -> Result<Option<Duration>> {
        match self.store.head(&path(id)).await {
            Ok(object) => Ok(Some(SystemTime::now().duration_since(object.last_modified.into()).unwrap_or_default())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed("read", &id, &e)),
        }
    }

    /// Reads an artefact and checks its hash.
    pub async fn get(&self, id: &str) -> Result<Vec<u8>> {
        let held = self.held.as_ref().map(|held| held.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned());
        match held.flatten() {
            Some(bytes) => Ok(bytes),
            None => self.read(id).await,
        }
    }

    /// Whether an artefact is there and undamaged.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn is_whole(&self, id: &str) -> Result<bool> {
        match self.get(id).await {
            Ok(_) => Ok(true),
            Err(p) if p.reason == Reason::ArtefactDamaged => Ok(false),
            Err(p) => Err(p),
        }
    }

    async fn read(&self, id: &str) -> Result<Vec<u8>> {
        if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Problem::field("artefact", format!("`{id}` is not a SHA-256 in hex")));
        }
        let found = self.store.get(&path(id)).await.map_err(|e| match e {
            object_store::Error::NotFound { .. } => Problem::new(
                Reason::ArtefactDamaged,
                format!("artefact {id} is missing from the store: restore it from a backup of the artefacts"),
            )
            .with("artefact", id),
            e => failed("read", &id, &e),
        })?;
        let bytes = Vec::from(found.bytes().await.map_err(|e| failed("read", &id, &e))?);
        let (actual, bytes) = off_thread(move || Ok((hex::encode(Sha256::digest(&bytes)), bytes))).await?;
        if actual != id {
            return Err(Problem::new(
                Reason::ArtefactDamaged,
                format!(
                    "artefact {id} is corrupt (its bytes hash to {actual}): restore it from a backup of the artefacts"
                ),
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
    async fn what_is_held_is_stored_later_or_never() {
        let folder = tempfile::tempdir().unwrap();
        let store = Artefacts::in_folder(folder.path()).unwrap();
        let (held, dropped) = (store.holding(), store.holding());
        let id = held.put(b"hello".to_vec()).await.unwrap();
        assert_eq!(dropped.put(b"hello".to_vec()).await.unwrap(), id);
        assert_eq!(held.get(&id).await.unwrap(), b"hello");
        drop(dropped);
        assert!(!store.has(&id).await.unwrap());
        held.store_held().await.unwrap();
        assert_eq!(store.get(&id).await.unwrap(), b"hello");
        // what is stored already is read through it, and mended by it
        let other = store.put(b"other".to_vec()).await.unwrap();
        assert_eq!(held.get(&other).await.unwrap(), b"other");
        std::fs::write(folder.path().join(&id[..2]).join(&id), b"hellp").unwrap();
        held.put(b"hello".to_vec()).await.unwrap();
        held.store_held().await.unwrap();
        assert_eq!(store.get(&id).await.unwrap(), b"hello");
    }

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
        assert!(!store.is_whole(&id).await.unwrap());
        // the same bytes again heal it
        assert_eq!(store.put(b"hello".to_vec()).await.unwrap(), id);
        assert_eq!(store.get(&id).await.unwrap(), b"hello");
        assert!(store.is_whole(&id).await.unwrap());
        std::fs::remove_file(&file).unwrap();
        assert!(!store.has(&id).await.unwrap());
        assert_eq!(store.get(&id).await.unwrap_err().reason, Reason::ArtefactDamaged);
        assert!(!store.is_whole(&id).await.unwrap());
        // a store that cannot be read says nothing about what it has
        std::fs::remove_dir(file.parent().unwrap()).unwrap();
        std::fs::write(file.parent().unwrap(), b"no folder").unwrap();
        assert_eq!(store.is_whole(&id).await.unwrap_err().reason, Reason::StorageFailed);
        assert_eq!(store.get("../../etc/passwd").await.unwrap_err().reason, Reason::BadField);
    }
}
