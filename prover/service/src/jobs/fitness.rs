//! Whether a worker's machine is fit for the service's jobs. The service keeps in the database what identifies it: an
//! artefact of its store, and its SRS. A worker tests its own process against that before it leases jobs, and again when a
//! job failed in a way that may be the machine's fault. Then the job goes back to the queue, and the worker leases no more
//! until it passes.

use sha2::{Digest as _, Sha256};
use tribute_core::id::SrsDigest;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::child::{Message, Opening, Request};
use tribute_steps::parent::Running;
use tribute_steps::place::Known;
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use super::config::Config;

const ARTEFACT: &str = "artefact";
/// Its id, so that it is not swept as unnamed.
const ARTEFACT_ID: &str = "artefact_id";
const SRS: &str = "srs";

/// Records what identifies the service: its SRS, and an artefact, which is random and made once.
pub async fn announce(db: &Database, artefacts: &Artefacts, srs: Option<SrsDigest>) -> Result<()> {
    let lost = match read(db, ARTEFACT_ID).await? {
        Some(id) => !artefacts.has(&id).await?,
        None => false,
    };
    if lost {
        tracing::error!(
            "the artefacts are gone, or this is another data folder: restore it, or have everything made again"
        );
    }
    let random = db.kept(ARTEFACT, &hex::encode(rand::random::<[u8; 16]>())).await?;
    // stored before workers look for it
    artefacts.put(content_of(&random)).await?;
    db.kept(ARTEFACT_ID, &id_of(&random)).await?;
    let srs = srs.map(|srs| srs.to_string()).unwrap_or_default();
    let before = db.kept(SRS, &srs).await?;
    if before != srs {
        tracing::warn!(before, now = srs, "the service proves under another SRS: datasets must be registered again");
        sqlx::query(db.sql("UPDATE server SET value = $2 WHERE name = $1"))
            .bind(SRS)
            .bind(&srs)
            .execute(db.pool())
            .await?;
    }
    Ok(())
}

fn content_of(random: &str) -> Vec<u8> {
    format!("tribute {random}").into_bytes()
}

fn id_of(random: &str) -> String {
    hex::encode(Sha256::digest(content_of(random)))
}

/// What the service has announced.
///
/// # Errors
/// If the database does not answer, or a newer program has migrated it.
pub(super) async fn known(db: &Database) -> Result<Known> {
    db.is_known().await?;
    let srs = read(db, SRS).await?.filter(|srs| !srs.is_empty());
    let srs = srs.map(|srs| srs.parse()).transpose().map_err(Problem::internal)?;
    Ok(Known { artefact: read(db, ARTEFACT_ID).await?, srs })
}

async fn read(db: &Database, name: &str) -> Result<Option<String>> {
    let select = sqlx::query_scalar(db.sql("SELECT value FROM server WHERE name = $1")).bind(name);
    Ok(select.fetch_optional(db.pool()).await?)
}

/// Tests a process of this worker as it would start for a job.
///
/// # Errors
/// What is wrong with the machine, or that the database does not answer.
pub async fn test(config: &Config, db: &Database) -> Result<()> {
    let workplace = &config.storage.workplace;
    let request = Request { task: None, workplace: workplace.clone(), known: known(db).await?, memory_mb: None };
    let mut child = Running::start(&config.program, workplace, None)?;
    child.tell(&Opening::Work(Box::new(request))).await?;
    let said = child.next().await;
    child.kill().await;
    match said {
        Some(Message::Fit) => Ok(()),
        Some(Message::Unfit(problem)) => Err(problem),
        _ => Err(Problem::new(Reason::ToolMissing, "the worker's process ends without a word; its log says why")),
    }
}
