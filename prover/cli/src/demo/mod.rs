//! `tribute demo`: the whole life cycle, for real, through the public command line, with an account that a newcomer
//! understands.
//!
//! | file | does |
//! |---|---|
//! | `plan` | which rows go to whom; checked before anything starts |
//! | `stage` | the local chain, the contracts, the service |
//! | `shell` | runs commands as child processes, writes `commands.sh` |
//! | `parties` | who takes part, with which keys |
//! | `life` | the steps, from records to a certificate, and their order |
//! | `sessions` | the steps with money in them, from sessions to refunds |
//! | `frauds` | four transactions that bounce, with their honest twins |
//! | `dilution` | the agent version behind one of them: the owner's own data beside the providers' |
//! | `ledger` | the money |
//! | `steps`, `table`, `report` | progress, tables, `summary.json` |
//! | `files` | what the commands write, as far as it is read here |

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
mod table;

use std::fs::File;

use life::Life;
use plan::Plan;
use report::Summary;
use steps::{Failure, Steps};
use tribute_problem::{Problem, Reason, Result};

pub(crate) use plan::DemoArgs;

/// Runs the demo. However it ends, everything it started has stopped when this returns.
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
        // sealed records and keys of a service that is gone
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
    let files = steps.run("preparation", "machine measured, everybody's rows cut", 1, |_| stage::prepare(plan)).await?;
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

/// Holds the folder for this demo alone.
fn alone(plan: &Plan) -> Result<File> {
    let path = plan.out.join(".lock");
    let file = File::create(&path)?;
    file.try_lock().map_err(|_| Problem::field("out", format!("another demo runs in {}", plan.out.display())))?;
    Ok(file)
}

/// Returns on Ctrl-C or SIGTERM.
async fn interrupted() -> Failure {
    crate::signals::terminated().await;
    Failure { step: "interrupted", problem: Problem::new(Reason::NotReady, "it was asked to stop") }
}
