//! Why a proof is not accepted.

use std::fmt;

use thiserror::Error;

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

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
