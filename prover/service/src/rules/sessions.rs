//! Prepaid sessions: which queries are answered, which vouchers are accepted and which answers are claimed. A query is
//! refused if its answer could not be proven or paid for.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tribute_chain::SignedVoucher;
use tribute_core::context::first_transcript;
use tribute_core::hexed::{AccountAddress, Hex};
use tribute_core::id::{Salt, SessionId, Transcript, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::receipt::{check_salt, extend, from_word, to_word};
use tribute_core::schema::{Schema, Target as SchemaTarget};
use tribute_core::Fr;
use tribute_custody::Custody;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_steps::service::{capacity, AnsweredQuery, QuerySlots, ServiceJob, SlotBody};
use tribute_steps::train::AgentBody;
use tribute_steps::work::Work;

use super::agents::{Loaded, LoadedAgents};
use crate::chain::{Chain, ChainSession};
use crate::registry::sessions::{AnswerRow, SessionBody, SessionRow};
use crate::registry::Registry;

/// Number of answers the server gives before it has a voucher for them.
pub(crate) const MAX_UNVOUCHED: u64 = 1;

/// Purpose label for sealing queries for the agent's owner.
const SEALED: &str = "query";

/// Opens sessions, answers queries and accepts vouchers.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) registry: Registry,
    pub(crate) custody: Custody,
    pub(crate) chain: Option<Arc<dyn Chain>>,
    pub(crate) agents: LoadedAgents,
}

/// Features of a query.
pub(crate) enum Features {
    /// In the schema's units.
    Values {
        values: Vec<f64>,
        /// Whether the client wants values outside the schema's ranges moved to their ends.
        clamped: bool,
    },
    /// Quantised, one byte each, as in receipts.
    Quantised(Vec<u8>),
}

/// A client's query.
pub(crate) struct Query {
    pub(crate) features: Features,
    /// Random, below 2^248.
    pub(crate) salt: Salt,
    /// Number of answers in the session before this one.
    pub(crate) position: u64,
    /// Voucher for the previous answers, if one is due.
    pub(crate) voucher: Option<SignedVoucher>,
}

/// An answer with the data that the client needs to check it.
pub(crate) struct Answered {
    pub(crate) class: u16,
    /// Name of the class.
    pub(crate) label: String,
    /// Transcript after this answer.
    pub(crate) transcript: Transcript,
    /// Number of answers in the session, including this one.
    pub(crate) position: u64,
    /// The query's features, one byte each, as in the receipt.
    pub(crate) quantised: Vec<u8>,
    /// For each class, what the link makes of its logit; empty unless the agent's owner shows it.
    pub(crate) scores: Vec<f64>,
}

impl Sessions {
    fn chain(&self) -> Result<&dyn Chain> {
        self.chain.as_deref().ok_or_else(|| {
            Problem::new(
                Reason::ChainUnavailable,
                "the server runs without a chain: start it with --rpc and --contracts",
            )
        })
    }

    /// A session that this server serves.
    async fn served(&self, id: SessionId) -> Result<SessionRow> {
        self.registry.session(id).await?.ok_or_else(|| {
            Problem::new(Reason::NotFound, format!("session {id} is not served here: open it with OpenSession first"))
                .with("session", id)
        })
    }

    /// A session, if `caller` is its session key, the only account that may send queries and vouchers.
    pub(crate) async fn spoken_for(&self, caller: AccountAddress, id: SessionId) -> Result<SessionRow> {
        let session = self.served(id).await?;
        if caller == session.body.session_key {
            return Ok(session);
        }
        let message = format!("queries and vouchers of session {id} come from its session key, not from {caller}");
        Err(Problem::new(Reason::NotAllowed, message).with("session", id))
    }

    pub(crate) async fn on_chain(&self, id: SessionId) -> Result<ChainSession> {
        self.chain()?.session(id).await?.ok_or_else(|| {
            Problem::new(Reason::NotFound, format!("no session {id} in the escrow contract: open it there first"))
                .with("session", id)
        })
    }

