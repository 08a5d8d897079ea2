//! The witness of `evaluation`.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::head::{answer, LossRemainder};
use tribute_core::layout::Layout;
use tribute_core::link::{Link, NoShift};
use tribute_core::U256;
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::{from_i128, from_u256, to_u256, two_to};

use crate::gadgets::argmax::{self, difference_limbs, gap_limbs};
use crate::gadgets::link::{self, prediction, LinkConfig};
use crate::gadgets::product::{self, logits, sigma_sums, Drawn};

/// Fresh phase-0 columns after the limbs, by offset.
pub mod column {
    /// `B_u = Σ_{v ≥ u} b_v`.
    pub const ANSWER: usize = 0;
    /// The answer's logit.
    pub const BEST: usize = 1;
    /// Running sum of a record's losses, from the bottom up.
    pub const LOSSES: usize = 2;
    /// First of the link's columns: see [`crate::gadgets::link::column`].
    pub const LINK: usize = 3;
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

/// Phase-one columns: limbs, B, m, the running sum of losses, the link's. `committed` is X, Y, W.
///
/// # Errors
/// [`NoShift`] if the link's tables do not resolve a record's logits.
pub(super) fn columns(layout: &Layout, link: Link, committed: &[&[Fr]]) -> Result<Vec<Vec<Fr>>, NoShift> {
    let (n_limbs, bits, r) = (difference_limbs(layout), layout.limb_bits(), layout.record_rows());
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; n_limbs + column::LINK];
    let (y, all) = (committed[layout.columns()], logits(layout, committed));
    for (i, z) in all.iter().enumerate() {
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
    let mut of_link = link::link_columns(layout, link, &all)?;
    let losses = losses(layout, link, committed, &of_link);
    let remainder = split(layout, link, total(layout, committed, &losses)).1;
    link::write_remainder(layout, link, &mut of_link, remainder, LossRemainder::of(layout, link).limbs);
    out[n_limbs + column::LOSSES] = losses;
    out.extend(of_link);
    Ok(out)
}

/// The running sum of losses, as the gates compute it from the link's columns.
fn losses(layout: &Layout, link: Link, committed: &[&[Fr]], columns: &[Vec<Fr>]) -> Vec<Fr> {
    let (y, r, c) = (committed[layout.columns()], layout.record_rows(), layout.classes());
    let mut out = vec![Fr::ZERO; layout.gate_rows()];
    for head in (0..layout.weights_start()).step_by(r) {
        for row in (head..=head + c).rev() {
            let own = if row == head { Fr::ZERO } else { prediction(layout, link, columns, row).loss(y[row]) };
            out[row] = own + if row == head + c { Fr::ZERO } else { out[row + 1] };
        }
    }
    out
}

/// `Σ s·S` over the records.
fn total(layout: &Layout, committed: &[&[Fr]], losses: &[Fr]) -> Fr {
    let y = committed[layout.columns()];
    (0..layout.weights_start()).step_by(layout.record_rows()).map(|head| y[head] * losses[head]).sum()
}

/// The published loss and the remainder of `2^pad` times the exact sum.
fn split(layout: &Layout, link: Link, total: Fr) -> (Fr, U256) {
    let split = LossRemainder::of(layout, link);
    let (padded, bits) = (to_u256(&(total * two_to(split.pad))), split.limbs as u32 * layout.limb_bits());
    (from_u256(&(padded >> bits)), padded & ((U256::ONE << bits) - 1))
}

/// The published loss, from the running sum of losses.
pub(super) fn loss(layout: &Layout, link: Link, committed: &[&[Fr]], columns: &[Vec<Fr>]) -> Fr {
    split(layout, link, total(layout, committed, &columns[difference_limbs(layout) + column::LOSSES])).0
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

/// The columns that the lookup reads: the link's, then the limbs.
fn looked_up<'a>(layout: &Layout, columns: &'a [Vec<Fr>]) -> Vec<&'a [Fr]> {
    let limbs = difference_limbs(layout);
    columns[limbs + column::LINK..].iter().chain(&columns[..limbs]).map(Vec::as_slice).collect()
}

pub(super) fn multiplicities(layout: &Layout, link: &LinkConfig, columns: &[Vec<Fr>]) -> Vec<Fr> {
    link.multiplicities(layout, &looked_up(layout, columns))
}

/// The lookup's columns, `a`, `tally`.
pub(super) fn second_phase(
    layout: &Layout,
    link: &LinkConfig,
    challenges: &[Fr],
    sigma: Fr,
    committed: &[&[Fr]],
    columns: &[Vec<Fr>],
) -> Vec<Vec<Fr>> {
    let mut out = link.second_phase(challenges, layout, &looked_up(layout, columns));
    out.push(sigma_sums(layout, committed, sigma));
    let split = LossRemainder::of(layout, link.link());
    let (limbs, square) = (link::remainder_rows(layout, split.limbs), sigma.square());
    let n_limbs = difference_limbs(layout);
    let losses = &columns[n_limbs + column::LOSSES];
    let remainder = &columns[n_limbs + column::LINK + link::remainder_column(link.link())];
    let mut tally = vec![Fr::ZERO; layout.gate_rows()];
    for row in (0..limbs.end).rev() {
        let [s, right] = counted(layout, committed, columns, row).unwrap_or_default();
        tally[row] = tally[row + 1] + s + sigma * right + square * two_to(split.pad) * s * losses[row];
        if limbs.contains(&row) {
            tally[row] -= square * two_to((row - limbs.start) as u32 * layout.limb_bits()) * remainder[row];
        }
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
