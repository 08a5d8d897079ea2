//! Opens single records of a dataset, for showing them to others.
//!
//! An opening takes about as long as committing to a shard, well below a second, and needs no proof. So it is not a
//! job: it runs within the call, one at a time and off the threads that serve calls.

use std::sync::Arc;

use tokio::sync::Mutex;
use tribute_core::id::RecordContext;
use tribute_core::opening::RecordClaim;
use tribute_core::schema::Schema;
use tribute_custody::Custody;
use tribute_engine::srs::SrsStore;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::dataset::DatasetBody;
use tribute_steps::gradient::same;
use tribute_steps::membership::{Position, ShownRecord};

use super::off_thread;

/// Opens single records of committed datasets.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) custody: Custody,
    /// SRS parameters of all sizes.
    pub(crate) parameters: SrsStore,
    /// Held while a record is loaded and opened, so that openings run one at a time.
    pub(crate) opening: Arc<Mutex<()>>,
}

impl Records {
    /// Opens the record with index `number`, counted from 0 over all shards of a dataset.
    pub(crate) async fn show(&self, dataset: DatasetBody, number: u64, context: RecordContext) -> Result<ShownRecord> {
        if number >= dataset.count {
            let text = format!("record {number} of a dataset of {}: they are counted from 0", dataset.count);
            return Err(Problem::field("record", text).with("record", number).with("records", dataset.count));
        }
        let (mut index, mut at) = (number, 0);
        while let Some(shard) = dataset.shards.get(at).filter(|shard| shard.count <= index) {
            (index, at) = (index - shard.count, at + 1);
        }
        let shard =
            dataset.shards.get(at).ok_or_else(|| Problem::internal("a dataset with fewer records than it has"))?;
        if shard.owner != dataset.owner {
            let text = format!(
                "record {number} is in shard {at}, which an earlier owner, {}, committed: only that account shows it",
                shard.owner
            );
            return Err(Problem::new(Reason::NotAllowed, text).with("record", number).with("owner", shard.owner));
        }
        // before anything is loaded: calls that wait hold no shard
        let one = self.opening.clone().lock_owned().await;
        let tenant = dataset.owner.to_string();
        let records = self.custody.records(&tenant, &shard.records).await?;
        let committer = self.custody.committer(&tenant).await?;
        let schema = Schema::from_json(&dataset.schema)?;
        let layout = schema.layout(dataset.profile.k, dataset.profile.columns)?;
        let (digest, place) = (shard.digest, Position { shard: at as u32, index });

        let parameters = self.parameters.clone();
        off_thread(move || {
            // until the work ends, even if the caller leaves
            let _one = one;
            let srs = parameters
                .get(layout.k())
                .map_err(|e| Problem::new(Reason::NotReady, format!("no parameters for k = {}: {e}", layout.k())))?;
            let committed = committer.records(&srs, &layout, &records)?;
            same("shard", &committed, digest)?;
            let row = usize::try_from(index).map_err(Problem::internal)?;
            let mut features = records.features(row).to_vec();
            features.resize(layout.features(), 0);
            let claim = RecordClaim {
                layout,
                points: committed.points(),
                index,
                features,
                target: records.target(row),
                context,
            };
            let opening = committed.open_record(&srs, &claim)?;
            Ok(ShownRecord::new(&dataset, &srs, place, &claim, &opening))
        })
        .await
    }
}
