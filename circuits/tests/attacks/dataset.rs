//! Attacks on `dataset`: a shard that is not well formed, or a wrong count.

use tribute_circuits::columns::CommittedGroup;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::{column, DatasetCircuit};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::U256;
use tribute_engine::field::word;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;
use tribute_verify::{verify, Rejected, VerifierSrs};

use crate::harness::{attack, by_structure, Claim};
use crate::record::{record, Row};
use crate::support::gates::{forging, Sheet};
use crate::support::keyed::keyed;
use crate::support::{altered, instance, Instance};

fn world(task: Task) -> (Shape, Instance) {
    let classes = if task == Task::Real { 1 } else { 3 };
    let layout = Layout::new(10, 3, 16, classes, task).unwrap();
    (Shape::dataset(layout), instance(layout, Link::Squared, 12, 4))
}

fn claim(shape: Shape, shard: &CommittedGroup, n: u64) -> Claim<DatasetCircuit> {
    (DatasetCircuit::new(shape, shard), vec![Fr::from(7), Fr::from(n)])
}

/// Attacks that change cells of the committed shard.
fn with_cells(name: &str, gate: &'static str, task: Task, cells: &[(usize, usize, Fr)], forged_n: u64) {
    let (shape, i) = world(task);
    let bad = altered(&shape, &i.xy, cells);
    attack(
        name,
        &[gate],
        &shape,
        |shape, forged| {
            if forged {
                claim(shape, &bad, forged_n)
            } else {
                claim(shape, &i.xy, 12)
            }
        },
    );
}

/// Row `offset` of record `i`.
fn row(i: usize, offset: usize) -> usize {
    i * Layout::new(10, 3, 16, 3, Task::Classes).unwrap().record_rows() + offset
}

const LABEL: usize = 3;

#[test]
fn count_off_by_one() {
    let (shape, i) = world(Task::Classes);
    attack("n_off_by_one", &["count is n in row 0, and ends at 0"], &shape, |shape, forged| {
        claim(shape, &i.xy, 12 + u64::from(forged))
    });
}

#[test]
fn two_classes_in_a_record() {
    let (_, i) = world(Task::Classes);
    let other = 1 + (usize::from(i.records.target(5)) + 1) % 3;
    with_cells(
        "two_classes_in_a_record",
        "exactly one class in a present record: s = Σy",
        Task::Classes,
        &[(LABEL, row(5, other), Fr::ONE)],
        12,
    );
}

#[test]
fn target_that_is_no_boolean() {
    // 2 and −1 sum to 1
    let (_, i) = world(Task::Classes);
    let own = 1 + usize::from(i.records.target(5));
    let other = 1 + (usize::from(i.records.target(5)) + 1) % 3;
    with_cells(
        "target_not_boolean",
        "target is boolean: y(y − 1) = 0",
        Task::Classes,
        &[(LABEL, row(5, own), Fr::from(2)), (LABEL, row(5, other), -Fr::ONE)],
        12,
    );
}

#[test]
fn presence_of_two() {
    // record 1 has no features, so no other gate notices
    let (_, i) = world(Task::Classes);
    let own = 1 + usize::from(i.records.target(1));
    let other = 1 + (usize::from(i.records.target(1)) + 1) % 3;
    with_cells(
        "presence_not_boolean",
        "presence is boolean: s(s − 1) = 0",
        Task::Classes,
        &[(LABEL, row(1, 0), Fr::from(2)), (LABEL, row(1, own), Fr::ONE), (LABEL, row(1, other), Fr::ONE)],
        13,
    );
}

#[test]
fn absent_record_with_features() {
    with_cells(
        "absent_record_with_features",
        "an absent record has no features: (1 − s)·Σx = 0",
        Task::Classes,
        &[(0, row(20, 0), Fr::from(9))],
        12,
    );
}

#[test]
fn value_in_an_unused_row() {
    let (shape, _) = world(Task::Classes);
    let gate = "rows without features are 0: Σx = 0";
    with_cells("value_in_unused_row", gate, Task::Classes, &[(1, shape.layout.weights_start() + 3, Fr::from(9))], 12);
}

#[test]
fn value_beyond_d() {
    // 16 features in 3 columns: the last data row has one feature and two cells beyond
    with_cells(
        "value_beyond_d",
        "cells beyond d are 0: Σ_{j ≥ d} x = 0",
        Task::Classes,
        &[(1, row(3, 5), Fr::from(9))],
        12,
    );
}

