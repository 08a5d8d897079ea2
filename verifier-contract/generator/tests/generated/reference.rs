//! The path through snark-verifier and the Solidity compiler.

use crate::common::{Keys, Shape, Toy};
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use tribute_evm::{calldata, compile, generate, run};

fn two_phases() -> Shape {
    Shape { k: 7, data: 5, sums: 3, fixed: 3, inputs: 4, ..Shape::default() }
}

#[test]
fn accepts_a_proof_and_refuses_another() {
    for instance in [vec![], vec![0, -3]] {
        let shape = Shape { instance, ..two_phases() };
        let keys = Keys::new(&shape);
        let toy = Toy::new(&shape, 1);
        let proof = keys.prove(&toy);
        assert!(keys.accepts(&toy.inputs, &proof));

        let source = generate(&keys.params, keys.pk.get_vk(), shape.inputs).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let code = compile(&source, Some(cache.path())).unwrap();
        assert_eq!(code, compile(&source, Some(cache.path())).unwrap());

        let report = run(&code.runtime, &calldata(&toy.inputs, &proof)).unwrap();
        assert!(report.success, "{report:?}");
        println!("{} bytes of runtime code, {report:?}", code.runtime.len());

        for altered in 0..shape.inputs {
            let mut inputs = toy.inputs.clone();
            inputs[altered] += Fr::ONE;
            assert!(!run(&code.runtime, &calldata(&inputs, &proof)).unwrap().success);
        }
    }
}
