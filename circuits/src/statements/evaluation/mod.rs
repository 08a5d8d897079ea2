//! # Statement
//!
//! The committed shard holds `n` records, and the committed weights give exactly `correct` of them their own class. The
//! answer is [`tribute_core::head::answer`] of the integer logits `XW`: the largest, ties to the lower class. Their loss is
//! [`tribute_core::head::loss`] up to the window of the shift `l`: `Σ l − z_y` (logistic: of every class; squared:
//! `Σ (z − y)²`), rounded down to units of 2^-20.
//!
//! # Public inputs
//!
//! `ctx, n, correct, loss` ([`tribute_core::statement::evaluation`], [`tribute_core::context::evaluation_ctx`]).
//!
//! # Committed columns
//!
//! `X_0 … X_{A−1}, Y` (group XY), `W`.
//!
//! # Region (one record, `R` rows; see [`tribute_core::layout`])
//!
//! ```text
//!                 | X_0 … X_{A−1} | Y   | W | l_0 … l_{L−1} | B   | m | S | link columns | a   | tally | xt   | zk        | r |
//! head row        | x_0 … x_{A−1} | s   |   |               | 0   |   | Σ | window limbs |     | T     | Σ_j  | Σ_u       | R |
//! class row u + 1 | x_A …         | y_u |   | limbs of t_u  | B_u | m | Σ | limbs        |     | T     | part | partial   | R |
//! other rows      | …             | 0   |   |               | 0   |   | 0 |              |     | T     | part | 0         | R |
//! weights row     | 0             | 0   | w |               | 0   |   |   |              | a_j | T     | τκ   | Σ_v κ^v w | R |
//! salt rows       | salts         | …   | … |               | 0   |   |   | remainder    |     | T     |      |           | R |
//! ```
//!
//! # Soundness
//!
//! Phase one commits X, Y, W, the limbs, B, m, S and the link's columns, hence the logits (an expression in them); σ comes
//! after it and after the public inputs.
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
//! *Loss.* The link's logits are those of the answer (a gate), so they are `XW`. Its gates ([`crate::gadgets::link`]) fix
//! `l` up to the window, and a class row's loss is a polynomial in phase-one cells. S adds them from the bottom up, anew in
//! every record: on a head row it is the record's loss, 2^40 (squared: 2^80) times as large as the real number.
//!
//! *Counts.* `tally` ends at 0, gains `s + σ²·2^p·s·S` on every head row and `σ·b_u·y_u` on every class row, loses
//! `σ²·2^(b·i)·limb_i` on the rows of the remainder, and is `n + σ·correct + σ²·2^u·loss` in row 0. σ came after all
//! coefficients, so `n = Σ s`, `correct = Σ b_u·y_u` and `2^p·Σ s·S = 2^u·loss + Σ 2^(b·i)·limb_i`. `dataset` proves that s
//! and y are boolean and that a present record has exactly one class: `Σ_u b_u y_u` is 1 where the answer is the record's
//! class and 0 otherwise, and S is the loss of that class. An absent record counts in no sum, whatever its class rows
//! contain: b is zero there, and so is s. The limbs are looked up below `2^b`, so the remainder is in `[0, 2^u)`, u at most
//! 90. Verifiers accept only `loss < 2^53`. The left side is below `2^15·2^22·2^7·2^112`, at most 2^22 records and 100
//! classes with `|z − y| < 2^56`: both sides are far below r, they are equal as integers, and loss is the quotient rounded
//! down. [`tribute_core::head::loss`] bounds its distance from the real loss.
//! The errors are bounded by (degree)/r, with degrees below 2^23 in the product check and the counts, and below
//! 2^27 in the lookup (at k = 22 up to 22 inputs and a table row on each of 2^22 rows) and in PLONK itself (gates of
//! degree 5 at most).
//!
//! # Not checked
//!
//! That X, Y are a well-formed shard (`dataset`) and W is in range (`optimum`): an evaluation counts only for a
//! registered shard and certified weights, whose digests the verifier compares. And it counts only if the `dataset`,
//! `gradient` and `optimum` proofs under those digests are of this layout and this SRS: a digest identifies points, not
//! the meaning of rows, and the rows that another layout takes for weights or for heads may hold anything. An
//! evaluation file has one layout and one SRS; a contract has to compare both, as the agent registry does for its
//! circuits. That the agent was not trained on these records (the verifier sees which datasets a certificate lists),
//! that they are like those it will meet, and which evaluations were tried and not published: accuracy and loss say
//! nothing about records outside the shard.

mod error;
mod gates;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_core::link::Link;
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
    /// Fresh columns of phase 0, except the multiplicities: limbs, then [`column`], then the link's.
    pub columns: Vec<Vec<Fr>>,
    /// Forgery, for tests only. Phase 0: all fresh columns, the multiplicities last; 1: the lookup's columns, `a`,
    /// `tally`; 2: see [`third`].
    pub forge: Option<Forge>,
}

impl EvaluationCircuit {
    /// The witness for a committed shard and committed weights.
    ///
    /// # Errors
    /// [`EvaluationError`] if the shape is not an evaluation's, the columns are not a shard and weights, or the link's
    /// tables do not resolve a record's logits.
    pub fn new(shape: Shape, shard: &CommittedGroup, weights: &CommittedGroup) -> Result<Self, EvaluationError> {
        error::check(&shape, shard, weights)?;
        let committed: Vec<_> = [shard, weights].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let link = shape.link.unwrap_or(Link::Squared);
        let columns = witness::columns(&shape.layout, link, &witness::values(&committed))?;
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
        vec![ctx, n, correct, self.loss()]
    }

    /// The published loss, computed from the current witness.
    #[must_use]
    pub fn loss(&self) -> Fr {
        witness::loss(&self.shape.layout, self.link(), &witness::values(&self.committed), &self.columns)
    }

    fn link(&self) -> Link {
        self.shape.link.unwrap_or(Link::Squared)
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
                columns.push(witness::multiplicities(&layout, &self.config.link, &self.columns));
                columns
            }
            1 => witness::second_phase(
                &layout,
                &self.config.link,
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
