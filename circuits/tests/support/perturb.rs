//! Small circuits whose cells a test changes, with everything that the witness code makes of them recomputed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_weights, Secret};
use tribute_circuits::gadgets::argument::Forge;
use tribute_circuits::gadgets::poseidon2;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::link::{column as link_column, remainder_rows};
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_circuits::statements::service::{AnsweredQuery, Blocks, ServiceCircuit, SessionBatch, DATA};
use tribute_core::head::answer;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_engine::column::CommittedColumn;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;
use tribute_engine::halo2_proofs::plonk::Expression;

use super::gates::{some_challenges, Cell, Sheet};
use super::keyed::srs;
use super::{fitted, instance, records, weights};

/// The column of a "cell" that is a public input.
pub const INPUT: usize = usize::MAX - 1;

/// A witness whose cells can be changed.
pub trait Cells: StatementWitness {
    fn committed_mut(&mut self) -> &mut Vec<Arc<CommittedColumn>>;
    fn fresh_mut(&mut self) -> &mut Vec<Vec<Fr>>;
    fn forge_mut(&mut self) -> &mut Option<Forge>;
    fn boxed(&self) -> Box<dyn Cells>;
}

macro_rules! cells {
    ($($circuit:ty),*) => {$(
        impl Cells for $circuit {
            fn committed_mut(&mut self) -> &mut Vec<Arc<CommittedColumn>> {
                &mut self.committed
            }
            fn fresh_mut(&mut self) -> &mut Vec<Vec<Fr>> {
                &mut self.columns
            }
            fn forge_mut(&mut self) -> &mut Option<Forge> {
                &mut self.forge
            }
            fn boxed(&self) -> Box<dyn Cells> {
                Box::new(self.clone())
            }
        }
    )*};
}

cells!(DatasetCircuit, GradientCircuit, OptimumCircuit, EvaluationCircuit, ServiceCircuit);

/// An honest witness of one circuit.
pub struct Subject {
    /// Circuit and link.
    pub name: String,
    pub layout: Layout,
    pub circuit: Box<dyn Cells>,
    pub inputs: Vec<Fr>,
    /// Names of the columns of phase one, by position.
    pub columns: Vec<String>,
    /// All cells as they should be, under [`some_challenges`].
    pub honest: Sheet,
}

/// Present records of every shard here.
const RECORDS: usize = 12;
/// Queries of the sessions that count.
const QUERIES: usize = 3;

fn layout(k: u32, task: Task) -> Layout {
    Layout::new(k, 3, 7, if task == Task::Real { 1 } else { 3 }, task).unwrap()
}

