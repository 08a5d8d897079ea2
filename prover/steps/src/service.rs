//! Proves answers: every counted one is what the agent's committed weights give for the query in its receipt.

use serde::{Deserialize, Serialize};
use tribute_chain::SignedVoucher;
use tribute_circuits::statements::service::{self, ServiceCircuit, SessionBatch};
use tribute_core::context::service_ctx;
use tribute_core::id::{AgentId, Salt, SessionId, Transcript, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::receipt::from_word;
use tribute_core::statement::Statement;
use tribute_core::Fr;
use tribute_engine::field::from_core;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::ArtefactId;

use crate::circuit::prepare;
use crate::circuit::ProofBody;
use crate::gradient::weights;
use crate::shape::{ShapeBody, Target};
use crate::toolbox::Toolbox;
use crate::train::AgentBody;

/// Proves the answers of sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceJob {
    /// The agent.
    pub agent: AgentBody,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// The agent's version.
    pub version: u32,
    /// The session escrow that the proof is for.
    pub target: Target,
    /// The sessions, in slot order.
    pub sessions: Vec<SlotBody>,
    /// [`QuerySlots`] of the sessions, sealed for the agent's owner.
    pub queries: ArtefactId,
}

/// One session's part in a `service` proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotBody {
    /// Session id.
    pub session: SessionId,
    /// Transcript stored on chain, where the slot starts.
    pub before: Transcript,
    /// The voucher for the claim; the slot ends at its count and transcript.
    pub voucher: SignedVoucher,
    /// Number of answers in the slot.
    pub count: u64,
}

/// The queries of every slot. They are private, so they are stored sealed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QuerySlots(pub Vec<Vec<AnsweredQuery>>);

/// One answered query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredQuery {
    /// Quantised features, as hex in JSON.
    #[serde(with = "hex::serde")]
    pub features: Vec<u8>,
    /// The client's salt.
    pub salt: Salt,
    /// Class number.
    pub answer: u16,
}

/// Proven answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceOutcome {
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// The agent's version.
    pub version: u32,
    /// The proof.
    pub proof: ProofBody,
    /// Vouchers for the claim, in slot order.
    pub vouchers: Vec<SignedVoucher>,
}

/// Recomputes the commitment to the weights and proves the answers of all sessions.
pub fn run(job: &ServiceJob, toolbox: &Toolbox) -> Result<ServiceOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let prepared = prepare(&ShapeBody::of(Statement::Service, &layout, agent.link), toolbox)?;
    toolbox.progress("commit", 0, 1);
    let (weights, committed) = weights(agent, &layout, &prepared.srs, toolbox)?;
    let sealed = toolbox.wait(toolbox.custody.get(&agent.owner.to_string(), "queries", &job.queries))?;
    let queries: QuerySlots = serde_json::from_slice(&sealed)?;

    toolbox.progress("witness", 0, 1);
    let batches = job
        .sessions
        .iter()
        .zip(queries.0)
        .map(|(slot, answered)| {
            let queries = answered
                .into_iter()
                .map(|q| {
                    let salt = element(q.salt.as_bytes())?;
                    Ok(service::AnsweredQuery { features: q.features, salt, answer: q.answer })
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(SessionBatch { before: element(slot.before.as_bytes())?, queries })
        })
        .collect::<Result<Vec<_>>>()?;
    let opened = toolbox.custody.spend_openings(&[&committed])?;
    let circuit = ServiceCircuit::new(prepared.shape().clone(), &opened.groups()[0], &weights, &batches)
        .map_err(|e| Problem::new(Reason::BadQuery, format!("the sessions cannot be proven: {e}")))?;
    let sessions: Vec<SessionId> = job.sessions.iter().map(|s| s.session).collect();
    let inputs = circuit.inputs(from_core(&service_ctx(&job.target.domain(), &sessions)));
    let proof = prepared.prove(toolbox, &circuit, &opened, inputs)?;
    Ok(ServiceOutcome {
        weights_digest: agent.weights_digest,
        agent_id: job.agent_id,
        version: job.version,
        proof,
        vouchers: job.sessions.iter().map(|s| s.voucher.clone()).collect(),
    })
}

/// Largest number of answers in one proof.
#[must_use]
pub fn capacity(layout: &Layout) -> usize {
    service::capacity(layout)
}

fn element(word: &[u8; 32]) -> Result<Fr> {
    from_word(word).ok_or_else(|| Problem::internal(format!("0x{} is not a field element", hex::encode(word))))
}
