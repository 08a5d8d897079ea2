//! An agent's accuracy and loss on a dataset that it was not trained on, proven shard by shard.

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::evaluation::{EvaluationCircuit, EvaluationError};
use tribute_core::certificate::evaluation::{EvaluatedParts, EvaluationParts};
use tribute_core::certificate::Certificate;
use tribute_core::context::evaluation_ctx;
use tribute_core::digest::keccak;
use tribute_core::hexed::{AccountAddress, HexBytes};
use tribute_core::id::{DatasetId, RequestId, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::statement::Statement;
use tribute_custody::Committed;
use tribute_engine::field::from_core;
use tribute_engine::srs::Srs;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::prepare;
use crate::circuit::{CircuitBody, ProofBody};
use crate::dataset::DatasetBody;
use crate::gradient::{own_weights, shard};
use crate::home::{lent_weights, SECRETS};
use crate::refusal::unresolved;
use crate::shape::ShapeBody;
use crate::toolbox::Toolbox;

/// Proves how many records of a dataset an agent answers correctly, and its loss.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationJob {
    /// The agent's owner.
    pub owner: AccountAddress,
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// Where the weights are.
    pub weights: WeightsAt,
    /// The agent's link.
    pub link: Link,
    /// The agent's certificate file.
    pub certificate: ArtefactId,
    /// A dataset that the agent was not trained on, with the agent's schema and profile.
    pub dataset: DatasetBody,
}

/// Where an evaluated agent's weights are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightsAt {
    /// At this server, in the agent's model, sealed for its owner.
    Here(ArtefactId),
    /// At their owner's server, which lent them to this one: [`LentSecrets`], sealed for the agent's owner.
    Lent(ArtefactId),
}

/// Weights that were lent for an evaluation.
#[derive(Serialize, Deserialize)]
pub struct LentSecrets {
    /// The dataset that they were lent for: each evaluation has secrets of its own, which go when it has ended.
    pub dataset: DatasetId,
    /// The weights, units of 2^-32.
    pub weights: Vec<i64>,
    /// The blinding of the owner's commitment to them.
    pub blinding: HexBytes,
    /// Number of the lending, of [`lending`].
    pub number: u32,
}

/// Identifies a lending of weights for the evaluation on a dataset: openings are counted under it. Lendings are numbered from 0, so
/// that weights can be lent again when the openings are used up.
#[must_use]
pub fn lending(weights: &WeightsDigest, dataset: &DatasetId, number: u32) -> RequestId {
    let number = number.to_be_bytes();
    RequestId::new(keccak(&[&b"tribute.evaluation.v1"[..], weights.as_bytes(), dataset.as_bytes(), &number].concat()))
}

/// Openings of lent weights for a dataset of so many shards: a proof takes one, and another if it breaks off.
#[must_use]
pub fn lent_openings(shards: usize) -> u64 {
    4 * shards as u64
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
    let dataset = &job.dataset;
    let layout = dataset.layout()?;
    let certificate = Certificate::from_json(&toolbox.wait(toolbox.artefacts.get(&job.certificate))?)
        .map_err(|e| Problem::new(Reason::ArtefactDamaged, format!("the certificate {}: {e}", job.certificate)))?;
    let prepared = prepare(&ShapeBody::of(Statement::Evaluation, &layout, job.link), toolbox)?;
    let weights = weights(job, &layout, &prepared.srs, toolbox)?;

    let (domain, version) = (certificate.chain.agents(), certificate.agent.version);
    let mut shards = Vec::with_capacity(dataset.shards.len());
    for (index, (body, source)) in dataset.shards.iter().zip(dataset.sources()).enumerate() {
        toolbox.progress("commit", index as u64, dataset.shards.len() as u64);
        let (_, records) = shard(&source, job.owner, &layout, &prepared.srs, toolbox)?;
        let opened = toolbox.custody.spend_openings(&[&records, &weights])?;
        let [records, weights] = opened.exactly()?;
        let circuit = EvaluationCircuit::new(prepared.shape().clone(), records, weights).map_err(refused)?;
        let (id, digest) = (&certificate.agent.id, &job.weights_digest);
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
        weights_digest: job.weights_digest,
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

/// The commitment to the agent's weights.
fn weights(job: &EvaluationJob, layout: &Layout, srs: &Srs, toolbox: &Toolbox) -> Result<Committed> {
    match &job.weights {
        WeightsAt::Here(model) => {
            own_weights(job.owner, model, job.weights_digest, layout, srs, toolbox).map(|(_, committed)| committed)
        }
        WeightsAt::Lent(secrets) => {
            let secrets = toolbox.wait(toolbox.custody.get(&job.owner.to_string(), SECRETS, secrets))?;
            let LentSecrets { weights, blinding, number, .. } = serde_json::from_slice(&secrets)?;
            let borrower = (lending(&job.weights_digest, &job.dataset.id, number), job.dataset.owner);
            lent_weights(srs, layout, weights, &blinding, job.weights_digest, borrower).map(|(_, committed)| committed)
        }
    }
}
