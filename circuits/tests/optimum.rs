//! `optimum`: honest proofs over shards and datasets, and the attacks on it.

mod support;

use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;

use support::{fitted, Fitted};

#[test]
fn shares_and_distance_are_proven() {
    for (k, reg_bias) in [(10, true), (12, false), (14, true)] {
        let layout = Layout::new(k, 4, 16, 3, Task::Classes).unwrap();
        let f: Fitted = fitted(layout, reg_bias, &[20, 15, 12], &[false, true, false]);
        let shape = Shape::optimum(layout, reg_bias);
        let keys = Keys::generate(&f.srs, &shape).unwrap();
        let circuit = f.circuit(shape);
        let t = std::time::Instant::now();
        let proof = prove(&f.srs, &keys, &circuit, circuit.public_inputs(Fr::from(5))).unwrap();
        println!(
            "{} {:?} {} bytes, shares {:?}, e {}",
            keys.shape().name(),
            t.elapsed(),
            proof.bytes.len(),
            f.numbers.shares,
            f.numbers.epsilon
        );
        for i in 0..proof.inputs.len() {
            let mut other = proof.clone();
            other.inputs[i] += Fr::from(1);
            assert!(!verify(&f.srs, keys.vk(), &other), "input {i}");
        }
    }
}
