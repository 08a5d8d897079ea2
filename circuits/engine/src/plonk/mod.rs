//! The prover: PLONK with custom gates over KZG, with SHPLONK openings and up to three challenge phases.
//!
//! It produces exactly the proofs that `halo2_proofs::plonk::verify_proof` checks, so soundness rests on that verifier
//! and on the verifying key, not on this module; a mistake here produces proofs that do not verify. We need our own
//! prover because halo2-axiom 0.5.3's panics at the end of a third phase, recommits to columns whose commitments are
//! known, and does not let the caller choose the tails of its columns.
//!
//! Zero knowledge. Every fresh column ends in random rows: those after the gates' rows (the caller of [`create_proof`]
//! gives their number), including halo2's 6 tail rows. There must be more random rows than points at which a fresh
//! column is opened. Committed columns have random rows of their own. The pieces of the quotient are not blinded (as in
//! halo2), so zero knowledge is computational.

mod gates;
mod open;
mod parts;
mod quotient;
#[cfg(test)]
mod toy;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use halo2_proofs::arithmetic::powers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::VerifyingKey;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::Rotation;
use halo2_proofs::transcript::{Transcript, TranscriptWrite};
use open::{open, Opening};
use parts::Clock;
use quotient::{quotient, Assignment};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng};
use rayon::prelude::*;
use tribute_simd::{add_scaled, evaluate, Backend, Interpolation};

use crate::column::CommittedColumn;
use crate::msm::msm_by;
use crate::srs::Srs;
use crate::transcript::{squeeze, Keccak};

pub use parts::Part;

/// The inputs of a proof. Object safe on purpose, so that the prover is compiled once, here, for all circuits.
pub trait Witness: Sync {
    /// The committed columns, in the circuit's allocation order. They are the first columns of phase 0.
    fn committed(&self) -> Vec<Arc<CommittedColumn>>;

    /// The fresh columns of `phase` (0, 1 or 2) in allocation order, each at most as long as the gates' rows.
    /// `challenges` holds the challenges of earlier phases, by index.
    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>>;
}

/// A column's polynomial.
struct Column {
    coefficients: Vec<Fr>,
}

/// How a proof is computed. It does not affect what the proof states.
pub struct Engine<'a> {
    /// Backend for field and curve arithmetic.
    pub backend: Backend,
    /// Source of seeds for the random rows and the random polynomial. It must never return the same seed twice.
    pub seed: &'a dyn Fn() -> [u8; 32],
    /// Told how long each stretch of a part took; most parts have several.
    pub report: &'a dyn Fn(Part, Duration),
}

impl Engine<'_> {
    /// An engine that takes seeds from the operating system and reports to nobody.
    pub const fn new(backend: Backend) -> Engine<'static> {
        Engine { backend, seed: &fresh_seed, report: &unheard }
    }

    fn rng(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed((self.seed)())
    }
}

