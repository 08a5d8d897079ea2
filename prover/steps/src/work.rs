//! All kinds of work and their outcomes, as stored in job rows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tribute_core::id::SrsDigest;
use tribute_problem::{Problem, Result};
use tribute_store::artefacts::ArtefactId;

use crate::across::{AcrossJob, AcrossOutcome};
use crate::calibrate::{CalibrateJob, CalibrateOutcome};
use crate::circuit::{CircuitBody, CircuitJob, ProofBody};
use crate::coalition::{CoalitionJob, CoalitionOutcome};
use crate::dataset::{DatasetBody, DatasetJob, ShardBody, ShardJob};
use crate::evaluation::{EvaluationJob, EvaluationOutcome};
use crate::gradient::{GradientJob, GradientOutcome};
use crate::home::{HomeJob, HomeOutcome};
use crate::optimum::{OptimumJob, OptimumOutcome};
use crate::service::{ServiceJob, ServiceOutcome};
use crate::toolbox::Toolbox;
use crate::train::{AgentBody, TrainJob};
use crate::valuation::{ValuationJob, ValuationOutcome};
use crate::{
    across, calibrate, circuit, coalition, dataset, evaluation, gradient, home, optimum, service, train, valuation,
};

/// A job's payload. Payloads with equal JSON are the same job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// Digest of the SRS that the job was submitted for; another SRS would give different commitments and proofs.
    /// `None` if an older version queued the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srs: Option<SrsDigest>,
    /// The work.
    #[serde(flatten)]
    pub work: Work,
}

/// A piece of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Measures the machine's speed.
    Calibrate(CalibrateJob),
    /// Generates the keys and the verifier of a circuit.
    Circuit(CircuitJob),
    /// Commits records and proves the commitment.
    Dataset(DatasetJob),
    /// Commits the records of one shard and proves them.
    Shard(ShardJob),
    /// Trains a head, or imports one trained elsewhere.
    Train(TrainJob),
    /// Proves the gradient of one shard.
    Gradient(GradientJob),
    /// Proves the optimum.
    Optimum(OptimumJob),
    /// Proves an accuracy.
    Evaluation(EvaluationJob),
    /// Trains, proves and evaluates a coalition of a valuation.
    Coalition(Box<CoalitionJob>),
    /// Puts a valuation's proofs together.
    Valuation(Box<ValuationJob>),
    /// Proves the answers of sessions.
    Service(ServiceJob),
    /// Proves a participant's gradients in a training across nodes.
    Home(HomeJob),
    /// Checks what the participants of a training across nodes sent, and makes the agent.
    Across(AcrossJob),
}

impl Work {
    /// Name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Calibrate(_) => "calibrate",
            Work::Circuit(_) => "circuit",
            Work::Dataset(_) => "dataset",
            Work::Shard(_) => "shard",
            Work::Train(_) => "train",
            Work::Gradient(_) => "gradient",
            Work::Optimum(_) => "optimum",
            Work::Evaluation(_) => "evaluation",
            Work::Coalition(_) => "coalition",
            Work::Valuation(_) => "valuation",
            Work::Service(_) => "service",
            Work::Home(_) => "home",
            Work::Across(_) => "across",
        }
    }
    /// The tenants whose keys it needs: of the data that it reads or commits to.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<String> {
        let tenants = match self {
            Work::Calibrate(_) | Work::Circuit(_) | Work::Valuation(_) => Vec::new(),
            Work::Dataset(job) => vec![job.owner],
            Work::Shard(job) => vec![job.dataset.owner],
            Work::Train(job) => job.sources.iter().map(|s| s.owner).chain([job.owner]).collect(),
            Work::Gradient(job) => {
                let source = job.agent.sources.get(job.slot as usize).map(|s| s.owner);
                source.into_iter().chain([job.agent.owner]).collect()
            }
            Work::Optimum(job) => vec![job.agent.owner],
            Work::Evaluation(job) => job.dataset.sources().map(|s| s.owner).chain([job.owner]).collect(),
            Work::Coalition(job) => {
                let sources = job.sources().into_iter().chain(job.test.sources());
                sources.map(|s| s.owner).chain([job.agent.owner]).collect()
            }
            Work::Service(job) => vec![job.agent.owner],
            Work::Home(job) => vec![job.account],
            Work::Across(job) => vec![job.owner],
        };
        tenants.into_iter().map(|account| account.to_string()).collect()
    }
}

