//! Native integer functions and circuits agree, on random shapes and at the ends of every range. Each witness is
//! checked against every gate on every row. A committed gradient comes from the native function, so satisfied gates
//! mean equality.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, Secret};
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::{gradient, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::numbers::WEIGHT_LIMIT;
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;

use crate::support::gates::violated;
use crate::support::keyed::{keyed, srs};
use crate::support::{fitted, records, weights};

const NONE: [(String, usize); 0] = [];

fn random(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below
}

fn layout(k: u32, columns: usize, d: usize, c: usize) -> Layout {
    Layout::new(k, columns, d, c, Task::Classes).unwrap()
}

/// Violated gates of the `dataset` circuit for `n` records.
fn dataset(layout: Layout, records: &Records, n: usize) -> Vec<(String, usize)> {
    let shard = commit_records(srs(layout.k()), &layout, &Secret::from_bytes([1; 32]), records).unwrap();
    let circuit = DatasetCircuit::new(Shape::dataset(layout), &shard);
    violated(&circuit, &[Fr::from(7), Fr::from(n as u64)])
}

/// Violated gates of the `gradient` circuit for the native gradient, plus `off` in its last entry.
fn proves_gradient(layout: Layout, link: Link, w: &Weights, records: &Records, off: i64) -> Vec<(String, usize)> {
    let (srs, secret) = (srs(layout.k()), Secret::from_bytes([1; 32]));
    let mut g = gradient(&layout, link, w, records).unwrap();
    *g.last_mut().unwrap() += I256::from(off);
    let xy = commit_records(srs, &layout, &secret, records).unwrap();
    let w = commit_weights(srs, &layout, &secret, w);
    let g = commit_gradient(srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
    let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, &w, &g).unwrap();
    violated(&circuit, &circuit.public_inputs(Fr::from(7)))
}

fn gate(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn names(violated: Vec<(String, usize)>) -> Vec<String> {
    violated.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn shards_and_gradients_of_random_shapes() {
    let mut seed = 11;
    for _ in 0..6 {
        let (columns, d, c) = (1 + random(&mut seed, 9), 1 + random(&mut seed, 40), 2 + random(&mut seed, 6));
        let layout = layout(10, columns, d, c);
        let n = random(&mut seed, layout.capacity() + 1);
        let (records, w) = (records(&layout, n, seed), weights(&layout, seed as i64 % 1000));
        assert_eq!(dataset(layout, &records, n), NONE, "{layout:?}");
        assert_eq!(names(dataset(layout, &records, n + 1)), gate("count is n in row 0, and ends at 0"), "{layout:?}");
        assert_eq!(proves_gradient(layout, Link::Squared, &w, &records, 0), NONE, "{layout:?}");
        assert_eq!(
            names(proves_gradient(layout, Link::Squared, &w, &records, 1)),
            gate("gradient check starts at −α·2^u·N and ends at 0"),
            "{layout:?}"
        );
    }
}

#[test]
fn links_of_random_shapes() {
    let mut seed = 12;
    for link in [Link::Softmax, Link::Logistic] {
        let (columns, d, c) = (1 + random(&mut seed, 9), 1 + random(&mut seed, 40), 2 + random(&mut seed, 9));
        let layout = layout(14, columns, d, c);
        // extremes of the weights' range: logits saturate in both directions
        let (records, w) = (records(&layout, 200, seed), weights(&layout, seed as i64 % 1000));
        assert_eq!(proves_gradient(layout, link, &w, &records, 0), NONE, "{link:?} {layout:?}");
        // ties: all classes equal, every record with the same probability
        let zero = Weights::zero(d, c);
        assert_eq!(proves_gradient(layout, link, &zero, &records, 0), NONE, "{link:?} {layout:?}");
    }
}

#[test]
fn empty_and_full_shards() {
    let l = layout(10, 3, 16, 3);
    let w = Weights::new(16, 3, vec![WEIGHT_LIMIT - 1; 51]).unwrap();
    for n in [0, 1, l.capacity()] {
        let records = records(&l, n, 5);
        assert_eq!(dataset(l, &records, n), NONE, "{n} records");
        assert_eq!(proves_gradient(l, Link::Squared, &w, &records, 0), NONE, "{n} records");
    }
    // every feature at its maximum, every weight at the ends of its range
    let mut largest = Records::new(16);
    (0..l.capacity()).for_each(|i| largest.push(&[255; 16], (i % 3) as u16));
    assert_eq!(dataset(l, &largest, l.capacity()), NONE);
    for limit in [WEIGHT_LIMIT - 1, 1 - WEIGHT_LIMIT] {
        let w = Weights::new(16, 3, vec![limit; 51]).unwrap();
        assert_eq!(proves_gradient(l, Link::Squared, &w, &largest, 0), NONE);
    }
}

#[test]
fn real_targets_at_both_ends() {
    let l = Layout::new(10, 3, 7, 1, Task::Real).unwrap();
    let mut records = Records::new(7);
    for target in [0, 1, 255, 256, u16::MAX] {
        records.push(&[target as u8; 7], target);
    }
    assert_eq!(dataset(l, &records, 5), NONE);
    assert_eq!(proves_gradient(l, Link::Squared, &weights(&l, 1), &records, 0), NONE);
}

#[test]
fn optima_of_several_shapes() {
    // every limb width, one shard and eight, the bias at several scales
    for (k, scale, sizes) in [
        (10, 0, vec![30]),
        (11, 2, vec![9, 8, 7, 9, 8, 7, 9, 8]),
        (12, 1, vec![12, 12]),
        (13, 0, vec![9; 3]),
        (14, 0, vec![20, 20]),
        (15, 4, vec![20]),
    ] {
        let l = layout(k, 2, 9, 2).with_intercept_scale(scale).unwrap();
        let f = fitted(l, &sizes);
        let circuit = f.circuit();
        let inputs = circuit.public_inputs(Fr::from(7));
        assert_eq!(violated(&circuit, &inputs), NONE, "k = {k}");
        // every number is the smallest or the largest that satisfies the gates
        for (input, step) in [(3, -Fr::one()), (4, Fr::one())] {
            let mut other = f.circuit();
            other.inputs[input] += step;
            other.respell();
            let inputs = other.public_inputs(Fr::from(7));
            assert_eq!(names(violated(&other, &inputs)), gate("f starts and ends at 0"), "k = {k}, input {input}");
        }
    }
}

/// Two columns with the same commitment remain two columns for every verifier and for the prover.
#[test]
fn equal_columns_are_two_columns() {
    let l = layout(10, 2, 9, 2);
    // 9 features in 2 columns; even ones equal odd ones, and the ninth feature is zero
    let mut records = Records::new(9);
    for i in 0..20u8 {
        records.push(&[i, i, 7, 7, 255, 255, 0, 0, 0], u16::from(i % 2));
    }
    let secret = Secret::from_bytes([1; 32]);
    let mut xy = commit_records(srs(10), &l, &secret, &records).unwrap();
    xy.columns[1] = xy.columns[0].clone();
    let circuit = DatasetCircuit::new(Shape::dataset(l), &xy);
    keyed(&Shape::dataset(l)).accept("equal columns", &circuit, &[Fr::from(7), Fr::from(20)]);
}
