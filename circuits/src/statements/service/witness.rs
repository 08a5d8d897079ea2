//! The witness of `service`: steps from answered queries, cells from steps, then the random sums phase by phase.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;
use tribute_core::head::Weights;
use tribute_core::layout::Layout;
use tribute_core::receipt;
use tribute_engine::field::{from_core, from_i128, two_to};

use crate::gadgets::argmax::{self, gap_limbs};
use crate::gadgets::logup::{LogUp, Lookups};
use crate::gadgets::poseidon2::{self, sponge_cells};
use crate::gadgets::product::{running_check, sums_under};

use super::blocks::{slot_rows, Blocks, DATA, ELEMENT_ROWS, FEATURE, LIMBS, RANGE, SLOT};

/// Fresh phase-0 columns, by position in [`super::ServiceCircuit::columns`].
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
    /// On link rows: the transcript that the next block starts from.
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

/// A query with its client's salt and the answer it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredQuery {
    /// Quantised features; missing ones, up to the layout's count, are zero.
    pub features: Vec<u8>,
    /// The client's salt.
    pub salt: tribute_core::Fr,
    /// The answer.
    pub answer: u16,
}

/// The queries of one session since its transcript was last claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionBatch {
    /// Transcript before the first query.
    pub before: tribute_core::Fr,
    /// The queries, in order.
    pub queries: Vec<AnsweredQuery>,
}

/// Public inputs of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotInputs {
    /// Transcript before the queries.
    pub before: Fr,
    /// Transcript after the queries.
    pub after: Fr,
    /// Number of queries.
    pub count: Fr,
}

/// The contents of one block.
#[derive(Clone, Debug)]
pub struct Step {
    /// Quantised features.
    pub features: Vec<u16>,
    /// Logits, 40 fractional bits.
    pub logits: Vec<i64>,
    /// The answer.
    pub answer: u16,
    /// The receipt's message: transcript, packed features, salt, answer.
    pub message: Vec<Fr>,
    /// Slot of the run, if the run ends here.
    pub slot: u64,
    /// Number of earlier queries in the run.
    pub position: u64,
    /// Transcript before the run.
    pub before: Fr,
    /// Whether the run ends here.
    pub last: bool,
}

impl Step {
    /// The step of a query, not part of a run yet, and the transcript after it.
    #[must_use]
    pub fn new(
        layout: &Layout,
        weights: &Weights,
        h: tribute_core::Fr,
        query: &AnsweredQuery,
    ) -> (Self, tribute_core::Fr) {
        let message = receipt::message(h, layout.features(), &query.features, query.salt, query.answer);
        let after = receipt::sponge(&message);
        let step = Step {
            features: query.features.iter().map(|q| u16::from(*q)).collect(),
            logits: weights.logits(&query.features),
            answer: query.answer,
            message: message.iter().map(from_core).collect(),
            slot: 0,
            position: 0,
            before: from_core(&h),
            last: false,
        };
        (step, after)
    }
}

/// Phase-one columns of the steps, in the order of [`column`].
pub(super) fn fill(layout: &Layout, blocks: &Blocks, steps: &[Step]) -> Vec<Vec<Fr>> {
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; column::COUNT];
    let cells: Vec<_> = steps
        .par_iter()
        .take(blocks.count)
        .map(|step| (sponge_cells(&step.message), data_cells(layout, blocks, step)))
        .collect();
    for row in [0, layout.gate_rows() - 1] {
        out[column::LAST][row] = Fr::ONE;
    }
    out[column::NEXT][0] = steps.first().map_or(Fr::ZERO, |s| s.message[0]);
    for (i, (((rounds, state), data), step)) in cells.into_iter().zip(steps).enumerate() {
        let (start, link) = (blocks.start(i), blocks.link(i));
        let columns = out.split_at_mut(column::DATA);
        for (offset, line) in rounds.iter().enumerate() {
            columns.0.iter_mut().zip(line).for_each(|(column, v)| column[start + offset] = *v);
        }
        for (offset, line) in data.iter().enumerate() {
            columns.1.iter_mut().zip(line).for_each(|(column, v)| column[start + offset] = *v);
        }
        for (lane, v) in state.iter().enumerate() {
            out[column::STATE + lane][link] = *v;
        }
        out[column::NEXT][link] = steps.get(i + 1).map_or(state[0], |s| s.message[0]);
        out[column::SLOT][link] = Fr::from(step.slot);
        out[column::POSITION][link] = Fr::from(step.position);
        out[column::BEFORE][link] = step.before;
        out[column::LAST][link] = Fr::from(u64::from(step.last));
    }
    out
}

