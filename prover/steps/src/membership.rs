//! A file with one record of a committed dataset and the proof that the dataset contains it. The dataset's owner makes
//! it; anyone can check it, without a service or any other data of the dataset.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use tribute_core::digest::dataset_id;
use tribute_core::hexed::{Hex, HexBytes};
use tribute_core::id::{DatasetId, RecordContext, ShardDigest, SrsDigest};
use tribute_core::layout::Layout;
use tribute_core::opening::RecordClaim;
use tribute_core::opening::RecordOpening;
use tribute_core::schema::{Schema, Target};
use tribute_engine::srs::{Srs, SrsStore};
use tribute_problem::{Problem, Result};
use tribute_verify::{verify_record, VerifierSrs};

use crate::dataset::DatasetBody;

const FORMAT: &str = "tribute.record.v1";

/// Position of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Index of the shard in the dataset.
    pub shard: u32,
    /// Index of the record in the shard. (Its number in the dataset depends on how many records earlier shards have: those of
    /// a dataset that has grown need not be full.)
    pub index: u64,
}

/// An opened record with its proof, as stored in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownRecord {
    format: String,
    dataset_id: DatasetId,
    srs_digest: SrsDigest,
    schema: String,
    layout: Layout,
    records: u64,
    shard_digests: Vec<ShardDigest>,
    place: Position,
    points: HexBytes,
    features: HexBytes,
    target: u16,
    context: RecordContext,
    quotient: Hex<64>,
    remainder: Hex<64>,
}

/// What the checker trusts and expects.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Accept records opened under the development SRS, for which anyone can forge them.
    pub allow_dev_srs: bool,
    /// The SRS file or folder.
    pub srs: Option<PathBuf>,
    /// The dataset that must contain the record.
    pub dataset: Option<DatasetId>,
    /// The context that the record must have been opened for.
    pub context: Option<RecordContext>,
}

impl ShownRecord {
    /// Combines an opening with everything needed to check it.
    #[must_use]
    pub fn new(
        dataset: &DatasetBody,
        srs: &Srs,
        place: Position,
        claim: &RecordClaim,
        opening: &RecordOpening,
    ) -> Self {
        ShownRecord {
            format: FORMAT.into(),
            dataset_id: dataset.id,
            srs_digest: srs.digest(),
            schema: dataset.schema.clone(),
            layout: claim.layout,
            records: dataset.count,
            shard_digests: dataset.shards.iter().map(|s| s.digest).collect(),
            place,
            points: HexBytes(claim.points.clone()),
            features: HexBytes(claim.features.clone()),
            target: claim.target,
            context: claim.context,
            quotient: Hex(opening.quotient),
            remainder: Hex(opening.remainder),
        }
    }

    /// Serialises the record as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(self)?)
    }

    /// Parses the JSON of a shown record.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let record: ShownRecord = serde_json::from_slice(json)
            .map_err(|e| Problem::field("record", format!("is not a shown record: {e}")))?;
        if record.format != FORMAT {
            return Err(Problem::field("format", format!("is `{}`, but this program reads `{FORMAT}`", record.format)));
        }
        Ok(record)
    }

    /// Checks that the dataset contains the record, and describes the record. Everything described follows from the
    /// dataset's id, which is a hash of schema, layout, record count and shards.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn check(&self, options: &Options) -> Result<Value> {
        let schema = Schema::from_json(&self.schema)?;
        let id = dataset_id(&schema.id(), &self.layout.hash(), self.records, &self.shard_digests);
        same("dataset_id", id, self.dataset_id)?;
        if let Some(wanted) = options.dataset {
            same("dataset_id", wanted, self.dataset_id)?;
        }
        if let Some(wanted) = options.context {
            same("context", wanted, self.context)?;
        }
        let expected = schema.layout(self.layout.k(), self.layout.columns())?;
        if expected != self.layout {
            return Err(Problem::field("layout", "does not match the schema"));
        }
        let claim = RecordClaim {
            layout: self.layout,
            points: self.points.0.clone(),
            index: self.place.index,
            features: self.features.0.clone(),
            target: self.target,
            context: self.context,
        };
        claim.check().map_err(|e| Problem::field("place", e.to_string()))?;
        let own = schema.features().len();
        if self.features.0.iter().skip(own).any(|q| *q != 0) {
            let text = format!("the schema has {own} features, but a padding feature is not 0");
            return Err(Problem::field("features", text));
        }
        let shard = self.shard_digests.get(self.place.shard as usize).copied();
        let shard = shard.ok_or_else(|| {
            Problem::field("place", format!("shard {} of {}", self.place.shard, self.shard_digests.len()))
        })?;
        same("points", shard, claim.shard())?;
        let srs = self.srs(options)?;
        let srs = VerifierSrs::read(&srs.points())
            .ok_or_else(|| Problem::field("srs", "its points are not in the right groups"))?;
        let opening = RecordOpening { quotient: self.quotient.0, remainder: self.remainder.0 };
        verify_record(&srs, &claim, &opening).map_err(|e| Problem::field("record", e.to_string()))?;
        Ok(self.described(&schema))
    }

    fn srs(&self, options: &Options) -> Result<Srs> {
        let development = self.srs_digest == Srs::development_digest();
        if development && !options.allow_dev_srs {
            let text = "the record was opened under the development SRS, for which anyone can forge records; \
                 --allow-dev-srs accepts it nevertheless";
            return Err(Problem::field("srs_digest", text));
        }
        let source = options.srs.as_deref().filter(|_| !development);
        if !development && source.is_none() {
            return Err(Problem::field(
                "srs_digest",
                format!("give the file of the SRS {} with --srs", self.srs_digest),
            ));
        }
        let unusable = |e: tribute_engine::srs::SrsError| Problem::field("srs", e.to_string());
        let srs = SrsStore::open(source, None).and_then(|s| s.get(self.layout.k())).map_err(unusable)?;
        if srs.digest() != self.srs_digest {
            let text =
                format!("the record was opened under the SRS {}, but --srs has {}", self.srs_digest, srs.digest());
            return Err(Problem::field("srs", text));
        }
        Ok(srs)
    }

    fn described(&self, schema: &Schema) -> Value {
        let features: serde_json::Map<String, Value> =
            schema.features().iter().zip(&self.features.0).map(|(f, q)| (f.name.clone(), json!(q))).collect();
        let label = match schema.target() {
            Target::Classes(names) => names.get(usize::from(self.target)).map(|name| json!(name)),
            Target::Real { .. } => None,
        };
        json!({
            "dataset_id": self.dataset_id.to_string(),
            "shard": self.place.shard,
            "index": self.place.index,
            "records": self.records,
            "features": features,
            "target": self.target,
            "label": label,
            "context": self.context.to_string(),
            "srs_digest": self.srs_digest.to_string(),
            "development_srs": self.srs_digest == Srs::development_digest(),
        })
    }
}

fn same<T: PartialEq + std::fmt::Display>(field: &str, expected: T, got: T) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Problem::field(field, format!("is {got}, expected {expected}")))
}
