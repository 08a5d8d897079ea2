//! Every challenge must come after the columns that it tests. For each column of the first two phases of each circuit,
//! cells are changed so that every gate holds under challenges known beforehand: what a prover could do if it could
//! commit to the column late, or if a challenge were fixed. Then one challenge at a time is replaced, as in a proof,
//! where it is drawn after the column is committed. The change must then be noticed.
//!
//! The pairs are checked against the circuit's own phases: if a column moves to a later phase, or a challenge before a
//! column, a pair is missing from `challenge-order.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tribute_circuits::prove::prove_unchecked;
use tribute_core::link::Link;
use tribute_core::statement::Statement;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::support::gates::{some_challenges, Cell};
use crate::support::keyed::keyed;
use crate::support::perturb::{Trial, Verdict, INPUT};
use crate::support::subjects::{subjects, Subject};

/// The result for one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    circuit: String,
    /// For every challenge, the columns that could be forged if it were known when they are committed.
    challenges: BTreeMap<String, Vec<String>>,
    /// Columns for which no such forgery was found: most of them are constrained by gates without any challenge.
    not_forged: Vec<String>,
}

/// Cells that may change together whatever the challenges: statement, column, kind of rows, and why that is harmless.
const FREE_TOGETHER: &[(Statement, &str, &str, &str)] = &[
    (Statement::Dataset, "multiplicity", "", REPEATED),
    (Statement::Gradient, "multiplicity", "", REPEATED),
    (Statement::Optimum, "multiplicity", "", REPEATED),
    (Statement::Evaluation, "multiplicity", "", REPEATED),
    (Statement::Service, "multiplicity", "", REPEATED),
    (
        Statement::Gradient,
        "Y",
        "classes of absent records",
        "without presence errors count for nothing; `dataset` proves 0",
    ),
    (Statement::Gradient, "Y", "heads of absent records", "s of two equal empty records; `dataset` proves it boolean"),
    (
        Statement::Evaluation,
        "Y",
        "the answers' classes",
        "two records' hits, one more and one less; `dataset` proves them boolean",
    ),
];
const REPEATED: &str = "rows beyond the table repeat its first one, and any of them may count it";

/// Names of a circuit's challenges, by index.
fn challenges(statement: Statement) -> &'static [&'static str] {
    match statement {
        Statement::Dataset => &["β", "θ"],
        Statement::Gradient | Statement::Evaluation => &["β", "θ", "σ", "κ", "τ", "α"],
        Statement::Optimum => &["β", "θ", "τ", "ρ"],
        Statement::Service => &["β", "θ", "σ", "ρ", "κ", "τ"],
    }
}

/// A non-zero solution of `Σ_i x_i·v_i = 0`, for vectors given by their entries.
fn dependent(vectors: &[BTreeMap<(usize, usize), Fr>]) -> Option<Vec<Fr>> {
    let keys: BTreeSet<_> = vectors.iter().flat_map(|v| v.keys().copied()).collect();
    let at = |key, v: &BTreeMap<_, Fr>| v.get(&key).copied().unwrap_or(Fr::ZERO);
    let mut rows: Vec<Vec<Fr>> = keys.iter().map(|key| vectors.iter().map(|v| at(*key, v)).collect()).collect();
    let mut pivots = vec![];
    for column in 0..vectors.len() {
        let from = pivots.len();
        let Some(pivot) = (from..rows.len()).find(|r| rows[*r][column] != Fr::ZERO) else {
            // a free variable: set it to 1 and solve for the pivots
            let mut x = vec![Fr::ZERO; vectors.len()];
            x[column] = Fr::ONE;
            for (row, pivot) in pivots.iter().enumerate() {
                x[*pivot] = -rows[row][column];
            }
            return Some(x);
        };
        rows.swap(from, pivot);
        let inverse = rows[from][column].invert().unwrap();
        rows[from].iter_mut().for_each(|x| *x *= inverse);
        let pivot_row = rows[from].clone();
        for (r, row) in rows.iter_mut().enumerate() {
            if r != from {
                let factor = row[column];
                row.iter_mut().zip(&pivot_row).for_each(|(x, p)| *x -= factor * p);
            }
        }
        pivots.push(column);
    }
    None
}

