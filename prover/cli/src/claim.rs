//! `tribute claim …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tribute_client::problem;
use tribute_core::id::{SessionId, WeightsDigest};
use tribute_problem::Problem;
use tribute_proto::v1;

use super::output::emit;
use super::proof_file::ClaimFile;
use super::{progress, CommandResult};
use crate::server_args::ServerArgs;

#[derive(Debug, Subcommand)]
pub(super) enum ClaimCommand {
    /// Prove the vouched answers of sessions: writes what a claim sends, proof and vouchers.
    Prove(ProveArgs),
}

#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    /// Digest of the agent's weights.
    #[arg(long, value_name = "DIGEST")]
    weights: WeightsDigest,
    /// A session's id; up to 16, all of one agent version.
    #[arg(long = "session", value_name = "ID", required = true)]
    sessions: Vec<SessionId>,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: ClaimCommand) -> CommandResult {
    let ClaimCommand::Prove(a) = command;
    let client = a.server.connect().await?;
    let work = v1::ServiceWork {
        weights_digest: a.weights.to_vec(),
        sessions: a.sessions.iter().map(|s| s.to_vec()).collect(),
    };
    let request = v1::ProveServiceRequest { work: Some(work), options: None };
    let job = client.sessions().prove_service(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let done = progress::finish(&client, "service", &job).await?;
    match done.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Service(service)) => {
            emit(&serde_json::to_value(ClaimFile::of(&service)?)?, a.out.as_deref())
        }
        _ => Err(Problem::internal("the job came back without its proof")),
    }
}
