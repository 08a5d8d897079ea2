//! Keys and proofs.

use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{verify_proof, Circuit, ConstraintSystem, VerifyingKey};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use rayon::prelude::*;
use thiserror::Error;
use tribute_core::digest::{keccak, Digest};
use tribute_core::layout::{Task, MIN_LINK_K};
use tribute_core::link::Link;
use tribute_core::statement::{Statement, SUM_PARTS};
use tribute_simd::{Backend, Fft, Interpolation};

use crate::circuit::ShapeCircuit;
use crate::field::{point_bytes, word};
use crate::keygen;
use crate::plonk::{create_proof, Engine, Witness};
use crate::shape::Shape;
use crate::srs::Srs;
use crate::transcript::{Keccak, KeccakChallenge};

/// The largest degree of a gate, selectors counted: that of `service`. A proof's error grows with it, and far beyond 6 is
/// small; each more is a piece of the quotient more.
pub const MAX_DEGREE: usize = 6;

/// A circuit that cannot be keyed or proven.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The SRS is of another size.
    #[error("the SRS has k = {got}, the circuit {name} needs k = {expected}")]
    SrsSize {
        /// Circuit name.
        name: String,
        /// Wanted.
        expected: u32,
        /// Found.
        got: u32,
    },
    /// A gate of too high degree: halo2-axiom would cap it silently.
    #[error("circuit {name}: its gates have degree {degree}, of at most {MAX_DEGREE}, and halo2 makes a quotient for degree {counted}; more than 5 take set_minimum_degree, fewer take no MAX_DEGREE in the environment")]
    Degree {
        /// Circuit name.
        name: String,
        /// The largest degree of a gate.
        degree: usize,
        /// The degree that halo2 goes by.
        counted: usize,
    },
    /// The link's tables do not fit.
    #[error("circuit {name}: the tables of a link with exp need k >= {MIN_LINK_K}, the layout has k = {k}")]
    LinkRows {
        /// Circuit name.
        name: String,
        /// The layout's `k`.
        k: u32,
    },
    /// Real-valued targets under a statement about answers.
    #[error("circuit {name}: the layout's targets are real values, a {statement} proof is about answers, the largest of several logits: a regression gives none")]
    Regression {
        /// Circuit name.
        name: String,
        /// The statement.
        statement: &'static str,
    },
    /// A sum of too few or too many gradients.
    #[error("circuit {name}: a sum of {parts} gradients; one proof adds {} to {}, more take a tree of sums", SUM_PARTS.start(), SUM_PARTS.end())]
    Parts {
        /// Circuit name.
        name: String,
        /// Gradients asked for.
        parts: usize,
    },
    /// Another number of blinding rows than the layout reserves.
    #[error("circuit {name}: {got} blinding factors, the layout needs 5")]
    Blinding {
        /// Circuit name.
        name: String,
        /// Found.
        got: usize,
    },
    /// A committed column that is not queried exactly once, at the current row.
    #[error("circuit {name}: committed column {column} is queried {queries} times, it must be opened exactly once, at the current row")]
    Queries {
        /// Circuit name.
        name: String,
        /// Column, in committed order.
        column: usize,
        /// Queries found.
        queries: usize,
    },
    /// Keys could not be made.
    #[error("circuit {name}: no keys: {reason}")]
    Keys {
        /// Circuit name.
        name: String,
        /// halo2's words.
        reason: String,
    },
    /// The prover failed.
    #[error("circuit {name}: no proof: {reason}")]
    Prover {
        /// Circuit name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A witness of another circuit than the keys'.
    #[error("the keys are for circuit {name}, the witness is for {witness}")]
    Shape {
        /// Circuit of the keys.
        name: String,
        /// Circuit of the witness.
        witness: String,
    },
    /// The proof does not start with the commitments it is about. It is withheld.
    #[error("circuit {name}: the proof's first points are not the committed columns'; it is withheld")]
    Prefix {
        /// Circuit name.
        name: String,
    },
    /// The proof does not verify: the statement is not true of this witness.
    #[error("circuit {name}: the statement does not hold for this witness")]
    NotSatisfied {
        /// Circuit name.
        name: String,
    },
}