/// Changes of a column that satisfy every gate under [`some_challenges`], if there are any of the kind searched for: on a
/// line along which only the lookup notices changes, the point where it does not notice either.
fn forged(trial: &mut Trial, column: usize, cells: &[Cell]) -> Option<Vec<(Cell, Fr)>> {
    let (known, ends) = (some_challenges(), trial.lookup_ends());
    let honest = |cell: &Cell| match cell.0 {
        INPUT => trial.subject.inputs[cell.1],
        column => trial.subject.honest.advice[column][cell.1],
    };
    let was: Vec<Fr> = cells.iter().map(honest).collect();
    let is_multiplicity = trial.subject.honest.columns(0).last() == Some(&column);
    if let ([cell, input @ (INPUT, _)], [before, stated]) = (cells, &was[..]) {
        // another public input, and a cell that compensates for it
        let stated = (*input, stated + Fr::ONE);
        let open = trial.defects(&[stated], &known);
        let mut moved = trial.defects(&[stated, (*cell, before + Fr::ONE)], &known);
        for (at, value) in &open {
            *moved.entry(*at).or_default() -= value;
        }
        let x = dependent(&[open, moved])?;
        let x = x[1] * Option::<Fr>::from(x[0].invert())?;
        let changes = vec![stated, (*cell, before + x)];
        return (x != Fr::ZERO && trial.late_under(&changes, &known) == Verdict::Free).then_some(changes);
    }
    let mut vectors = vec![];
    let mut looked_up = false;
    for (cell, honest) in cells.iter().zip(&was) {
        let mut defects = trial.defects(&[(*cell, honest + Fr::ONE)], &known);
        if !is_multiplicity && cell.0 != INPUT {
            defects.retain(|(polynomial, _), _| *polynomial != ends);
            let outside = trial.defects(&[(*cell, honest + Fr::from(1 << 40))], &known);
            looked_up |= outside.keys().any(|(polynomial, _)| *polynomial == ends);
        }
        vectors.push(defects);
        let Some(direction) = dependent(&vectors) else { continue };
        if !direction.iter().zip(cells).any(|(x, cell)| *x != Fr::ZERO && cell.0 == column) {
            return None;
        }
        let along = |t: Fr| -> Vec<(Cell, Fr)> {
            let moved = cells.iter().zip(&was).zip(&direction);
            moved.filter(|(_, x)| **x != Fr::ZERO).map(|((cell, was), x)| (*cell, was + t * x)).collect()
        };
        let moved = along(Fr::ONE).len();
        let t = if looked_up { root(moved, |t| lookup_defect(trial, &along(t), ends))? } else { Fr::from(3) };
        let changes = along(t);
        return (t != Fr::ZERO && trial.late_under(&changes, &known) == Verdict::Free).then_some(changes);
    }
    None
}

/// The final value of the lookup's sum.
fn lookup_defect(trial: &mut Trial, changes: &[(Cell, Fr)], ends: usize) -> Fr {
    let last = trial.subject.layout.gate_rows() - 1;
    trial.defects(changes, &some_challenges()).get(&(ends, last)).copied().unwrap_or(Fr::ZERO)
}

/// The root of `f(t) = (p₀ + p₁t)/(1 + q₁t + q₂t²)`, a sum of two fractions, one for each looked-up cell. (At 0, where
/// the cells are in the table, the multiplicities count them.)
fn root(cells: usize, mut f: impl FnMut(Fr) -> Fr) -> Option<Fr> {
    if cells != 2 {
        return None;
    }
    // p₀ + p₁t − f(t)q₁t − f(t)q₂t² = f(t), at four places
    let points: Vec<(Fr, Fr)> = (2..6u64).map(|i| -Fr::from(i << 40)).map(|t| (t, f(t))).collect();
    let vector = |g: &dyn Fn(Fr, Fr) -> Fr| -> BTreeMap<(usize, usize), Fr> {
        points.iter().enumerate().map(|(i, (t, y))| ((i, 0), g(*t, *y))).collect()
    };
    let x = dependent(&[
        vector(&|_, _| Fr::ONE),
        vector(&|t, _| t),
        vector(&|t, y| -y * t),
        vector(&|t, y| -y * t * t),
        vector(&|_, y| -y),
    ])?;
    let root = -x[0] * Option::<Fr>::from(x[1].invert())?;
    (f(root) == Fr::ZERO).then_some(root)
}

