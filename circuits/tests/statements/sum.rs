//! `sum`: any number of parts; how forged ones fare is in `tests/attacks/sum.rs`.

use tribute_circuits::error::ProveError;
use tribute_circuits::keys::Keys;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;
use tribute_engine::srs::Srs;

use crate::proven;
use crate::support::altered;
use crate::support::keyed::keyed;
use crate::support::sums::{layout, Parts};

#[test]
fn two_to_eight_gradients() {
    for parts in [2, 3, 7, 8] {
        let w = Parts::new(layout(), parts);
        let proof = proven(&w.circuit(w.shape(), &w.commit(99, &w.sum)), &[Fr::from(5)]);
        // points: columns, the random polynomial, 2 pieces, 2 openings; scalars: columns, 2 selectors, the random one
        assert_eq!(proof.bytes.len(), 64 * (1 + parts + 1 + 2 + 2) + 32 * (1 + parts + 2 + 1));
    }
}

/// Rows outside the weights' belong to nobody: what stands there changes nothing.
#[test]
fn other_rows_do_not_count() {
    let w = Parts::new(layout(), 2);
    let (start, end) = (w.layout.weights_start(), w.layout.weights_end());
    let group = w.commit(99, &w.sum);
    for row in [0, start - 1, end, w.layout.salt_start()] {
        let other = altered(&w.shape(), &group, &[(0, row, Fr::from(77))]);
        proven(&w.circuit(w.shape(), &other), &[Fr::from(5)]);
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
    let w = Parts::new(layout(), 3);
    let two = Shape::sum(w.layout, 2);
    assert_ne!(w.shape().digest(), two.digest());
    let proof = proven(&w.circuit(w.shape(), &w.commit(99, &w.sum)), &[Fr::from(5)]);
    assert!(!verify(w.srs, keyed(&two).keys.vk(), &proof));
}
