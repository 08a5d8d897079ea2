//! Why a circuit has no keys, or a witness no proof.

use thiserror::Error;
use tribute_core::layout::{MIN_LINK_K, MIN_SERVICE_K};
use tribute_verify::Rejected;

/// The largest degree of a gate, including selectors: that of `service`. The soundness error grows with the degree but
/// stays small far beyond 6; each additional degree costs one more piece of the quotient.
pub const MAX_DEGREE: usize = 6;

/// A circuit that cannot be keyed or proven.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The SRS has the wrong size.
    #[error("the SRS has k = {got}; the circuit {name} needs k = {expected}")]
    SrsSize {
        /// Circuit name.
        name: String,
        /// The circuit's `k`.
        expected: u32,
        /// The SRS's `k`.
        got: u32,
    },
    /// A gate's degree is too high; halo2-axiom would silently cap it.
    #[error("circuit {name}: its gates have degree {degree} (at most {MAX_DEGREE} is allowed), but halo2 builds the quotient for degree {counted}; a degree above 5 needs set_minimum_degree, and MAX_DEGREE must not be set in the environment")]
    Degree {
        /// Circuit name.
        name: String,
        /// The largest degree of a gate.
        degree: usize,
        /// The degree for which halo2 builds the quotient.
        counted: usize,
    },
    /// The layout has too few rows for the link's tables.
    #[error("circuit {name}: the tables of a link with exp need k >= {MIN_LINK_K}; the layout has k = {k}")]
    LinkRows {
        /// Circuit name.
        name: String,
        /// The layout's `k`.
        k: u32,
    },
    /// A layout without room for an answer.
    #[error("circuit {name}: no answer fits into k = {k}. Answers are proven from k = {MIN_SERVICE_K} on, and where one record's logits fit beside the weights: take a larger k, and register the datasets anew with it; below it agents are certified off chain only")]
    ServiceRows {
        /// Circuit name.
        name: String,
        /// The layout's `k`.
        k: u32,
    },
    /// A statement about answers over a layout with real-valued targets.
    #[error("circuit {name}: the layout's targets are real values, but a {statement} proof is about answers, the largest of several logits: a regression gives none")]
    Regression {
        /// Circuit name.
        name: String,
        /// Name of the statement.
        statement: &'static str,
    },
    /// The number of blinding factors differs from what the layout reserves.
    #[error("circuit {name}: {got} blinding factors; the layout needs 5")]
    Blinding {
        /// Circuit name.
        name: String,
        /// Number found.
        got: usize,
    },
    /// A committed column that is not queried exactly once, at the current row.
    #[error("circuit {name}: committed column {column} is queried {queries} times; it must be opened exactly once, at the current row")]
    Queries {
        /// Circuit name.
        name: String,
        /// Column, in committed order.
        column: usize,
        /// Number of queries found.
        queries: usize,
    },
    /// Key generation failed.
    #[error("circuit {name}: key generation failed: {reason}")]
    Keys {
        /// Circuit name.
        name: String,
        /// halo2's message.
        reason: String,
    },
    /// Proving failed.
    #[error("circuit {name}: proving failed: {reason}")]
    Prover {
        /// Circuit name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The witness and the keys are for different circuits.
    #[error("the keys are for circuit {name}; the witness is for {witness}")]
    Shape {
        /// Circuit of the keys.
        name: String,
        /// Circuit of the witness.
        witness: String,
    },
    /// The proof does not start with the commitments that it is about, so it is withheld.
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
    /// The proof does not verify for another reason: a bug in the prover.
    #[error("circuit {name}: the verifier rejects the proof: {rejected}")]
    Rejected {
        /// Circuit name.
        name: String,
        /// The verifier's reason.
        rejected: Rejected,
    },
    /// The points of the SRS are not in their groups.
    #[error("circuit {name}: the points of the SRS are not in their groups: import it again")]
    SrsPoints {
        /// Circuit name.
        name: String,
    },
}
