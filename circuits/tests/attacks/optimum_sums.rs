//! Attacks on `optimum`, gate by gate: false shares, bounds and flags, and sums that hide them where one gate is missing.

use tribute_circuits::statements::optimum::{column, OptimumCircuit, Slot};
use tribute_core::head::{optimum, Optimum};
use tribute_core::numbers::WEIGHT_LIMIT;
use tribute_core::shape::Shape;
use tribute_core::statement::optimum as input;
use tribute_core::{I256, U256};
use tribute_engine::field::{from_i256, from_u256, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::attack;
use crate::optimum::{claim, layout, out_of_range, reshare, with_numbers, world};
use crate::support::gates::{forging, Sheet};
use crate::support::{altered, Fitted};

const SCALARS: &str = "scalars are what the vectors give: f' = f + vectors − scalars";
const T_STARTS: &str = "T starts at nλ·S_w";
const T_GAINS: &str = "T gains active gradients: t' = t + act·S_p";

const TOTALS: usize = 1;
const SLOTS: usize = input::ACTIVE;
const CLOSE: usize = SLOTS + 8;
const LONG: usize = CLOSE + 1;
const LONGS: usize = 18;

/// Columns `s` and `t`: 17 limbs make 6 helpers, and their sum stands before them too.
fn s_t(sheet: &Sheet) -> [usize; 2] {
    [sheet.column(1, 7), sheet.column(1, 8)]
}

/// Columns `pw` and `f`.
fn pw_f(sheet: &Sheet) -> [usize; 2] {
    [sheet.column(2, 0), sheet.column(2, 1)]
}

/// A scalar's column.
fn scalar(circuit: &mut OptimumCircuit, offset: usize) -> &mut Vec<Fr> {
    let first = circuit.columns.len() - column::COUNT;
    &mut circuit.columns[first + offset]
}

/// A dataset's share for this inner product.
fn share(n: &Optimum, inner: I256) -> Fr {
    let d = n.denominator(&layout()).as_i256();
    from_i256(&((inner << 21u32) + d).div_euclid(d << 1u32))
}

/// `⟨−G_p, W⟩`.
fn inner(f: &Fitted, slot: usize) -> I256 {
    f.gradients[slot].iter().zip(f.weights.values()).map(|(g, w)| -*g * I256::from(*w)).sum()
}

/// An attack on the honest world: `forge` builds the circuit, `edit` repairs the later phases.
fn hidden(
    name: &str,
    gate: &'static str,
    forge: impl Fn(Shape, &Fitted) -> OptimumCircuit,
    edit: impl Fn(u8, &mut Sheet) + Clone + Send + Sync + 'static,
) {
    let (shape, f) = world();
    attack(name, &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(f.circuit(shape));
        }
        let (mut circuit, inputs) = claim(forge(shape, f));
        circuit.forge = Some(forging(&circuit, &inputs, edit.clone()));
        (circuit, inputs)
    });
}

/// The first dataset's share, two units too large.
fn large_share(shape: Shape, f: &Fitted) -> OptimumCircuit {
    let mut numbers = f.numbers.clone();
    numbers.shares[0] += 2;
    with_numbers(f, shape, &numbers)
}

#[test]
fn scalars_summed_with_a_head_start() {
    hidden("scalars_with_a_head_start", "f starts at 0", large_share, |phase, sheet| {
        if phase == 2 {
            let [_, f] = pw_f(sheet);
            sheet.balance(SCALARS, f, (f, 0));
        }
    });
}

#[test]
fn scalars_of_other_vectors() {
    hidden("scalars_of_other_vectors", SCALARS, large_share, |phase, sheet| {
        if phase == 2 {
            let [_, f] = pw_f(sheet);
            sheet.advice[f].fill(Fr::ZERO);
        }
    });
}

#[test]
fn power_of_rho_chosen() {
    hidden("power_of_rho_chosen", "powers of ρ: pw' = ρ·pw, or pw' = pw", large_share, |phase, sheet| {
        if phase == 2 {
            let [pw, f] = pw_f(sheet);
            sheet.balance(SCALARS, f, (pw, LONG));
        }
    });
}

