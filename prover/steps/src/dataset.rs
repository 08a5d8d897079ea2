//! Datasets: divided into shards, each committed and proven well formed.

use serde::{Deserialize, Serialize};
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_core::context::DatasetContext;
use tribute_core::context::Terms;
use tribute_core::digest::{dataset_id, keccak};
use tribute_core::hexed::AccountAddress;
use tribute_core::id::{DatasetId, LayoutHash, SchemaId, ShardDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_core::statement::Statement;
use tribute_engine::field::from_core;
use tribute_problem::Result;
use tribute_store::artefacts::ArtefactId;

use crate::circuit::{prepare, Prepared, ProofBody};
use crate::shape::{Profile, ShapeBody, Target};
use crate::toolbox::Toolbox;

/// Commits records and proves the commitment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetJob {
    /// Address of the owner, who registers it.
    pub owner: AccountAddress,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// The dataset registry that the proofs are for.
    pub target: Target,
    /// Terms under which agents may be trained on it.
    pub terms: Terms,
    /// All records, sealed for the owner.
    pub records: ArtefactId,
    /// Number of these records.
    pub count: u64,
    /// The version that they extend, if they are not a dataset of their own.
    pub earlier: Option<EarlierVersion>,
}

/// A dataset version that is extended, with the proofs of its shards, which are not made again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EarlierVersion {
    /// Its id.
    pub id: DatasetId,
    /// Id of the dataset's first version.
    pub root: DatasetId,
    /// Its shards, in order.
    pub shards: Vec<ShardBody>,
}

impl DatasetJob {
    /// The layout of its records.
    pub fn layout(&self) -> Result<Layout> {
        self.profile.layout(&Schema::from_json(&self.schema)?)
    }

    /// Index of its first new shard.
    #[must_use]
    pub fn first_shard(&self) -> u32 {
        self.earlier.as_ref().map_or(0, |earlier| earlier.shards.len() as u32)
    }
}

/// A shard that an agent is trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBody {
    /// Dataset id.
    pub dataset: DatasetId,
    /// Id of the dataset's first version.
    pub root: DatasetId,
    /// Owner of the shard, for whom the records are sealed.
    pub owner: AccountAddress,
    /// Index of the shard in the dataset.
    pub shard: u32,
    /// Digest of the shard's commitments.
    pub digest: ShardDigest,
    /// Number of records.
    pub count: u64,
    /// The sealed records.
    pub records: ArtefactId,
}

/// A committed and proven dataset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetBody {
    /// Id in the dataset registry.
    pub id: DatasetId,
    /// Id of its first version; its own if it is the first.
    pub root: DatasetId,
    /// The version that it extends; none if it is the first.
    pub previous: Option<DatasetId>,
    /// Address of the owner, who registers it.
    pub owner: AccountAddress,
    /// Canonical JSON of the schema.
    pub schema: String,
    /// Size of the circuits.
    pub profile: Profile,
    /// Hash of the layout.
    pub layout_hash: LayoutHash,
    /// The dataset registry that the proofs are for.
    pub target: Target,
    /// Terms under which agents may be trained on it.
    pub terms: Terms,
    /// Total number of records.
    pub count: u64,
    /// Its shards, in order.
    pub shards: Vec<ShardBody>,
}

impl DatasetBody {
    /// The layout of its records.
    pub fn layout(&self) -> Result<Layout> {
        self.profile.layout(&Schema::from_json(&self.schema)?)
    }

    /// Its shards, as an agent's are listed.
    pub fn sources(&self) -> impl Iterator<Item = SourceBody> + '_ {
        self.shards.iter().zip(0..).map(|(s, shard)| SourceBody {
            dataset: self.id,
            root: self.root,
            owner: s.owner,
            shard,
            digest: s.digest,
            count: s.count,
            records: s.records.clone(),
        })
    }

    /// Id of the schema.
    #[must_use]
    pub fn schema_id(&self) -> SchemaId {
        // the schema is stored as canonical JSON
        SchemaId::new(keccak(self.schema.as_bytes()))
    }
}

/// One committed shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardBody {
    /// Owner of the dataset when the shard was added: the proof names this account, and the records are sealed for it.
    pub owner: AccountAddress,
    /// Digest of the shard's commitments.
    pub digest: ShardDigest,
    /// Number of records.
    pub count: u64,
    /// The sealed records.
    pub records: ArtefactId,
    /// The proof that the shard is well formed.
    pub proof: ProofBody,
}

