//! Small honest instances that tests start from.
#![allow(dead_code, unreachable_pub)]

pub mod gates;
pub mod keyed;
pub mod perturb;
pub mod subjects;
pub mod transcript;

use std::sync::Arc;

use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_rows, commit_weights, sum_gradients, ColumnPlace, CommittedGroup, Role,
    Secret,
};
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;

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

/// Weights over the whole range, including the extremes.
pub fn weights(layout: &Layout, seed: i64) -> Weights {
    let limit = tribute_core::numbers::WEIGHT_LIMIT - 1;
    let values = (0..layout.weights() as i64)
        .map(|i| match i % 7 {
            0 => limit,
            1 => -limit,
            _ => ((i * 7_919_993 + seed * 104_729) % 2_000_001 - 1_000_000) * 4_099,
        })
        .collect();
    Weights::new(layout.features(), layout.classes(), values).unwrap().with_intercept_scale(layout.intercept_scale())
}

/// The same group with changed cells: column of the group, row, value.
pub fn altered(shape: &Shape, group: &CommittedGroup, changes: &[(usize, usize, Fr)]) -> CommittedGroup {
    let (mut columns, layout) = (group.columns.clone(), &shape.layout);
    for (column, row, value) in changes {
        let mut rows = columns[*column].values[..layout.usable()].to_vec();
        rows[*row] = *value;
        let secret = Secret::from_bytes([9; 32]);
        let place = ColumnPlace { role: Role::Records, content: [*column as u8; 32], index: *column as u32 };
        columns[*column] = Arc::new(commit_rows(keyed::srs(layout.k()), layout, &secret, &place, rows));
    }
    CommittedGroup { columns }
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
    let srs = keyed::srs(layout.k()).clone();
    let secret = Secret::from_bytes([seed as u8; 32]);
    let (records, weights) = (records(&layout, n, seed), weights(&layout, seed as i64));
    let g = gradient(&layout, link, &weights, &records).unwrap();
    let xy = commit_records(&srs, &layout, &secret, &records).unwrap();
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let committed = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
    Instance { layout, link, srs, secret, records, weights, gradient: g, xy, w, g: committed }
}

/// Shards with weights at the optimum of the squared loss, and everything that an `optimum` proof needs.
pub struct Fitted {
    pub srs: Srs,
    pub layout: Layout,
    pub secret: Secret,
    pub weights: Weights,
    pub w: CommittedGroup,
    pub shards: Vec<Records>,
    pub gradients: Vec<Vec<I256>>,
    pub groups: Vec<CommittedGroup>,
    pub sum: CommittedGroup,
    pub numbers: tribute_core::head::Optimum,
}

impl Fitted {
    pub fn circuit(&self) -> OptimumCircuit {
        self.with(&self.numbers)
    }

    /// The circuit that states other numbers.
    pub fn with(&self, numbers: &tribute_core::head::Optimum) -> OptimumCircuit {
        OptimumCircuit::new(Shape::optimum(self.layout), &self.w, &self.weights, &self.sum, numbers)
    }
}

/// Like [`try_fitted`], for data that must give a non-zero optimum.
pub fn fitted(layout: Layout, sizes: &[usize]) -> Fitted {
    try_fitted(layout, sizes).unwrap()
}

/// Fits least squares by gradient descent in f64, then rounds.
pub fn try_fitted(layout: Layout, sizes: &[usize]) -> Result<Fitted, tribute_core::head::HeadError> {
    use tribute_core::head::{add, lambda_units, optimum};
    let all = records(&layout, sizes.iter().sum(), 9);
    let n = all.len();
    let (d, c) = (layout.features(), layout.classes());
    let lambda = 0.25;
    let bias = layout.bias_feature() as f64 / 256.0;
    let x = |q: &[u8], j: usize| if j == 0 { bias } else { f64::from(q[j - 1]) / 256.0 };
    let mut w = vec![0f64; layout.weights()];
    for _ in 0..6000 {
        let mut g: Vec<f64> = w.iter().map(|w| lambda * w).collect();
        for (q, y) in all.iter() {
            for u in 0..c {
                let z: f64 = (0..=d).map(|j| x(q, j) * w[j * c + u]).sum();
                let e = z - f64::from(u8::from(usize::from(y) == u));
                for j in 0..=d {
                    g[j * c + u] += x(q, j) * e / n as f64;
                }
            }
        }
        // the bias feature is larger than the others, so its step is smaller
        let step = |at: usize| if at < c { 0.15 / (bias * bias) } else { 0.15 };
        w.iter_mut().zip(&g).enumerate().for_each(|(at, (w, g))| *w -= step(at) * g);
    }
    let scale = f64::from(tribute_core::numbers::WEIGHT_BITS as i32).exp2();
    let weights = Weights::new(d, c, w.iter().map(|w| (w * scale).round() as i64).collect()).unwrap();
    let weights = weights.with_intercept_scale(layout.intercept_scale());
    let mut shards = Vec::new();
    let mut at = 0;
    for size in sizes {
        shards.push(all.slice(at..at + size));
        at += size;
    }
    let gradients: Vec<Vec<I256>> =
        shards.iter().map(|s| gradient(&layout, Link::Squared, &weights, s).unwrap()).collect();
    let mut total = vec![I256::ZERO; layout.weights()];
    gradients.iter().for_each(|g| add(&mut total, g));
    let numbers = optimum(&layout, &weights, &total, n as u64, lambda_units(lambda).unwrap())?;
    let srs = keyed::srs(layout.k()).clone();
    let secret = Secret::from_bytes([3; 32]);
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let groups: Vec<_> = gradients
        .iter()
        .enumerate()
        .map(|(i, g)| commit_gradient(&srs, &layout, &secret, &[[i as u8; 32], w.digest()], g))
        .collect();
    let sum = sum_gradients(&groups);
    Ok(Fitted { srs, layout, secret, weights, w, shards, gradients, groups, sum, numbers })
}
