//! Calldata of a verifier: no altered call passes, and none costs much more than a valid one.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::PrimeField as _;
use tribute_circuits::keys::verifying_key;
use tribute_core::certificate::Certificate;
use tribute_core::shape::Shape;
use tribute_engine::srs::Srs;
use tribute_evm::{calldata, generate_verifier, run};

use super::{corpus, fuzz};

#[test]
fn calls() {
    let file = Certificate::from_json(&corpus("certificate.json")).expect("the corpus is valid");
    let srs = Srs::development(file.layout.k());
    let vk = verifying_key(&srs, &Shape::dataset(file.layout)).expect("a key");
    let proof = &file.datasets[0].shards[0].dataset_proof;
    let inputs: Vec<Fr> = proof
        .words()
        .into_iter()
        .map(|mut word| {
            word.reverse();
            Option::from(Fr::from_repr(word)).expect("a field element")
        })
        .collect();
    let code = generate_verifier(srs.params(), &vk, inputs.len()).expect("a verifier");
    let good = calldata(&inputs, &proof.bytes.0);
    let fair = run(&code.runtime, &good).expect("runs");
    assert!(fair.success, "the corpus's proof is rejected: run fuzz/corpus/make.sh again");
    fuzz("calldata", std::slice::from_ref(&good), 500, |input| {
        let report = run(&code.runtime, input).expect("runs");
        assert_eq!(report.success, input == good);
        assert!(report.execution_gas < 3 * fair.execution_gas, "{} gas", report.execution_gas);
    });
}