    /// Checks a voucher against its session and stores it.
    async fn take_voucher(&self, session: &SessionRow, voucher: &SignedVoucher) -> Result<()> {
        let id = session.body.id;
        let bad = |message: String| Problem::new(Reason::BadVoucher, message).with("session", id);
        let (count, transcript) = (voucher.count(), voucher.transcript());
        if voucher.session() != id || voucher.version() != session.body.version {
            let (got, version) = (voucher.session(), session.body.version);
            return Err(bad(format!(
                "the voucher is for session {got} version {}, not {id} version {version}",
                voucher.version()
            )));
        }
        let expected = self.registry.transcript_at(session, count).await?.filter(|_| count <= session.count);
        let Some(expected) = expected else {
            return Err(bad(format!("the voucher counts {count} answers, the session has {}", session.count))
                .with("count", count)
                .with("answered", session.count));
        };
        if transcript != expected {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!("after {count} answers the transcript is {expected}, the voucher says {transcript}"),
            )
            .with("session", id)
            .with("expected", expected)
            .with("got", transcript));
        }
        let signer = voucher.signer(&session.body.target.domain()).map(|address| Hex(address.into_array()));
        if signer != Some(session.body.session_key) {
            return Err(bad(format!("the voucher is not signed by the session key {}", session.body.session_key))
                .with("expected", session.body.session_key)
                .with("signer", signer.map_or("none".into(), |s| s.to_string())));
        }
        self.registry.put_voucher(voucher).await
    }

    /// Starts serving a session that was opened in the escrow contract; `caller` must be its client or its session key.
    pub(crate) async fn open(
        &self,
        caller: AccountAddress,
        id: SessionId,
        weights: WeightsDigest,
    ) -> Result<SessionRow> {
        let on_chain = self.on_chain(id).await?;
        if caller != on_chain.client && caller != on_chain.session_key {
            return Err(Problem::new(Reason::NotAllowed, format!("session {id} is not {caller}'s")));
        }
        let agent = self.registry.agent(weights).await?.ok_or_else(|| Problem::not_found("agent", weights))?.body;
        let chain = self.chain()?;
        let version = chain.version(on_chain.agent_id, on_chain.version).await?;
        if !version.is_some_and(|v| v.certified && v.weights_digest == weights) {
            let (agent_id, number) = (on_chain.agent_id, on_chain.version);
            return Err(Problem::new(
                Reason::NotReady,
                format!("version {number} of agent {agent_id} is not certified with the weights {weights}"),
            )
            .with("agent_id", agent_id)
            .with("version", number));
        }
        let target = chain.contracts().sessions();
        let first = first_transcript(&target.domain(), &id, on_chain.version, &weights);
        let body = SessionBody {
            id,
            weights_digest: weights,
            agent_owner: agent.owner,
            agent_id: on_chain.agent_id,
            version: on_chain.version,
            client: on_chain.client,
            session_key: on_chain.session_key,
            price: on_chain.price,
            target,
            first_transcript: Transcript::new(to_word(&first)),
        };
        self.registry.open_session(&body).await?;
        self.served(id).await
    }

    /// A session, if `caller` is its client, its session key or the agent's owner; otherwise it is reported as not
    /// found.
    pub(crate) async fn visible(&self, caller: AccountAddress, id: SessionId) -> Result<SessionRow> {
        let session = self.served(id).await?;
        let b = &session.body;
        if [b.client, b.session_key, b.agent_owner].contains(&caller) {
            return Ok(session);
        }
        Err(Problem::not_found("session", id))
    }

    /// Checks and stores a voucher sent by the session key.
    pub(crate) async fn submit_voucher(&self, caller: AccountAddress, voucher: &SignedVoucher) -> Result<SessionRow> {
        let session = self.spoken_for(caller, voucher.session()).await?;
        self.take_voucher(&session, voucher).await?;
        self.served(voucher.session()).await
    }

    /// Answers a query, provided that it is the next one in the session and the answers before it are covered by a
    /// voucher.
    pub(crate) async fn answer(&self, caller: AccountAddress, id: SessionId, query: Query) -> Result<Answered> {
        let mut session = self.spoken_for(caller, id).await?;
        let agent = self.agents.get(session.body.weights_digest).await?;
        let features = quantised(&agent.schema, query.features)?;
        let salt: Fr = from_word(query.salt.as_bytes())
            .filter(|s| check_salt(s).is_ok())
            .ok_or_else(|| Problem::new(Reason::BadQuery, "the salt must be below 2^248"))?;

        // a retry of the last query, whose answer was lost in transit
        if session.count > 0 && query.position == session.count - 1 {
            if let Some(row) = self.registry.answers(id, query.position, session.count).await?.pop() {
                let asked = self.unseal_query(session.body.agent_owner, &row.sealed_query).await?;
                if asked == (features.clone(), query.salt) {
                    return self.answered(&agent, &session, &row, query.position + 1, features).await;
                }
            }
        }
        if query.position != session.count {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!("session {id} has {} answers; the query says it comes after {}", session.count, query.position),
            )
            .with("session", id)
            .with("expected", session.count)
            .with("got", query.position));
        }
        if let Some(voucher) = &query.voucher {
            self.take_voucher(&session, voucher).await?;
            session = self.served(id).await?;
        }
        let unvouched = session.count - session.vouched();
        if unvouched >= MAX_UNVOUCHED {
            return Err(Problem::new(
                Reason::BadVoucher,
                format!(
                    "{unvouched} answers of session {id} have no voucher yet: sign one for {} answers first",
                    session.count
                ),
            )
            .with("session", id)
            .with("answered", session.count)
            .with("vouched", session.vouched()));
        }
        let on_chain = self.on_chain(id).await?;
        check_escrow(&session, &on_chain, &agent.layout)?;

        let class = agent.batches.answer(features.clone()).await?;
        let before = from_word(session.transcript.as_bytes())
            .ok_or_else(|| Problem::internal("a stored transcript is no field element"))?;
        let after = extend(before, agent.layout.features(), &features, salt, class);
        let row = AnswerRow {
            sealed_query: self.seal_query(session.body.agent_owner, &features, query.salt).await?,
            answer: class,
            transcript: Transcript::new(to_word(&after)),
        };
        self.registry.add_answer(id, session.count, &row).await?;
        self.answered(&agent, &session, &row, session.count + 1, features).await
    }

    async fn answered(
        &self,
        agent: &Loaded,
        session: &SessionRow,
        row: &AnswerRow,
        position: u64,
        quantised: Vec<u8>,
    ) -> Result<Answered> {
        let shown = self.registry.shows_scores(session.body.weights_digest).await?;
        let scores = if shown { agent.scores(&quantised) } else { Vec::new() };
        let label = label(&agent.schema, row.answer);
        Ok(Answered { class: row.answer, label, transcript: row.transcript, position, quantised, scores })
    }

    /// The job that proves the answers of `sessions` with `agent` that have a voucher and are not claimed yet.
    pub(crate) async fn service_work(&self, agent: AgentBody, sessions: &[Vec<u8>]) -> Result<Work> {
        let layout = agent.layout()?;
        if sessions.is_empty() || sessions.len() > tribute_core::statement::SERVICE_SLOTS {
            return Err(Problem::field("sessions", format!("{} sessions: one proof takes 1 to 16", sessions.len())));
        }
        let (mut slots, mut queries) = (Vec::new(), QuerySlots::default());
        let mut fixed: Option<SessionBody> = None;
        for bytes in sessions {
            let id: SessionId = field("sessions", bytes)?;
            let session = self.served(id).await?;
            let body = session.body.clone();
            let first = fixed.get_or_insert_with(|| body.clone());
            let same = (body.weights_digest, body.agent_id, body.version, body.target)
                == (agent.weights_digest, first.agent_id, first.version, first.target);
            if !same || slots.iter().any(|s: &SlotBody| s.session == id) {
                return Err(Problem::field(
                    "sessions",
                    format!("session {id} is of another agent version, or listed twice"),
                ));
            }
            let on_chain = self.on_chain(id).await?;
            let (slot, answered) = self.slot(&session, &on_chain, &agent).await?;
            slots.push(slot);
            queries.0.push(answered);
        }
        let (total, most) = (queries.0.iter().map(Vec::len).sum::<usize>(), capacity(&layout));
        if total > most {
            return Err(Problem::field(
                "sessions",
                format!("{total} answers, one proof holds {most}: prove fewer sessions at once"),
            )
            .with("answers", total)
            .with("most", most));
        }
        let Some(fixed) = fixed else { return Err(Problem::field("sessions", "is empty")) };
        let sealed = self.custody.put(&agent.owner.to_string(), "queries", serde_json::to_vec(&queries)?).await?;
        Ok(Work::Service(ServiceJob {
            agent,
            agent_id: fixed.agent_id,
            version: fixed.version,
            target: fixed.target,
            sessions: slots,
            queries: sealed,
        }))
    }

    /// A session's slot in a service proof: the answers after the last claim, up to the latest voucher.
    async fn slot(
        &self,
        session: &SessionRow,
        on_chain: &ChainSession,
        agent: &AgentBody,
    ) -> Result<(SlotBody, Vec<AnsweredQuery>)> {
        let id = session.body.id;
        let voucher = session.voucher.clone().filter(|v| v.count() > on_chain.count).ok_or_else(|| {
            Problem::new(
                Reason::NotReady,
                format!("session {id} has no vouched answers beyond the {} claimed", on_chain.count),
            )
            .with("session", id)
        })?;
        let before = self.registry.transcript_at(session, on_chain.count).await?;
        if before != Some(on_chain.transcript) {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!("session {id}: the chain's transcript after {} answers is not this server's", on_chain.count),
            )
            .with("session", id));
        }
        let rows = self.registry.answers(id, on_chain.count, voucher.count()).await?;
        let mut answered = Vec::with_capacity(rows.len());
        for row in rows {
            let (features, salt) = self.unseal_query(agent.owner, &row.sealed_query).await?;
            answered.push(AnsweredQuery { features, salt, answer: row.answer });
        }
        let count = voucher.count() - on_chain.count;
        Ok((SlotBody { session: id, before: on_chain.transcript, voucher, count }, answered))
    }

    async fn seal_query(&self, owner: AccountAddress, features: &[u8], salt: Salt) -> Result<String> {
        let plain = [&salt.as_bytes()[..], features].concat();
        Ok(hex::encode(self.custody.seal(&owner.to_string(), SEALED, &plain).await?))
    }

    async fn unseal_query(&self, owner: AccountAddress, sealed: &str) -> Result<(Vec<u8>, Salt)> {
        let sealed = hex::decode(sealed).map_err(Problem::internal)?;
        let plain = self.custody.unseal(&owner.to_string(), SEALED, &sealed).await?;
        let (salt, features) =
            plain.split_first_chunk::<32>().ok_or_else(|| Problem::internal("a stored query is too short"))?;
        Ok((features.to_vec(), Salt::new(*salt)))
    }
}

