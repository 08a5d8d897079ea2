//! Proofs are the same, byte by byte, with every backend.

mod support;

use support::instance;
use support::keyed::keyed;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::prove::prove_predictably;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;
use tribute_simd::Backend;

#[test]
fn proofs_are_the_same_with_every_backend() {
    let layout = Layout::new(10, 8, 16, 10, Task::Classes).unwrap();
    let i = instance(layout, Link::Squared, 40, 3);
    let (dataset, gradient) = (Shape::dataset(layout), Shape::gradient(layout, Link::Squared));
    let of_gradient = GradientCircuit::new(gradient.clone(), &i.xy, &i.w, &i.g).unwrap();
    let inputs = of_gradient.public_inputs(Fr::from(77));
    let circuits: [(Shape, Box<dyn StatementWitness>, Vec<Fr>); 2] = [
        (dataset.clone(), Box::new(DatasetCircuit::new(dataset, &i.xy)), vec![Fr::from(77), Fr::from(40)]),
        (gradient, Box::new(of_gradient), inputs),
    ];
    for (shape, witness, inputs) in circuits {
        let keys = &keyed(&shape).keys;
        let prove = |backend, inputs: &[Fr]| {
            prove_predictably(backend, &i.srs, keys, witness.as_ref(), inputs.to_vec()).unwrap()
        };
        let expected = prove(Backend::PORTABLE, &inputs);
        assert!(verify(&i.srs, keys.vk(), &expected), "{}", shape.name());
        for backend in Backend::all() {
            assert!(prove(backend, &inputs) == expected, "{}, {backend:?}", shape.name());
        }
        let mut others = inputs.clone();
        others[0] = Fr::from(78);
        assert!(prove(Backend::best(), &others).bytes != expected.bytes, "another context");
    }
}
