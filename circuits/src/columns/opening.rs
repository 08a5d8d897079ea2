//! Opens one record of a committed shard, including its label, and reveals nothing else of the shard.
//!
//! # Statement
//!
//! For commitments `C_0 … C_A` (data columns, then the label column), a layout and a record index `i` below its
//! capacity: at the rows of record `i`, column `c` holds the cells that the shown features and target have in the
//! layout, including the presence flag 1. Everything below is computed from the [`RecordClaim`]; the rows are never
//! taken from the prover.
//!
//! # Proof
//!
//! Let S be the R points `ω^(iR), …, ω^(iR+R−1)`, Z the polynomial that vanishes on S, and `I_c` the polynomial of degree
//! below R with the claimed cells of column c on S. Challenges are hashes (Keccak) of the whole claim: digest of the
//! commitments, layout, index, features, target and context.
//!
//! ```text
//! γ = H(claim)            F = Σ γ^c f_c     I = Σ γ^c I_c        W  = [(F − I)/Z]₁
//! z = H(claim, W)                                                W' = [(F − I(z) − Z(z)·(F − I)/Z) / (X − z)]₁
//! check:  e(W', [τ]₂) = e( Σ γ^c C_c − [I(z)]₁ − Z(z)·W + z·W', [1]₂ )
//! ```
//!
//! This is SHPLONK (eprint 2020/081) for a single set of points: two proof points and two pairings, whatever the number
//! of columns and rows, and no power of τ in G2 beyond the first.
//!
//! # Why it is sound
//!
//! In the algebraic group model with the q-SDH assumption, the commitments and W are polynomials `f_c`, `w` of degree below
//! 2^k that the prover knows, fixed before γ and z respectively.
//!
//! 1. If some column has a cell other than claimed at some point of S, then `F − I` does not vanish there unless γ is one
//!    of at most A roots of a nonzero polynomial: probability A/r per hash.
//! 2. If `F − I` does not vanish on S, no `w` makes `F − I − Z·w` the zero polynomial; at the random z,
//!    `F(z) − I(z) − Z(z)·w(z) = 0` with probability at most (2^k + R)/r per hash.
//! 3. If that value is not 0, `L = F − I(z) − Z(z)·w` does not vanish at z, and the check, `L(τ) = (τ − z)·w'(τ)`, would be
//!    an opening of L at z to a wrong value: KZG's binding.
//!
//! So the cells are those of the committed columns. That they are a *record* (features below 256, one class, flag)
//! follows from the claim alone, because the verifier derives the cells. That the commitments are those of a registered
//! dataset is for the caller to check, by comparing the digest. Not proven: that the provider has not put the same
//! record elsewhere too.
//!
//! # What it reveals
//!
//! The cells of the record, and nothing more. W and W' are determined by the commitments, the cells and τ:
//! `W = (τ-multiple) 1/Z(τ)·(Σ γ^c C_c − [I(τ)])`, and W' likewise. So a simulator that holds τ (as the simulator of
//! the proofs does) computes exactly these two points from the commitments and the shown record; the test
//! `an_opening_is_simulated` does so. The revealed functionals are evaluations at record rows, in which no salt occurs:
//! given them, the salts are as uniform as before, and the evaluations that later proofs reveal, at points outside the
//! domain, are as independent of the rest (rows of a Cauchy matrix over the salts). Hence showing a record, any number
//! of times, uses up nothing of the budget [`Layout::opening_budget`](tribute_core::layout::Layout::opening_budget),
//! and is not counted there.
//!
//! An opening is transferable: whoever has it can show it to others. The context says for whom it was made.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::EvaluationDomain;
use thiserror::Error;
use tribute_core::digest::Digest;
use tribute_core::opening::{second_seed, ClaimError, RecordClaim, RecordOpening};
use tribute_engine::field::{add_scaled, divide, from_u256, point_bytes};
use tribute_engine::msm::msm;
use tribute_engine::srs::Srs;
use tribute_simd::{Backend, Interpolation};

use super::CommittedGroup;

