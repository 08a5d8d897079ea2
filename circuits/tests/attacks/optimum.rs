//! Attacks on `optimum`: the residual, ε, the norm and the shares.

use std::sync::OnceLock;

use tribute_circuits::columns::CommittedGroup;
use tribute_circuits::statements::optimum::{column, OptimumCircuit, Slot};
use tribute_core::head::Optimum;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_core::statement::optimum as input;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::{attack, Claim};
use crate::support::{altered, fitted, Fitted};

const END: &str = "f ends at 0";

pub(crate) fn layout() -> Layout {
    Layout::new(10, 4, 16, 3, Task::Classes).unwrap()
}

/// Three shards, the first two of one dataset.
pub(crate) fn world() -> (Shape, &'static Fitted) {
    static WORLD: OnceLock<Fitted> = OnceLock::new();
    let fitted = WORLD.get_or_init(|| fitted(layout(), true, &[20, 15, 12], &[false, true, false]));
    (Shape::optimum(layout(), true), fitted)
}

pub(crate) fn claim(circuit: OptimumCircuit) -> Claim<OptimumCircuit> {
    let inputs = circuit.public_inputs(Fr::from(5));
    (circuit, inputs)
}

pub(crate) fn with_numbers(f: &Fitted, shape: Shape, numbers: &Optimum) -> OptimumCircuit {
    let slots: Vec<_> = (0..f.groups.len())
        .map(|p| Slot { group: &f.groups[p], gradient: &f.gradients[p], joined: f.joined[p] })
        .collect();
    OptimumCircuit::new(shape, &f.w, &f.weights, &slots, &f.unused, numbers)
}

/// Attacks that state other numbers about the same weights and gradients.
fn with_claim(name: &str, gate: &'static str, change: impl Fn(&mut Optimum)) {
    let (shape, f) = world();
    let mut numbers = f.numbers.clone();
    change(&mut numbers);
    attack(name, &[gate], &shape, |shape, forged| {
        claim(if forged { with_numbers(f, shape, &numbers) } else { f.circuit(shape) })
    });
}

/// The shares that follow from inner products and denominator.
pub(crate) fn reshare(n: &mut Optimum) {
    let d = n.denominator(&layout()).as_i256();
    n.shares = n.inner.iter().map(|i| ((*i << 21u32) + d).div_euclid(d << 1u32).as_i64()).collect();
}

#[test]
fn share_inflated() {
    with_claim("share_inflated", END, |n| n.shares[0] += 2);
}

#[test]
fn negative_share_hidden() {
    // the second dataset's share is reported as 0
    with_claim("negative_share_hidden", END, |n| n.shares[1] = 0);
}

#[test]
fn epsilon_too_small() {
    with_claim("epsilon_too_small", END, |n| n.epsilon -= 1);
}

#[test]
fn norm_too_large() {
    with_claim("norm_too_large", END, |n| n.norm += 1);
}

#[test]
fn n_off_by_one() {
    with_claim("optimum_n_off_by_one", "residual is the sum: T = S_g", |n| {
        n.n += 1;
        reshare(n);
    });
}

#[test]
fn lambda_changed() {
    with_claim("lambda_changed", "residual is the sum: T = S_g", |n| {
        n.lambda += 1;
        reshare(n);
    });
}

#[test]
fn junk_in_an_inactive_slot() {
    // the third gradient counts in the residual although its slot says inactive
    let (shape, f) = world();
    attack("junk_in_an_inactive_slot", &["residual is the sum: T = S_g"], &shape, |shape, forged| {
        let mut circuit = f.circuit(shape);
        if forged {
            circuit.inputs[input::ACTIVE + 2] = Fr::ZERO;
            circuit.inputs[input::SHARE + 2] = Fr::ZERO;
            let first = circuit.columns.len() - column::COUNT;
            let columns = &mut circuit.columns;
            // M of an inactive slot is 0, and its two long numbers are D
            columns[first + column::SECOND][input::ACTIVE + 2] = Fr::ZERO;
            circuit.respell();
        }
        claim(circuit)
    });
}

#[test]
fn active_flag_of_two() {
    let (shape, f) = world();
    attack("active_not_boolean", &["active is boolean"], &shape, |shape, forged| {
        let mut circuit = f.circuit(shape);
        if forged {
            // an unused slot holds zeros, so counting it twice changes no sum
            circuit.inputs[input::ACTIVE + 5] = Fr::from(2);
        }
        claim(circuit)
    });
}

