//! Why a proof is rejected.

use std::fmt;

use thiserror::Error;

/// An element of the proof, named in messages.
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

/// Why a proof is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The key has a feature that this verifier does not support.
    #[error("the verifying key has {what}, which this verifier does not support")]
    Key {
        /// The feature.
        what: &'static str,
    },
    /// More inputs than the instance column has room for.
    #[error("{got} public inputs; the circuit has room for {room}")]
    InputCount {
        /// Capacity of the instance column.
        room: usize,
        /// Number of inputs given.
        got: usize,
    },
    /// An input that is not below the scalar field's modulus.
    #[error("public input {index} is not below the field's modulus")]
    Input {
        /// Position of the input, from 0.
        index: usize,
    },
    /// The proof's length differs from that of the circuit's proofs.
    #[error("the proof has {got} bytes; this circuit's proofs have {expected}")]
    Length {
        /// Length of the circuit's proofs in bytes.
        expected: usize,
        /// Length given, in bytes.
        got: usize,
    },
    /// A point that is at infinity, off the curve or not canonically encoded.
    #[error("{element} is not a point of the curve")]
    Point {
        /// The point.
        element: Element,
    },
    /// A scalar that is not below the field's modulus.
    #[error("{element} is not below the field's modulus")]
    Scalar {
        /// The scalar.
        element: Element,
    },
    /// A challenge hit one of a few excluded values, which has negligible probability.
    #[error("a challenge fell into the evaluation domain")]
    Challenge,
    /// The evaluations do not match the commitments, or do not satisfy the circuit's gates at the challenge.
    #[error("the pairing check failed: the proof does not show the statement for these public inputs")]
    Opening,
}
