//! Verifies the opening of a record. See `columns/opening.rs` in tribute-circuits for the statement and the soundness
//! argument.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, One, PrimeField, Zero};
use thiserror::Error;
use tribute_core::opening::{second_seed, ClaimError, RecordClaim, RecordOpening};

use crate::domain::Domain;
use crate::elements::{lagrange, point, powers};
use crate::srs::VerifierSrs;

/// Why the opening of a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordRejected {
    /// The layout has no such record.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Bytes that do not encode a point.
    #[error("{what} is not a point of the curve")]
    Point {
        /// Name of the point.
        what: String,
    },
    /// A challenge hit a row of the record, which has negligible probability.
    #[error("a challenge fell into the evaluation domain")]
    Challenge,
    /// The columns do not hold this record at this position.
    #[error("the pairing check failed: the committed columns do not hold this record at this position")]
    Opening,
}

/// Checks that the columns with the claim's commitments contain the claimed record.
///
/// # Errors
/// [`RecordRejected`], which says what failed.
pub fn verify_record(srs: &VerifierSrs, claim: &RecordClaim, opening: &RecordOpening) -> Result<(), RecordRejected> {
    claim.check()?;
    let RecordOpening { quotient, remainder } = opening;
    let named =
        |bytes: &[u8; 64], what: &str| point(bytes).ok_or_else(|| RecordRejected::Point { what: what.to_owned() });
    let mut points: Vec<G1Affine> = Vec::with_capacity(claim.layout.columns() + 4);
    for (i, bytes) in claim.points.as_chunks::<64>().0.iter().enumerate() {
        points.push(named(bytes, &format!("commitment {i}"))?);
    }
    let (w, w_z) = (named(quotient, "the quotient's commitment")?, named(remainder, "the second point")?);
    let seed = claim.seed();
    let gamma = Fr::from_be_bytes_mod_order(&seed);
    let z = Fr::from_be_bytes_mod_order(&second_seed(&seed, quotient));

    // I(z) by Lagrange's formula over the record's rows
    let domain = Domain::new(claim.layout.k());
    let first = domain.omega.pow([claim.rows().start as u64]);
    let rows: Vec<Fr> = powers(domain.omega).take(claim.rows().len()).map(|x| x * first).collect();
    let mut value = Fr::zero();
    for (j, basis) in lagrange(&rows, z).ok_or(RecordRejected::Challenge)?.into_iter().enumerate() {
        let cells = (0..=claim.layout.columns()).map(|column| Fr::from(claim.cell(column, j)));
        value += basis * cells.zip(powers(gamma)).map(|(cell, power)| cell * power).sum::<Fr>();
    }
    let vanishing: Fr = rows.iter().map(|x| z - x).product();
    if vanishing.is_zero() {
        return Err(RecordRejected::Challenge);
    }

    let mut scalars: Vec<Fr> = powers(gamma).take(points.len()).collect();
    for (scalar, point) in [(-value, srs.g1), (-vanishing, w), (z, w_z)] {
        scalars.push(scalar);
        points.push(point);
    }
    let right = G1Projective::msm(&points, &scalars).map_err(|_| RecordRejected::Opening)?;
    let product = Bn254::multi_pairing([w_z, (-right).into_affine()], [srs.s_g2.clone(), srs.g2.clone()]);
    product.0.is_one().then_some(()).ok_or(RecordRejected::Opening)
}
