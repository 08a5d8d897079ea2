//! Attacks on `sum`: a sum that is not that of its parts. The circuit has one gate, and without it there is nothing to
//! prove in, so no forgery can be tried there.

use tribute_circuits::circuit::constraint_system;
use tribute_circuits::columns::CommittedGroup;
use tribute_circuits::prove::prove_unchecked;
use tribute_circuits::statements::sum::SumCircuit;
use tribute_core::head::add;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;

use crate::harness::Claim;
use crate::list::SUM_GATE;
use crate::record::{record, Row};
use crate::support::gates::violated;
use crate::support::keyed::{keyed, keyed_without};
use crate::support::sums::{layout, Parts};

/// The honest claim is accepted, the forged one refused, and what it violates is the only gate.
fn refused(name: &str, shape: &Shape, make: impl Fn(bool) -> Claim<SumCircuit>) {
    let keyed = keyed(shape);
    let (honest, inputs) = make(false);
    keyed.accept(name, &honest, &inputs);
    let (forged, inputs) = make(true);
    let proof = prove_unchecked(keyed.srs, &keyed.keys, &forged, inputs.clone()).unwrap();
    let (forged_native, forged_evm) = (keyed.native(&proof), keyed.evm(&proof));
    assert!(!forged_native && !forged_evm, "{name}: forgery accepted");
    let found: Vec<String> = violated(&forged, &inputs).into_iter().map(|(gate, _)| gate).collect();
    assert_eq!(found, [SUM_GATE], "{name}: the gates that refuse it");
    record(&Row {
        attack: name,
        circuit: shape.statement.name(),
        honest: true,
        forged_native,
        forged_evm,
        without_gate: None,
        gate: SUM_GATE,
    });
}

/// Without the gate the quotient is the zero polynomial, whose commitment cannot stand in a proof.
#[test]
fn one_gate_and_no_proof_without_it() {
    let w = Parts::new(layout(), 3);
    let names: Vec<_> = constraint_system(&w.shape()).gates().iter().map(|g| g.name().to_owned()).collect();
    assert_eq!(names, [SUM_GATE]);
    let honest = w.circuit(w.shape(), &w.commit(99, &w.sum));
    let keys = &keyed_without(&w.shape(), &[SUM_GATE]).keys;
    let refused = prove_unchecked(w.srs, keys, &honest, vec![Fr::from(5)]);
    assert!(refused.is_err(), "nothing is left to prove");
}

/// Another sum of the same parts.
fn another(name: &str, parts: usize, change: impl Fn(&Parts) -> Vec<I256>) {
    let w = Parts::new(layout(), parts);
    let (honest, bad) = (w.commit(99, &w.sum), w.commit(98, &change(&w)));
    refused(name, &w.shape(), |forged| (w.circuit(w.shape(), if forged { &bad } else { &honest }), vec![Fr::from(5)]));
}

#[test]
fn sum_off_in_the_first_entry() {
    another("sum_off_in_the_first_entry", 3, |w| {
        let mut g = w.sum.clone();
        g[0] += I256::ONE;
        g
    });
}

#[test]
fn sum_off_in_the_last_entry() {
    another("sum_off_in_the_last_entry", 8, |w| {
        let mut g = w.sum.clone();
        *g.last_mut().unwrap() -= I256::ONE;
        g
    });
}

#[test]
fn sum_without_a_part() {
    another("sum_without_a_part", 4, |w| {
        let mut g = w.sum.clone();
        g.iter_mut().zip(&w.values[3]).for_each(|(g, p)| *g -= p);
        g
    });
}

#[test]
fn sum_with_a_part_twice() {
    another("sum_with_a_part_twice", 2, |w| {
        let mut g = w.sum.clone();
        add(&mut g, &w.values[0]);
        g
    });
}

#[test]
fn sum_of_another_part() {
    // the gradient at other weights, in the place of the last part
    let w = Parts::new(layout(), 3);
    let honest = w.commit(99, &w.sum);
    let mut at_other_weights = w.values[2].clone();
    at_other_weights[5] += I256::from(1_000_000);
    let other = w.commit(97, &at_other_weights);
    refused("sum_of_another_part", &w.shape(), |forged| {
        let parts: [&CommittedGroup; 3] = [&w.groups[0], &w.groups[1], if forged { &other } else { &w.groups[2] }];
        (SumCircuit::new(w.shape(), &honest, &parts), vec![Fr::from(5)])
    });
}
