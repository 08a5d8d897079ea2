//! Attacks on the product check of `gradient`, gate by gate: a false logit or a false gradient, and running sums that
//! hide it where one gate is missing.

use std::sync::{Arc, Mutex};

use tribute_circuits::columns::{commit_gradient, commit_weights, CommittedGroup};
use tribute_circuits::gadgets::link::column;
use tribute_circuits::prove::prove_unchecked;
use tribute_circuits::statements::gradient::{third, GradientCircuit};
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::numbers::LOGIT_BITS;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::{from_i256, two_to};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::gradient::{claim, with_inputs, world};
use crate::harness::{attack, Claim};
use crate::record::{record, Row};
use crate::support::gates::{forging, sheet, Sheet};
use crate::support::keyed::keyed;
use crate::support::{altered, Instance};

pub(crate) const LOGITS: &str = "logit check: r' = σr + α·zk + b on head rows, r − a(α·wk + τ^j) on blocks";
pub(crate) const GRADIENT: &str =
    "gradient check: e' = e + s·b·ek on head rows, e − (τ^j κ^u + α·w)g on weight rows, e − α·2^bi·limb";
const C: usize = 3;
/// Challenges, by index.
const SIGMA: usize = 2;
const KAPPA: usize = 3;
const TAU: usize = 4;

fn layout() -> Layout {
    Layout::new(10, 3, 16, C, Task::Classes).unwrap()
}

/// First row of a record.
fn head(record: usize) -> usize {
    record * layout().record_rows()
}

/// First row of a weight block.
fn block(j: usize) -> usize {
    layout().weights_start() + j * C
}

fn of_phase_three(sheet: &Sheet, n: usize) -> usize {
    sheet.column(2, n)
}

/// The commitment to a gradient that is wrong in its first entry.
fn false_gradient(i: &Instance) -> CommittedGroup {
    let mut g = i.gradient.clone();
    g[0] += I256::ONE;
    commit_gradient(&i.srs, &layout(), &i.secret, &[[1; 32]], &g)
}

/// The commitment to the gradient that follows if a logit of record 2 is too large by 5.
fn false_logit(i: &Instance) -> CommittedGroup {
    let mut g = i.gradient.clone();
    for (j, block) in g.chunks_mut(C).enumerate() {
        let x = if j == 0 { 256 } else { i64::from(i.records.features(2)[j - 1]) };
        block[0] += I256::from(5 * x) << (layout().prob_bits() - LOGIT_BITS);
    }
    commit_gradient(&i.srs, &layout(), &i.secret, &[[2; 32]], &g)
}

/// Forges phase three of a claim with a wrong gradient and, if `logit` is set, the false logit that it follows from.
fn hidden(name: &str, gate: &'static str, logit: bool, edit: impl Fn(&mut Sheet) + Clone + Send + Sync + 'static) {
    let (shape, i) = world(layout(), Link::Squared);
    let bad = if logit { false_logit(&i) } else { false_gradient(&i) };
    attack(name, &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i, &i.g);
        }
        let (mut circuit, inputs) = claim(shape, &i, &bad);
        if logit {
            circuit.columns[column::LOGIT][head(2) + 1] += Fr::from(5);
        }
        let edit = edit.clone();
        circuit.forge = Some(forging(&circuit, &inputs, move |phase, sheet| {
            if phase == 2 {
                edit(sheet);
            }
        }));
        (circuit, inputs)
    });
}

#[test]
fn features_under_another_sum() {
    // two head sums change so that the logit check does not notice: d_3 = −σ·d_2
    hidden("features_under_another_sum", "features under τ: xt = Σ_a τ^a x_a + τ^A·xt'", false, |sheet| {
        let [xt, ek, e, r] = [third::XT, third::EK, third::E, third::R].map(|n| of_phase_three(sheet, n));
        let (sigma, tau) = (sheet.challenges[SIGMA], sheet.challenges[TAU]);
        let open = sheet.run_down(GRADIENT, e);
        let pull = tau * (sheet.advice[ek][head(2)] - sigma * sheet.advice[ek][head(3)]);
        let d = -open * pull.invert().unwrap();
        sheet.advice[xt][head(2)] += d;
        sheet.advice[xt][head(3)] -= sigma * d;
        assert_eq!([sheet.run_down(GRADIENT, e), sheet.run_down(LOGITS, r)], [Fr::ZERO; 2]);
    });
}