/// Eight times the denominator, and an eighth of every share.
fn large_denominator(shape: Shape, f: &Fitted) -> OptimumCircuit {
    let mut numbers = f.numbers.clone();
    let d = numbers.denominator(&layout()).as_i256() << 3u32;
    numbers.shares = numbers.inner.iter().map(|i| ((*i << 21u32) + d).div_euclid(d << 1u32).as_i64()).collect();
    let mut circuit = with_numbers(f, shape, &numbers);
    scalar(&mut circuit, column::DENOMINATOR).iter_mut().for_each(|d| *d *= Fr::from(8));
    circuit.respell();
    circuit
}

#[test]
fn denominator_too_large() {
    hidden("denominator_too_large", "D = nλV", large_denominator, |_, _| ());
}

#[test]
fn denominator_changed_on_the_way() {
    let forge = |shape: Shape, f: &Fitted| {
        let mut circuit = large_denominator(shape, f);
        let d = from_u256(&f.numbers.denominator(&layout()));
        scalar(&mut circuit, column::DENOMINATOR)[TOTALS..SLOTS].fill(d);
        circuit
    };
    hidden("denominator_changed_on_the_way", "D carried: d' = d", forge, |phase, sheet| {
        if phase == 2 {
            let [_, f] = pw_f(sheet);
            assert_eq!(sheet.run_down(SCALARS, f), Fr::ZERO);
        }
    });
}

#[test]
fn penalty_of_another_lambda() {
    // λ is said to be larger than it was in training
    let forge = |shape: Shape, f: &Fitted| {
        let mut numbers = f.numbers.clone();
        numbers.lambda += 1000;
        reshare(&mut numbers);
        with_numbers(f, shape, &numbers)
    };
    hidden("penalty_of_another_lambda", T_STARTS, forge, |phase, sheet| {
        if phase == 1 {
            let [s, t] = s_t(sheet);
            let off = sheet.advice[t][CLOSE] - sheet.advice[s][CLOSE];
            sheet.advice[t][TOTALS..=CLOSE].iter_mut().for_each(|t| *t -= off);
        }
    });
}

#[test]
fn inactive_gradient_counted() {
    let forge = |shape: Shape, f: &Fitted| {
        let mut circuit = f.circuit(shape);
        circuit.inputs[input::ACTIVE + 2] = Fr::ZERO;
        circuit.inputs[input::SHARE + 2] = Fr::ZERO;
        scalar(&mut circuit, column::SECOND)[SLOTS + 2] = Fr::ZERO;
        circuit.respell();
        circuit
    };
    hidden("inactive_gradient_counted", T_GAINS, forge, |phase, sheet| {
        if phase == 1 {
            let [s, t] = s_t(sheet);
            let off = sheet.advice[s][CLOSE] - sheet.advice[t][CLOSE];
            sheet.advice[t][SLOTS + 3..=CLOSE].iter_mut().for_each(|t| *t += off);
        }
    });
}

#[test]
fn joined_twice() {
    // the second shard brings the first one's part twice
    let forge = |shape: Shape, f: &Fitted| {
        let (mut circuit, numbers) = (f.circuit(shape), &f.numbers);
        let parts = [inner(f, 0), inner(f, 1)];
        circuit.inputs[input::JOIN + 1] = Fr::from(2);
        circuit.inputs[input::SHARE] = -share(numbers, parts[0]);
        circuit.inputs[input::SHARE + 1] = share(numbers, parts[1] + parts[0] * I256::from(2));
        scalar(&mut circuit, column::SECOND)[SLOTS + 1] = from_i256(&(parts[1] + parts[0] * I256::from(2)));
        circuit.respell();
        circuit
    };
    hidden("joined_twice", "join is boolean", forge, |_, _| ());
}

#[test]
fn first_slot_joins_thin_air() {
    let forge = |shape: Shape, f: &Fitted| {
        let (mut circuit, numbers) = (f.circuit(shape), &f.numbers);
        let more = numbers.denominator(&layout()).as_i256() * I256::from(7);
        let sums = [inner(f, 0) + more, inner(f, 0) + inner(f, 1) + more];
        circuit.inputs[input::JOIN] = Fr::ONE;
        circuit.inputs[input::SHARE + 1] = share(numbers, sums[1]);
        let column = scalar(&mut circuit, column::SECOND);
        column[SLOTS - 1] = from_i256(&more);
        column[SLOTS] = from_i256(&sums[0]);
        column[SLOTS + 1] = from_i256(&sums[1]);
        circuit.respell();
        circuit
    };
    hidden("first_slot_joins_thin_air", "the first slot joins nothing", forge, |_, _| ());
}

