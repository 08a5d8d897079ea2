//! Answers, proven: every counted one is what the agent's committed weights give on the query in its receipt.

use tribute_circuits::statements::service;
use tribute_circuits::statements::service::{ServiceCircuit, SessionBatch};
use tribute_core::context::service_ctx;
use tribute_core::layout::Layout;
use tribute_core::receipt::from_word;
use tribute_core::statement::Statement;
use tribute_core::Fr;
use tribute_engine::field::from_core;

use super::circuit::prepare;
use super::gradient::weights;
use super::types::{QuerySlots, ServiceJob, ServiceOutcome, ShapeBody};
use super::Toolbox;
use crate::hexed::Hex32;
use crate::problem::{Problem, Reason, Result};

/// Commits again to the weights and proves the answers of all sessions.
pub fn run(job: &ServiceJob, toolbox: &Toolbox) -> Result<ServiceOutcome> {
    let agent = &job.agent;
    let layout = agent.layout()?;
    let prepared = prepare(&ShapeBody::of(Statement::Service, &layout, agent.link, agent.reg_bias), toolbox)?;
    toolbox.progress("commit", 0, 1);
    let (weights, group) = weights(agent, &layout, &prepared.srs, toolbox)?;
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
                    let salt = element(&q.salt)?;
                    Ok(service::AnsweredQuery { features: q.features, salt, answer: q.answer })
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(SessionBatch { before: element(&slot.before)?, queries })
        })
        .collect::<Result<Vec<_>>>()?;
    let circuit = ServiceCircuit::new(prepared.shape().clone(), &group, &weights, &batches)
        .map_err(|e| Problem::new(Reason::BadQuery, format!("the sessions cannot be proven: {e}")))?;
    let sessions: Vec<[u8; 32]> = job.sessions.iter().map(|s| s.session.0).collect();
    let inputs = circuit.inputs(from_core(&service_ctx(&job.target.domain(), &sessions)));
    let proof = prepared.prove(toolbox, &circuit, &[&group], inputs)?;
    Ok(ServiceOutcome {
        weights_digest: agent.weights_digest,
        agent_id: job.agent_id,
        version: job.version,
        proof,
        vouchers: job.sessions.iter().map(|s| s.voucher.clone()).collect(),
    })
}

/// Answers that one proof holds.
#[must_use]
pub fn capacity(layout: &Layout) -> usize {
    service::capacity(layout)
}

fn element(word: &Hex32) -> Result<Fr> {
    from_word(&word.0).ok_or_else(|| Problem::internal(format!("{word} is no field element")))
}
