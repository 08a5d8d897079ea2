//! Checks certificate and evaluation files for anybody, as `tribute verify` does. Nothing of a file is kept.
//!
//! Deriving the keys takes a second or two, so files are checked one at a time; relations between a file's fields are
//! checked before any key is derived.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Semaphore;
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::verifying_key;
use tribute_core::id::SrsDigest;
use tribute_core::shape::Shape;
use tribute_core::srs::SrsPoints;
use tribute_engine::srs::{Srs, SrsError, SrsStore};
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_verify::{Refused, Trust, Verifier, VerifyingKey};

use super::off_thread;

/// Files that may wait while one is checked.
const WAITING: usize = 4;

/// Checks files under this server's SRS.
#[derive(Clone)]
pub(crate) struct FileChecks {
    parameters: SrsStore,
    /// The SRS's digest.
    digest: SrsDigest,
    /// log2 of the rows of the largest circuits whose keys it derives.
    max_k: u32,
    queue: Arc<Semaphore>,
    one: Arc<Semaphore>,
}

impl FileChecks {
    pub(crate) fn new(parameters: SrsStore, digest: SrsDigest, max_k: u32) -> Self {
        FileChecks {
            parameters,
            digest,
            max_k,
            queue: Arc::new(Semaphore::new(1 + WAITING)),
            one: Arc::new(Semaphore::new(1)),
        }
    }

    /// Checks one file.
    pub(crate) async fn check(&self, json: Vec<u8>) -> Result<v1::CheckFileResponse> {
        let busy = || Problem::new(Reason::Busy, "other files are being checked: send it again in a moment");
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let turn = self.one.clone().acquire_owned().await.map_err(Problem::internal)?;
        let own = Own { parameters: self.parameters.clone(), digest: self.digest, max_k: self.max_k, srs: None };
        off_thread(move || {
            let _turn = turn; // until the work ends, even if the caller leaves
            Ok(match Verifier::new(own).verify(&json) {
                Ok(report) => v1::CheckFileResponse {
                    holds: true,
                    report: report.to_string(),
                    proofs: u32::try_from(report.proofs()).map_err(Problem::internal)?,
                    development_srs: report.certificate().srs.development,
                    ..Default::default()
                },
                Err(refused) => refusal(&refused),
            })
        })
        .await
    }
}

fn refusal(refused: &Refused<Unavailable>) -> v1::CheckFileResponse {
    v1::CheckFileResponse { refusal: refused.to_string(), ..Default::default() }
}

/// Why this server cannot check a file.
#[derive(Debug, Error)]
enum Unavailable {
    #[error("srs.digest: the proofs were made under the SRS {found}, and this server knows {own}: check the file with `tribute verify --srs`")]
    OtherSrs { found: SrsDigest, own: SrsDigest },
    #[error("layout.k: this server derives keys up to 2^{most} rows, the file's circuits have 2^{k}: check it with `tribute verify`")]
    TooLarge { k: u32, most: u32 },
    #[error(transparent)]
    Srs(#[from] SrsError),
    #[error("layout: {0}")]
    Keys(#[from] ProveError),
}

/// This server's SRS, and keys derived from it.
#[derive(Debug)]
struct Own {
    parameters: SrsStore,
    digest: SrsDigest,
    max_k: u32,
    /// The size read last.
    srs: Option<Srs>,
}

impl Own {
    fn of(&mut self, k: u32, digest: &SrsDigest) -> std::result::Result<&Srs, Unavailable> {
        if *digest != self.digest {
            return Err(Unavailable::OtherSrs { found: *digest, own: self.digest });
        }
        if k > self.max_k {
            return Err(Unavailable::TooLarge { k, most: self.max_k });
        }
        let kept = self.srs.take().filter(|srs| srs.k() == k);
        let srs = kept.map_or_else(|| self.parameters.get(k), Ok)?;
        Ok(self.srs.insert(srs))
    }
}

impl Trust for Own {
    type Error = Unavailable;

    /// A server that proves under it says so in its `ServerInfo`, and the answer says so again.
    fn accepts_development_srs(&self) -> bool {
        self.digest == Srs::development_digest()
    }

    fn srs(&mut self, k: u32, digest: &SrsDigest) -> std::result::Result<SrsPoints, Unavailable> {
        Ok(self.of(k, digest)?.points())
    }

    fn verifying_key(&mut self, shape: &Shape, srs: &SrsDigest) -> std::result::Result<VerifyingKey, Unavailable> {
        Ok(verifying_key(self.of(shape.layout.k(), srs)?, shape)?)
    }
}
