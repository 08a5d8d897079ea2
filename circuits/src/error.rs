//! Why a circuit has no keys, or a witness no proof.

use thiserror::Error;
use tribute_core::layout::{MIN_LINK_K, MIN_SERVICE_K};
use tribute_verify::Rejected;

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
    /// No room for an answer.
    #[error("circuit {name}: no answer fits into k = {k}. Answers are proven from k = {MIN_SERVICE_K} on, and where one record's logits fit beside the weights: take a larger k, and register the datasets anew with it; below it agents are certified off chain only")]
    ServiceRows {
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
    /// The proof does not verify for another reason: a mistake of the prover's.
    #[error("circuit {name}: the proof that was made is refused: {rejected}")]
    Rejected {
        /// Circuit name.
        name: String,
        /// Why.
        rejected: Rejected,
    },
    /// The SRS cannot verify what it proves.
    #[error("circuit {name}: the points of the SRS are not in their groups: import it again")]
    SrsPoints {
        /// Circuit name.
        name: String,
    },
}
