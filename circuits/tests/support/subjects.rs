//! One honest witness of every circuit, as small as possible, with names for its rows and columns.

use std::sync::{Arc, LazyLock};

use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_weights, Secret};
use tribute_circuits::gadgets::argmax::difference_limbs;
use tribute_circuits::gadgets::argument::Forge;
use tribute_circuits::gadgets::link::{column as link_column, remainder_rows};
use tribute_circuits::gadgets::poseidon2;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_circuits::statements::service::{AnsweredQuery, Blocks, ServiceCircuit, SessionBatch, DATA};
use tribute_core::head::{answer, LossRemainder};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_core::statement::Statement;
use tribute_engine::column::CommittedColumn;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;

use super::gates::{some_challenges, Sheet};
use super::keyed::srs;
use super::{fitted, instance, records, weights};

/// A witness whose cells can be changed.
pub trait Cells: StatementWitness + Send {
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
    /// All honest cells, under [`some_challenges`]: computed, and seen to violate no gate, when they are first looked at.
    pub honest: LazyLock<Sheet, Box<dyn FnOnce() -> Sheet + Send>>,
}

/// Number of records present in every shard here.
const RECORDS: usize = 12;
/// Number of queries in the sessions that count.
const QUERIES: usize = 3;

fn layout(k: u32, task: Task) -> Layout {
    Layout::new(k, 3, 7, if task == Task::Real { 1 } else { 3 }, task).unwrap()
}

/// Names of a link's columns.
fn link_names(link: Link) -> Vec<String> {
    let group = ["low", "mid", "hi", "top", "T1", "T2", "short"].map(str::to_owned);
    let second = group.clone().map(|n| format!("{n} of the other"));
    let names: Vec<String> = match link {
        Link::Squared => ["logit", "remainder"].map(str::to_owned).to_vec(),
        Link::Softmax => {
            let more = ["shift", "sum"].map(str::to_owned);
            group.into_iter().chain(more).collect()
        }
        Link::Logistic => group.into_iter().chain(second).chain((0..7).map(|i| format!("window limb {i}"))).collect(),
    };
    assert_eq!(names.len(), tribute_circuits::gadgets::link::columns(link));
    assert_eq!(names.get(link_column::SHORT).is_some(), link != Link::Squared);
    names
}

/// One witness of every circuit, as small as possible.
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
        let names = link_names(link);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
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
    fn evaluation(k: u32, link: Link) -> Subject {
        let i = instance(layout(k, Task::Classes), link, RECORDS, 4);
        let circuit = EvaluationCircuit::new(Shape::evaluation(i.layout, link), &i.xy, &i.w).unwrap();
        let inputs = circuit.public_inputs(Fr::from(7));
        let own = ["B", "m", "losses"].map(str::to_owned);
        let limbs = (0..difference_limbs(&i.layout)).map(|i| format!("limb {i}"));
        let names: Vec<String> = limbs.chain(own).chain(link_names(link)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Subject::new(&format!("evaluation, {}", link.name()), Box::new(circuit), inputs, &names)
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
        || evaluation(10, Link::Squared),
        || evaluation(14, Link::Softmax),
        || evaluation(14, Link::Logistic),
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
        let (name, count) = (name.to_owned(), columns.len());
        let honest: Box<dyn FnOnce() -> Sheet + Send> = Box::new({
            let (name, circuit, inputs) = (name.clone(), circuit.boxed(), inputs.clone());
            move || {
                let honest = super::gates::sheet(circuit.as_ref(), &inputs, &some_challenges());
                assert_eq!(honest.columns(0).len(), count, "{name}");
                assert_eq!(honest.violated(), [], "{name}");
                honest
            }
        });
        Subject { name, layout: shape.layout, circuit, inputs, columns, honest: LazyLock::new(honest) }
    }

    /// Number of committed columns of phase one, which is the position of the multiplicities.
    pub fn committed(&self) -> usize {
        self.circuit.committed().len()
    }

    /// What a row holds, for a column of phase one.
    pub fn class(&self, column: usize, row: usize) -> &'static str {
        let (l, shape) = (self.layout, self.circuit.shape());
        if row >= l.gate_rows() {
            return "below the gates";
        }
        if row + 1 == l.gate_rows() {
            return "last gate row";
        }
        let limbs = match (shape.statement, shape.link) {
            (Statement::Gradient, _) => l.remainder_limbs(),
            (Statement::Evaluation, Some(link)) => LossRemainder::of(&l, link).limbs,
            _ => 0,
        };
        if remainder_rows(&l, limbs).contains(&row) {
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
                let answers = shape.statement == Statement::Evaluation && self.columns[column] == "Y";
                let answer = shape.statement == Statement::Evaluation && {
                    let b = self.columns.iter().position(|name| name == "B");
                    let b = &self.honest.advice[self.honest.column(0, b.unwrap())];
                    b[row] != b[row + 1]
                };
                // where t is 0, softmax's loss is 0 for every target
                let sure = shape.link == Some(Link::Softmax)
                    && ["low", "short", "mid", "hi", "top"].iter().all(|name| {
                        let limb = self.columns.iter().position(|column| column == name);
                        limb.is_some_and(|n| self.honest.advice[self.honest.column(0, n)][row] == Fr::from(0))
                    });
                match (record < RECORDS, offset) {
                    (false, o) if answers && sure && (1..=l.classes()).contains(&o) => "sure classes of absent records",
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
