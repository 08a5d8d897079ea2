//! A proof as crates pass it to one another. Files, database rows, messages and contracts have their own forms; each
//! conversion is in one place.

use crate::hexed::Hex;
use crate::id::CircuitId;
use crate::statement::Statement;

/// A proof with its statement and circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The statement it proves.
    pub statement: Statement,
    /// The circuit whose key it was made with.
    pub circuit: CircuitId,
    /// Public inputs, big-endian words.
    pub inputs: Vec<Hex<32>>,
    /// Points and scalars, uncompressed, as the EVM verifier takes them after the inputs.
    pub bytes: Vec<u8>,
}