/// Keys of one circuit: the verifying key and the fixed columns' polynomials, which is all that the prover takes.
#[derive(Debug)]
pub struct Keys {
    shape: Shape,
    vk: VerifyingKey<G1Affine>,
    fixed: Vec<Vec<Fr>>,
}

impl Keys {
    /// Generates the keys of `shape`'s circuit.
    pub fn generate(srs: &Srs, shape: &Shape) -> Result<Self, ProveError> {
        Self::of_circuit(srs, shape, &ShapeCircuit(shape.clone()))
    }
    /// [`Self::generate`] for a circuit that is not one of ours: for tests of the checks below.
    #[doc(hidden)]
    pub fn of_circuit<C: Circuit<Fr>>(srs: &Srs, shape: &Shape, circuit: &C) -> Result<Self, ProveError> {
        check_shape(srs, shape)?;
        let (vk, mut fixed) = keygen::generate(srs, circuit).map_err(|e| keys_error(shape, &e))?;
        let domain = vk.get_domain();
        let interpolation = Interpolation::new(Backend::best(), domain.k(), domain.get_omega(), Fr::ONE);
        fixed.par_iter_mut().for_each(|values| interpolation.run(values));
        Self::from_parts(shape, vk, fixed)
    }
    /// Keys made before, once more checked as far as a key can be by itself.
    pub(crate) fn from_parts(
        shape: &Shape,
        vk: VerifyingKey<G1Affine>,
        fixed: Vec<Vec<Fr>>,
    ) -> Result<Self, ProveError> {
        check_system(shape, vk.cs())?;
        Ok(Keys { shape: shape.clone(), vk, fixed })
    }
    /// The polynomials of the fixed columns, by coefficients.
    #[must_use]
    pub fn fixed_polynomials(&self) -> &[Vec<Fr>] {
        &self.fixed
    }
    /// The values of the fixed columns.
    #[must_use]
    pub fn fixed_values(&self) -> Vec<Vec<Fr>> {
        let domain = self.vk.get_domain();
        let fft = Fft::new(Backend::best(), domain.k(), domain.get_omega(), Fr::ONE);
        let mut columns = self.fixed.clone();
        columns.par_iter_mut().for_each(|values| fft.run(values));
        columns
    }
    /// The verifying key.
    #[must_use]
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        &self.vk
    }
    /// The circuit.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// Generates only the verifying key of `shape`'s circuit.
pub fn verifying_key(srs: &Srs, shape: &Shape) -> Result<VerifyingKey<G1Affine>, ProveError> {
    check_shape(srs, shape)?;
    let (vk, _) = keygen::generate(srs, &ShapeCircuit(shape.clone())).map_err(|e| keys_error(shape, &e))?;
    check_system(shape, vk.cs())?;
    Ok(vk)
}

/// Digest of a verifying key: everything that the verifier computes with.
#[must_use]
pub fn key_digest(vk: &VerifyingKey<G1Affine>) -> Digest {
    let mut bytes = word(&vk.transcript_repr()).to_vec();
    for p in vk.fixed_commitments().iter().chain(vk.permutation().commitments()) {
        bytes.extend_from_slice(&point_bytes(p).unwrap_or([0; 64]));
    }
    keccak(&bytes)
}

fn check_size(srs: &Srs, shape: &Shape) -> Result<(), ProveError> {
    if srs.k() == shape.layout.k() {
        return Ok(());
    }
    Err(ProveError::SrsSize { name: shape.name(), expected: shape.layout.k(), got: srs.k() })
}

pub(crate) fn check_shape(srs: &Srs, shape: &Shape) -> Result<(), ProveError> {
    check_size(srs, shape)?;
    if shape.link.is_some_and(|l| l != Link::Squared) && shape.layout.k() < MIN_LINK_K {
        return Err(ProveError::LinkRows { name: shape.name(), k: shape.layout.k() });
    }
    let answers = matches!(shape.statement, Statement::Evaluation | Statement::Service);
    if answers && shape.layout.task() == Task::Real {
        return Err(ProveError::Regression { name: shape.name(), statement: shape.statement.name() });
    }
    if shape.statement == Statement::Sum && !SUM_PARTS.contains(&shape.parts) {
        return Err(ProveError::Parts { name: shape.name(), parts: shape.parts });
    }
    Ok(())
}

