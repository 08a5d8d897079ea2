//! Gadgets, then proving and verifying by circuit. `cargo bench -p tribute-benches`.
#![allow(missing_docs)]

use criterion::{criterion_group, criterion_main, Criterion};
use tribute_benches::{instance, scalars, session, weights};
use tribute_circuits::columns::{commit_weights, Secret};
use tribute_circuits::gadgets::logup::Lookups;
use tribute_circuits::gadgets::poseidon2::sponge_cells;
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::service::{capacity, ServiceCircuit};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::arithmetic::best_multiexp;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::{Field, PrimeField};
use tribute_engine::msm::{msm, msm_by};
use tribute_engine::proof::verify;
use tribute_engine::srs::Srs;
use tribute_simd::{batch_invert, Backend, Fft};

/// The building blocks of circuits, over 2^15 rows.
fn gadgets(c: &mut Criterion) {
    let srs = Srs::development(15);
    let (random, bytes) = (scalars(1 << 15), (0..1u64 << 15).map(|i| Fr::from(i % 256)).collect::<Vec<_>>());
    let mut group = c.benchmark_group("gadgets-k15");
    group.sample_size(20);
    group.bench_function("commitment, halo2's sum", |b| b.iter(|| best_multiexp(&random, srs.lagrange_basis())));
    group.bench_function("commitment", |b| b.iter(|| msm(&random, srs.lagrange_basis())));
    group.bench_function("commitment of bytes", |b| b.iter(|| msm(&bytes, srs.lagrange_basis())));
    let table: Vec<[Fr; 3]> = (0..256).map(|v| [Fr::from(v), Fr::zero(), Fr::zero()]).collect();
    let tuple = |input: usize, row: usize| Some([bytes[(row + input) % bytes.len()], Fr::zero(), Fr::zero()]);
    let lookups = Lookups { inputs: 7, tuple: &tuple, weight: None };
    group.bench_function("multiplicities of seven columns of bytes", |b| {
        b.iter(|| lookups.multiplicities(&table, bytes.len()));
    });
    // a receipt of 784 features
    group.bench_function("cells of 31 hashed elements", |b| b.iter(|| sponge_cells(&random[..31])));
    group.finish();
}

/// The whole digits data set: 1,797 × 64 × 10 at k = 15, 6 data columns.
fn digits(c: &mut Criterion) {
    let layout = Layout::new(15, Layout::fitting_columns(64, 10), 64, 10, Task::Classes).unwrap();
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
            b.iter(|| {
                let circuit = witness();
                prove(&srs, &keys, &circuit, circuit.public_inputs(Fr::from(1))).unwrap()
            });
        });
        if link == Link::Softmax {
            let circuit = witness();
            let proof = prove(&srs, &keys, &circuit, circuit.public_inputs(Fr::from(1))).unwrap();
            group.bench_function("verify-gradient-softmax", |b| b.iter(|| assert!(verify(&srs, keys.vk(), &proof))));
        }
    }

    let shape = Shape::evaluation(layout, Link::Softmax);
    let keys = Keys::generate(&srs, &shape).unwrap();
    group.bench_function("evaluation", |b| {
        b.iter(|| {
            let circuit = EvaluationCircuit::new(shape.clone(), &i.shard, &i.weights).unwrap();
            let inputs = circuit.public_inputs(Fr::from(1));
            prove(&srs, &keys, &circuit, inputs).unwrap()
        });
    });

    let shape = Shape::service(layout);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let weights = weights(&layout).unwrap();
    let committed = commit_weights(&srs, &layout, &Secret::from_bytes([1; 32]), &weights);
    let sessions = [session(&layout, &weights, capacity(&layout))];
    group.bench_function("service, full batch", |b| {
        b.iter(|| {
            let circuit = ServiceCircuit::new(shape.clone(), &committed, &weights, &sessions).unwrap();
            let inputs = circuit.inputs(Fr::from(1));
            prove(&srs, &keys, &circuit, inputs).unwrap()
        });
    });
    group.finish();
}

/// The same arithmetic with every backend, on one thread: transforms of 2^15 values, sums of 2^15 points, inverses of
/// 2^15 values.
fn backends(c: &mut Criterion) {
    let (k, n) = (15, 1 << 15);
    let srs = Srs::development(k);
    let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
    let (random, bytes) = (scalars(n), (0..n as u64).map(|i| Fr::from(i % 256)).collect::<Vec<_>>());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = c.benchmark_group("backends-k15");
    group.sample_size(20);
    for backend in Backend::all() {
        let name = format!("{} at a time", backend.lanes());
        let fft = Fft::new(backend, k, omega, Fr::from(7));
        let mut values = random.clone();
        group.bench_function(format!("transform, {name}"), |b| b.iter(|| fft.run(&mut values)));
        group.bench_function(format!("inverses, {name}"), |b| b.iter(|| batch_invert(backend, &mut values)));
        for (what, scalars) in [("random scalars", &random), ("bytes", &bytes)] {
            let sum = || pool.install(|| msm_by(backend, scalars, srs.lagrange_basis()));
            group.bench_function(format!("sum by {what}, {name}"), |b| b.iter(sum));
        }
    }
    group.finish();
}

criterion_group!(benches, gadgets, backends, digits);
criterion_main!(benches);
