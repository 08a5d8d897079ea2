//! What the generators and the EVM refuse, with which errors.

use crate::common::{srs, Shape, Toy};
use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner},
    halo2curves::bn256::Fr,
    plonk::{keygen_vk, Circuit, ConstraintSystem, Error as PlonkError},
    poly::Rotation,
};
use tribute_evm::{compile, deploy, generate, generate_verifier, run, Error};

/// A circuit with a feature that no verifier here supports.
#[derive(Clone, Copy, Default, PartialEq)]
enum Odd {
    #[default]
    TwoInstanceColumns,
    Lookup,
    ManyGates,
}

impl Circuit<Fr> for Odd {
    type Config = ();
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Odd;

    fn params(&self) -> Odd {
        *self
    }

    fn without_witnesses(&self) -> Self {
        *self
    }

    fn configure(_: &mut ConstraintSystem<Fr>) {
        unreachable!("has parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, odd: Odd) {
        let column = cs.advice_column();
        cs.instance_column();
        match odd {
            Odd::TwoInstanceColumns => {
                cs.instance_column();
            }
            Odd::Lookup => {
                let table = cs.lookup_table_column();
                cs.lookup("range", |cells| vec![(cells.query_advice(column, Rotation::cur()), table)]);
            }
            Odd::ManyGates => cs.create_gate("many", |cells| {
                let x = cells.query_advice(column, Rotation::cur());
                let constant = |i: u64| Fr::from(i) * Fr::from(u64::MAX) * Fr::from(u64::MAX);
                (0..1500).map(|i| x.clone() * x.clone() * (x.clone() + x.clone() * constant(i))).collect::<Vec<_>>()
            }),
        }
    }

    fn synthesize(&self, (): (), _: impl Layouter<Fr>) -> Result<(), PlonkError> {
        Ok(())
    }
}

#[test]
fn refuses_keys_that_it_cannot_express() {
    let params = srs(6);
    for (odd, says) in [(Odd::TwoInstanceColumns, "2 instance columns"), (Odd::Lookup, "lookup argument")] {
        let vk = keygen_vk(&params, &odd).unwrap();
        let error = generate_verifier(&params, &vk, 1).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(error.to_string().contains(says), "{error}");
    }
    let vk = keygen_vk(&params, &Odd::ManyGates).unwrap();
    let error = generate_verifier(&params, &vk, 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 24_576, .. }), "{error}");
    let shape = Shape { k: 6, data: 3, inputs: 1, ..Shape::default() };
    let vk = keygen_vk(&params, &Toy::new(&shape, 0)).unwrap();
    let error = generate_verifier(&params, &vk, 60).unwrap_err();
    assert!(error.to_string().contains("60 inputs in 58 usable rows"), "{error}");
}

#[test]
fn refuses_an_srs_of_another_size() {
    let shape = Shape { k: 6, data: 3, inputs: 1, ..Shape::default() };
    let vk = keygen_vk(&srs(6), &Toy::new(&shape, 0)).unwrap();
    let wrong = srs(7);
    for error in [generate_verifier(&wrong, &vk, 1).unwrap_err(), generate(&wrong, &vk, 1).unwrap_err()] {
        assert!(matches!(error, Error::SrsMismatch { srs: 7, key: 6 }), "{error}");
    }
}

#[test]
fn says_what_the_compiler_said() {
    let error = compile("pragma solidity 0.8.19; contract", None).unwrap_err();
    let Error::Compiler { stderr, .. } = &error else { panic!("{error}") };
    assert!(stderr.contains("ParserError"), "{stderr}");
}

#[test]
fn runs_only_what_has_code() {
    assert!(matches!(run(&[], &[]), Err(Error::NoCode)));
    // STOP leaves no code behind; INVALID burns everything.
    assert!(matches!(deploy(&[0x00]), Err(Error::Deployment { .. })));
    let Err(Error::Deployment { reason, .. }) = deploy(&[0xfe]) else { panic!("deployed") };
    assert!(reason.contains("Invalid"), "{reason}");
    let report = run(&[0xfe], &[]).unwrap();
    assert!(!report.success && report.execution_gas > 16_000_000);
}