/// Cells of a column that only running sums constrain, from rows of one kind at a time: neighbours, and some far apart.
fn candidates(trial: &Trial, column: usize) -> Vec<Vec<Cell>> {
    let subject = &trial.subject;
    if column == INPUT {
        let inputs: Vec<Cell> = (1..subject.inputs.len()).map(|i| (INPUT, i)).collect();
        let group = tribute_core::statement::SERVICE_SLOTS;
        let slot = |slot: usize| (0..3).map(move |g| (INPUT, 1 + slot + g * group)).collect();
        return if subject.circuit.shape().statement == Statement::Service {
            vec![slot(0), slot(1)]
        } else {
            vec![inputs]
        };
    }
    let phase_one = subject.honest.columns(0);
    let at = phase_one.iter().position(|c| *c == column);
    let mut kinds: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for row in 0..subject.layout.gate_rows() - 1 {
        kinds.entry(subject.class(at.unwrap_or(0), row)).or_default().push(row);
    }
    let open = |row: &usize| trial.early((column, *row), subject.honest.advice[column][*row] + Fr::ONE).is_none();
    let most = if subject.layout.k() == 10 { 8 } else { 3 };
    let (mut all, mut mixed) = (vec![], vec![]);
    for rows in kinds.into_values() {
        let near: Vec<usize> = rows.iter().take(24).copied().filter(open).take(most).collect();
        let step = (rows.len() / 8).max(1);
        let apart: Vec<usize> = rows.into_iter().step_by(step).filter(open).take(most).collect();
        mixed.extend(near.first().or(apart.first()).map(|row| (column, *row)));
        all.extend([near, apart].map(|rows| rows.into_iter().map(|row| (column, row)).collect::<Vec<Cell>>()));
    }
    // cells from rows of every kind, and one cell together with a public input
    let mut together: Vec<Vec<Cell>> = vec![mixed.clone()];
    if subject.circuit.shape().statement != Statement::Service {
        for cell in mixed {
            together.extend((1..subject.inputs.len()).map(|i| vec![cell, (INPUT, i)]));
        }
    }
    all.into_iter().chain(together).filter(|cells| cells.len() > 1).collect()
}

/// Names of the columns of phase two: the lookup's, and the statement's own.
fn phase_two(statement: Statement, columns: usize) -> Vec<String> {
    let own: &[&str] = match statement {
        Statement::Dataset => &[],
        Statement::Gradient | Statement::Service => &["a"],
        Statement::Optimum => &["powers of τ"],
        Statement::Evaluation => &["a", "tally"],
    };
    let helpers = columns - own.len() - 1;
    let lookup = (0..helpers).map(|i| format!("helper {i}")).chain(["sum of fractions".to_owned()]);
    lookup.chain(own.iter().map(|n| (*n).to_owned())).collect()
}

