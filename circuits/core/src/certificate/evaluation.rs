//! The evaluation file: how many records of a committed dataset a certified agent classifies correctly, and its loss.
//!
//! It contains the agent's whole certificate, so it can be checked on its own. What [`super`] says about a
//! certificate's fields, encoding and checksum also applies here.

use std::ops::Range;

use ark_bn254::Fr;
use serde::{Deserialize, Serialize};

use super::blame::{part, whole, Relations};
use super::registered::{check_unseen, Registered, RegisteredShard};
use super::relations::{all, context, equal, sentences, sum};
use super::{assemble, place, words, Certificate, CertificateError, FileProof, Hex};
use crate::context::{evaluation_ctx, Address, Terms};
use crate::digest::{dataset_id, keccak, Digest};
use crate::id::{DatasetId, SchemaId, ShardDigest, WeightsDigest};
use crate::layout::Task;
use crate::numbers::{real, LOSS_BITS, LOSS_LIMIT_BITS};
use crate::schema::Schema;
use crate::statement::{dataset, evaluation, Statement, CTX};

/// Value of the first field of an evaluation file.
pub const FORMAT: &str = "tribute-evaluation/1";

/// Accuracy and loss of a certified agent on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// [`FORMAT`].
    pub format: String,
    /// [`words::evaluation_proven`].
    pub proven: Vec<String>,
    /// [`words::evaluation_not_proven`].
    pub not_proven: Vec<String>,
    /// The agent's certificate.
    pub certificate: Certificate,
    /// The dataset, which has the certificate's schema, layout, chain and SRS.
    pub dataset: Evaluated,
    /// keccak256 of the file with this field set to zeros.
    pub checksum: Hex<32>,
}

/// A dataset with the number of correct answers and the loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// The dataset's id in the registry.
    pub dataset_id: DatasetId,
    /// The terms under which the dataset may train agents.
    pub terms: Terms,
    /// Records in all its shards.
    pub records: u64,
    /// Number of records for which the agent's answer is the record's class.
    pub correct: u64,
    /// Loss over all its records, units of 2^-20: the sum of the shards' losses.
    pub loss: u64,
    /// Its shards, in order.
    pub shards: Vec<EvaluatedShard>,
}

/// A shard with its two proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatedShard {
    /// Digest of the committed records.
    pub digest: ShardDigest,
    /// Who owned the dataset when the shard was registered.
    pub owner: Hex<20>,
    /// Number of records in the shard.
    pub records: u64,
    /// Number of records for which the agent's answer is the record's class.
    pub correct: u64,
    /// Loss over the shard's records, rounded down, units of 2^-20.
    pub loss: u64,
    /// Proves that the commitment is well formed.
    pub dataset_proof: FileProof,
    /// Proves the counts and the loss.
    pub evaluation_proof: FileProof,
}

/// The inputs of an evaluation file.
#[derive(Clone, Debug)]
pub struct EvaluationParts {
    /// The agent's certificate.
    pub certificate: Certificate,
    /// The dataset's terms.
    pub terms: Terms,
    /// The dataset's shards, in order.
    pub shards: Vec<EvaluatedParts>,
}

/// One shard's proofs.
#[derive(Clone, Debug)]
pub struct EvaluatedParts {
    /// Who owned the dataset when the shard was registered.
    pub owner: Address,
    /// The `dataset` proof.
    pub dataset: FileProof,
    /// The `evaluation` proof.
    pub evaluation: FileProof,
}