#[test]
fn shards_summed_wrongly() {
    let forge = |shape: Shape, f: &Fitted| {
        let (mut circuit, numbers) = (f.circuit(shape), &f.numbers);
        let sum = inner(f, 0) + inner(f, 1) + numbers.denominator(&layout()).as_i256();
        circuit.inputs[input::SHARE + 1] = share(numbers, sum);
        scalar(&mut circuit, column::SECOND)[SLOTS + 1] = from_i256(&sum);
        circuit.respell();
        circuit
    };
    hidden("shards_summed_wrongly", "shards of a dataset summed: M = act·N + join·M_before", forge, |_, _| ());
}

/// Numbers of a residual that is 0 but for its first `kept` entries.
fn small_residual(f: &Fitted, kept: usize) -> Optimum {
    let mut numbers = f.numbers.clone();
    numbers.residual[kept..].fill(I256::ZERO);
    numbers.residual_square = numbers.residual.iter().map(|g| g.unsigned_abs() * g.unsigned_abs()).sum::<U256>();
    // every ε that bounds what is left
    numbers.epsilon -= 1;
    numbers
}

#[test]
fn residual_under_no_powers() {
    // all powers of τ are 0, and so is every sum under them
    let forge = |shape: Shape, f: &Fitted| with_numbers(f, shape, &small_residual(f, 0));
    hidden("residual_under_no_powers", "powers of τ start at 1", forge, |phase, sheet| {
        if phase == 1 {
            for column in s_t(sheet) {
                sheet.advice[column].fill(Fr::ZERO);
            }
        }
        if phase == 2 {
            let [pw, f] = pw_f(sheet);
            sheet.advice[pw][layout().weights_start()..=layout().weights_end()].fill(Fr::ZERO);
            assert_eq!(sheet.run_down(SCALARS, f), Fr::ZERO);
        }
    });
}

#[test]
fn residual_under_one_power() {
    // only the first entry of every vector counts
    let forge = |shape: Shape, f: &Fitted| with_numbers(f, shape, &small_residual(f, 1));
    hidden("residual_under_one_power", "powers of τ: pw' = τ·pw", forge, |phase, sheet| {
        let (start, end) = (layout().weights_start(), layout().weights_end());
        if phase == 1 {
            let [s, t] = s_t(sheet);
            let residual = sheet.column(0, 9 + 17 + column::RESIDUAL);
            sheet.advice[s][TOTALS] = sheet.advice[0][start];
            for slot in 0..8 {
                sheet.advice[s][SLOTS + slot] = sheet.advice[1 + slot][start];
            }
            sheet.advice[s][CLOSE] = sheet.advice[residual][start];
            total(sheet, t);
        }
        if phase == 2 {
            let [pw, f] = pw_f(sheet);
            sheet.advice[pw][start + 1..=end].fill(Fr::ZERO);
            assert_eq!(sheet.run_down(SCALARS, f), Fr::ZERO);
        }
    });
}

/// Fills `t` as its gates say.
fn total(sheet: &mut Sheet, t: usize) {
    sheet.solve(T_STARTS, TOTALS, (t, TOTALS));
    for row in TOTALS..CLOSE {
        sheet.solve(T_GAINS, row, (t, row + 1));
    }
}

