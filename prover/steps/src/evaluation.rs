//! An agent's accuracy and loss on a dataset that it was not trained on, proven shard by shard.

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::evaluation::{EvaluationCircuit, EvaluationError};
use tribute_core::certificate::evaluation::{EvaluatedParts, EvaluationParts};
use tribute_core::certificate::Certificate;
use tribute_core::context::evaluation_ctx;
use tribute_core::id::{DatasetId, WeightsDigest};
use tribute_core::statement::Statement;
use tribute_engine::field::from_core;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::prepare;
use crate::circuit::{CircuitBody, ProofBody};
use crate::dataset::DatasetBody;
use crate::gradient::{shard, weights};
use crate::refusal::unresolved;
use crate::shape::ShapeBody;
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// Proves how many records of a dataset an agent answers correctly, and its loss.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationJob {
    /// The agent.
    pub agent: AgentBody,
    /// The agent's certificate file.
    pub certificate: ArtefactId,
    /// A dataset that the agent was not trained on.
    pub dataset: DatasetBody,
}

/// A proven accuracy and loss.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationOutcome {
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// Id of the dataset.
    pub dataset: DatasetId,
    /// Number of records in the dataset.
    pub records: u64,
    /// Number of records for which the agent answers the record's class.
    pub correct: u64,
    /// Loss over the records, units of 2^-20.
    pub loss: u64,
    /// The circuit of the proofs.
    pub circuit: CircuitBody,
    /// The evaluation file.
    pub file: ArtefactId,
}

/// Recomputes the commitments to weights and records, proves every shard's count, and writes the evaluation file.
pub fn run(job: &EvaluationJob, toolbox: &Toolbox) -> Result<EvaluationOutcome> {
    let (agent, dataset) = (&job.agent, &job.dataset);
    let layout = agent.layout()?;
    let certificate = Certificate::from_json(&toolbox.wait(toolbox.artefacts.get(&job.certificate))?)
        .map_err(|e| Problem::new(Reason::ArtefactDamaged, format!("the certificate {}: {e}", job.certificate)))?;
    let prepared = prepare(&ShapeBody::of(Statement::Evaluation, &layout, agent.link), toolbox)?;
    let (_, weights) = weights(agent, &layout, &prepared.srs, toolbox)?;

    let (domain, version) = (certificate.chain.agents(), certificate.agent.version);
    let mut shards = Vec::with_capacity(dataset.shards.len());
    for (index, (body, source)) in dataset.shards.iter().zip(dataset.sources()).enumerate() {
        toolbox.progress("commit", index as u64, dataset.shards.len() as u64);
        let (_, records) = shard(&source, agent.owner, &layout, &prepared.srs, toolbox)?;
        let opened = toolbox.custody.spend_openings(&[&records, &weights])?;
        let [records, weights] = opened.exactly()?;
        let circuit = EvaluationCircuit::new(prepared.shape().clone(), records, weights).map_err(refused)?;
        let (id, digest) = (&certificate.agent.id, &agent.weights_digest);
        let ctx = evaluation_ctx(&domain, id, version, digest, &dataset.id, index as u32);
        let inputs = circuit.public_inputs(from_core(&ctx));
        let proof = prepared.prove(toolbox, &circuit, &opened, inputs)?;
        let load = |proof: &ProofBody| toolbox.wait(proof.load(&toolbox.artefacts));
        shards.push(EvaluatedParts {
            owner: body.owner.0,
            dataset: load(&body.proof)?.into(),
            evaluation: load(&proof)?.into(),
        });
    }
    let parts = EvaluationParts { certificate, terms: dataset.terms, shards };
    let evaluation = parts.assemble().map_err(|e| Problem::internal(format!("the evaluation is inconsistent: {e}")))?;
    Ok(EvaluationOutcome {
        weights_digest: agent.weights_digest,
        dataset: dataset.id,
        records: evaluation.dataset.records,
        correct: evaluation.dataset.correct,
        loss: evaluation.dataset.loss,
        circuit: prepared.body.clone(),
        file: toolbox.wait(toolbox.artefacts.put(evaluation.to_json().into_bytes()))?,
    })
}

/// That the link's tables do not resolve a record's logits is a matter of data; anything else is ours.
pub(super) fn refused(e: EvaluationError) -> Problem {
    match e {
        EvaluationError::Shift(shift) => unresolved(shift),
        other => Problem::internal(other),
    }
}
