//! The client's side of a prepaid session. The client keeps its own transcript, rejects any answer that does not extend
//! it, and signs a voucher for every answer that does.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use alloy::signers::local::PrivateKeySigner;
use serde::{Deserialize, Serialize};
use tribute_chain::{SignedVoucher, Voucher};
use tribute_core::context::{first_transcript, Domain};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{AgentId, Salt, SchemaId, SessionId, Transcript, WeightsDigest};
use tribute_core::layout::Task;
use tribute_core::receipt::{extend, from_word, to_word};
use tribute_core::schema::{Schema, Target};
use tribute_core::Fr;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use crate::asking::QueryStream;
use crate::connection::Client;
use crate::files::{read_file, write_file};
use crate::wire::{self, problem};

/// A client's session, stored in a file: its queries, answers and latest voucher. A server that claims a different
/// history is rejected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientSession {
    /// Session id.
    pub session: SessionId,
    /// On-chain id of the agent.
    pub agent_id: AgentId,
    /// Version of the agent.
    pub version: u32,
    /// EIP-155 id of the escrow contract's chain.
    pub chain_id: u64,
    /// Address of the escrow contract.
    pub contract: AccountAddress,
    /// Digest of the agent's weights.
    pub weights_digest: WeightsDigest,
    /// The agent's schema, by which queries are quantised and answers named: what the server said when the session began;
    /// [`ClientSession::check`] compares it.
    pub schema: Schema,
    /// Number of answers so far.
    pub count: u64,
    /// Transcript after those answers.
    pub transcript: Transcript,
    /// The latest voucher.
    pub voucher: Option<SignedVoucher>,
    /// A query whose answer was never received: it is resent unchanged before any other.
    pending: Option<Query>,
    /// Every answer, in order.
    pub answers: Vec<Answer>,
    #[serde(skip)]
    file: PathBuf,
}

/// What is known of a session's agent from elsewhere than its server.
#[derive(Clone, Debug)]
pub struct Known {
    /// Where from, for errors: "the chain", or a file's name.
    pub source: String,
    /// The agent's schema.
    pub schema: SchemaId,
    /// The version that the session is with.
    pub version: Option<KnownVersion>,
    /// The escrow contract that the session is in.
    pub escrow: Option<Domain>,
}

/// An agent's version, as it is known.
#[derive(Clone, Copy, Debug)]
pub struct KnownVersion {
    /// On-chain id of the agent.
    pub agent: AgentId,
    /// Its version.
    pub version: u32,
    /// Digest of its weights.
    pub weights: WeightsDigest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Query {
    #[serde(with = "hex::serde")]
    features: Vec<u8>,
    salt: Salt,
}

/// One answered query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The query's features, one byte each, as in the receipt.
    #[serde(with = "hex::serde")]
    pub features: Vec<u8>,
    /// Random, below 2^248.
    pub salt: Salt,
    /// The answered class.
    pub answer: u16,
    /// Name of the class.
    pub label: String,
    /// For each class, what the agent's link makes of its logit; empty unless the agent's owner shows it. No proof covers it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<f64>,
}