#[test]
fn inactive_slot_joined() {
    // an unused slot poses as another shard of the last dataset
    let (shape, f) = world();
    attack(
        "inactive_slot_joined",
        &["an inactive slot joins nothing: (1 − act)·join = 0"],
        &shape,
        |shape, forged| {
            let mut circuit = f.circuit(shape);
            if forged {
                circuit.inputs[input::JOIN + 3] = Fr::ONE;
                circuit.inputs[input::SHARE + 3] = std::mem::take(&mut circuit.inputs[input::SHARE + 2]);
                let first = circuit.columns.len() - column::COUNT;
                let sums = &mut circuit.columns[first + column::SECOND];
                sums[input::ACTIVE + 3] = sums[input::ACTIVE + 2];
                circuit.respell();
            }
            claim(circuit)
        },
    );
}

#[test]
fn share_published_twice() {
    // the first shard of a dataset of two publishes its dataset's share as well
    let (shape, f) = world();
    attack("share_published_twice", &[END], &shape, |shape, forged| {
        let mut circuit = f.circuit(shape);
        if forged {
            circuit.inputs[input::SHARE] = circuit.inputs[input::SHARE + 1];
            circuit.respell();
        }
        claim(circuit)
    });
}

#[test]
fn weight_out_of_range() {
    let (shape, f) = world();
    let start = layout().weights_start();
    // w_0 := 2^25, with everything that depends on it recomputed by the circuit's own sums
    let bad: CommittedGroup = altered(&shape, &f.w, &[(0, start, Fr::from(1 << 25))]);
    attack("weight_out_of_range", &["weight in range: w + 2^25 = Σ limbs"], &shape, |shape, forged| {
        if !forged {
            return claim(f.circuit(shape));
        }
        let mut values = f.weights.values().to_vec();
        values[0] = (1 << 25) - 1;
        let near = tribute_core::head::Weights::new(16, 3, values).unwrap();
        claim(out_of_range(f, shape, &bad, &near))
    });
}

pub(crate) fn out_of_range(
    f: &Fitted,
    shape: Shape,
    bad: &CommittedGroup,
    near: &tribute_core::head::Weights,
) -> OptimumCircuit {
    use tribute_core::head::{add, penalty_shift};
    use tribute_core::{I256, U256};
    let l = shape.layout;
    let exact = I256::from(1i64 << 25);
    // the numbers of weights near + 1 in the first place
    let mut datasets = [f.gradients[0].clone(), f.gradients[2].clone()];
    add(&mut datasets[0], &f.gradients[1]);
    let mut n = f.numbers.clone();
    let delta = exact - I256::from(f.weights.values()[0]);
    let scale = I256::from(n.n as i64) * I256::from(n.lambda as i64);
    n.residual[0] += (scale * delta) << penalty_shift(&l);
    n.residual_square = n.residual.iter().map(|g| g.unsigned_abs() * g.unsigned_abs()).sum::<U256>();
    n.weight_square = n.weight_square - (f.weights.values()[0] as i128).pow(2) as u128 + (1u128 << 50);
    n.epsilon = 1 << 37; // beyond the public limit, which is the verifier's business
    n.norm = (n.weight_square >> 20).isqrt() as u64;
    n.inner = datasets.iter().zip(&f.numbers.inner).map(|(g, old)| *old - g[0] * delta).collect();
    reshare(&mut n);
    let slots: Vec<_> =
        (0..3).map(|p| Slot { group: &f.groups[p], gradient: &f.gradients[p], joined: f.joined[p] }).collect();
    let mut circuit = OptimumCircuit::new(shape, bad, near, &slots, &f.unused, &n);
    // inner products per slot: near is one short of the forged weight
    let first = circuit.columns.len() - column::COUNT;
    let mut sums = Fr::ZERO;
    for p in 0..3 {
        let g = tribute_engine::field::from_i256(&f.gradients[p][0]);
        let inner = circuit.columns[first + column::FIRST][input::ACTIVE + p] - g;
        circuit.columns[first + column::FIRST][input::ACTIVE + p] = inner;
        sums = inner + if f.joined[p] { sums } else { Fr::ZERO };
        circuit.columns[first + column::SECOND][input::ACTIVE + p] = sums;
    }
    circuit.respell();
    circuit
}
