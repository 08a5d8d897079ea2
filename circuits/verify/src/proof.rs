//! The verification of one proof, top to bottom.
//!
//! # Protocol
//!
//! PLONK with custom gates over KZG, as `halo2_proofs::plonk::verify_proof` checks it, for constraint systems without
//! halo2's own lookups and permutations and with one instance column. The proof, in order:
//!
//! ```text
//! points   advice columns by phase (the challenges of a phase are squeezed after its columns)
//!          a random polynomial | y | pieces of the quotient | x |
//! scalars  advice evaluations, fixed evaluations, the random polynomial's evaluation
//!          | y, v | point H | u | point Q |
//! ```
//!
//! θ, β and γ of the general protocol are squeezed and not used. Every point is on the curve and not at infinity, every
//! coordinate, scalar and input is below its modulus, and nothing follows the proof: one statement and proof have one
//! encoding.

use std::collections::HashMap;

use ark_bn254::{Fr, G1Affine};
use ark_ff::{Field, One, Zero};
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

use crate::domain::Domain;
use crate::elements;
use crate::rejected::{Element, Rejected};
use crate::shplonk::{self, Commitment, Query};
use crate::srs::VerifierSrs;
use crate::transcript::Reader;

/// A verifying key, as halo2 generates it.
pub type VerifyingKey = halo2_proofs::plonk::VerifyingKey<bn256::G1Affine>;

/// Bytes of a proof under `vk`.
#[must_use]
pub fn proof_length(vk: &VerifyingKey) -> usize {
    let cs = vk.cs();
    let points = cs.num_advice_columns() + 1 + quotient_pieces(cs) + 2;
    let scalars = cs.advice_queries().len() + cs.fixed_queries().len() + 1;
    64 * points + 32 * scalars
}

/// Checks that `proof` proves the statement of `vk` for the public `inputs` (big-endian words).
///
/// # Errors
/// [`Rejected`] says which part failed.
pub fn verify(vk: &VerifyingKey, srs: &VerifierSrs, inputs: &[[u8; 32]], proof: &[u8]) -> Result<(), Rejected> {
    let cs = vk.cs();
    check_kind(cs)?;
    let expected = proof_length(vk);
    if proof.len() != expected {
        return Err(Rejected::Length { expected, got: proof.len() });
    }
    let domain = Domain::new(vk.get_domain().k());
    let room = domain.size - (cs.blinding_factors() + 1);
    if inputs.len() > room {
        return Err(Rejected::InputCount { room, got: inputs.len() });
    }
    let inputs: Vec<Fr> = inputs
        .iter()
        .enumerate()
        .map(|(index, word)| elements::scalar(word).ok_or(Rejected::Input { index }))
        .collect::<Result<_, _>>()?;

    // the key, then the inputs
    let mut reader = Reader::new(proof);
    reader.absorb(&elements::from_halo2(&vk.transcript_repr()));
    inputs.iter().for_each(|input| reader.absorb(input));

    // advice columns and challenges, phase by phase
    let column_phases = cs.advice_column_phase();
    let mut advice = vec![G1Affine::identity(); column_phases.len()];
    let mut challenges = vec![Fr::zero(); cs.num_challenges()];
    for phase in 0..=column_phases.iter().copied().max().unwrap_or(0) {
        for (index, _) in column_phases.iter().enumerate().filter(|(_, p)| **p == phase) {
            advice[index] = reader.point(Element::Advice(index))?;
        }
        for (challenge, _) in challenges.iter_mut().zip(cs.challenge_phase()).filter(|(_, p)| *p == phase) {
            *challenge = reader.challenge();
        }
    }
    let _theta_beta_gamma = [reader.challenge(), reader.challenge(), reader.challenge()];
    let random = reader.point(Element::Random)?;
    let y = reader.challenge();
    let quotient: Vec<G1Affine> =
        (0..quotient_pieces(cs)).map(|i| reader.point(Element::Quotient(i))).collect::<Result<_, _>>()?;
    let x = reader.challenge();

    // evaluations at x and its rotations
    let mut position = 0;
    let mut evaluation = |reader: &mut Reader<'_>| {
        position += 1;
        reader.scalar(Element::Evaluation(position - 1))
    };
    let mut values = Values { challenges, ..Values::default() };
    for (column, rotation) in cs.advice_queries() {
        values.advice.insert((column.index(), rotation.0), evaluation(&mut reader)?);
    }
    for (column, rotation) in cs.fixed_queries() {
        values.fixed.insert((column.index(), rotation.0), evaluation(&mut reader)?);
    }
    let random_value = evaluation(&mut reader)?;
    for (_, rotation) in cs.instance_queries() {
        let value = domain.interpolate(&inputs, domain.rotate(x, rotation.0)).ok_or(Rejected::Challenge)?;
        values.instance.insert(rotation.0, value);
    }

    // the quotient's value that the gates demand: Σ y^i gate_i(x) = (x^n − 1)·h(x)
    let x_n = x.pow([domain.size as u64]);
    let vanishing = (x_n - Fr::one()).inverse().ok_or(Rejected::Challenge)?;
    let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
    let combined = gates.fold(Fr::zero(), |sum, gate| sum * y + values.evaluate(gate));
    let quotient_value = combined * vanishing;

    // what is opened where, in the order that fixes the powers of SHPLONK's challenges
    let fixed: Vec<G1Affine> = vk.fixed_commitments().iter().map(elements::point_from_halo2).collect();
    let mut queries: Vec<Query> = Vec::new();
    for (column, rotation) in cs.advice_queries() {
        let key = (column.index(), rotation.0);
        queries.push(Query { commitment: Commitment::Advice(key.0), rotation: key.1, value: values.advice[&key] });
    }
    for (column, rotation) in cs.fixed_queries() {
        let key = (column.index(), rotation.0);
        queries.push(Query { commitment: Commitment::Fixed(key.0), rotation: key.1, value: values.fixed[&key] });
    }
    queries.push(Query { commitment: Commitment::Quotient, rotation: 0, value: quotient_value });
    queries.push(Query { commitment: Commitment::Random, rotation: 0, value: random_value });
    let terms = |commitment: Commitment| match commitment {
        Commitment::Advice(i) => vec![(Fr::one(), advice[i])],
        Commitment::Fixed(i) => vec![(Fr::one(), fixed[i])],
        Commitment::Random => vec![(Fr::one(), random)],
        // h(x) = Σ x^(n·i) h_i(x)
        Commitment::Quotient => elements::powers(x_n).zip(quotient.iter().copied()).collect(),
    };
    shplonk::check(&mut reader, srs, &queries, &|rotation| domain.rotate(x, rotation), &terms)
}

