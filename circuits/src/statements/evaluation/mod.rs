//! # Statement
//!
//! The committed shard holds `n` records, and the committed weights give exactly `correct` of them their own class. The
//! answer is [`tribute_core::head::answer`] of the integer logits `XW`: the largest, ties to the lower class; no link.
//!
//! # Public inputs
//!
//! `ctx, n, correct` ([`tribute_core::statement::evaluation`], [`tribute_core::context::evaluation_ctx`]).
//!
//! # Committed columns
//!
//! `X_0 … X_{A−1}, Y` (group XY), `W`.
//!
//! # Region (one record, `R` rows; see [`tribute_core::layout`])
//!
//! ```text
//!                 | X_0 … X_{A−1} | Y   | W | l_0 … l_{L−1} | B   | m | a   | tally | xt      | zk         | r |
//! head row        | x_0 … x_{A−1} | s   |   |               | 0   |   |     | T     | Σ_j     | Σ_u        | R |
//! class row u + 1 | x_A …         | y_u |   | limbs of t_u  | B_u | m |     | T     | partial | partial    | R |
//! other rows      | …             | 0   |   |               | 0   |   |     | T     | partial | 0          | R |
//! weights row     | 0             | 0   | w |               | 0   |   | a_j | 0     | τ^j κ^u | Σ_v κ^v w  | R |
//! ```
//!
//! # Soundness
//!
//! Phase one commits X, Y, W, the limbs, B and m, hence the logits (an expression in them); σ comes after it and after
//! the public inputs.
//!
//! *Answer.* `b_u = B_u − B_{u+1}` is boolean, B is 0 outside the class rows, and `B_0 = s`: in a present record b is
//! one-hot, and its position is the answer; in an absent one it is zero everywhere. With `t_u = Σ_i l_i 2^(b·i)` from
//! limbs that are looked up below `2^b`, the logit of a class row is `z_u = m − t_u − B_{u+1}`, m the same on all class
//! rows.
//!
//! *Logits.* The product check proves `Z = XW` over the field ([`crate::statements::gradient`],
//! [`crate::gadgets::product`]). X is in [0, 256) (`dataset`) and |w| < 2^37 (`optimum`), so |z| < 2^55 and
//! `|m − z| < 2^56` as integers.
//!
//! *Largest.* In a present record `b·t = 0` and `B_{answer+1} = 0`: m is the answer's logit. For every u, `m − z_u −
//! B_{u+1}` is in `[0, 2^(L·b))` with 56 ≤ L·b < 66, and as both sides are small that holds as integers: `z_u ≤ m`, and
//! `z_u < m` where `B_{u+1} = 1`, that is below the answer. So the answer is the first of the largest, and no other
//! choice of b, m and limbs satisfies the gates. In an absent record m is free and nothing is counted.
//!
//! *Count.* `tally` ends at 0, gains `s` on every head row and `σ·b_u·y_u` on every class row, and is `n + σ·correct`
//! in row 0. σ came after both sides' coefficients, so `n = Σ s` and `correct = Σ b_u·y_u`. `dataset` proves that s and
//! y are boolean and that a present record has exactly one class: `Σ_u b_u y_u` is 1 where the answer is the record's
//! class and 0 otherwise. An absent record counts in neither sum, whatever its class rows contain: b is zero there.
//! The errors are bounded by (degree)/r, with degrees below 2^23 in the product check and the count, and below 2^25 in
//! the lookup (at k = 22 four limbs and a table row on each of 2^22 rows) and in PLONK itself (gates of degree 5 at
//! most).
//!
//! # Not checked
//!
//! That X, Y are a well-formed shard (`dataset`) and W is in range (`optimum`): an evaluation counts only for a
//! registered shard and certified weights, whose digests the verifier compares. And it counts only if the `dataset`,
//! `gradient` and `optimum` proofs under those digests are of this layout and this SRS: a digest identifies points, not
//! the meaning of rows, and the rows that another layout takes for weights or for heads may hold anything. An
//! evaluation file has one layout and one SRS; a contract has to compare both, as the agent registry does for its
//! circuits. That the agent was not trained on these records (the verifier sees which datasets a certificate lists),
//! that they are like those it will meet, and which evaluations were tried and not published: an accuracy says nothing
//! about records outside the shard.

mod error;
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

pub use error::EvaluationError;
pub use gates::Config;
pub use witness::{column, third};

/// The `evaluation` circuit with its witness.
#[derive(Clone)]
pub struct EvaluationCircuit {
    shape: Shape,
    config: Config,
    /// Committed columns, in proof order; only tests change them.
    pub committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0, except the multiplicities: limbs, then [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// Forgery, for tests only. Phase 0: all fresh columns, the multiplicities last; 1: the lookup's columns, `a`,
    /// `tally`; 2: see [`third`].
    pub forge: Option<Forge>,
}

impl EvaluationCircuit {
    /// The witness for a committed shard and committed weights.
    ///
    /// # Errors
    /// [`EvaluationError`] if the shape is not an evaluation's or the columns are not a shard and weights.
    pub fn new(shape: Shape, shard: &CommittedGroup, weights: &CommittedGroup) -> Result<Self, EvaluationError> {
        error::check(&shape, shard, weights)?;
        let committed: Vec<_> = [shard, weights].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let columns = witness::answers(&shape.layout, &witness::values(&committed));
        Ok(EvaluationCircuit { config: Config::of(&shape), shape, committed, columns, forge: None })
    }

    /// Number of records and number of correct answers, computed from the current witness.
    #[must_use]
    pub fn counts(&self) -> [Fr; 2] {
        witness::counts(&self.shape.layout, &witness::values(&self.committed), &self.columns)
    }

    /// The public inputs with this `ctx`.
    #[must_use]
    pub fn public_inputs(&self, ctx: Fr) -> Vec<Fr> {
        let [n, correct] = self.counts();
        vec![ctx, n, correct]
    }
}

impl StatementWitness for EvaluationCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for EvaluationCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = self.shape.layout;
        let committed = witness::values(&self.committed);
        let mut columns = match phase {
            0 => {
                let mut columns = self.columns.clone();
                columns.push(witness::multiplicities(&layout, &self.columns));
                columns
            }
            1 => witness::second_phase(
                &layout,
                &self.config.lookup,
                challenges,
                challenges[self.config.product.sigma.index()],
                &committed,
                &self.columns,
            ),
            _ => witness::third_phase(&layout, &committed, &self.columns, self.config.product.drawn(challenges)),
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
