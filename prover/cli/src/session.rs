//! `tribute session …`: queries to a certified agent in a prepaid session.

mod known;

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{json, Value};
use tribute_client::asking::QueryStream;
use tribute_client::session::{Answer, ClientSession};
use tribute_client::{problem, Client};
use tribute_core::id::{SessionId, WeightsDigest};
use tribute_core::schema::{Schema, Target};
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_records::{Kind, Query, Source};

use crate::dataset::range;
use crate::output::{self, emit, once};
use crate::server_args::ServerArgs;
use crate::table::{told, FormArgs};
use crate::CommandResult;
use known::KnownArgs;

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Ask the server to serve a session that is open in the escrow contract.
    Open(OpenArgs),
    /// Show a session: answers, voucher, claimed and remaining amounts.
    Show(ShowArgs),
    /// Ask one question in text: a model turns it into features here, which are checked, answered and paid for like any query.
    Ask(AskArgs),
    /// Send queries, check the transcript and sign a voucher for every answer, with the session key.
    Query(QueryArgs),
}

#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    /// The session's id.
    session: SessionId,
    /// Digest of the agent's weights.
    #[arg(long, value_name = "DIGEST")]
    weights: WeightsDigest,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The session's id.
    session: SessionId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The session's id.
    session: SessionId,
    /// The question.
    text: String,
    /// The ONNX file of the model that the agent's schema pins.
    #[arg(long, value_name = "MODEL")]
    extractor: PathBuf,
    /// File with this client's own transcript and vouchers.
    #[arg(long, value_name = "FILE", default_value = "session.json", value_parser = crate::output::file())]
    state: PathBuf,
    #[command(flatten)]
    known: KnownArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// The session's id.
    session: SessionId,
    /// Features of one query, separated by commas.
    #[arg(
        long,
        value_name = "X,Y,…",
        conflicts_with = "csv",
        required_unless_present = "csv",
        allow_hyphen_values = true
    )]
    features: Option<String>,
    /// Table of queries (CSV, optionally gzip-compressed, Parquet or Arrow), optionally with labels to compare. A header is checked against the
    /// schema's names.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Only records A..B of the CSV, counted from 0, B excluded.
    #[arg(long, value_name = "A..B", value_parser = range, requires = "csv")]
    rows: Option<Range<usize>>,
    #[command(flatten)]
    form: FormArgs,
    /// Move values outside the schema's ranges to their ends: all of --features, and of a table more than a few
    /// of a feature, one far outside, or any of a real target.
    #[arg(long)]
    allow_clamped: bool,
    /// Match columns by position although their names differ from the schema's.
    #[arg(long, requires = "csv")]
    by_position: bool,
    /// Take labels that are the schema's numbers in another spelling for these: `7` for `007`, or `1.00` among labels `1`.
    #[arg(long, requires = "csv")]
    allow_similar_labels: bool,
    /// File with this client's own transcript and vouchers.
    #[arg(long, value_name = "FILE", default_value = "session.json", value_parser = crate::output::file())]
    state: PathBuf,
    #[command(flatten)]
    known: KnownArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: SessionCommand) -> CommandResult {
    match command {
        SessionCommand::Open(a) => {
            let client = a.server.connect().await?;
            let request = v1::OpenSessionRequest { session: a.session.to_vec(), weights_digest: a.weights.to_vec() };
            let session = client.sessions().open_session(request).await.map_err(problem)?.into_inner();
            emit(&output::session(&session), None)
        }
        SessionCommand::Show(a) => {
            let client = a.server.connect().await?;
            emit(&output::session(&show(&client, a.session).await?), None)
        }
        SessionCommand::Ask(a) => ask(a).await,
        SessionCommand::Query(a) => query(a).await,
    }
}

async fn show(client: &Client, session: SessionId) -> Result<v1::Session> {
    let request = v1::GetSessionRequest { session: session.to_vec() };
    Ok(client.sessions().get_session(request).await.map_err(problem)?.into_inner())
}

async fn ask(a: AskArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let mut state = ClientSession::open(&a.state, a.session, &show(&client, a.session).await?)?;
    let compared = a.known.check(&state).await?;
    let features = crate::extract::query(&a.extractor, &state.schema, &a.text)?;
    state.ask(&client, features).await?;
    state.submit_voucher(&client).await?;
    let last = state.answers.last();
    let answer = last.map(|x| x.label.clone());
    let mut value =
        json!({ "session": state.session, "count": state.count, "answer": answer, "compared_with": compared });
    tell_scores(&mut value, &state.schema, last);
    once(&value, emit(&value, None))
}

/// Adds the scores of all classes beside an answer, if the agent's owner shows them.
fn tell_scores(value: &mut Value, schema: &Schema, answer: Option<&Answer>) {
    if let (Target::Classes(labels), Some(answer)) = (schema.target(), answer.filter(|a| !a.scores.is_empty())) {
        let each = labels.iter().zip(&answer.scores);
        value["scores"] = each.map(|(label, score)| (label.clone(), json!(score))).collect();
    }
}

async fn query(a: QueryArgs) -> CommandResult {
    let client = a.server.connect().await?;
    let mut state = ClientSession::open(&a.state, a.session, &show(&client, a.session).await?)?;
    let compared = a.known.check(&state).await?;
    let queries = queries(&a, &state.schema)?;
    let bar = indicatif::ProgressBar::new(queries.len() as u64);
    let (mut right, labelled) = (0, queries.iter().filter(|q| q.target.is_some()).count());
    state.resume(&client).await?;
    let mut stream = QueryStream::new(&client);
    for Query { features, target } in queries {
        let answer = state.ask_over(&mut stream, features).await?;
        right += usize::from(target == Some(answer));
        bar.inc(1);
    }
    bar.finish_and_clear();
    state.submit_voucher(&client).await?;
    let mut value = json!({
        "session": state.session,
        "count": state.count,
        "transcript": state.transcript,
        "asked": bar.length().unwrap_or(0),
        "right": right,
        "labelled": labelled,
        "compared_with": compared,
        "voucher": state.voucher,
        "last": state.answers.last().map(|x| x.label.clone()),
    });
    tell_scores(&mut value, &state.schema, state.answers.last());
    once(&value, emit(&value, None))
}

/// The quantised queries, with their classes if the file has labels.
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
                "feature `{}` is {x}, outside the schema's range [{}, {}]: check its unit, or clamp it with --allow-clamped",
                f.name, f.lo, f.hi
            );
            return Err(Problem::new(Reason::BadQuery, said));
        }
        return Ok(vec![query]);
    }
    let csv = a.csv.as_ref().ok_or_else(|| Problem::field("csv", "give --features or --csv"))?;
    let accepted =
        [(Kind::Clamped, a.allow_clamped), (Kind::Position, a.by_position), (Kind::Similar, a.allow_similar_labels)];
    let options = a.form.options(a.rows.clone(), &accepted);
    let found = Source::open(csv, &options)?.queries(schema, &options)?;
    note!("{}", told(&found.report, false)?);
    Ok(found.into_queries()?)
}
