//! Measures the machine by a yardstick that does not change with our code: halo2's own sum of points by random scalars. Every
//! report of times carries this number, so that times of different machines, or of a loaded one, can be compared.

use std::time::Instant;

use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field as _;
use halo2_proofs::halo2curves::group::Curve as _;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use tribute_problem::Result;

use crate::toolbox::Toolbox;

/// Best of `rounds` commitments of `2^k` random scalars.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateJob {
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
    /// Any text: distinguishes otherwise equal jobs.
    pub tag: String,
}

/// How fast the machine is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateOutcome {
    /// Best time of one commitment.
    pub milliseconds: f64,
    /// log2 of the scalars.
    pub k: u32,
    /// Commitments made.
    pub rounds: u32,
}

/// Sums `2^k` points by random scalars `rounds` times and keeps the best time.
pub fn run(job: &CalibrateJob, toolbox: &Toolbox) -> Result<CalibrateOutcome> {
    let total = u64::from(job.rounds);
    let milliseconds = measure(job.k, job.rounds, |done| toolbox.progress("commit", done, total));
    Ok(CalibrateOutcome { milliseconds, k: job.k, rounds: job.rounds })
}

/// Best time in milliseconds of `rounds` sums of `2^k` points by random scalars.
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

/// `len` distinct points: multiples of the generator. Time does not depend on which points they are.
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