/// The result of a piece of work. Its JSON is a job's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// The speed of the machine.
    Calibrate(CalibrateOutcome),
    /// A circuit with its verifier.
    Circuit(CircuitBody),
    /// A committed and proven dataset.
    Dataset(DatasetBody),
    /// A committed and proven shard.
    Shard(ShardBody),
    /// A trained agent.
    Train(AgentBody),
    /// A proven gradient.
    Gradient(GradientOutcome),
    /// A proven optimum.
    Optimum(OptimumOutcome),
    /// A proven accuracy.
    Evaluation(EvaluationOutcome),
    /// A coalition's proofs.
    Coalition(CoalitionOutcome),
    /// A valuation's proofs.
    Valuation(ValuationOutcome),
    /// Proven answers.
    Service(ServiceOutcome),
    /// A participant's proven gradients.
    Home(HomeOutcome),
    /// An agent whose data stayed at other nodes.
    Across(AcrossOutcome),
}

/// A part of a job, which has succeeded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Needed {
    /// Its job.
    pub job: String,
    /// What it made.
    pub outcome: Outcome,
}

impl Outcome {
    /// The artefacts without which it is worth nothing.
    #[must_use]
    pub fn artefacts(&self) -> Vec<&ArtefactId> {
        fn circuit(c: &CircuitBody) -> [&ArtefactId; 2] {
            [&c.creation, &c.runtime]
        }
        fn proof(p: &ProofBody) -> Vec<&ArtefactId> {
            [&circuit(&p.circuit)[..], &[&p.proof]].concat()
        }
        match self {
            Outcome::Calibrate(_) => Vec::new(),
            Outcome::Circuit(c) => circuit(c).to_vec(),
            Outcome::Dataset(d) => d.shards.iter().flat_map(|s| [proof(&s.proof), vec![&s.records]].concat()).collect(),
            Outcome::Shard(s) => [proof(&s.proof), vec![&s.records]].concat(),
            Outcome::Train(a) => vec![&a.model],
            Outcome::Gradient(g) => [proof(&g.proof), g.gradient.iter().collect()].concat(),
            Outcome::Optimum(o) => proof(&o.proof),
            Outcome::Evaluation(e) => [&circuit(&e.circuit)[..], &[&e.file]].concat(),
            Outcome::Coalition(c) => c.circuits.iter().flat_map(circuit).chain([&c.parts]).collect(),
            Outcome::Valuation(v) => v.coalitions.iter().map(|made| &made.parts).chain([&v.evaluation]).collect(),
            Outcome::Service(s) => proof(&s.proof),
            Outcome::Home(h) => h.proofs.iter().flat_map(proof).chain([&h.masked]).collect(),
            Outcome::Across(a) => a.gradients.iter().flat_map(|g| proof(&g.proof)).chain([&a.agent.model]).collect(),
        }
    }
}

/// Executes a piece of work; `needed` are its job's parts.
pub fn run(work: &Work, needed: &[Needed], toolbox: &Toolbox) -> Result<Outcome> {
    match work {
        Work::Calibrate(job) => calibrate::run(job, toolbox).map(Outcome::Calibrate),
        Work::Circuit(job) => circuit::run(job, toolbox).map(Outcome::Circuit),
        Work::Dataset(job) => {
            let proven = needed.iter().map(|part| shard_of(&part.outcome)).collect::<Result<_>>()?;
            dataset::run(job, proven, toolbox).map(Outcome::Dataset)
        }
        Work::Shard(job) => dataset::run_shard(job, toolbox).map(Outcome::Shard),
        Work::Train(job) => train::run(job, toolbox).map(Outcome::Train),
        Work::Gradient(job) => gradient::run(job, toolbox).map(Outcome::Gradient),
        Work::Optimum(job) => optimum::run(job, toolbox).map(Outcome::Optimum),
        Work::Evaluation(job) => evaluation::run(job, toolbox).map(Outcome::Evaluation),
        Work::Coalition(job) => coalition::run(job, toolbox).map(Outcome::Coalition),
        Work::Valuation(job) => {
            let miscounted =
                || Problem::internal("a valuation is made of an evaluation and its coalitions, and of nothing else");
            let [Needed { outcome: Outcome::Evaluation(evaluation), .. }, others @ ..] = needed else {
                return Err(miscounted());
            };
            let proven = others.iter().map(|part| match &part.outcome {
                Outcome::Coalition(made) => Ok((part.job.clone(), made.clone())),
                _ => Err(miscounted()),
            });
            valuation::run(job, evaluation, &proven.collect::<Result<Vec<_>>>()?).map(Outcome::Valuation)
        }
        Work::Service(job) => service::run(job, toolbox).map(Outcome::Service),
        Work::Home(job) => home::run(job, toolbox).map(Outcome::Home),
        Work::Across(job) => across::run(job, toolbox).map(Outcome::Across),
    }
}

fn shard_of(outcome: &Outcome) -> Result<ShardBody> {
    match outcome {
        Outcome::Shard(shard) => Ok(shard.clone()),
        _ => Err(Problem::internal("a dataset is made of proven shards, and of nothing else")),
    }
}
