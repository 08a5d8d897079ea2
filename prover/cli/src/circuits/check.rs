//! `tribute circuits check`: compares registered circuits with circuits rebuilt from their shape.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use tribute_chain::circuits::CircuitInfo;
use tribute_chain::Contracts;
use tribute_core::id::CircuitId;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_engine::srs::{Srs, SrsStore};
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::rebuilt::Rebuilt;

use crate::chain::ReadArgs;
use crate::link_arg::LinkArg;
use crate::{schema, CommandResult};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The schema file; or give --features and --classes.
    #[arg(long, value_name = "FILE", required_unless_present_all = ["features", "classes"])]
    schema: Option<PathBuf>,
    /// Number of features.
    #[arg(long, value_name = "D", conflicts_with = "schema")]
    features: Option<usize>,
    /// Number of classes.
    #[arg(long, value_name = "C", conflicts_with = "schema")]
    classes: Option<usize>,
    /// Link function.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// Constant feature of the bias, as 2^S.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=4))]
    intercept_scale: u32,
    /// log2 of the circuits' rows.
    #[arg(long, value_name = "K", default_value_t = 15)]
    k: u32,
    /// Data columns of the circuits. [default: as many as fit the schema best]
    #[arg(long, value_name = "A")]
    columns: Option<usize>,
    /// Only these statements. [default: all that agents need; a regression has no service circuit]
    #[arg(long = "statement", value_enum, value_name = "STATEMENT")]
    statements: Vec<StatementArg>,
    /// The id under which it should be registered. [default: the rebuilt circuit's id]
    #[arg(long, value_name = "ID")]
    circuit: Option<CircuitId>,
    /// The SRS: a powers-of-tau file (.ptau), or a file or folder from `tribute srs import`. [default: the development SRS,
    /// under which anyone can forge proofs]
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StatementArg {
    Dataset,
    Gradient,
    Optimum,
    Service,
}

pub(super) async fn run(a: CheckArgs) -> CommandResult {
    if a.circuit.is_some() && a.statements.len() != 1 {
        return Err(Problem::field("circuit", "names one circuit: give exactly one --statement"));
    }
    let layout = layout(&a)?;
    let contracts = a.read.contracts().await?;
    let path = a.srs.clone();
    let srs = tokio::task::spawn_blocking(move || SrsStore::open(path.as_deref(), None)?.get(layout.k()));
    let srs = srs.await.map_err(Problem::internal)?.map_err(|e| Problem::field("srs", e.to_string()))?;
    let mut all = Vec::new();
    for shape in shapes(&a, layout) {
        all.push(check(&contracts, &shape, &srs, a.circuit).await?);
    }
    let wrong: Vec<&str> = all.iter().filter(|c| c["as_rebuilt"] != true).filter_map(|c| c["name"].as_str()).collect();
    let verdict = match wrong.is_empty() {
        true => Ok(()),
        false => Err(Problem::new(
            Reason::Reverted,
            format!("the gate's registration differs: {}; do not trust proofs of these circuits", wrong.join(", ")),
        )),
    };
    a.read.emit(&json!({ "srs_is_development": srs.is_development(), "circuits": all }))?;
    verdict
}

fn layout(a: &CheckArgs) -> Result<Layout> {
    match (&a.schema, a.features, a.classes) {
        (Some(file), ..) => {
            let schema = schema::read(file)?;
            let columns = a.columns.unwrap_or_else(|| schema.fitting_columns());
            Ok(schema.layout(a.k, columns)?.with_intercept_scale(a.intercept_scale)?)
        }
        (None, Some(features), Some(classes)) => {
            let columns = a.columns.unwrap_or_else(|| Layout::fitting_columns(features, classes));
            let layout = Layout::new(a.k, columns, features, classes, Task::Classes)?;
            Ok(layout.with_intercept_scale(a.intercept_scale)?)
        }
        _ => Err(Problem::field("schema", "give --schema FILE, or --features and --classes")),
    }
}

fn shapes(a: &CheckArgs, layout: Layout) -> Vec<Shape> {
    let link = a.link.link();
    let all = StatementArg::value_variants().iter().copied();
    let needed = |s: &StatementArg| *s != StatementArg::Service || layout.task() == Task::Classes;
    let wanted = all.filter(|s| if a.statements.is_empty() { needed(s) } else { a.statements.contains(s) });
    let shape = |statement| match statement {
        StatementArg::Dataset => Shape::dataset(layout),
        StatementArg::Gradient => Shape::gradient(layout, link),
        StatementArg::Optimum => Shape::optimum(layout),
        StatementArg::Service => Shape::service(layout),
    };
    wanted.map(shape).collect()
}

/// Rebuilds one circuit and compares it with the one registered under `id` (or its own id); if none is, with every
/// registered circuit that has its statement and layout.
async fn check(contracts: &Contracts, shape: &Shape, srs: &Srs, id: Option<CircuitId>) -> Result<Value> {
    let rebuilt = tokio::task::block_in_place(|| Rebuilt::new(shape, srs))?;
    let c = &rebuilt.circuit;
    let mut value = json!({
        "name": shape.name(), "statement": shape.statement.name(), "circuit_id": rebuilt.id(),
        "vk_digest": c.verifying_key, "srs_digest": c.srs, "layout_hash": c.layout,
        "link": shape.link_code(), "code_hash": rebuilt.code_hash, "code_bytes": rebuilt.code_bytes,
        "proof_length": c.proof_length, "group_columns": c.group_columns, "input_count": c.input_count,
        "gas_verify": rebuilt.gas,
    });
    let id = id.unwrap_or(rebuilt.id());
    let result = match contracts.find_circuit(&id).await? {
        Some(info) => {
            let differences = rebuilt.differences(contracts, &id, &info).await?;
            json!({
                "registered": id, "gas_cap": info.gasCap, "verifier": info.verifier,
                "as_rebuilt": differences.is_empty() && id == rebuilt.id(), "differences": differences,
            })
        }
        None => {
            let others = others(contracts, &rebuilt).await?;
            json!({ "registered": Value::Null, "as_rebuilt": false, "others": others })
        }
    };
    if let (Some(value), Value::Object(result)) = (value.as_object_mut(), result) {
        value.extend(result);
    }
    Ok(value)
}

/// Registered circuits with the same statement and layout, and how they differ.
async fn others(contracts: &Contracts, rebuilt: &Rebuilt) -> Result<Vec<Value>> {
    let alike = |info: &CircuitInfo| {
        (info.statement, info.layoutHash.0) == (rebuilt.circuit.statement, *rebuilt.circuit.layout.as_bytes())
    };
    let mut all = Vec::new();
    for id in contracts.circuits().await? {
        let info = contracts.circuit(&id).await?;
        if alike(&info) {
            let differences = rebuilt.differences(contracts, &id, &info).await?;
            all.push(json!({ "circuit_id": id, "differences": differences }));
        }
    }
    Ok(all)
}