/// Refuses a query whose answer could not be paid for or proven.
fn check_escrow(session: &SessionRow, on_chain: &ChainSession, layout: &Layout) -> Result<()> {
    let id = session.body.id;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if on_chain.thaw_end != 0 {
        return Err(Problem::new(
            Reason::EscrowThawing,
            format!(
                "session {id} is closing: its client asked for the rest of the escrow back (free at {}, now {now})",
                on_chain.thaw_end
            ),
        )
        .with("session", id)
        .with("thaw_end", on_chain.thaw_end));
    }
    let unclaimed = session.count.saturating_sub(on_chain.count) + 1;
    let owed = u128::from(unclaimed).saturating_mul(on_chain.price);
    if owed > on_chain.remaining {
        return Err(Problem::new(
            Reason::EscrowShort,
            format!(
                "session {id} has {} left in escrow; {unclaimed} answers cost {owed}: open another session",
                on_chain.remaining
            ),
        )
        .with("session", id)
        .with("remaining", on_chain.remaining)
        .with("owed", owed));
    }
    let most = capacity(layout) as u64;
    if unclaimed > most {
        return Err(Problem::new(
            Reason::NotReady,
            format!(
                "session {id} has {} unclaimed answers, one proof holds {most}: the agent's owner has to claim first",
                unclaimed - 1
            ),
        )
        .with("session", id)
        .with("most", most));
    }
    Ok(())
}

