//! The witness of `gradient`: link columns from the committed columns, then the random sums phase by phase.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;
use tribute_core::layout::Layout;
use tribute_core::link::{Link, NoShift, Tables, HI_LIMIT};
use tribute_core::numbers::LOGIT_BITS;
use tribute_core::scale::{Scale, HI_SHIFT};
use tribute_core::shape::Shape;
use tribute_core::U256;
use tribute_engine::field::{from_i128, from_u256, to_u256, two_to};

use super::link::{column, columns, remainder_column, remainder_rows, window_indices};
use crate::columns::target_scale;
use crate::gadgets::product::{self, logits, Drawn};

/// Third-phase columns, by position.
pub mod third {
    /// Features under τ; on weight rows the power `τ^j κ^u`.
    pub const XT: usize = 0;
    /// Logits under κ; on weight rows the weights under κ.
    pub const ZK: usize = 1;
    /// Errors under κ.
    pub const EK: usize = 2;
    /// Running check of the logits.
    pub const R: usize = 3;
    /// Running check of the gradient and of its contribution.
    pub const E: usize = 4;
}

/// `N = ⌊⟨−G, W⟩/2^u⌋` of committed columns, and the remainder. Beyond the range of honest values, the result is what a
/// forger would get.
fn contribution(layout: &Layout, committed: &[&[Fr]]) -> (Fr, U256) {
    let (w, g) = (committed[layout.columns() + 1], committed[layout.columns() + 2]);
    let rows = layout.weights_start()..layout.weights_end();
    let inner = -rows.map(|row| w[row] * g[row]).fold(Fr::ZERO, |a, b| a + b);
    let bits = layout.remainder_limbs() as u32 * layout.limb_bits();
    // as an integer, −⟨G, W⟩ + 2^250 is positive
    let lifted = to_u256(&(inner + two_to(250)));
    let remainder = lifted & ((U256::ONE << bits) - 1);
    let n = from_u256(&(lifted >> bits)) - two_to(250 - bits);
    (n, remainder)
}

/// The public input `N` of a witness.
pub(super) fn published(layout: &Layout, committed: &[&[Fr]]) -> Fr {
    contribution(layout, committed).0
}

/// Phase-one columns of the link, and the limbs of the remainder of `N`.
pub(super) fn link_columns(shape: &Shape, committed: &[&[Fr]]) -> Result<Vec<Vec<Fr>>, NoShift> {
    let layout = &shape.layout;
    let link = shape.link.unwrap_or(Link::Squared);
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; columns(link)];
    let mut remainder = contribution(layout, committed).1;
    for row in remainder_rows(layout) {
        out[remainder_column(link)][row] = Fr::from((remainder & ((U256::ONE << layout.limb_bits()) - 1)).as_u64());
        remainder >>= layout.limb_bits();
    }
    let z = logits(layout, committed);
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

/// Logit and probability of a class row, as the gates compute them from the cells.
fn prediction(layout: &Layout, link: Link, columns: &[Vec<Fr>], row: usize) -> (Fr, Fr) {
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
            let z = columns[column::LOGIT][row];
            (z, z * two_to(layout.prob_bits() - LOGIT_BITS))
        }
        Link::Softmax => {
            let (t, p) = exp(0);
            (columns[column::SHIFT][row] - t, p)
        }
        Link::Logistic => {
            let (t, p) = exp(0);
            (exp(1).0 - t, p)
        }
    }
}

/// Third-phase columns, in the order of [`third`]; `committed` is X, Y, W, G.
pub(super) fn third_phase(
    layout: &Layout,
    link: Link,
    committed: &[&[Fr]],
    columns: &[Vec<Fr>],
    drawn: Drawn,
) -> Vec<Vec<Fr>> {
    let (y, w, g) = (committed[layout.columns()], committed[layout.columns() + 1], committed[layout.columns() + 2]);
    let target = target_scale(layout);
    let (start, end, r) = (layout.weights_start(), layout.weights_end(), layout.record_rows());
    let [xt, zk, check] =
        product::third_phase(layout, committed, drawn, |row| prediction(layout, link, columns, row).0);
    let ek =
        product::under_kappa(layout, drawn.kappa, |row| prediction(layout, link, columns, row).1 - target * y[row]);
    let unit = two_to(layout.remainder_limbs() as u32 * layout.limb_bits());
    let mut e = vec![Fr::ZERO; layout.gate_rows()];
    e[0] = -drawn.alpha * published(layout, committed) * unit;
    let remainder = remainder_rows(layout);
    for row in 0..layout.gate_rows() - 1 {
        e[row + 1] = if row < start && row % r == 0 {
            e[row] + y[row] * product::with_bias(layout, drawn.tau, xt[row]) * ek[row]
        } else if (start..end).contains(&row) {
            e[row] - (xt[row] + drawn.alpha * w[row]) * g[row]
        } else if remainder.contains(&row) {
            let weight = two_to((row - remainder.start) as u32 * layout.limb_bits());
            e[row] - drawn.alpha * weight * columns[remainder_column(link)][row]
        } else {
            e[row]
        };
    }
    vec![xt, zk, ek, check, e]
}
