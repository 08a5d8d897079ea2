//! The witness of `gradient`: link columns from the committed columns, then the random sums phase by phase.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;
use tribute_core::layout::Layout;
use tribute_core::link::{Link, NoShift, Tables, HI_LIMIT, HI_SHIFT};
use tribute_core::numbers::{BIAS_FEATURE, LOGIT_BITS};

use super::link::{column, columns, window_indices};
use crate::columns::target_scale;
use crate::field::{from_i128, two_to};
use crate::shape::Shape;

/// Challenges of phases two and three.
pub(super) struct Challenges {
    pub(super) sigma: Fr,
    pub(super) kappa: Fr,
    pub(super) tau: Fr,
    pub(super) alpha: Fr,
}

/// A small signed integer from a committed cell.
fn signed(x: &Fr) -> i64 {
    let low = |x: &Fr| {
        let repr: [u8; 32] = x.to_repr();
        repr[8..].iter().all(|b| *b == 0).then(|| u64::from_le_bytes(repr[..8].try_into().unwrap_or_default()) as i64)
    };
    low(x).or_else(|| low(&-x).map(|v| -v)).unwrap_or(0)
}

/// Logits of every record slot, row-major `[capacity][c]`; `committed` is X, Y, W.
pub(crate) fn logits(layout: &Layout, committed: &[&[Fr]]) -> Vec<Vec<i64>> {
    let (a, c, r) = (layout.columns(), layout.classes(), layout.record_rows());
    let w: Vec<i64> = committed[a + 1][layout.weights_start()..layout.weights_end()].iter().map(signed).collect();
    (0..layout.capacity())
        .into_par_iter()
        .map(|i| {
            let mut z: Vec<i64> = w[..c].iter().map(|w| BIAS_FEATURE * w).collect();
            for j in 0..layout.features() {
                let x = &committed[j % a][i * r + j / a];
                if !bool::from(x.is_zero()) {
                    let x = signed(x);
                    for (z, w) in z.iter_mut().zip(&w[(j + 1) * c..]) {
                        *z += x * w;
                    }
                }
            }
            z
        })
        .collect()
}

/// Phase-one columns of the link.
pub(super) fn link_columns(shape: &Shape, committed: &[&[Fr]]) -> Result<Vec<Vec<Fr>>, NoShift> {
    let layout = &shape.layout;
    let link = shape.link.unwrap_or(Link::Squared);
    let mut out = vec![vec![Fr::ZERO; layout.gate_rows()]; columns(link)];
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
        let mut sum = 0u128;
        for (u, z) in z.iter().enumerate().rev() {
            let row = head + 1 + u;
            if link == Link::Softmax {
                sum += exp_cells(&tables, &mut out, 0, row, (shifts[0] - z) as u64);
                out[column::SUM][row] = Fr::from_u128(sum);
            } else {
                let l = shifts[u];
                let sum = exp_cells(&tables, &mut out, 0, row, (l - z) as u64)
                    + exp_cells(&tables, &mut out, column::GROUP, row, l as u64);
                window_cells(&tables, link, &mut out, row, sum);
            }
        }
        if link == Link::Softmax {
            out[column::SUM][head] = Fr::from_u128(sum);
            window_cells(&tables, link, &mut out, head, sum);
            out[column::SHIFT][head..head + r].fill(from_i128(i128::from(shifts[0])));
        }
    }
    Ok(out)
}

