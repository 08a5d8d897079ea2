//! A proof, as crates hand it to one another. Files, rows, messages and contracts have forms of their own, each converted in
//! one place.

use crate::hexed::Hex;
use crate::id::CircuitId;
use crate::statement::Statement;

/// A proof with what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it states.
    pub statement: Statement,
    /// The circuit under whose key it was made.
    pub circuit: CircuitId,
    /// Public inputs, big-endian words.
    pub inputs: Vec<Hex<32>>,
    /// Points and scalars, uncompressed, as the EVM verifier takes them after the inputs.
    pub bytes: Vec<u8>,
}
