//! Proofs.

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::field::point_bytes;
use tribute_engine::plonk::create_proof;
use tribute_engine::proof::{verify, Proof};
use tribute_engine::srs::Srs;

use crate::arithmetization::StatementWitness;
use crate::error::ProveError;
use crate::keys::{check_size, Keys};

/// Proves the statement of `witness` and checks the proof, natively, before returning it.
///
/// # Errors
/// [`ProveError::NotSatisfied`] when the statement is false for the witness.
pub fn prove(srs: &Srs, keys: &Keys, witness: &dyn StatementWitness, inputs: Vec<Fr>) -> Result<Proof, ProveError> {
    let proof = prove_unchecked(srs, keys, witness, inputs)?;
    if verify(srs, keys.vk(), &proof) {
        Ok(proof)
    } else {
        Err(ProveError::NotSatisfied { name: keys.shape().name() })
    }
}

/// [`prove`] without the final verification: for tests that need a false proof.
#[doc(hidden)]
pub fn prove_unchecked(
    srs: &Srs,
    keys: &Keys,
    witness: &dyn StatementWitness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    check_size(srs, keys.shape())?;
    if *witness.shape() != *keys.shape() {
        return Err(ProveError::Shape { name: keys.shape().name(), witness: witness.shape().name() });
    }
    let bytes =
        create_proof(srs, keys.vk(), keys.fixed_polynomials(), keys.shape().layout.gate_rows(), witness, &inputs)
            .map_err(|e| ProveError::Prover { name: keys.shape().name(), reason: e.to_string() })?;
    let prefix: Vec<u8> = witness.committed().iter().flat_map(|c| point_bytes(&c.point).unwrap_or([0; 64])).collect();
    if !bytes.starts_with(&prefix) {
        return Err(ProveError::Prefix { name: keys.shape().name() });
    }
    Ok(Proof { inputs, bytes })
}
