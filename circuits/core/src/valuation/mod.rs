//! The valuation file: what each owner's data was worth to a certified agent, on a test set that it was not trained on.
//!
//! Every coalition of the owners was trained at the agent's loss, link and λ, and proven to be the optimum over exactly
//! its datasets; its loss on the test set is proven as well. From these losses follow the Shapley values, in exact
//! rationals: [`shapley`]; beyond a few owners, estimates of them: [`sampled`]. The file contains the agent's certificate,
//! whose datasets are those valued and whose proofs are those of the coalition of all owners. What [`crate::certificate`]
//! says about a certificate's fields, encoding and checksum also applies here.
//!
//! | file | contents |
//! |---|---|
//! | [`mod`](self) | the fields, reading and writing |
//! | `assemble` | assembling a valuation from its proofs |
//! | `check` | every relation between the fields |
//! | [`shapley`] | coalitions and exact values |
//! | [`sampled`] | permutations, and estimates with confidence intervals |
//! | [`ball`] | how far a loss can be from that of the exact optimum |
//! | [`weights`] | the whole numbers that contracts pay by |
//! | [`words`] | plain-language statements of what is proven and what is not |

mod assemble;
pub mod ball;
mod check;
pub mod sampled;
pub mod shapley;
#[cfg(test)]
mod tests;
pub mod weights;
pub mod words;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use assemble::{owners, CoalitionParts, ValuationParts};

use crate::certificate::{place, Certificate, CertificateError, Contribution, FileProof, Hex};
use crate::context::Terms;
use crate::digest::{keccak, Digest, Words};
use crate::id::{DatasetId, ShardDigest, WeightsDigest};
use crate::statement::{evaluation, optimum};

use self::ball::Measured;

/// Value of the first field of a valuation.
pub const FORMAT: &str = "tribute-valuation/1";

/// What each owner's data is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valuation {
    /// [`FORMAT`].
    pub format: String,
    /// [`words::proven`].
    pub proven: Vec<String>,
    /// [`words::not_proven`].
    pub not_proven: Vec<String>,
    /// The agent's certificate.
    pub certificate: Certificate,
    /// The test set, which has the certificate's schema, layout, chain and SRS.
    pub test: TestSet,
    /// The [latest owners](Dataset::latest_owner) of the certificate's datasets, in order of their first dataset.
    pub owners: Vec<Hex<20>>,
    /// How coalitions were drawn; none if there are all of them.
    pub sampling: Option<Sampling>,
    /// Loss of the uniform answer on the test set, units of 2^-20: the utility of no data at all is 0.
    pub uniform_loss: u64,
    /// The coalitions in order of their masks, owner `i` at bit `i`; the last one is of all owners.
    pub coalitions: Vec<Coalition>,
    /// Common denominator of the values: `k!` for k owners, with m permutations `m·k²·(k − 1)`.
    pub denominator: u64,
    /// One value per owner, in their order. They sum to the agent's utility.
    pub values: Vec<Value>,
    /// keccak256 of the file with this field set to zeros.
    pub checksum: Hex<32>,
}

/// The records on which all coalitions are evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSet {
    /// The dataset's id in the registry.
    pub dataset_id: DatasetId,
    /// The terms under which the dataset may train agents.
    pub terms: Terms,
    /// Records in all its shards.
    pub records: u64,
    /// Its shards, in order.
    pub shards: Vec<TestShard>,
}

/// A shard of the test set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestShard {
    /// Digest of the committed records.
    pub digest: ShardDigest,
    /// Who owned the dataset when the shard was registered: nobody who ever registered a shard that is valued.
    pub owner: Hex<20>,
    /// Number of records in the shard.
    pub records: u64,
    /// Proves that the commitment is well formed.
    pub dataset_proof: FileProof,
}

/// Permutations of the owners, drawn after everything that they could favour was fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// A public random value that nobody knew when datasets, test set, λ and the number of permutations were committed.
    pub beacon: Hex<32>,
    /// Number of permutations.
    pub permutations: u32,
}

