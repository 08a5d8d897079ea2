//! Attacks on `optimum`: weights, residual, ε and norm.

use std::sync::OnceLock;

use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::head::{epsilon_shift, penalty_shift, Optimum, ResidualLimbs, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::numbers::{NORM_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::shape::Shape;
use tribute_core::statement::optimum as input;
use tribute_core::I256;
use tribute_engine::field::{from_i256, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::{attack, Claim};
use crate::support::gates::{forging, Sheet};
use crate::support::{altered, fitted, Fitted};

const ENDS: &str = "f starts and ends at 0";
const SUM: &str = "f' = f + [g'² + ρw² + pw(ρ²(g − G) + ρ³w)] + [X − (nε)² − (ρ²nλ + ρ³)S_w] − ρ[Y + v²]";
const RANGE: &str = "logUp starts and ends at 0";
/// The row of `S_w` in the column of τ's powers.
const ROW_BOUND: usize = 1;
const W: usize = 0;
const G: usize = 1;

fn layout() -> Layout {
    Layout::new(10, 4, 16, 3, Task::Classes).unwrap()
}

/// First row of the weights.
fn first() -> usize {
    layout().weights_start()
}

/// Three shards.
fn world() -> (Shape, &'static Fitted) {
    static WORLD: OnceLock<Fitted> = OnceLock::new();
    (Shape::optimum(layout()), WORLD.get_or_init(|| fitted(layout(), &[20, 15, 12])))
}

fn claim(circuit: OptimumCircuit) -> Claim<OptimumCircuit> {
    let inputs = circuit.public_inputs(Fr::from(5));
    (circuit, inputs)
}

/// Attacks with what `forge` makes of the honest claim.
fn forged(name: &str, gates: &[&str], forge: impl Fn(&Fitted) -> OptimumCircuit) {
    let (shape, f) = world();
    attack(name, gates, &shape, |_, forged| claim(if forged { forge(f) } else { f.circuit() }));
}

/// Attacks that state other numbers for the same weights and gradients.
fn with_numbers(name: &str, change: impl Fn(&mut Optimum)) {
    forged(name, &[ENDS], |f| {
        let mut numbers = f.numbers.clone();
        change(&mut numbers);
        f.with(&numbers)
    });
}

/// Recomputes squares and norm from residual and weights.
fn restated(numbers: &mut Optimum) {
    let limbs = ResidualLimbs::of(&layout());
    let square = |g: &I256| (*g >> limbs.rounded_bits(&layout())).unsigned_abs().pow(2);
    numbers.residual_square = numbers.residual.iter().map(square).sum();
    numbers.norm = (numbers.weight_square >> (2 * (WEIGHT_BITS - NORM_BITS))).isqrt() as u64;
}

/// Large enough to bound anything. It exceeds the public limit, which only the verifier checks.
const ANY_EPSILON: u64 = 1 << 48;

#[test]
fn epsilon_too_small() {
    with_numbers("epsilon_too_small", |n| n.epsilon -= 1);
}

#[test]
fn norm_too_large() {
    with_numbers("norm_too_large", |n| n.norm += 1);
}

#[test]
fn n_off_by_one() {
    with_numbers("optimum_n_off_by_one", |n| n.n += 1);
}

#[test]
fn lambda_changed() {
    with_numbers("lambda_changed", |n| n.lambda += 1);
}

/// The bound `(nε)² − Q` is negative; an out-of-range limb represents it.
#[test]
fn epsilon_bound_out_of_range() {
    for (name, row) in [("epsilon_bound_out_of_range", ROW_BOUND), ("norm_bound_out_of_range", 2)] {
        forged(name, &[RANGE], |f| {
            let honest = f.circuit();
            let mut numbers = f.numbers.clone();
            if row == ROW_BOUND {
                numbers.epsilon -= 1;
            } else {
                numbers.norm += 1;
            }
            let mut circuit = f.with(&numbers);
            let unit = |e: u64| Fr::from(numbers.n) * Fr::from(e) * two_to(epsilon_shift(&layout()));
            let norm = |v: u64| (Fr::from(v) * two_to(WEIGHT_BITS - NORM_BITS)).square();
            let less = if row == ROW_BOUND {
                unit(f.numbers.epsilon).square() - unit(numbers.epsilon).square()
            } else {
                norm(numbers.norm) - norm(f.numbers.norm)
            };
            for (column, honest) in circuit.columns.iter_mut().zip(&honest.columns) {
                column[row] = honest[row];
            }
            circuit.columns[0][row] -= less;
            circuit
        });
    }
}

/// One unit less in the lowest limb, which is rounded away, and in the lowest limb that is squared.
#[test]
fn residual_off_by_one() {
    let limbs = ResidualLimbs::of(&layout());
    for (name, bits) in [("residual_off_by_one", 0), ("rounded_residual_off_by_one", limbs.rounded_bits(&layout()))] {
        with_numbers(name, |n| {
            n.residual[20] -= I256::ONE << bits;
            n.epsilon += 1;
            restated(n);
        });
    }
}

/// The sum counts a salt of G above the weights as another gradient entry of the first weight.
#[test]
fn salt_of_the_sum_read() {
    with_numbers("salt_of_the_sum_read", |n| {
        n.residual[0] -= I256::from(7);
        n.epsilon += 1;
        restated(n);
    });
    let (shape, f) = world();
    let above = altered(&shape, &f.sum, &[(0, first() - 1, -Fr::from(7))]);
    // salts may be anything, so the honest claim stays true
    let circuit = OptimumCircuit::new(shape.clone(), &f.w, &f.weights, &above, &f.numbers);
    crate::support::keyed::keyed(&shape).accept("salt_of_the_sum_read", &circuit, &circuit.public_inputs(Fr::ONE));
}

/// A norm that counts a salt of W as a weight.
#[test]
fn salt_of_the_weights_read() {
    let (shape, f) = world();
    let large = WEIGHT_LIMIT - 1;
    let salted = altered(&shape, &f.w, &[(0, layout().weights_end(), Fr::from(large as u64))]);
    attack("salt_of_the_weights_read", &[ENDS], &shape, |shape, forged| {
        let mut numbers = f.numbers.clone();
        if forged {
            numbers.weight_square += (large as u128).pow(2);
            restated(&mut numbers);
            assert!(numbers.norm > f.numbers.norm);
        }
        claim(OptimumCircuit::new(shape, &salted, &f.weights, &f.sum, &numbers))
    });
}

/// A residual of zero that is not the sum's, hidden in the sums of τ's powers where one gate is missing.
fn no_residual(name: &str, gate: &str, edit: impl Fn(u8, &mut Sheet) + Clone + Send + Sync + 'static) {
    forged(name, &[gate], |f| {
        let mut numbers = f.numbers.clone();
        numbers.residual.fill(I256::ZERO);
        restated(&mut numbers);
        numbers.epsilon = 0;
        let mut circuit = f.with(&numbers);
        let (_, inputs) = claim(circuit.clone());
        circuit.forge = Some(forging(&circuit, &inputs, edit.clone()));
        circuit
    });
}

/// The columns of τ's powers and of f.
fn sums(sheet: &Sheet) -> [usize; 2] {
    [sheet.column_from_last(1, 0), sheet.column(2, 0)]
}

#[test]
fn powers_that_start_at_zero() {
    no_residual("powers_that_start_at_zero", "powers of τ start at 1", |phase, sheet| {
        if phase == 1 {
            let [pw, _] = sums(sheet);
            sheet.advice[pw][..layout().gate_rows()].fill(Fr::ZERO);
        }
        if phase == 2 {
            let [_, f] = sums(sheet);
            assert_eq!(sheet.run_down(SUM, f), Fr::ZERO);
        }
    });
}

#[test]
fn powers_that_are_none() {
    // the residual is wrong in one entry, whose power is set to 0
    forged("powers_that_are_none", &["powers of τ: pw' = τ·pw"], |f| {
        let mut numbers = f.numbers.clone();
        numbers.residual[20] = I256::ZERO;
        restated(&mut numbers);
        let mut circuit = f.with(&numbers);
        let (_, inputs) = claim(circuit.clone());
        circuit.forge = Some(forging(&circuit, &inputs, |phase, sheet| {
            let row = first() + 20;
            if phase == 1 {
                let [pw, _] = sums(sheet);
                let power = std::mem::take(&mut sheet.advice[pw][row]);
                let w = sheet.advice[sheet.column(0, W)][row];
                sheet.advice[pw][ROW_BOUND] -= power * w;
            }
            if phase == 2 {
                let [_, f] = sums(sheet);
                assert_eq!(sheet.run_down(SUM, f), Fr::ZERO);
            }
        }));
        circuit
    });
}

#[test]
fn sum_that_is_none() {
    no_residual("optimum_sum_that_is_none", SUM, |phase, sheet| {
        if phase == 2 {
            let [_, f] = sums(sheet);
            sheet.advice[f].fill(Fr::ZERO);
        }
    });
}

#[test]
fn sum_with_a_head_start() {
    no_residual("optimum_sum_with_a_head_start", ENDS, |phase, sheet| {
        if phase == 2 {
            let [_, f] = sums(sheet);
            sheet.balance(SUM, f, (f, 0));
        }
    });
}

/// `S_w` of other weights: it compensates for λ in one sum, but is wrong in the other.
#[test]
fn weights_sum_changed() {
    forged("weights_sum_changed", &[ENDS], |f| {
        let mut numbers = f.numbers.clone();
        numbers.lambda *= 2;
        let mut circuit = f.with(&numbers);
        let (_, inputs) = claim(circuit.clone());
        circuit.forge = Some(forging(&circuit, &inputs, |phase, sheet| {
            if phase == 1 {
                let [pw, _] = sums(sheet);
                sheet.advice[pw][ROW_BOUND] *= Fr::from(2).invert().unwrap();
            }
            if phase == 2 {
                let [_, f] = sums(sheet);
                assert_ne!(sheet.run_down(SUM, f), Fr::ZERO, "ρ³(Σ τ^j w_j − S_w)");
            }
        }));
        circuit
    });
}

/// Weights whose first entry is 2^37, correct in everything but the range; `edit` hides it from one gate.
fn too_large(name: &str, gate: &str, edit: impl Fn(&mut OptimumCircuit)) {
    let (shape, f) = world();
    let bad = altered(&shape, &f.w, &[(0, first(), Fr::from(WEIGHT_LIMIT as u64))]);
    let mut values = f.weights.values().to_vec();
    values[0] = WEIGHT_LIMIT - 1;
    let near = Weights::new(16, 3, values.clone()).unwrap();
    values[0] = WEIGHT_LIMIT;
    let mut numbers = f.numbers.clone();
    // a penalty small enough that the residual stays within its range
    numbers.lambda /= 16;
    let scale = I256::from(numbers.n as i64) * I256::from(numbers.lambda as i64);
    for (j, (g, w)) in numbers.residual.iter_mut().zip(&values).enumerate() {
        let sum: I256 = f.gradients.iter().map(|g| g[j]).sum();
        *g = sum + ((scale * I256::from(*w)) << penalty_shift(&layout()));
    }
    numbers.epsilon = ANY_EPSILON;
    numbers.weight_square = values.iter().map(|w| i128::from(*w).pow(2) as u128).sum();
    restated(&mut numbers);
    attack(name, &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(f.circuit());
        }
        let mut circuit = OptimumCircuit::new(shape, &bad, &near, &f.sum, &numbers);
        edit(&mut circuit);
        claim(circuit)
    });
}

/// Limb columns of a weight, and the column of its shifted top limb.
fn weight_limbs(circuit: &OptimumCircuit) -> (std::ops::Range<usize>, usize) {
    let last = circuit.columns.len() - 1;
    (ResidualLimbs::of(&layout()).all..last, last)
}

/// Limbs of 2^37 + 2^37.
fn spell_too_large(circuit: &mut OptimumCircuit) {
    let (limbs, _) = weight_limbs(circuit);
    let (bits, top) = (layout().limb_bits(), limbs.len() as u32 - 1);
    for (n, limb) in limbs.enumerate() {
        circuit.columns[limb][first()] =
            if n as u32 == top { Fr::from(1 << (WEIGHT_BITS + 6 - top * bits)) } else { Fr::ZERO };
    }
}

#[test]
fn weight_out_of_range() {
    too_large("weight_out_of_range", "weight in range: w + 2^37 = Σ limbs", |_| {});
    // a top limb with too many bits, and a shifted limb that hides it
    too_large("weight_with_a_long_top_limb", "weight's top limb is short: limb·2^spare is a limb", |circuit| {
        spell_too_large(circuit);
        let (_, shifted) = weight_limbs(circuit);
        circuit.columns[shifted][first()] = Fr::ZERO;
    });
    // and a shifted limb that shows it
    too_large("weight_with_a_top_limb_out_of_range", RANGE, |circuit| {
        spell_too_large(circuit);
        let (limbs, shifted) = weight_limbs(circuit);
        let spare = limbs.len() as u32 * layout().limb_bits() - (WEIGHT_BITS + 6);
        circuit.columns[shifted][first()] = circuit.columns[limbs.end - 1][first()] * two_to(spare);
    });
}

/// The committed sum is not the one that the residual was computed from: it lacks the third shard.
#[test]
fn residual_of_fewer_shards() {
    forged("residual_of_fewer_shards", &[ENDS], |f| {
        let mut numbers = f.numbers.clone();
        for (g, missing) in numbers.residual.iter_mut().zip(&f.gradients[2]) {
            *g -= *missing;
        }
        numbers.epsilon = ANY_EPSILON;
        restated(&mut numbers);
        f.with(&numbers)
    });
}

/// The sum's column holds field elements; one that is not an integer is not the residual's.
#[test]
fn sum_beyond_integers() {
    let (shape, f) = world();
    let half = Fr::from(2).invert().unwrap();
    let value = f.sum.columns[0].values[first() + 4];
    assert_eq!(value, from_i256(&f.gradients.iter().map(|g| g[4]).fold(I256::ZERO, |a, b| a + b)));
    let bad = altered(&shape, &f.sum, &[(G - 1, first() + 4, value + half)]);
    attack("sum_beyond_integers", &[ENDS], &shape, |shape, forged| {
        let sum = if forged { &bad } else { &f.sum };
        claim(OptimumCircuit::new(shape, &f.w, &f.weights, sum, &f.numbers))
    });
}

#[test]
fn every_public_input_is_held() {
    let (_, f) = world();
    for i in input::N..input::INPUTS {
        let mut other = f.circuit();
        other.inputs[i] += Fr::ONE;
        let (other, inputs) = claim(other);
        let found = crate::support::gates::violated(&other, &inputs);
        assert_eq!(found.iter().map(|(gate, _)| gate.as_str()).collect::<Vec<_>>(), [ENDS], "input {i}");
    }
}
