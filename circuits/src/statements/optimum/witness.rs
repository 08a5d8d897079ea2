//! The witness of `optimum`.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_core::head::{epsilon_shift, penalty_shift, Optimum, Weights};
use tribute_core::layout::Layout;
use tribute_core::numbers::{NORM_BITS, SHARE_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::shape::Shape;
use tribute_core::statement::{optimum as input, OPTIMUM_SLOTS};
use tribute_core::{I256, U256};
use tribute_engine::field::{from_i256, from_u256, to_u256, two_to};

use super::{column, power, Limbs, OptimumCircuit, Slot, LONGS, ROW_CLOSE, ROW_LONG, ROW_SLOTS, ROW_TOTALS};
use crate::gadgets::logup::{range_table, LogUp, Lookups, Tuple};

pub(super) fn table(layout: &Layout) -> Vec<Tuple> {
    range_table(layout.limb_bits())
}

/// Phase-one columns and public inputs (`ctx` left 0).
pub(super) fn phase_one(
    shape: &Shape,
    weights: &Weights,
    slots: &[Slot<'_>],
    numbers: &Optimum,
) -> (Vec<Vec<Fr>>, Vec<Fr>) {
    let layout = &shape.layout;
    let plan = Limbs::of(layout);
    let first = plan.columns();
    let mut columns = vec![vec![Fr::ZERO; layout.gate_rows()]; first + column::COUNT];
    let penalised_from = if shape.reg_bias { 0 } else { layout.classes() };

    let residual_offset = U256::ONE << (plan.residual as u32 * plan.bits - 1);
    for (j, row) in (layout.weights_start()..layout.weights_end()).enumerate() {
        let g = &numbers.residual[j];
        columns[first + column::RESIDUAL][row] = from_i256(g);
        write_limbs(&mut columns[..plan.residual], row, (*g + residual_offset.as_i256()).as_u256(), plan.bits);
        let w = (weights.values()[j] + WEIGHT_LIMIT) as u64;
        write_limbs(&mut columns[plan.residual..plan.residual + plan.weight], row, U256::from(w), plan.bits);
        if plan.spare > 0 {
            let top = columns[plan.residual + plan.weight - 1][row];
            columns[plan.residual + plan.weight][row] = top * two_to(plan.spare);
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
    let mut shares = numbers.shares.iter();
    let mut sums = I256::ZERO;
    for (p, slot) in slots.iter().enumerate() {
        let inner: I256 =
            (penalised_from..layout.weights()).map(|j| -slot.gradient[j] * I256::from(weights.values()[j])).sum();
        sums = inner + if slot.joined { sums } else { I256::ZERO };
        columns[first + column::FIRST][ROW_SLOTS + p] = from_i256(&inner);
        columns[first + column::SECOND][ROW_SLOTS + p] = from_i256(&sums);
        inputs[input::ACTIVE + p] = Fr::ONE;
        inputs[input::JOIN + p] = Fr::from(u64::from(slot.joined));
        if !slots.get(p + 1).is_some_and(|next| next.joined) {
            let share = shares.next().copied().unwrap_or_else(|| unreachable!("a share for every dataset"));
            inputs[input::SHARE + p] = from_i256(&I256::from(share));
        }
    }
    columns[first + column::FIRST][ROW_TOTALS] = Fr::from_u128(numbers.weight_square);
    columns[first + column::SECOND][ROW_TOTALS] = from_u256(&numbers.residual_square);
    let denominator = from_u256(&numbers.denominator(layout));
    columns[first + column::DENOMINATOR][ROW_TOTALS..=ROW_CLOSE].fill(denominator);

    spell_longs(layout, &mut columns, &inputs);
    (columns, inputs)
}

/// Writes the limbs of the long numbers; a number beyond their range loses its top.
pub(super) fn spell_longs(layout: &Layout, columns: &mut [Vec<Fr>], inputs: &[Fr]) {
    let plan = Limbs::of(layout);
    let first = plan.columns();
    for (i, x) in long_numbers(layout, &columns[first..], inputs).iter().enumerate() {
        let row = ROW_LONG + 2 * i;
        write_limbs(&mut columns[..first], row, to_u256(x), plan.bits);
        let high = to_u256(x) >> (first as u32 * plan.bits);
        write_limbs(&mut columns[..plan.second_row()], row + 1, high, plan.bits);
    }
}

/// The numbers that must not be negative, from the scalars and inputs.
fn long_numbers(layout: &Layout, scalars: &[Vec<Fr>], inputs: &[Fr]) -> [Fr; LONGS] {
    let mut out = [Fr::ZERO; LONGS];
    let d = scalars[column::DENOMINATOR][ROW_TOTALS];
    for p in 0..OPTIMUM_SLOTS {
        let after = if p + 1 < OPTIMUM_SLOTS { inputs[input::JOIN + p + 1] } else { Fr::ZERO };
        let miss = (Fr::ONE - after) * scalars[column::SECOND][ROW_SLOTS + p] * two_to(SHARE_BITS + 1)
            - inputs[input::SHARE + p] * d.double();
        out[p] = d + miss;
        out[OPTIMUM_SLOTS + p] = d - miss;
    }
    let bound = inputs[input::N] * inputs[input::EPSILON] * two_to(epsilon_shift(layout));
    out[2 * OPTIMUM_SLOTS] = bound.square() - scalars[column::SECOND][ROW_TOTALS];
    out[2 * OPTIMUM_SLOTS + 1] =
        scalars[column::FIRST][ROW_TOTALS] - inputs[input::NORM].square() * two_to(2 * (WEIGHT_BITS - NORM_BITS));
    out
}

fn write_limbs(columns: &mut [Vec<Fr>], row: usize, mut value: U256, bits: u32) {
    let mask = (U256::ONE << bits) - 1;
    for column in columns {
        column[row] = Fr::from((value & mask).as_u64());
        value >>= bits;
    }
}

fn with_lookups<T>(layout: &Layout, columns: &[Vec<Fr>], f: impl FnOnce(&Lookups<'_>) -> T) -> T {
    let (start, end) = (layout.weights_start(), layout.weights_end());
    let tuple = |input: usize, row: usize| -> Option<Tuple> {
        let active = (start..end).contains(&row) || (ROW_LONG..ROW_LONG + 2 * LONGS).contains(&row);
        active.then(|| [columns[input][row], Fr::ZERO, Fr::ZERO])
    };
    f(&Lookups { inputs: Limbs::of(layout).columns(), tuple: &tuple })
}

pub(super) fn multiplicities(layout: &Layout, columns: &[Vec<Fr>]) -> Vec<Fr> {
    with_lookups(layout, columns, |l| l.multiplicities(&table(layout), layout.gate_rows() - 1))
}

pub(super) fn lookup_columns(layout: &Layout, lookup: &LogUp, challenges: &[Fr], columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    with_lookups(layout, columns, |l| lookup.second_phase(challenges, &table(layout), l, layout.gate_rows()))
}

/// `s` and `t`.
pub(super) fn phase_two(circuit: &OptimumCircuit, tau: Fr) -> Vec<Vec<Fr>> {
    let layout = &circuit.shape.layout;
    let rows = layout.weights_start()..layout.weights_end();
    let penalised_from = if circuit.shape.reg_bias { 0 } else { layout.classes() };
    let under_tau = |values: &[Fr]| values[rows.clone()].iter().rev().fold(Fr::ZERO, |s, v| s * tau + v);
    let mut penalised = circuit.committed[0].values.clone();
    penalised[rows.start..rows.start + penalised_from].fill(Fr::ZERO);

    let mut s = vec![Fr::ZERO; layout.gate_rows()];
    s[ROW_TOTALS] = under_tau(&penalised);
    for p in 0..OPTIMUM_SLOTS {
        s[ROW_SLOTS + p] = under_tau(&circuit.committed[1 + p].values);
    }
    s[ROW_CLOSE] = under_tau(&circuit.columns[Limbs::of(layout).columns() + column::RESIDUAL]);

    let inputs = &circuit.inputs;
    let mut t = vec![Fr::ZERO; layout.gate_rows()];
    let mut total = inputs[input::N] * inputs[input::LAMBDA] * s[ROW_TOTALS] * two_to(penalty_shift(layout));
    for row in ROW_TOTALS..=ROW_CLOSE {
        t[row] = total;
        if (ROW_SLOTS..ROW_CLOSE).contains(&row) {
            total += inputs[row] * s[row];
        }
    }
    vec![s, t]
}

/// `pw` and `f`.
pub(super) fn phase_three(circuit: &OptimumCircuit, tau: Fr, rho: Fr) -> Vec<Vec<Fr>> {
    let layout = &circuit.shape.layout;
    let first = Limbs::of(layout).columns();
    let scalars = &circuit.columns[first..];
    let inputs = &circuit.inputs;
    let s = &phase_two(circuit, tau)[0];
    let p: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(p * rho)).take(power::LONG + LONGS).collect();
    let (start, end) = (layout.weights_start(), layout.weights_end());
    let penalised_from = if circuit.shape.reg_bias { start } else { start + layout.classes() };

    let mut pw = vec![Fr::ZERO; layout.gate_rows()];
    for (i, power) in p[..=OPTIMUM_SLOTS].iter().enumerate() {
        pw[ROW_SLOTS + i] = *power;
    }
    for i in 0..LONGS {
        pw[ROW_LONG + 2 * i] = p[OPTIMUM_SLOTS + i];
        pw[ROW_LONG + 2 * i + 1] = p[OPTIMUM_SLOTS + i];
    }
    pw[ROW_LONG + 2 * LONGS] = p[OPTIMUM_SLOTS + LONGS - 1] * rho;
    let mut power = Fr::ONE;
    for cell in &mut pw[start..=end] {
        *cell = power;
        power *= tau;
    }

    let longs = long_numbers(layout, scalars, inputs);
    let written = written_numbers(layout, &circuit.columns);
    let mut f = vec![Fr::ZERO; layout.gate_rows()];
    let mut sum = Fr::ZERO;
    for row in 0..layout.gate_rows() - 1 {
        let (c1, c2) = (scalars[column::FIRST][row], scalars[column::SECOND][row]);
        if row == ROW_TOTALS {
            sum -= c1 * p[power::V] + c2 * p[power::Q] + s[row] * p[power::S_W];
            sum += longs[LONGS - 2] * p[power::LONG + LONGS - 2] + longs[LONGS - 1] * p[power::LONG + LONGS - 1];
        } else if (ROW_SLOTS..ROW_CLOSE).contains(&row) {
            let i = row - ROW_SLOTS;
            sum -= p[i] * (c1 + s[row] * p[power::S]);
            sum += longs[i] * p[power::LONG + i] + longs[OPTIMUM_SLOTS + i] * p[power::LONG + OPTIMUM_SLOTS + i];
        } else if row == ROW_CLOSE {
            sum -= s[row] * p[power::S_G];
        } else if (ROW_LONG..ROW_LONG + 2 * LONGS).contains(&row) && (row - ROW_LONG).is_multiple_of(2) {
            let i = (row - ROW_LONG) / 2;
            sum -= written[i] * p[power::LONG + i];
        } else if (start..end).contains(&row) {
            let (w, g) = (circuit.committed[0].values[row], scalars[column::RESIDUAL][row]);
            let slots = circuit.committed[1..].iter().rev().fold(Fr::ZERO, |s, c| s * rho + c.values[row]);
            if row >= penalised_from {
                sum += w * (w * p[power::V] - slots + pw[row] * p[power::S_W]);
            }
            sum += g.square() * p[power::Q] + pw[row] * (slots * p[power::S] + g * p[power::S_G]);
        }
        f[row + 1] = sum;
    }
    vec![pw, f]
}

/// The numbers that the limbs spell.
fn written_numbers(layout: &Layout, columns: &[Vec<Fr>]) -> [Fr; LONGS] {
    let plan = Limbs::of(layout);
    let spell = |row: usize, n: usize| columns[..n].iter().rev().fold(Fr::ZERO, |s, c| s * two_to(plan.bits) + c[row]);
    std::array::from_fn(|i| {
        let row = ROW_LONG + 2 * i;
        let high = spell(row + 1, plan.second_row());
        spell(row, plan.columns()) + high * two_to(plan.columns() as u32 * plan.bits)
    })
}