/// One coalition: the optimum over its datasets, and its loss on the test set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coalition {
    /// Positions of its owners, ascending.
    pub owners: Vec<u32>,
    /// Digest of the committed weights.
    pub weights_digest: WeightsDigest,
    /// Loss over the test set, units of 2^-20: the sum of the shards' losses.
    pub loss: u64,
    /// Number of test records for which the answer is the record's class.
    pub correct: u64,
    /// Proves the optimum; none for the coalition of all owners, whose proofs are the certificate's.
    pub training: Option<Training>,
    /// The `evaluation` proof of every test shard, in order.
    pub evaluations: Vec<FileProof>,
}

/// The proofs of a coalition's optimum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The `gradient` proof of every shard of its datasets, in the certificate's order.
    pub gradients: Vec<FileProof>,
    /// The `optimum` proof.
    pub optimum: FileProof,
}

/// An owner's Shapley value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The owner.
    pub owner: Hex<20>,
    /// The value times the [`denominator`](Valuation::denominator), units of 2^-20 of the loss over the test set.
    pub numerator: Contribution,
    /// Half the width of the confidence interval, in these units, the same for all owners: their intervals hold at once with
    /// 95 %, by a normal approximation ([`sampled`]). 0 if every coalition is there.
    pub half_width: u64,
    /// How far the value can be from that of the exact optima, in these units, rounded up: see [`ball`].
    pub ball: u64,
}

impl Sampling {
    /// Whether it names a beacon. Zeros are what the chain says as long as nobody has fixed one: everybody knew them before.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        self.beacon != Hex::default()
    }

    /// The seed of the permutations: the beacon with everything that was committed before it was known.
    #[must_use]
    pub fn seed(&self, certificate: &Certificate, test: &DatasetId) -> Digest {
        Words::new()
            .word(&keccak(b"tribute.valuation.v1"))
            .word(&self.beacon.0)
            .uint(u128::from(self.permutations))
            .word(&crate::context::list_hash(certificate.datasets.iter().map(|d| d.dataset_id)))
            .word(test.as_bytes())
            .uint(u128::from(certificate.loss.lambda))
            .uint(u128::from(certificate.loss.link.code()))
            .keccak()
    }

    /// The permutations of the owners of a certificate's datasets, drawn for this test set.
    #[must_use]
    pub fn permutations(&self, certificate: &Certificate, test: &DatasetId) -> Vec<Vec<usize>> {
        sampled::permutations(&self.seed(certificate, test), owners(certificate).len(), self.permutations)
    }

    /// The masks of the coalitions that these permutations need, in order, the one of all owners included.
    #[must_use]
    pub fn coalitions(&self, certificate: &Certificate, test: &DatasetId) -> Vec<u32> {
        sampled::coalitions(&self.permutations(certificate, test))
    }
}

impl TestSet {
    /// [`owners`](crate::certificate::owners) of its shards.
    #[must_use]
    pub fn owners(&self) -> Vec<(Hex<20>, std::ops::Range<usize>)> {
        crate::certificate::owners(self.shards.iter().map(|s| s.owner))
    }
}

impl Coalition {
    /// Bit `i` is set if owner `i` is one of them. Positions beyond 31 are left out; `check` rejects them.
    #[must_use]
    pub fn mask(&self) -> u32 {
        self.owners.iter().filter(|i| **i < 32).fold(0, |mask, i| mask | 1 << i)
    }
}

impl Valuation {
    /// Parses a valuation without checking it.
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

