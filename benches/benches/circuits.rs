//! Proving and verifying, by circuit. `cargo bench -p tribute-benches`.
#![allow(missing_docs)]

use criterion::{criterion_group, criterion_main, Criterion};
use tribute_benches::instance;
use tribute_circuits::dataset::DatasetCircuit;
use tribute_circuits::gradient::GradientCircuit;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::prove::{prove, verify, Keys};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;

/// Digits, whole: 1,797 × 64 × 10 at k = 15, 8 data columns.
fn digits(c: &mut Criterion) {
    let layout = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
    let srs = Srs::development(15);
    let i = instance(layout, &srs, Link::Softmax, 1797).unwrap();
    let mut group = c.benchmark_group("digits-k15");
    group.sample_size(10);

    let shape = Shape::dataset(layout);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let inputs = vec![Fr::from(1), Fr::from(1797)];
    group.bench_function("dataset", |b| {
        b.iter(|| prove(&srs, &keys, &DatasetCircuit::new(shape.clone(), &i.shard), inputs.clone()).unwrap());
    });

    for link in [Link::Softmax, Link::Logistic, Link::Squared] {
        let shape = Shape::gradient(layout, link);
        let i = instance(layout, &srs, link, 1797).unwrap();
        let keys = Keys::generate(&srs, &shape).unwrap();
        let witness = || GradientCircuit::new(shape.clone(), &i.shard, &i.weights, &i.gradient).unwrap();
        group.bench_function(format!("gradient-{}", link.name()), |b| {
            b.iter(|| prove(&srs, &keys, &witness(), vec![Fr::from(1)]).unwrap());
        });
        if link == Link::Softmax {
            let proof = prove(&srs, &keys, &witness(), vec![Fr::from(1)]).unwrap();
            group.bench_function("verify-gradient-softmax", |b| b.iter(|| assert!(verify(&srs, keys.vk(), &proof))));
        }
    }
    group.finish();
}

criterion_group!(benches, digits);
criterion_main!(benches);
