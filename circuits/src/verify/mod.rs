//! The verifier: everything that has to be trusted to believe a proof, in one small module on arkworks.
//!
//! It shares no code with the prover and does no arithmetic with halo2curves. From halo2's verifying key it reads the
//! constraint system, the digest and the commitments to fixed columns, as bytes and integers; the rest is here:
//!
//! | file | holds |
//! |---|---|
//! | [`mod`](self) | the protocol, top to bottom |
//! | `elements` | words and points, canonical or refused |
//! | `transcript` | challenges from what was read |
//! | `opening` | SHPLONK: all evaluations in one pairing check |
//! | `record` | one record of a committed shard, shown |
//! | `srs` | the three points of the SRS that a verifier needs |
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

mod elements;
mod opening;
mod record;
mod srs;
mod transcript;

use std::collections::HashMap;

use ark_bn254::{Fr, G1Affine};
use ark_ff::{batch_inversion, Field, One, PrimeField, Zero};
use halo2_proofs::halo2curves::bn256;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use thiserror::Error;

use opening::{Commitment, Query};
use transcript::Reader;

pub use record::{verify_record, RecordRejected};
pub use srs::VerifierSrs;

/// A verifying key, as halo2 generates it.
pub type VerifyingKey = halo2_proofs::plonk::VerifyingKey<bn256::G1Affine>;

/// An element of the proof, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Commitment to an advice column, by column index.
    Advice(usize),
    /// Commitment to the random polynomial.
    Random,
    /// Commitment to a piece of the quotient.
    Quotient(usize),
    /// An evaluation, by its position among the scalars.
    Evaluation(usize),
    /// SHPLONK's first point.
    OpeningH,
    /// SHPLONK's second point.
    OpeningQ,
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Element::Advice(i) => write!(f, "commitment of advice column {i}"),
            Element::Random => f.write_str("commitment of the random polynomial"),
            Element::Quotient(i) => write!(f, "commitment of quotient piece {i}"),
            Element::Evaluation(i) => write!(f, "evaluation {i}"),
            Element::OpeningH => f.write_str("first opening point"),
            Element::OpeningQ => f.write_str("second opening point"),
        }
    }
}

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The key is of a kind that this verifier does not know.
    #[error("the verifying key has {what}, which this verifier does not support")]
    Key {
        /// What it has.
        what: &'static str,
    },
    /// More inputs than the instance column has room for.
    #[error("{got} public inputs, the circuit has room for {room}")]
    InputCount {
        /// Room.
        room: usize,
        /// Given.
        got: usize,
    },
    /// An input at or above the scalar field's modulus.
    #[error("public input {index} is not below the field's modulus")]
    Input {
        /// Which.
        index: usize,
    },
    /// Another number of bytes than the key's circuit has in its proofs.
    #[error("the proof has {got} bytes, this circuit's proofs have {expected}")]
    Length {
        /// Bytes of a proof.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A point that is at infinity, off the curve or not in canonical form.
    #[error("{element} is not a point of the curve")]
    Point {
        /// Which.
        element: Element,
    },
    /// A scalar at or above the field's modulus.
    #[error("{element} is not below the field's modulus")]
    Scalar {
        /// Which.
        element: Element,
    },
    /// A challenge hit one of a handful of excluded values: never by chance.
    #[error("a challenge fell into the evaluation domain")]
    Challenge,
    /// The evaluations are not those of the commitments, or they do not satisfy the circuit's gates at the challenge.
    #[error("the pairing check failed: the proof does not show the statement for these public inputs")]
    Opening,
}

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
    opening::check(&mut reader, srs, &queries, &|rotation| domain.rotate(x, rotation), &terms)
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

/// The subgroup of the rows.
struct Domain {
    size: usize,
    omega: Fr,
    omega_inverse: Fr,
}

impl Domain {
    /// `2^k` rows. halo2curves' generator of the field's units is 7 (arkworks' is 5), so ω = 7^((r − 1)/2^k).
    fn new(k: u32) -> Self {
        let mut exponent = Fr::MODULUS; // odd: shifting drops the 1
        exponent >>= k;
        let omega = Fr::from(7u64).pow(exponent);
        let omega_inverse = omega.pow([(1u64 << k) - 1]);
        Domain { size: 1 << k, omega, omega_inverse }
    }

    /// `x·ω^rotation`.
    fn rotate(&self, x: Fr, rotation: i32) -> Fr {
        let base = if rotation < 0 { self.omega_inverse } else { self.omega };
        x * base.pow([u64::from(rotation.unsigned_abs())])
    }

    /// Value at `x` of the polynomial that takes `values` on the first rows and 0 on the others:
    /// `Σ v_i L_i(x)`, `L_i(x) = ω^i (x^n − 1) / (n (x − ω^i))`. `None` for `x` in the domain.
    fn interpolate(&self, values: &[Fr], x: Fr) -> Option<Fr> {
        let roots: Vec<Fr> = elements::powers(self.omega).take(values.len()).collect();
        let mut differences: Vec<Fr> = roots.iter().map(|root| x - root).collect();
        if differences.iter().any(Zero::is_zero) {
            return None;
        }
        batch_inversion(&mut differences);
        let sum: Fr = values.iter().zip(&roots).zip(&differences).map(|((v, w), d)| *v * w * d).sum();
        let size = Fr::from(self.size as u64);
        Some(sum * (x.pow([self.size as u64]) - Fr::one()) * size.inverse()?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_halo2s() {
        use halo2_proofs::poly::{EvaluationDomain, Rotation};
        for k in [10, 14, 17] {
            let (ours, theirs) = (Domain::new(k), EvaluationDomain::<bn256::Fr>::new(3, k));
            assert_eq!(ours.omega, elements::from_halo2(&theirs.get_omega()));
            let x = bn256::Fr::from(12_345);
            for rotation in [-64, -1, 0, 1, 7] {
                let expected = elements::from_halo2(&theirs.rotate_omega(x, Rotation(rotation)));
                assert_eq!(ours.rotate(elements::from_halo2(&x), rotation), expected);
            }
        }
    }

    #[test]
    fn interpolation_agrees_on_a_line_and_refuses_the_domain() {
        let domain = Domain::new(2);
        // v_i = 3 + 2ω^i is the polynomial 3 + 2X
        let values: Vec<Fr> = elements::powers(domain.omega).take(4).map(|w| Fr::from(3u64) + w + w).collect();
        assert_eq!(domain.interpolate(&values, Fr::from(10u64)), Some(Fr::from(23u64)));
        assert_eq!(domain.interpolate(&values, domain.omega), None);
    }
}
