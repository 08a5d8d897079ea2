//! # Statement
//!
//! For every slot: the slot's `count` answered queries extend the transcript `before` to `after`, receipt by receipt, and
//! every answer is the one that the committed weights give. A receipt is
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
//! Rounds and registers stand beside features and classes: both start on the block's first row. The link row follows the
//! last round; its `state_0` is the new transcript h'. Its registers, in the output columns: `next` (the transcript that
//! the next block starts from), `slot`, `position`, `before`, `last` (1: the run ends here). Row 0 is the link row of a
//! block that is not there, with `last = 1`.
//!
//! # Soundness
//!
//! *Data.* Features are looked up in [0, 256), limbs below `2^b`. Cells beyond `d` are 0: the product check below has powers
//! of τ for them and no `a_j`.
//!
//! *Logits.* On class rows `B_u = Σ_{v ≥ u} b_v` with `b` boolean and `B_0 = 1`: `b` is one-hot, its place the answer.
//! `t_u = Σ_i l_i 2^(b·i) + B_{u+1}` and `z_u = m − t_u`, m the same on all class rows. The product check (σ, then `a`, then
//! κ, τ; as in [`crate::statements::gradient`]) proves `Z = XW` over the field, with `α = τ^(7F + 1)` for F feature rows, above every
//! power of the features; for one class the rows are (0, z), which stands as `κ·w` against `z_0 + κ·z_1` and so forces
//! `z_0 = 0`. With x < 2^8 and |w| < 2^25 (`optimum`), |z| < 2^44 as integers.
//!
//! *Answer.* The limbs of the answer's row are 0 and `B_{answer+1} = 0`: m is the answer's logit. Then `m − z_u − B_{u+1}` is
//! in [0, 2^4b), and as |m − z_u| < 2^45 < r − 2^4b that holds as integers: `z_u ≤ m`, and `z_u < m` for u below the answer
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
//! *Chain.* Within a run (`last = 0` before) h is the h' before, `before` is carried, the position is one more;
//! after the end of a run h is free, `before` is that h, the position 0. Where `last = 1` the tuple
//! `(slot, before, h', position + 1)` is looked up in a table of the public inputs, `(slot, before_slot, after_slot,
//! count_slot)`; its multiplicity m is boolean, so one run ends with a slot, and no block is in two runs. Where m = 0:
//! `count = 0` and `after = before`. Positions stay below the number of blocks. Blocks after the last counted run are a
//! run without end: nobody looks them up.
//!
//! The errors are bounded by (degree)/r, with degrees below 2^23 in the random sums, and below 2^26 in the lookup (at k = 22
//! eight inputs and a table row to each of 2^22 rows) and in PLONK itself.
//!
//! # Not checked
//!
//! That W is in range (`optimum`; the digest ties the proofs together); that transcripts are what clients signed (the
//! contract); the salt, any field element.

mod blocks;
mod errors;
mod gates;
mod witness;

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Challenge, Column, Error, FirstPhase, Fixed, Instance, SecondPhase, ThirdPhase};
use tribute_core::shape::Shape;
use tribute_core::statement::SERVICE_SLOTS;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::gadgets::argument::{select, Forge, Gates};
use crate::gadgets::logup::{Frame, LogUp};
use crate::gadgets::poseidon2::Poseidon2;

pub use blocks::{capacity, Blocks, DATA, ELEMENT_ROWS, LIMBS};
pub use errors::ServiceError;
pub use witness::{AnsweredQuery, SessionBatch, SlotInputs, Step};

/// Degree of the gates, that of the S-boxes.
const DEGREE: usize = 6;
/// As many as this degree allows a lookup's helper.
const INPUTS_PER_HELPER: usize = DEGREE - 2;

/// Tags of the table's parts; rows that hold nothing else are limb 0.
const RANGE: u64 = 0;
const FEATURE: u64 = 1;
const SLOT: u64 = 2;

/// Fresh phase-0 columns, by position in [`ServiceCircuit::columns`].
pub mod column {
    use crate::gadgets::poseidon2;
    /// First of the Poseidon2 columns.
    pub const STATE: usize = 0;
    /// First of the S-box outputs.
    pub const OUTPUT: usize = poseidon2::OUTPUT;
    /// First of the data columns.
    pub const DATA: usize = poseidon2::COLUMNS;
    /// On class rows: `B_u = Σ_{v ≥ u} b_v`.
    pub const ANSWER: usize = DATA + super::LIMBS;
    /// On class rows: the answer's logit.
    pub const BEST: usize = ANSWER + 1;
    /// On link rows: what the next block starts from.
    pub const NEXT: usize = OUTPUT;
    /// On link rows: slot of the run that ends here.
    pub const SLOT: usize = OUTPUT + 1;
    /// On link rows: queries before this one in the run.
    pub const POSITION: usize = OUTPUT + 2;
    /// On link rows: transcript before the run.
    pub const BEFORE: usize = OUTPUT + 3;
    /// On link rows: whether the run ends here.
    pub const LAST: usize = OUTPUT + 4;
    /// Number of columns.
    pub const COUNT: usize = DATA + super::DATA;
}