/// Writes the limbs of `t` and returns `exp(−t)`.
fn exp_cells(tables: &Tables, out: &mut [Vec<Fr>], first: usize, row: usize, t: u64) -> u128 {
    let limbs = tables.limbs(t);
    for (offset, v) in [
        (column::LOW, u64::from(limbs.low)),
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

fn window_cells(tables: &Tables, link: Link, out: &mut [Vec<Fr>], row: usize, sum: u128) {
    let b = tables.limb_bits();
    let mut v = sum + tables.window() - (1u128 << tables.prob_bits());
    for index in window_indices(link) {
        out[index][row] = Fr::from((v & ((1 << b) - 1)) as u64);
        v >>= b;
    }
}

/// `a_j = Σ_i σ^(m−1−i) x_ij` at the first row of block j (block 0 the bias), over all record slots.
pub(crate) fn sigma_sums(layout: &Layout, committed: &[&[Fr]], sigma: Fr) -> Vec<Fr> {
    let (a, r, m) = (layout.columns(), layout.record_rows(), layout.capacity());
    let block = |j: usize| -> Fr {
        if j == 0 {
            return (0..m).fold(Fr::ZERO, |s, _| s * sigma + Fr::from(BIAS_FEATURE as u64));
        }
        let column = &committed[(j - 1) % a];
        (0..m).fold(Fr::ZERO, |s, i| s * sigma + column[i * r + (j - 1) / a])
    };
    let sums: Vec<Fr> = (0..=layout.features()).into_par_iter().map(block).collect();
    let mut out = vec![Fr::ZERO; layout.gate_rows()];
    for (j, s) in sums.into_iter().enumerate() {
        out[layout.weights_start() + j * layout.classes()] = s;
    }
    out
}

/// Logit and probability of a class row, as the gates compute them from the cells.
fn prediction(layout: &Layout, link: Link, columns: &[Vec<Fr>], row: usize) -> (Fr, Fr) {
    let b = layout.limb_bits();
    let exp = |group: usize| {
        let at = |i: usize| columns[group * column::GROUP + i][row];
        let coarse = at(column::HI) + at(column::TOP) * Fr::from(HI_LIMIT as u64);
        let t = at(column::LOW) + at(column::MID) * two_to(b) + coarse * two_to(HI_SHIFT);
        let linear = two_to(LOGIT_BITS) + two_to(b - 1) - at(column::LOW);
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

/// Third-phase columns, in the order of [`super::third`].
pub(super) fn third_phase(
    layout: &Layout,
    link: Link,
    committed: &[&[Fr]],
    columns: &[Vec<Fr>],
    challenges: &Challenges,
) -> Vec<Vec<Fr>> {
    let Challenges { sigma, kappa, tau, alpha } = *challenges;
    let a = sigma_sums(layout, committed, sigma);
    let rows = layout.gate_rows();
    let (width, c, r, m) = (layout.columns(), layout.classes(), layout.record_rows(), layout.capacity());
    let (y, w, g) = (committed[width], committed[width + 1], committed[width + 2]);
    let target = target_scale(layout);
    let (start, end) = (layout.weights_start(), layout.weights_end());

    // record rows: [xt, zk, ek] from the bottom up
    let records: Vec<Vec<[Fr; 3]>> = (0..m)
        .into_par_iter()
        .map(|i| {
            let mut below = [Fr::ZERO; 3];
            let mut lines = vec![below; r];
            for offset in (0..r).rev() {
                let row = i * r + offset;
                below[0] = committed[..width].iter().rev().fold(below[0], |s, x| s * tau + x[row]);
                if (1..=c).contains(&offset) {
                    let (z, p) = prediction(layout, link, columns, row);
                    below[1] = z + kappa * below[1];
                    below[2] = p - target * y[row] + kappa * below[2];
                }
                lines[offset] = below;
            }
            lines
        })
        .collect();
    let mut out = vec![vec![Fr::ZERO; rows]; 5];
    for (i, lines) in records.iter().enumerate() {
        for (offset, values) in lines.iter().enumerate() {
            for (column, v) in out.iter_mut().zip(values) {
                column[i * r + offset] = *v;
            }
        }
    }
    // weight rows: powers, and weights under κ
    let mut power_of_block = Fr::ONE;
    for block in (start..end).step_by(c) {
        let mut power = power_of_block;
        for cell in &mut out[super::third::XT][block..block + c] {
            *cell = power;
            power *= kappa;
        }
        power_of_block *= tau;
        let mut sum = Fr::ZERO;
        for row in (block..block + c).rev() {
            sum = w[row] + kappa * sum;
            out[super::third::ZK][row] = sum;
        }
    }
    out[super::third::XT][end] = power_of_block;
    // running checks
    let bias = Fr::from(BIAS_FEATURE as u64);
    let (mut logit_check, mut gradient_check) = (Fr::ZERO, Fr::ZERO);
    for row in 0..rows - 1 {
        if row < start && row % r == 0 {
            let b = bias + tau * out[super::third::XT][row];
            logit_check = sigma * logit_check + alpha * out[super::third::ZK][row] + b;
            gradient_check += y[row] * b * out[super::third::EK][row];
        } else if (start..end).contains(&row) {
            let power = out[super::third::XT][row];
            if (row - start) % c == 0 {
                logit_check -= a[row] * (alpha * out[super::third::ZK][row] + power);
            }
            gradient_check -= power * g[row];
        }
        out[super::third::R][row + 1] = logit_check;
        out[super::third::E][row + 1] = gradient_check;
    }
    out
}
