//! `sum`: any number of parts; sums that are not.

use std::time::Instant;

use tribute_circuits::columns::{commit_gradient, CommittedGroup, Secret};
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::prove::{Keys, ProveError};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_circuits::sum::SumCircuit;
use tribute_core::head::add;
use tribute_core::layout::{Layout, Task};
use tribute_core::I256;

use crate::harness::{accept, altered, attack_only_gate as attack};

const GATE: &str = "sum: g = Σ g_p";

fn layout() -> Layout {
    Layout::new(10, 4, 7, 3, Task::Classes).unwrap()
}

/// Gradients with entries at both ends of what 2^26 records can give, and their sum.
fn gradients(layout: &Layout, parts: usize) -> (Vec<Vec<I256>>, Vec<I256>) {
    let limit = I256::ONE << 143;
    let parts: Vec<Vec<I256>> = (0..parts)
        .map(|p| {
            (0..layout.weights())
                .map(|j| match (j + p) % 4 {
                    0 => limit - I256::ONE,
                    1 => I256::ONE - limit,
                    2 => I256::ZERO,
                    _ => I256::from((j * 1_000_003 + p) as i64) - 20_000_000,
                })
                .collect()
        })
        .collect();
    let mut sum = vec![I256::ZERO; layout.weights()];
    parts.iter().for_each(|g| add(&mut sum, g));
    (parts, sum)
}

struct World {
    srs: Srs,
    layout: Layout,
    parts: Vec<CommittedGroup>,
    values: Vec<Vec<I256>>,
    sum: Vec<I256>,
}

impl World {
    fn new(layout: Layout, parts: usize) -> Self {
        let srs = Srs::development(layout.k());
        let (values, sum) = gradients(&layout, parts);
        let mut world = World { srs, layout, parts: vec![], values, sum };
        world.parts = world.values.iter().enumerate().map(|(i, g)| world.commit(i, g)).collect();
        world
    }
    fn commit(&self, about: usize, gradient: &[I256]) -> CommittedGroup {
        let secret = Secret::from_bytes([5; 32]);
        commit_gradient(&self.srs, &self.layout, &secret, &[[about as u8; 32]], gradient)
    }
    fn circuit(&self, shape: Shape, sum: &CommittedGroup) -> SumCircuit {
        let parts: Vec<&CommittedGroup> = self.parts.iter().collect();
        SumCircuit::new(shape, sum, &parts)
    }
}

#[test]
fn two_to_eight_gradients() {
    for parts in [2, 3, 7, 8] {
        let w = World::new(layout(), parts);
        let shape = Shape::sum(w.layout, parts);
        let keys = Keys::generate(&w.srs, &shape).unwrap();
        let circuit = w.circuit(shape, &w.commit(99, &w.sum));
        let start = Instant::now();
        let proof = accept(&w.srs, &keys, &circuit, &[Fr::from(5)]);
        println!("{} {} bytes {:?}", keys.shape().name(), proof.bytes.len(), start.elapsed());
        // points: columns, the random polynomial, 2 pieces, 2 openings; scalars: columns, 2 selectors, the random one
        assert_eq!(proof.bytes.len(), 64 * (1 + parts + 1 + 2 + 2) + 32 * (1 + parts + 2 + 1));
    }
}

/// Rows outside the weights' belong to nobody: what stands there changes nothing.
#[test]
fn other_rows_do_not_count() {
    let w = World::new(layout(), 2);
    let shape = Shape::sum(w.layout, 2);
    let keys = Keys::generate(&w.srs, &shape).unwrap();
    let (start, end) = (w.layout.weights_start(), w.layout.weights_end());
    let group = w.commit(99, &w.sum);
    for row in [0, start - 1, end, w.layout.salt_start()] {
        let other = altered(&w.srs, &shape, &group, &[(0, row, Fr::from(77))]);
        accept(&w.srs, &keys, &w.circuit(shape.clone(), &other), &[Fr::from(5)]);
    }
}

#[test]
fn no_circuit_for_one_part_or_nine() {
    let srs = Srs::development(10);
    for parts in [0, 1, 9] {
        let refused = Keys::generate(&srs, &Shape::sum(layout(), parts)).unwrap_err();
        assert!(matches!(&refused, ProveError::Parts { parts: p, .. } if *p == parts), "{refused}");
        assert!(refused.to_string().contains("2 to 8"), "{refused}");
    }
}

/// A sum and the circuits of its keys fit no other number of parts.
#[test]
fn another_number_of_parts_is_another_key() {
    let w = World::new(layout(), 3);
    let (three, two) = (Shape::sum(w.layout, 3), Shape::sum(w.layout, 2));
    assert_ne!(three.digest(), two.digest());
    let circuit = w.circuit(three.clone(), &w.commit(99, &w.sum));
    let keys = Keys::generate(&w.srs, &three).unwrap();
    let proof = accept(&w.srs, &keys, &circuit, &[Fr::from(5)]);
    let other = Keys::generate(&w.srs, &two).unwrap();
    assert!(!tribute_circuits::prove::verify(&w.srs, other.vk(), &proof));
}

fn forged(name: &str, parts: usize, change: impl Fn(&World) -> Vec<I256>) {
    let w = World::new(layout(), parts);
    let (honest, bad) = (w.commit(99, &w.sum), w.commit(98, &change(&w)));
    attack(name, GATE, &w.srs, &Shape::sum(w.layout, parts), |shape, forged| {
        (Box::new(w.circuit(shape, if forged { &bad } else { &honest })), vec![Fr::from(5)])
    });
}

#[test]
fn sum_off_in_the_first_entry() {
    forged("sum_off_in_the_first_entry", 3, |w| {
        let mut g = w.sum.clone();
        g[0] += I256::ONE;
        g
    });
}

#[test]
fn sum_off_in_the_last_entry() {
    forged("sum_off_in_the_last_entry", 8, |w| {
        let mut g = w.sum.clone();
        *g.last_mut().unwrap() -= I256::ONE;
        g
    });
}

#[test]
fn sum_without_a_part() {
    forged("sum_without_a_part", 4, |w| {
        let mut g = w.sum.clone();
        g.iter_mut().zip(&w.values[3]).for_each(|(g, p)| *g -= p);
        g
    });
}

#[test]
fn sum_with_a_part_twice() {
    forged("sum_with_a_part_twice", 2, |w| {
        let mut g = w.sum.clone();
        add(&mut g, &w.values[0]);
        g
    });
}

#[test]
fn sum_of_another_part() {
    // the gradient at other weights, in the place of the last part
    let w = World::new(layout(), 3);
    let honest = w.commit(99, &w.sum);
    let mut at_other_weights = w.values[2].clone();
    at_other_weights[5] += I256::from(1_000_000);
    let other = w.commit(97, &at_other_weights);
    attack("sum_of_another_part", GATE, &w.srs, &Shape::sum(w.layout, 3), |shape, forged| {
        let parts = [&w.parts[0], &w.parts[1], if forged { &other } else { &w.parts[2] }];
        (Box::new(SumCircuit::new(shape, &honest, &parts)), vec![Fr::from(5)])
    });
}
