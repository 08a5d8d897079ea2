//! Deleting a dataset's records.

use std::collections::BTreeSet;

use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::DatasetBody;

use super::admission::Admission;

impl Admission {
    /// Deletes the records of a dataset, and this server's grants for it; returns the number of artefacts deleted. Its proofs,
    /// its commitment and the counter of its openings stay. Records that another dataset of the owner shares are kept.
    ///
    /// # Errors
    /// [`Reason::NotReady`] while a job that needs the records waits or runs.
    pub(crate) async fn forget_dataset(&self, dataset: &DatasetBody) -> Result<u32> {
        let mut tx = self.queue.database().begin().await?;
        // the shards' records, and the tables that they were cut from
        let tables = self.queue.tables_of(&mut tx, &dataset.owner.to_string(), &dataset.id.to_string()).await?;
        let all: BTreeSet<String> = dataset.shards.iter().map(|shard| shard.records.clone()).chain(tables).collect();
        let mut unshared = Vec::new();
        for artefact in all {
            if let Some(job) = self.queue.needing(&mut tx, &artefact).await? {
                let message = format!("job {job} still needs the records: cancel it, or let it end");
                return Err(Problem::new(Reason::NotReady, message).with("job", job));
            }
            if !self.registry.is_shared(&mut tx, dataset.id, &artefact).await? {
                unshared.push(artefact);
            }
        }
        self.registry.forget(&mut tx, dataset.id).await?;
        // marked first: if deleting breaks off, asking again goes on with it
        tx.commit().await?;
        for artefact in &unshared {
            self.artefacts.delete(artefact).await?;
        }
        Ok(unshared.len() as u32)
    }
}