/// Data columns of one block, from its start to the row below the classes.
fn data_cells(layout: &Layout, blocks: &Blocks, step: &Step) -> Vec<[Fr; DATA]> {
    let mut out = vec![[Fr::ZERO; DATA]; blocks.features + blocks.classes + 2];
    for (j, q) in step.features.iter().enumerate() {
        out[j / DATA][j % DATA] = Fr::from(u64::from(*q));
    }
    out[blocks.features][0] = step.message[blocks.message - 2];
    // a single logit decides between two answers; the other one has logit 0
    let logits = if step.logits.len() == 1 { vec![0, step.logits[0]] } else { step.logits.clone() };
    let chosen = usize::from(step.answer);
    let best = logits.get(chosen).copied().unwrap_or_default();
    let bits = layout.limb_bits();
    for (u, z) in logits.iter().enumerate() {
        let line = &mut out[blocks.features + 1 + u];
        let gap = best - z - i64::from(u < chosen);
        line.iter_mut().zip(gap_limbs(gap, LIMBS, bits)).for_each(|(cell, limb)| *cell = limb);
        line[LIMBS] = Fr::from(u64::from(u <= chosen));
    }
    for line in &mut out[blocks.features + 1..] {
        line[LIMBS + 1] = from_i128(i128::from(best));
    }
    out
}

/// A row of the lookup table: tag, value, and for slots before, after, count.
type Tuple = [Fr; 5];

/// The table; slots are in the rows where their `before` is among the public inputs.
pub(super) fn table(layout: &Layout, slots: &[SlotInputs]) -> Vec<Tuple> {
    let plain = |tag: u64, v: u64| [Fr::from(tag), Fr::from(v), Fr::ZERO, Fr::ZERO, Fr::ZERO];
    let mut table: Vec<Tuple> = (0..slot_rows().start).map(|_| plain(RANGE, 0)).collect();
    table.extend(
        slots.iter().enumerate().map(|(i, s)| [Fr::from(SLOT), Fr::from(i as u64), s.before, s.after, s.count]),
    );
    table.extend((0..1u64 << layout.limb_bits()).map(|v| plain(RANGE, v)));
    table.extend((0..256).map(|v| plain(FEATURE, v)));
    table
}

/// What a row's data columns contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Idle,
    Feature,
    Class,
}

fn with_lookups<T>(layout: &Layout, blocks: &Blocks, columns: &[Vec<Fr>], f: impl FnOnce(&Lookups<'_, 5>) -> T) -> T {
    let mut kinds = vec![(Kind::Idle, false); layout.gate_rows()];
    for i in 0..blocks.count {
        kinds[blocks.start(i)..blocks.salt(i)].iter_mut().for_each(|k| k.0 = Kind::Feature);
        kinds[blocks.class(i, 0)..=blocks.class(i, blocks.classes - 1)].iter_mut().for_each(|k| k.0 = Kind::Class);
        kinds[blocks.link(i)].1 = true;
    }
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        let (kind, link) = kinds[row];
        if input == DATA {
            let active = link && columns[column::LAST][row] != Fr::ZERO;
            let position = columns[column::POSITION][row] + Fr::ONE;
            let slot = columns[column::SLOT][row];
            let (before, after) = (columns[column::BEFORE][row], columns[column::STATE][row]);
            return active.then_some([Fr::from(SLOT), slot, before, after, position]);
        }
        let tag = match kind {
            Kind::Feature => FEATURE,
            Kind::Class if input < LIMBS => RANGE,
            _ => return None,
        };
        Some([Fr::from(tag), columns[column::DATA + input][row], Fr::ZERO, Fr::ZERO, Fr::ZERO])
    };
    f(&Lookups { inputs: DATA + 1, tuple: &tuple, weight: None })
}

pub(super) fn multiplicities(layout: &Layout, blocks: &Blocks, columns: &[Vec<Fr>], table: &[Tuple]) -> Vec<Fr> {
    with_lookups(layout, blocks, columns, |l| l.multiplicities(table, layout.gate_rows() - 1))
}

/// `a_j = Σ_i σ^(m−1−i) x_ij` at the first row of weight block j (block 0 the bias).
fn sigma_sums(layout: &Layout, blocks: &Blocks, columns: &[Vec<Fr>], sigma: Fr) -> Vec<Fr> {
    let x = |i: usize, j: usize| columns[column::DATA + j % DATA][blocks.start(i) + j / DATA];
    sums_under(layout, sigma, blocks.count, x)
}

/// Challenges of phases two and three.
pub(super) struct Challenges {
    pub(super) sigma: Fr,
    pub(super) rho: Fr,
    pub(super) kappa: Fr,
    pub(super) tau: Fr,
}

