//! A proof with its public inputs, and its verification with halo2.

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::plonk::{verify_proof, VerifyingKey};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;

use crate::field::word;
use crate::srs::Srs;
use crate::transcript::{Keccak, KeccakChallenge};

/// A proof with its public inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Public inputs, in the statement's order.
    pub inputs: Vec<Fr>,
    /// Points and scalars, uncompressed, as the EVM verifier reads them.
    pub bytes: Vec<u8>,
}

impl Proof {
    /// Public inputs as big-endian words.
    #[must_use]
    pub fn input_words(&self) -> Vec<[u8; 32]> {
        self.inputs.iter().map(word).collect()
    }
    /// Calldata of the EVM verifier: inputs, then the proof.
    #[must_use]
    pub fn calldata(&self) -> Vec<u8> {
        let mut out: Vec<u8> = self.input_words().concat();
        out.extend_from_slice(&self.bytes);
        out
    }
}

/// Verifies with halo2's own verifier. Trailing bytes are rejected.
#[must_use]
pub fn verify(srs: &Srs, vk: &VerifyingKey<G1Affine>, proof: &Proof) -> bool {
    let mut transcript = Keccak::new(proof.bytes.as_slice());
    let result = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, KeccakChallenge, _, _>(
        srs.params(),
        vk,
        SingleStrategy::new(srs.params()),
        &[&[&proof.inputs]],
        &mut transcript,
    );
    result.is_ok() && transcript.into_inner().is_empty()
}
