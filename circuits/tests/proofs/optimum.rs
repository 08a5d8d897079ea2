//! `optimum`: honest proofs over one shard and over many, and sums of committed gradients.

use tribute_circuits::columns::sum_gradients;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;

use crate::support::{fitted, Fitted};

#[test]
fn the_distance_is_proven() {
    for (k, scale, sizes) in [(10, 0, vec![20, 15, 12]), (12, 2, vec![47]), (14, 0, vec![1; 40])] {
        let layout = Layout::new(k, 4, 16, 3, Task::Classes).unwrap().with_intercept_scale(scale).unwrap();
        let f: Fitted = fitted(layout, &sizes);
        let keys = Keys::generate(&f.srs, &Shape::optimum(layout)).unwrap();
        let circuit = f.circuit();
        let t = std::time::Instant::now();
        let proof = prove(&f.srs, &keys, &circuit, circuit.public_inputs(Fr::from(5))).unwrap();
        println!("{} {:?} {} bytes, ε {}", keys.shape().name(), t.elapsed(), proof.bytes.len(), f.numbers.epsilon);
        for i in 0..proof.inputs.len() {
            let mut other = proof.clone();
            other.inputs[i] += Fr::from(1);
            assert!(!verify(&f.srs, keys.vk(), &other), "input {i}");
        }
    }
}

/// The sum's commitment is the sum of the commitments, and its polynomial evaluates to the sum of theirs.
#[test]
fn commitments_to_gradients_add_up() {
    let layout = Layout::new(10, 4, 16, 3, Task::Classes).unwrap();
    let f = fitted(layout, &[20, 15, 12]);
    let again = tribute_engine::column::CommittedColumn::new(&f.srs, f.sum.columns[0].values.clone());
    assert_eq!(again.point, f.sum.columns[0].point);
    let other_order = sum_gradients(f.groups.iter().rev());
    assert_eq!(other_order.points(), f.sum.points());
    assert_ne!(sum_gradients(&f.groups[..2]).points(), f.sum.points());
}