#[test]
fn logits_under_another_sum() {
    hidden("logits_under_another_sum", "logits under κ: zk = z + κ·zk'", true, |sheet| {
        let [zk, r] = [third::ZK, third::R].map(|n| of_phase_three(sheet, n));
        sheet.balance(LOGITS, r, (zk, head(2)));
    });
}

#[test]
fn errors_under_another_sum() {
    hidden("errors_under_another_sum", "errors under κ: ek = (p − y) + κ·ek'", false, |sheet| {
        let [ek, e] = [third::EK, third::E].map(|n| of_phase_three(sheet, n));
        sheet.balance(GRADIENT, e, (ek, head(2)));
    });
}

#[test]
fn power_of_a_class_changed() {
    hidden("power_of_a_class_changed", "powers within a block: xt' = κ·xt", false, |sheet| {
        let [xt, e] = [third::XT, third::E].map(|n| of_phase_three(sheet, n));
        sheet.balance(GRADIENT, e, (xt, block(0) + 1));
        sheet.solve("powers within a block: xt' = κ·xt", block(0) + 1, (xt, block(0) + 2));
        sheet.balance(GRADIENT, e, (xt, block(0) + 1));
    });
}

#[test]
fn powers_of_two_blocks_changed() {
    // as for features, the logit check must not notice
    hidden("powers_of_two_blocks_changed", "powers between blocks: xt(c below) = τ·xt", false, |sheet| {
        let [xt, e, r] = [third::XT, third::E, third::R].map(|n| of_phase_three(sheet, n));
        let (kappa, a, g) = (sheet.challenges[KAPPA], sheet.column_from_last(1, 0), sheet.column(0, 5));
        let open = sheet.run_down(GRADIENT, e);
        let under_kappa = |j: usize| (0..C).rev().fold(Fr::ZERO, |s, u| s * kappa + sheet.advice[g][block(j) + u]);
        let ratio = sheet.advice[a][block(1)] * sheet.advice[a][block(2)].invert().unwrap();
        let d = open * (under_kappa(1) - ratio * under_kappa(2)).invert().unwrap();
        for (j, mut d) in [(1, d), (2, -ratio * d)] {
            for u in 0..C {
                sheet.advice[xt][block(j) + u] += d;
                d *= kappa;
            }
        }
        assert_eq!([sheet.run_down(GRADIENT, e), sheet.run_down(LOGITS, r)], [Fr::ZERO; 2]);
    });
}

#[test]
fn logit_check_that_is_none() {
    hidden("logit_check_that_is_none", LOGITS, true, |sheet| {
        let r = of_phase_three(sheet, third::R);
        sheet.advice[r].fill(Fr::ZERO);
    });
}

#[test]
fn logit_check_with_a_head_start() {
    hidden("logit_check_with_a_head_start", "logit check starts and ends at 0", true, |sheet| {
        let r = of_phase_three(sheet, third::R);
        sheet.balance(LOGITS, r, (r, 0));
    });
}

#[test]
fn gradient_check_that_is_none() {
    hidden("gradient_check_that_is_none", GRADIENT, false, |sheet| {
        let e = of_phase_three(sheet, third::E);
        sheet.advice[e][1..].fill(Fr::ZERO);
    });
}

#[test]
fn gradient_check_with_a_head_start() {
    hidden("gradient_check_with_a_head_start", "gradient check starts at −α·2^u·N and ends at 0", false, |sheet| {
        let e = of_phase_three(sheet, third::E);
        sheet.balance(GRADIENT, e, (e, 0));
    });
}