/// Proves that `witness` satisfies the constraint system of `vk`. `inputs` are the public inputs of its single instance
/// column and `fixed` holds the coefficients of the fixed columns. Gates constrain fresh columns only on the first
/// `gate_rows` rows; the rows after them are blinded.
///
/// # Errors
/// If a commitment is the point at infinity, which a proof cannot contain.
///
/// # Panics
/// If the witness and the circuit have different numbers of columns: a bug in the circuit.
pub fn create_proof(
    engine: &Engine<'_>,
    srs: &Srs,
    vk: &VerifyingKey<G1Affine>,
    fixed: &[Vec<Fr>],
    gate_rows: usize,
    witness: &dyn Witness,
    inputs: &[Fr],
) -> io::Result<Vec<u8>> {
    let (backend, clock) = (engine.backend, Clock::start(engine.report));
    let cs = vk.cs();
    let domain = vk.get_domain();
    let n = 1usize << domain.k();
    let interpolation = Interpolation::new(backend, domain.k(), domain.get_omega(), Fr::ONE);
    clock.lap(Part::Columns);
    let interpolate = |mut values: Vec<Fr>| {
        interpolation.run(&mut values);
        values
    };
    let commit_lagrange = |values: &[Fr]| msm_by(backend, values, srs.lagrange_basis());
    let commit = |coefficients: &[Fr]| msm_by(backend, coefficients, &srs.params().get_g()[..coefficients.len()]);

    let mut transcript = Keccak::new(Vec::new());
    transcript.common_scalar(vk.transcript_repr())?;
    for input in inputs {
        transcript.common_scalar(*input)?;
    }

    // advice, phase by phase
    let phases = cs.advice_column_phase();
    let mut advice: Vec<Option<Column>> = phases.iter().map(|_| None).collect();
    let mut challenges = vec![Fr::ZERO; cs.num_challenges()];
    for phase in 0..=phases.iter().copied().max().unwrap_or(0) {
        let committed = if phase == 0 { witness.committed() } else { vec![] };
        let fresh = witness.phase(phase, &challenges);
        let indices: Vec<usize> = (0..phases.len()).filter(|i| phases[*i] == phase).collect();
        assert_eq!(indices.len(), committed.len() + fresh.len(), "columns of phase {phase}");
        let mut values: Vec<(Vec<Fr>, Option<G1Affine>)> =
            committed.iter().map(|c| (c.values.clone(), Some(c.point))).collect();
        values.extend(fresh.into_iter().map(|column| (blind(engine, gate_rows, n, column), None)));
        clock.lap(Part::Witness);
        let columns: Vec<(Column, G1)> = values
            .into_par_iter()
            .map(|(values, point)| {
                let point = point.map_or_else(|| commit_lagrange(&values), G1::from);
                (Column { coefficients: interpolate(values) }, point)
            })
            .collect();
        for point in normalise(columns.iter().map(|(_, p)| *p).collect()) {
            transcript.write_point(point)?;
        }
        for (index, (column, _)) in indices.into_iter().zip(columns) {
            advice[index] = Some(column);
        }
        for (challenge, challenge_phase) in challenges.iter_mut().zip(cs.challenge_phase()) {
            if challenge_phase == phase {
                *challenge = squeeze(&mut transcript);
            }
        }
        clock.lap(Part::Columns);
    }
    let advice: Vec<Column> = advice.into_iter().flatten().collect();

    // θ, β, γ: unused without halo2 lookups or permutations, but the transcript squeezes them nevertheless
    for _ in 0..3 {
        squeeze(&mut transcript);
    }
    let mut rng = engine.rng();
    let random: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
    transcript.write_point(commit(&random).to_affine())?;
    let y = squeeze(&mut transcript);
    clock.lap(Part::Commitments);

    let instance = {
        let mut values = vec![Fr::ZERO; n];
        values[..inputs.len()].copy_from_slice(inputs);
        interpolate(values)
    };
    clock.lap(Part::Columns);
    let fixed: Vec<&[Fr]> = fixed.iter().map(Vec::as_slice).collect();
    let advice_coefficients: Vec<&[Fr]> = advice.iter().map(|c| c.coefficients.as_slice()).collect();
    let assignment =
        Assignment { fixed: &fixed, advice: &advice_coefficients, instance: &[&instance], challenges: &challenges };
    let pieces = quotient(backend, &clock, &interpolation, cs, domain, &assignment, y);
    let points: Vec<G1> = pieces.par_iter().map(|piece| commit(piece)).collect();
    for point in normalise(points) {
        transcript.write_point(point)?;
    }
    let x = squeeze(&mut transcript);
    clock.lap(Part::Commitments);

    // evaluations, in the verifier's order
    let at = |rotation: Rotation| domain.rotate_omega(x, rotation);
    let advice_queries: Vec<(usize, Rotation)> = cs.advice_queries().iter().map(|(c, r)| (c.index(), *r)).collect();
    let fixed_queries: Vec<(usize, Rotation)> = cs.fixed_queries().iter().map(|(c, r)| (c.index(), *r)).collect();
    let mut openings: Vec<Opening<'_>> = Vec::new();
    let evaluate_at = |polynomial: &[Fr], x: Fr| evaluate(backend, polynomial, x);
    let rotated = |polynomial: &[Fr], rotation: Rotation| evaluate_at(polynomial, at(rotation));
    let advice_evals: Vec<Fr> = advice_queries.par_iter().map(|(c, r)| rotated(&advice[*c].coefficients, *r)).collect();
    let fixed_evals: Vec<Fr> = fixed_queries.par_iter().map(|(c, r)| rotated(fixed[*c], *r)).collect();
    let random_eval = evaluate_at(&random, x);
    for eval in advice_evals.iter().chain(&fixed_evals).chain([&random_eval]) {
        transcript.write_scalar(*eval)?;
    }
    for ((c, r), eval) in advice_queries.iter().zip(&advice_evals) {
        openings.push(Opening { polynomial: &advice[*c].coefficients, point: at(*r), eval: *eval });
    }
    for ((c, r), eval) in fixed_queries.iter().zip(&fixed_evals) {
        openings.push(Opening { polynomial: fixed[*c], point: at(*r), eval: *eval });
    }
    // the quotient as one polynomial of degree below n: Σ x^(n·i) h_i
    let mut combined = vec![Fr::ZERO; n];
    for (piece, factor) in pieces.iter().zip(powers(x.pow_vartime([n as u64]))) {
        add_scaled(backend, &mut combined, factor, piece);
    }
    let combined_eval = evaluate_at(&combined, x);
    openings.push(Opening { polynomial: &combined, point: x, eval: combined_eval });
    openings.push(Opening { polynomial: &random, point: x, eval: random_eval });
    clock.lap(Part::Evaluations);
    let commit_timed = |coefficients: &[Fr]| {
        clock.lap(Part::Openings);
        let point = commit(coefficients);
        clock.lap(Part::Commitments);
        point
    };
    open(backend, &mut transcript, &openings, &commit_timed)?;
    clock.lap(Part::Openings);
    Ok(transcript.into_inner())
}

/// Fills a fresh column with random values from row `gate_rows` up to `rows`.
fn blind(engine: &Engine<'_>, gate_rows: usize, rows: usize, mut column: Vec<Fr>) -> Vec<Fr> {
    let mut rng = engine.rng();
    // a column that grew would keep twice its memory until the proof is done
    column.reserve_exact(rows.saturating_sub(column.len()));
    column.resize(gate_rows, Fr::ZERO);
    column.extend((gate_rows..rows).map(|_| Fr::random(&mut rng)));
    column
}

fn unheard(_: Part, _: Duration) {}

fn fresh_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    rand_core::RngCore::fill_bytes(&mut OsRng, &mut seed);
    seed
}

fn normalise(points: Vec<G1>) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    affine
}
