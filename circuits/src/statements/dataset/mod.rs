//! # Statement
//!
//! The committed shard is well formed and holds exactly `n` records.
//!
//! # Public inputs
//!
//! `ctx`, `n` ([`tribute_core::statement::dataset`]).
//!
//! # Committed columns
//!
//! `X_0 … X_{A−1}` (features), `Y` (presence and target): the group XY.
//!
//! # Region (one record, `R` rows; see [`tribute_core::layout`])
//!
//! ```text
//! | X_0 … X_{A−1} | Y      | class  | cells | count | y_lo y_hi (real targets only) |
//! | x_0 … x_{A−1} | s      |        | Σ     | N     |                               |
//! | x_A …         | y_0    | Σ_u≥0  |       | N     | limbs of y                    |
//! | …             | y_c−1  | y_c−1  |       | N     |                               |
//! ```
//!
//! `class` sums the targets from the last class row up, `cells` the features of the whole record, `count` the presence
//! flags of this record and all below.
//!
//! # Soundness
//!
//! - Every X cell above the salts is looked up in [0, 256), so sums of X cells never wrap: at most 1024·255 per record.
//! - Cells that belong to no feature are zero: on rows that hold none, and beyond `d` in the last data row, the sum of the
//!   (non-negative) cells is 0.
//! - `s` is boolean on head rows. Classification: each target is boolean and their sum is `s`: exactly one class in a
//!   present record, none in an absent one. Regression: the target is two bytes, and 0 in an absent record.
//! - An absent record has no features: `(1 − s)·Σx = 0`.
//! - Elsewhere above the salts Y is 0.
//! - `count` at row 0 is the sum of the presence flags and equals `n`.
//!
//! # Not checked
//!
//! Whether the records are true, distinct or somebody else's; the salts.

mod gates;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::{Arithmetization, StatementWitness};
use crate::columns::CommittedGroup;
use crate::gadgets::argument::Forge;

pub use gates::Config;
pub use witness::column;

/// The `dataset` circuit with its witness.
#[derive(Clone)]
pub struct DatasetCircuit {
    shape: Shape,
    config: Config,
    /// Committed columns, in proof order; only tests change them.
    pub committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0, except the multiplicities: see [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// Forgery, for tests only.
    pub forge: Option<Forge>,
}

impl DatasetCircuit {
    /// The witness for a committed shard.
    #[must_use]
    pub fn new(shape: Shape, shard: &CommittedGroup) -> Self {
        let committed = shard.columns.clone();
        let columns = witness::sums(&shape.layout, &committed);
        DatasetCircuit { config: Config::of(&shape), shape, committed, columns, forge: None }
    }

    /// Number of present records in the witness.
    #[must_use]
    pub fn count(&self) -> Fr {
        self.columns[column::COUNT][0]
    }
}

impl StatementWitness for DatasetCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for DatasetCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = &self.shape.layout;
        let mut columns = if phase == 0 {
            let mut columns = self.columns.clone();
            columns.push(witness::multiplicities(layout, &self.committed, &self.columns));
            columns
        } else {
            witness::lookup_columns(layout, &self.config.lookup, challenges, &self.committed, &self.columns)
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
