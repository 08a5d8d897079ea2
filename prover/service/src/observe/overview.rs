//! What operators see in a browser: the [`state`], what is stored, and whether what the server needs answers.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;
use tokio::time::timeout;
use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::Artefacts;
use tribute_store::db::Database;

use super::run::memory;
use super::state::{self, State};
use crate::chain::Chain;

/// How long a count of the artefacts is shown again: counting lists them all.
const COUNTED: Duration = Duration::from_secs(300);
/// Longest wait for each of what the server needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads what operators see.
#[derive(Clone, Debug)]
pub struct Overseer {
    operators: Arc<[AccountAddress]>,
    db: Database,
    artefacts: Artefacts,
    chain: Option<Arc<dyn Chain>>,
    data: PathBuf,
    started: SystemTime,
    counted: Arc<Mutex<Option<Counted>>>,
}

/// Number and bytes of artefacts, and when they were counted.
type Counted = (Instant, (u64, u64));

/// The whole at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Queue, workers and openings.
    pub state: State,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// How long the database took to answer, milliseconds.
    pub database_ms: f64,
    /// Number and bytes of artefacts, or why they cannot be counted.
    pub artefacts: Result<(u64, u64)>,
    /// Free bytes and all bytes of the disk with the data folder.
    pub disk: (u64, u64),
    /// Unix seconds of the newest block, or why the node does not tell; `None` without a chain.
    pub block_time: Option<Result<u64>>,
    /// When the server was started, Unix milliseconds.
    pub started_ms: u64,
    /// Memory of the server's process, bytes.
    pub resident: u64,
}

impl Overseer {
    /// For a server that starts now, and whose operators these accounts are.
    #[must_use]
    pub fn new(
        operators: Vec<AccountAddress>,
        db: Database,
        artefacts: Artefacts,
        chain: Option<Arc<dyn Chain>>,
        data: PathBuf,
    ) -> Self {
        Overseer {
            operators: operators.into(),
            db,
            artefacts,
            chain,
            data,
            started: SystemTime::now(),
            counted: Arc::default(),
        }
    }

    /// The overview, for an operator.
    ///
    /// # Errors
    /// [`Reason::NotAllowed`] for other accounts; if the database does not answer.
    pub async fn overview(&self, account: AccountAddress) -> Result<Overview> {
        if !self.operators.contains(&account) {
            let text = format!(
                "{account} is no operator of this server: whoever starts it names them, `tribute serve --operator {account}`"
            );
            return Err(Problem::new(Reason::NotAllowed, text).with("account", account));
        }
        let asked = Instant::now();
        let database_bytes = within(self.db.bytes()).await?;
        let database_ms = asked.elapsed().as_secs_f64() * 1e3;
        let (state, artefacts, block_time) = tokio::join!(within(state::read(&self.db)), self.count(), async {
            match &self.chain {
                Some(chain) => Some(within(chain.latest()).await),
                None => None,
            }
        });
        Ok(Overview {
            state: state?,
            database_bytes,
            database_ms,
            artefacts,
            disk: self.disk(),
            block_time,
            started_ms: self.started.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
            resident: memory("/proc/self/status", "VmRSS:").unwrap_or(0),
        })
    }

    /// Number and bytes of the artefacts. Between two counts it only checks that the store answers.
    async fn count(&self) -> Result<(u64, u64)> {
        let mut counted = self.counted.lock().await;
        match *counted {
            Some((at, known)) if at.elapsed() < COUNTED => within(self.artefacts.check()).await.map(|()| known),
            _ => {
                let now = within(self.artefacts.usage()).await?;
                *counted = Some((Instant::now(), now));
                Ok(now)
            }
        }
    }

    fn disk(&self) -> (u64, u64) {
        rustix::fs::statvfs(&self.data).map_or((0, 0), |disk| {
            (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize))
        })
    }
}

async fn within<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Problem::new(Reason::StorageFailed, format!("no answer within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, answer).await.map_err(late)?
}
