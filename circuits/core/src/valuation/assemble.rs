//! Assembles a valuation from its proofs; every other field is read from them.

use serde::{Deserialize, Serialize};

use super::{stated, words, Coalition, Sampling, TestSet, TestShard, Training, Valuation, Value, FORMAT};
use crate::certificate::{prefix, unsigned, Certificate, CertificateError, Contribution, Dataset, FileProof, Hex};
use crate::context::{Address, Terms};
use crate::digest::{dataset_id, keccak};
use crate::head::uniform_loss;
use crate::id::{SchemaId, ShardDigest, WeightsDigest};
use crate::statement::dataset;

/// The inputs of a valuation.
#[derive(Clone, Debug)]
pub struct ValuationParts {
    /// The agent's certificate.
    pub certificate: Certificate,
    /// The test set's terms.
    pub terms: Terms,
    /// Every shard of the test set, in order: who owned the dataset when it was registered, and its `dataset` proof.
    pub shards: Vec<(Address, FileProof)>,
    /// How coalitions were drawn; none if there are all of them.
    pub sampling: Option<Sampling>,
    /// The coalitions, in any order.
    pub coalitions: Vec<CoalitionParts>,
}

/// One coalition's proofs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoalitionParts {
    /// Positions of its owners among those of the certificate's datasets, in order of their first dataset; ascending.
    pub owners: Vec<u32>,
    /// Digest of the committed weights.
    pub weights_digest: WeightsDigest,
    /// Gradients and optimum; none for all owners.
    pub training: Option<Training>,
    /// The `evaluation` proof of every test shard, in order.
    pub evaluations: Vec<FileProof>,
}

/// The [latest owners](crate::certificate::Dataset::latest_owner) of a certificate's datasets, in order of their first
/// dataset.
#[must_use]
pub fn owners(certificate: &Certificate) -> Vec<Hex<20>> {
    let mut owners = Vec::new();
    for owner in certificate.datasets.iter().map(Dataset::latest_owner) {
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    owners
}

impl ValuationParts {
    /// Assembles the valuation and runs [`Valuation::check`] on it.
    ///
    /// # Errors
    /// Fields that do not fit together, by their paths in the file.
    pub fn assemble(self) -> Result<Valuation, CertificateError> {
        let certificate = self.certificate;
        let (layout, link) = (certificate.layout, certificate.loss.link);
        let shard = |(owner, proof): (Address, FileProof)| TestShard {
            owner: Hex(owner),
            digest: ShardDigest::new(prefix(&proof, layout.columns() + 1)),
            records: unsigned(&proof, dataset::N),
            dataset_proof: proof,
        };
        let shards: Vec<TestShard> = self.shards.into_iter().map(shard).collect();
        let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
        let records = shards.iter().map(|s| s.records).fold(0, u64::saturating_add);
        let schema_id = SchemaId::new(keccak(certificate.schema.as_bytes()));
        let mut coalitions: Vec<Coalition> = self
            .coalitions
            .into_iter()
            .map(|parts| {
                let stated: Vec<(u64, u64)> = parts.evaluations.iter().map(stated).collect();
                Coalition {
                    owners: parts.owners,
                    weights_digest: parts.weights_digest,
                    loss: stated.iter().fold(0, |sum, (loss, _)| sum.saturating_add(*loss)),
                    correct: stated.iter().fold(0, |sum, (_, correct)| sum.saturating_add(*correct)),
                    training: parts.training,
                    evaluations: parts.evaluations,
                }
            })
            .collect();
        coalitions.sort_by_key(Coalition::mask);
        let uniform = |s: &TestShard| uniform_loss(&layout, link, s.records).unwrap_or(u64::MAX);
        let said = |sentences: Vec<&str>| sentences.into_iter().map(str::to_owned).collect();
        let mut valuation = Valuation {
            format: FORMAT.into(),
            proven: said(words::proven()),
            not_proven: said(words::not_proven()),
            test: TestSet {
                dataset_id: dataset_id(&schema_id, &layout.hash(), records, &digests),
                terms: self.terms,
                records,
                shards,
            },
            owners: owners(&certificate),
            sampling: self.sampling,
            uniform_loss: 0,
            coalitions,
            denominator: 0,
            values: Vec::new(),
            certificate,
            checksum: Hex::default(),
        };
        valuation.uniform_loss = valuation.test.shards.iter().map(uniform).fold(0, u64::saturating_add);
        // before coalitions are counted, and drawn
        valuation.check_sampling()?;
        valuation.set_values();
        valuation.checksum = Hex(valuation.expected_checksum());
        valuation.check()?;
        Ok(valuation)
    }
}

impl Valuation {
    /// Computes values, denominator and balls anew from the losses.
    pub fn set_values(&mut self) {
        let values = self.expected_values();
        self.denominator = values.denominator;
        let balls = self.expected_balls();
        self.values = (self.owners.iter().zip(values.numerators).zip(values.half_widths).zip(balls))
            .map(|(((owner, n), half_width), ball)| Value {
                owner: *owner,
                numerator: Contribution(n),
                half_width,
                ball,
            })
            .collect();
    }
}
