//! Instances for the benches, and their measuring tools.

pub mod parts;
pub mod proofs;
pub mod usage;

use std::time::Instant;

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::statements::service::{AnsweredQuery, SessionBatch};
use tribute_core::head::{answer, gradient, HeadError, Weights};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::WEIGHT_BITS;
use tribute_core::records::Records;
use tribute_engine::halo2_proofs::arithmetic::best_multiexp;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;

/// A committed shard of pseudo-random records with pseudo-random weights and their gradient.
#[derive(Debug)]
pub struct Instance {
    /// Rows and columns.
    pub layout: Layout,
    /// X and Y.
    pub shard: CommittedGroup,
    /// W.
    pub weights: CommittedGroup,
    /// G.
    pub gradient: CommittedGroup,
}

/// Pseudo-random numbers, the same in every run.
fn numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

/// Pseudo-random weights below 0.1.
///
/// # Errors
/// None for a valid layout.
pub fn weights(layout: &Layout) -> Result<Weights, HeadError> {
    let mut next = numbers(2);
    let values = (0..layout.weights()).map(|_| ((next() % 200_000) as i64 - 100_000) << (WEIGHT_BITS - 20)).collect();
    Weights::new(layout.features(), layout.classes(), values)
}

/// One session of `n` pseudo-random queries with the answers of `weights`.
#[must_use]
pub fn session(layout: &Layout, weights: &Weights, n: usize) -> SessionBatch {
    let mut next = numbers(3);
    let queries = (0..n)
        .map(|i| {
            let features: Vec<u8> = (0..layout.features()).map(|_| (next() % 256) as u8).collect();
            let answer = answer(&weights.logits(&features));
            AnsweredQuery { features, salt: tribute_core::Fr::from(i as u64 + 1), answer }
        })
        .collect();
    SessionBatch { before: tribute_core::Fr::from(1u64), queries }
}

/// Pseudo-random scalars.
#[must_use]
pub fn scalars(n: usize) -> Vec<Fr> {
    let mut next = numbers(4);
    (0..n)
        .map(|_| {
            let limbs: [u64; 8] = std::array::from_fn(|_| (next() as u64) << 32 | next() as u64);
            Fr::from_raw([limbs[0], limbs[1], limbs[2], limbs[3]]) * Fr::from_raw([limbs[4], limbs[5], limbs[6], 1])
        })
        .collect()
}

/// The best of three sums of 2^15 points by pseudo-random scalars, in milliseconds: how fast this machine is right now.
/// The sum is computed by halo2, so it is a yardstick that does not change with our code.
#[must_use]
pub fn calibration_ms() -> f64 {
    let srs = Srs::development(15);
    let scalars = scalars(1 << 15);
    let once = |_| {
        let start = Instant::now();
        std::hint::black_box(best_multiexp(&scalars, srs.lagrange_basis()));
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..3).map(once).fold(f64::INFINITY, f64::min)
}

/// Builds an [`Instance`] of `n` records.
///
/// # Errors
/// If records or weights do not fit the layout.
pub fn instance(layout: Layout, srs: &Srs, link: Link, n: usize) -> Result<Instance, HeadError> {
    let mut next = numbers(1);
    let mut records = Records::new(layout.features());
    for _ in 0..n {
        let features: Vec<u8> = (0..layout.features()).map(|_| (next() % 256) as u8).collect();
        records.push(&features, (next() % layout.classes()) as u16);
    }
    let weights = weights(&layout)?;
    let g = gradient(&layout, link, &weights, &records)?;
    let secret = Secret::from_bytes([1; 32]);
    let shard = commit_records(srs, &layout, &secret, &records)?;
    let weights = commit_weights(srs, &layout, &secret, &weights);
    let gradient = commit_gradient(srs, &layout, &secret, &[shard.digest(), weights.digest()], &g);
    Ok(Instance { layout, shard, weights, gradient })
}