/// Proves one shard of a dataset of several, so that many workers prove a dataset together, and a retry repeats one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardJob {
    /// The dataset, without its earlier version.
    pub dataset: DatasetJob,
    /// The shard's index in the dataset, those of earlier versions counted.
    pub shard: u32,
    /// The shard's records, sealed for the owner.
    pub records: ArtefactId,
}

/// Commits a shard's records and proves them.
pub fn run_shard(job: &ShardJob, toolbox: &Toolbox) -> Result<ShardBody> {
    let records = toolbox.wait(toolbox.custody.records(&job.dataset.owner.to_string(), &job.records))?;
    let layout = job.dataset.layout()?;
    let prepared = prepare(&shape(&layout), toolbox)?;
    toolbox.progress("commit", 0, 1);
    prove_shard(&job.dataset, job.shard, &records, job.records.clone(), &layout, &prepared, toolbox)
}

/// Puts a dataset together from its proven shards, after those of the version that it extends; proves the new ones itself if
/// there are none.
pub fn run(job: &DatasetJob, proven: Vec<ShardBody>, toolbox: &Toolbox) -> Result<DatasetBody> {
    let layout = job.layout()?;
    let added = if proven.is_empty() { prove_all(job, &layout, toolbox)? } else { proven };
    let earlier = job.earlier.as_ref();
    let shards: Vec<ShardBody> = earlier.iter().flat_map(|e| &e.shards).cloned().chain(added).collect();
    let schema = Schema::from_json(&job.schema)?;
    let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
    let count = shards.iter().map(|s| s.count).sum();
    let id = dataset_id(&schema.id(), &layout.hash(), count, &digests);
    Ok(DatasetBody {
        id,
        root: earlier.map_or(id, |e| e.root),
        previous: earlier.map(|e| e.id),
        owner: job.owner,
        schema: job.schema.clone(),
        profile: job.profile,
        layout_hash: layout.hash(),
        target: job.target,
        terms: job.terms,
        count,
        shards,
    })
}

fn prove_all(job: &DatasetJob, layout: &Layout, toolbox: &Toolbox) -> Result<Vec<ShardBody>> {
    let tenant = job.owner.to_string();
    let records = toolbox.wait(toolbox.custody.records(&tenant, &job.records))?;
    let prepared = prepare(&shape(layout), toolbox)?;
    let cuts = shards(records.len(), layout.capacity());
    let mut proven = Vec::with_capacity(cuts.len());
    let first = job.first_shard();
    for (index, cut) in (first..).zip(&cuts) {
        toolbox.progress("commit", (index - first).into(), cuts.len() as u64);
        let part = records.slice(cut.clone());
        let stored = toolbox.wait(toolbox.custody.put_records(&tenant, &part))?;
        proven.push(prove_shard(job, index, &part, stored, layout, &prepared, toolbox)?);
    }
    Ok(proven)
}

fn prove_shard(
    job: &DatasetJob,
    shard: u32,
    records: &Records,
    stored: ArtefactId,
    layout: &Layout,
    prepared: &Prepared,
    toolbox: &Toolbox,
) -> Result<ShardBody> {
    let schema = Schema::from_json(&job.schema)?;
    let committer = toolbox.custody.committer(&job.owner.to_string())?;
    let committed = committer.records(&prepared.srs, layout, records)?;
    let context = DatasetContext {
        domain: job.target.domain(),
        owner: job.owner.0,
        schema: schema.id(),
        layout: layout.hash(),
        shard,
        records: records.len() as u64,
        terms: job.terms.hash(),
    };
    let opened = toolbox.custody.spend_openings(&[&committed])?;
    let circuit = DatasetCircuit::new(prepared.shape().clone(), &opened.groups()[0]);
    let inputs = vec![from_core(&context.ctx()), circuit.count()];
    let proof = prepared.prove(toolbox, &circuit, &opened, inputs)?;
    let digest = ShardDigest::new(*committed.digest().as_bytes());
    Ok(ShardBody { owner: job.owner, digest, count: records.len() as u64, records: stored, proof })
}

/// The dataset circuit of a layout.
#[must_use]
pub fn shape(layout: &Layout) -> ShapeBody {
    ShapeBody::of(Statement::Dataset, layout, Link::Squared)
}

/// Ranges of records; each fills a shard, except the last.
#[must_use]
pub fn shards(records: usize, capacity: usize) -> Vec<std::ops::Range<usize>> {
    (0..records).step_by(capacity.max(1)).map(|start| start..(start + capacity).min(records)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_keep_order_and_lose_nothing() {
        assert_eq!(shards(10, 10), vec![std::ops::Range { start: 0, end: 10 }]);
        assert_eq!(shards(11, 10), [0..10, 10..11]);
        assert!(shards(0, 10).is_empty());
    }
}
