//! `tribute circuits …`

mod check;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use tribute_chain::NewCircuit;
use tribute_client::files::write_file;
use tribute_client::{problem, Client};
use tribute_core::id::{CircuitId, CodeHash};
use tribute_engine::srs::Srs;
use tribute_problem::{field, Problem, Reason, Result};
use tribute_proto::v1;

use super::chain::SenderArgs;
use super::dataset::ProfileArgs;
use super::link_arg::LinkArg;
use super::output::{self, emit};
use super::{progress, schema, CommandResult};
use crate::server_args::{AddressArgs, ServerArgs};

#[derive(Debug, Subcommand)]
pub(super) enum CircuitsCommand {
    /// List the circuits that a schema's agents need, and which of them the server has ready.
    List(ListArgs),
    /// Generate keys and verifiers for a new shape on the server.
    Prepare(ListArgs),
    /// Add a shape's verifiers on chain: generate them on the server, deploy them, register them in the proof gate.
    Add(AddArgs),
    /// Write a verifier's creation bytecode, for deployment.
    Bytecode(BytecodeArgs),
    /// Rebuild circuits from their shape on this machine and compare every field with the proof gate's registration.
    Check(check::CheckArgs),
}

/// The shape of the agents.
#[derive(Debug, Args)]
struct ShapeArgs {
    /// The schema file.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Link function.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Include the evaluation circuit, which lets contracts read accuracies (tribute chain submit-evaluation).
    #[arg(long)]
    evaluation: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    server: AddressArgs,
    /// Allow circuits of the development SRS on a chain that is not local: anybody can forge proofs of them.
    #[arg(long)]
    allow_dev_srs: bool,
    #[command(flatten)]
    chain: SenderArgs,
}

#[derive(Debug, Args)]
pub(super) struct BytecodeArgs {
    /// The circuit's id.
    circuit: CircuitId,
    /// File to write the bytecode to, in hex.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
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
            prepare(&client, &a.shape.request()?).await?;
            print_list(&client, &a).await
        }
        CircuitsCommand::Add(a) => add(a).await,
        CircuitsCommand::Check(a) => check::run(a).await,
        CircuitsCommand::Bytecode(a) => {
            let client = a.server.connect().await?;
            let request = v1::GetBytecodeRequest { circuit_id: a.circuit.to_vec() };
            let found = client.circuits().get_bytecode(request).await.map_err(problem)?.into_inner();
            write_file(&a.out, output::hexed(&found.creation_code).as_bytes())
        }
    }
}

impl ShapeArgs {
    fn request(&self) -> Result<v1::ListCircuitsRequest> {
        Ok(v1::ListCircuitsRequest {
            schema_json: schema::read(&self.schema)?.canonical().into_bytes(),
            profile: self.profile.message(),
            link: self.link.message(),
            evaluation: self.evaluation,
        })
    }
}

/// Has the server generate the circuits of a shape that it lacks.
async fn prepare(client: &Client, shape: &v1::ListCircuitsRequest) -> Result<()> {
    let s = shape.clone();
    let request = v1::PrepareCircuitsRequest {
        schema_json: s.schema_json,
        profile: s.profile,
        link: s.link,
        evaluation: s.evaluation,
    };
    let jobs = client.circuits().prepare_circuits(request).await.map_err(problem)?.into_inner().jobs;
    for (i, job) in jobs.iter().enumerate() {
        progress::finish(client, &format!("circuit {} of {}", i + 1, jobs.len()), job).await?;
    }
    Ok(())
}

