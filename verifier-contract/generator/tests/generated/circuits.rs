//! Verifiers of the product's own circuits, with real proofs.

use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, Secret};
use tribute_circuits::keys::{verifying_key, Keys};
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::shape::Shape;
use tribute_core::{
    head::{gradient, Weights},
    layout::{Layout, Task},
    link::Link,
    records::Records,
    statement::Statement,
};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::Proof;
use tribute_engine::srs::Srs;
use tribute_evm::{calldata, generate_verifier, run};

/// Budgets of a direct check on chain.
const GAS: u64 = 750_000;
const SIZE: usize = 16_000;

/// Accepts the proof, and refuses it with any word of its calldata altered.
fn check(srs: &Srs, keys: &Keys, proof: &Proof) {
    let name = keys.shape().name();
    let code = generate_verifier(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    let good = calldata(&proof.inputs, &proof.bytes);
    let report = run(&code.runtime, &good).unwrap();
    let size = code.runtime.len();
    println!("{name}: {size} bytes, {} gas, {} bytes of calldata", report.execution_gas, good.len());
    assert!(report.success, "{name}");
    assert!(report.execution_gas <= GAS && size <= SIZE, "{name}: {size} bytes, {report:?}");
    for place in 0..good.len() / 32 {
        let mut bad = good.clone();
        bad[32 * place + 31] ^= 1;
        assert!(!run(&code.runtime, &bad).unwrap().success, "{name}: word {place} altered");
    }
}

#[test]
fn dataset_and_gradient() {
    let layout = Layout::new(14, 8, 64, 10, Task::Classes).unwrap();
    let srs = Srs::development(layout.k());
    let secret = Secret::from_bytes([1; 32]);
    let mut records = Records::new(layout.features());
    for i in 0..30usize {
        let features: Vec<u8> = (0..layout.features()).map(|j| (i * 31 + j * 17) as u8).collect();
        records.push(&features, (i % layout.classes()) as u16);
    }
    let xy = commit_records(&srs, &layout, &secret, &records).unwrap();
    let shape = Shape::dataset(layout);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let inputs = vec![Fr::from(77), Fr::from(30)];
    let proof = prove(&srs, &keys, &DatasetCircuit::new(shape, &xy), inputs).unwrap();
    check(&srs, &keys, &proof);

    let values = (0..layout.weights() as i64).map(|i| (i * 7_919) % 200_001 - 100_000).collect();
    let weights = Weights::new(layout.features(), layout.classes(), values).unwrap();
    let w = commit_weights(&srs, &layout, &secret, &weights);
    for link in [Link::Softmax, Link::Squared] {
        let g = gradient(&layout, link, &weights, &records).unwrap();
        let g = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
        let shape = Shape::gradient(layout, link);
        let keys = Keys::generate(&srs, &shape).unwrap();
        let circuit = GradientCircuit::new(shape, &xy, &w, &g).unwrap();
        let proof = prove(&srs, &keys, &circuit, circuit.public_inputs(Fr::from(77))).unwrap();
        check(&srs, &keys, &proof);
    }
}

/// Sizes of all verifiers, without proofs.
#[test]
fn every_circuit_fits() {
    let layout = Layout::new(15, Layout::fitting_columns(784, 10), 784, 10, Task::Classes).unwrap();
    let srs = Srs::development(layout.k());
    let shapes = [
        Shape::dataset(layout),
        Shape::gradient(layout, Link::Softmax),
        Shape::optimum(layout),
        Shape::evaluation(layout, Link::Softmax),
        Shape::service(layout),
    ];
    for statement in Statement::ALL {
        assert!(shapes.iter().any(|shape| shape.statement == statement), "no shape of {}", statement.name());
    }
    for shape in shapes {
        let vk = verifying_key(&srs, &shape).unwrap();
        let size = generate_verifier(srs.params(), &vk, shape.statement.inputs()).unwrap().runtime.len();
        println!("{}: {} columns, {size} bytes", shape.name(), vk.cs().num_advice_columns());
        // what EIP-170 lets be deployed, with room for an SRS whose constants are longer
        assert!(size <= 24_000, "{}: {size}", shape.name());
    }
}
