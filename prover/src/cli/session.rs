//! `tribute session …`: the client's side. The client keeps its own transcript and believes no answer that does not
//! extend it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tribute_core::context::{first_transcript, voucher_digest, Domain};
use tribute_core::receipt::{extend, from_word, to_word};
use tribute_core::schema::Schema;
use tribute_core::Fr;
use tribute_proto::v1;
use tribute_records::{Kind, Query, Source};

use super::client::{problem, Client, ServerArgs};
use super::dataset::range;
use super::output::{self, emit, read_file, write_file};
use super::table::{told, FormArgs};
use super::CommandResult;
use crate::hexed::{Hex, Hex20, Hex32};
use crate::problem::{Problem, Reason, Result};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Ask the server to serve a session that stands in the escrow contract.
    Open(OpenArgs),
    /// Show a session: answers, voucher, what is claimed and what is left.
    Show(ShowArgs),
    /// Send queries, check the transcript and sign a voucher for every answer. Signed by the session key.
    Query(QueryArgs),
}

#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    /// The session's id.
    session: Hex32,
    /// Digest of the agent's weights.
    #[arg(long, value_name = "DIGEST")]
    weights: Hex32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The session's id.
    session: Hex32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// The session's id.
    session: Hex32,
    /// Features of one query, separated by commas.
    #[arg(
        long,
        value_name = "X,Y,…",
        conflicts_with = "csv",
        required_unless_present = "csv",
        allow_hyphen_values = true
    )]
    features: Option<String>,
    /// CSV of queries, with labels to compare with or without; gzip-compressed or not. A header is held against the
    /// schema's names.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Only records A..B of the CSV, counted from 0, B left out.
    #[arg(long, value_name = "A..B", value_parser = range, requires = "csv")]
    rows: Option<Range<usize>>,
    #[command(flatten)]
    form: FormArgs,
    /// Move values beyond the schema's ranges to their ends.
    #[arg(long)]
    allow_clamped: bool,
    /// Take columns by position although their names are not the schema's.
    #[arg(long, requires = "csv")]
    by_position: bool,
    /// File in which this client keeps its own transcript and vouchers.
    #[arg(long, value_name = "FILE", default_value = "session.json")]
    state: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a client remembers of its session.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    session: Hex32,
    agent_id: Hex32,
    version: u32,
    chain_id: u64,
    contract: Hex20,
    weights_digest: Hex32,
    count: u64,
    transcript: Hex32,
    /// The latest voucher.
    voucher: Option<Signed>,
    /// A query whose answer has not been seen: sent again, word for word, before any other.
    pending: Option<Pending>,
    answers: Vec<Answer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Signed {
    session: Hex32,
    version: u32,
    count: u64,
    transcript: Hex32,
    signature: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    #[serde(with = "hex::serde")]
    features: Vec<u8>,
    salt: Hex32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    #[serde(with = "hex::serde")]
    features: Vec<u8>,
    salt: Hex32,
    answer: u16,
    label: String,
}

pub(super) async fn run(command: SessionCommand) -> CommandResult {
    match command {
        SessionCommand::Open(a) => {
            let client = a.server.connect().await?;
            let request = client.sign(v1::OpenSessionRequest {
                auth: None,
                session: a.session.to_field(),
                weights_digest: a.weights.to_field(),
            })?;
            let session = client.sessions().open_session(request).await.map_err(problem)?.into_inner();
            emit(&output::session(&session), None)
        }
        SessionCommand::Show(a) => {
            let client = a.server.connect().await?;
            emit(&output::session(&show(&client, a.session).await?), None)
        }
        SessionCommand::Query(a) => query(a).await,
    }
}

async fn show(client: &Client, session: Hex32) -> Result<v1::Session> {
    let request = client.sign(v1::GetSessionRequest { auth: None, session: session.to_field() })?;
    Ok(client.sessions().get_session(request).await.map_err(problem)?.into_inner())
}

