//! `tribute request …`: training across nodes, from both sides.

mod answering;
mod asking;
mod held;
mod journal;
mod nodes;
mod ranges;
mod train;

use std::path::PathBuf;

use clap::{Args, Subcommand};
pub(crate) use nodes::{connect, named};
use tribute_core::id::{AgentId, DatasetId, RequestId};

use super::CommandResult;
use crate::chain::DeployedArgs;
use crate::link_arg::LinkArg;
use crate::server_args::ServerArgs;
use crate::typed::units;

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// Before a training: the ranges of a schema, from rows that stay apart.
    #[command(subcommand)]
    Schema(ranges::SchemaCommand),
    /// As an agent's owner: write a request and leave it at the participants' nodes. Nothing is computed.
    Ask(AskArgs),
    /// As an agent's owner: show what the participants have said to a request.
    Status(StatusArgs),
    /// As an agent's owner: train with all participants, have them prove their gradients, and make the agent. Resumes where it
    /// stopped.
    Train(TrainArgs),
    /// As a dataset's owner: list the requests at your node, newest first.
    List(ServerArgs),
    /// As a dataset's owner: show a request, with what you would publish and spend.
    Show(ShowArgs),
    /// As a dataset's owner: approve a request.
    Approve(ApproveArgs),
    /// As a dataset's owner: decline a request, or withdraw your approval.
    Decline(DeclineArgs),
}

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// A node with the ids of its datasets, `URL=ID[,ID…]`; repeat for every node, in the order of the agent's version.
    #[arg(long = "node", value_name = "URL=ID[,ID]", required_unless_present = "datasets")]
    nodes: Vec<String>,
    /// A dataset whose entry on chain names its node; repeat for every dataset. They come after those of --node.
    #[arg(long = "dataset", value_name = "ID")]
    datasets: Vec<DatasetId>,
    /// Regularisation strength λ, between 0 and 1.
    #[arg(long, default_value_t = 1e-3)]
    lambda: f64,
    /// Link function, which also selects the loss.
    #[arg(long, value_enum, default_value_t = LinkArg::Softmax)]
    link: LinkArg,
    /// The agent's id on chain; any 32 bytes off chain.
    #[arg(long, value_name = "ID", default_value_t = AgentId::ZERO)]
    agent_id: AgentId,
    /// The agent's version.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// Counts your requests for this version, from 0: every further one needs everybody's approval again.
    #[arg(long, default_value_t = 0)]
    attempt: u32,
    /// What the agent is for: participants read it.
    #[arg(long)]
    purpose: String,
    /// Price of a query, in the token's smallest unit.
    #[arg(long, default_value_t = 0, value_parser = units)]
    price: u128,
    /// Part of the fees that goes to the datasets, from 0 to 1.
    #[arg(long, default_value_t = 0.5)]
    data_part: f64,
    /// Most rounds; by default 40, and 200 for a softmax over more than 2,000 weights, whose steps need rounds of their own.
    #[arg(long)]
    rounds: Option<u32>,
    /// Openings of the weights for each shard's proof: a proof takes one, and another if it breaks off.
    #[arg(long, default_value_t = 8)]
    openings: u32,
    /// Prove for no chain, although the server has one.
    #[arg(long)]
    off_chain: bool,
    /// File to write the request to.
    #[arg(long, value_name = "FILE", default_value = "request.json", value_parser = crate::output::file())]
    out: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    // where the entries of --dataset are
    #[command(flatten)]
    chain: DeployedArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The file that `ask` wrote.
    request: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// The file that `ask` wrote.
    request: PathBuf,
    /// Display name of the agent.
    #[arg(long, default_value = "agent")]
    name: String,
    /// Folder in which to keep what is needed to resume; by default the request's file with `.journal`.
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// How long to wait for a node that is away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    patience: u64,
    /// File to write the participants' gradient proofs to, for `tribute chain submit-gradients`.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    gradients: Option<PathBuf>,
    /// File to write the agent's numbers to; otherwise standard output.
    #[arg(long, value_name = "FILE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The request's id.
    request: RequestId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The request's id.
    request: RequestId,
    /// Refuse if fewer accounts take part. With two, each learns the other's sums; the owner may hide behind several accounts.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    least_participants: usize,
    /// Least share of your datasets together in this request's list of datasets, from 0 to 1: below it, your node proves nothing at
    /// the end. A version that lists further datasets can leave you less: against that, the datasets' terms hold, or on chain a grant.
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    least_share: f64,
    /// Refuse if a query costs less, in the token's smallest unit.
    #[arg(long, value_name = "PRICE", default_value_t = 0, value_parser = units)]
    least_price: u128,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct DeclineArgs {
    /// The request's id.
    request: RequestId,
    /// Why: the owner reads it.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: RequestCommand) -> CommandResult {
    match command {
        RequestCommand::Schema(command) => ranges::run(command).await,
        RequestCommand::Ask(a) => asking::ask(a).await,
        RequestCommand::Status(a) => asking::status(a).await,
        RequestCommand::Train(a) => train::train(a).await,
        RequestCommand::List(a) => answering::list(a).await,
        RequestCommand::Show(a) => answering::show(a).await,
        RequestCommand::Approve(a) => answering::approve(a).await,
        RequestCommand::Decline(a) => answering::decline(a).await,
    }
}