/// How a query is sent.
enum Way<'a> {
    Call(&'a Client),
    Stream(&'a mut QueryStream),
}

impl ClientSession {
    /// Loads session `id` as stored in `file`; without such a file, starts it without answers yet. `session` is what the
    /// server says of it.
    ///
    /// # Errors
    /// If the server speaks of another session, or changes its schema; if the file is of another session, or is missing
    /// although the session has answers.
    pub fn open(file: &Path, id: SessionId, session: &v1::Session) -> Result<Self> {
        let found: SessionId = field("session", &session.id)?;
        if found != id {
            return Err(changed("session", found, id));
        }
        let text = std::str::from_utf8(&session.schema_json)
            .map_err(|_| Problem::new(Reason::BadSchema, "the server's schema is not UTF-8 text"))?;
        let schema = Schema::from_json(text)?;
        if file.exists() {
            let state: ClientSession = serde_json::from_slice(&read_file(file)?)
                .map_err(|e| Problem::field("state", format!("{}: {e}", file.display())))?;
            if state.session != id {
                return Err(Problem::field("state", format!("{} is of session {}", file.display(), state.session)));
            }
            if state.schema != schema {
                return Err(changed("schema than when this session began", schema.id(), state.schema.id()));
            }
            return Ok(ClientSession { file: file.into(), ..state });
        }
        let context = session.context.clone().unwrap_or_default();
        let contract: AccountAddress = field("contract", &context.contract)?;
        let weights_digest: WeightsDigest = field("weights_digest", &session.weights_digest)?;
        let domain = Domain { chain_id: context.chain_id, contract: contract.0 };
        let first = Transcript::new(to_word(&first_transcript(&domain, &id, session.version, &weights_digest)));
        if session.count != 0 {
            return Err(Problem::field(
                "state",
                format!(
                    "session {id} has {} answers, but {} does not exist: it holds the transcript",
                    session.count,
                    file.display()
                ),
            ));
        }
        Ok(ClientSession {
            session: id,
            agent_id: field("agent_id", &session.agent_id)?,
            version: session.version,
            chain_id: context.chain_id,
            contract,
            weights_digest,
            schema,
            count: 0,
            transcript: first,
            voucher: None,
            pending: None,
            answers: Vec::new(),
            file: file.into(),
        })
    }

    /// Compares what the server says of the session with what is known from elsewhere.
    ///
    /// # Errors
    /// [`Reason::ChainDiffers`] with the first difference: do not ask this server.
    pub fn check(&self, known: &Known) -> Result<()> {
        let source = &known.source;
        same(source, "schema", self.schema.id(), known.schema)?;
        if let Some(version) = &known.version {
            same(source, "agent", self.agent_id, version.agent)?;
            same(source, "version", self.version, version.version)?;
            same(source, "digest of the weights", self.weights_digest, version.weights)?;
        }
        if let Some(escrow) = &known.escrow {
            same(source, "chain", self.chain_id, escrow.chain_id)?;
            same(source, "escrow contract", self.contract, escrow.contract.into())?;
        }
        Ok(())
    }

    /// Name of a class in the schema; of a real-valued target, the number.
    fn label(&self, answer: u16) -> Result<String> {
        match self.schema.target() {
            Target::Real { .. } => Ok(answer.to_string()),
            Target::Classes(labels) => labels.get(usize::from(answer)).cloned().ok_or_else(|| {
                Problem::internal(format!("the server answers class {answer}, the schema has {}", labels.len()))
            }),
        }
    }

    /// Sends a query, checks that the answer extends the client's own transcript, and signs a voucher for it. A pending
    /// query, whose answer was lost in transit, is resent first.
    ///
    /// # Errors
    /// The server's refusal, or [`Reason::ForkedTranscript`] if the answer does not extend the transcript; such an
    /// answer gets no voucher.
    pub async fn ask(&mut self, client: &Client, features: Vec<u8>) -> Result<u16> {
        self.ask_by(&mut Way::Call(client), features).await
    }

    /// [`ClientSession::ask`] over a stream, which takes less time when there are many queries.
    ///
    /// # Errors
    /// As [`ClientSession::ask`].
    pub async fn ask_over(&mut self, stream: &mut QueryStream, features: Vec<u8>) -> Result<u16> {
        self.ask_by(&mut Way::Stream(stream), features).await
    }

    async fn ask_by(&mut self, way: &mut Way<'_>, features: Vec<u8>) -> Result<u16> {
        self.resume_by(way).await?;
        // 31 random bytes: below 2^248
        let mut salt = [0; 32];
        salt[1..].copy_from_slice(&rand::random::<[u8; 31]>());
        let query = Query { features, salt: Salt::new(salt) };
        // saved before it is sent, so that a lost answer can be requested again
        self.pending = Some(query.clone());
        self.save()?;
        self.send(way, &query).await
    }

    /// Resends the pending query, if there is one.
    ///
    /// # Errors
    /// As [`ClientSession::ask`].
    pub async fn resume(&mut self, client: &Client) -> Result<()> {
        self.resume_by(&mut Way::Call(client)).await
    }

    async fn resume_by(&mut self, way: &mut Way<'_>) -> Result<()> {
        if let Some(pending) = self.pending.clone() {
            self.send(way, &pending).await?;
        }
        Ok(())
    }

    /// Sends the latest voucher without a query, so that the last answer is covered too.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn submit_voucher(&self, client: &Client) -> Result<()> {
        if let Some(voucher) = &self.voucher {
            let request = v1::SubmitVoucherRequest { voucher: Some(wire::voucher(voucher)) };
            client.sessions().submit_voucher(request).await.map_err(problem)?;
        }
        Ok(())
    }

    async fn send(&mut self, way: &mut Way<'_>, query: &Query) -> Result<u16> {
        let request = v1::QueryRequest {
            session: self.session.to_vec(),
            query: Some(v1::query_request::Query::Quantised(query.features.clone())),
            salt: query.salt.to_vec(),
            position: self.count,
            voucher: self.voucher.as_ref().map(wire::voucher),
        };
        let response = match way {
            Way::Call(client) => client.sessions().query(request).await.map_err(problem)?.into_inner(),
            Way::Stream(stream) => stream.exchange(request).await?,
        };
        let answer = u16::try_from(response.answer).map_err(|_| Problem::internal("an answer is no class"))?;
        let element = |word: &[u8; 32]| -> Result<Fr> {
            from_word(word).ok_or_else(|| Problem::internal("a transcript is no field element"))
        };
        let label = self.label(answer)?;
        let (before, salt) = (element(self.transcript.as_bytes())?, element(query.salt.as_bytes())?);
        let after = extend(before, query.features.len(), &query.features, salt, answer);
        let after = Transcript::new(to_word(&after));
        if response.transcript != after.as_bytes() || response.position != self.count + 1 {
            return Err(Problem::new(
                Reason::ForkedTranscript,
                format!(
                    "the server's transcript after {} answers is not this client's: do not pay for it",
                    self.count + 1
                ),
            ));
        }
        self.count += 1;
        self.transcript = after;
        self.pending = None;
        let scores = if belong(&response.scores, answer, &self.schema) {
            response.scores
        } else {
            if !response.scores.is_empty() {
                tracing::warn!(
                    answer = self.count,
                    "the scores beside an answer do not belong to it: they are dropped"
                );
            }
            Vec::new()
        };
        self.answers.push(Answer { features: query.features.clone(), salt: query.salt, answer, label, scores });
        let key = match way {
            Way::Call(client) => client.key(),
            Way::Stream(stream) => stream.key(),
        }?;
        self.voucher = Some(self.sign(key)?);
        self.save()?;
        Ok(answer)
    }

    fn sign(&self, key: &PrivateKeySigner) -> Result<SignedVoucher> {
        let domain = Domain { chain_id: self.chain_id, contract: self.contract.0 };
        let voucher =
            Voucher { session: self.session, version: self.version, count: self.count, transcript: self.transcript };
        SignedVoucher::sign(key, &domain, voucher).map_err(Problem::internal)
    }

    fn save(&self) -> Result<()> {
        write_file(&self.file, &serde_json::to_vec(self)?)
    }
}