/// Deploys and registers the circuits that the gate does not have yet.
async fn add(a: AddArgs) -> CommandResult {
    let c = a.chain.connect().await?;
    let client = a.server.connect(c.wallet.signer().clone()).await?;
    let shape = a.shape.request()?;
    prepare(&client, &shape).await?;
    let v1::ListCircuitsResponse { ready, missing } =
        client.circuits().list_circuits(shape).await.map_err(problem)?.into_inner();
    if !missing.is_empty() {
        let missing = missing.iter().map(|shape| output::statement(shape.statement())).collect::<Vec<_>>().join(", ");
        let message = format!("the server generated the circuits but still has none for {missing} under its SRS");
        return Err(Problem::new(Reason::NotReady, message).with("missing", missing));
    }
    let development = Srs::development_digest();
    if !c.wallet.chain().is_local() && !a.allow_dev_srs && ready.iter().any(|c| c.srs_digest == *development.as_bytes())
    {
        let message = format!(
            "the server proves under the development SRS, whose secret is public: on chain {} anybody could forge proofs of \
             these circuits and take the money. Start it with the SRS of a ceremony (tribute serve --srs), or pass \
             --allow-dev-srs on a chain where nothing is at stake",
            c.wallet.chain().id()
        );
        return Err(Problem::field("srs", message));
    }
    let (mut listed, mut txs, mut announced) = (Vec::new(), Vec::new(), Vec::new());
    for circuit in &ready {
        listed.push(output::circuit(circuit));
        let new = new_circuit(circuit)?;
        let code_hash: CodeHash = field("code_hash", &circuit.code_hash)?;
        let (id, named): (CircuitId, CircuitId) = (new.id(&code_hash), field("circuit_id", &circuit.circuit_id)?);
        if id != named {
            return Err(Problem::internal(format!("the server calls circuit {id} {named}")));
        }
        let request = v1::GetBytecodeRequest { circuit_id: circuit.circuit_id.clone() };
        let code = client.circuits().get_bytecode(request).await.map_err(problem)?.into_inner().creation_code;
        let name = output::statement(circuit.shape.unwrap_or_default().statement());
        let done = c.contracts.ensure_circuit(&c.wallet, &name, &new, code.into(), &code_hash).await?;
        if let Some(operation) = done.announced {
            let operation = output::hexed(&operation);
            note!("{name}: circuit {id} announced; after the delay, run: tribute chain timelock execute {operation}");
            announced.push(operation);
        } else {
            note!("{name}: circuit {id} {}", if done.sent.is_empty() { "already registered" } else { "registered" });
        }
        txs.extend(done.sent);
    }
    a.chain.emit(&json!({ "ready": listed, "txs": txs, "announced": announced }))
}

/// The circuit's registration. Its gas cap is three times the measured cost; a cap can be raised later, never lowered.
fn new_circuit(c: &v1::Circuit) -> Result<NewCircuit> {
    let shape = c.shape.unwrap_or_default();
    if c.gas_verify == 0 {
        return Err(Problem::internal("the server has no gas measurement for this circuit: prepare it again"));
    }
    let narrow = |n: u32| u16::try_from(n).map_err(Problem::internal);
    Ok(NewCircuit {
        statement: u8::try_from(shape.statement).map_err(Problem::internal)?,
        layout: field("layout_hash", &c.layout_hash)?,
        link: u8::try_from(shape.link).map_err(Problem::internal)?,
        group_columns: c.group_columns.iter().map(|n| narrow(*n)).collect::<Result<_>>()?,
        input_count: narrow(c.input_count)?,
        proof_length: c.proof_length,
        gas_cap: u32::try_from(3 * c.gas_verify).map_err(Problem::internal)?,
        srs: field("srs_digest", &c.srs_digest)?,
        verifying_key: field("vk_digest", &c.vk_digest)?,
    })
}

async fn print_list(client: &Client, a: &ListArgs) -> CommandResult {
    let shape = a.shape.request()?;
    let found = client.circuits().list_circuits(shape).await.map_err(problem)?.into_inner();
    let missing: Vec<String> = found.missing.iter().map(|shape| output::statement(shape.statement())).collect();
    let ready: Vec<_> = found.ready.iter().map(output::circuit).collect();
    emit(&json!({ "ready": ready, "missing": missing }), a.out.as_deref())
}
