//! All kinds of work and what comes of them, as they stand in job rows.

use serde::{Deserialize, Serialize};
use tribute_core::id::SrsDigest;
use tribute_problem::Result;
use tribute_store::artefacts::ArtefactId;

use crate::calibrate::{CalibrateJob, CalibrateOutcome};
use crate::circuit::{CircuitBody, CircuitJob, ProofBody};
use crate::dataset::{DatasetBody, DatasetJob};
use crate::evaluation::{EvaluationJob, EvaluationOutcome};
use crate::gradient::{GradientJob, GradientOutcome};
use crate::optimum::{OptimumJob, OptimumOutcome};
use crate::service::{ServiceJob, ServiceOutcome};
use crate::shape::Profile;
use crate::toolbox::Toolbox;
use crate::train::{AgentBody, TrainJob};
use crate::{calibrate, circuit, dataset, evaluation, gradient, optimum, service, train};

/// A job's payload. Equal JSON is the same job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// Digest of the SRS that it is to be done under: commitments and proofs under another are others. `None` where an
    /// older version queued the job.
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
    /// Measure the machine.
    Calibrate(CalibrateJob),
    /// Make keys and verifier of a circuit.
    Circuit(CircuitJob),
    /// Commit records and prove the commitment.
    Dataset(DatasetJob),
    /// Fit a head, or take one that was fitted elsewhere.
    Train(TrainJob),
    /// Prove one shard's gradient.
    Gradient(GradientJob),
    /// Prove the optimum.
    Optimum(OptimumJob),
    /// Prove an accuracy.
    Evaluation(EvaluationJob),
    /// Prove the answers of sessions.
    Service(ServiceJob),
}

impl Work {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Calibrate(_) => "calibrate",
            Work::Circuit(_) => "circuit",
            Work::Dataset(_) => "dataset",
            Work::Train(_) => "train",
            Work::Gradient(_) => "gradient",
            Work::Optimum(_) => "optimum",
            Work::Evaluation(_) => "evaluation",
            Work::Service(_) => "service",
        }
    }
    /// Memory the work needs, in MB, estimated from its shape: proving holds some 30 vectors of `2^k` extended to four
    /// times the rows, per 8 columns.
    #[must_use]
    pub fn weight_mb(&self) -> i64 {
        let proof = |p: &Profile| (p.columns as i64 + 20) << (p.k.saturating_sub(10)).min(20);
        match self {
            Work::Calibrate(job) => 16 + (1 << job.k.saturating_sub(12)),
            Work::Circuit(job) => proof(&job.shape.profile),
            Work::Dataset(job) => proof(&job.profile),
            Work::Train(_) => 512,
            Work::Gradient(job) => proof(&job.agent.profile),
            Work::Optimum(job) => proof(&job.agent.profile),
            Work::Evaluation(job) => proof(&job.agent.profile),
            Work::Service(job) => proof(&job.agent.profile),
        }
    }
}

/// What came of it. Its JSON is a job's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// The machine was measured.
    Calibrate(CalibrateOutcome),
    /// A circuit is ready.
    Circuit(CircuitBody),
    /// A dataset is committed and proven.
    Dataset(DatasetBody),
    /// An agent is trained.
    Train(AgentBody),
    /// A gradient is proven.
    Gradient(GradientOutcome),
    /// The optimum is proven.
    Optimum(OptimumOutcome),
    /// An accuracy is proven.
    Evaluation(EvaluationOutcome),
    /// Answers are proven.
    Service(ServiceOutcome),
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
            Outcome::Train(a) => vec![&a.model],
            Outcome::Gradient(g) => [proof(&g.proof), vec![&g.gradient]].concat(),
            Outcome::Optimum(o) => proof(&o.proof),
            Outcome::Evaluation(e) => [&circuit(&e.circuit)[..], &[&e.file]].concat(),
            Outcome::Service(s) => proof(&s.proof),
        }
    }
}

/// Does the work.
pub fn run(work: &Work, toolbox: &Toolbox) -> Result<Outcome> {
    match work {
        Work::Calibrate(job) => calibrate::run(job, toolbox).map(Outcome::Calibrate),
        Work::Circuit(job) => circuit::run(job, toolbox).map(Outcome::Circuit),
        Work::Dataset(job) => dataset::run(job, toolbox).map(Outcome::Dataset),
        Work::Train(job) => train::run(job, toolbox).map(Outcome::Train),
        Work::Gradient(job) => gradient::run(job, toolbox).map(Outcome::Gradient),
        Work::Optimum(job) => optimum::run(job, toolbox).map(Outcome::Optimum),
        Work::Evaluation(job) => evaluation::run(job, toolbox).map(Outcome::Evaluation),
        Work::Service(job) => service::run(job, toolbox).map(Outcome::Service),
    }
}
