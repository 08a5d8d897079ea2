//! Any shape: the circuits prove exactly what tribute-core's integer functions compute, and not one unit more.

use proptest::prelude::*;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, Secret};
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::{prove, prove_unchecked};
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::{answer, contribution, gradient, loss, HeadError};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::from_i128;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;
use tribute_engine::srs::Srs;

use crate::support::{records, try_fitted, weights};

fn proven(srs: &Srs, witness: &dyn StatementWitness, inputs: &[Fr]) {
    let keys = Keys::generate(srs, witness.shape()).unwrap();
    let proof = prove(srs, &keys, witness, inputs.to_vec()).unwrap();
    let mut other = proof;
    if let Some(last) = other.inputs.last_mut() {
        *last += Fr::from(1);
    }
    assert!(!verify(srs, keys.vk(), &other));
}

/// Dataset, gradient and, for classes, accuracy of `n` varied records, under weights over the whole range.
fn integers_are_proven(layout: Layout, link: Link, n: usize, seed: u64, entry: usize) {
    let srs = Srs::development(layout.k());
    let secret = Secret::from_bytes([seed as u8; 32]);
    let n = n.min(layout.capacity());
    let (records, weights) = (records(&layout, n, seed), weights(&layout, seed as i64));
    let xy = commit_records(&srs, &layout, &secret, &records).unwrap();
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let circuit = DatasetCircuit::new(Shape::dataset(layout), &xy);
    proven(&srs, &circuit, &[Fr::from(7), Fr::from(n as u64)]);

    let shape = Shape::gradient(layout, link);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let mut g = gradient(&layout, link, &weights, &records).unwrap();
    for right in [true, false] {
        if !right {
            g[entry % layout.weights()] += I256::ONE;
        }
        let group = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
        let circuit = GradientCircuit::new(shape.clone(), &xy, &w, &group).unwrap();
        let inputs = circuit.public_inputs(Fr::from(7));
        let n = contribution(&layout, &weights, &g);
        assert_eq!(inputs[tribute_core::statement::gradient::CONTRIBUTION], from_i128(n));
        let proof = prove_unchecked(&srs, &keys, &circuit, inputs).unwrap();
        assert_eq!(verify(&srs, keys.vk(), &proof), right, "{}", shape.name());
        let mut other = proof;
        other.inputs[tribute_core::statement::gradient::CONTRIBUTION] -= Fr::from(1);
        assert!(!verify(&srs, keys.vk(), &other), "{}: another contribution", shape.name());
    }

    if layout.task() == Task::Classes {
        let correct = records.iter().filter(|(q, y)| answer(&weights.logits(q)) == *y).count() as u64;
        let circuit = EvaluationCircuit::new(Shape::evaluation(layout, link), &xy, &w).unwrap();
        let loss = loss(&layout, link, &weights, &records).unwrap();
        proven(&srs, &circuit, &[Fr::from(7), Fr::from(n as u64), Fr::from(correct), Fr::from(loss)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn squared_over_any_shape(
        k in 10u32..12, a in 1usize..12, d in 1usize..48, c in 2usize..9, n in 0usize..30, seed in 1u64..200, entry: usize,
        scale in 0u32..=4,
    ) {
        let layout = Layout::new(k, a, d, c, Task::Classes).unwrap().with_intercept_scale(scale).unwrap();
        integers_are_proven(layout, Link::Squared, n, seed, entry);
    }

    #[test]
    fn regression_over_any_shape(
        k in 10u32..12, a in 1usize..12, d in 1usize..48, n in 0usize..30, seed in 1u64..200, entry: usize,
    ) {
        integers_are_proven(Layout::new(k, a, d, 1, Task::Real).unwrap(), Link::Squared, n, seed, entry);
    }

    #[test]
    fn optimum_over_any_shape(
        k in 10u32..13, a in 1usize..12, d in 1usize..12, c in 2usize..5, scale in 0u32..3,
        sizes in prop::collection::vec(1usize..12, 1..=8),
    ) {
        let layout = Layout::new(k, a, d, c, Task::Classes).unwrap().with_intercept_scale(scale).unwrap();
        let f = match try_fitted(layout, &sizes) {
            Err(HeadError::ZeroWeights) => return Err(TestCaseError::reject("no weights")),
            f => f.unwrap(),
        };
        let circuit = f.circuit();
        let keys = Keys::generate(&f.srs, circuit.shape()).unwrap();
        let proof = prove(&f.srs, &keys, &circuit, circuit.public_inputs(Fr::from(5))).unwrap();
        for i in 0..proof.inputs.len() {
            let mut other = proof.clone();
            other.inputs[i] += Fr::from(1);
            prop_assert!(!verify(&f.srs, keys.vk(), &other), "input {}", i);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn links_with_exp_over_any_shape(
        a in 3usize..12, d in 1usize..40, c in 2usize..9, softmax: bool, n in 0usize..30, seed in 1u64..200, entry: usize,
        scale in 0u32..=4,
    ) {
        let link = if softmax { Link::Softmax } else { Link::Logistic };
        let layout = Layout::new(14, a, d, c, Task::Classes).unwrap().with_intercept_scale(scale).unwrap();
        integers_are_proven(layout, link, n, seed, entry);
    }
}

#[test]
fn the_smallest_shape() {
    integers_are_proven(Layout::new(10, 1, 1, 2, Task::Classes).unwrap(), Link::Squared, 500, 3, 0);
    integers_are_proven(Layout::new(10, 64, 1, 1, Task::Real).unwrap(), Link::Squared, 500, 3, 1);
}

#[test]
fn many_features_and_many_classes() {
    integers_are_proven(Layout::new(14, 24, 1024, 10, Task::Classes).unwrap(), Link::Squared, 12, 3, 10_249);
    integers_are_proven(Layout::new(14, 8, 64, 100, Task::Classes).unwrap(), Link::Softmax, 12, 3, 6_499);
}

/// The largest possible head takes 102,500 rows of weights.
#[test]
#[ignore = "2^17 rows: a minute and 2 GB"]
fn the_largest_shape() {
    integers_are_proven(Layout::new(17, 8, 1024, 100, Task::Classes).unwrap(), Link::Softmax, 200, 3, 102_499);
}

#[test]
fn circuits_that_cannot_be_say_why() {
    let refused = |shape: Shape, k: u32| Keys::generate(&Srs::development(k), &shape).unwrap_err();
    let layout = Layout::new(12, 4, 16, 3, Task::Classes).unwrap();
    let small = refused(Shape::gradient(layout, Link::Softmax), 12);
    assert!(matches!(small, ProveError::LinkRows { k: 12, .. }), "{small}");
    let answers = refused(Shape::service(layout), 12);
    assert!(matches!(answers, ProveError::ServiceRows { k: 12, .. }), "{answers}");
    assert!(answers.to_string().contains("from k = 15 on"), "{answers}");
    let srs = refused(Shape::dataset(layout), 11);
    assert!(matches!(srs, ProveError::SrsSize { expected: 12, got: 11, .. }), "{srs}");
}
