//! # Statement
//!
//! For every slot: the slot's `count` answered queries extend the transcript `before` to `after`, receipt by receipt,
//! and every answer is the one that the committed weights give. A receipt is
//! `h' = Poseidon2([h, packed features, salt, answer])` ([`tribute_core::receipt`]), the answer
//! [`tribute_core::head::answer`] of the integer logits: the largest, ties to the lower class; for one class, `z > 0`.
//! A slot with `count = 0` has `after = before`.
//!
//! # Public inputs
//!
//! `ctx, before_1..16, after_1..16, count_1..16` ([`tribute_core::statement::service`]).
//!
//! # Committed columns
//!
//! `W`.
//!
//! # Region (one block per query, see [`Blocks`]; a *run* is the blocks of one slot)
//!
//! ```text
//!             | v_0  v_1 v_2 v_3 v_4 v_5 v_6 | W | state, output  | a   | h        | pack     | hash    | r |
//! feature row | x_0  …                   x_6 |   | the rounds     |     | Σ τ^j x  | Σ 256^j x| Σ ρ^i b | R |
//! feature row | x_7  …                       |   |                |     |          |          |         | R |
//! salt row    | salt                         |   |                |     | ↓        | ↓        |         | R |
//! class row u | l_0  l_1 l_2 l_3 B_u  m      |   |                |     | Σ_v κ^v z| Σ_v≥u B_v|         | R |
//! link row    |      (anywhere)              |   | registers      |     |          |          | 0       | R |
//! weights row |                              | w |                | a_j | Σ_v κ^v w| τ^j      |         | R |
//! ```
//!
//! Rounds and registers share rows with features and classes: both start on the block's first row. The link row follows
//! the last round; its `state_0` is the new transcript h'. Its registers, in the output columns: `next` (the transcript
//! that the next block starts from), `slot`, `position`, `before`, `last` (1: the run ends here). Row 0 is the link row
//! of a virtual block before the first, with `last = 1`.
//!
//! # Soundness
//!
//! *Data.* Features are looked up in [0, 256), limbs below `2^b`. Cells beyond `d` are 0: the product check below has powers
//! of τ for them and no `a_j`.
//!
//! *Logits.* On class rows `B_u = Σ_{v ≥ u} b_v` with `b` boolean and `B_0 = 1`: `b` is one-hot, and its position is
//! the answer. `t_u = Σ_i l_i 2^(b·i) + B_{u+1}` and `z_u = m − t_u`, m the same on all class rows. The product check
//! (σ, then `a`, then κ, τ; as in [`crate::statements::gradient`]) proves `Z = XW` over the field, with
//! `α = τ^(7F + 1)` for F feature rows, above every power of the features. For one class the rows are (0, z), which is
//! checked as `κ·w` against `z_0 + κ·z_1` and so forces `z_0 = 0`. With x < 2^8 and |w| < 2^37 (`optimum`), |z| < 2^55
//! as integers.
//!
//! *Answer.* The limbs of the answer's row are 0 and `B_{answer+1} = 0`: m is the answer's logit. Then `m − z_u − B_{u+1}` is
//! in [0, 2^4b), and as |m − z_u| < 2^56 < r − 2^4b that holds as integers: `z_u ≤ m`, and `z_u < m` for u below the answer
//! (`B_{u+1} = 1` exactly there).
//!
//! *Receipt.* `b_i`, the i-th absorbed element, is a linear form of the states around a permutation. `hash` is
//! `Σ_{i ≥ 1} ρ^i b_i`, all absorbed elements but the first, padding included; `pack` is
//! `Σ_i ρ^i e_i + ρ^m salt + ρ^(m+1) answer`, with packed features `e_i` and `answer = Σ_{u ≥ 1} B_u`. All of them are
//! committed before ρ exists and `hash = ρ·pack`, so the message is `[h, e, salt, answer, 0…]`; the capacity starts as
//! the length. `h = b_0` is the `next` of the link row before.
//!
//! `pack` shifts every row of features by 56 bits; an element's end takes back its own shifts with a constant `2^-168`, the
//! salt row what a last element of fewer rows did not need.
//!
//! *Chain.* Within a run (`last = 0` before) h is the previous h', `before` is carried, and the position increases by
//! one; after the end of a run h is free, `before` is that h, the position 0. Where `last = 1` the tuple
//! `(slot, before, h', position + 1)` is looked up in a table of the public inputs,
//! `(slot, before_slot, after_slot, count_slot)`; its multiplicity m is boolean, so one run ends with a slot, and no
//! block is in two runs. Where m = 0: `count = 0` and `after = before`. Positions stay below the number of blocks.
//! Blocks after the last counted run are a run without end, which is never looked up.
//!
//! The errors are bounded by (degree)/r, with degrees below 2^23 in the random sums, and below 2^26 in the lookup (at k
//! = 22 eight inputs and a table row on each of 2^22 rows) and in PLONK itself.
//!
//! # Not checked
//!
//! That W is in range (`optimum`; the digest ties the proofs together); that transcripts are what clients signed (the
//! contract); the salt, any field element.

