//! What every statement provides: a circuit's columns and gates, and its witnesses.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Error};
use tribute_core::shape::Shape;
use tribute_engine::plonk::Witness;

use crate::gadgets::argument::Gates;

/// The columns of one statement's circuit.
pub(crate) trait Arithmetization: Clone + std::fmt::Debug {
    /// Allocates columns and challenges and adds the gates. The committed columns come first.
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self;

    /// Writes the fixed columns, in one region from row 0.
    ///
    /// # Errors
    /// If the layout leaves no room.
    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error>;

    /// The columns of `shape`'s circuit, for a witness that must identify columns and challenges.
    fn of(shape: &Shape) -> Self {
        Self::configure(&mut Gates::new(&mut ConstraintSystem::default(), &[]), shape)
    }
}

/// A witness for one of the statements.
pub trait StatementWitness: Witness {
    /// The circuit that the witness is for.
    fn shape(&self) -> &Shape;
}
