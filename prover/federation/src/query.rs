//! What a round asks: loss and gradient at given weights, with second derivatives or without, or the product of the second
//! derivatives with a direction.

use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_inference::train::Curvature;

/// Fractional bits of the weights of a query. Weights below 64 are exact in `f64`, and their rounding disturbs a gradient far
/// less than the rounding of the final weights.
pub const QUERY_BITS: u32 = 47;
/// Fractional bits of a query's direction, whose largest entry is from 1/2 to 1.
pub const DIRECTION_BITS: u32 = 50;

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
        real(&self.weights, QUERY_BITS)
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

/// Numbers in units of `2^-bits` as real ones.
pub(crate) fn real(units: &[i64], bits: u32) -> Vec<f64> {
    units.iter().map(|x| *x as f64 / unit(bits)).collect()
}

/// A real weight in the units of a query; `None` beyond their range.
pub(crate) fn query_units(w: f64) -> Option<i64> {
    let units = (w * unit(QUERY_BITS)).round_ties_even();
    (units.abs() < 64.0 * unit(QUERY_BITS)).then_some(units as i64)
}

/// `2^bits`, exactly.
pub(crate) fn unit(bits: u32) -> f64 {
    (1u128 << bits) as f64
}
