//! Small honest instances that the tests start from.
#![allow(dead_code, unreachable_pub)]

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::srs::Srs;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::I256;

/// Records with all sorts of values: extremes, zeros and noise.
pub fn records(layout: &Layout, n: usize, seed: u64) -> Records {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut records = Records::new(layout.features());
    for i in 0..n {
        let features: Vec<u8> = (0..layout.features())
            .map(|_| match i {
                0 => 255,
                1 => 0,
                _ => (next() >> 32) as u8,
            })
            .collect();
        let target = match layout.task() {
            Task::Classes => (next() >> 32) as usize % layout.classes(),
            Task::Real => (next() >> 32) as usize & 0xffff,
        };
        records.push(&features, target as u16);
    }
    records
}

/// Weights over the whole range, extremes included.
pub fn weights(layout: &Layout, seed: i64) -> Weights {
    let limit = tribute_core::numbers::WEIGHT_LIMIT - 1;
    let values = (0..layout.weights() as i64)
        .map(|i| match i % 7 {
            0 => limit,
            1 => -limit,
            _ => (i * 7_919_993 + seed * 104_729) % 2_000_001 - 1_000_000,
        })
        .collect();
    Weights::new(layout.features(), layout.classes(), values).unwrap()
}

/// A committed shard with weights and their gradient.
pub struct Instance {
    pub layout: Layout,
    pub link: Link,
    pub srs: Srs,
    pub secret: Secret,
    pub records: Records,
    pub weights: Weights,
    pub gradient: Vec<I256>,
    pub xy: CommittedGroup,
    pub w: CommittedGroup,
    pub g: CommittedGroup,
}

pub fn instance(layout: Layout, link: Link, n: usize, seed: u64) -> Instance {
    let srs = Srs::development(layout.k());
    let secret = Secret::from_bytes([seed as u8; 32]);
    let (records, weights) = (records(&layout, n, seed), weights(&layout, seed as i64));
    let g = gradient(&layout, link, &weights, &records).unwrap();
    let xy = commit_records(&srs, &layout, &secret, &records);
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let committed = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
    Instance { layout, link, srs, secret, records, weights, gradient: g, xy, w, g: committed }
}
