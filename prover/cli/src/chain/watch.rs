//! `tribute chain watch`: reports events as they happen.

use std::time::Duration;

use clap::Args;
use tribute_chain::{Contracts, Watcher};
use tribute_problem::{Reason, Result};

use super::NodeArgs;
use crate::output::print;
use crate::CommandResult;

/// Longest back-off while a node does not answer.
const SLOWEST: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// First block to report. [default: the next one]
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,
    /// Exit once the chain has this block. [default: run until stopped]
    #[arg(long, value_name = "BLOCK")]
    until: Option<u64>,
    /// Seconds between polls.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    every: f64,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn run(a: WatchArgs) -> CommandResult {
    tokio::select! {
        () = crate::signals::terminated() => Ok(()),
        ended = watch(a) => ended,
    }
}

async fn watch(a: WatchArgs) -> CommandResult {
    let contracts = a.node.contracts().await?;
    let from = match a.from {
        Some(block) => block,
        None => contracts.chain().block_number().await? + 1,
    };
    let mut watcher = Watcher::new(from);
    let every = Duration::from_secs_f64(a.every.clamp(0.05, 3_600.0));
    let mut pause = every;
    let mut polled = false;
    loop {
        match poll(&mut watcher, &contracts, a.node.json).await {
            Ok(head) if a.until.is_some_and(|last| head >= last) => return Ok(()),
            Ok(_) => {
                polled = true;
                pause = every;
            }
            // a node's URL that was good once is, whatever answers there for a while
            Err(problem)
                if problem.reason == Reason::ChainUnavailable || (polled && problem.reason == Reason::BadField) =>
            {
                note!("{problem}; retrying in {} s", pause.as_secs_f64());
                pause = (pause * 2).min(SLOWEST);
            }
            Err(problem) => return Err(problem),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Prints new events, one to a line, and returns the number of the newest block before the poll.
async fn poll(watcher: &mut Watcher, contracts: &Contracts, json: bool) -> Result<u64> {
    let head = contracts.chain().block_number().await?;
    let news = watcher.poll(contracts).await?;
    for event in news {
        match json {
            true => print(format_args!("{}\n", serde_json::to_string(&event)?))?,
            false => print(format_args!("{event}\n"))?,
        }
    }
    Ok(head)
}
