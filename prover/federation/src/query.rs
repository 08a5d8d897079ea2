//! What a round asks: loss, gradient and second derivatives at given weights.

use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;

use crate::numbers::{unit, QUERY_BITS};

/// A round's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The round, from 0.
    pub round: u32,
    /// Weights, row-major `[d + 1][c]`, in units of 2^-[`QUERY_BITS`].
    pub weights: Vec<i64>,
}

impl Query {
    /// Weights as real numbers.
    #[must_use]
    pub fn real(&self) -> Vec<f64> {
        self.weights.iter().map(|w| *w as f64 / unit(QUERY_BITS)).collect()
    }

    /// SHA-256 of kind, round and weights: the masks depend on it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        hash.update(b"tribute.query.newton.v1");
        hash.update(self.round.to_be_bytes());
        for w in &self.weights {
            hash.update(w.to_be_bytes());
        }
        hash.finalize().into()
    }
}
