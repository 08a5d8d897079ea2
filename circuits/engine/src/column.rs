//! A column whose commitment does not change from proof to proof.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};

use crate::msm::msm;
use crate::srs::Srs;

/// A column with its commitment. Whoever makes it chooses every row, the last ones included: the prover blinds none.
#[derive(Clone, Debug)]
pub struct CommittedColumn {
    /// All `2^k` rows.
    pub values: Vec<Fr>,
    /// KZG commitment.
    pub point: G1Affine,
}

impl CommittedColumn {
    /// Commits to `2^k` rows.
    ///
    /// # Panics
    /// If there are more or fewer rows than the SRS has.
    #[must_use]
    pub fn new(srs: &Srs, values: Vec<Fr>) -> Self {
        let point = G1Affine::from(msm(&values, srs.lagrange_basis()));
        CommittedColumn { values, point }
    }
}
