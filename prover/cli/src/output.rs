//! What commands print, and JSON values that they print or write to files for later commands. A reader that is gone or a full
//! disk never makes a command panic: [`crate::main`] reports what could not be printed.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use serde_json::{json, Value};
use tokio::sync::SetOnce;
use tribute_client::files::{check_writable, write_file};
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;

use crate::proof_file::ProofFile;

/// Lowercase hex with the prefix `0x`.
pub(crate) fn hexed(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

pub(crate) fn dataset(d: &v1::Dataset) -> Result<Value> {
    let shard = |s: &v1::Shard| -> Result<Value> {
        let proof = s.proof.as_ref().map(ProofFile::of).transpose()?;
        Ok(json!({ "digest": hexed(&s.digest), "owner": hexed(&s.owner), "records": s.records, "proof": proof }))
    };
    let version = |v: &v1::DatasetVersion| json!({ "dataset_id": hexed(&v.id), "owner": hexed(&v.owner), "records": v.records, "shards": v.shards });
    let shards = d.shards.iter().map(shard).collect::<Result<Vec<_>>>()?;
    let terms = tribute_client::wire::terms(d.terms.clone().unwrap_or_default())?;
    let context = d.context.clone().unwrap_or_default();
    Ok(json!({
        "dataset_id": hexed(&d.id),
        "first_version": hexed(&d.root),
        "previous_version": (!d.previous.is_empty()).then(|| hexed(&d.previous)),
        "versions": d.versions.iter().map(version).collect::<Vec<_>>(),
        "owner": hexed(&d.owner),
        "schema_id": hexed(&d.schema_id),
        "layout_hash": hexed(&d.layout_hash),
        "records": d.records,
        "terms": terms,
        "chain_id": context.chain_id,
        "contract": hexed(&context.contract),
        "shards": shards,
    }))
}

pub(crate) fn agent(a: &v1::Agent) -> Value {
    let terms = a.terms.clone().unwrap_or_default();
    let profile = a.profile.unwrap_or_default();
    let polish = a.polish.as_ref().map(|p| {
        json!({
            "moved": p.moved,
            "answers_changed": p.answers_changed,
            "training_accuracy_before": p.training_accuracy_before,
        })
    });
    json!({
        "weights_digest": hexed(&a.weights_digest),
        "owner": hexed(&a.owner),
        "name": a.name,
        "dataset_ids": terms.dataset_ids.iter().map(|x| hexed(x)).collect::<Vec<_>>(),
        "lambda": terms.lambda,
        "link": terms.link().as_str_name().trim_start_matches("LINK_").to_lowercase(),
        "schema": serde_json::from_slice::<Value>(&a.schema_json).unwrap_or(Value::Null),
        "k": profile.k,
        "columns": profile.columns,
        "intercept_scale": profile.intercept_scale,
        "model_sha256": hexed(&a.model_sha256),
        "epsilon": a.epsilon,
        "norm": a.norm,
        "relative_distance": a.relative_distance,
        "shares": a.shares,
        "training_accuracy": a.training_accuracy,
        "records": a.records,
        "gradients_proven": a.gradients_proven,
        "shards": a.shards,
        "optimum_proven": a.optimum_proven,
        "polish": polish,
    })
}

/// A statement's name in lower case, such as `gradient`.
pub(crate) fn statement(statement: v1::Statement) -> String {
    statement.as_str_name().trim_start_matches("STATEMENT_").to_lowercase()
}

pub(crate) fn circuit(c: &v1::Circuit) -> Value {
    let shape = c.shape.unwrap_or_default();
    json!({
        "statement": statement(shape.statement()),
        "statement_code": shape.statement,
        "circuit_id": hexed(&c.circuit_id),
        "vk_digest": hexed(&c.vk_digest),
        "srs_digest": hexed(&c.srs_digest),
        "layout_hash": hexed(&c.layout_hash),
        "code_hash": hexed(&c.code_hash),
        "code_bytes": c.code_bytes,
        "proof_length": c.proof_length,
        "input_count": c.input_count,
        "gas_verify": c.gas_verify,
        "link": shape.link,
        "group_columns": c.group_columns,
    })
}

pub(crate) fn voucher(v: &v1::Voucher) -> Value {
    json!({
        "session": hexed(&v.session),
        "version": v.version,
        "count": v.count,
        "transcript": hexed(&v.transcript),
        "signature": hexed(&v.signature),
    })
}

pub(crate) fn session(s: &v1::Session) -> Value {
    json!({
        "session": hexed(&s.id),
        "weights_digest": hexed(&s.weights_digest),
        "agent_id": hexed(&s.agent_id),
        "version": s.version,
        "client": hexed(&s.client),
        "session_key": hexed(&s.session_key),
        "price": s.price,
        "escrow": s.escrow,
        "count": s.count,
        "transcript": hexed(&s.transcript),
        "voucher": s.voucher.as_ref().map(voucher),
        "claimed_count": s.claimed_count,
        "claimed_transcript": hexed(&s.claimed_transcript),
    })
}

/// Prints a line on standard output. A failure is kept for [`failure`].
macro_rules! say {
    () => { $crate::output::said(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::said(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints text on standard output, as [`say`] does.
macro_rules! say_part {
    ($($text:tt)*) => { $crate::output::said(format_args!($($text)*)) };
}

/// Prints a line on standard error, if it can be printed.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::noted(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints text on standard error, if it can be printed.
macro_rules! note_part {
    ($($text:tt)*) => { $crate::output::noted(format_args!($($text)*)) };
}

/// The first failure to print with [`say`] or [`say_part`].
static FAILURE: SetOnce<Problem> = SetOnce::const_new();

/// Metadata of a problem: standard output has no reader any more.
const NO_READER: &str = "no_reader";

pub(crate) fn said(text: fmt::Arguments<'_>) {
    if FAILURE.get().is_some() {
        return;
    }
    if let Err(problem) = print(text) {
        // another thread's may be the first
        let _ = FAILURE.set(problem);
    }
}

pub(crate) fn noted(text: fmt::Arguments<'_>) {
    // there is nowhere left to say that it failed
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// The first failure to print with [`say`] or [`say_part`].
pub(crate) fn failure() -> Option<&'static Problem> {
    FAILURE.get()
}

/// Returns once printing with [`say`] or [`say_part`] has failed.
pub(crate) async fn failed() -> Problem {
    FAILURE.wait().await.clone()
}

/// Whether a problem is that nobody reads standard output any more, as after `| head`.
pub(crate) fn no_reader(problem: &Problem) -> bool {
    problem.metadata.contains_key(NO_READER)
}

/// Prints text on standard output at once.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_fmt(text).and_then(|()| out.flush()).map_err(|e| {
        let problem = Problem::new(Reason::StorageFailed, format!("cannot write to standard output: {e}"));
        match e.kind() {
            ErrorKind::BrokenPipe => problem.with(NO_READER, true),
            _ => problem,
        }
    })
}

/// Writes a value to a file as JSON, or prints it if no file is given.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn emit(value: &Value, out: Option<&Path>) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    match out {
        None => print(format_args!("{text}\n")),
        Some(file) => write_file(file, text.as_bytes()),
    }
}