#[test]
fn label_in_an_unused_row() {
    with_cells("label_in_unused_row", "unused label rows are 0", Task::Classes, &[(LABEL, row(3, 4), Fr::ONE)], 12);
}

#[test]
fn target_of_two_bytes_and_more() {
    with_cells(
        "real_target_too_large",
        "target is two bytes: y = lo + 256·hi",
        Task::Real,
        &[(LABEL, row(3, 1), Fr::from(65_536))],
        12,
    );
}

#[test]
fn a_256_in_each_column_in_turn() {
    let (shape, i) = world(Task::Classes);
    for column in 0..shape.layout.columns() {
        let bad = altered(&shape, &i.xy, &[(column, row(3, 0), Fr::from(256))]);
        attack(&format!("256_in_column_{column}"), &["logUp starts and ends at 0"], &shape, |shape, forged| {
            if forged {
                claim(shape, &bad, 12)
            } else {
                claim(shape, &i.xy, 12)
            }
        });
    }
}

/// Attacks on a false shard, after repairing the cells of one phase by hand.
fn repaired(
    name: &str,
    gate: &'static str,
    task: Task,
    cells: &[(usize, usize, Fr)],
    n: u64,
    repair: impl Fn(u8, &mut Sheet) + Clone + Send + Sync + 'static,
) {
    let (shape, i) = world(task);
    let bad = altered(&shape, &i.xy, cells);
    attack(name, &[gate], &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i.xy, 12);
        }
        let (mut circuit, inputs) = claim(shape, &bad, n);
        circuit.forge = Some(forging(&circuit, &inputs, repair.clone()));
        (circuit, inputs)
    });
}

/// A 256 in the first column: it is not in the table, and the sum of fractions ends at `1/(β − 256)`.
fn too_large() -> [(usize, usize, Fr); 1] {
    [(0, row(3, 0), Fr::from(256))]
}

const HELPER: &str = "logUp helper: h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂";
const SUM: &str = "logUp sum: (sum' − sum − Σh)·d₁d₂·(β − t) = (s₁d₂ + s₂d₁)(β − t) − m·d₁d₂";
/// Number of helpers for 3 columns: one.
const SUM_COLUMN: usize = 1;

#[test]
fn helper_filled_on_an_idle_row() {
    // a helper on a row without a lookup closes the sum again
    let idle = world(Task::Classes).0.layout.gate_rows() - 3;
    repaired("helper_on_idle_row", HELPER, Task::Classes, &too_large(), 12, move |phase, sheet| {
        if phase == 1 {
            let (helper, sum) = (sheet.column(1, 0), sheet.column(1, SUM_COLUMN));
            sheet.balance(SUM, sum, (helper, idle));
        }
    });
}

#[test]
fn lookup_sum_that_is_none() {
    repaired("lookup_sum_that_is_none", SUM, Task::Classes, &too_large(), 12, |phase, sheet| {
        if phase == 1 {
            let sum = sheet.column(1, SUM_COLUMN);
            sheet.advice[sum].fill(Fr::ZERO);
        }
    });
}

#[test]
fn lookup_sum_with_a_head_start() {
    repaired(
        "lookup_sum_with_a_head_start",
        "logUp starts and ends at 0",
        Task::Classes,
        &too_large(),
        12,
        |phase, sheet| {
            if phase == 1 {
                let sum = sheet.column(1, SUM_COLUMN);
                sheet.balance(SUM, sum, (sum, 0));
            }
        },
    );
}

#[test]
fn classes_summed_wrongly() {
    // a record with two classes whose sum is changed to one
    let (_, i) = world(Task::Classes);
    let other = 1 + (usize::from(i.records.target(5)) + 1) % 3;
    let gate = "targets summed: class = y + class'";
    repaired("classes_summed_wrongly", gate, Task::Classes, &[(LABEL, row(5, other), Fr::ONE)], 12, |phase, sheet| {
        if phase == 0 {
            let class = sheet.column(0, LABEL + 1 + column::CLASS);
            sheet.advice[class][row(5, 1)] = Fr::ONE;
        }
    });
}

#[test]
fn features_summed_wrongly() {
    // an absent record with features whose sum is changed to zero
    let gate = "features summed: cells = Σx + cells'";
    repaired("features_summed_wrongly", gate, Task::Classes, &[(0, row(20, 0), Fr::from(9))], 12, |phase, sheet| {
        if phase == 0 {
            let cells = sheet.column(0, LABEL + 1 + column::CELLS);
            sheet.advice[cells][row(20, 0)] = Fr::ZERO;
        }
    });
}