mod blocks;
mod error;
mod gates;
mod witness;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::head::{answer, Weights};
use tribute_core::shape::Shape;
use tribute_core::statement::{service, SERVICE_SLOTS};
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::from_core;
use tribute_engine::plonk::Witness;

use crate::arithmetization::{Arithmetization, StatementWitness};
use crate::columns::CommittedGroup;
use crate::gadgets::argument::Forge;

pub use blocks::{capacity, Blocks, DATA, ELEMENT_ROWS, LIMBS};
pub use error::ServiceError;
pub use gates::Config;
pub use witness::{column, third, AnsweredQuery, SessionBatch, SlotInputs, Step};

/// The `service` circuit with its witness.
#[derive(Clone)]
pub struct ServiceCircuit {
    shape: Shape,
    config: Config,
    /// Committed columns, in proof order; only tests change them.
    pub committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0, except the multiplicities: see [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// The public inputs of each slot, which the table contains.
    pub slots: Vec<SlotInputs>,
    /// Forgery, for tests only. Phase 0: all fresh columns, the multiplicities last; 1: the lookup's columns, then `a`;
    /// 2: see [`third`].
    pub forge: Option<Forge>,
}

impl ServiceCircuit {
    /// The witness for sessions, one per slot. `weights` must be those committed in `group`.
    ///
    /// # Errors
    /// [`ServiceError`] if the batch does not fit or an answer is not that of the weights.
    pub fn new(
        shape: Shape,
        group: &CommittedGroup,
        weights: &Weights,
        sessions: &[SessionBatch],
    ) -> Result<Self, ServiceError> {
        let layout = shape.layout;
        error::check(&layout, group, weights, sessions)?;
        let mut steps = Vec::new();
        let mut slots = vec![SlotInputs::default(); SERVICE_SLOTS];
        for (slot, session) in sessions.iter().enumerate() {
            let (count, mut h) = (session.queries.len(), session.before);
            for (position, query) in session.queries.iter().enumerate() {
                let (step, after) = Step::new(&layout, weights, h, query);
                steps.push(Step {
                    slot: slot as u64,
                    position: position as u64,
                    before: from_core(&session.before),
                    last: position + 1 == count,
                    ..step
                });
                h = after;
            }
            slots[slot] =
                SlotInputs { before: from_core(&session.before), after: from_core(&h), count: Fr::from(count as u64) };
        }
        Ok(Self::from_steps(shape, group, weights, steps, slots))
    }

    /// The witness for any steps, true or false; the blocks after them become a run without end.
    #[doc(hidden)]
    #[must_use]
    pub fn from_steps(
        shape: Shape,
        group: &CommittedGroup,
        weights: &Weights,
        mut steps: Vec<Step>,
        slots: Vec<SlotInputs>,
    ) -> Self {
        let blocks = Blocks::of(&shape.layout);
        let idle = AnsweredQuery { features: vec![], salt: 0.into(), answer: answer(&weights.logits(&[])) };
        let mut h = 0.into();
        for position in 0..blocks.count.saturating_sub(steps.len()) {
            let (step, after) = Step::new(&shape.layout, weights, h, &idle);
            steps.push(Step { position: position as u64, before: Fr::ZERO, ..step });
            h = after;
        }
        let columns = witness::fill(&shape.layout, &blocks, &steps);
        ServiceCircuit {
            config: Config::of(&shape),
            committed: group.columns.clone(),
            columns,
            slots,
            shape,
            forge: None,
        }
    }

    /// The public inputs, from `ctx` and the slots.
    #[must_use]
    pub fn inputs(&self, ctx: Fr) -> Vec<Fr> {
        let mut inputs = vec![Fr::ZERO; service::INPUTS];
        inputs[tribute_core::statement::CTX] = ctx;
        for (i, slot) in self.slots.iter().enumerate() {
            inputs[service::BEFORE + i] = slot.before;
            inputs[service::AFTER + i] = slot.after;
            inputs[service::COUNT + i] = slot.count;
        }
        inputs
    }
}

impl StatementWitness for ServiceCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for ServiceCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let layout = self.shape.layout;
        let blocks = Blocks::of(&layout);
        let table = witness::table(&layout, &self.slots);
        let mut columns = match phase {
            0 => {
                let mut columns = self.columns.clone();
                columns.push(witness::multiplicities(&layout, &blocks, &self.columns, &table));
                columns
            }
            1 => {
                let sigma = challenges[self.config.sums.sigma.index()];
                witness::second_phase(&layout, &self.config.lookup, challenges, sigma, &self.columns, &table)
            }
            _ => {
                let challenges = witness::Challenges {
                    sigma: challenges[self.config.sums.sigma.index()],
                    rho: challenges[self.config.sums.rho.index()],
                    kappa: challenges[self.config.sums.kappa.index()],
                    tau: challenges[self.config.sums.tau.index()],
                };
                witness::third_phase(&layout, &blocks, &self.committed[0].values, &self.columns, &challenges)
            }
        };
        if let Some(forge) = &self.forge {
            forge(phase, &mut columns, challenges);
        }
        columns
    }
}