/// Third-phase columns, by position.
pub mod third {
    /// Features under τ above logits under κ; on weight rows the weights under κ.
    pub const HEAD: usize = 0;
    /// The message as data; on weight rows the power `τ^j`.
    pub const PACK: usize = 1;
    /// The message as absorbed.
    pub const HASH: usize = 2;
    /// Running check of the logits.
    pub const R: usize = 3;
}

/// Rows by their part in the argument.
#[derive(Clone, Copy, Debug)]
struct Rows {
    q_start: Column<Fixed>,
    q_link: Column<Fixed>,
    q_feature: Column<Fixed>,
    q_element: Column<Fixed>,
    q_salt: Column<Fixed>,
    q_class: Column<Fixed>,
    q_w: Column<Fixed>,
    q_w_first: Column<Fixed>,
    q_block: Column<Fixed>,
}

/// Columns and challenges of the random sums; `third` as in the module [`third`].
#[derive(Clone, Copy, Debug)]
struct Sums {
    w: Column<Advice>,
    a: Column<Advice>,
    third: [Column<Advice>; 4],
    sigma: Challenge,
    rho: Challenge,
    kappa: Challenge,
    tau: Challenge,
}

/// Selectors, challenges, the permutation and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    rows: Rows,
    poseidon: Poseidon2,
    lookup: LogUp,
    sums: Sums,
}

/// The `service` circuit with its witness.
#[derive(Clone)]
pub struct ServiceCircuit {
    shape: Shape,
    config: Config,
    committed: Vec<Arc<CommittedColumn>>,
    /// Fresh columns of phase 0 but the multiplicities: see [`column`].
    pub columns: Vec<Vec<Fr>>,
    /// What the public inputs say of each slot; the table holds it.
    pub slots: Vec<SlotInputs>,
    /// Tests only. Phase 0: all fresh columns, the multiplicities last; 1: the lookup's columns, then `a`; 2: see [`third`].
    pub forge: Option<Forge>,
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        // halo2-axiom takes a degree above 5 only where a circuit asks for it
        gates.meta.set_minimum_degree(DEGREE);
        // the committed column first: its point opens the proof
        let w = gates.meta.advice_column_in(FirstPhase);
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let poseidon = Poseidon2::configure(gates);
        let data: [Column<Advice>; DATA] = std::array::from_fn(|_| gates.meta.advice_column_in(FirstPhase));
        let mut fixed = || gates.meta.fixed_column();
        let rows = Rows {
            q_start: fixed(),
            q_link: fixed(),
            q_feature: fixed(),
            q_element: fixed(),
            q_salt: fixed(),
            q_class: fixed(),
            q_w: fixed(),
            q_w_first: fixed(),
            q_block: fixed(),
        };
        let table = vec![fixed(), fixed()];

        gates::answers(gates, frame, rows, &data, layout.limb_bits());
        gates::chain(gates, frame, rows, &poseidon, &Blocks::of(&layout));
        let lookup = gates::lookup(gates, frame, rows, &poseidon, &data, table, instance);

        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let rho = gates.meta.challenge_usable_after(FirstPhase);
        let a = gates.meta.advice_column_in(SecondPhase);
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let third: [Column<Advice>; 4] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));
        let sums = Sums { w, a, third, sigma, rho, kappa, tau };
        gates::sums(gates, frame, rows, &poseidon, &data, &sums, &layout);

        Config { frame, rows, poseidon, lookup, sums }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        let blocks = Blocks::of(&layout);
        if blocks.count == 0 {
            return Err(Error::NotEnoughRowsAvailable { current_k: layout.k() });
        }
        let weights = layout.weights_start()..layout.weights_end();
        let rows = &self.rows;
        self.frame.assign(region, layout.gate_rows());
        for i in 0..blocks.count {
            let start = blocks.start(i);
            self.poseidon.assign(region, start, blocks.permutations);
            select(region, rows.q_start, [start]);
            select(region, rows.q_link, [blocks.link(i)]);
            select(region, rows.q_feature, start..start + blocks.features);
            let elements = (0..blocks.features).filter(|f| blocks.ends_element(*f));
            select(region, rows.q_element, elements.map(|f| start + f));
            select(region, rows.q_salt, [blocks.salt(i)]);
            select(region, rows.q_class, (0..blocks.classes).map(|u| blocks.class(i, u)));
        }
        select(region, rows.q_w, weights.clone());
        select(region, rows.q_w_first, [weights.start]);
        select(region, rows.q_block, weights.clone().step_by(layout.classes()));
        let table = witness::table(&layout, &vec![SlotInputs::default(); SERVICE_SLOTS]);
        self.lookup.assign_table(region, &table, layout.gate_rows());
        Ok(())
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
                let mut columns = witness::with_lookups(&layout, &blocks, &self.columns, |l| {
                    self.config.lookup.second_phase(challenges, &table, l, layout.gate_rows())
                });
                columns.push(witness::sigma_sums(
                    &layout,
                    &blocks,
                    &self.columns,
                    challenges[self.config.sums.sigma.index()],
                ));
                columns
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
