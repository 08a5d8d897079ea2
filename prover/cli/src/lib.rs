//! The command line. Commands speak to a server over gRPC and to a chain over JSON-RPC; nothing here proves.

pub(crate) mod agent;
pub(crate) mod chain;
mod circuits;
mod claim;
mod custody;
mod dataset;
mod demo;
mod job;
mod keys;
pub mod offline;
pub(crate) mod output;
mod progress;
pub(crate) mod proof_file;
mod record;
mod report;
mod schema;
mod serve;
mod server_args;
mod session;
mod signals;
mod srs;
pub(crate) mod table;

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
    /// Run the service: gRPC, and workers that prove.
    Serve(serve::ServeArgs),
    /// Run workers only, for a service whose database and data folder this machine shares.
    Worker(serve::WorkerArgs),
    /// Back up and restore the secrets of committed columns.
    #[command(subcommand)]
    Custody(custody::CustodyCommand),
    /// Do one job as a worker's child: the request comes on standard input.
    #[command(hide = true)]
    Work,
    /// What records look like: names, ranges, classes.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Commit private records, prove them well formed, say who may train on them.
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Train an agent or bring one, prove it the optimum over its datasets, get its certificate.
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Query a certified agent in a prepaid session.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Prove the answers given and claim the fees for them.
    #[command(subcommand)]
    Claim(claim::ClaimCommand),
    /// Transactions: deploy, register, grant, certify, open sessions, claim, withdraw.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// The circuits a schema needs, their keys and verifiers.
    #[command(subcommand)]
    Circuits(circuits::CircuitsCommand),
    /// Parameters of public ceremonies: import them, check them.
    #[command(subcommand)]
    Srs(srs::SrsCommand),
    /// Show all of it on this machine: data, training, certificate, paid queries, four frauds that bounce.
    Demo(demo::DemoArgs),
    /// Check a certificate file with no service, no chain and no data.
    Verify(offline::VerifyArgs),
    /// Certificates for people.
    #[command(subcommand)]
    Certificate(report::CertificateCommand),
    /// Look at jobs, wait for them, cancel them.
    #[command(subcommand)]
    Job(job::JobCommand),
}

/// A command's end: what went wrong, for people.
type CommandResult = Result<(), Problem>;

/// Runs the command in the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    if matches!(cli.command, Command::Work) {
        return match tribute_steps::child::main() {
            0 => ExitCode::SUCCESS,
            code => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem} [{}]", problem.reason.text());
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> CommandResult {
    match command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Worker(args) => serve::worker(args).await,
        Command::Custody(command) => custody::run(command).await,
        Command::Work => Ok(()), // handled before the runtime starts
        Command::Schema(command) => schema::run(command),
        Command::Dataset(command) => dataset::run(command).await,
        Command::Agent(command) => agent::run(command).await,
        Command::Session(command) => session::run(command).await,
        Command::Claim(command) => claim::run(command).await,
        Command::Chain(command) => chain::run(command).await,
        Command::Circuits(command) => circuits::run(command).await,
        Command::Srs(command) => srs::run(command),
        Command::Demo(args) => demo::run(args).await,
        Command::Verify(args) => offline::run(args),
        Command::Certificate(command) => report::run(command),
        Command::Job(command) => job::run(command).await,
    }
}

/// Logs go to standard error; `RUST_LOG` chooses what.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn,hyper=warn,tower_http=warn"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
