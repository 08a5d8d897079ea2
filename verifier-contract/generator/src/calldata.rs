//! What a verifier is called with.

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};

/// Calldata of a verifier: the inputs as big-endian 32-byte words, then the proof as it is.
pub fn calldata(inputs: &[Fr], proof: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 * inputs.len() + proof.len());
    for input in inputs {
        out.extend(input.to_repr().as_ref().iter().rev());
    }
    out.extend_from_slice(proof);
    out
}
