//! Assembles a certificate from its proofs; every other field is read from them.

use super::contributions::{contribution, share_units};
use super::{
    words, Agent, Certificate, CertificateError, Chain, Contribution, Dataset, FileProof, Hex, Loss, Optimum, Shard,
    SrsName, FORMAT,
};
use crate::context::{Address, Terms};
use crate::digest::{dataset_id, group_digest, Digest};
use crate::id::{AgentId, ShardDigest, WeightsDigest};
use crate::layout::Layout;
use crate::link::Link;
use crate::schema::Schema;
use crate::statement::{dataset, gradient, optimum};

/// The inputs of a certificate.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Chain and contracts for which the proofs were made.
    pub chain: Chain,
    /// The SRS under which the proofs were made.
    pub srs: SrsName,
    /// The schema of the records.
    pub schema: Schema,
    /// Rows and columns.
    pub layout: Layout,
    /// Link function.
    pub link: Link,
    /// The agent's id in the registry.
    pub agent: AgentId,
    /// The agent's version.
    pub version: u32,
    /// The agent's owner.
    pub owner: Address,
    /// Datasets, in the version's order.
    pub datasets: Vec<DatasetParts>,
    /// The `optimum` proof.
    pub optimum: FileProof,
}

/// One dataset's inputs.
#[derive(Clone, Debug)]
pub struct DatasetParts {
    /// The dataset's terms.
    pub terms: Terms,
    /// The dataset's shards, in order.
    pub shards: Vec<ShardParts>,
}

/// One shard's proofs.
#[derive(Clone, Debug)]
pub struct ShardParts {
    /// Who owned the dataset when the shard was registered.
    pub owner: Address,
    /// The `dataset` proof.
    pub dataset: FileProof,
    /// The `gradient` proof.
    pub gradient: FileProof,
}

impl Parts {
    /// Assembles the certificate and runs [`Certificate::check`] on it.
    ///
    /// # Errors
    /// Fields that do not fit together, by their paths in the certificate.
    pub fn assemble(self) -> Result<Certificate, CertificateError> {
        let (schema_id, layout) = (self.schema.id(), self.layout);
        let datasets = self.datasets.into_iter().map(|parts| {
            let shards: Vec<Shard> = parts.shards.into_iter().map(|s| shard(&layout, s)).collect();
            let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
            let records = shards.iter().fold(0u64, |sum, s| sum.saturating_add(s.records));
            // `check` rejects an input that is missing or too large
            let units =
                |s: &Shard| s.gradient_proof.inputs.get(gradient::CONTRIBUTION).and_then(|w| contribution(&w.0));
            let contribution = shards.iter().filter_map(units).fold(0i128, i128::saturating_add);
            Dataset {
                dataset_id: dataset_id(&schema_id, &layout.hash(), records, &digests),
                terms: parts.terms,
                records,
                contribution: Contribution(contribution),
                share: 0,
                shards,
            }
        });
        let datasets = datasets.collect();
        let said = |sentences: Vec<&str>| sentences.into_iter().map(str::to_owned).collect();
        let mut certificate = Certificate {
            format: FORMAT.into(),
            proven: said(words::proven()),
            not_proven: said(words::not_proven()),
            chain: self.chain,
            srs: self.srs,
            schema: self.schema.canonical(),
            layout,
            loss: Loss { link: self.link, lambda: unsigned(&self.optimum, optimum::LAMBDA) },
            agent: Agent {
                id: self.agent,
                version: self.version,
                owner: Hex(self.owner),
                weights_digest: WeightsDigest::new(prefix(&self.optimum, 1)),
            },
            datasets,
            optimum: Optimum {
                records: unsigned(&self.optimum, optimum::N),
                epsilon: unsigned(&self.optimum, optimum::EPSILON),
                norm: unsigned(&self.optimum, optimum::NORM),
                proof: self.optimum,
            },
            checksum: Hex::default(),
        };
        let shards = certificate.datasets.iter().map(|d| d.shards.len() as u64).sum();
        if let Ok(contributions) = certificate.contributions(shards) {
            for (i, dataset) in certificate.datasets.iter_mut().enumerate() {
                dataset.share = share_units(&contributions, i);
            }
        }
        certificate.checksum = Hex(certificate.expected_checksum());
        certificate.check()?;
        Ok(certificate)
    }
}

fn shard(layout: &Layout, parts: ShardParts) -> Shard {
    Shard {
        digest: ShardDigest::new(prefix(&parts.dataset, layout.columns() + 1)),
        owner: Hex(parts.owner),
        records: unsigned(&parts.dataset, dataset::N),
        dataset_proof: parts.dataset,
        gradient_proof: parts.gradient,
    }
}

/// Digest of the first `points` points of a proof.
pub(crate) fn prefix(proof: &FileProof, points: usize) -> Digest {
    group_digest(proof.bytes.0.get(..64 * points).unwrap_or_default())
}

// An input that is missing or too large becomes a value that `check` rejects.

pub(crate) fn unsigned(proof: &FileProof, input: usize) -> u64 {
    let Some(word) = proof.inputs.get(input) else { return u64::MAX };
    let (high, low) = word.0.split_at(24);
    if high.iter().any(|b| *b != 0) {
        return u64::MAX;
    }
    low.iter().fold(0, |x, b| (x << 8) | u64::from(*b))
}