#[test]
fn gradients_counted_twice() {
    // half the powers of ρ: every gradient counts twice, so that the optimum passes for that of twice the λ
    let forge = |shape: Shape, f: &Fitted| {
        let twice = |g: &[I256]| -> Vec<I256> { g.iter().map(|g| *g * I256::from(2)).collect() };
        let doubled: Vec<_> = f.gradients.iter().map(|g| twice(g)).collect();
        let mut datasets = vec![doubled[0].clone(), doubled[2].clone()];
        tribute_core::head::add(&mut datasets[0], &doubled[1]);
        let n = f.numbers.n;
        let numbers = optimum(&layout(), true, &f.weights, &datasets, n, f.numbers.lambda * 2).unwrap();
        let slots: Vec<_> =
            (0..3).map(|p| Slot { group: &f.groups[p], gradient: &doubled[p], joined: f.joined[p] }).collect();
        let mut circuit = OptimumCircuit::new(shape, &f.w, &f.weights, &slots, &f.unused, &numbers);
        let limbs = circuit.columns.len() - column::COUNT;
        // the two long numbers that do not come from slots
        for long in [LONGS - 2, LONGS - 1] {
            let row = LONG + 2 * long;
            let mut carry = 0;
            for cell in (0..limbs).map(|c| (c, row)).chain((0..limbs).map(|c| (c, row + 1))) {
                let limb = tribute_engine::field::to_u256(&circuit.columns[cell.0][cell.1]).as_u64();
                let v = 2 * limb + carry;
                circuit.columns[cell.0][cell.1] = Fr::from(v % 512);
                carry = v / 512;
            }
        }
        circuit
    };
    hidden("gradients_counted_twice", "powers of ρ start at 1", forge, |phase, sheet| {
        if phase == 1 {
            let [s, t] = s_t(sheet);
            sheet.advice[s][SLOTS..CLOSE].iter_mut().for_each(|s| *s = s.double());
            total(sheet, t);
        }
        if phase == 2 {
            let [pw, f] = pw_f(sheet);
            let half = two_to(1).invert().unwrap();
            sheet.advice[pw][SLOTS..=LONG + 2 * LONGS].iter_mut().for_each(|p| *p *= half);
            assert_eq!(sheet.run_down(SCALARS, f), Fr::ZERO);
        }
    });
}

#[test]
fn residual_beyond_integers() {
    // a gradient moved along v ⟂ W by t with 2t⟨g, v⟩ + t²⟨v, v⟩ = 0: sums of squares and inner products stay
    let (shape, f) = world();
    let start = layout().weights_start();
    let [w0, w1] = [0, 1].map(|j| from_i256(&I256::from(f.weights.values()[j])));
    let [g0, g1] = [0, 1].map(|j| from_i256(&f.numbers.residual[j]));
    let v = [w1, -w0];
    let square = (v[0].square() + v[1].square()).invert().unwrap();
    let t = -(g0 * v[0] + g1 * v[1]).double() * square;
    let moved = [t * v[0], t * v[1]];
    let values = &f.groups[0].columns[0].values;
    let bad = altered(
        &shape,
        &f.groups[0],
        &[(0, start, values[start] + moved[0]), (0, start + 1, values[start + 1] + moved[1])],
    );
    attack(
        "residual_beyond_integers",
        &["residual in range: g + 2^(bits − 1) = Σ limbs"],
        &shape,
        |shape, forged| {
            if !forged {
                return claim(f.circuit(shape));
            }
            let slots: Vec<_> = (0..3)
                .map(|p| Slot {
                    group: if p == 0 { &bad } else { &f.groups[p] },
                    gradient: &f.gradients[p],
                    joined: f.joined[p],
                })
                .collect();
            let mut circuit = OptimumCircuit::new(shape, &f.w, &f.weights, &slots, &f.unused, &f.numbers);
            for (j, moved) in moved.iter().enumerate() {
                scalar(&mut circuit, column::RESIDUAL)[start + j] += *moved;
            }
            claim(circuit)
        },
    );
}

#[test]
fn weight_of_27_bits() {
    // the top limb of w + 2^25 has a bit too many, which only its shifted twin would show
    let (shape, f) = world();
    let start = layout().weights_start();
    let bad = altered(&shape, &f.w, &[(0, start, Fr::from(WEIGHT_LIMIT as u64))]);
    let gate = "weight's top limb is short: limb·2^spare is a limb";
    attack("weight_of_27_bits", &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(f.circuit(shape));
        }
        let mut values = f.weights.values().to_vec();
        values[0] = WEIGHT_LIMIT - 1;
        let near = tribute_core::head::Weights::new(16, 3, values).unwrap();
        let mut circuit = out_of_range(f, shape, &bad, &near);
        // 2^26 in limbs of 9 bits, and the twin
        for (limb, v) in [0, 0, 256, 0].into_iter().enumerate() {
            circuit.columns[13 + limb][start] = Fr::from(v);
        }
        claim(circuit)
    });
}