#[test]
fn powers_that_start_at_one_half() {
    // twice the vector a with half the powers: the logits of 2W pass for those of W
    let (shape, i) = world(layout(), Link::Squared);
    let half: Vec<i64> = i.weights.values().iter().map(|w| w / 2).collect();
    let half = Weights::new(16, C, half).unwrap();
    let twice = Weights::new(16, C, half.values().iter().map(|w| w * 2).collect()).unwrap();
    let w = commit_weights(&i.srs, &layout(), &i.secret, &half);
    let commit = |g: &[I256]| commit_gradient(&i.srs, &layout(), &i.secret, &[[4; 32]], g);
    let honest = commit(&gradient(&layout(), Link::Squared, &half, &i.records).unwrap());
    let doubled: Vec<I256> =
        gradient(&layout(), Link::Squared, &twice, &i.records).unwrap().iter().map(|g| *g * I256::from(2)).collect();
    let bad = commit(&doubled);
    let of_twice = commit_weights(&i.srs, &layout(), &i.secret, &twice);
    attack("powers_that_start_at_one_half", &["powers start at 1"], &shape, |shape, forged| {
        if !forged {
            return with_inputs(GradientCircuit::new(shape, &i.xy, &w, &honest).unwrap());
        }
        let logits = GradientCircuit::new(shape.clone(), &i.xy, &of_twice, &bad).unwrap().columns;
        let mut circuit = GradientCircuit::new(shape, &i.xy, &w, &bad).unwrap();
        circuit.columns[column::LOGIT].clone_from(&logits[column::LOGIT]);
        let inputs = circuit.public_inputs(Fr::from(7));
        circuit.forge = Some(forging(&circuit, &inputs, |phase, sheet| {
            if phase == 1 {
                let a = sheet.column_from_last(1, 0);
                sheet.advice[a][..layout().gate_rows()].iter_mut().for_each(|a| *a = a.double());
            }
            if phase == 2 {
                let [xt, e, r] = [third::XT, third::E, third::R].map(|n| of_phase_three(sheet, n));
                let half = two_to(1).invert().unwrap();
                sheet.advice[xt][block(0)..=layout().weights_end()].iter_mut().for_each(|x| *x *= half);
                assert_eq!([sheet.run_down(GRADIENT, e), sheet.run_down(LOGITS, r)], [Fr::ZERO; 2]);
            }
        }));
        (circuit, inputs)
    });
}

/// The challenges of a proof of this claim.
fn challenges_of(circuit: &mut GradientCircuit, inputs: &[Fr]) -> Vec<Fr> {
    let seen: Arc<Mutex<Vec<Fr>>> = Arc::default();
    let recorder = seen.clone();
    circuit.forge = Some(Arc::new(move |phase, _, challenges| {
        if phase == 2 {
            *recorder.lock().unwrap() = challenges.to_vec();
        }
    }));
    let keyed = keyed(&Shape::gradient(layout(), Link::Squared));
    prove_unchecked(keyed.srs, &keyed.keys, circuit, inputs.to_vec()).unwrap();
    circuit.forge = None;
    let seen = seen.lock().unwrap().clone();
    seen
}

/// A forgery that satisfies every gate under the challenges of an earlier proof, so that it would pass if challenges
/// were fixed or known beforehand. It is rejected because the transcript yields different ones.
fn under_other_challenges(name: &str, i: &Instance, forged: Claim<GradientCircuit>, challenges: &[Fr]) {
    let (honest, inputs) = claim(Shape::gradient(layout(), Link::Squared), i, &i.g);
    let keyed = keyed(&Shape::gradient(layout(), Link::Squared));
    keyed.accept(name, &honest, &inputs);
    let (circuit, inputs) = forged;
    assert_eq!(sheet(&circuit, &inputs, challenges).violated(), [], "{name}: under the challenges seen");
    let proof = prove_unchecked(keyed.srs, &keyed.keys, &circuit, inputs).unwrap();
    let (forged_native, forged_evm) = (keyed.native(&proof), keyed.evm(&proof));
    assert!(!forged_native && !forged_evm, "{name}: forgery accepted");
    record(&Row {
        attack: name,
        circuit: "gradient",
        honest: true,
        forged_native,
        forged_evm,
        without_gate: Some(true),
        gate: "the challenges come after what they test",
    });
}

