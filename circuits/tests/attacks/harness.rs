//! Runs one attack: honest, forged, and forged against the circuit without the gate that guards against it.

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::prove::prove_unchecked;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::Proof;

use crate::record::{record, record_on_cells, Row};
use crate::support::gates::violated;
use crate::support::keyed::{keyed, keyed_without};

/// A witness with its public inputs.
pub(crate) type Claim<C> = (C, Vec<Fr>);

/// `make(shape, forged)` builds the honest or the forged claim for the circuit of `shape`. The honest claim must be
/// accepted natively and in the EVM, the forged one rejected by both and accepted by the circuit without `gates`.
pub(crate) fn attack<C: StatementWitness>(
    name: &str,
    gates: &[&str],
    shape: &Shape,
    make: impl Fn(Shape, bool) -> Claim<C>,
) {
    let keyed_shape = keyed(shape);
    let (honest, inputs) = make(shape.clone(), false);
    keyed_shape.accept(name, &honest, &inputs);

    let (forged, inputs) = make(shape.clone(), true);
    let proof = prove_unchecked(keyed_shape.srs, &keyed_shape.keys, &forged, inputs.clone()).unwrap();
    let (forged_native, forged_evm) = (keyed_shape.native(&proof), keyed_shape.evm(&proof));
    assert!(!forged_native, "{name}: forgery accepted");
    assert!(!forged_evm, "{name}: forgery accepted by the EVM verifier");
    if gates.len() > 1 {
        let mut expected: Vec<String> = gates.iter().map(|g| (*g).to_owned()).collect();
        expected.sort();
        let found: Vec<String> = violated(&forged, &inputs).into_iter().map(|(gate, _)| gate).collect();
        assert_eq!(found, expected, "{name}: the gates that reject it");
    }

    let (forged, inputs) = make(shape.clone(), true);
    let keyed_shape = keyed_without(shape, gates);
    let proof = prove_unchecked(keyed_shape.srs, &keyed_shape.keys, &forged, inputs.clone()).unwrap();
    let without_gate = keyed_shape.native(&proof);
    assert!(
        without_gate,
        "{name}: without {gates:?} the forgery should pass; it violates {:?}",
        violated(&forged, &inputs)
    );
    record(&Row {
        attack: name,
        circuit: shape.statement.name(),
        honest: true,
        forged_native,
        forged_evm,
        without_gate: Some(without_gate),
        gate: &gates.join(" + "),
    });
}

/// A forgery that violates only this gate, checked on the cells without a proof. The proof system accepts exactly what
/// violates no gate, which [`attack`] shows for one polynomial of every name; this function covers the many polynomials
/// that one loop adds.
pub(crate) fn alone(name: &str, forged: &dyn StatementWitness, inputs: &[Fr], gate: &str) {
    let found: Vec<String> = violated(forged, inputs).into_iter().map(|(gate, _)| gate).collect();
    assert_eq!(found, [gate], "{name}: the gates that reject it");
    record_on_cells(name, forged.shape().statement.name(), gate);
}

/// An attack that concerns no gate: `forge` alters the honest proof, and `guard` says what rejects it.
pub(crate) fn by_structure(
    name: &str,
    honest: &dyn StatementWitness,
    inputs: &[Fr],
    guard: &str,
    forge: impl FnOnce(&mut Proof),
) {
    let keyed = keyed(honest.shape());
    keyed.accept(name, honest, inputs);
    let mut proof = prove_unchecked(keyed.srs, &keyed.keys, honest, inputs.to_vec()).unwrap();
    forge(&mut proof);
    let (forged_native, forged_evm) = (keyed.native(&proof), keyed.evm(&proof));
    assert!(!forged_native && !forged_evm, "{name}: forgery accepted");
    let circuit = honest.shape().statement.name();
    record(&Row { attack: name, circuit, honest: true, forged_native, forged_evm, without_gate: None, gate: guard });
}