    /// SHA-256 of the file's text: what a signature on weights names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Sha256::digest(self.to_json().as_bytes()).into()
    }

    /// The correct value of [`Valuation::checksum`].
    #[must_use]
    pub fn expected_checksum(&self) -> Digest {
        keccak(Valuation { checksum: Hex::default(), ..self.clone() }.to_json().as_bytes())
    }

    /// The agent's utility: by how much its loss is below that of the uniform answer, units of 2^-20.
    #[must_use]
    pub fn utility(&self) -> i128 {
        let agents = self.coalitions.last().map_or(self.uniform_loss, |c| c.loss);
        i128::from(self.uniform_loss) - i128::from(agents)
    }

    /// An owner's value per test record, as a real number.
    #[must_use]
    pub fn value_per_record(&self, owner: usize) -> f64 {
        let units = self.values[owner].numerator.0 as f64 / self.denominator as f64;
        units / f64::from(1 << crate::numbers::LOSS_BITS) / self.test.records as f64
    }

    /// A loss over the test set, units of 2^-20, as the mean of a record.
    #[must_use]
    pub fn per_record(&self, units: u64) -> f64 {
        crate::numbers::real(units, crate::numbers::LOSS_BITS) / self.test.records as f64
    }

    /// Every owner's part if payment follows the values: negative ones count as zero, the rest is scaled up to sum to 1.
    /// All zero if no value is positive.
    #[must_use]
    pub fn parts(&self) -> Vec<f64> {
        let positive: Vec<i128> = self.values.iter().map(|v| v.numerator.0.max(0)).collect();
        let sum = positive.iter().fold(0i128, |a, b| a.saturating_add(*b)).max(1);
        positive.into_iter().map(|v| v as f64 / sum as f64).collect()
    }

    /// Number of proofs in the file, the certificate's included.
    #[must_use]
    pub fn proofs(&self) -> usize {
        let certificates: usize = self.certificate.datasets.iter().map(|d| 2 * d.shards.len()).sum();
        let coalition = |c: &Coalition| c.evaluations.len() + c.training.as_ref().map_or(0, |t| t.gradients.len() + 1);
        certificates + 1 + self.test.shards.len() + self.coalitions.iter().map(coalition).sum::<usize>()
    }

    /// The certificate of a coalition of some owners, put together from its own proofs and the agent's certificate. Its
    /// contributions and shares are not set: nothing depends on them here. `None` for the coalition of all owners.
    #[must_use]
    pub fn coalition_certificate(&self, coalition: &Coalition) -> Option<Certificate> {
        let training = coalition.training.as_ref()?;
        let mut gradients = training.gradients.iter();
        let mut datasets: Vec<_> = self.listed(coalition).map(|i| self.certificate.datasets[i].clone()).collect();
        for shard in datasets.iter_mut().flat_map(|d| d.shards.iter_mut()) {
            shard.gradient_proof = gradients.next()?.clone();
        }
        if gradients.next().is_some() {
            return None;
        }
        let unsigned = |input| crate::certificate::unsigned(&training.optimum, input);
        Some(Certificate {
            agent: crate::certificate::Agent { weights_digest: coalition.weights_digest, ..self.certificate.agent },
            datasets,
            optimum: crate::certificate::Optimum {
                records: unsigned(optimum::N),
                epsilon: unsigned(optimum::EPSILON),
                norm: unsigned(optimum::NORM),
                proof: training.optimum.clone(),
            },
            ..self.certificate.clone()
        })
    }

    /// Positions of a coalition's datasets in the certificate.
    pub(crate) fn listed<'a>(&'a self, coalition: &Coalition) -> impl Iterator<Item = usize> + 'a {
        let mask = coalition.mask();
        let of = move |owner: &Hex<20>| self.owners.iter().position(|o| o == owner).is_some_and(|i| mask >> i & 1 == 1);
        (0..self.certificate.datasets.len()).filter(move |i| of(&self.certificate.datasets[*i].latest_owner()))
    }

    /// The path, in this file, of a field of a coalition's certificate.
    #[must_use]
    pub fn path_of(&self, position: usize, path: &str) -> String {
        let own = |rest: &str| format!("coalitions[{position}].{rest}");
        let coalition = &self.coalitions[position];
        if path == "agent.weights_digest" {
            return own("weights_digest");
        }
        if let Some(rest) = path.strip_prefix("optimum.") {
            return own(&match rest.strip_prefix("proof") {
                Some(rest) => format!("training.optimum{rest}"),
                None => "training.optimum.inputs".to_owned(),
            });
        }
        let listed: Vec<usize> = self.listed(coalition).collect();
        let index = |text: &str| -> Option<(usize, usize)> {
            let (number, _) = text.split_once(']')?;
            Some((number.parse().ok()?, number.len() + 1))
        };
        if let Some(rest) = path.strip_prefix("datasets[") {
            if let Some((dataset, after)) = index(rest).filter(|(dataset, _)| *dataset < listed.len()) {
                let rest = &rest[after..];
                let gradient = rest.strip_prefix(".shards[").and_then(|rest| {
                    let (shard, after) = index(rest)?;
                    let field = rest[after..].strip_prefix(".gradient_proof")?;
                    let before: usize =
                        listed[..dataset].iter().map(|i| self.certificate.datasets[*i].shards.len()).sum();
                    Some(own(&format!("training.gradients[{}]{field}", before + shard)))
                });
                return gradient.unwrap_or_else(|| format!("certificate.datasets[{}]{rest}", listed[dataset]));
            }
        }
        format!("certificate.{path}")
    }

    /// The masks of the coalitions that the file must have, in order.
    #[must_use]
    pub fn expected_coalitions(&self) -> Vec<u32> {
        match &self.sampling {
            None => shapley::every_coalition(self.owners.len()),
            Some(sampling) => sampling.coalitions(&self.certificate, &self.test.dataset_id),
        }
    }

    fn permutations(&self, sampling: &Sampling) -> Vec<Vec<usize>> {
        sampling.permutations(&self.certificate, &self.test.dataset_id)
    }

    /// The values that follow from the losses.
    #[must_use]
    pub fn expected_values(&self) -> shapley::Values {
        let losses: std::collections::HashMap<u32, u64> =
            self.coalitions.iter().map(|c| (c.mask(), c.loss)).chain([(0, self.uniform_loss)]).collect();
        let loss = |mask: u32| losses.get(&mask).copied().unwrap_or(self.uniform_loss);
        match &self.sampling {
            None => shapley::exact(self.owners.len(), &loss),
            Some(sampling) => sampled::sampled(&self.permutations(sampling), &loss),
        }
    }

    /// For every owner, how far the value can be from that of the exact optima: see [`ball`].
    #[must_use]
    pub fn expected_balls(&self) -> Vec<u64> {
        let (layout, loss) = (&self.certificate.layout, self.certificate.loss);
        let measured = |loss: u64| Measured { records: self.test.records, shards: self.test.shards.len() as u64, loss };
        let of = |c: &Coalition| {
            let proof = c.training.as_ref().map_or(&self.certificate.optimum.proof, |t| &t.optimum);
            let epsilon = crate::certificate::unsigned(proof, optimum::EPSILON);
            ball::ball(layout, loss.link, epsilon, loss.lambda, &measured(c.loss))
        };
        let uniform = ball::rounding(layout, loss.link, &measured(self.uniform_loss));
        let balls: std::collections::HashMap<u32, u64> =
            self.coalitions.iter().map(|c| (c.mask(), of(c))).chain([(0, uniform)]).collect();
        let ball = |mask: u32| balls.get(&mask).copied().unwrap_or(0);
        let sums = match &self.sampling {
            None => shapley::sums(self.owners.len()),
            Some(sampling) => sampled::sums(&self.permutations(sampling)),
        };
        sums.moved(&ball)
    }
}

/// The loss and the count that an evaluation proof states; too large numbers become values that `check` rejects.
#[must_use]
pub fn stated(proof: &FileProof) -> (u64, u64) {
    let unsigned = |input| crate::certificate::unsigned(proof, input);
    (unsigned(evaluation::LOSS), unsigned(evaluation::CORRECT))
}
