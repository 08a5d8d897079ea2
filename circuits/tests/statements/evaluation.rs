//! `evaluation`: counts and loss equal those of the integer function, at every boundary.

use tribute_circuits::columns::{commit_records, commit_weights, Secret};
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::Keys;
use tribute_circuits::statements::evaluation::{EvaluationCircuit, EvaluationError};
use tribute_core::head::{answer, loss, HeadError, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::numbers::{LOSS_LIMIT_BITS, WEIGHT_LIMIT};
use tribute_core::records::Records;
use tribute_core::shape::Shape;
use tribute_engine::field::to_u256;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;

use crate::proven;
use crate::support::keyed::srs;
use crate::support::{records, weights};

fn layout() -> Layout {
    Layout::new(10, 3, 7, 3, Task::Classes).unwrap()
}

/// Number of correct answers, by the integer function.
fn right(weights: &Weights, records: &Records) -> u64 {
    records.iter().filter(|(q, y)| answer(&weights.logits(q)) == *y).count() as u64
}

fn evaluated(layout: Layout, link: Link, weights: &Weights, records: &Records) -> u64 {
    let (srs, secret) = (srs(layout.k()), Secret::from_bytes([4; 32]));
    let xy = commit_records(srs, &layout, &secret, records).unwrap();
    let w = commit_weights(srs, &layout, &secret, weights);
    let circuit = EvaluationCircuit::new(Shape::evaluation(layout, link), &xy, &w).unwrap();
    let correct = right(weights, records);
    let inputs = circuit.public_inputs(Fr::from(9));
    assert_eq!(inputs[1..3], [records.len() as u64, correct].map(Fr::from));
    match loss(&layout, link, weights, records) {
        Ok(loss) => assert_eq!(inputs[3], Fr::from(loss)),
        // of the widest logits: a proof can state it, and verifiers refuse it
        Err(HeadError::Loss { loss }) => {
            let stated = to_u256(&inputs[3]);
            assert!(stated >> LOSS_LIMIT_BITS != 0u128 && stated >> 96 == 0u128, "{loss}: {stated}");
        }
        Err(other) => panic!("{other}"),
    }
    proven(&circuit, &inputs);
    correct
}

#[test]
fn counts_at_every_size_of_a_shard() {
    let layout = layout();
    for n in [0, 1, 2, layout.capacity() - 1, layout.capacity()] {
        evaluated(layout, Link::Squared, &weights(&layout, 7), &records(&layout, n, 5));
    }
}

#[test]
fn ties_go_to_the_lower_class() {
    let layout = layout();
    let all = records(&layout, 30, 5);
    let of = |class: u16| all.iter().filter(|(_, y)| *y == class).count() as u64;
    assert!(of(0) > 0 && of(1) > 0 && of(2) > 0);
    // all logits equal: class 0
    assert_eq!(evaluated(layout, Link::Squared, &Weights::zero(7, 3), &all), of(0));
    // the upper two classes equal and larger: class 1
    let mut bias = vec![0; layout.weights()];
    bias[..3].copy_from_slice(&[-5, 8, 8]);
    assert_eq!(evaluated(layout, Link::Squared, &Weights::new(7, 3, bias.clone()).unwrap(), &all), of(1));
    // larger by the smallest possible difference: 1 in one feature of value 1
    let mut one = Records::new(7);
    for class in 0..3 {
        one.push(&[1, 0, 0, 0, 0, 0, 0], class);
    }
    bias[..3].copy_from_slice(&[0, 0, 0]);
    bias[5] = 1;
    assert_eq!(evaluated(layout, Link::Squared, &Weights::new(7, 3, bias).unwrap(), &one), 1);
}

/// Every link's loss, with logits in and beyond the tables, ties and an empty shard.
#[test]
fn the_loss_is_the_integer_functions() {
    for (k, intercept) in [(14, 0), (15, 4)] {
        let layout = Layout::new(k, 3, 7, 3, Task::Classes).unwrap().with_intercept_scale(intercept).unwrap();
        for link in [Link::Softmax, Link::Logistic, Link::Squared] {
            let small = (0..layout.weights() as i64).map(|i| (i * 7_919 % 2_001 - 1_000) << 22).collect();
            let small = Weights::new(7, 3, small).unwrap().with_intercept_scale(intercept);
            let zero = Weights::zero(7, 3).with_intercept_scale(intercept);
            for w in [small, weights(&layout, 3), zero] {
                for n in [0, 1, 40] {
                    evaluated(layout, link, &w, &records(&layout, n, 5));
                }
            }
        }
    }
}

#[test]
fn the_widest_logits_and_the_extreme_shapes() {
    for (k, columns, d, c) in [(13, 24, 1024, 2), (12, 5, 1, 100), (10, 1, 1, 2), (11, 7, 16, 4)] {
        let layout = Layout::new(k, columns, d, c, Task::Classes).unwrap();
        // one class with the largest possible logit, the next with the smallest
        let values = (0..layout.weights()).map(|i| if i % c % 2 == 0 { 1 - WEIGHT_LIMIT } else { WEIGHT_LIMIT - 1 });
        let extreme = Weights::new(d, c, values.collect()).unwrap();
        let all = records(&layout, layout.capacity().min(20), 3);
        evaluated(layout, Link::Squared, &extreme, &all);
        evaluated(layout, Link::Squared, &weights(&layout, 2), &all);
    }
}

#[test]
fn a_regression_has_no_accuracy() {
    let layout = Layout::new(10, 3, 7, 1, Task::Real).unwrap();
    let srs = Srs::development(10);
    for shape in [Shape::evaluation(layout, Link::Squared), Shape::service(layout)] {
        let refused = Keys::generate(&srs, &shape).unwrap_err();
        assert!(matches!(refused, ProveError::Regression { .. }), "{refused}");
    }
    let secret = Secret::from_bytes([4; 32]);
    let xy = commit_records(&srs, &layout, &secret, &records(&layout, 5, 1)).unwrap();
    let w = commit_weights(&srs, &layout, &secret, &Weights::zero(7, 1));
    let new = |shape, xy, w| EvaluationCircuit::new(shape, xy, w).err();
    assert_eq!(new(Shape::evaluation(layout, Link::Squared), &xy, &w), Some(EvaluationError::Regression));
    let classes = self::layout();
    assert_eq!(new(Shape::dataset(classes), &xy, &w), Some(EvaluationError::Statement { got: "dataset" }));
    assert_eq!(
        new(Shape::evaluation(classes, Link::Squared), &w, &w),
        Some(EvaluationError::Shard { expected: 4, got: 1 })
    );
    assert_eq!(new(Shape::evaluation(classes, Link::Squared), &xy, &xy), Some(EvaluationError::Weights { got: 4 }));
    let wider = Layout::new(11, 3, 7, 3, Task::Classes).unwrap();
    let rows = EvaluationError::Rows { column: 0, expected: 2048, got: 1024 };
    assert_eq!(new(Shape::evaluation(wider, Link::Squared), &xy, &w), Some(rows));
}
