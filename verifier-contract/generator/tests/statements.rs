//! `Statements.sol` says what `tribute-core` says: every constant, by name, and none that is not compared here.
//!
//! Contexts and ids are compared by proofs made with core's being accepted: `verifier-contract/test/RealLife.t.sol`.

use std::collections::BTreeMap;
use tribute_core::{
    link::Link,
    numbers,
    statement::{self, Statement},
};
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fq, Fr};
use tribute_engine::halo2_proofs::halo2curves::ff::PrimeField;

const SOURCE: &str = include_str!("../../src/libraries/Statements.sol");

/// Name and value of every integer constant of a Solidity source, as decimal or hexadecimal text.
fn constants(source: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in source.lines() {
        let line = line.trim();
        let Some((declaration, value)) = line.strip_suffix(';').and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        let words: Vec<_> = declaration.split_whitespace().collect();
        let [kind, "internal" | "private", "constant", name] = words[..] else { continue };
        if kind != "bytes32" {
            assert!(found.insert(name.to_owned(), value.replace('_', "")).is_none(), "{name} twice");
        }
    }
    found
}

fn modulus<F: PrimeField>() -> String {
    F::MODULUS.to_owned()
}

#[test]
fn every_constant_is_cores() {
    use statement::{dataset, evaluation, gradient, optimum, service};
    let code = |s: Statement| i128::from(s.code());
    let size = |n: usize| n as i128;
    let bits = i128::from;
    let expected = [
        ("DATASET", code(Statement::Dataset)),
        ("GRADIENT", code(Statement::Gradient)),
        ("SUM", code(Statement::Sum)),
        ("OPTIMUM", code(Statement::Optimum)),
        ("EVALUATION", code(Statement::Evaluation)),
        ("SERVICE", code(Statement::Service)),
        ("LINK_SQUARED", i128::from(Link::Squared.code())),
        ("EPSILON_CAP", i128::from(numbers::largest_epsilon(Link::Softmax, 1))),
        ("EPSILON_CAP_SQUARED", i128::from(numbers::largest_epsilon(Link::Squared, 1))),
        ("OPTIMUM_SLOTS", size(statement::OPTIMUM_SLOTS)),
        ("SERVICE_SLOTS", size(statement::SERVICE_SLOTS)),
        ("SUM_PARTS_LEAST", size(*statement::SUM_PARTS.start())),
        ("SUM_PARTS_MOST", size(*statement::SUM_PARTS.end())),
        ("CTX", size(statement::CTX)),
        ("DATASET_N", size(dataset::N)),
        ("DATASET_INPUTS", size(dataset::INPUTS)),
        ("GRADIENT_INPUTS", size(gradient::INPUTS)),
        ("SUM_INPUTS", size(Statement::Sum.inputs())),
        ("OPTIMUM_N", size(optimum::N)),
        ("OPTIMUM_LAMBDA", size(optimum::LAMBDA)),
        ("OPTIMUM_EPSILON", size(optimum::EPSILON)),
        ("OPTIMUM_NORM", size(optimum::NORM)),
        ("OPTIMUM_ACTIVE", size(optimum::ACTIVE)),
        ("OPTIMUM_JOIN", size(optimum::JOIN)),
        ("OPTIMUM_SHARE", size(optimum::SHARE)),
        ("OPTIMUM_INPUTS", size(optimum::INPUTS)),
        ("EVALUATION_N", size(evaluation::N)),
        ("EVALUATION_CORRECT", size(evaluation::CORRECT)),
        ("EVALUATION_INPUTS", size(evaluation::INPUTS)),
        ("SERVICE_BEFORE", size(service::BEFORE)),
        ("SERVICE_AFTER", size(service::AFTER)),
        ("SERVICE_COUNT", size(service::COUNT)),
        ("SERVICE_INPUTS", size(service::INPUTS)),
        ("DATASET_GROUP_XY", records_group(Statement::Dataset)),
        ("GRADIENT_GROUP_XY", records_group(Statement::Gradient)),
        ("GRADIENT_GROUP_W", 1),
        ("GRADIENT_GROUP_G", 2),
        ("OPTIMUM_GROUP_W", 0),
        ("OPTIMUM_GROUP_G", 1),
        ("SERVICE_GROUP_W", 0),
        ("SHARE_BITS", bits(numbers::SHARE_BITS)),
        ("NORM_BITS", bits(numbers::NORM_BITS)),
        ("COUNT_LIMIT_BITS", bits(numbers::COUNT_LIMIT_BITS)),
        ("EPSILON_LIMIT_BITS", bits(numbers::EPSILON_LIMIT_BITS)),
        ("LAMBDA_LIMIT_BITS", bits(numbers::LAMBDA_LIMIT_BITS)),
        ("NORM_LIMIT_BITS", bits(numbers::NORM_LIMIT_BITS)),
        ("SHARE_LIMIT_BITS", bits(numbers::SHARE_LIMIT_BITS)),
        ("LEAST_SHARE", i128::from(numbers::LEAST_SHARE)),
        ("DISTANCE_PARTS", i128::from(numbers::DISTANCE_PARTS)),
    ];
    let mut expected: BTreeMap<String, String> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    expected.insert("FIELD_MODULUS".into(), modulus::<Fr>());
    expected.insert("COORDINATE_MODULUS".into(), modulus::<Fq>());
    assert_eq!(constants(SOURCE), expected);
}

/// The group with more columns than one.
fn records_group(statement: Statement) -> i128 {
    let groups = statement.groups(8, 0);
    groups.iter().position(|columns| *columns == 9).unwrap() as i128
}

/// Parts of a sum, for the test below: any number that is nothing else.
const PARTS: usize = 5;

/// What the gate demands of each statement's shape, in `_statementShape`, is what core says; W and G stand one by one.
#[test]
fn shapes_are_cores() {
    let gate = include_str!("../../src/ProofGate.sol");
    for (statement, name, slots, groups) in [
        (Statement::Dataset, "DATASET", "0", "1, true"),
        (Statement::Gradient, "GRADIENT", "0", "3, true"),
        (Statement::Sum, "SUM", "parts", "1 + parts, false"),
        (Statement::Optimum, "OPTIMUM", "optimumSlots", "1 + optimumSlots, false"),
        (Statement::Evaluation, "EVALUATION", "0", "2, true"),
    ] {
        let line = format!("if (statement == Statements.{name}) return (Statements.{name}_INPUTS, {slots}, {groups});");
        assert!(gate.contains(&line), "{line}");
        let number = |word: &str| match word {
            "optimumSlots" => statement::OPTIMUM_SLOTS,
            "parts" => PARTS,
            number => number.parse().unwrap(),
        };
        let slots = number(slots);
        assert_eq!(usize::from(statement.slots(PARTS)), slots, "{name}");
        let (count, records) = groups.split_once(", ").unwrap();
        let count = count.split(" + ").map(number).sum();
        let columns = statement.groups(8, PARTS);
        assert_eq!((columns.len(), columns[0] == 9), (count, records == "true"), "{name}");
        assert!(columns[1..].iter().all(|columns| *columns == 1), "{name}");
    }
    assert!(gate.contains("return (Statements.SERVICE_INPUTS, uint16(Statements.SERVICE_SLOTS), 1, false);"));
    assert_eq!(Statement::Service.groups(8, 0), [1]);
    assert_eq!(usize::from(Statement::Service.slots(0)), statement::SERVICE_SLOTS);
}