#[test]
fn fixed_challenge() {
    // wrong in three cells, invisibly under the powers of an earlier proof, and with the same contribution: g_0 + 1,
    // g_1 + x, g_2 + y with 1 + κx + κ²y = 0 and w_0 + w_1·x + w_2·y = 0
    let (shape, i) = world(layout(), Link::Squared);
    let (mut circuit, inputs) = claim(shape.clone(), &i, &i.g);
    let challenges = challenges_of(&mut circuit, &inputs);
    let (kappa, w) = (challenges[KAPPA], &i.w.columns[0].values[block(0)..]);
    let y = (w[0] * kappa - w[1]) * (w[1] * kappa.square() - w[2] * kappa).invert().unwrap();
    let x = -(Fr::ONE + kappa.square() * y) * kappa.invert().unwrap();
    assert_eq!(w[0] + w[1] * x + w[2] * y, Fr::ZERO);
    let values = &i.g.columns[0].values;
    let changes = [Fr::ONE, x, y];
    let changed: Vec<_> = (0..C).map(|j| (0, block(0) + j, values[block(0) + j] + changes[j])).collect();
    let forged = claim(shape.clone(), &i, &altered(&shape, &i.g, &changed));
    assert_eq!(forged.1, inputs);
    under_other_challenges("fixed_challenge", &i, forged, &challenges);
}

#[test]
fn vector_committed_late() {
    // a vector `a` chosen after κ, τ and α makes any logits pass; here it is made for the challenges of an earlier
    // proof
    let (shape, i) = world(layout(), Link::Squared);
    let bad = false_logit(&i);
    let (mut circuit, inputs) = claim(shape, &i, &bad);
    circuit.columns[column::LOGIT][head(2) + 1] += Fr::from(5);
    let challenges = challenges_of(&mut circuit, &inputs);
    let mut seen = sheet(&circuit, &inputs, &challenges);
    let (a, r) = (seen.column_from_last(1, 0), of_phase_three(&seen, third::R));
    seen.balance(LOGITS, r, (a, block(1)));
    let late = seen.advice[a][block(1)];
    circuit.forge = Some(forging(&circuit, &inputs, move |phase, sheet| {
        if phase == 1 {
            let a = sheet.column_from_last(1, 0);
            // `a` follows from σ, except for the entry that was chosen late
            sheet.advice[a][block(1)] = late;
        }
        if phase == 2 {
            let r = of_phase_three(sheet, third::R);
            sheet.run_down(LOGITS, r);
        }
    }));
    under_other_challenges("vector_committed_late", &i, (circuit, inputs), &challenges);

    // the order is part of the key: the vector's phase is before κ, τ and α, the running sums' phase after them
    let keyed = keyed(&Shape::gradient(layout(), Link::Squared));
    let cs = keyed.keys.vk().cs();
    let phases = cs.advice_column_phase();
    assert_eq!((phases.iter().filter(|p| **p == 1).count(), phases.iter().filter(|p| **p == 2).count()), (2, 5));
    assert_eq!(cs.challenge_phase(), [0, 0, 0, 1, 1, 1], "β, θ, σ; κ, τ, α");
}

#[test]
fn gradient_beyond_integers() {
    // entries are field elements: one that is not an integer at all is not the gradient either
    let (shape, i) = world(layout(), Link::Squared);
    let half = two_to(1).invert().unwrap();
    let bad = altered(&shape, &i.g, &[(0, block(1), from_i256(&i.gradient[C]) + half)]);
    attack(
        "gradient_beyond_integers",
        &["gradient check starts at −α·2^u·N and ends at 0"],
        &shape,
        |shape, forged| claim(shape, &i, if forged { &bad } else { &i.g }),
    );
}
