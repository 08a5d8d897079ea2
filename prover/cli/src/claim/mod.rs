//! `tribute claim …`

mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tribute_client::{problem, Client};
use tribute_core::id::{SessionId, WeightsDigest};
use tribute_problem::{Problem, Result};
use tribute_proto::v1;

use super::output::emit;
use super::proof_file::ClaimFile;
use super::{progress, CommandResult};
use crate::job_options::JobOptionArgs;
use crate::server_args::ServerArgs;

#[derive(Debug, Subcommand)]
pub(super) enum ClaimCommand {
    /// Prove the vouched answers of sessions and write the claim: the proof with the vouchers.
    Prove(ProveArgs),
    /// Whenever a client starts to thaw its escrow, prove and claim what it owes before the thaw ends.
    Watch(watch::WatchArgs),
}

#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    /// Digest of the agent's weights.
    #[arg(long, value_name = "DIGEST")]
    weights: WeightsDigest,
    /// A session's id; up to 16, all with the same agent version.
    #[arg(long = "session", value_name = "ID", required = true)]
    sessions: Vec<SessionId>,
    /// File to write to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    job: JobOptionArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: ClaimCommand) -> CommandResult {
    match command {
        ClaimCommand::Prove(a) => {
            let client = a.server.connect().await?;
            if a.job.estimated(&client, v1::work::Work::Service(work(&a.weights, &a.sessions))).await? {
                return Ok(());
            }
            let file = prove(&client, &a.weights, &a.sessions, a.job.message(&client)).await?;
            emit(&serde_json::to_value(file)?, a.out.as_deref())
        }
        ClaimCommand::Watch(a) => watch::run(a).await,
    }
}

/// Proves the answers of these sessions, which must all be with the one agent version that has these weights.
async fn prove(
    client: &Client,
    weights: &WeightsDigest,
    sessions: &[SessionId],
    options: Option<v1::JobOptions>,
) -> Result<ClaimFile> {
    let request = v1::ProveServiceRequest { work: Some(work(weights, sessions)), options };
    let job = client.sessions().prove_service(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let done = progress::finish(client, "service", &job).await?;
    match done.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Service(service)) => ClaimFile::of(&service),
        _ => Err(Problem::internal("the job came back without its proof")),
    }
}

fn work(weights: &WeightsDigest, sessions: &[SessionId]) -> v1::ServiceWork {
    v1::ServiceWork { weights_digest: weights.to_vec(), sessions: sessions.iter().map(|s| s.to_vec()).collect() }
}
