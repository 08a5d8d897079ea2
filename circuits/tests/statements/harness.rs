//! Proves a claim, or has a forgery refused; one row of `attacks.json` for each forgery.

use std::path::Path;
use std::sync::Arc;

use tribute_circuits::circuit::constraint_system;
use tribute_circuits::columns::{CommittedColumn, CommittedGroup, Role, Secret};
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::plonk::Witness;
use tribute_circuits::prove::{prove, prove_unchecked, verify, Keys, Proof};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_circuits::verify::{self as ark, VerifierSrs};

/// A witness with its public inputs.
pub(crate) type Claim = (Box<dyn Witness>, Vec<Fr>);

fn native(srs: &Srs, keys: &Keys, proof: &Proof) -> bool {
    let halo2 = verify(srs, keys.vk(), proof);
    let small = VerifierSrs::of(srs).unwrap();
    let ours = ark::verify(keys.vk(), &small, &proof.input_words(), &proof.bytes).is_ok();
    assert_eq!(halo2, ours, "halo2's verifier and ours disagree");
    halo2
}

fn evm(srs: &Srs, keys: &Keys, proof: &Proof) -> bool {
    let code = tribute_evm::lean::generate(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    tribute_evm::run(&code.runtime, &proof.calldata()).unwrap().success
}

/// Proves what is true; every verifier accepts it, and refuses it under any other public input.
pub(crate) fn accept(srs: &Srs, keys: &Keys, witness: &dyn Witness, inputs: &[Fr]) -> Proof {
    let proof = prove(srs, keys, witness, inputs.to_vec()).unwrap();
    assert!(native(srs, keys, &proof) && evm(srs, keys, &proof));
    for i in 0..inputs.len() {
        let mut other = proof.clone();
        other.inputs[i] += Fr::from(1);
        assert!(!native(srs, keys, &other), "input {i}");
    }
    proof
}

/// `make(shape, forged)` builds the honest or the forged claim for the circuit of `shape`.
pub(crate) fn attack(name: &str, gate: &'static str, srs: &Srs, shape: &Shape, make: impl Fn(Shape, bool) -> Claim) {
    refused(name, srs, shape, &make);
    let crippled = shape.clone().without_gates(&[gate]);
    let keys = Keys::generate(srs, &crippled).unwrap();
    let (forged, inputs) = make(crippled, true);
    let proof = prove_unchecked(srs, &keys, &*forged, inputs).unwrap();
    let without_gate = native(srs, &keys, &proof);
    assert!(without_gate, "{name}: without the gate `{gate}` the forgery should pass; the attack tests something else");
    record(name, gate, shape, Some(without_gate));
}

/// [`attack`] on a circuit of one gate: without it nothing is left to prove in, so there is no third part.
pub(crate) fn attack_only_gate(
    name: &str,
    gate: &'static str,
    srs: &Srs,
    shape: &Shape,
    make: impl Fn(Shape, bool) -> Claim,
) {
    refused(name, srs, shape, &make);
    let gates = constraint_system(shape).gates().iter().map(|g| g.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(gates, [gate], "{name}: not the only gate");
    record(name, gate, shape, None);
}

/// The honest twin is accepted, the forgery refused.
fn refused(name: &str, srs: &Srs, shape: &Shape, make: &dyn Fn(Shape, bool) -> Claim) {
    let keys = Keys::generate(srs, shape).unwrap();
    let (honest, inputs) = make(shape.clone(), false);
    let proof = prove(srs, &keys, &*honest, inputs).unwrap();
    assert!(native(srs, &keys, &proof) && evm(srs, &keys, &proof), "{name}: the honest twin is refused");
    let (forged, inputs) = make(shape.clone(), true);
    let proof = prove_unchecked(srs, &keys, &*forged, inputs).unwrap();
    assert!(!native(srs, &keys, &proof) && !evm(srs, &keys, &proof), "{name}: forgery accepted");
}

/// Only what was asserted comes here.
fn record(name: &str, gate: &str, shape: &Shape, without_gate: Option<bool>) {
    let row = serde_json::json!({
        "attack": name, "circuit": shape.statement.name(), "honest_native": true, "honest_evm": true,
        "forged_native": false, "forged_evm": false, "without_gate": without_gate, "gate": gate,
    });
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), row.to_string()).unwrap();
}

/// The same group with some cells changed: column, row, value.
pub(crate) fn altered(
    srs: &Srs,
    shape: &Shape,
    group: &CommittedGroup,
    changes: &[(usize, usize, Fr)],
) -> CommittedGroup {
    let mut columns = group.columns.clone();
    for (column, row, value) in changes {
        let mut rows = columns[*column].values[..shape.layout.usable()].to_vec();
        rows[*row] = *value;
        let secret = Secret::from_bytes([9; 32]);
        let (content, index) = ([*column as u8; 32], *column as u32);
        columns[*column] =
            Arc::new(CommittedColumn::with_rows(srs, &shape.layout, &secret, Role::Records, &content, index, rows));
    }
    CommittedGroup { columns }
}
