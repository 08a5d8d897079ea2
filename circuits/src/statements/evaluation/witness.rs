//! The witness of `evaluation`.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::head::answer;
use tribute_core::layout::Layout;
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::from_i128;

use crate::gadgets::argmax::{self, difference_limbs, gap_limbs};
use crate::gadgets::logup::{range_table, LogUp, Lookups, Tuple};
use crate::gadgets::product::{self, logits, sigma_sums, Drawn};

/// Fresh phase-0 columns after the limbs, by offset.
pub mod column {
    /// `B_u = Σ_{v ≥ u} b_v`.
    pub const ANSWER: usize = 0;
    /// The answer's logit.
    pub const BEST: usize = 1;
    /// Number of these columns.
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

pub(super) fn values(committed: &[Arc<CommittedColumn>]) -> Vec<&[Fr]> {
    committed.iter().map(|c| c.values.as_slice()).collect()
}

pub(super) fn table(layout: &Layout) -> Vec<Tuple> {
    range_table(layout.limb_bits())
}

/// Phase-one columns: limbs, B, m. `committed` is X, Y, W.
pub(super) fn answers(layout: &Layout, committed: &[&[Fr]]) -> Vec<Vec<Fr>> {
    let (n_limbs, bits, r) = (difference_limbs(layout), layout.limb_bits(), layout.record_rows());
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; n_limbs + column::COUNT];
    let y = committed[layout.columns()];
    for (i, z) in logits(layout, committed).iter().enumerate() {
        let head = i * r;
        let (best, present) = (usize::from(answer(z)), y[head]);
        for (u, logit) in z.iter().enumerate() {
            let row = head + 1 + u;
            if u <= best {
                out[n_limbs + column::ANSWER][row] = present;
            }
            out[n_limbs + column::BEST][row] = from_i128(i128::from(z[best]));
            // in an absent record every B is 0 and ties need no order
            let below_answer = u < best && present != Fr::ZERO;
            let gap = z[best] - logit - i64::from(below_answer);
            for (column, limb) in out.iter_mut().zip(gap_limbs(gap, n_limbs, bits)) {
                column[row] = limb;
            }
        }
    }
    out
}

/// On a head row `s`, on a class row `b_u·y_u`, each in its position of the two sums; `None` on other rows.
fn counted(layout: &Layout, committed: &[&[Fr]], columns: &[Vec<Fr>], row: usize) -> Option<[Fr; 2]> {
    let (y, suffix) = (committed[layout.columns()], &columns[difference_limbs(layout) + column::ANSWER]);
    if row >= layout.weights_start() {
        return None;
    }
    match row % layout.record_rows() {
        0 => Some([y[row], Fr::ZERO]),
        offset if offset <= layout.classes() => Some([Fr::ZERO, (suffix[row] - suffix[row + 1]) * y[row]]),
        _ => None,
    }
}

pub(super) fn counts(layout: &Layout, committed: &[&[Fr]], columns: &[Vec<Fr>]) -> [Fr; 2] {
    let rows = 0..layout.weights_start();
    rows.filter_map(|row| counted(layout, committed, columns, row))
        .fold([Fr::ZERO; 2], |[n, correct], [s, right]| [n + s, correct + right])
}

fn with_lookups<T>(layout: &Layout, columns: &[Vec<Fr>], f: impl FnOnce(&Lookups<'_>) -> T) -> T {
    let (r, c, end) = (layout.record_rows(), layout.classes(), layout.weights_start());
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        (row < end && (1..=c).contains(&(row % r))).then(|| [columns[input][row], Fr::ZERO, Fr::ZERO])
    };
    f(&Lookups { inputs: difference_limbs(layout), tuple: &tuple, weight: None })
}

pub(super) fn multiplicities(layout: &Layout, columns: &[Vec<Fr>]) -> Vec<Fr> {
    with_lookups(layout, columns, |l| l.multiplicities(&table(layout), layout.gate_rows() - 1))
}

/// The lookup's columns, `a`, `tally`.
pub(super) fn second_phase(
    layout: &Layout,
    lookup: &LogUp,
    challenges: &[Fr],
    sigma: Fr,
    committed: &[&[Fr]],
    columns: &[Vec<Fr>],
) -> Vec<Vec<Fr>> {
    let mut out =
        with_lookups(layout, columns, |l| lookup.second_phase(challenges, &table(layout), l, layout.gate_rows()));
    out.push(sigma_sums(layout, committed, sigma));
    let mut tally = vec![Fr::ZERO; layout.gate_rows()];
    for row in (0..layout.weights_start()).rev() {
        let [s, right] = counted(layout, committed, columns, row).unwrap_or_default();
        tally[row] = tally[row + 1] + s + sigma * right;
    }
    out.push(tally);
    out
}

/// Logit of a class row, as the gates compute it from the cells.
fn logit(layout: &Layout, columns: &[Vec<Fr>], row: usize) -> Fr {
    let n = difference_limbs(layout);
    let limbs = columns[..n].iter().map(|limb| limb[row]);
    argmax::logit(limbs, layout.limb_bits(), columns[n + column::BEST][row], columns[n + column::ANSWER][row + 1])
}

/// Third-phase columns, in the order of [`third`].
pub(super) fn third_phase(layout: &Layout, committed: &[&[Fr]], columns: &[Vec<Fr>], drawn: Drawn) -> Vec<Vec<Fr>> {
    product::third_phase(layout, committed, drawn, |row| logit(layout, columns, row)).into()
}