fn check_system(shape: &Shape, cs: &ConstraintSystem<Fr>) -> Result<(), ProveError> {
    let name = || shape.name();
    let degree = cs.gates().iter().flat_map(|g| g.polynomials()).map(|p| p.degree()).max().unwrap_or(0);
    // `cs.degree()` is capped by an environment variable, and the number of quotient pieces follows it
    if degree > MAX_DEGREE || cs.degree() != degree.max(3) {
        return Err(ProveError::Degree { name: name(), degree, counted: cs.degree() });
    }
    if cs.blinding_factors() + 1 != tribute_core::layout::TAIL_ROWS {
        return Err(ProveError::Blinding { name: name(), got: cs.blinding_factors() });
    }
    let committed: usize = shape.groups().iter().sum();
    for column in 0..committed {
        let queries: Vec<_> = cs.advice_queries().iter().filter(|(c, _)| c.index() == column).collect();
        // an omitted gate may leave a column unqueried in a test's crippled circuit
        let once = queries.len() == 1 && queries[0].1 .0 == 0;
        if !once && shape.omit.is_empty() {
            return Err(ProveError::Queries { name: name(), column, queries: queries.len() });
        }
    }
    Ok(())
}

fn keys_error(shape: &Shape, e: &halo2_proofs::plonk::Error) -> ProveError {
    ProveError::Keys { name: shape.name(), reason: e.to_string() }
}

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

/// Proves the statement of `witness` and checks the proof, natively, before returning it.
///
/// # Errors
/// [`ProveError::NotSatisfied`] when the statement is false for the witness.
pub fn prove(srs: &Srs, keys: &Keys, witness: &dyn Witness, inputs: Vec<Fr>) -> Result<Proof, ProveError> {
    let proof = prove_unchecked(srs, keys, witness, inputs)?;
    if verify(srs, keys.vk(), &proof) {
        Ok(proof)
    } else {
        Err(ProveError::NotSatisfied { name: keys.shape.name() })
    }
}

/// [`prove`] without the final verification: for tests that need a false proof.
#[doc(hidden)]
pub fn prove_unchecked(srs: &Srs, keys: &Keys, witness: &dyn Witness, inputs: Vec<Fr>) -> Result<Proof, ProveError> {
    prove_with(&Engine::new(Backend::best()), srs, keys, witness, inputs)
}

/// [`prove_unchecked`] by the code of one's choice and with random rows that everybody can know: for tests that compare
/// proofs byte by byte. It hides nothing.
#[doc(hidden)]
pub fn prove_predictably(
    backend: Backend,
    srs: &Srs,
    keys: &Keys,
    witness: &dyn Witness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    let count = AtomicU64::new(0);
    let seed = || {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        seed
    };
    prove_with(&Engine { backend, seed: &seed }, srs, keys, witness, inputs)
}

fn prove_with(
    engine: &Engine<'_>,
    srs: &Srs,
    keys: &Keys,
    witness: &dyn Witness,
    inputs: Vec<Fr>,
) -> Result<Proof, ProveError> {
    check_size(srs, &keys.shape)?;
    if *witness.shape() != keys.shape {
        return Err(ProveError::Shape { name: keys.shape.name(), witness: witness.shape().name() });
    }
    let bytes = create_proof(engine, srs, &keys.vk, &keys.fixed, witness, &inputs)
        .map_err(|e| ProveError::Prover { name: keys.shape.name(), reason: e.to_string() })?;
    let prefix: Vec<u8> = witness.committed().iter().flat_map(|c| point_bytes(&c.point).unwrap_or([0; 64])).collect();
    if !bytes.starts_with(&prefix) {
        return Err(ProveError::Prefix { name: keys.shape.name() });
    }
    Ok(Proof { inputs, bytes })
}

/// Verifies with halo2's own verifier. Trailing bytes are refused.
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
