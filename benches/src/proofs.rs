//! Proofs to measure: a circuit, its layout, and a witness over pseudo-random data.

use clap::{Args, ValueEnum};
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_weights, Secret};
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::service::{capacity, ServiceCircuit};
use tribute_core::layout::{Layout, LayoutError, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;

use crate::usage::{Clock, Usage};
use crate::{instance, session};

/// A circuit to measure.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Circuit {
    /// Records are what their commitment says, in range.
    Dataset,
    /// The gradient of committed weights on committed records.
    Gradient,
    /// Loss and number of correct answers.
    Evaluation,
    /// Answers to queries.
    Service,
}

/// Which circuit to prove, as programs take it on their command line.
#[derive(Args, Clone, Debug)]
pub struct ProofArgs {
    /// Circuit to prove.
    pub circuit: Circuit,
    /// log2 of the number of rows.
    #[arg(long, default_value_t = 15)]
    pub k: u32,
    /// Number of data columns; by default as many as fit the features and classes best.
    #[arg(long)]
    pub columns: Option<usize>,
    /// Number of features.
    #[arg(long, default_value_t = 64)]
    pub features: usize,
    /// Number of classes.
    #[arg(long, default_value_t = 10)]
    pub classes: usize,
    /// Link function, for `gradient` and `evaluation`.
    #[arg(long, default_value = "softmax")]
    pub link: Link,
}

/// A witness, its public inputs, and what computing it took, without commitments.
pub struct Made {
    /// The witness.
    pub witness: Box<dyn StatementWitness>,
    /// Public inputs.
    pub inputs: Vec<Fr>,
    /// Seconds for the witness.
    pub seconds: f64,
    /// CPU time and page faults for the witness.
    pub usage: Usage,
}

impl ProofArgs {
    /// Its layout.
    ///
    /// # Errors
    /// [`LayoutError`] if there is none of these sizes.
    pub fn layout(&self) -> Result<Layout, LayoutError> {
        let columns = self.columns.unwrap_or_else(|| Layout::fitting_columns(self.features, self.classes));
        Layout::new(self.k, columns, self.features, self.classes, Task::Classes)
    }

    /// Its shape.
    ///
    /// # Errors
    /// As [`Self::layout`].
    pub fn shape(&self) -> Result<Shape, LayoutError> {
        let layout = self.layout()?;
        Ok(match self.circuit {
            Circuit::Dataset => Shape::dataset(layout),
            Circuit::Gradient => Shape::gradient(layout, self.link),
            Circuit::Evaluation => Shape::evaluation(layout, self.link),
            Circuit::Service => Shape::service(layout),
        })
    }

    /// The most records or queries that one proof of `layout` holds.
    #[must_use]
    pub fn capacity(&self, layout: &Layout) -> usize {
        match self.circuit {
            Circuit::Service => capacity(layout),
            _ => layout.capacity(),
        }
    }

    /// A witness of `count` pseudo-random records or queries.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn made(&self, srs: &Srs, shape: &Shape, count: usize) -> Result<Made, Box<dyn std::error::Error>> {
        let layout = shape.layout;
        if let Circuit::Service = self.circuit {
            let weights = crate::weights(&layout)?;
            let group = commit_weights(srs, &layout, &Secret::from_bytes([1; 32]), &weights);
            let batch = session(&layout, &weights, count);
            let (mut clock, before) = (Clock::start(), Usage::now());
            let circuit = ServiceCircuit::new(shape.clone(), &group, &weights, &[batch])?;
            let (seconds, usage) = (clock.lap(), before.spent());
            let inputs = circuit.inputs(Fr::from(1));
            return Ok(Made { witness: Box::new(circuit), inputs, seconds, usage });
        }
        let i = instance(layout, srs, self.link, count)?;
        let (mut clock, before) = (Clock::start(), Usage::now());
        let (witness, inputs): (Box<dyn StatementWitness>, Vec<Fr>) = match self.circuit {
            Circuit::Evaluation => {
                let circuit = EvaluationCircuit::new(shape.clone(), &i.shard, &i.weights)?;
                let inputs = circuit.public_inputs(Fr::from(1));
                (Box::new(circuit), inputs)
            }
            Circuit::Dataset => {
                let circuit = DatasetCircuit::new(shape.clone(), &i.shard);
                (Box::new(circuit), vec![Fr::from(1), Fr::from(count as u64)])
            }
            _ => {
                let circuit = GradientCircuit::new(shape.clone(), &i.shard, &i.weights, &i.gradient)?;
                let inputs = circuit.public_inputs(Fr::from(1));
                (Box::new(circuit), inputs)
            }
        };
        let (seconds, usage) = (clock.lap(), before.spent());
        Ok(Made { witness, inputs, seconds, usage })
    }
}