/// Keeps the result of what must not be done twice, such as a payment: if writing it failed, shows it on standard error, and
/// adds to the error that it is done, with the hashes of its transactions.
pub(crate) fn once(value: &Value, written: Result<()>) -> Result<()> {
    written.map_err(|problem| {
        note!("{value:#}");
        let mut hashes = Vec::new();
        transactions(value, &mut hashes);
        let sent = match hashes.as_slice() {
            [] => String::new(),
            hashes => format!(" (sent: {})", hashes.join(", ")),
        };
        let message =
            format!("{}; all else is done{sent}: do not run the command again. Its result is above", problem.message);
        Problem::new(problem.reason, message)
    })
}

/// Hashes of the transactions in a result.
fn transactions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(hash)) = fields.get("tx") {
                found.push(hash.clone());
            }
            fields.values().for_each(|inner| transactions(inner, found));
        }
        Value::Array(all) => all.iter().for_each(|inner| transactions(inner, found)),
        _ => {}
    }
}

/// Reads an option that names a file to write: refused before anything is done if it cannot be written there.
pub(crate) fn file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|file| check_writable(&file).map(|()| file))
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let text = number.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |d| ("-", d));
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// The first digits of a digest.
pub(crate) fn short(digest: &str) -> String {
    match digest.get(..12) {
        Some(start) if digest.len() > 13 => format!("{start}…"),
        _ => digest.to_owned(),
    }
}
