//! Records the outcomes of the attacks and checks that they are complete.
//!
//! Every attack writes a row into the target folder. An attack tried only on the cells has no proof verdicts, but for
//! every gate name there is another attack that has. `make test-circuits` merges the rows of a whole run into
//! `attacks.json` ([`merge`], which fails on any missing row), and every run of the tests checks the committed file
//! against the list of attacks and against the circuits' gates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use tribute_circuits::circuit::constraint_system;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;

use crate::list::{Place, ATTACKS, EXEMPT, GADGETS};

/// One attack's outcome.
pub(crate) struct Row<'a> {
    pub(crate) attack: &'a str,
    pub(crate) circuit: &'a str,
    pub(crate) honest: bool,
    pub(crate) forged_native: bool,
    pub(crate) forged_evm: bool,
    /// `None` if no gate guards against it; `gate` then says what does.
    pub(crate) without_gate: Option<bool>,
    pub(crate) gate: &'a str,
}

fn parts() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks")
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks.json")
}

/// Writes the row to where [`merge`] finds it.
pub(crate) fn record(row: &Row<'_>) {
    let value = json!({
        "attack": row.attack, "circuit": row.circuit, "honest_native": row.honest, "honest_evm": row.honest,
        "forged_native": row.forged_native, "forged_evm": row.forged_evm, "without_gate": row.without_gate,
        "gate": row.gate,
    });
    std::fs::create_dir_all(parts()).unwrap();
    std::fs::write(parts().join(format!("{}.json", row.attack)), value.to_string()).unwrap();
}

/// Writes the row of a forgery that was tried only on the cells, without a proof.
pub(crate) fn record_on_cells(attack: &str, circuit: &str, gate: &str) {
    let value = json!({
        "attack": attack, "circuit": circuit, "honest_native": null, "honest_evm": null, "forged_native": null,
        "forged_evm": null, "without_gate": true, "gate": gate,
    });
    std::fs::create_dir_all(parts()).unwrap();
    std::fs::write(parts().join(format!("{}.json", hex::encode(Sha256::digest(attack)))), value.to_string()).unwrap();
}

/// Everything wrong with a file of outcomes.
fn complaints(rows: &[Value]) -> Vec<String> {
    let mut out = vec![];
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = rows.iter().map(|row| text(row, "attack")).collect();
    if !names.is_sorted_by(|a, b| a < b) {
        out.push("the attacks are not in order, or one occurs twice".into());
    }
    for row in rows {
        let said = [("honest_native", true), ("honest_evm", true), ("forged_native", false), ("forged_evm", false)];
        let on_cells = said.iter().all(|(key, _)| row[*key].is_null()) && row["without_gate"].as_bool() == Some(true);
        for (key, expected) in said {
            if !on_cells && row[key].as_bool() != Some(expected) {
                out.push(format!("{}: {key} is {}", text(row, "attack"), row[key]));
            }
        }
        if !(row["without_gate"].as_bool() == Some(true) || row["without_gate"].is_null()) {
            out.push(format!("{}: rejected even without its gate", text(row, "attack")));
        }
    }
    for (attack, places) in ATTACKS {
        for place in *places {
            match place {
                Place::Here(name) if !names.iter().any(|n| n == name) => {
                    out.push(format!("`{attack}`: no outcome of {name}"));
                }
                Place::There(file, test) => {
                    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
                    let found = std::fs::read_to_string(&path).is_ok_and(|source| source.contains(test));
                    if !found {
                        out.push(format!("`{attack}`: {file} has no {test}"));
                    }
                }
                Place::Here(_) => {}
            }
        }
    }
    // for attacks tried only on the cells, another attack on a gate of this name has proofs
    let base = |gate: &str| gate.split(" #").next().unwrap_or_default().to_owned();
    let proven: BTreeSet<String> =
        rows.iter().filter(|row| row["forged_native"].is_boolean()).map(|row| base(&text(row, "gate"))).collect();
    for row in rows.iter().filter(|row| row["forged_native"].is_null()) {
        if !proven.contains(&base(&text(row, "gate"))) {
            out.push(format!("{}: no proof is forged against `{}`", text(row, "attack"), base(&text(row, "gate"))));
        }
    }
    let mut alone: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["without_gate"].as_bool() == Some(true)) {
        alone.entry(text(row, "circuit")).or_default().insert(text(row, "gate"));
    }
    let anywhere: BTreeSet<&String> = alone.values().flatten().collect();
    for (circuit, gates) in gates() {
        for gate in gates {
            let covered = match GADGETS.iter().any(|prefix| gate.starts_with(prefix)) {
                true => anywhere.contains(&gate),
                false => alone.get(circuit).is_some_and(|covered| covered.contains(&gate)),
            };
            let exempt = EXEMPT.iter().any(|(c, g, _)| (*c, *g) == (circuit, gate.as_str()));
            if !covered && !exempt {
                out.push(format!("no attack shows what `{gate}` of {circuit} is for"));
            }
            if covered && exempt {
                out.push(format!("`{gate}` of {circuit} is not exempt: an attack shows what it is for"));
            }
        }
    }
    out
}

/// All gates, by circuit; polynomials that share a name are numbered.
fn gates() -> BTreeMap<&'static str, BTreeSet<String>> {
    // 7 features in 3 columns and limbs with spare bits, so that every gate exists
    let layout = |k, task| Layout::new(k, 3, 7, if task == Task::Real { 1 } else { 3 }, task).unwrap();
    let shapes = [
        Shape::dataset(layout(10, Task::Classes)),
        Shape::dataset(layout(10, Task::Real)),
        Shape::gradient(layout(14, Task::Classes), Link::Squared),
        Shape::gradient(layout(14, Task::Classes), Link::Logistic),
        Shape::gradient(layout(14, Task::Classes), Link::Softmax),
        Shape::optimum(layout(10, Task::Classes)),
        Shape::evaluation(layout(10, Task::Classes), Link::Squared),
        Shape::evaluation(layout(14, Task::Classes), Link::Logistic),
        Shape::evaluation(layout(14, Task::Classes), Link::Softmax),
        Shape::service(layout(15, Task::Classes)),
    ];
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for shape in shapes {
        let names = constraint_system(&shape).gates().iter().map(|g| g.name().to_owned()).collect::<Vec<_>>();
        all.entry(shape.statement.name()).or_default().extend(names);
    }
    for statement in Statement::ALL {
        assert!(all.contains_key(statement.name()), "no shape of {}", statement.name());
    }
    all
}

#[test]
fn every_attack_is_on_record_and_every_gate_has_one() {
    let text = std::fs::read_to_string(committed()).expect("attacks.json: `make test-circuits` writes it");
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let complaints = complaints(&rows);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Merges the rows of a whole run. `make test-circuits` removes earlier rows, runs the attacks, then this.
#[test]
#[ignore = "after a whole run: make test-circuits"]
fn merge() {
    let mut rows: Vec<Value> = std::fs::read_dir(parts())
        .unwrap()
        .map(|entry| serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap())
        .collect();
    rows.sort_by_key(|row: &Value| row["attack"].as_str().unwrap_or_default().to_owned());
    let complaints = complaints(&rows);
    assert!(complaints.is_empty(), "{complaints:#?}");
    // one line per attack, with keys in a fixed order
    let keys =
        ["attack", "circuit", "honest_native", "honest_evm", "forged_native", "forged_evm", "without_gate", "gate"];
    let line = |row: &Value| {
        let fields: Vec<String> = keys.iter().map(|key| format!("\"{key}\": {}", row[*key])).collect();
        format!("  {{{}}}", fields.join(", "))
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    std::fs::write(committed(), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
}
