//! The command line. Commands talk to a server over gRPC and to a chain over JSON-RPC. No proving happens in this crate.

// these panic if nobody reads what they print: `output` has others
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

#[macro_use]
pub(crate) mod output;

pub(crate) mod agent;
mod agent_results;
mod api_key;
pub(crate) mod chain;
mod circuits;
mod claim;
mod command_line;
mod custody;
mod dataset;
mod demo;
mod extract;
mod job;
mod job_options;
mod keys;
mod link_arg;
pub mod offline;
mod progress;
pub(crate) mod proof_file;
mod record;
mod report;
mod request;
mod schema;
mod serve;
mod server_args;
mod session;
mod shell_files;
mod signals;
mod srs;
mod status;
pub(crate) mod table;
mod typed;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tribute_problem::Problem;

/// Tribute proves where an AI agent's knowledge came from and what it did with it, and pays the people whose data made it.
#[derive(Debug, Parser)]
#[command(name = "tribute", version, max_term_width = 120, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: a gRPC server and proving workers.
    Serve(serve::ServeArgs),
    /// Run only proving workers, for a service whose database and artefacts this machine reaches.
    Worker(serve::WorkerArgs),
    /// Show the queue, the workers and the openings left, read from the service's database.
    Status(status::StatusArgs),
    /// Back up and restore the secrets of committed columns.
    #[command(subcommand)]
    Custody(custody::CustodyCommand),
    /// Run one job as a worker's child process, reading the request from standard input.
    #[command(hide = true)]
    Work,
    /// Describe records: feature names, ranges and classes.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Turn a table of texts into a table of features, with a model that a schema pins.
    Extract(extract::ExtractArgs),
    /// Commit private records, prove them well formed, and grant training on them.
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Train or import an agent, prove that it is the optimum over its datasets, and get its certificate.
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Train an agent on datasets that stay at their owners' nodes: ask, approve or decline, train.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Query a certified agent in a prepaid session.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Prove answers and claim their fees.
    #[command(subcommand)]
    Claim(claim::ClaimCommand),
    /// Send transactions: deploy, register, grant, certify, open sessions, claim, withdraw.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// Manage the circuits that a schema needs, with their keys and verifiers.
    #[command(subcommand)]
    Circuits(circuits::CircuitsCommand),
    /// Import and check the parameters of public ceremonies.
    #[command(subcommand)]
    Srs(srs::SrsCommand),
    /// Run the whole life cycle on this machine: data, training, certificate, paid queries, and four rejected frauds.
    Demo(demo::DemoArgs),
    /// Verify a certificate file offline: no service, no chain, no data.
    Verify(offline::VerifyArgs),
    /// Make certificates readable.
    #[command(subcommand)]
    Certificate(report::CertificateCommand),
    /// Show, wait for and cancel jobs.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Make, list and revoke keys for programs that only read.
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Print completions for a shell: `tribute completions bash > /etc/bash_completion.d/tribute`.
    Completions(shell_files::CompletionsArgs),
    /// Write manual pages, one for each command.
    Man(shell_files::ManArgs),
}

/// What every command returns; an error is printed with its reason code.
type CommandResult = Result<(), Problem>;

/// Parses the process's arguments and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match command_line::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(refused) => return refused.tell(),
    };
    // sends what is left of traces when it is dropped
    let _traces = tribute_telemetry::logs::start(match cli.command {
        Command::Work => "tribute-job",
        Command::Serve(_) => "tribute-server",
        Command::Worker(_) => "tribute-worker",
        _ => "tribute",
    });
    if matches!(cli.command, Command::Work) {
        return match tribute_steps::child::main() {
            0 => ExitCode::SUCCESS,
            code => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            note!("error: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli.command));
    match ended.as_ref().err().or(output::failure()) {
        None => ExitCode::SUCCESS,
        // other programs are stopped without a word then
        Some(problem) if output::no_reader(problem) => ExitCode::FAILURE,
        Some(problem) => {
            note!("error: {problem} [{}]", problem.reason.text());
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> CommandResult {
    match command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Worker(args) => serve::worker(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Custody(command) => custody::run(command).await,
        Command::Work => Ok(()), // handled before the runtime starts
        Command::Schema(command) => schema::run(command),
        Command::Extract(args) => extract::run(&args),
        Command::Dataset(command) => dataset::run(command).await,
        Command::Agent(command) => agent::run(command).await,
        Command::Request(command) => request::run(command).await,
        Command::Session(command) => session::run(command).await,
        Command::Claim(command) => claim::run(command).await,
        Command::Chain(command) => chain::run(command).await,
        Command::Circuits(command) => circuits::run(command).await,
        Command::Srs(command) => srs::run(command),
        Command::Demo(args) => demo::run(args).await,
        Command::Verify(args) => offline::run(args),
        Command::Certificate(command) => report::run(command),
        Command::Job(command) => job::run(command).await,
        Command::ApiKey(command) => api_key::run(command).await,
        Command::Completions(args) => shell_files::completions(args),
        Command::Man(args) => shell_files::man(args),
    }
}