/// Pieces of degree below n that the quotient of this degree of gates has.
fn quotient_pieces(cs: &ConstraintSystem<bn256::Fr>) -> usize {
    cs.degree() - 1
}

fn check_kind(cs: &ConstraintSystem<bn256::Fr>) -> Result<(), Rejected> {
    let what = if !cs.lookups().is_empty() {
        "halo2 lookups"
    } else if !cs.permutation().get_columns().is_empty() {
        "copy constraints"
    } else if cs.num_instance_columns() != 1 {
        "another number of instance columns than one"
    } else {
        return Ok(());
    };
    Err(Rejected::Key { what })
}

/// Values of everything that a gate can name, at the challenge.
#[derive(Default)]
struct Values {
    advice: HashMap<(usize, i32), Fr>,
    fixed: HashMap<(usize, i32), Fr>,
    instance: HashMap<i32, Fr>,
    challenges: Vec<Fr>,
}

impl Values {
    fn evaluate(&self, gate: &Expression<bn256::Fr>) -> Fr {
        match gate {
            Expression::Constant(c) => elements::from_halo2(c),
            Expression::Selector(_) => unreachable!("key generation turns selectors into fixed columns"),
            Expression::Fixed(q) => self.fixed[&(q.column_index(), q.rotation().0)],
            Expression::Advice(q) => self.advice[&(q.column_index(), q.rotation().0)],
            Expression::Instance(q) => self.instance[&q.rotation().0],
            Expression::Challenge(c) => self.challenges[c.index()],
            Expression::Negated(a) => -self.evaluate(a),
            Expression::Sum(a, b) => self.evaluate(a) + self.evaluate(b),
            Expression::Product(a, b) => self.evaluate(a) * self.evaluate(b),
            Expression::Scaled(a, c) => self.evaluate(a) * elements::from_halo2(c),
        }
    }
}
