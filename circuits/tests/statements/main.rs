//! `evaluation`, and every statement over any shape: true statements can be proven, at every boundary. False ones are
//! tried in `tests/attacks`.

#[path = "../support/mod.rs"]
mod support;

mod evaluation;
mod shapes;

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::prove::prove;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::Proof;

use support::keyed::keyed;

/// Proves a true statement; every verifier must accept it, and reject it under any other public input.
fn proven(witness: &dyn StatementWitness, inputs: &[Fr]) -> Proof {
    let keyed = keyed(witness.shape());
    let proof = prove(keyed.srs, &keyed.keys, witness, inputs.to_vec()).unwrap();
    assert!(keyed.native(&proof) && keyed.evm(&proof));
    for i in 0..inputs.len() {
        let mut other = proof.clone();
        other.inputs[i] += Fr::from(1);
        assert!(!keyed.native(&other), "input {i}");
    }
    proof
}