/// Why a record cannot be opened.
#[derive(Debug, Error)]
pub enum OpeningError {
    /// The layout has no such record.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The SRS has the wrong size.
    #[error("the SRS has k = {got}; the shard has k = {expected}")]
    SrsSize {
        /// The layout's `k`.
        expected: u32,
        /// The SRS's `k`.
        got: u32,
    },
    /// The columns do not have the claim's commitments.
    #[error("the claim's commitments are not those of these columns")]
    Columns,
    /// The columns do not contain the claimed record.
    #[error("row {row} of column {column} does not hold the record's {claimed}")]
    Cell {
        /// Column in the group: the data columns, then the label column.
        column: usize,
        /// Row, counted from the record's first.
        row: usize,
        /// The claimed value.
        claimed: u64,
    },
    /// A point is at infinity, which has negligible probability.
    #[error("the opening has a point at infinity; open with another context")]
    Infinity,
}

/// Proves the claim about these columns.
///
/// # Errors
/// [`OpeningError`] if the claim is false for these columns.
pub fn open_record(srs: &Srs, group: &CommittedGroup, claim: &RecordClaim) -> Result<RecordOpening, OpeningError> {
    check(srs, group, claim)?;
    open_unchecked(srs, group, claim)
}

fn check(srs: &Srs, group: &CommittedGroup, claim: &RecordClaim) -> Result<(), OpeningError> {
    claim.check()?;
    if srs.k() != claim.layout.k() {
        return Err(OpeningError::SrsSize { expected: claim.layout.k(), got: srs.k() });
    }
    if group.points() != claim.points {
        return Err(OpeningError::Columns);
    }
    for (column, committed) in group.columns.iter().enumerate() {
        for (row, value) in committed.values[claim.rows()].iter().enumerate() {
            let claimed = claim.cell(column, row);
            if *value != Fr::from(claimed) {
                return Err(OpeningError::Cell { column, row, claimed });
            }
        }
    }
    Ok(())
}

/// [`open_record`] without checking that the claim is true, for tests that need a false claim.
#[doc(hidden)]
pub fn open_unchecked(srs: &Srs, group: &CommittedGroup, claim: &RecordClaim) -> Result<RecordOpening, OpeningError> {
    let (backend, n) = (Backend::best(), claim.layout.rows());
    let domain = EvaluationDomain::<Fr>::new(1, claim.layout.k());
    let commit = |polynomial: &[Fr]| {
        let point = G1Affine::from(msm(polynomial, &srs.params().get_g()[..polynomial.len()]));
        point_bytes(&point).ok_or(OpeningError::Infinity)
    };
    let seed = claim.seed();
    let gamma = challenge(&seed);
    let mut combined = vec![Fr::ZERO; n];
    let mut power = Fr::ONE;
    for column in &group.columns {
        add_scaled(backend, &mut combined, power, &column.values);
        power *= gamma;
    }
    Interpolation::new(backend, claim.layout.k(), domain.get_omega(), Fr::ONE).run(&mut combined);

    // the quotient of F − I by Z is that of F, because I has a lower degree than Z
    let first = domain.get_omega().pow_vartime([claim.rows().start as u64]);
    let points = std::iter::successors(Some(first), |x| Some(x * domain.get_omega())).take(claim.rows().len());
    let points: Vec<Fr> = points.collect();
    let quotient = points.iter().fold(combined.clone(), |p, x| divide(backend, p, *x));
    let first_point = commit(&quotient)?;

    let z = challenge(&second_seed(&seed, &first_point));
    let vanishing: Fr = points.iter().map(|x| z - x).product();
    let mut linear = combined;
    add_scaled(backend, &mut linear, -vanishing, &quotient);
    // subtracting I(z) changes only the remainder
    Ok(RecordOpening { quotient: first_point, remainder: commit(&divide(backend, linear, z))? })
}

/// A hash modulo r.
fn challenge(hash: &Digest) -> Fr {
    from_u256(&tribute_core::U256::from_be_bytes(*hash))
}
