//! What jobs leave behind: datasets, agents, proofs, circuits. Rows are written in the transaction that ends the job, so
//! nothing half-registered can stay.

use crate::db::{Database, Tx};
use crate::jobs::Job;
use crate::pipeline::Outcome;
use crate::problem::Result;

/// The tables of finished things.
#[derive(Clone, Debug)]
pub struct Registry {
    db: Database,
}

impl Registry {
    /// The registry in `db`.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Registry { db }
    }

    /// Writes what a finished job made, within the transaction that ends it.
    pub async fn record(&self, tx: &mut Tx, job: &Job, outcome: &Outcome) -> Result<()> {
        let _ = (tx, job, &self.db);
        match outcome {
            Outcome::Calibrate(_) => Ok(()),
        }
    }
}
