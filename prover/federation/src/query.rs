//! What a round asks: loss and gradient at given weights, with second derivatives or without, or the product of the second
//! derivatives with a direction.

use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_inference::train::Curvature;

use crate::numbers::{unit, DIRECTION_BITS, QUERY_BITS};

/// A round's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The round, from 0.
    pub round: u32,
    /// Weights, row-major `[d + 1][c]`, in units of 2^-[`QUERY_BITS`].
    pub weights: Vec<i64>,
    /// What is asked there.
    pub asks: Asks,
}

/// What is asked at a query's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Loss and gradient, and such second derivatives.
    Point(Option<Curvature>),
    /// The product of the second derivatives with this direction, row-major `[d + 1][c]`, in units of 2^-[`DIRECTION_BITS`], below 1.
    Product(Vec<i64>),
}

impl Query {
    /// Weights as real numbers.
    #[must_use]
    pub fn real(&self) -> Vec<f64> {
        self.weights.iter().map(|w| *w as f64 / unit(QUERY_BITS)).collect()
    }

    /// SHA-256 of round, kind, weights and direction: the masks depend on it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let (kind, direction): (&[u8], &[i64]) = match &self.asks {
            Asks::Point(None) => (b"gradient", &[]),
            Asks::Point(Some(Curvature::Shared)) => (b"shared", &[]),
            Asks::Point(Some(Curvature::PerClass)) => (b"by class", &[]),
            Asks::Point(Some(Curvature::Coupled)) => (b"coupled", &[]),
            Asks::Product(direction) => (b"product", direction),
        };
        let mut hash = Sha256::new();
        hash.update(b"tribute.query.v1");
        hash.update(self.round.to_be_bytes());
        hash.update((kind.len() as u64).to_be_bytes());
        hash.update(kind);
        hash.update((self.weights.len() as u64).to_be_bytes());
        for x in self.weights.iter().chain(direction) {
            hash.update(x.to_be_bytes());
        }
        hash.finalize().into()
    }
}

/// A direction as real numbers.
pub(crate) fn real_direction(direction: &[i64]) -> Vec<f64> {
    direction.iter().map(|x| *x as f64 / unit(DIRECTION_BITS)).collect()
}
