//! Relations of a registered dataset, shared by all files that contain one.

use ark_bn254::Fr;

use super::blame::{part, whole, Relations};
use super::relations::{all, context, equal, sum};
use super::{Certificate, CertificateError, Dataset, FileProof};
use crate::context::{Address, DatasetContext, Terms};
use crate::digest::dataset_id;
use crate::id::{DatasetId, ShardDigest};
use crate::schema::Schema;
use crate::statement::{dataset, Statement, CTX};

const LAYOUT_FIELDS: [&str; 6] =
    ["layout.k", "layout.columns", "layout.features", "layout.classes", "layout.task", "layout.intercept_scale"];
const TERMS_FIELDS: [&str; 5] =
    ["terms.min_data_bps", "terms.open_training", "terms.min_share_bps", "terms.min_price", "terms.links"];
const DATASET_CHAIN: [&str; 2] = ["chain.chain_id", "chain.dataset_registry"];

/// Checks that the dataset whose shards stand at `path` has shards, each once, and none that the certificate lists;
/// `trained` says what is wrong with that.
pub(crate) fn check_unseen(
    certificate: &Certificate,
    path: &str,
    digests: &[ShardDigest],
    trained: &str,
) -> Result<(), CertificateError> {
    if digests.is_empty() {
        return Err(CertificateError::field(path, "a dataset has at least one shard"));
    }
    for (j, digest) in digests.iter().enumerate() {
        let at = |j: usize| format!("{path}[{j}].digest");
        if let Some(twin) = digests[..j].iter().position(|d| d == digest) {
            return Err(CertificateError::Field {
                fields: vec![at(twin), at(j)],
                reason: "the same shard stands twice".into(),
            });
        }
        for (i, listed) in certificate.datasets.iter().enumerate() {
            if let Some(k) = listed.shards.iter().position(|s| s.digest == *digest) {
                let fields = vec![at(j), format!("certificate.datasets[{i}].shards[{k}].digest")];
                return Err(CertificateError::Field { fields, reason: trained.into() });
            }
        }
    }
    Ok(())
}

/// A dataset's fields with their paths.
pub(crate) struct Registered<'a> {
    /// The certificate whose chain, schema and layout apply to the dataset.
    pub(crate) certificate: &'a Certificate,
    /// Prefix of the certificate's paths: empty, or its path in the file followed by a dot.
    pub(crate) within: &'static str,
    pub(crate) schema: &'a Schema,
    /// Path of the dataset.
    pub(crate) path: String,
    pub(crate) id: DatasetId,
    pub(crate) terms: Terms,
    pub(crate) records: u64,
    pub(crate) shards: Vec<RegisteredShard<'a>>,
}

/// A shard's fields.
pub(crate) struct RegisteredShard<'a> {
    pub(crate) digest: ShardDigest,
    pub(crate) owner: Address,
    pub(crate) records: u64,
    pub(crate) proof: &'a FileProof,
}

impl<'a> Registered<'a> {
    /// A dataset listed in a certificate.
    pub(crate) fn of(certificate: &'a Certificate, i: usize, dataset: &'a Dataset, schema: &'a Schema) -> Self {
        let shard = |s: &'a super::Shard| RegisteredShard {
            digest: s.digest,
            owner: s.owner.0,
            records: s.records,
            proof: &s.dataset_proof,
        };
        Registered {
            certificate,
            within: "",
            schema,
            path: format!("datasets[{i}]"),
            id: dataset.dataset_id,
            terms: dataset.terms,
            records: dataset.records,
            shards: dataset.shards.iter().map(shard).collect(),
        }
    }

    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    fn shard(&self, j: usize, field: &str) -> String {
        format!("{}.shards[{j}].{field}", self.path)
    }

    fn certificates<const N: usize>(&self, fields: [&str; N]) -> Vec<super::blame::Field> {
        all(fields.map(|field| format!("{}{field}", self.within)))
    }

    /// Checks one shard and its `dataset` proof.
    pub(crate) fn check_shard(&self, r: &mut Relations, j: usize) {
        let (RegisteredShard { digest, owner, records, proof }, layout) = (&self.shards[j], &self.certificate.layout);
        let within = |field: &str| format!("{}{field}", self.within);
        let got = ShardDigest::new(proof.group(layout, Statement::Dataset, 0));
        let bytes = part(self.shard(j, "dataset_proof.bytes"));
        let fields = vec![whole(self.shard(j, "digest")), bytes, whole(within("layout.columns"))];
        r.relate(*digest == got, fields, || format!("the proof's records have digest {got}"));
        let count = self.shard(j, &format!("dataset_proof.inputs[{}]", dataset::N));
        equal(r, &proof.inputs[dataset::N], count, Fr::from(*records), self.shard(j, "records"));

        let expected = DatasetContext {
            domain: self.certificate.chain.datasets(),
            owner: *owner,
            schema: self.schema.id(),
            layout: layout.hash(),
            shard: j as u32,
            records: *records,
            terms: self.terms.hash(),
        };
        let mut fields = vec![
            whole(self.shard(j, "dataset_proof.inputs[0]")),
            whole(self.shard(j, "owner")),
            whole(self.shard(j, "records")),
            whole(within("schema")),
            part(self.at("shards")), // the position
        ];
        fields.extend(all(TERMS_FIELDS.map(|field| self.at(field))));
        fields.extend(self.certificates(DATASET_CHAIN));
        fields.extend(self.certificates(LAYOUT_FIELDS));
        context(r, &proof.inputs[CTX], expected.ctx(), fields);
    }

    /// Checks the totals, the dataset id and the terms.
    pub(crate) fn check(&self, r: &mut Relations) {
        let shards = |field: &str| (0..self.shards.len()).map(|j| self.shard(j, field)).collect::<Vec<_>>();
        let mut fields = vec![whole(self.at("records"))];
        fields.extend(all(shards("records")));
        fields.push(part(self.at("shards")));
        let records = sum(self.shards.iter().map(|s| s.records));
        r.relate(records == Some(self.records), fields, || "not the sum of the shards' records".into());

        let digests: Vec<ShardDigest> = self.shards.iter().map(|s| s.digest).collect();
        let id = dataset_id(&self.schema.id(), &self.certificate.layout.hash(), self.records, &digests);
        let mut fields =
            vec![whole(self.at("dataset_id")), whole(format!("{}schema", self.within)), whole(self.at("records"))];
        fields.extend(self.certificates(LAYOUT_FIELDS));
        fields.extend(all(shards("digest")));
        fields.push(part(self.at("shards")));
        r.relate(self.id == id, fields, || format!("a dataset of these shards has the id {id}"));

        let bps = self.terms.min_data_bps;
        r.limit(bps <= 10_000, vec![self.at("terms.min_data_bps")], || format!("{bps} basis points, at most 10000"));
        let bps = self.terms.min_share_bps;
        r.limit(bps <= 10_000, vec![self.at("terms.min_share_bps")], || format!("{bps} basis points, at most 10000"));
    }
}
