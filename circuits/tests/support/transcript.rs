//! A recorded proof, element by element, with the challenges derived by its transcript.

use tribute_engine::halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use tribute_engine::halo2_proofs::plonk::VerifyingKey;
use tribute_engine::halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead};
use tribute_engine::proof::Proof;
use tribute_engine::transcript::Keccak;

/// All elements of a proof.
pub struct Recorded {
    /// Commitments of the advice columns, by index.
    pub advice: Vec<G1Affine>,
    /// The circuit's challenges, by index.
    pub challenges: Vec<Fr>,
    /// Commitment of the random polynomial.
    pub random: G1Affine,
    /// Challenge that combines the gates.
    pub y: Fr,
    /// Commitments of the quotient's pieces.
    pub quotient: Vec<G1Affine>,
    /// Challenge at which everything is opened.
    pub x: Fr,
    /// Values of the advice columns, in the order of the key's queries.
    pub advice_values: Vec<Fr>,
    /// Values of the fixed columns, in the order of the key's queries.
    pub fixed_values: Vec<Fr>,
    /// Value of the random polynomial.
    pub random_value: Fr,
    /// Challenge that combines polynomials with the same set of points.
    pub opening_y: Fr,
    /// Challenge that combines the sets.
    pub opening_v: Fr,
    /// SHPLONK's first point.
    pub h: G1Affine,
    /// Challenge at which the combination is opened.
    pub u: Fr,
    /// SHPLONK's second point.
    pub q: G1Affine,
}

/// Reads a proof as the verifier does.
pub fn recorded(vk: &VerifyingKey<G1Affine>, proof: &Proof) -> Recorded {
    let cs = vk.cs();
    let mut t = Keccak::new(proof.bytes.as_slice());
    let squeeze = |t: &mut Keccak<&[u8]>| t.squeeze_challenge().get_scalar();
    t.common_scalar(vk.transcript_repr()).unwrap();
    proof.inputs.iter().for_each(|input| t.common_scalar(*input).unwrap());
    let phases = cs.advice_column_phase();
    let mut advice = vec![G1Affine::default(); phases.len()];
    let mut challenges = vec![Fr::zero(); cs.num_challenges()];
    for phase in 0..=phases.iter().copied().max().unwrap() {
        for (point, _) in advice.iter_mut().zip(&phases).filter(|(_, p)| **p == phase) {
            *point = t.read_point().unwrap();
        }
        for (challenge, _) in challenges.iter_mut().zip(cs.challenge_phase()).filter(|(_, p)| *p == phase) {
            *challenge = squeeze(&mut t);
        }
    }
    let _theta_beta_gamma = [squeeze(&mut t), squeeze(&mut t), squeeze(&mut t)];
    let random = t.read_point().unwrap();
    let y = squeeze(&mut t);
    let quotient = (1..cs.degree()).map(|_| t.read_point().unwrap()).collect();
    let x = squeeze(&mut t);
    let advice_values = cs.advice_queries().iter().map(|_| t.read_scalar().unwrap()).collect();
    let fixed_values = cs.fixed_queries().iter().map(|_| t.read_scalar().unwrap()).collect();
    let random_value = t.read_scalar().unwrap();
    let (opening_y, opening_v) = (squeeze(&mut t), squeeze(&mut t));
    let h = t.read_point().unwrap();
    let u = squeeze(&mut t);
    let q = t.read_point().unwrap();
    assert!(t.into_inner().is_empty(), "a proof contains nothing else");
    Recorded {
        advice,
        challenges,
        random,
        y,
        quotient,
        x,
        advice_values,
        fixed_values,
        random_value,
        opening_y,
        opening_v,
        h,
        u,
        q,
    }
}