/// The factor of the sum below in `pack`: inside an element `2^56`; at its end, besides ρ, what undoes the shifts of a
/// full element's rows; on the salt row, what corrects for a shorter last element.
pub(super) fn pack_factors(blocks: &Blocks) -> [Fr; 3] {
    let row = two_to(8 * DATA as u32);
    let undo = row.invert().unwrap_or(Fr::ZERO).pow_vartime([ELEMENT_ROWS as u64 - 1]);
    let missing = (ELEMENT_ROWS - blocks.features % ELEMENT_ROWS) % ELEMENT_ROWS;
    [row, undo, row.pow_vartime([missing as u64])]
}

/// `head` and `pack` of a block's data rows from the bottom up, `hash` of its rounds.
fn block_sums(
    layout: &Layout,
    blocks: &Blocks,
    columns: &[Vec<Fr>],
    i: usize,
    c: &Challenges,
) -> (Vec<[Fr; 2]>, Vec<Fr>) {
    let start = blocks.start(i);
    let data = |v: usize, row: usize| columns[column::DATA + v][row];
    let [inner, end, salt] = pack_factors(blocks);
    let mut below = [Fr::ZERO; 2];
    let mut sums = vec![below; blocks.features + 1 + blocks.classes];
    for (offset, sum) in sums.iter_mut().enumerate().rev() {
        let row = start + offset;
        let fold = |base: Fr, first: Fr| (0..DATA).rev().fold(first, |s, v| s * base + data(v, row));
        below = if offset > blocks.features {
            let limbs = (0..LIMBS).map(|v| data(v, row));
            let z = argmax::logit(limbs, layout.limb_bits(), data(LIMBS + 1, row), data(LIMBS, row + 1));
            [z + c.kappa * below[0], data(LIMBS, row) + below[1]]
        } else if offset == blocks.features {
            [below[0], salt * (data(0, row) + c.rho * (below[1] - Fr::ONE))]
        } else {
            let shift = if blocks.ends_element(offset) { end * c.rho } else { inner };
            [fold(c.tau, below[0]), fold(Fr::from(256), Fr::ZERO) + shift * below[1]]
        };
        *sum = below;
    }
    let rounds: Vec<Vec<Fr>> = (0..=blocks.permutations * poseidon2::ROWS)
        .map(|offset| columns[..poseidon2::COLUMNS].iter().map(|column| column[start + offset]).collect())
        .collect();
    (sums, poseidon2::absorbed_sums(&rounds, c.rho))
}

/// Third-phase columns, in the order of [`third`].
pub(super) fn third_phase(
    layout: &Layout,
    blocks: &Blocks,
    w: &[Fr],
    columns: &[Vec<Fr>],
    c: &Challenges,
) -> Vec<Vec<Fr>> {
    let rows = layout.gate_rows();
    let (start, end, classes) = (layout.weights_start(), layout.weights_end(), layout.classes());
    let mut out = vec![vec![Fr::ZERO; rows]; 4];
    let sums: Vec<_> = (0..blocks.count).into_par_iter().map(|i| block_sums(layout, blocks, columns, i, c)).collect();
    let mut starts = vec![false; rows];
    for (i, (data, hash)) in sums.into_iter().enumerate() {
        let first = blocks.start(i);
        starts[first] = true;
        for (offset, [head, pack]) in data.into_iter().enumerate() {
            out[third::HEAD][first + offset] = head;
            out[third::PACK][first + offset] = pack;
        }
        out[third::HASH][first..first + hash.len()].copy_from_slice(&hash);
    }
    let mut power = Fr::ONE;
    for block in (start..end).step_by(classes) {
        out[third::PACK][block..block + classes].fill(power);
        power *= c.tau;
        let mut sum = Fr::ZERO;
        for row in (block..block + classes).rev() {
            sum = w[row] + c.kappa * sum;
            out[third::HEAD][row] = sum;
        }
    }
    let a = sigma_sums(layout, blocks, columns, c.sigma);
    let alpha = c.tau.pow_vartime([(blocks.features * DATA + 1) as u64]) * if classes == 1 { c.kappa } else { Fr::ONE };
    let bias = Fr::from(layout.bias_feature() as u64);
    let (head, pack) = (&out[third::HEAD], &out[third::PACK]);
    let step = |row: usize| starts[row].then(|| bias + c.tau * head[row]);
    out[third::R] = running_check(layout, c.sigma, &a, step, |row| alpha * head[row] + pack[row]);
    out
}

/// The lookup's columns, then `a`.
pub(super) fn second_phase(
    layout: &Layout,
    lookup: &LogUp,
    challenges: &[Fr],
    sigma: Fr,
    columns: &[Vec<Fr>],
    table: &[Tuple],
) -> Vec<Vec<Fr>> {
    let blocks = Blocks::of(layout);
    let mut out =
        with_lookups(layout, &blocks, columns, |l| lookup.second_phase(challenges, table, l, layout.gate_rows()));
    out.push(sigma_sums(layout, &blocks, columns, sigma));
    out
}
