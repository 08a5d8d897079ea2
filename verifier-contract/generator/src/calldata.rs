//! Calldata of a verifier.

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};

/// The inputs as big-endian 32-byte words, then the proof unchanged.
pub fn calldata(inputs: &[Fr], proof: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 * inputs.len() + proof.len());
    for input in inputs {
        out.extend(input.to_repr().as_ref().iter().rev());
    }
    out.extend_from_slice(proof);
    out
}
