//! `tribute demo`: the whole life cycle through the public command line, with real proofs and transactions, and a report for
//! newcomers.
//!
//! | file | does |
//! |---|---|
//! | `plan` | assigns rows to parties; checks everything before anything starts |
//! | `stage` | the local chain, the contracts, the service |
//! | `shell` | runs commands as child processes, writes `commands.sh` |
//! | `parties` | the parties and their keys |
//! | `life` | the steps, from records to a certificate, and their order |
//! | `sessions` | the steps with money in them, from sessions to refunds |
//! | `frauds` | four rejected transactions, with their honest twins |
//! | `dilution` | the agent version behind one of them: the owner's own data beside the providers' |
//! | `ledger` | balances and payments |
//! | `steps`, `table`, `report` | progress, tables, `summary.json` |
//! | `files` | the parts of the commands' output that the demo reads |

mod dilution;
mod files;
mod frauds;
mod ledger;
mod life;
mod parties;
mod plan;
mod report;
mod sessions;
mod shell;
mod stage;
mod steps;
pub(crate) mod table;

use std::fs::File;

use life::Life;
use plan::Plan;
use report::Summary;
use steps::{Failure, Steps};
use tribute_problem::{Problem, Reason, Result};

pub(crate) use plan::DemoArgs;

/// Runs the demo. Stops everything that it started before it returns, even after a failure or an interruption.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    std::fs::create_dir_all(&plan.out)?;
    let _alone = alone(&plan)?;
    stage::clear(&plan.out)?;
    let steps = Steps::new();
    let ended = tokio::select! {
        ended = perform(&plan, &steps) => ended,
        step = interrupted() => Err(step),
    };
    if !plan.keep {
        // encrypted records and keys of the stopped service
        let _ = std::fs::remove_dir_all(plan.out.join("service"));
    }
    match ended {
        Ok(account) => {
            steps.say(&account);
            Ok(())
        }
        Err(failure) => {
            report::write_failure(&plan.out, failure.step, &failure.problem.message, &steps)?;
            Err(Problem { message: failure.to_string(), ..failure.problem })
        }
    }
}

async fn perform(plan: &Plan, steps: &Steps) -> Result<String, Failure> {
    steps.say(&format!(
        "Tribute's life cycle on {}: {} providers, one agent, two clients",
        plan.name(),
        plan.split.len()
    ));
    let files = steps
        .run("preparation", "machine benchmarked, rows split among the parties", 1, |_| stage::prepare(plan))
        .await?;
    let stage = stage::start(plan, steps).await?;
    let outcome = Life::new(plan, steps, &stage).run().await?;
    let stage = steps
        .run("files", "receipts and chain state written", 1, |_| async {
            report::write_vouchers(&plan.out, &outcome)?;
            stage.write_chain(&plan.out).await?;
            Ok(stage)
        })
        .await?;
    steps.run("stop", "service and chain stopped", 1, |_| stage.stop()).await?;
    let summary = Summary::new(&files, &outcome, steps);
    summary.write(&plan.out).map_err(|problem| Failure { step: "files", problem })?;
    Ok(report::tables(plan, &summary, &outcome))
}

/// Locks the output folder, so that only one demo runs in it.
fn alone(plan: &Plan) -> Result<File> {
    let path = plan.out.join(".lock");
    let file = File::create(&path)?;
    file.try_lock().map_err(|_| Problem::field("out", format!("another demo is running in {}", plan.out.display())))?;
    Ok(file)
}

/// Returns on Ctrl-C or SIGTERM, or when the demo's progress cannot be printed any more.
async fn interrupted() -> Failure {
    let problem = tokio::select! {
        () = crate::signals::terminated() => Problem::new(Reason::NotReady, "interrupted by a signal"),
        problem = crate::output::failed() => problem,
    };
    Failure { step: "interrupted", problem }
}