/// Fails unless what the server says of a session is what `source` says.
fn same<T: PartialEq + Display>(source: &str, what: &str, server: T, known: T) -> Result<()> {
    if server == known {
        return Ok(());
    }
    let message =
        format!("the server says that the session's {what} is {server}, but {source} says {known}: do not ask it");
    Err(differs(message, server, known))
}

/// The server answers with something else than is known.
fn changed(what: &str, server: impl Display, known: impl Display) -> Problem {
    differs(format!("the server answers with another {what}: {server}, not {known}. Do not ask it"), server, known)
}

fn differs(message: String, server: impl Display, known: impl Display) -> Problem {
    Problem::new(Reason::ChainDiffers, message).with("expected", known).with("got", server)
}

/// Whether scores can be those of an answer: one finite number for each class, none larger than the answered one's. No proof
/// covers them, and JSON has no infinite numbers.
fn belong(scores: &[f64], answer: u16, schema: &Schema) -> bool {
    if scores.len() != schema.classes() || !scores.iter().all(|s| s.is_finite()) {
        return false;
    }
    match schema.task() {
        Task::Classes => scores.get(usize::from(answer)).is_some_and(|own| scores.iter().all(|s| s <= own)),
        // the answer is a number of steps
        Task::Real => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_belong_to_their_answer_or_are_dropped() {
        let of = |target: &str| {
            let features = r#"[{"name":"a","lo":0.0,"hi":1.0}]"#;
            Schema::from_json(&format!(r#"{{"name":"s","features":{features},"target":{target}}}"#)).unwrap()
        };
        let classes = of(r#"{"classes":["x","y","z"]}"#);
        assert!(belong(&[0.1, 0.8, 0.1], 1, &classes));
        assert!(belong(&[0.4, 0.4, 0.2], 1, &classes));
        assert!(belong(&[-3.0, -1.0, -2.0], 1, &classes));
        for scores in [
            &[0.8, 0.1, 0.1][..],
            &[],
            &[0.1, 0.9],
            &[0.1, 0.8, 0.1, 0.0],
            &[0.1, f64::NAN, 0.1],
            &[f64::NAN, 0.8, 0.1],
            &[0.1, f64::INFINITY, 0.1],
            &[f64::NEG_INFINITY, 0.8, 0.1],
        ] {
            assert!(!belong(scores, 1, &classes), "{scores:?}");
        }
        assert!(!belong(&[0.1, 0.8, 0.1], 3, &classes));
        let real = of(r#"{"real":{"lo":0.0,"hi":1.0}}"#);
        assert!(belong(&[0.3], 40_000, &real));
        assert!(!belong(&[f64::NAN], 40_000, &real) && !belong(&[0.3, 0.7], 0, &real));
    }
}
