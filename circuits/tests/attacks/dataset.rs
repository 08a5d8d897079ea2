//! Attacks on `dataset`: a shard that is not well formed, or a wrong count.

use std::sync::Arc;

use tribute_circuits::columns::CommittedGroup;
use tribute_circuits::dataset::DatasetCircuit;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::halo2_proofs::halo2curves::ff::Field;
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_core::layout::{Layout, Task};

use crate::harness::{altered, attack, Claim};
use crate::support::{instance, Instance};
use tribute_core::link::Link;

fn world(task: Task) -> (Shape, Instance) {
    let classes = if task == Task::Real { 1 } else { 3 };
    let layout = Layout::new(11, 3, 16, classes, task).unwrap();
    (Shape::dataset(layout), instance(layout, Link::Squared, 12, 4))
}

fn claim(shape: Shape, shard: &CommittedGroup, n: u64) -> Claim<DatasetCircuit> {
    (DatasetCircuit::new(shape, shard), vec![Fr::from(7), Fr::from(n)])
}

/// Attacks by changing cells of the committed shard.
fn with_cells(name: &str, gate: &'static str, task: Task, cells: &[(usize, usize, Fr)], forged_n: u64) {
    let (shape, i) = world(task);
    let bad = altered(&i.srs, &shape, &i.xy, cells);
    attack(
        name,
        gate,
        &i.srs,
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
    i * Layout::new(11, 3, 16, 3, Task::Classes).unwrap().record_rows() + offset
}

const LABEL: usize = 3;

#[test]
fn count_off_by_one() {
    let (shape, i) = world(Task::Classes);
    attack("n_off_by_one", "count is n", &i.srs, &shape, |shape, forged| claim(shape, &i.xy, 12 + u64::from(forged)));
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
        let bad = altered(&i.srs, &shape, &i.xy, &[(column, row(3, 0), Fr::from(256))]);
        attack(&format!("256_in_column_{column}"), "logUp ends at 0", &i.srs, &shape, |shape, forged| {
            if forged {
                claim(shape, &bad, 12)
            } else {
                claim(shape, &i.xy, 12)
            }
        });
    }
}

#[test]
fn helper_filled_on_an_idle_row() {
    // a 256 leaves the sum open by 1/(β − 256); a helper on a row where nothing is looked up closes it again
    let (shape, i) = world(Task::Classes);
    let bad = altered(&i.srs, &shape, &i.xy, &[(0, row(3, 0), Fr::from(256))]);
    let idle = shape.layout.gate_rows() - 3;
    let gate = "logUp helper: h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂";
    attack("helper_on_idle_row", gate, &i.srs, &shape, |shape, forged| {
        if !forged {
            return claim(shape, &i.xy, 12);
        }
        let (mut circuit, inputs) = claim(shape, &bad, 12);
        circuit.forge = Some(Arc::new(move |phase, columns, _| {
            if phase == 1 {
                let sum = columns.len() - 1;
                let open = *columns[sum].last().unwrap();
                columns[0][idle] -= open;
                for row in idle + 1..columns[sum].len() {
                    columns[sum][row] -= open;
                }
            }
        }));
        (circuit, inputs)
    });
}

#[test]
fn registration_of_another_owner_contract_or_chain() {
    // ctx is the first thing the transcript absorbs: the same proof under another context does not verify
    let (shape, i) = world(Task::Classes);
    let keys = tribute_circuits::prove::Keys::generate(&i.srs, &shape).unwrap();
    let (circuit, inputs) = claim(shape, &i.xy, 12);
    let srs: &Srs = &i.srs;
    let mut proof = tribute_circuits::prove::prove(srs, &keys, &circuit, inputs).unwrap();
    proof.inputs[0] += Fr::ONE;
    assert!(!tribute_circuits::prove::verify(srs, keys.vk(), &proof));
}
