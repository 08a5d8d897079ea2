//! `tribute status`

use clap::Args;
use tribute_service::observe::state::{self, State};
use tribute_store::db::Database;

use super::serve::StorageArgs;
use super::CommandResult;
use crate::demo::table::Table;
use crate::output::{grouped, short};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    storage: StorageArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: StatusArgs) -> CommandResult {
    let db = Database::open(&args.storage.storage()?.database).await?;
    let state = state::read(&db).await?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&state)?);
    } else {
        say_part!("{}", text(&state));
    }
    Ok(())
}

/// The state for people: what waits, who runs it, and what runs out.
fn text(state: &State) -> String {
    let seconds = |ms: i64| format!("{:.1} s", ms as f64 / 1e3);
    let mut accounts = Table::new("Accounts", &["account", "queued", "running", "oldest"]);
    for t in &state.tenants {
        accounts.row([t.tenant.clone(), grouped(t.queued), grouped(t.running), seconds(t.oldest_ms)]);
    }
    let mut workers = Table::new("Workers", &["worker", "state", "last heartbeat", "jobs", "longest"]);
    for w in &state.workers {
        let state = match (w.silent, w.jobs) {
            (true, _) => "silent",
            _ if !w.unfit.is_empty() => "not fit for work",
            (false, 0) => "idle",
            (false, _) => "working",
        };
        let jobs = format!("{} of {}", w.jobs, w.slots);
        workers.row([
            w.worker.clone(),
            state.into(),
            format!("{} ago", seconds(w.heard_ms)),
            jobs,
            seconds(w.longest_ms),
        ]);
    }
    let mut ended = Table::new("Ended within the hour", &["kind", "state", "jobs"]);
    for e in &state.ended {
        ended.row([e.kind.clone(), e.state.clone(), grouped(e.jobs)]);
    }
    let mut openings = Table::new("Fewest openings left", &["commitment", "left"]);
    for o in state.openings.iter().take(10) {
        openings.row([short(&o.commitment), grouped(o.left)]);
    }
    let head = format!("{} queued, {} running\n", grouped(state.queued), grouped(state.running));
    let tables = [accounts, workers, ended, openings];
    tables.iter().filter(|t| !t.is_empty()).fold(head, |text, table| text + &table.to_string())
}
