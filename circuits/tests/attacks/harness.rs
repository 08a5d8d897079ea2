//! Runs one attack: honest, forged, and forged against the circuit without its gate.

use std::sync::Arc;

use tribute_circuits::columns::{CommittedColumn, CommittedGroup, Role};
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::plonk::Witness;
use tribute_circuits::prove::{prove, prove_unchecked, verify, Keys};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;

use crate::support::report;

/// A witness with its public inputs.
pub(crate) type Claim<C> = (C, Vec<Fr>);

/// `make(shape, forged)` builds the honest or the forged claim for the circuit of `shape`.
pub(crate) fn attack<C: Witness>(
    name: &str,
    gate: &'static str,
    srs: &Srs,
    shape: &Shape,
    make: impl Fn(Shape, bool) -> Claim<C>,
) {
    let (honest, inputs) = make(shape.clone(), false);
    let keys = Keys::generate(srs, shape).unwrap();
    let proof = prove(srs, &keys, &honest, inputs).unwrap();
    let evm = tribute_evm::lean::generate(srs.params(), keys.vk(), proof.inputs.len()).unwrap();
    let honest_evm = tribute_evm::run(&evm.runtime, &proof.calldata()).unwrap().success;
    assert!(honest_evm, "{name}: the EVM verifier refuses the honest twin");

    let (forged, inputs) = make(shape.clone(), true);
    let proof = prove_unchecked(srs, &keys, &forged, inputs).unwrap();
    let forged_native = verify(srs, keys.vk(), &proof);
    let forged_evm = tribute_evm::run(&evm.runtime, &proof.calldata()).unwrap().success;
    assert!(!forged_native, "{name}: forgery accepted");
    assert!(!forged_evm, "{name}: forgery accepted by the EVM verifier");

    let crippled = shape.clone().without_gates(&[gate]);
    let (forged, inputs) = make(crippled.clone(), true);
    let keys = Keys::generate(srs, &crippled).unwrap();
    let proof = prove_unchecked(srs, &keys, &forged, inputs).unwrap();
    let without_gate = verify(srs, keys.vk(), &proof);
    assert!(without_gate, "{name}: without the gate `{gate}` the forgery should pass; the attack tests something else");
    report(name, shape.statement.name(), gate, true, honest_evm, forged_native, forged_evm, Some(without_gate));
}

/// The same group with one cell changed.
pub(crate) fn altered(
    srs: &Srs,
    shape: &Shape,
    group: &CommittedGroup,
    changes: &[(usize, usize, Fr)],
) -> CommittedGroup {
    let mut columns = group.columns.clone();
    let layout = &shape.layout;
    for (column, row, value) in changes {
        let mut rows = columns[*column].values[..layout.usable()].to_vec();
        rows[*row] = *value;
        let secret = tribute_circuits::columns::Secret::from_bytes([9; 32]);
        let content = [*column as u8; 32];
        columns[*column] =
            Arc::new(CommittedColumn::with_rows(srs, layout, &secret, Role::Records, &content, *column as u32, rows));
    }
    CommittedGroup { columns }
}
