//! Options of commands that queue work.

use clap::Args;
use tribute_client::{problem, Client};
use tribute_problem::Result;
use tribute_proto::v1;

use crate::output::grouped;

/// How work is queued.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobOptionArgs {
    /// Which of your own jobs runs first: higher ones, from -100 to 100.
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    priority: i32,
    /// Seconds within which the job must end, or it fails.
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// A name for this submission: repeating it under the same name does nothing.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A job of yours that must succeed first; give one for each.
    #[arg(long = "after", value_name = "JOB")]
    needs: Vec<String>,
    /// Only say what the work would cost: time, memory, gas and openings. Queues nothing.
    #[arg(long)]
    pub(crate) estimate: bool,
}

impl JobOptionArgs {
    /// The options of a request; `None` if all are as usual.
    pub(crate) fn message(&self, client: &Client) -> Option<v1::JobOptions> {
        let options = v1::JobOptions {
            priority: self.priority,
            deadline: self.deadline.map_or(0, |seconds| client.info.now_ms / 1000 + seconds),
            idempotency_key: self.idempotency_key.clone().unwrap_or_default(),
            needs: self.needs.clone(),
        };
        (options != v1::JobOptions::default()).then_some(options)
    }

    /// If only an estimate is asked for: prints it, and returns true.
    pub(crate) async fn estimated(&self, client: &Client, work: v1::work::Work) -> Result<bool> {
        if self.estimate {
            let request = v1::EstimateRequest { work: Some(v1::Work { work: Some(work) }) };
            let e = client.jobs().estimate(request).await.map_err(problem)?.into_inner();
            let unless = |known: bool, text: String| if known { text } else { "not known yet".to_owned() };
            say!("jobs      {}", e.jobs);
            say!("time      {}", unless(e.seconds > 0.0, format!("{:.1} s on one worker", e.seconds)));
            say!("memory    {} MB", grouped(e.memory_mb));
            say!("gas       {}", unless(e.gas_verify > 0, grouped(e.gas_verify)));
            say!("openings  {}", grouped(e.openings));
            if !e.existing.is_empty() {
                say!("nothing of it is spent: job {} is the same work", e.existing);
            }
        }
        Ok(self.estimate)
    }
}
