//! A circuit's keys and verifier in memory.

use std::path::Path;

use tribute_circuits::error::ProveError;
use tribute_circuits::keys::{KeyCache, Keys, Origin};
use tribute_core::id::SrsDigest;
use tribute_core::shape::Shape;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};

use crate::rebuilt::check_cost;

/// A circuit's keys and verifier, which are the same in every process.
pub(crate) struct Loaded {
    /// What they are for.
    pub(crate) srs: SrsDigest,
    pub(crate) keys: Keys,
    /// Creation code of the verifier.
    pub(crate) creation: Vec<u8>,
    /// Its runtime code.
    pub(crate) runtime: Vec<u8>,
    /// Gas of verifying a proof.
    pub(crate) gas: u64,
}

impl Loaded {
    /// Keys from the cache in `folder`, or generated if it has none or a corrupt one.
    pub(crate) fn load(srs: &Srs, shape: &Shape, folder: &Path) -> Result<(Self, Origin)> {
        let (keys, origin) = KeyCache::new(folder).get(srs, shape).map_err(refused)?;
        Ok((Loaded::with(srs, shape, keys)?, origin))
    }

    /// Keys from the cache in `folder`.
    ///
    /// # Errors
    /// If it has none, or a corrupt one.
    pub(crate) fn kept(srs: &Srs, shape: &Shape, folder: &Path) -> Result<Self> {
        Loaded::with(srs, shape, KeyCache::new(folder).kept(srs, shape).map_err(Problem::internal)?)
    }

    /// Generating the verifier from the key takes a millisecond.
    fn with(srs: &Srs, shape: &Shape, keys: Keys) -> Result<Self> {
        let inputs = shape.statement.inputs();
        let code = tribute_evm::direct::generate(srs.params(), keys.vk(), inputs).map_err(tool)?;
        let gas = check_cost(keys.vk(), &code.runtime, inputs)?;
        Ok(Loaded { srs: srs.digest(), keys, creation: code.creation, runtime: code.runtime, gas })
    }
}

pub(crate) fn tool(e: impl std::fmt::Display) -> Problem {
    Problem::new(Reason::ToolMissing, format!("verifier: {e}"))
}

pub(crate) fn refused(e: ProveError) -> Problem {
    let reason = match e {
        ProveError::NotSatisfied { .. } | ProveError::Rejected { .. } | ProveError::Prefix { .. } => {
            Reason::ProofRejected
        }
        ProveError::Regression { .. } | ProveError::LinkRows { .. } | ProveError::ServiceRows { .. } => {
            Reason::BadField
        }
        _ => Reason::Internal,
    };
    Problem::new(reason, e.to_string())
}
