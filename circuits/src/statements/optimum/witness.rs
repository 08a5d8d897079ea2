//! The witness of `optimum`.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use tribute_core::head::{epsilon_shift, gradient_limit, penalty_shift, Optimum, Weights};
use tribute_core::layout::Layout;
use tribute_core::numbers::{NORM_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::statement::optimum as input;
use tribute_core::U256;
use tribute_engine::field::{from_u256, to_u256, two_to};

use crate::gadgets::logup::{range_table, LogUp, Lookups, Tuple};

use super::rows::{Limbs, ROW_BOUND, ROW_NORM};

pub(super) fn table(layout: &Layout) -> Vec<Tuple> {
    range_table(layout.limb_bits())
}

/// Phase-one columns, all of them limbs, and public inputs (`ctx` left 0).
pub(super) fn phase_one(layout: &Layout, weights: &Weights, numbers: &Optimum) -> (Vec<Vec<Fr>>, Vec<Fr>) {
    let plan = Limbs::of(layout);
    let mut columns = vec![vec![Fr::ZERO; layout.gate_rows()]; plan.columns()];
    for (j, row) in (layout.weights_start()..layout.weights_end()).enumerate() {
        let (residual, rest) = columns.split_at_mut(plan.residual.all);
        write_limbs(residual, row, (numbers.residual[j] + gradient_limit(layout)).as_u256(), plan.bits);
        write_limbs(&mut rest[..plan.weight], row, U256::from((weights.values()[j] + WEIGHT_LIMIT) as u64), plan.bits);
        if plan.spare > 0 {
            rest[plan.weight][row] = rest[plan.weight - 1][row] * two_to(plan.spare);
        }
    }
    let mut inputs = vec![Fr::ZERO; input::INPUTS];
    for (at, v) in [
        (input::N, numbers.n),
        (input::LAMBDA, numbers.lambda),
        (input::EPSILON, numbers.epsilon),
        (input::NORM, numbers.norm),
    ] {
        inputs[at] = Fr::from(v);
    }
    let (q, v) = (from_u256(&numbers.residual_square), from_u256(&U256::from(numbers.weight_square)));
    spell_longs(layout, &mut columns, &inputs, q, v);
    (columns, inputs)
}

/// `(nε)²` at the scale of `Q`, and `v²` at that of `V`.
pub(super) fn squares(layout: &Layout, inputs: &[Fr]) -> [Fr; 2] {
    let n_epsilon = inputs[input::N] * inputs[input::EPSILON] * two_to(epsilon_shift(layout));
    [n_epsilon.square(), inputs[input::NORM].square() * two_to(2 * (WEIGHT_BITS - NORM_BITS))]
}

/// Writes the limbs of `(nε)² − Q` and `V − v²`; a number out of range loses its high bits.
pub(super) fn spell_longs(layout: &Layout, columns: &mut [Vec<Fr>], inputs: &[Fr], q: Fr, v: Fr) {
    let bits = layout.limb_bits();
    let [bound, norm] = squares(layout, inputs);
    for (row, number) in [(ROW_BOUND, bound - q), (ROW_NORM, v - norm)] {
        write_limbs(columns, row, to_u256(&number), bits);
    }
}

fn write_limbs(columns: &mut [Vec<Fr>], row: usize, mut value: U256, bits: u32) {
    let mask = (U256::ONE << bits) - 1;
    for column in columns {
        column[row] = Fr::from((value & mask).as_u64());
        value >>= bits;
    }
}

/// The number that the limbs in some columns represent.
fn spelled(columns: &[Vec<Fr>], row: usize, bits: u32) -> Fr {
    columns.iter().rev().fold(Fr::ZERO, |s, c| s * two_to(bits) + c[row])
}

/// The residual in a weights' row and the part of it that is squared, as the gates compute them from the limbs.
fn residual(layout: &Layout, columns: &[Vec<Fr>], row: usize) -> (Fr, Fr) {
    let plan = Limbs::of(layout);
    let signed = |columns: &[Vec<Fr>]| spelled(columns, row, plan.bits) - two_to(columns.len() as u32 * plan.bits - 1);
    (signed(&columns[..plan.residual.all]), signed(&columns[plan.residual.rounded..plan.residual.all]))
}

/// `Q = Σ g'²` and `V = Σ w²`, computed from the current cells.
pub(super) fn sums_of_squares(layout: &Layout, columns: &[Vec<Fr>], w: &[Fr]) -> [Fr; 2] {
    let rows = || layout.weights_start()..layout.weights_end();
    let q = rows().map(|row| residual(layout, columns, row).1.square()).fold(Fr::ZERO, |a, b| a + b);
    [q, rows().map(|row| w[row].square()).fold(Fr::ZERO, |a, b| a + b)]
}

fn with_lookups<T>(layout: &Layout, columns: &[Vec<Fr>], f: impl FnOnce(&Lookups<'_>) -> T) -> T {
    let weights = layout.weights_start()..layout.weights_end();
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        let active = weights.contains(&row) || row == ROW_BOUND || row == ROW_NORM;
        active.then(|| [columns[input][row], Fr::ZERO, Fr::ZERO])
    };
    f(&Lookups { inputs: Limbs::of(layout).columns(), tuple: &tuple, weight: None })
}

pub(super) fn multiplicities(layout: &Layout, columns: &[Vec<Fr>]) -> Vec<Fr> {
    with_lookups(layout, columns, |l| l.multiplicities(&table(layout), layout.gate_rows() - 1))
}

pub(super) fn lookup_columns(layout: &Layout, lookup: &LogUp, challenges: &[Fr], columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    with_lookups(layout, columns, |l| lookup.second_phase(challenges, &table(layout), l, layout.gate_rows()))
}

/// `pw`: powers of τ on the weights' rows, `S_w = Σ τ^j w_j` in its own row.
pub(super) fn phase_two(layout: &Layout, w: &[Fr], tau: Fr) -> Vec<Fr> {
    let mut pw = vec![Fr::ZERO; layout.gate_rows()];
    let mut power = Fr::ONE;
    for cell in &mut pw[layout.weights_start()..=layout.weights_end()] {
        *cell = power;
        power *= tau;
    }
    let rows = layout.weights_start()..layout.weights_end();
    pw[ROW_BOUND] = rows.map(|row| pw[row] * w[row]).fold(Fr::ZERO, |a, b| a + b);
    pw
}

/// `f`, from the committed columns W and G, the limbs and `pw`.
pub(super) fn phase_three(
    layout: &Layout,
    [w, g]: [&[Fr]; 2],
    columns: &[Vec<Fr>],
    inputs: &[Fr],
    pw: &[Fr],
    rho: Fr,
) -> Vec<Fr> {
    let bits = layout.limb_bits();
    let [bound, norm] = squares(layout, inputs);
    let (square, cube) = (rho.square(), rho.square() * rho);
    let penalty = square * inputs[input::N] * inputs[input::LAMBDA] * two_to(penalty_shift(layout)) + cube;
    let weights = layout.weights_start()..layout.weights_end();
    let mut f = vec![Fr::ZERO; layout.gate_rows()];
    for row in 0..layout.gate_rows() - 1 {
        let step = if weights.contains(&row) {
            let (entry, high) = residual(layout, columns, row);
            high.square() + rho * w[row].square() + pw[row] * (square * (entry - g[row]) + cube * w[row])
        } else if row == ROW_BOUND {
            spelled(columns, row, bits) - bound - penalty * pw[row]
        } else if row == ROW_NORM {
            -rho * (spelled(columns, row, bits) + norm)
        } else {
            Fr::ZERO
        };
        f[row + 1] = f[row] + step;
    }
    f
}
