//! Key generation, from the SRS and the shape alone.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, VerifyingKey};
use rayon::prelude::*;
use tribute_core::digest::{keccak, Digest};
use tribute_core::id::KeyDigest;
use tribute_core::layout::{Task, MIN_LINK_K};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_engine::field::{point_bytes, word};
use tribute_engine::srs::Srs;
use tribute_simd::{Backend, Fft, Interpolation};

use super::fingerprint;
use super::synthesis::Synthesis;
use crate::circuit::ShapeCircuit;
use crate::error::{ProveError, MAX_DEGREE};
use crate::statements::service;

/// Keys of one circuit: the verifying key and the fixed columns' polynomials. The prover needs nothing else.
#[derive(Debug)]
pub struct Keys {
    shape: Shape,
    fingerprint: Digest,
    vk: VerifyingKey<G1Affine>,
    fixed: Vec<Vec<Fr>>,
}

impl Keys {
    /// Generates the keys of `shape`'s circuit.
    pub fn generate(srs: &Srs, shape: &Shape) -> Result<Self, ProveError> {
        Self::of_circuit(srs, shape, &ShapeCircuit::of(shape))
    }
    /// [`Self::generate`] for a circuit that is already synthesised and whose fingerprint is known.
    pub(super) fn of_synthesis(
        srs: &Srs,
        shape: &Shape,
        circuit: Synthesis,
        fingerprint: Digest,
    ) -> Result<Self, ProveError> {
        let keys = Self::made(srs, shape, circuit, fingerprint);
        check_system(shape, keys.vk.cs())?;
        Ok(keys)
    }
    /// The keys of the same circuit without the gates of these names: tests show that a forgery passes once its gate is
    /// omitted.
    ///
    /// # Panics
    /// If the circuit has no gate with one of the names, so that nothing would be omitted.
    #[doc(hidden)]
    pub fn without_gates(srs: &Srs, shape: &Shape, names: &[&str]) -> Result<Self, ProveError> {
        let keys = Self::unchecked(srs, shape, &ShapeCircuit::without_gates(shape, names))?;
        // without a gate, a column may not be queried, so queries are not checked
        check_degree(shape, keys.vk.cs())?;
        Ok(keys)
    }
    /// [`Self::generate`] for an arbitrary circuit, for tests of the checks below.
    #[doc(hidden)]
    pub fn of_circuit<C: Circuit<Fr>>(srs: &Srs, shape: &Shape, circuit: &C) -> Result<Self, ProveError> {
        let keys = Self::unchecked(srs, shape, circuit)?;
        check_system(shape, keys.vk.cs())?;
        Ok(keys)
    }
    fn unchecked<C: Circuit<Fr>>(srs: &Srs, shape: &Shape, circuit: &C) -> Result<Self, ProveError> {
        check_shape(srs, shape)?;
        let circuit = Synthesis::of_shape(shape, circuit)?;
        let fingerprint = fingerprint::of(&circuit);
        Ok(Self::made(srs, shape, circuit, fingerprint))
    }
    fn made(srs: &Srs, shape: &Shape, circuit: Synthesis, fingerprint: Digest) -> Self {
        let (vk, mut fixed) = circuit.keys(srs);
        let domain = vk.get_domain();
        let interpolation = Interpolation::new(Backend::best(), domain.k(), domain.get_omega(), Fr::ONE);
        fixed.par_iter_mut().for_each(|values| interpolation.run(values));
        Keys { shape: shape.clone(), fingerprint, vk, fixed }
    }
    /// Keys generated earlier. Repeats the checks that a key allows on its own.
    pub(super) fn from_parts(
        shape: &Shape,
        fingerprint: Digest,
        vk: VerifyingKey<G1Affine>,
        fixed: Vec<Vec<Fr>>,
    ) -> Result<Self, ProveError> {
        check_system(shape, vk.cs())?;
        Ok(Keys { shape: shape.clone(), fingerprint, vk, fixed })
    }
    /// Fingerprint of the circuit that the keys were made for.
    pub(super) fn fingerprint(&self) -> Digest {
        self.fingerprint
    }
    /// The polynomials of the fixed columns, as coefficients.
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
    let (vk, _) = Synthesis::of_shape(shape, &ShapeCircuit::of(shape))?.keys(srs);
    check_system(shape, vk.cs())?;
    Ok(vk)
}

/// Digest of a verifying key: of everything that the verifier computes with.
#[must_use]
pub fn key_digest(vk: &VerifyingKey<G1Affine>) -> KeyDigest {
    let mut bytes = word(&vk.transcript_repr()).to_vec();
    for p in vk.fixed_commitments().iter().chain(vk.permutation().commitments()) {
        bytes.extend_from_slice(&point_bytes(p).unwrap_or([0; 64]));
    }
    KeyDigest::new(keccak(&bytes))
}

pub(crate) fn check_size(srs: &Srs, shape: &Shape) -> Result<(), ProveError> {
    if srs.k() == shape.layout.k() {
        return Ok(());
    }
    Err(ProveError::SrsSize { name: shape.name(), expected: shape.layout.k(), got: srs.k() })
}

pub(super) fn check_shape(srs: &Srs, shape: &Shape) -> Result<(), ProveError> {
    check_size(srs, shape)?;
    if shape.link.is_some_and(|l| l != Link::Squared) && shape.layout.k() < MIN_LINK_K {
        return Err(ProveError::LinkRows { name: shape.name(), k: shape.layout.k() });
    }
    let answers = matches!(shape.statement, Statement::Evaluation | Statement::Service);
    if answers && shape.layout.task() == Task::Real {
        return Err(ProveError::Regression { name: shape.name(), statement: shape.statement.name() });
    }
    if shape.statement == Statement::Service && service::capacity(&shape.layout) == 0 {
        return Err(ProveError::ServiceRows { name: shape.name(), k: shape.layout.k() });
    }
    Ok(())
}

fn check_system(shape: &Shape, cs: &ConstraintSystem<Fr>) -> Result<(), ProveError> {
    check_degree(shape, cs)?;
    check_queries(shape, cs)
}

fn check_degree(shape: &Shape, cs: &ConstraintSystem<Fr>) -> Result<(), ProveError> {
    let name = || shape.name();
    let degree = cs.gates().iter().flat_map(|g| g.polynomials()).map(|p| p.degree()).max().unwrap_or(0);
    // `cs.degree()` is capped by an environment variable, and it determines the number of quotient pieces
    if degree > MAX_DEGREE || cs.degree() != degree.max(3) {
        return Err(ProveError::Degree { name: name(), degree, counted: cs.degree() });
    }
    if cs.blinding_factors() + 1 != tribute_core::layout::TAIL_ROWS {
        return Err(ProveError::Blinding { name: name(), got: cs.blinding_factors() });
    }
    Ok(())
}

fn check_queries(shape: &Shape, cs: &ConstraintSystem<Fr>) -> Result<(), ProveError> {
    let committed: usize = shape.groups().iter().sum();
    for column in 0..committed {
        let queries: Vec<_> = cs.advice_queries().iter().filter(|(c, _)| c.index() == column).collect();
        if queries.len() != 1 || queries[0].1 .0 != 0 {
            return Err(ProveError::Queries { name: shape.name(), column, queries: queries.len() });
        }
    }
    Ok(())
}
