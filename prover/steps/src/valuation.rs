//! A valuation's proofs: the agent's own evaluation on the test set, and its coalitions. Each is proven by a job of its own;
//! this one is done when all of them are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tribute_problem::{Problem, Result};
use tribute_store::artefacts::ArtefactId;

use crate::coalition::CoalitionOutcome;
use crate::dataset::DatasetBody;
use crate::evaluation::EvaluationOutcome;
use crate::train::AgentBody;

/// Names the proofs of a valuation, which are made by this job's parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ValuationJob {
    /// The agent that is valued.
    #[serde(with = "crate::shared")]
    pub agent: Arc<AgentBody>,
    /// Its certificate file.
    pub certificate: ArtefactId,
    /// The test set.
    #[serde(with = "crate::shared")]
    pub test: Arc<DatasetBody>,
    /// The owners of each coalition, as in [`CoalitionJob`](crate::coalition::CoalitionJob).
    pub coalitions: Vec<Vec<u32>>,
}

/// A valuation's proofs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ValuationOutcome {
    /// The agent's evaluation file.
    pub evaluation: ArtefactId,
    /// The coalitions, in the job's order.
    pub coalitions: Vec<Proven>,
}

/// A coalition of a valuation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proven {
    /// The job that proved it.
    pub job: String,
    /// JSON of its [`CoalitionParts`](tribute_core::valuation::CoalitionParts).
    pub parts: ArtefactId,
}

impl ValuationJob {
    /// Which one it is: "valuation by 6 coalitions".
    #[must_use]
    pub fn title(&self) -> String {
        format!("valuation by {} coalitions", self.coalitions.len())
    }
}

/// Names what the parts made: the evaluation, and the coalitions in the job's order, each with the job that proved it.
pub fn run(
    job: &ValuationJob,
    evaluation: &EvaluationOutcome,
    coalitions: &[(String, CoalitionOutcome)],
) -> Result<ValuationOutcome> {
    if !coalitions.iter().map(|(_, made)| &made.owners).eq(&job.coalitions) {
        return Err(Problem::internal("a valuation is made of its own coalitions, and of no others"));
    }
    let proven = |(job, made): &(String, CoalitionOutcome)| Proven { job: job.clone(), parts: made.parts.clone() };
    Ok(ValuationOutcome { evaluation: evaluation.file.clone(), coalitions: coalitions.iter().map(proven).collect() })
}
