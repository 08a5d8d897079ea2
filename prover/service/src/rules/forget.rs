//! Deleting a dataset's records.

use std::collections::BTreeSet;

use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::DatasetBody;

use super::admission::Admission;

impl Admission {
    /// Deletes the records of a dataset version, and this server's grants for it; returns the number of artefacts deleted, and
    /// the versions for which others are kept. Its proofs, its commitment and the counter of its openings stay.
    ///
    /// # Errors
    /// [`Reason::NotReady`] while a job that needs the records waits or runs.
    pub(crate) async fn forget_dataset(&self, dataset: &DatasetBody) -> Result<(u32, BTreeSet<DatasetId>)> {
        let mut tx = self.queue.database().begin().await?;
        // the shards' records, and the tables that they were cut from
        let tables = self.queue.tables_of(&mut tx, &dataset.owner.to_string(), dataset.id).await?;
        let all: BTreeSet<String> = dataset.shards.iter().map(|shard| shard.records.clone()).chain(tables).collect();
        let (mut unshared, mut kept) = (Vec::new(), BTreeSet::new());
        for artefact in all {
            if let Some(job) = self.queue.needing(&mut tx, &artefact).await? {
                let message = format!("job {job} still needs the records: cancel it, or let it end");
                return Err(Problem::new(Reason::NotReady, message).with("job", job));
            }
            match self.registry.sharing(&mut tx, dataset.id, &artefact).await? {
                Some(other) => drop(kept.insert(other)),
                None => unshared.push(artefact),
            }
        }
        self.registry.forget(&mut tx, dataset.id).await?;
        // marked first: if deleting breaks off, asking again goes on with it
        tx.commit().await?;
        for artefact in &unshared {
            self.artefacts.delete(artefact).await?;
        }
        Ok((unshared.len() as u32, kept))
    }
}
