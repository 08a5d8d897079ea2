//! Proofs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::field::point_bytes;
use tribute_engine::plonk::{create_proof, Engine};
use tribute_engine::proof::Proof;
use tribute_engine::srs::Srs;
use tribute_simd::Backend;
use tribute_verify::{Rejected, VerifierSrs};

use crate::arithmetization::StatementWitness;
use crate::error::ProveError;
use crate::keys::{check_size, Keys};

/// A verified proof, and how long it took.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// Time taken to prove.
    pub proving: Duration,
    /// Time taken to verify.
    pub verifying: Duration,
}

/// Proves the statement of `witness`. The proof is returned only if the verifier accepts it.
///
/// # Errors
/// [`ProveError::NotSatisfied`] if the statement is false for the witness.
pub fn prove(srs: &Srs, keys: &Keys, witness: &dyn StatementWitness, inputs: Vec<Fr>) -> Result<Proof, ProveError> {
    Ok(prove_timed(srs, keys, witness, inputs)?.proof)
}

/// [`prove`], with timings.
///
/// # Errors
/// As for [`prove`].
pub fn prove_timed(
    srs: &Srs,
    keys: &Keys,
    witness: &dyn StatementWitness,
    inputs: Vec<Fr>,
) -> Result<Proven, ProveError> {
    let start = Instant::now();
    let proof = prove_unchecked(srs, keys, witness, inputs)?;
    let proving = start.elapsed();
    let start = Instant::now();
    // verified once, with the verifier that auditors run: it shares no code with the prover and takes milliseconds
    let small_srs =
        VerifierSrs::read(&srs.points()).ok_or_else(|| ProveError::SrsPoints { name: keys.shape().name() })?;
    tribute_verify::verify(keys.vk(), &small_srs, &proof.input_words(), &proof.bytes).map_err(|rejected| {
        let name = keys.shape().name();
        match rejected {
            Rejected::Opening => ProveError::NotSatisfied { name },
            rejected => ProveError::Rejected { name, rejected },
        }
    })?;
    Ok(Proven { proof, proving, verifying: start.elapsed() })
}

/// [`prove`] without the final verification, for tests that need a false proof.
#[doc(hidden)]
pub fn prove_unchecked(
    srs: &Srs,
    keys: &Keys,
    witness: &dyn StatementWitness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    prove_with(&Engine::new(Backend::best()), srs, keys, witness, inputs)
}

/// [`prove_unchecked`] with a given backend and with publicly known random rows, for tests that compare proofs byte by
/// byte. The proof hides nothing.
#[doc(hidden)]
pub fn prove_predictably(
    backend: Backend,
    srs: &Srs,
    keys: &Keys,
    witness: &dyn StatementWitness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    let count = AtomicU64::new(0);
    let seed = || {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        seed
    };
    prove_with(&Engine { seed: &seed, ..Engine::new(backend) }, srs, keys, witness, inputs)
}

/// [`prove_unchecked`] with a given engine, for measurements.
#[doc(hidden)]
pub fn prove_with(
    engine: &Engine<'_>,
    srs: &Srs,
    keys: &Keys,
    witness: &dyn StatementWitness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    check_size(srs, keys.shape())?;
    if *witness.shape() != *keys.shape() {
        return Err(ProveError::Shape { name: keys.shape().name(), witness: witness.shape().name() });
    }
    let gate_rows = keys.shape().layout.gate_rows();
    let bytes = create_proof(engine, srs, keys.vk(), keys.fixed_polynomials(), gate_rows, witness, &inputs)
        .map_err(|e| ProveError::Prover { name: keys.shape().name(), reason: e.to_string() })?;
    let prefix: Vec<u8> = witness.committed().iter().flat_map(|c| point_bytes(&c.point).unwrap_or([0; 64])).collect();
    if !bytes.starts_with(&prefix) {
        return Err(ProveError::Prefix { name: keys.shape().name() });
    }
    Ok(Proof { inputs, bytes })
}