async fn query(a: QueryArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let session = show(&client, a.session).await?;
    let text = String::from_utf8(session.schema_json.clone()).map_err(Problem::internal)?;
    let schema = Schema::from_json(&text)?;
    let queries = queries(&a, &schema)?;
    let mut state = State::open(&a.state, &session)?;
    let width = schema.features().len();
    let bar = indicatif::ProgressBar::new(queries.len() as u64);
    let (mut right, labelled) = (0, queries.iter().filter(|q| q.target.is_some()).count());
    if let Some(pending) = state.pending.clone() {
        state.ask(&client, &pending, width, &a.state).await?;
    }
    for Query { features, target } in queries {
        // 31 random bytes: below 2^248
        let mut salt = [0; 32];
        salt[1..].copy_from_slice(&rand::random::<[u8; 31]>());
        let pending = Pending { features, salt: Hex(salt) };
        let answer = state.ask(&client, &pending, width, &a.state).await?;
        right += usize::from(target == Some(answer));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(voucher) = &state.voucher {
        let request = client.sign(v1::SubmitVoucherRequest { auth: None, voucher: Some(voucher.message()?) })?;
        client.sessions().submit_voucher(request).await.map_err(problem)?;
    }
    let value = json!({
        "session": state.session,
        "count": state.count,
        "transcript": state.transcript,
        "asked": bar.length().unwrap_or(0),
        "right": right,
        "labelled": labelled,
        "voucher": state.voucher,
        "last": state.answers.last().map(|x| x.label.clone()),
    });
    emit(&value, None)
}

/// The queries, quantised, and their classes where the file has labels.
fn queries(a: &QueryArgs, schema: &Schema) -> Result<Vec<Query>> {
    if let Some(text) = &a.features {
        let values = text
            .split(',')
            .map(|x| {
                x.trim().parse::<f64>().map_err(|_| Problem::new(Reason::BadQuery, format!("`{x}` is not a number")))
            })
            .collect::<Result<Vec<f64>>>()?;
        let query = Query { features: schema.quantise(&values)?, target: None };
        let beyond = schema.features().iter().zip(&values).find(|(f, x)| **x < f.lo || **x > f.hi);
        if let (Some((f, x)), false) = (beyond, a.allow_clamped) {
            let said = format!(
                "feature `{}` is {x}, beyond the schema's range [{}, {}]: check the unit, or move it to the range's end \
                 with --allow-clamped",
                f.name, f.lo, f.hi
            );
            return Err(Problem::new(Reason::BadQuery, said));
        }
        return Ok(vec![query]);
    }
    let csv = a.csv.as_ref().ok_or_else(|| Problem::field("csv", "give --features or --csv"))?;
    let accepted = [(Kind::Clamped, a.allow_clamped), (Kind::Position, a.by_position)];
    let options = a.form.options(a.rows.clone(), &accepted);
    let found = Source::open(csv, &options)?.queries(schema, &options)?;
    eprintln!("{}", told(&found.report, false)?);
    Ok(found.into_queries()?)
}

impl State {
    /// The state in `file`, or that of a session without answers. A server that claims another past is not believed.
    fn open(file: &Path, session: &v1::Session) -> Result<Self> {
        let id = Hex32::from_field("session", &session.id)?;
        if file.exists() {
            let state: State = serde_json::from_slice(&read_file(file)?)
                .map_err(|e| Problem::field("state", format!("{}: {e}", file.display())))?;
            if state.session != id {
                return Err(Problem::field("state", format!("{} is of session {}", file.display(), state.session)));
            }
            return Ok(state);
        }
        let context = session.context.clone().unwrap_or_default();
        let contract = Hex20::from_field("contract", &context.contract)?;
        let weights_digest = Hex32::from_field("weights_digest", &session.weights_digest)?;
        let domain = Domain { chain_id: context.chain_id, contract: contract.0 };
        let first = Hex(to_word(&first_transcript(&domain, &id.0, session.version, &weights_digest.0)));
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
        Ok(State {
            session: id,
            agent_id: Hex32::from_field("agent_id", &session.agent_id)?,
            version: session.version,
            chain_id: context.chain_id,
            contract,
            weights_digest,
            count: 0,
            transcript: first,
            voucher: None,
            pending: None,
            answers: Vec::new(),
        })
    }

    /// Asks one query; checks that the answer extends this client's own transcript; signs for it.
    async fn ask(&mut self, client: &Client, query: &Pending, width: usize, file: &Path) -> Result<u16> {
        // written down before it is sent: an answer that is lost can be asked for again
        self.pending = Some(query.clone());
        self.save(file)?;
        let request = client.sign(v1::QueryRequest {
            auth: None,
            session: self.session.to_field(),
            query: Some(v1::query_request::Query::Quantised(query.features.clone())),
            salt: query.salt.to_field(),
            position: self.count,
            voucher: self.voucher.as_ref().map(Signed::message).transpose()?,
        })?;
        let response = client.sessions().query(request).await.map_err(problem)?.into_inner();
        let answer = u16::try_from(response.answer).map_err(|_| Problem::internal("an answer is no class"))?;
        let field = |word: &Hex32| -> Result<Fr> {
            from_word(&word.0).ok_or_else(|| Problem::internal("a transcript is no field element"))
        };
        let after = extend(field(&self.transcript)?, width, &query.features, field(&query.salt)?, answer);
        let after = Hex(to_word(&after));
        if response.transcript != after.0 || response.position != self.count + 1 {
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
        self.answers.push(Answer { features: query.features.clone(), salt: query.salt, answer, label: response.label });
        self.voucher = Some(self.sign(client.key())?);
        self.save(file)?;
        Ok(answer)
    }

    fn sign(&self, key: &PrivateKeySigner) -> Result<Signed> {
        let domain = Domain { chain_id: self.chain_id, contract: self.contract.0 };
        let digest = voucher_digest(&domain, &self.session.0, self.version, self.count, &self.transcript.0);
        let signature = key.sign_hash_sync(&B256::from(digest)).map_err(Problem::internal)?;
        Ok(Signed {
            session: self.session,
            version: self.version,
            count: self.count,
            transcript: self.transcript,
            signature: output::hexed(&signature.as_bytes()),
        })
    }

    fn save(&self, file: &Path) -> Result<()> {
        write_file(file, &serde_json::to_vec(self)?)
    }
}

impl Signed {
    fn message(&self) -> Result<v1::Voucher> {
        let signature = self.signature.strip_prefix("0x").unwrap_or(&self.signature);
        Ok(v1::Voucher {
            session: self.session.to_field(),
            version: self.version,
            count: self.count,
            transcript: self.transcript.to_field(),
            signature: hex::decode(signature).map_err(|_| Problem::field("voucher", "the signature is not hex"))?,
        })
    }
}
