//! `SessionService`: answers prepaid queries. Before answering it refuses what it could not prove or collect.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};
use tribute_core::context::{first_transcript, voucher_digest};
use tribute_core::head::answer;
use tribute_core::layout::{Layout, Task};
use tribute_core::receipt::{check_salt, extend, from_word, to_word};
use tribute_core::schema::{Schema, Target as SchemaTarget};
use tribute_core::Fr;
use tribute_inference::agent::Agent;
use tribute_inference::runtime::{AgentSession, Runtime};
use tribute_proto::v1;

use super::{convert, Shared, MAX_UNVOUCHED};
use crate::auth::recover;
use crate::chain::ChainSession;
use crate::hexed::{Hex, Hex20, Hex32};
use crate::pipeline::service::capacity;
use crate::pipeline::types::{AgentBody, AnsweredQuery, QuerySlots, ServiceJob, SlotBody, VoucherBody};
use crate::pipeline::Work;
use crate::problem::{Problem, Reason, Result};
use crate::registry::sessions::{AnswerRow, SessionBody, SessionRow};

/// Purpose under which queries are sealed for the agent's owner.
const SEALED: &str = "query";

pub(super) struct Sessions(pub(super) Shared);

/// An agent loaded for answering.
pub(crate) struct Loaded {
    agent: Agent,
    running: AgentSession,
    schema: Schema,
    layout: Layout,
}

impl Shared {
    /// The agent, loaded into onnxruntime once.
    async fn loaded(&self, digest: Hex32) -> Result<Arc<Loaded>> {
        let mut loaded = self.agents.lock().await;
        if let Some(agent) = loaded.get(&digest) {
            return Ok(agent.clone());
        }
        let body = self.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        if body.layout()?.task() == Task::Real {
            return Err(Problem::field(
                "weights_digest",
                format!("agent {digest} predicts a real value: sessions are with classifiers, whose answers a proof can count"),
            ));
        }
        let bytes = self.custody.get(&body.owner.to_string(), "model", &body.model).await?;
        let agent = Agent::from_bytes(&bytes).map_err(|e| Problem::new(Reason::ArtefactDamaged, e.to_string()))?;
        let missing = |e: tribute_inference::runtime::RuntimeError| Problem::new(Reason::ToolMissing, e.to_string());
        let runtime = Runtime::locate_and_init(None).map_err(missing)?;
        let running = agent.session(&runtime).map_err(missing)?;
        let fresh = Arc::new(Loaded { schema: body.schema()?, layout: body.layout()?, agent, running });
        loaded.insert(digest, fresh.clone());
        Ok(fresh)
    }

    /// A session being served.
    async fn served(&self, id: Hex32) -> Result<SessionRow> {
        self.registry.session(id).await?.ok_or_else(|| {
            Problem::new(Reason::NotFound, format!("session {id} is not served here: open it with OpenSession first"))
                .with("session", id)
        })
    }

    async fn chain_session(&self, id: Hex32) -> Result<ChainSession> {
        let chain = self.chain.as_ref().ok_or_else(|| {
            Problem::new(
                Reason::ChainUnavailable,
                "the server runs without a chain: start it with --rpc and --contracts",
            )
        })?;
        chain.session(id).await?.ok_or_else(|| {
            Problem::new(Reason::NotFound, format!("no session {id} in the escrow contract: open it there first"))
                .with("session", id)
        })
    }

