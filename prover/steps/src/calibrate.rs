//! Measures the machine with a benchmark that does not change with our code: halo2's multi-scalar multiplication with
//! random scalars. Every report of times includes this figure, so that times from different or loaded machines can be
//! compared.

use std::time::Instant;

use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field as _;
use halo2_proofs::halo2curves::group::Curve as _;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use tribute_problem::Result;

use crate::toolbox::Toolbox;

/// Measures the fastest of `rounds` commitments to `2^k` random scalars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateJob {
    /// log2 of the number of scalars.
    pub k: u32,
    /// Number of commitments.
    pub rounds: u32,
    /// Any text; distinguishes otherwise equal jobs.
    pub tag: String,
}

/// The measured speed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateOutcome {
    /// Time of the fastest commitment, in milliseconds.
    pub milliseconds: f64,
    /// log2 of the number of scalars.
    pub k: u32,
    /// Number of commitments.
    pub rounds: u32,
}

/// Runs `rounds` multi-scalar multiplications of `2^k` points and keeps the best time.
pub fn run(job: &CalibrateJob, toolbox: &Toolbox) -> Result<CalibrateOutcome> {
    let total = u64::from(job.rounds);
    let milliseconds = measure(job.k, job.rounds, |done| toolbox.progress("commit", done, total));
    Ok(CalibrateOutcome { milliseconds, k: job.k, rounds: job.rounds })
}

/// Best time, in milliseconds, of `rounds` multi-scalar multiplications of `2^k` points by random scalars.
pub fn measure(k: u32, rounds: u32, progress: impl Fn(u64)) -> f64 {
    let bases = bases(1 << k);
    let scalars: Vec<Fr> = (0..bases.len()).map(|_| Fr::random(OsRng)).collect();
    let mut best = f64::INFINITY;
    for round in 0..rounds {
        progress(u64::from(round));
        let start = Instant::now();
        std::hint::black_box(best_multiexp(&scalars, &bases));
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    progress(u64::from(rounds));
    best
}

/// `len` distinct points: multiples of the generator. The time does not depend on which points they are.
fn bases(len: usize) -> Vec<G1Affine> {
    let mut points = vec![G1::default(); len];
    let mut next = G1::from(G1Affine::generator());
    for point in &mut points {
        *point = next;
        next += G1Affine::generator();
    }
    let mut affine = vec![G1Affine::default(); len];
    G1::batch_normalize(&points, &mut affine);
    affine
}
