//! A column whose commitment stays the same from proof to proof.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};

use crate::msm::msm;
use crate::srs::Srs;

/// A column with its commitment. Its creator chooses every row, including the last ones: the prover does not blind it.
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
    /// If the number of rows differs from the SRS's.
    #[must_use]
    pub fn new(srs: &Srs, values: Vec<Fr>) -> Self {
        let point = G1Affine::from(msm(&values, srs.lagrange_basis()));
        CommittedColumn { values, point }
    }
}
