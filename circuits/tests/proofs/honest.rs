//! True statements can be proven: every circuit, with links and shapes at their limits.

use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::head::contribution;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::field::from_i128;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;

use crate::support::instance;
use crate::support::keyed::keyed;

#[test]
fn a_shard_and_its_gradient() {
    for (layout, links) in [
        (Layout::new(14, 8, 64, 10, Task::Classes).unwrap(), &[Link::Softmax, Link::Logistic][..]),
        (Layout::new(10, 8, 16, 10, Task::Classes).unwrap(), &[Link::Squared]),
        (Layout::new(14, 5, 16, 3, Task::Classes).unwrap(), &[Link::Softmax]),
        (Layout::new(14, 5, 16, 3, Task::Classes).unwrap().with_intercept_scale(4).unwrap(), &[Link::Softmax]),
        (Layout::new(10, 3, 7, 1, Task::Real).unwrap(), &[Link::Squared]),
        (Layout::new(11, 3, 7, 1, Task::Real).unwrap().with_intercept_scale(1).unwrap(), &[Link::Squared]),
    ] {
        for link in links {
            let i = instance(layout, *link, 40, 3);
            let ctx = Fr::from(77);

            let t = std::time::Instant::now();
            let shape = Shape::dataset(layout);
            let keys = &keyed(&shape).keys;
            let made = t.elapsed();
            let circuit = DatasetCircuit::new(shape, &i.xy);
            assert_eq!(circuit.count(), Fr::from(40));
            let t = std::time::Instant::now();
            let proof = prove(&i.srs, keys, &circuit, vec![ctx, Fr::from(40)]).unwrap();
            println!("{} keys {made:?} prove {:?} bytes {}", keys.shape().name(), t.elapsed(), proof.bytes.len());
            let mut other = proof.clone();
            other.inputs[1] = Fr::from(41);
            assert!(!verify(&i.srs, keys.vk(), &other));

            let shape = Shape::gradient(layout, *link);
            let t = std::time::Instant::now();
            let keys = Keys::generate(&i.srs, &shape).unwrap();
            let keyed = t.elapsed();
            let circuit = GradientCircuit::new(shape, &i.xy, &i.w, &i.g).unwrap();
            let t = std::time::Instant::now();
            let inputs = circuit.public_inputs(ctx);
            let n = contribution(&layout, &i.weights, &i.gradient);
            assert_eq!(inputs, [ctx, from_i128(n)]);
            let proof = prove(&i.srs, &keys, &circuit, inputs).unwrap();
            println!("{} keys {keyed:?} prove {:?} bytes {}", keys.shape().name(), t.elapsed(), proof.bytes.len());
            let mut other = proof.clone();
            other.inputs[0] = Fr::from(78);
            assert!(!verify(&i.srs, keys.vk(), &other), "another ctx");
            let mut other = proof.clone();
            other.inputs[1] += Fr::from(1);
            assert!(!verify(&i.srs, keys.vk(), &other), "another contribution");
        }
    }
}
