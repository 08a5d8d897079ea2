//! Attacks on `gradient`: a gradient, weights or records other than the committed ones.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, CommittedGroup, Secret};
use tribute_circuits::gadgets::link::column;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::{attack, Claim};
use crate::support::keyed::keyed;
use crate::support::{altered, instance, Instance};

const A: usize = 3;
const ENDS: &str = "gradient check starts at −α·2^u·N and ends at 0";

/// The product check is the same for every link, and least squares needs no tables.
fn layout() -> Layout {
    Layout::new(10, A, 16, 3, Task::Classes).unwrap()
}

pub(crate) fn world(layout: Layout, link: Link) -> (Shape, Instance) {
    (Shape::gradient(layout, link), instance(layout, link, 12, 4))
}

pub(crate) fn claim(shape: Shape, i: &Instance, g: &CommittedGroup) -> Claim<GradientCircuit> {
    with_inputs(GradientCircuit::new(shape, &i.xy, &i.w, g).unwrap())
}

/// A circuit with the public inputs that follow from its columns.
pub(crate) fn with_inputs(circuit: GradientCircuit) -> Claim<GradientCircuit> {
    let inputs = circuit.public_inputs(Fr::from(7));
    (circuit, inputs)
}

/// Attacks that claim a wrong gradient for the same shard and weights.
fn with_gradient(name: &str, layout: Layout, wrong: impl Fn(&Instance) -> Vec<I256>) {
    let (shape, i) = world(layout, Link::Squared);
    let bad = commit_gradient(&i.srs, &layout, &i.secret, &[[1; 32]], &wrong(&i));
    attack(name, &[ENDS], &shape, |shape, forged| claim(shape, &i, if forged { &bad } else { &i.g }));
}

#[test]
fn forged_product() {
    with_gradient("forged_product", layout(), |i| {
        let mut g = i.gradient.clone();
        g[20] += I256::ONE;
        g
    });
}

#[test]
fn record_dropped() {
    with_gradient("record_dropped", layout(), |i| {
        gradient(&layout(), i.link, &i.weights, &i.records.slice(0..11)).unwrap()
    });
}

#[test]
fn record_slipped_in() {
    with_gradient("record_slipped_in", layout(), |i| {
        let mut more = i.records.clone();
        more.push(&[7; 16], 1);
        gradient(&layout(), i.link, &i.weights, &more).unwrap()
    });
}

#[test]
fn wrong_label() {
    with_gradient("wrong_label", layout(), |i| {
        let mut changed = i.records.slice(0..11);
        changed.push(i.records.features(11), (i.records.target(11) + 1) % 3);
        gradient(&layout(), i.link, &i.weights, &changed).unwrap()
    });
}

#[test]
fn gradient_of_another_link() {
    let layout = Layout::new(14, A, 16, 3, Task::Classes).unwrap();
    with_gradient("g_of_another_link", layout, |i| gradient(&layout, Link::Softmax, &i.weights, &i.records).unwrap());
}

#[test]
fn weights_changed_after_training() {
    // the committed weights differ in one entry from those used to compute the logits
    let (shape, i) = world(layout(), Link::Squared);
    let mut values = i.weights.values().to_vec();
    values[9] += 1;
    let other = Weights::new(16, 3, values).unwrap();
    let bad = commit_weights(&i.srs, &layout(), &i.secret, &other);
    attack("weights_changed_after_training", &["logit check starts and ends at 0"], &shape, |shape, forged| {
        let (honest, inputs) = claim(shape.clone(), &i, &i.g);
        if !forged {
            return (honest, inputs);
        }
        let mut circuit = GradientCircuit::new(shape, &i.xy, &bad, &i.g).unwrap();
        circuit.columns[column::LOGIT].clone_from(&honest.columns[column::LOGIT]);
        with_inputs(circuit)
    });
}

#[test]
fn salt_row_read() {
    // a 13th record hidden among the salts, and a gradient that counts it
    let (shape, i) = world(layout(), Link::Squared);
    let start = layout().salt_start();
    let mut cells = vec![(A, start, Fr::ONE), (A, start + 1, Fr::ONE)];
    cells.extend((0..16).map(|j| (j % A, start + j / A, Fr::from(7))));
    let salted = altered(&shape, &i.xy, &cells);
    let mut more = i.records.clone();
    more.push(&[7; 16], 0);
    let g = gradient(&layout(), Link::Squared, &i.weights, &more).unwrap();
    let bad = commit_gradient(&i.srs, &layout(), &i.secret, &[[3; 32]], &g);
    attack("salt_row_read", &[ENDS], &shape, |shape, forged| {
        let g = if forged { &bad } else { &i.g };
        with_inputs(GradientCircuit::new(shape, &salted, &i.w, g).unwrap())
    });
}

#[test]
fn salts_are_never_read() {
    // the same shard under two secrets has different salts and digests, and both can be proven
    let (shape, i) = world(layout(), Link::Squared);
    let other = Secret::from_bytes([77; 32]);
    let xy = commit_records(&i.srs, &layout(), &other, &i.records).unwrap();
    assert_ne!(xy.digest(), i.xy.digest());
    for xy in [&xy, &i.xy] {
        let circuit = GradientCircuit::new(shape.clone(), xy, &i.w, &i.g).unwrap();
        keyed(&shape).accept("salts_are_never_read", &circuit, &circuit.public_inputs(Fr::ONE));
    }
}
