//! Finds the cells of phase one that a prover may fill freely. Every cell is changed, on every row, by one and to a
//! random value, and the witness code recomputes what depends on it. Then either some gate is violated, or
//! `free-cells.json` lists the cell with the reason why nothing depends on it.
//!
//! Most changes are decided by the gates that read the cell. Where running sums must be recomputed, only some rows of
//! every kind are tried; for `service`, with 2^15 rows, that applies to all changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::support::perturb::{Trial, Verdict};
use crate::support::subjects::{subjects, Subject};

/// Free cells of some columns in rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Free {
    circuit: String,
    columns: Vec<String>,
    rows: String,
    /// `any`, or which other values go unnoticed.
    values: String,
    reason: String,
}

/// A value that occurs nowhere else.
fn random(row: usize) -> Fr {
    (Fr::from(row as u64) + Fr::from(0x1234_5678)) * Fr::from(0x9E37_79B9_7F4A_7C15).square().square()
}

/// At most `most` of the rows, including the first and the last.
fn some(rows: &[usize], most: usize) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    (0..most).map(|i| rows[i * (rows.len() - 1) / (most - 1)]).collect()
}

/// Free cells of a circuit: column, kind of rows, values.
fn free_cells(subject: Subject, every_row: bool) -> BTreeSet<(String, &'static str, &'static str)> {
    let k = subject.layout.k();
    // rows of each kind on which gates are tried, and on which everything is recomputed
    let (tried, recomputed) = match k {
        10 if every_row => (usize::MAX, usize::MAX),
        10 => (usize::MAX, 16),
        14 => (usize::MAX, 2),
        _ => (24, 2),
    };
    let mut trial = Trial::of(subject);
    let mut free = BTreeSet::new();
    for (at, name) in trial.subject.columns.clone().iter().enumerate() {
        let column = trial.subject.honest.columns(0)[at];
        // beyond the gate rows, the witness controls only committed columns
        let rows =
            if at < trial.subject.committed() { trial.subject.layout.rows() } else { trial.subject.layout.gate_rows() };
        let mut kinds: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for row in 0..rows {
            kinds.entry(trial.subject.class(at, row)).or_default().push(row);
        }
        for (kind, all) in kinds {
            let rows = some(&all, tried);
            let was = |trial: &Trial, row: usize| trial.subject.honest.advice[column][row];
            let mut verdicts = vec![];
            for change in [|_: Fr, row: usize| random(row), |was: Fr, _: usize| was + Fr::ONE] {
                let early: Vec<Option<Verdict>> =
                    rows.par_iter().map(|row| trial.early((column, *row), change(was(&trial, *row), *row))).collect();
                let open: Vec<usize> =
                    rows.iter().zip(&early).filter(|(_, v)| v.is_none()).map(|(row, _)| *row).collect();
                let mut seen: BTreeMap<Verdict, usize> =
                    rows.iter().zip(&early).filter_map(|(row, v)| v.map(|v| (v, *row))).collect();
                for row in some(&open, recomputed) {
                    let value = change(was(&trial, row), row);
                    seen.insert(trial.late(&[((column, row), value)]), row);
                }
                verdicts.push(seen);
            }
            let circuit = &trial.subject.name;
            let [any, next] = &verdicts[..] else { unreachable!() };
            assert_eq!(any.len(), 1, "{circuit}, {name}, {kind}: free on some rows and held on others: {any:?}");
            if any.contains_key(&Verdict::Free) {
                free.insert((name.clone(), kind, "any"));
            } else if next.contains_key(&Verdict::Free) {
                free.insert((name.clone(), kind, "one more"));
            }
        }
    }
    free
}

#[test]
fn only_what_is_listed_is_free() {
    nothing_else_is_free(false);
}

/// Recomputes everything on every row of the circuits of 2^10 rows.
#[test]
#[ignore = "some minutes"]
fn only_what_is_listed_is_free_on_every_row() {
    nothing_else_is_free(true);
}

fn nothing_else_is_free(every_row: bool) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/free-cells.json");
    let listed: Vec<Free> = std::fs::read(&file).map_or(vec![], |text| serde_json::from_slice(&text).unwrap());
    let reason = |circuit: &str, columns: &[String], rows: &str, values: &str| {
        let same = |f: &&Free| f.circuit == circuit && f.columns == columns && f.rows == rows && f.values == values;
        listed.iter().find(same).map_or(String::new(), |f| f.reason.clone())
    };
    let mut found = vec![];
    for subject in subjects() {
        let subject = subject();
        let (circuit, order) = (subject.name.clone(), subject.columns.clone());
        let start = std::time::Instant::now();
        let mut kinds: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (column, rows, values) in free_cells(subject, every_row) {
            kinds.entry((rows, values)).or_default().push(column);
        }
        println!("{circuit}: {:.1?}", start.elapsed());
        for ((rows, values), mut columns) in kinds {
            columns.sort_by_key(|c| order.iter().position(|o| o == c));
            let reason = reason(&circuit, &columns, rows, values);
            let (rows, values) = (rows.to_owned(), values.to_owned());
            found.push(Free { circuit: circuit.clone(), columns, rows, values, reason });
        }
    }
    if std::env::var_os("TRIBUTE_GOLDEN").is_some_and(|v| v == "write") {
        let lines: Vec<String> = found.iter().map(|f| format!("  {}", serde_json::to_string(f).unwrap())).collect();
        std::fs::write(&file, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    for free in &found {
        assert!(
            !free.reason.is_empty(),
            "{}: {:?} of {} ({} value) is constrained by no gate. If nothing depends on it, say why in {}; \
             `TRIBUTE_GOLDEN=write cargo test --release -p tribute-circuits --test proofs free_cells` writes the entry",
            free.circuit,
            free.columns,
            free.rows,
            free.values,
            file.display()
        );
    }
    assert_eq!(found, listed, "{} lists cells that gates now constrain", file.display());
}
