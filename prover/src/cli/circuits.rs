//! `tribute circuits …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use tribute_proto::v1;

use super::agent::LinkArg;
use super::client::{problem, Client, ServerArgs};
use super::dataset::ProfileArgs;
use super::output::{self, emit, write_file};
use super::{progress, schema, CommandResult};
use crate::hexed::Hex32;
use crate::problem::Result;

#[derive(Debug, Subcommand)]
pub(super) enum CircuitsCommand {
    /// List the circuits that agents over a schema need, and which of them the server has ready.
    List(ShapeArgs),
    /// Make keys and verifiers of a new shape on the server.
    Prepare(ShapeArgs),
    /// Write a verifier's creation bytecode, to deploy.
    Bytecode(BytecodeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShapeArgs {
    /// The schema file.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Link function.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// For agents whose bias is not penalised.
    #[arg(long)]
    free_bias: bool,
    #[command(flatten)]
    profile: ProfileArgs,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct BytecodeArgs {
    /// The circuit's id.
    circuit: Hex32,
    /// File to write the bytecode to, in hex.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: CircuitsCommand) -> CommandResult {
    match command {
        CircuitsCommand::List(a) => {
            let client = a.server.connect().await?;
            print_list(&client, &a).await
        }
        CircuitsCommand::Prepare(a) => {
            let client = a.server.connect().await?;
            let request = client.sign(v1::PrepareCircuitsRequest {
                auth: None,
                schema_json: schema::read(&a.schema)?.canonical().into_bytes(),
                profile: a.profile.message(),
                link: a.link.message(),
                reg_bias: !a.free_bias,
            })?;
            let jobs = client.circuits().prepare_circuits(request).await.map_err(problem)?.into_inner().jobs;
            for (i, job) in jobs.iter().enumerate() {
                progress::finish(&client, &format!("circuit {} of {}", i + 1, jobs.len()), job).await?;
            }
            print_list(&client, &a).await
        }
        CircuitsCommand::Bytecode(a) => {
            let client = a.server.connect().await?;
            let request = v1::GetBytecodeRequest { circuit_id: a.circuit.to_field() };
            let found = client.circuits().get_bytecode(request).await.map_err(problem)?.into_inner();
            write_file(&a.out, output::hexed(&found.creation_code).as_bytes())
        }
    }
}

/// The circuits of a shape, as the server has them.
pub(crate) async fn list(
    client: &Client,
    schema_json: Vec<u8>,
    profile: Option<v1::Profile>,
    link: i32,
    reg_bias: bool,
) -> Result<v1::ListCircuitsResponse> {
    let request = v1::ListCircuitsRequest { schema_json, profile, link, reg_bias };
    Ok(client.circuits().list_circuits(request).await.map_err(problem)?.into_inner())
}

async fn print_list(client: &Client, a: &ShapeArgs) -> CommandResult {
    let schema = schema::read(&a.schema)?.canonical().into_bytes();
    let found = list(client, schema, a.profile.message(), a.link.message(), !a.free_bias).await?;
    let missing: Vec<&str> =
        found.missing.iter().map(|s| s.statement().as_str_name().trim_start_matches("STATEMENT_")).collect();
    let ready: Vec<_> = found.ready.iter().map(output::circuit).collect();
    emit(&json!({ "ready": ready, "missing": missing }), a.out.as_deref())
}