fn order(subject: Subject) -> Order {
    let (circuit, statement) = (subject.name.clone(), subject.circuit.shape().statement);
    let names = challenges(statement);
    let cs = subject.honest.cs.clone();
    assert_eq!(names.len(), cs.num_challenges(), "{circuit}");
    let later = phase_two(statement, subject.honest.columns(1).len());
    let mut trial = Trial::of(subject);
    let mut shown: BTreeMap<String, Vec<String>> = names.iter().map(|n| ((*n).to_owned(), vec![])).collect();
    let mut not_forged = vec![];
    let known = some_challenges();
    let columns = [(0, INPUT)].into_iter().chain((0..=1u8).flat_map(|phase| {
        let columns = trial.subject.honest.columns(phase);
        columns.into_iter().map(move |column| (phase, column))
    }));
    for (phase, column) in columns.collect::<Vec<_>>() {
        let n = trial.subject.honest.columns(phase).iter().position(|c| *c == column).unwrap_or_default();
        let name = match (phase, column) {
            (_, INPUT) => "public inputs".to_owned(),
            (0, _) => trial.subject.columns[n].clone(),
            _ => later[n].clone(),
        };
        let after: Vec<usize> = (0..names.len()).filter(|c| cs.challenge_phase()[*c] >= phase).collect();
        let mut found = vec![];
        for cells in candidates(&trial, column) {
            // where it takes long, one is enough
            if found.len() == if trial.subject.layout.k() == 10 { 8 } else { 1 } {
                break;
            }
            let Some(changes) = forged(&mut trial, column, &cells) else { continue };
            // some challenge must cause a rejection, unless the change is simply valid
            let all: Vec<Fr> = known.iter().map(|c| c + Fr::from(77)).collect();
            if trial.late_under(&changes, &all) == Verdict::Free {
                let kind = if phase == 0 { trial.subject.class(n, changes.last().unwrap().0 .1) } else { "" };
                let known = FREE_TOGETHER
                    .iter()
                    .any(|(s, c, k, _)| (*s, *c) == (statement, &*name) && (k.is_empty() || *k == kind));
                assert!(known, "{circuit}, {name}, {kind}: changed in {changes:?} under any challenges");
            } else {
                found.push(changes);
            }
        }
        let mut noticed: BTreeSet<usize> = BTreeSet::new();
        for changes in &found {
            for challenge in &after {
                let mut other = known.clone();
                other[*challenge] += Fr::from(77);
                if trial.late_under(changes, &other) == Verdict::Held {
                    noticed.insert(*challenge);
                }
            }
            // a proof of it is rejected too, because nobody knows its challenges beforehand
            if phase == 0 && trial.subject.layout.k() == 10 {
                let keyed = keyed(trial.subject.circuit.shape());
                let (witness, inputs) = trial.changed(changes);
                let proof = prove_unchecked(keyed.srs, &keyed.keys, witness.as_ref(), inputs).unwrap();
                assert!(!keyed.native(&proof), "{circuit}, {name}: a proof");
            }
        }
        if found.is_empty() {
            not_forged.push(name);
        } else {
            noticed.into_iter().for_each(|c| shown.get_mut(names[c]).unwrap().push(name.clone()));
        }
    }
    Order { circuit, challenges: shown, not_forged }
}

#[test]
fn challenges_come_after_what_they_test() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/challenge-order.json");
    let mut found = vec![];
    for subject in subjects() {
        let (subject, start) = (subject(), std::time::Instant::now());
        if let Some(Link::Softmax | Link::Logistic) = subject.circuit.shape().link {
            // the product argument is that of the squared link, and the link's own columns are all of phase one
            let cs = &subject.honest.cs;
            assert_eq!(cs.challenge_phase(), [0, 0, 0, 1, 1, 1], "{}", subject.name);
            assert_eq!(subject.honest.columns(0).len(), subject.columns.len(), "{}", subject.name);
            // an evaluation has neither the errors' sum nor the gradient's check
            let third = if subject.circuit.shape().statement == Statement::Evaluation { 3 } else { 5 };
            assert_eq!(subject.honest.columns(2).len(), third, "{}", subject.name);
            continue;
        }
        let order = order(subject);
        println!("{}: {:.1?}", order.circuit, start.elapsed());
        found.push(order);
    }
    if std::env::var_os("TRIBUTE_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&file, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let listed: Vec<Order> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        found,
        listed,
        "{}: the order of columns and challenges has changed; if intended, `TRIBUTE_GOLDEN=write cargo test --release \
         -p tribute-circuits --test proofs challenges` writes it",
        file.display()
    );
}
