//! `Statements.sol` agrees with `tribute-core`: compares every constant by name, and fails on any that is not compared
//! here.
//!
//! Contexts and ids are tested by the acceptance of proofs made with core's: `verifier-contract/test/RealLife.t.sol`.

use std::collections::BTreeMap;
use tribute_core::{
    layout::{Layout, Task, K_RANGE, MAX_INTERCEPT_SCALE},
    link::Link,
    numbers,
    statement::{self, Statement},
};
use tribute_engine::halo2_proofs::halo2curves::bn256::{Fq, Fr};
use tribute_engine::halo2_proofs::halo2curves::ff::PrimeField;

const SOURCE: &str = include_str!("../../../src/libraries/Statements.sol");

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
        ("OPTIMUM", code(Statement::Optimum)),
        ("EVALUATION", code(Statement::Evaluation)),
        ("SERVICE", code(Statement::Service)),
        ("LINK_SQUARED", i128::from(Link::Squared.code())),
        ("EPSILON_CAP", i128::from(Link::Softmax.largest_epsilon(1))),
        ("EPSILON_CAP_SQUARED", i128::from(Link::Squared.largest_epsilon(1))),
        ("SERVICE_SLOTS", size(statement::SERVICE_SLOTS)),
        ("CTX", size(statement::CTX)),
        ("DATASET_N", size(dataset::N)),
        ("DATASET_INPUTS", size(dataset::INPUTS)),
        ("GRADIENT_CONTRIBUTION", size(gradient::CONTRIBUTION)),
        ("GRADIENT_INPUTS", size(gradient::INPUTS)),
        ("OPTIMUM_N", size(optimum::N)),
        ("OPTIMUM_LAMBDA", size(optimum::LAMBDA)),
        ("OPTIMUM_EPSILON", size(optimum::EPSILON)),
        ("OPTIMUM_NORM", size(optimum::NORM)),
        ("OPTIMUM_INPUTS", size(optimum::INPUTS)),
        ("EVALUATION_N", size(evaluation::N)),
        ("EVALUATION_CORRECT", size(evaluation::CORRECT)),
        ("EVALUATION_LOSS", size(evaluation::LOSS)),
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
        ("EVALUATION_GROUP_XY", records_group(Statement::Evaluation)),
        ("EVALUATION_GROUP_W", 1),
        ("SERVICE_GROUP_W", 0),
        ("SQUARED_BIT", 1 << Link::Squared.code()),
        ("ALL_LINKS", [Link::Squared, Link::Logistic, Link::Softmax].iter().map(|link| 1 << link.code()).sum()),
        ("LOSS_BITS", bits(numbers::LOSS_BITS)),
        ("LOSS_LIMIT_BITS", bits(numbers::LOSS_LIMIT_BITS)),
        ("NORM_BITS", bits(numbers::NORM_BITS)),
        ("LAMBDA_BITS", bits(numbers::LAMBDA_BITS)),
        ("COUNT_LIMIT_BITS", bits(numbers::COUNT_LIMIT_BITS)),
        ("EPSILON_LIMIT_BITS", bits(numbers::EPSILON_LIMIT_BITS)),
        ("LAMBDA_LIMIT_BITS", bits(numbers::LAMBDA_LIMIT_BITS)),
        ("NORM_LIMIT_BITS", bits(numbers::NORM_LIMIT_BITS)),
        ("CONTRIBUTION_LIMIT_BITS", bits(numbers::CONTRIBUTION_LIMIT_BITS)),
        ("INTERCEPT_SCALE_MOST", bits(MAX_INTERCEPT_SCALE)),
        ("DISTANCE_PARTS", i128::from(numbers::DISTANCE_PARTS)),
        ("NEGATIVE_PARTS", i128::from(numbers::NEGATIVE_PARTS)),
        ("ROUNDING_PARTS", i128::from(numbers::ROUNDING_PARTS)),
        ("LEAST_SUM_PARTS", 1 << 9),
    ];
    let mut expected: BTreeMap<String, String> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    expected.insert("FIELD_MODULUS".into(), modulus::<Fr>());
    expected.insert("COORDINATE_MODULUS".into(), modulus::<Fq>());
    assert_eq!(constants(SOURCE), expected);
}

/// The group with more columns than one.
fn records_group(statement: Statement) -> i128 {
    let groups = statement.groups(8);
    groups.iter().position(|columns| *columns == 9).unwrap() as i128
}

/// The unit of contributions, which the registry computes from a layout's rows, is the layout's.
#[test]
fn units_of_contributions_are_cores() {
    let table = SOURCE.split_once("bytes6(hex\"").unwrap().1.split_once('"').unwrap().0;
    assert!(SOURCE.contains("[k < 15 ? k - 10 : 5]"), "how the table is read");
    for k in K_RANGE {
        let entry = usize::try_from(k - 10).unwrap().min(5);
        let bits = u32::from_str_radix(&table[2 * entry..2 * entry + 2], 16).unwrap();
        let layout = Layout::new(k, 8, 16, 2, Task::Classes).unwrap();
        assert_eq!(bits, layout.contribution_bits(), "k = {k}");
    }
}

/// The gate's requirements on each statement's shape, in `_statementShape`, are those of core; W and G are single
/// columns.
#[test]
fn shapes_are_cores() {
    // without braces and line breaks, which are the formatter's
    let gate = include_str!("../../../src/ProofGate.sol").replace(['{', '}'], "");
    let gate = gate.split_whitespace().collect::<Vec<_>>().join(" ");
    for (statement, name, groups) in [
        (Statement::Dataset, "DATASET", "1, true"),
        (Statement::Gradient, "GRADIENT", "3, true"),
        (Statement::Optimum, "OPTIMUM", "2, false"),
        (Statement::Evaluation, "EVALUATION", "2, true"),
    ] {
        let line = format!("if (statement == Statements.{name}) return (Statements.{name}_INPUTS, {groups});");
        assert!(gate.contains(&line), "{line}");
        let (count, records) = groups.split_once(", ").unwrap();
        let columns = statement.groups(8);
        assert_eq!((columns.len(), columns[0] == 9), (count.parse().unwrap(), records == "true"), "{name}");
        assert!(columns[1..].iter().all(|columns| *columns == 1), "{name}");
    }
    assert!(gate.contains("if (statement == Statements.SERVICE) return (Statements.SERVICE_INPUTS, 1, false);"));
    assert_eq!(Statement::Service.groups(8), [1]);
}