    /// Checks a voucher against its session and keeps it.
    async fn take_voucher(&self, session: &SessionRow, voucher: &VoucherBody) -> Result<()> {
        let id = session.body.id;
        let bad = |message: String| Problem::new(Reason::BadVoucher, message).with("session", id);
        if voucher.session != id || voucher.version != session.body.version {
            let (got, version) = (voucher.session, session.body.version);
            return Err(bad(format!(
                "the voucher is for session {got} version {}, not {id} version {version}",
                voucher.version
            )));
        }
        let expected =
            self.registry.transcript_at(session, voucher.count).await?.filter(|_| voucher.count <= session.count);
        let Some(expected) = expected else {
            return Err(bad(format!(
                "the voucher counts {} answers, the session has {}",
                voucher.count, session.count
            ))
            .with("count", voucher.count)
            .with("answered", session.count));
        };
        if voucher.transcript != expected {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!(
                    "after {} answers the transcript is {expected}, the voucher says {}",
                    voucher.count, voucher.transcript
                ),
            )
            .with("session", id)
            .with("expected", expected)
            .with("got", voucher.transcript));
        }
        let domain = session.body.target.domain();
        let digest = voucher_digest(&domain, &id.0, voucher.version, voucher.count, &voucher.transcript.0);
        let signature = hex::decode(&voucher.signature).unwrap_or_default();
        let signer = recover(&signature, &digest);
        if signer != Some(session.body.session_key) {
            return Err(bad(format!("the voucher is not signed by the session key {}", session.body.session_key))
                .with("expected", session.body.session_key)
                .with("signer", signer.map_or("none".into(), |s| s.to_string())));
        }
        self.registry.put_voucher(voucher).await
    }

    async fn session_message(&self, session: &SessionRow) -> Result<v1::Session> {
        let on_chain = self.chain_session(session.body.id).await?;
        let digest = session.body.weights_digest;
        let agent = self.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        Ok(v1::Session {
            id: session.body.id.to_field(),
            weights_digest: session.body.weights_digest.to_field(),
            agent_id: session.body.agent_id.to_field(),
            version: session.body.version,
            client: session.body.client.to_field(),
            session_key: session.body.session_key.to_field(),
            price: session.body.price.to_string(),
            escrow: on_chain.remaining.to_string(),
            count: session.count,
            transcript: session.transcript.to_field(),
            voucher: session.voucher.as_ref().map(convert::voucher),
            claimed_count: on_chain.count,
            claimed_transcript: on_chain.transcript.to_field(),
            schema_json: agent.schema.into_bytes(),
            context: Some(convert::target(session.body.target)),
        })
    }

    /// Refuses an answer that could not be collected or proven.
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
                format!("session {id} has {} unclaimed answers, one proof holds {most}: the agent's owner has to claim first", unclaimed - 1),
            )
            .with("session", id)
            .with("most", most));
        }
        Ok(())
    }

    /// The job that proves the vouched, unclaimed answers of sessions.
    pub(super) async fn service_work(&self, caller: Hex20, w: v1::ServiceWork) -> Result<Work> {
        let agent: AgentBody = self.own_agent(caller, &w.weights_digest).await?;
        let layout = agent.layout()?;
        if w.sessions.is_empty() || w.sessions.len() > tribute_core::statement::SERVICE_SLOTS {
            return Err(Problem::field("sessions", format!("{} sessions: one proof takes 1 to 16", w.sessions.len())));
        }
        let (mut slots, mut queries) = (Vec::new(), QuerySlots::default());
        let mut fixed: Option<SessionBody> = None;
        for bytes in &w.sessions {
            let id = Hex32::from_field("sessions", bytes)?;
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
            let on_chain = self.chain_session(id).await?;
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
        let sealed = self.custody.put(&caller.to_string(), "queries", &serde_json::to_vec(&queries)?).await?;
        Ok(Work::Service(ServiceJob {
            agent,
            agent_id: fixed.agent_id,
            version: fixed.version,
            target: fixed.target,
            sessions: slots,
            queries: sealed,
        }))
    }

    /// A session's part: from what is claimed to what is vouched.
    async fn slot(
        &self,
        session: &SessionRow,
        on_chain: &ChainSession,
        agent: &AgentBody,
    ) -> Result<(SlotBody, Vec<AnsweredQuery>)> {
        let id = session.body.id;
        let voucher = session.voucher.clone().filter(|v| v.count > on_chain.count).ok_or_else(|| {
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
        let rows = self.registry.answers(id, on_chain.count, voucher.count).await?;
        let mut answered = Vec::with_capacity(rows.len());
        for row in rows {
            let (features, salt) = self.unseal_query(agent.owner, &row.sealed_query).await?;
            answered.push(AnsweredQuery { features, salt, answer: row.answer });
        }
        let count = voucher.count - on_chain.count;
        Ok((SlotBody { session: id, before: on_chain.transcript, voucher, count }, answered))
    }

    async fn seal_query(&self, owner: Hex20, features: &[u8], salt: Hex32) -> Result<String> {
        let plain = [&salt.0[..], features].concat();
        Ok(hex::encode(self.custody.seal(&owner.to_string(), SEALED, &plain).await?))
    }

    async fn unseal_query(&self, owner: Hex20, sealed: &str) -> Result<(Vec<u8>, Hex32)> {
        let sealed = hex::decode(sealed).map_err(Problem::internal)?;
        let plain = self.custody.unseal(&owner.to_string(), SEALED, &sealed).await?;
        let (salt, features) =
            plain.split_first_chunk::<32>().ok_or_else(|| Problem::internal("a stored query is too short"))?;
        Ok((features.to_vec(), Hex(*salt)))
    }
}

/// The query's bytes, as the receipt holds them.
fn quantised(schema: &Schema, query: Option<v1::query_request::Query>) -> Result<Vec<u8>> {
    match query {
        Some(v1::query_request::Query::Features(f)) => Ok(schema.quantise(&f.values)?),
        Some(v1::query_request::Query::Quantised(bytes)) if bytes.len() == schema.features().len() => Ok(bytes),
        Some(v1::query_request::Query::Quantised(bytes)) => Err(Problem::new(
            Reason::BadQuery,
            format!("the query has {} features, the schema {}", bytes.len(), schema.features().len()),
        )),
        None => Err(Problem::new(Reason::BadQuery, "the query is missing")),
    }
}

fn label(schema: &Schema, class: u16) -> String {
    match schema.target() {
        SchemaTarget::Classes(labels) => labels.get(usize::from(class)).cloned().unwrap_or_default(),
        SchemaTarget::Real { .. } => class.to_string(),
    }
}

impl Loaded {
    /// onnxruntime's answer, which must be the integer function's: anything else could not be proven.
    fn answer(&self, features: &[u8]) -> Result<u16> {
        let given = self.running.run(features).map_err(Problem::internal)?;
        let class = given.first().map(|a| a.class).ok_or_else(|| Problem::internal("onnxruntime gave no answer"))?;
        let exact = answer(&self.agent.weights.logits(features));
        if class != usize::from(exact) {
            return Err(Problem::internal(format!("onnxruntime answers {class}, the integer function {exact}")));
        }
        Ok(exact)
    }
}

#[tonic::async_trait]
impl v1::session_service_server::SessionService for Sessions {
    async fn open_session(&self, request: Request<v1::OpenSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let id = Hex32::from_field("session", &r.session)?;
        let digest = Hex32::from_field("weights_digest", &r.weights_digest)?;
        let on_chain = self.0.chain_session(id).await?;
        if caller != on_chain.client && caller != on_chain.session_key {
            return Err(Problem::new(Reason::NotAllowed, format!("session {id} is not {caller}'s")).into());
        }
        let agent = self.0.registry.agent(digest).await?.ok_or_else(|| Problem::not_found("agent", digest))?.body;
        let chain = self.0.chain.as_ref().ok_or_else(|| Problem::internal("the chain went away"))?;
        let version = chain.version(on_chain.agent_id, on_chain.version).await?;
        let fits = version.as_ref().is_some_and(|v| v.certified && v.weights_digest == digest);
        if !fits {
            let (agent_id, number) = (on_chain.agent_id, on_chain.version);
            return Err(Problem::new(
                Reason::NotReady,
                format!("version {number} of agent {agent_id} is not certified with the weights {digest}"),
            )
            .with("agent_id", agent_id)
            .with("version", number)
            .into());
        }
        let target = chain.contracts().sessions();
        let first = first_transcript(&target.domain(), &id.0, on_chain.version, &digest.0);
        let body = SessionBody {
            id,
            weights_digest: digest,
            agent_owner: agent.owner,
            agent_id: on_chain.agent_id,
            version: on_chain.version,
            client: on_chain.client,
            session_key: on_chain.session_key,
            price: on_chain.price,
            target,
            first_transcript: Hex(to_word(&first)),
        };
        self.0.registry.open_session(&body).await?;
        let session = self.0.served(id).await?;
        Ok(Response::new(self.0.session_message(&session).await?))
    }

    async fn get_session(&self, request: Request<v1::GetSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let session = self.0.served(Hex32::from_field("session", &r.session)?).await?;
        let b = &session.body;
        if ![b.client, b.session_key, b.agent_owner].contains(&caller) {
            return Err(Problem::not_found("session", b.id).into());
        }
        Ok(Response::new(self.0.session_message(&session).await?))
    }

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<v1::QueryResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let id = Hex32::from_field("session", &r.session)?;
        let mut session = self.0.served(id).await?;
        if caller != session.body.session_key {
            return Err(Problem::new(
                Reason::NotAllowed,
                format!("queries of session {id} are signed by its session key"),
            )
            .into());
        }
        let loaded = self.0.loaded(session.body.weights_digest).await?;
        let features = quantised(&loaded.schema, r.query)?;
        let salt_word = Hex32::from_field("salt", &r.salt)?;
        let salt: Fr = from_word(&salt_word.0)
            .filter(|s| check_salt(s).is_ok())
            .ok_or_else(|| Problem::new(Reason::BadQuery, "the salt must be below 2^248"))?;

        // the last query again: the answer was lost on its way
        if session.count > 0 && r.position == session.count - 1 {
            if let Some(row) = self.0.registry.answers(id, r.position, session.count).await?.pop() {
                if self.0.unseal_query(session.body.agent_owner, &row.sealed_query).await?
                    == (features.clone(), salt_word)
                {
                    return Ok(Response::new(response(&loaded.schema, &row, r.position + 1, features)));
                }
            }
        }
        if r.position != session.count {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!("session {id} has {} answers; the query says it comes after {}", session.count, r.position),
            )
            .with("session", id)
            .with("expected", session.count)
            .with("got", r.position)
            .into());
        }
        if let Some(voucher) = &r.voucher {
            self.0.take_voucher(&session, &convert::voucher_body(voucher)?).await?;
            session = self.0.served(id).await?;
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
            .with("vouched", session.vouched())
            .into());
        }
        let on_chain = self.0.chain_session(id).await?;
        Shared::check_escrow(&session, &on_chain, &loaded.layout)?;

        let class = loaded.answer(&features)?;
        let before = from_word(&session.transcript.0)
            .ok_or_else(|| Problem::internal("a stored transcript is no field element"))?;
        let after = extend(before, loaded.layout.features(), &features, salt, class);
        let row = AnswerRow {
            sealed_query: self.0.seal_query(session.body.agent_owner, &features, salt_word).await?,
            answer: class,
            transcript: Hex(to_word(&after)),
        };
        self.0.registry.add_answer(id, session.count, &row).await?;
        Ok(Response::new(response(&loaded.schema, &row, session.count + 1, features)))
    }

    async fn submit_voucher(
        &self,
        request: Request<v1::SubmitVoucherRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let voucher = convert::voucher_body(&r.voucher.ok_or_else(|| Problem::field("voucher", "is missing"))?)?;
        let session = self.0.served(voucher.session).await?;
        if caller != session.body.session_key {
            let message = format!("vouchers of session {} come from its session key", session.body.id);
            return Err(Problem::new(Reason::NotAllowed, message).into());
        }
        self.0.take_voucher(&session, &voucher).await?;
        let session = self.0.served(voucher.session).await?;
        Ok(Response::new(self.0.session_message(&session).await?))
    }

    async fn prove_service(
        &self,
        request: Request<v1::ProveServiceRequest>,
    ) -> Result<Response<v1::ProveServiceResponse>, Status> {
        let r = request.into_inner();
        let caller = self.0.gate.admit(&r).await?;
        let work = v1::work::Work::Service(r.work.ok_or_else(|| Problem::field("work", "is missing"))?);
        let job = self.0.submit(caller, work, r.options.as_ref()).await?;
        Ok(Response::new(v1::ProveServiceResponse { job: Some(job) }))
    }
}

fn response(schema: &Schema, row: &AnswerRow, position: u64, quantised: Vec<u8>) -> v1::QueryResponse {
    v1::QueryResponse {
        answer: row.answer.into(),
        label: label(schema, row.answer),
        transcript: row.transcript.to_field(),
        position,
        quantised,
    }
}
