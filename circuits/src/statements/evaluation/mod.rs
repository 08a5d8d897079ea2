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
//! one-hot, its place the answer; in an absent one it is zero everywhere. With `t_u = Σ_i l_i 2^(b·i)` from limbs that are
//! looked up below `2^b`, the logit of a class row is `z_u = m − t_u − B_{u+1}`, m the same on all class rows.
//!
//! *Logits.* The product check proves `Z = XW` over the field ([`crate::statements::gradient`], [`crate::gadgets::product`]). X is in
//! [0, 256) (`dataset`) and |w| < 2^25 (`optimum`), so |z| < 2^43.1 and `|m − z| < 2^45` as integers.
//!
//! *Largest.* In a present record `b·t = 0` and `B_{answer+1} = 0`: m is the answer's logit. For every u, `m − z_u −
//! B_{u+1}` is in `[0, 2^(L·b))` with 46 ≤ L·b < 60, and as both sides are small that holds as integers: `z_u ≤ m`, and
//! `z_u < m` where `B_{u+1} = 1`, that is below the answer. So the answer is the first of the largest, and no other
//! choice of b, m and limbs satisfies the gates. In an absent record m is free and nothing is counted.
//!
//! *Count.* `tally` ends at 0, gains `s` on every head row and `σ·b_u·y_u` on every class row, and is `n + σ·correct` in
//! row 0. σ came after both sides' coefficients, so `n = Σ s` and `correct = Σ b_u·y_u`. `dataset` proves that s and y
//! are boolean and that a present record has exactly one class: `Σ_u b_u y_u` is 1 where the answer is the record's class
//! and 0 otherwise. An absent record counts in neither sum, whatever stands in its class rows: b is zero there.
//!
//! The errors are bounded by (degree)/r, with degrees below 2^23 in the product check and the count, and below 2^25 in the
//! lookup (at k = 22 four limbs and a table row to each of 2^22 rows) and in PLONK itself (gates of degree 5 at most).
//!
//! # Not checked
//!
//! That X, Y are a well-formed shard (`dataset`) and W in range (`optimum`): an evaluation counts only for a registered
//! shard and certified weights, whose digests the verifier compares. And it counts only if the `dataset`, `gradient` and
//! `optimum` proofs under those digests are of this layout and this SRS: a digest is of points, not of which row is what,
//! and the rows that another layout takes for weights or for heads may hold anything. In an evaluation file there is one
//! layout and one SRS; a contract has to compare both, as the agent registry does for its circuits. That the agent was not trained on these records (the
//! verifier sees which datasets a certificate lists), that they are like those it will meet, and which were tried and not
//! published: an accuracy says nothing about records outside the shard.

mod errors;
mod witness;

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Column, Error, Expression, FirstPhase, Fixed, Instance, SecondPhase, ThirdPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::Layout;
use tribute_core::shape::Shape;
use tribute_core::statement::evaluation as input;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::columns::CommittedGroup;
use crate::gadgets::argument::{limbs, small, Forge, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};
use crate::gadgets::product::{Product, Rows, WeightRows};

pub use errors::EvaluationError;

/// Bits that a difference of two logits may need, as in `service`: `|z| ≤ 2^25·(256 + 255·1024) < 2^43.1`.
const DIFFERENCE_BITS: u32 = 46;

/// Limbs of a difference.
#[must_use]
pub fn difference_limbs(layout: &Layout) -> usize {
    DIFFERENCE_BITS.div_ceil(layout.limb_bits()) as usize
}

/// Fresh phase-0 columns after the limbs, by offset.
pub mod column {
    /// `B_u = Σ_{v ≥ u} b_v`.
    pub const ANSWER: usize = 0;
    /// The answer's logit.
    pub const BEST: usize = 1;
    /// How many.
    pub const COUNT: usize = 2;
}

/// Third-phase columns, by position.
pub mod third {
    /// Features under τ; on weight rows the power `τ^j κ^u`.
    pub const XT: usize = 0;
    /// Logits under κ; on weight rows the weights under κ.
    pub const ZK: usize = 1;
    /// Running check of the logits.
    pub const R: usize = 2;
}

/// The product argument and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    product: Product,
    lookup: LogUp,
}

/// The `evaluation` circuit with its witness.
#[derive(Clone)]
pub struct EvaluationCircuit {
    shape: Shape,
    config: Config,
    committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0 but the multiplicities: limbs, then [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// Tests only. Phase 0: all fresh columns, the multiplicities last; 1: the lookup's columns, `a`, `tally`; 2: see
    /// [`third`].
    pub forge: Option<Forge>,
}

impl EvaluationCircuit {
    /// The witness for a committed shard and committed weights.
    ///
    /// # Errors
    /// [`EvaluationError`] when the shape is no evaluation's or the columns are not a shard's and weights'.
    pub fn new(shape: Shape, shard: &CommittedGroup, weights: &CommittedGroup) -> Result<Self, EvaluationError> {
        errors::check(&shape, shard, weights)?;
        let committed: Vec<_> = [shard, weights].into_iter().flat_map(|g| g.columns.iter().cloned()).collect();
        let columns = witness::answers(&shape.layout, &witness::values(&committed));
        Ok(EvaluationCircuit { config: Config::of(&shape), shape, committed, columns, forge: None })
    }