#[test]
fn record_counted_that_is_not_there() {
    repaired("record_counted_twice", "records counted: count = count' + s", Task::Classes, &[], 13, |phase, sheet| {
        if phase == 0 {
            let count = sheet.column(0, LABEL + 1 + column::COUNT);
            sheet.advice[count][0] += Fr::ONE;
        }
    });
}

#[test]
fn count_with_a_head_start() {
    repaired(
        "count_with_a_head_start",
        "count is n in row 0, and ends at 0",
        Task::Classes,
        &[],
        13,
        |phase, sheet| {
            if phase == 0 {
                let count = sheet.column(0, LABEL + 1 + column::COUNT);
                sheet.advice[count].iter_mut().for_each(|c| *c += Fr::ONE);
            }
        },
    );
}

#[test]
fn absent_record_with_a_target() {
    let gate = "an absent record has no target: (1 − s)·y = 0";
    with_cells("absent_record_with_a_target", gate, Task::Real, &[(LABEL, row(20, 1), Fr::from(5))], 12);
}

#[test]
fn dataset_of_another_owner_contract_or_chain() {
    // ctx contains owner, contract and chain and is the first value that the transcript absorbs: no gate reads it, but
    // the same proof does not verify under another ctx
    let (shape, i) = world(Task::Classes);
    let (circuit, inputs) = claim(shape.clone(), &i.xy, 12);
    by_structure(
        "dataset_of_another_owner_contract_or_chain",
        &circuit,
        &inputs,
        "none: the transcript absorbs ctx",
        |proof| {
            proof.inputs[0] += Fr::ONE;
        },
    );
}

#[test]
fn d_60_read_as_64() {
    // the same records with 60 features: other commitments, and a proof that the circuit for 64 features rejects
    let [narrow, wide] = [60, 64].map(|d| Layout::new(10, 8, d, 3, Task::Classes).unwrap());
    assert_ne!(narrow.hash(), wide.hash());
    let [narrow, wide] = [narrow, wide].map(|layout| (Shape::dataset(layout), instance(layout, Link::Squared, 12, 4)));
    let (circuit, inputs) = claim(narrow.0.clone(), &narrow.1.xy, 12);
    let other = keyed(&narrow.0);
    let small = prove(other.srs, &other.keys, &circuit, inputs).unwrap();
    assert!(other.native(&small));
    let (circuit, inputs) = claim(wide.0, &wide.1.xy, 12);
    let guard = "none: layouts of 60 and of 64 features have keys of their own";
    by_structure("d_60_read_as_64", &circuit, &inputs, guard, |proof| proof.clone_from(&small));
}

#[test]
fn every_word_of_a_proof_altered() {
    let (shape, i) = world(Task::Classes);
    let (circuit, inputs) = claim(shape.clone(), &i.xy, 12);
    let keyed = keyed(&shape);
    let proof = prove(keyed.srs, &keyed.keys, &circuit, inputs.clone()).unwrap();
    for word in 0..proof.bytes.len() / 32 {
        let mut altered = proof.clone();
        altered.bytes[32 * word + 31] ^= 1;
        assert!(!keyed.native(&altered) && !keyed.evm(&altered), "word {word}");
    }
    let guard = "none: the transcript absorbs every word, and words are canonical";
    by_structure("every_word_altered", &circuit, &inputs, guard, |proof| proof.bytes[31] ^= 1);
}

#[test]
fn input_plus_r() {
    // the same field element as a different word: only the encoding differs
    let (shape, i) = world(Task::Classes);
    let (circuit, inputs) = claim(shape.clone(), &i.xy, 12);
    let keyed = keyed(&shape);
    keyed.accept("input_plus_r", &circuit, &inputs);
    let proof = prove(keyed.srs, &keyed.keys, &circuit, inputs).unwrap();
    let r = U256::from_be_bytes(word(&-Fr::ONE)) + 1;
    let mut words = proof.input_words();
    words[1] = (U256::from_be_bytes(words[1]) + r).to_be_bytes();
    let native = verify(keyed.keys.vk(), &VerifierSrs::read(&keyed.srs.points()).unwrap(), &words, &proof.bytes);
    assert_eq!(native, Err(Rejected::Input { index: 1 }));
    let calldata = [words.concat(), proof.bytes.clone()].concat();
    assert!(keyed.evm(&proof) && !keyed.evm_call(&calldata));
    record(&Row {
        attack: "input_plus_r",
        circuit: "dataset",
        honest: true,
        forged_native: false,
        forged_evm: false,
        without_gate: None,
        gate: "none: inputs must be below r",
    });
}