/// One witness of every circuit there is, as small as it can be.
pub fn subjects() -> Vec<fn() -> Subject> {
    fn dataset(task: Task) -> Subject {
        let i = instance(layout(10, task), Link::Squared, RECORDS, 4);
        let circuit = DatasetCircuit::new(Shape::dataset(i.layout), &i.xy);
        let fresh = ["class", "cells", "count", "lo", "hi"];
        let fresh = &fresh[..if task == Task::Real { 5 } else { 3 }];
        let name = if task == Task::Real { "dataset, regression" } else { "dataset" };
        Subject::new(name, Box::new(circuit), vec![Fr::from(7), Fr::from(RECORDS as u64)], fresh)
    }
    fn gradient(k: u32, link: Link) -> Subject {
        let i = instance(layout(k, Task::Classes), link, RECORDS, 4);
        let circuit = GradientCircuit::new(Shape::gradient(i.layout, link), &i.xy, &i.w, &i.g).unwrap();
        let inputs = circuit.public_inputs(Fr::from(7));
        let group = ["low", "mid", "hi", "top", "T1", "T2", "short"];
        let second = group.map(|n| format!("{n} of the other"));
        let window: Vec<String> = (0..7).map(|i| format!("window limb {i}")).collect();
        let names: Vec<&str> = match link {
            Link::Squared => vec!["logit", "remainder"],
            Link::Softmax => group.into_iter().chain(["window limb 4", "window limb 5", "shift", "sum"]).collect(),
            Link::Logistic => group
                .into_iter()
                .chain(second.iter().map(String::as_str))
                .chain(window.iter().map(String::as_str))
                .collect(),
        };
        assert_eq!(names.len(), tribute_circuits::statements::gradient::link::columns(link));
        assert_eq!(names.get(link_column::SHORT).is_some(), link != Link::Squared);
        Subject::new(&format!("gradient, {}", link.name()), Box::new(circuit), inputs, &names)
    }
    fn optimum() -> Subject {
        let f = fitted(layout(10, Task::Classes), &[20, 15, 12]);
        let circuit = f.circuit();
        let inputs = circuit.public_inputs(Fr::from(7));
        let names: Vec<String> = (0..circuit.columns.len()).map(|i| format!("limb {i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Subject::new("optimum", Box::new(circuit), inputs, &names)
    }
    fn evaluation() -> Subject {
        let i = instance(layout(10, Task::Classes), Link::Squared, RECORDS, 4);
        let circuit = EvaluationCircuit::new(Shape::evaluation(i.layout), &i.xy, &i.w).unwrap();
        let inputs = circuit.public_inputs(Fr::from(7));
        let limbs = circuit.columns.len() - 2;
        let names: Vec<String> = (0..limbs).map(|i| format!("limb {i}")).chain(["B".into(), "m".into()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Subject::new("evaluation", Box::new(circuit), inputs, &names)
    }
    fn service() -> Subject {
        let layout = layout(15, Task::Classes);
        let weights = weights(&layout, 3);
        let group = commit_weights(srs(15), &layout, &Secret::from_bytes([7; 32]), &weights);
        let session = |before: u64, n: usize| SessionBatch {
            before: tribute_core::Fr::from(before),
            queries: (records(&layout, n, before).iter().enumerate())
                .map(|(i, (features, _))| AnsweredQuery {
                    features: features.to_vec(),
                    salt: tribute_core::Fr::from(1000 + i as u64),
                    answer: answer(&weights.logits(features)),
                })
                .collect(),
        };
        let sessions = [session(1, 1), session(2, QUERIES - 1)];
        let circuit = ServiceCircuit::new(Shape::service(layout), &group, &weights, &sessions).unwrap();
        let inputs = circuit.inputs(Fr::from(7));
        let names: Vec<String> = (0..poseidon2::WIDTH)
            .map(|i| format!("state {i}"))
            .chain((0..poseidon2::BOXES).map(|i| format!("output {i}")))
            .chain((0..DATA).map(|i| format!("data {i}")))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Subject::new("service", Box::new(circuit), inputs, &names)
    }
    let all: Vec<fn() -> Subject> = vec![
        || dataset(Task::Classes),
        || dataset(Task::Real),
        || gradient(10, Link::Squared),
        || gradient(14, Link::Softmax),
        || gradient(14, Link::Logistic),
        optimum,
        evaluation,
        service,
    ];
    all
}

impl Subject {
    fn new(name: &str, circuit: Box<dyn Cells>, inputs: Vec<Fr>, fresh: &[&str]) -> Self {
        let shape = circuit.shape().clone();
        let a = shape.layout.columns();
        let mut columns: Vec<String> = match shape.statement {
            Statement::Dataset | Statement::Gradient | Statement::Evaluation => {
                (0..a).map(|i| format!("X {i}")).chain(["Y".into()]).collect()
            }
            Statement::Optimum | Statement::Service => vec![],
        };
        columns.extend(match shape.statement {
            Statement::Dataset => vec![],
            Statement::Gradient | Statement::Optimum => vec!["W".to_owned(), "G".to_owned()],
            Statement::Evaluation | Statement::Service => vec!["W".to_owned()],
        });
        columns.extend(fresh.iter().map(|n| (*n).to_owned()));
        columns.push("multiplicity".into());
        let honest = super::gates::sheet(circuit.as_ref(), &inputs, &some_challenges());
        assert_eq!(honest.columns(0).len(), columns.len(), "{name}");
        assert_eq!(honest.violated(), [], "{name}");
        Subject { name: name.to_owned(), layout: shape.layout, circuit, inputs, columns, honest }
    }

    /// Columns of phase one, of those that are committed, and the position of the multiplicities.
    pub fn committed(&self) -> usize {
        self.circuit.committed().len()
    }

    /// What stands in a row, for a column of phase one.
    pub fn class(&self, column: usize, row: usize) -> &'static str {
        let (l, shape) = (self.layout, self.circuit.shape());
        if row >= l.gate_rows() {
            return "below the gates";
        }
        if row + 1 == l.gate_rows() {
            return "last gate row";
        }
        let gradient = shape.statement == Statement::Gradient;
        if gradient && remainder_rows(&l).contains(&row) {
            return "remainder";
        }
        if row >= l.salt_start() {
            return "salts";
        }
        if row >= l.weights_end() {
            return "between weights and salts";
        }
        if row >= l.weights_start() {
            return "weights";
        }
        if self.columns[column] == "multiplicity" && shape.statement != Statement::Service {
            return "above the weights";
        }
        match shape.statement {
            Statement::Optimum => match row {
                1 => "bound",
                2 => "norm",
                _ => "above the weights",
            },
            Statement::Service => service_class(&l, &self.columns[column], row),
            _ => {
                let (record, offset) = (row / l.record_rows(), row % l.record_rows());
                let answer = shape.statement == Statement::Evaluation && {
                    let b = &self.honest.advice[self.honest.column(0, self.columns.len() - 3)];
                    b[row] != b[row + 1]
                };
                match (record < RECORDS, offset) {
                    (true, o) if answer && self.columns[column] == "Y" && o > 0 => "the answers' classes",
                    (true, 0) => "heads of records",
                    (true, o) if o <= l.classes() => "classes of records",
                    (true, _) => "other rows of records",
                    (false, 0) => "heads of absent records",
                    (false, o) if o <= l.classes() => "classes of absent records",
                    (false, _) => "other rows of absent records",
                }
            }
        }
    }
}

fn service_class(l: &Layout, column: &str, row: usize) -> &'static str {
    let b = Blocks::of(l);
    if column == "multiplicity" {
        let slots = tribute_core::statement::service::BEFORE..tribute_core::statement::service::AFTER;
        return if slots.contains(&row) { "slots" } else { "not slots" };
    }
    if row < b.lead {
        return if row == 0 { "link of no block" } else { "above the blocks" };
    }
    let (block, offset) = ((row - b.lead) / b.height, (row - b.lead) % b.height);
    let start = row - offset;
    if block >= b.count {
        return "below the blocks";
    }
    if column.starts_with("data") {
        return if offset < b.features {
            "features"
        } else if row == b.salt(block) {
            "query's salt"
        } else if (b.class(block, 0)..b.class(block, b.classes)).contains(&row) {
            "classes"
        } else if row == b.class(block, b.classes) {
            "below the classes"
        } else {
            "other rows of blocks"
        };
    }
    let round = row - start;
    if row == b.link(block) {
        // the runs that count, and the one without end
        if block + 1 == 1 || block + 1 == QUERIES {
            "links that end a run"
        } else if block + 1 == b.count {
            "last link"
        } else {
            "other links"
        }
    } else if round < b.permutations * poseidon2::ROWS {
        "rounds"
    } else {
        "between links and rounds"
    }
}

/// What a change of a cell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No gate is violated: a proof with this value is accepted.
    Free,
    /// Some gate is violated.
    Held,
}

/// A gate's polynomial with what it reads.
struct Polynomial {
    expression: Expression<Fr>,
    /// Columns and rotations.
    reads: Vec<(usize, i32)>,
    /// The last phase that it reads something of, challenges included: what is of phase 0 here is phase one's witness and
    /// nothing that is made of it.
    phase: u8,
}

/// A subject's gates, for trying changes.
pub struct Trial {
    pub subject: Subject,
    polynomials: Vec<Polynomial>,
    now: Sheet,
}

impl Trial {
    pub fn of(subject: Subject) -> Self {
        let cs = &subject.honest.cs;
        let (phases, multiplicity) = (cs.advice_column_phase(), *subject.honest.columns(0).last().unwrap());
        let polynomials = (cs.gates().iter().flat_map(|g| g.polynomials().to_vec()))
            .map(|expression| {
                let mut reads: Vec<(usize, i32)> = vec![];
                let mut challenge = false;
                visit(&expression, &mut |e| match e {
                    Expression::Advice(q) => reads.push((q.column_index(), q.rotation().0)),
                    Expression::Challenge(_) => challenge = true,
                    _ => {}
                });
                reads.sort_unstable();
                reads.dedup();
                let phase = |(c, _): &(usize, i32)| if *c == multiplicity { 1 } else { phases[*c] };
                let phase = reads.iter().map(phase).max().unwrap_or(0).max(u8::from(challenge));
                Polynomial { expression, reads, phase }
            })
            .collect();
        let now = super::gates::sheet(subject.circuit.as_ref(), &subject.inputs, &some_challenges());
        Trial { subject, polynomials, now }
    }

    fn gates_at(&self, column: usize, row: usize) -> impl Iterator<Item = (&Polynomial, usize)> {
        let rows = self.subject.layout.rows() as i64;
        self.polynomials.iter().flat_map(move |p| {
            let here = p.reads.iter().filter(move |(c, _)| *c == column);
            here.map(move |(_, rotation)| (p, (row as i64 - i64::from(*rotation)).rem_euclid(rows) as usize))
        })
    }

    /// What can be said of a change of a cell before anything is recomputed: free if no gate notices, held if one notices
    /// that reads nothing that would be recomputed.
    pub fn early(&self, cell: Cell, value: Fr) -> Option<Verdict> {
        let mut noticed = false;
        let phase = self.subject.honest.cs.advice_column_phase()[cell.0];
        for (p, row) in self.gates_at(cell.0, cell.1) {
            if self.subject.honest.value_with(&p.expression, row, cell, value) != Fr::ZERO {
                if p.phase <= phase {
                    return Some(Verdict::Held);
                }
                noticed = true;
            }
        }
        (!noticed).then_some(Verdict::Free)
    }

    /// The sheet after changes of cells of phase one, everything else recomputed under these challenges.
    pub fn recomputed(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> &mut Sheet {
        let committed = self.subject.committed();
        let phase_one = self.now.columns(0);
        let multiplicity = *phase_one.last().unwrap();
        // other columns are those of phase two
        let position = |column: usize| phase_one.iter().position(|c| *c == column).unwrap_or(usize::MAX);
        let circuit = &mut self.subject.circuit;
        let mut write = |cell: Cell, value: Fr| {
            let at = position(cell.0);
            if at < committed {
                Arc::make_mut(&mut circuit.committed_mut()[at]).values[cell.1] = value;
            } else if at != usize::MAX && cell.0 != multiplicity {
                circuit.fresh_mut()[at - committed][cell.1] = value;
            }
        };
        changes.iter().for_each(|(cell, value)| write(*cell, *value));
        self.now.instance[..self.subject.inputs.len()].copy_from_slice(&self.subject.inputs);
        for (cell, value) in changes.iter().filter(|(cell, _)| cell.0 == INPUT) {
            self.now.instance[cell.1] = *value;
        }
        let count = self.now.challenges.len();
        self.now.challenges.copy_from_slice(&challenges[..count]);
        for (column, values) in self.now.advice.iter_mut().zip(self.subject.circuit.committed()) {
            column.clone_from(&values.values);
        }
        for phase in 0..=2 {
            if !self.now.columns(phase).is_empty() {
                let columns = self.subject.circuit.phase(phase, &self.now.challenges);
                self.now.take(phase, &columns);
            }
        }
        // multiplicities are made by the witness code; a change of one stands in the sum of fractions
        let mut changed = false;
        for (cell, value) in changes.iter().filter(|(cell, _)| cell.0 == multiplicity) {
            self.now.advice[multiplicity][cell.1] = *value;
            changed = true;
        }
        if changed {
            let gate = "logUp sum: (sum' − sum − Σh)·d₁d₂·(β − t) = (s₁d₂ + s₂d₁)(β − t) − m·d₁d₂";
            let sum = self.sum_of_fractions();
            self.now.run_down(gate, sum);
        }
        if self.subject.circuit.shape().statement == Statement::Gradient {
            // the witness code publishes what follows from the columns; here the public input stays
            let (gate, e) = (
                "gradient check: e' = e + s·b·ek on head rows, e − (τ^j κ^u + α·w)g on weight rows, e − α·2^bi·limb",
                self.now.column(2, 4),
            );
            self.now.solve("gradient check starts at −α·2^u·N and ends at 0", 0, (e, 0));
            self.now.run_down(gate, e);
        }
        // a change in a column of phase two stands in the running sums of phase three
        let later = changes.iter().filter(|(cell, _)| position(cell.0) == usize::MAX);
        let later: Vec<_> = later.copied().collect();
        for (cell, value) in later.iter().filter(|(cell, _)| cell.0 != INPUT) {
            self.now.advice[cell.0][cell.1] = *value;
        }
        if let (false, Some((gate, column))) = (later.is_empty(), self.running_check()) {
            self.now.run_down(&gate, column);
        }
        let circuit = &mut self.subject.circuit;
        for (cell, _) in changes.iter().filter(|(cell, _)| cell.0 != INPUT) {
            let honest = self.subject.honest.advice[cell.0][cell.1];
            let at = position(cell.0);
            if at < committed {
                Arc::make_mut(&mut circuit.committed_mut()[at]).values[cell.1] = honest;
            } else if at != usize::MAX && cell.0 != multiplicity {
                circuit.fresh_mut()[at - committed][cell.1] = honest;
            }
        }
        &mut self.now
    }

    /// The column of the lookup's sum.
    fn sum_of_fractions(&self) -> usize {
        let gate = "logUp starts and ends at 0";
        let reads = |name: &str| {
            let mut columns = vec![];
            for p in self.now.polynomials(name) {
                visit(&p, &mut |e| {
                    if let Expression::Advice(q) = e {
                        columns.push(q.column_index());
                    }
                });
            }
            columns
        };
        reads(gate)[0]
    }

    /// The witness and the public inputs with changed cells of phase one.
    pub fn changed(&self, changes: &[(Cell, Fr)]) -> (Box<dyn Cells>, Vec<Fr>) {
        let mut inputs = self.subject.inputs.clone();
        let (committed, phase_one) = (self.subject.committed(), self.subject.honest.columns(0));
        let mut circuit = self.subject.circuit.boxed();
        let mut multiplicities = vec![];
        for (cell, value) in changes {
            if cell.0 == INPUT {
                inputs[cell.1] = *value;
                continue;
            }
            let at = phase_one.iter().position(|c| *c == cell.0).unwrap();
            if at < committed {
                let column = Arc::make_mut(&mut circuit.committed_mut()[at]);
                column.values[cell.1] = *value;
                *column = CommittedColumn::new(srs(self.subject.layout.k()), std::mem::take(&mut column.values));
            } else if at + 1 == phase_one.len() {
                multiplicities.push((cell.1, *value));
            } else {
                circuit.fresh_mut()[at - committed][cell.1] = *value;
            }
        }
        *circuit.forge_mut() = Some(Arc::new(move |phase, columns, _| {
            if let (0, Some(m)) = (phase, columns.last_mut()) {
                multiplicities.iter().for_each(|(row, value)| m[*row] = *value);
            }
        }));
        (circuit, inputs)
    }

    /// The running sum of phase three that columns of phase two stand in: its gate and its column.
    fn running_check(&self) -> Option<(String, usize)> {
        let statement = self.subject.circuit.shape().statement;
        let (start, n) = match statement {
            Statement::Dataset => return None,
            Statement::Gradient | Statement::Service => ("logit check: r' =", 3),
            Statement::Evaluation => ("logit check: r' =", 2),
            Statement::Optimum => ("f' = f", 0),
        };
        let name = self.now.cs.gates().iter().map(|g| g.name()).find(|name| name.starts_with(start))?;
        Some((name.to_owned(), self.now.column(2, n)))
    }

    /// What is not 0 and should be, by gate and row, where one of the changes can be noticed: at the ends of the running sums
    /// and near the changes.
    pub fn defects(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> BTreeMap<(usize, usize), Fr> {
        let (n, gate_rows) = (self.subject.layout.rows(), self.subject.layout.gate_rows());
        self.recomputed(changes, challenges);
        let mut rows: BTreeSet<usize> = [0, gate_rows - 1].into();
        for (cell, _) in changes {
            rows.extend(cell.1.saturating_sub(40)..(cell.1 + 40).min(n));
        }
        let at = |row: usize| self.polynomials.iter().enumerate().map(move |(i, p)| ((i, row), &p.expression));
        let all: Vec<_> = rows.into_iter().flat_map(at).collect();
        let values: Vec<_> = all.par_iter().map(|((i, row), p)| ((*i, *row), self.now.value(p, *row))).collect();
        values.into_iter().filter(|(_, value)| *value != Fr::ZERO).collect()
    }

    /// The polynomial that ends the lookup's sum.
    pub fn lookup_ends(&self) -> usize {
        let names: Vec<&str> = self.now.cs.gates().iter().map(|g| g.name()).collect();
        names.iter().position(|name| *name == "logUp starts and ends at 0").unwrap()
    }

    /// Whether changes of cells of phase one are noticed once everything is recomputed.
    pub fn late(&mut self, changes: &[(Cell, Fr)]) -> Verdict {
        self.late_under(changes, &some_challenges())
    }

    /// The same under other challenges.
    pub fn late_under(&mut self, changes: &[(Cell, Fr)], challenges: &[Fr]) -> Verdict {
        let rows: Vec<usize> = changes.iter().map(|(cell, _)| cell.1).collect();
        let n = self.subject.layout.rows();
        let ends = [0, self.subject.layout.gate_rows() - 1];
        self.recomputed(changes, challenges);
        // the ends of the running sums first, then where the change is, then everything
        let near = rows.iter().take(8).flat_map(|row| row.saturating_sub(4)..(row + 5).min(n));
        let fails = |row: usize| self.polynomials.iter().any(|p| self.now.value(&p.expression, row) != Fr::ZERO);
        if ends.into_iter().chain(near).any(fails) || !self.now.violated().is_empty() {
            Verdict::Held
        } else {
            Verdict::Free
        }
    }
}

/// Every subexpression.
pub fn visit(e: &Expression<Fr>, f: &mut dyn FnMut(&Expression<Fr>)) {
    f(e);
    match e {
        Expression::Negated(a) | Expression::Scaled(a, _) => visit(a, f),
        Expression::Sum(a, b) | Expression::Product(a, b) => {
            visit(a, f);
            visit(b, f);
        }
        _ => {}
    }
}
