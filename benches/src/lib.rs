//! Instances that the benches prove.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::srs::Srs;
use tribute_core::head::{gradient, HeadError, Weights};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;

/// A committed shard of pseudo-random records with pseudo-random weights and their gradient.
#[derive(Debug)]
pub struct Instance {
    /// Rows and columns.
    pub layout: Layout,
    /// Development SRS of the layout's size.
    pub srs: Srs,
    /// X and Y.
    pub shard: CommittedGroup,
    /// W.
    pub weights: CommittedGroup,
    /// G.
    pub gradient: CommittedGroup,
}

/// Makes an [`Instance`] of `n` records.
///
/// # Errors
/// When records or weights do not fit the layout.
pub fn instance(layout: Layout, link: Link, n: usize) -> Result<Instance, HeadError> {
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut records = Records::new(layout.features());
    for _ in 0..n {
        let features: Vec<u8> = (0..layout.features()).map(|_| (next() % 256) as u8).collect();
        records.push(&features, (next() % layout.classes()) as u16);
    }
    tribute_core::head::check_records(&layout, &records)?;
    let values = (0..layout.weights()).map(|_| (next() % 200_000) as i64 - 100_000).collect();
    let weights = Weights::new(layout.features(), layout.classes(), values)?;
    let g = gradient(&layout, link, &weights, &records)?;
    let srs = Srs::development(layout.k());
    let secret = Secret::from_bytes([1; 32]);
    let shard = commit_records(&srs, &layout, &secret, &records);
    let weights = commit_weights(&srs, &layout, &secret, &weights);
    let gradient = commit_gradient(&srs, &layout, &secret, &[shard.digest(), weights.digest()], &g);
    Ok(Instance { layout, srs, shard, weights, gradient })
}