    /// Number of records and number of right answers, from the witness as it is.
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

/// Columns of the answers.
struct Answers {
    limbs: Vec<Column<Advice>>,
    suffix: Column<Advice>,
    best: Column<Advice>,
    limb_bits: u32,
}

impl Answers {
    /// `t_u` of a class row.
    fn gap(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        let cells: Vec<_> = self.limbs.iter().map(|l| c.cur(*l)).collect();
        limbs(&cells, self.limb_bits)
    }
    /// `z_u = m − t_u − B_{u+1}` of a class row.
    fn logit(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.cur(self.best) - self.gap(c) - c.next(self.suffix)
    }
    /// `b_u` of a class row.
    fn chosen(&self, c: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        c.cur(self.suffix) - c.next(self.suffix)
    }

    fn gates(&self, gates: &mut Gates<'_>, frame: Frame, rows: Rows, y: Column<Advice>) {
        gates.add("one-hot: b(b − 1) = 0 with b = B − B'", |c| {
            let b = self.chosen(c);
            c.fixed(rows.q_class) * b.clone() * (b - small(1))
        });
        gates.add("one answer in a present record, none in an absent one: B = s", |c| {
            c.fixed(rows.q_head) * (c.next(self.suffix) - c.cur(y))
        });
        gates.add("B is 0 outside class rows", |c| (c.fixed(frame.q_use) - c.fixed(rows.q_class)) * c.cur(self.suffix));
        gates.add("the largest logit is one per record: m' = m", |c| {
            c.fixed(rows.q_class) * c.fixed_next(rows.q_class) * (c.next(self.best) - c.cur(self.best))
        });
        gates.add("the answer has the largest logit: b·t = 0", |c| {
            c.fixed(rows.q_class) * self.chosen(c) * self.gap(c)
        });
    }
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        let mut advice = || gates.meta.advice_column_in(FirstPhase);
        // committed columns first: their points open the proof
        let x: Vec<_> = (0..layout.columns()).map(|_| advice()).collect();
        let (y, w) = (advice(), advice());
        let answers = Answers {
            limbs: (0..difference_limbs(&layout)).map(|_| advice()).collect(),
            suffix: advice(),
            best: advice(),
            limb_bits: layout.limb_bits(),
        };
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let mut fixed = || gates.meta.fixed_column();
        let rows = Rows { q_head: fixed(), q_class: fixed(), q_record: fixed(), q_end: fixed() };
        let weights = WeightRows { q_w: fixed(), q_w_first: fixed(), q_block: fixed(), q_block_end: fixed() };
        let range: Column<Fixed> = fixed();

        answers.gates(gates, frame, rows, y);
        let build = |c: &mut VirtualCells<'_, Fr>| {
            let active = c.fixed(rows.q_class);
            answers.limbs.iter().map(|l| Input { active: active.clone(), tuple: vec![c.cur(*l)] }).collect()
        };
        let lookup = LogUp::configure(gates, frame, vec![range], answers.limbs.len(), &build);
        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let (a, tally) = (gates.meta.advice_column_in(SecondPhase), gates.meta.advice_column_in(SecondPhase));
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let alpha = gates.meta.challenge_usable_after(SecondPhase);
        let [xt, zk, r]: [Column<Advice>; 3] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));

        gates.add("records and right answers counted: tally = tally' + s, + σ·b·y", |c| {
            let right = answers.chosen(c) * c.cur(y);
            c.fixed(frame.q_use) * (c.cur(tally) - c.next(tally))
                - c.fixed(rows.q_head) * c.cur(y)
                - c.fixed(rows.q_class) * c.challenge(sigma) * right
        });
        gates.add("tally ends at 0", |c| c.fixed(frame.q_last) * c.cur(tally));
        gates.add("tally is n + σ·correct", |c| {
            let n = c.query_instance(instance, Rotation(input::N as i32));
            let correct = c.query_instance(instance, Rotation(input::CORRECT as i32));
            c.fixed(frame.q_first) * (c.cur(tally) - n - c.challenge(sigma) * correct)
        });
        let product = Product { frame, rows, weights, a, xt, zk, r, sigma, kappa, tau, alpha };
        product.sums(gates, &x, w, |c| answers.logit(c));
        product.check(gates, layout.classes());
        Config { product, lookup }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        self.product.assign(region, &layout);
        self.lookup.assign_table(region, &witness::table(&layout), layout.gate_rows());
        Ok(())
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
