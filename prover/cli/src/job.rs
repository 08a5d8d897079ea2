//! `tribute job …`

use clap::{Args, Subcommand};
use tribute_client::{problem, Client};
use tribute_problem::{Problem, Result};
use tribute_proto::v1;

use super::CommandResult;
use crate::output::failed;
use crate::server_args::ServerArgs;

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// Show a job.
    Get(JobArgs),
    /// List your jobs, newest first.
    List(ListArgs),
    /// Wait for a job to end; fails if the job failed.
    Wait(JobArgs),
    /// Print a job's events until it ends.
    Watch(JobArgs),
    /// Cancel a job; a proof that is running is stopped.
    Cancel(JobArgs),
    /// Benchmark the proving machine: best time of several multi-scalar multiplications by halo2.
    Calibrate(CalibrateArgs),
}

#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// The job's id.
    job: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Most jobs to list.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// log2 of the number of scalars.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Number of runs; the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measure again instead of returning an earlier measurement.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(command: JobCommand) -> CommandResult {
    match command {
        JobCommand::Get(a) => {
            let client = a.server.connect().await?;
            let request = v1::GetJobRequest { job: a.job };
            print_job(&client.jobs().get_job(request).await.map_err(problem)?.into_inner());
        }
        JobCommand::List(a) => {
            let client = a.server.connect().await?;
            let request = v1::ListJobsRequest { page_size: a.limit, ..Default::default() };
            for job in client.jobs().list_jobs(request).await.map_err(problem)?.into_inner().jobs {
                print_job(&job);
            }
        }
        JobCommand::Wait(a) => {
            let client = a.server.connect().await?;
            print_job(&client.finish(&a.job, |_| {}).await?);
        }
        JobCommand::Watch(a) => {
            let client = a.server.connect().await?;
            tokio::select! {
                ended = client.finish(&a.job, |event| say!("{}", describe(event))) => { ended?; }
                problem = failed() => return Err(problem),
            }
        }
        JobCommand::Cancel(a) => {
            let client = a.server.connect().await?;
            let request = v1::CancelJobRequest { job: a.job };
            print_job(&client.jobs().cancel_job(request).await.map_err(problem)?.into_inner());
        }
        JobCommand::Calibrate(a) => {
            let client = a.server.connect().await?;
            say!("{:.1} ms", calibrate(&client, a.k, a.rounds, a.again).await?);
        }
    }
    Ok(())
}

/// Milliseconds of the best of `rounds` multi-scalar multiplications of `2^k` points on the proving machine.
pub(crate) async fn calibrate(client: &Client, k: u32, rounds: u32, again: bool) -> Result<f64> {
    let tag = if again { hex::encode(rand::random::<[u8; 8]>()) } else { String::new() };
    let work = v1::work::Work::Calibrate(v1::CalibrateWork { k, rounds, tag });
    let request = v1::SubmitRequest { work: Some(v1::Work { work: Some(work) }), ..Default::default() };
    let job = client.jobs().submit(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    let job = client.finish(&job.id, |_| {}).await?;
    match job.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Calibrate(c)) => Ok(c.milliseconds),
        _ => Err(Problem::internal("the calibration job came back without its outcome")),
    }
}

fn print_job(job: &v1::Job) {
    let state = job.state().as_str_name().trim_start_matches("JOB_STATE_").to_lowercase();
    let seconds = job.ended_ms.saturating_sub(job.started_ms) as f64 / 1e3;
    say_part!("{}  {:<10} {:<10} starts {}", job.id, job.kind, state, job.starts);
    if !job.title.is_empty() {
        say_part!("  {}", job.title);
    }
    if job.ended_ms > 0 && job.started_ms > 0 {
        say_part!("  {seconds:.2} s");
    }
    match &job.error {
        Some(e) => say!("  {} [{}]", e.message, e.reason),
        None => say!(),
    }
}

/// An event in one line.
pub(crate) fn describe(event: &v1::JobEvent) -> String {
    use v1::job_event::Event as E;
    match &event.event {
        Some(E::State(s)) => {
            let name = v1::JobState::try_from(*s).unwrap_or_default().as_str_name();
            name.trim_start_matches("JOB_STATE_").to_lowercase()
        }
        Some(E::Progress(p)) => format!("{} {}/{}", p.phase, p.done, p.total),
        Some(E::Requeued(why)) => format!("back in the queue: {why}"),
        None => String::new(),
    }
}