impl EvaluationParts {
    /// Assembles the evaluation and runs [`Evaluation::check`] on it.
    ///
    /// # Errors
    /// Fields that do not fit together, by their paths in the file.
    pub fn assemble(self) -> Result<Evaluation, CertificateError> {
        let layout = self.certificate.layout;
        let shard = |parts: EvaluatedParts| EvaluatedShard {
            digest: ShardDigest::new(assemble::prefix(&parts.dataset, layout.columns() + 1)),
            owner: Hex(parts.owner),
            records: assemble::unsigned(&parts.dataset, dataset::N),
            correct: assemble::unsigned(&parts.evaluation, evaluation::CORRECT),
            loss: assemble::unsigned(&parts.evaluation, evaluation::LOSS),
            dataset_proof: parts.dataset,
            evaluation_proof: parts.evaluation,
        };
        let shards: Vec<_> = self.shards.into_iter().map(shard).collect();
        let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
        let total = |f: fn(&EvaluatedShard) -> u64| shards.iter().map(f).fold(0, u64::saturating_add);
        let (records, correct, loss) = (total(|s| s.records), total(|s| s.correct), total(|s| s.loss));
        let schema_id = SchemaId::new(keccak(self.certificate.schema.as_bytes()));
        let said = |sentences: Vec<&str>| sentences.into_iter().map(str::to_owned).collect();
        let mut evaluation = Evaluation {
            format: FORMAT.into(),
            proven: said(words::evaluation_proven()),
            not_proven: said(words::evaluation_not_proven()),
            dataset: Evaluated {
                dataset_id: dataset_id(&schema_id, &layout.hash(), records, &digests),
                terms: self.terms,
                records,
                correct,
                loss,
                shards,
            },
            certificate: self.certificate,
            checksum: Hex::default(),
        };
        evaluation.checksum = Hex(evaluation.expected_checksum());
        evaluation.check()?;
        Ok(evaluation)
    }
}

impl Evaluated {
    /// [`owners`](super::owners) of its shards.
    #[must_use]
    pub fn owners(&self) -> Vec<(Hex<20>, Range<usize>)> {
        super::owners(self.shards.iter().map(|s| s.owner))
    }
}

impl Evaluation {
    /// Parses an evaluation without checking it.
    ///
    /// # Errors
    /// [`CertificateError::Json`], [`CertificateError::Encoding`].
    pub fn from_json(text: &[u8]) -> Result<Self, CertificateError> {
        place::read(text)
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        place::write(self)
    }

    /// The correct value of [`Evaluation::checksum`].
    #[must_use]
    pub fn expected_checksum(&self) -> Digest {
        keccak(Evaluation { checksum: Hex::default(), ..self.clone() }.to_json().as_bytes())
    }