/// The query's features, one byte each, as in the receipt.
fn quantised(schema: &Schema, features: Features) -> Result<Vec<u8>> {
    match features {
        Features::Values { values, clamped } => {
            let steps = schema.quantise(&values)?;
            let beyond = schema.features().iter().zip(&values).find(|(f, x)| **x < f.lo || **x > f.hi);
            match beyond.filter(|_| !clamped) {
                None => Ok(steps),
                Some((f, x)) => Err(Problem::new(
                    Reason::BadQuery,
                    format!(
                        "feature `{}` is {x}, outside the schema's range [{}, {}]: check its unit, or set `clamped` to \
                         move it to the range's end",
                        f.name, f.lo, f.hi
                    ),
                )
                .with("feature", &f.name)),
            }
        }
        Features::Quantised(bytes) if bytes.len() == schema.features().len() => Ok(bytes),
        Features::Quantised(bytes) => Err(Problem::new(
            Reason::BadQuery,
            format!("the query has {} features, the schema {}", bytes.len(), schema.features().len()),
        )),
    }
}

fn label(schema: &Schema, class: u16) -> String {
    match schema.target() {
        SchemaTarget::Classes(labels) => labels.get(usize::from(class)).cloned().unwrap_or_default(),
        SchemaTarget::Real { .. } => class.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tribute_core::schema::Feature;

    use super::*;

    fn steps(values: &[f64], clamped: bool) -> Result<Vec<u8>> {
        let feature = |name: &str| Feature { name: name.into(), lo: 0.0, hi: 2.0 };
        let target = SchemaTarget::Real { lo: 0.0, hi: 1.0 };
        let schema = Schema::new("s".into(), vec![feature("a"), feature("b")], target, None).unwrap();
        quantised(&schema, Features::Values { values: values.to_vec(), clamped })
    }

    #[test]
    fn values_are_clamped_only_if_the_client_says_so() {
        assert_eq!(steps(&[0.0, 2.0], false).unwrap(), [0, 255]);
        for outside in [[0.0, 2.001], [0.0, -0.001]] {
            let refused = steps(&outside, false).unwrap_err();
            assert_eq!((refused.reason, refused.metadata["feature"].as_str()), (Reason::BadQuery, "b"));
        }
        assert_eq!(steps(&[-1.0, 100.0], true).unwrap(), [0, 255]);
        assert_eq!(steps(&[f64::NAN, 0.0], true).unwrap_err().reason, Reason::BadQuery);
    }
}
