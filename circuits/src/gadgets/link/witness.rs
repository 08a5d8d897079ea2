//! The witness of the link: its columns from the logits of every record.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;
use tribute_core::layout::Layout;
use tribute_core::link::{Link, NoShift, Tables, HI_LIMIT};
use tribute_core::numbers::LOGIT_BITS;
use tribute_core::scale::{Scale, HI_SHIFT};
use tribute_core::U256;
use tribute_engine::field::{from_i128, from_u256, two_to};

use super::{column, columns, remainder_column, remainder_rows, window_indices};

/// Phase-one columns of the link for the logits `z` of every record slot, without a remainder.
///
/// # Errors
/// [`NoShift`] if the tables do not resolve a record's logits.
pub(crate) fn link_columns(layout: &Layout, link: Link, z: &[Vec<i64>]) -> Result<Vec<Vec<Fr>>, NoShift> {
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; columns(link)];
    let r = layout.record_rows();
    if link == Link::Squared {
        for (i, z) in z.iter().enumerate() {
            for (u, z) in z.iter().enumerate() {
                out[column::LOGIT][i * r + 1 + u] = from_i128(i128::from(*z));
            }
        }
        return Ok(out);
    }
    let tables = Tables::of(layout);
    // absent records all have the same logits; the shift search is the only slow part, so it runs in parallel
    let shifts: Vec<Vec<i64>> = z
        .par_iter()
        .map(|z| match link {
            Link::Softmax => tables.shift(z).map(|l| vec![l]),
            _ => z.iter().map(|z| tables.shift(&[*z, 0])).collect(),
        })
        .collect::<Result<_, _>>()?;
    for (i, (z, shifts)) in z.iter().zip(&shifts).enumerate() {
        let head = i * r;
        let mut sum = U256::ZERO;
        for (u, z) in z.iter().enumerate().rev() {
            let row = head + 1 + u;
            if link == Link::Softmax {
                sum += exp_cells(&tables, &mut out, 0, row, (shifts[0] - z) as u64);
                out[column::SUM][row] = from_u256(&sum);
            } else {
                let l = shifts[u];
                let sum = exp_cells(&tables, &mut out, 0, row, (l - z) as u64)
                    + exp_cells(&tables, &mut out, column::GROUP, row, l as u64);
                window_cells(&tables, link, &mut out, row, sum);
            }
        }
        if link == Link::Softmax {
            window_cells(&tables, link, &mut out, head, sum);
            out[column::SHIFT][head + 1..head + r].fill(from_i128(i128::from(shifts[0])));
        }
    }
    Ok(out)
}

/// Writes `remainder` into the columns of the link, in `limbs` limbs.
pub(crate) fn write_remainder(layout: &Layout, link: Link, columns: &mut [Vec<Fr>], mut remainder: U256, limbs: usize) {
    for row in remainder_rows(layout, limbs) {
        columns[remainder_column(link)][row] = Fr::from((remainder & ((U256::ONE << layout.limb_bits()) - 1)).as_u64());
        remainder >>= layout.limb_bits();
    }
}

/// Writes the limbs of `t` and returns `exp(−t)`.
fn exp_cells(tables: &Tables, out: &mut [Vec<Fr>], first: usize, row: usize, t: u64) -> U256 {
    let limbs = tables.limbs(t);
    for (offset, v) in [
        (column::LOW, u64::from(limbs.low)),
        (column::SHORT, u64::from(limbs.short)),
        (column::MID, u64::from(limbs.mid)),
        (column::HI, u64::from(limbs.hi)),
        (column::TOP, u64::from(limbs.top)),
        (column::T1, tables.t1[limbs.hi as usize]),
        (column::T2, tables.t2[limbs.mid as usize]),
    ] {
        out[first + offset][row] = Fr::from(v);
    }
    tables.exp(t)
}

fn window_cells(tables: &Tables, link: Link, out: &mut [Vec<Fr>], row: usize, sum: U256) {
    let b = tables.scale().limb_bits();
    let mut v = sum + tables.window() - tables.one();
    for index in window_indices(link) {
        out[index][row] = Fr::from((v & ((U256::ONE << b) - 1)).as_u64());
        v >>= b;
    }
}

/// What the gates compute from the cells of a class row.
pub(crate) struct Predicted {
    pub(crate) logit: Fr,
    pub(crate) probability: Fr,
    /// The loss for a target of 0, and the factors of `y` and `y²` that a target `y` adds.
    loss: [Fr; 3],
}

impl Predicted {
    /// The loss for the target `y`.
    pub(crate) fn loss(&self, y: Fr) -> Fr {
        self.loss[0] + y * (self.loss[1] + y * self.loss[2])
    }
}

/// Logit, probability and loss of a class row.
pub(crate) fn prediction(layout: &Layout, link: Link, columns: &[Vec<Fr>], row: usize) -> Predicted {
    let (b, scale) = (layout.limb_bits(), Scale::of(layout.limb_bits()));
    let exp = |group: usize| {
        let at = |i: usize| columns[group * column::GROUP + i][row];
        let coarse = at(column::HI) + at(column::TOP) * Fr::from(HI_LIMIT as u64);
        let fine = at(column::LOW) + at(column::SHORT) * two_to(b);
        let t = fine + at(column::MID) * two_to(scale.mid_shift()) + coarse * two_to(HI_SHIFT);
        let linear = Fr::from(scale.linear_base()) - fine;
        (t, at(column::T1) * at(column::T2) * linear)
    };
    match link {
        Link::Squared => {
            let (logit, one) = (columns[column::LOGIT][row], two_to(LOGIT_BITS));
            let probability = logit * two_to(layout.prob_bits() - LOGIT_BITS);
            Predicted { logit, probability, loss: [logit.square(), -logit.double() * one, one.square()] }
        }
        Link::Softmax => {
            let (t, probability) = exp(0);
            Predicted { logit: columns[column::SHIFT][row] - t, probability, loss: [Fr::ZERO, t, Fr::ZERO] }
        }
        Link::Logistic => {
            let ((of_one, probability), of_zero) = (exp(0), exp(1).0);
            Predicted { logit: of_zero - of_one, probability, loss: [of_zero, of_one - of_zero, Fr::ZERO] }
        }
    }
}