    /// Fraction of the records that the agent answers correctly.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.dataset.correct as f64 / self.dataset.records as f64
    }

    /// Mean loss of a record; the certificate's link decides which loss.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        real(self.dataset.loss, LOSS_BITS) / self.dataset.records as f64
    }

    /// Checks everything about the dataset that can be checked without a proof verifier.
    ///
    /// Not checked here: the certificate (see [`Certificate::check`] for that), the proofs, [`Evaluation::checksum`].
    ///
    /// # Errors
    /// [`CertificateError::Field`] names the suspect fields.
    pub fn check(&self) -> Result<Relations, CertificateError> {
        let (certificate, dataset) = (&self.certificate, &self.dataset);
        let schema = Schema::from_json(&certificate.schema)
            .map_err(|e| CertificateError::field("certificate.schema", e.to_string()))?;
        self.check_sizes()?;
        let mut relations = Relations::default();
        let r = &mut relations;
        r.relate(self.format == FORMAT, all(["format"]), || format!("`{}`, expected `{FORMAT}`", self.format));
        sentences(r, "proven", &self.proven, &words::evaluation_proven(), |_| None);
        sentences(r, "not_proven", &self.not_proven, &words::evaluation_not_proven(), |_| None);
        let registered = Registered {
            certificate,
            within: "certificate.",
            schema: &schema,
            path: "dataset".into(),
            id: dataset.dataset_id,
            terms: dataset.terms,
            records: dataset.records,
            shards: dataset
                .shards
                .iter()
                .map(|s| RegisteredShard {
                    digest: s.digest,
                    owner: s.owner.0,
                    records: s.records,
                    proof: &s.dataset_proof,
                })
                .collect(),
        };
        for (j, shard) in dataset.shards.iter().enumerate() {
            registered.check_shard(r, j);
            self.check_counts(r, j, shard);
        }
        registered.check(r);
        let fields = |field: &str| {
            let shards = (0..dataset.shards.len()).map(|j| format!("dataset.shards[{j}].{field}"));
            all(std::iter::once(format!("dataset.{field}")).chain(shards))
        };
        let correct = sum(dataset.shards.iter().map(|s| s.correct));
        r.relate(correct == Some(dataset.correct), fields("correct"), || "not the sum of the shards' counts".into());
        let loss = sum(dataset.shards.iter().map(|s| s.loss));
        r.relate(loss == Some(dataset.loss), fields("loss"), || "not the sum of the shards' losses".into());
        r.limit(dataset.loss >> LOSS_LIMIT_BITS == 0, vec!["dataset.loss".into()], || {
            format!("{} is not below 2^{LOSS_LIMIT_BITS}", dataset.loss)
        });
        relations.verdict()?;
        Ok(relations)
    }

    /// Checks the counts that later code uses as indices, that no record is counted twice, and that the certificate
    /// lists none of the shards.
    fn check_sizes(&self) -> Result<(), CertificateError> {
        let (certificate, shards) = (&self.certificate, &self.dataset.shards);
        if certificate.layout.task() != Task::Classes {
            let reason = "an agent with a real-valued target does not predict classes, so it has no accuracy";
            return Err(CertificateError::field("certificate.layout.task", reason));
        }
        let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
        check_unseen(certificate, "dataset.shards", &digests, "the agent was trained on this shard")?;
        for (j, shard) in shards.iter().enumerate() {
            let at = |field: &str| format!("dataset.shards[{j}].{field}");
            for (name, statement, proof) in [
                ("dataset_proof", Statement::Dataset, &shard.dataset_proof),
                ("evaluation_proof", Statement::Evaluation, &shard.evaluation_proof),
            ] {
                proof.check(&certificate.layout, statement, &at(name), "certificate.layout.columns")?;
            }
        }
        Ok(())
    }

    /// Checks one shard's `evaluation` proof.
    fn check_counts(&self, r: &mut Relations, j: usize, shard: &EvaluatedShard) {
        let (certificate, proof) = (&self.certificate, &shard.evaluation_proof);
        let at = |field: &str| format!("dataset.shards[{j}].{field}");
        let input = |i: usize| at(&format!("evaluation_proof.inputs[{i}]"));
        let bytes = || part(at("evaluation_proof.bytes"));
        let group = |group: usize| proof.group(&certificate.layout, Statement::Evaluation, group);
        let (records, weights) = (ShardDigest::new(group(0)), WeightsDigest::new(group(1)));
        r.relate(records == shard.digest, vec![whole(at("digest")), bytes()], || {
            format!("the proof's records have digest {records}")
        });
        let agent = &certificate.agent;
        let fields = vec![whole("certificate.agent.weights_digest"), bytes()];
        r.relate(weights == agent.weights_digest, fields, || format!("the evaluation proof is for weights {weights}"));
        for (i, value, field) in [
            (evaluation::N, shard.records, "records"),
            (evaluation::CORRECT, shard.correct, "correct"),
            (evaluation::LOSS, shard.loss, "loss"),
        ] {
            equal(r, &proof.inputs[i], input(i), Fr::from(value), at(field));
        }
        r.limit(shard.loss >> LOSS_LIMIT_BITS == 0, vec![at("loss")], || {
            format!("{} is not below 2^{LOSS_LIMIT_BITS}", shard.loss)
        });
        r.limit(shard.records > 0, vec![at("records")], || "a shard has at least one record".into());
        r.limit(shard.correct <= shard.records, vec![at("correct")], || {
            format!("{} of {} records", shard.correct, shard.records)
        });
        let (domain, id) = (certificate.chain.agents(), &self.dataset.dataset_id);
        let expected = evaluation_ctx(&domain, &agent.id, agent.version, &agent.weights_digest, id, j as u32);
        let mut fields = vec![whole(input(CTX)), whole("dataset.dataset_id"), part("dataset.shards")];
        fields.extend(all([
            "agent.id",
            "agent.version",
            "agent.weights_digest",
            "chain.chain_id",
            "chain.agent_registry",
        ]
        .map(|field| format!("certificate.{field}"))));
        context(r, &proof.inputs[CTX], expected, fields);
    }
}
