//! The certificate file: the proofs of one agent version, with everything they refer to.
//!
//! Every field of a certificate is bound: each value is in a proof's public inputs or under a digest that is.
//! [`Certificate::check`] recomputes all of it; checking the proofs themselves takes a verifier. The file has one
//! encoding ([`Certificate::to_json`]), and any other bytes are rejected.
//!
//! | file | contents |
//! |---|---|
//! | [`mod`](self) | the fields, reading and writing |
//! | `assemble` | assembling a certificate from its proofs |
//! | `check` | every relation between the fields |
//! | `contributions` | the gradients' sum, and shares |
//! | `registered`, `relations` | relations shared with other files |
//! | [`evaluation`] | the file that states an agent's accuracy on a dataset it was not trained on |
//! | `blame` | finding the wrong field when relations fail |
//! | [`words`] | plain-language statements of what is proven and what is not |

mod assemble;
pub mod blame;
mod check;
mod contributions;
pub mod evaluation;
pub(crate) mod place;
pub(crate) mod registered;
pub(crate) mod relations;
pub mod words;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use assemble::{prefix, unsigned};
pub use assemble::{DatasetParts, Parts, ShardParts};
pub(crate) use check::Purpose;
pub use contributions::contribution;

use crate::context::{Domain, Terms};
use crate::digest::{keccak, Digest};
pub use crate::hexed::{Hex, HexBytes};
use crate::id::{AgentId, DatasetId, ShardDigest, SrsDigest, WeightsDigest};
use crate::layout::Layout;
use crate::link::Link;

/// Value of the first field of a certificate.
pub const FORMAT: &str = "tribute-certificate/1";

/// A certificate of one agent version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`FORMAT`].
    pub format: String,
    /// [`words::proven`].
    pub proven: Vec<String>,
    /// [`words::not_proven`].
    pub not_proven: Vec<String>,
    /// Chain and contracts for which the proofs were made.
    pub chain: Chain,
    /// The SRS under which the proofs were made.
    pub srs: SrsName,
    /// The schema's canonical JSON, as text: its bytes hash to the schema's id.
    pub schema: String,
    /// Rows and columns of all circuits.
    pub layout: Layout,
    /// The loss that the agent minimises.
    pub loss: Loss,
    /// The agent version.
    pub agent: Agent,
    /// Datasets, in the version's order.
    pub datasets: Vec<Dataset>,
    /// The optimum and its proof.
    pub optimum: Optimum,
    /// keccak256 of the file with this field set to zeros.
    pub checksum: Hex<32>,
}

/// Chain and contracts; all zero off chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the dataset registry.
    pub dataset_registry: Hex<20>,
    /// Address of the agent registry.
    pub agent_registry: Hex<20>,
}

impl Chain {
    /// The domain of `dataset` proofs.
    #[must_use]
    pub fn datasets(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.dataset_registry.0 }
    }
    /// The domain of `gradient` and `optimum` proofs.
    #[must_use]
    pub fn agents(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.agent_registry.0 }
    }
}

/// A structured reference string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrsName {
    /// Digest of the points a verifier needs.
    pub digest: SrsDigest,
    /// Whether its secret is public. If so, the proofs convince only those who trust whoever made them.
    pub development: bool,
}

/// Loss and penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Link function.
    pub link: Link,
    /// λ, units of 2^-44.
    pub lambda: u64,
}

/// An agent version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The agent's id in the registry.
    pub id: AgentId,
    /// Version number.
    pub version: u32,
    /// Owner's address.
    pub owner: Hex<20>,
    /// Digest of the committed weights.
    pub weights_digest: WeightsDigest,
}

/// A dataset and its contribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Id in the registry of the dataset's version that the agent was trained on.
    pub dataset_id: DatasetId,
    /// The terms under which the dataset may train agents.
    pub terms: Terms,
    /// Number of records in all its shards.
    pub records: u64,
    /// `ΣN` of its shards, in units of 2^-[`contribution_bits`](Layout::contribution_bits).
    pub contribution: Contribution,
    /// The dataset's share of the data providers' part of the fees: its positive contribution over the sum of all
    /// positive ones, in units of 2^-20, rounded down.
    pub share: u32,
    /// Its shards, in order.
    pub shards: Vec<Shard>,
}

/// A shard with its two proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Digest of the committed records.
    pub digest: ShardDigest,
    /// Who owned the dataset when the shard was registered. An owner by transfer adds shards in its own name.
    pub owner: Hex<20>,
    /// Number of records in the shard.
    pub records: u64,
    /// Proves that the commitment is well formed.
    pub dataset_proof: FileProof,
    /// Proves the gradient over the shard.
    pub gradient_proof: FileProof,
}

/// What is proven about the weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimum {
    /// Number of records in all datasets.
    pub records: u64,
    /// Bound on the gradient's 2-norm, units of 2^-44.
    pub epsilon: u64,
    /// Lower bound on the weights' 2-norm, units of 2^-10.
    pub norm: u64,
    /// The `optimum` proof.
    pub proof: FileProof,
}

/// The owners of shards in their order, each with the shards that it registered: one owner, unless the dataset was
/// transferred and then extended.
pub fn owners(shards: impl IntoIterator<Item = Hex<20>>) -> Vec<(Hex<20>, Range<usize>)> {
    let mut owners: Vec<(Hex<20>, Range<usize>)> = Vec::new();
    for (j, owner) in shards.into_iter().enumerate() {
        match owners.last_mut() {
            Some((last, shards)) if *last == owner => shards.end = j + 1,
            _ => owners.push((owner, j..j + 1)),
        }
    }
    owners
}

impl Dataset {
    /// [`owners`] of its shards.
    #[must_use]
    pub fn owners(&self) -> Vec<(Hex<20>, Range<usize>)> {
        owners(self.shards.iter().map(|s| s.owner))
    }

    /// The latest owner that the file proves: who registered the last shard. Zero without shards.
    #[must_use]
    pub fn latest_owner(&self) -> Hex<20> {
        self.shards.last().map_or(Hex([0; 20]), |shard| shard.owner)
    }
}

/// A signed number of units. In JSON, a string of decimal digits, since some parsers cannot represent it as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contribution(pub i128);

impl Serialize for Contribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Contribution {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map(Contribution).map_err(|_| serde::de::Error::custom("not a whole number of at most 128 bits"))
    }
}

/// A proof in a certificate or evaluation file. Its position in the file determines the circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileProof {
    /// Public inputs, big-endian words.
    pub inputs: Vec<Hex<32>>,
    /// Points and scalars, uncompressed, as the EVM verifier takes them after the inputs.
    pub bytes: HexBytes,
}

impl From<crate::proof::Proof> for FileProof {
    fn from(proof: crate::proof::Proof) -> Self {
        FileProof { inputs: proof.inputs, bytes: HexBytes(proof.bytes) }
    }
}

impl FileProof {
    /// Builds a proof from input words and proof bytes.
    #[must_use]
    pub fn new(inputs: impl IntoIterator<Item = [u8; 32]>, bytes: Vec<u8>) -> Self {
        FileProof { inputs: inputs.into_iter().map(Hex).collect(), bytes: HexBytes(bytes) }
    }
    /// Public inputs as 32-byte words.
    #[must_use]
    pub fn words(&self) -> Vec<[u8; 32]> {
        self.inputs.iter().map(|w| w.0).collect()
    }
}

/// Why a file is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The JSON is malformed or has the wrong fields.
    #[error("{}: {reason}", place(path))]
    Json {
        /// Path of the value at the error; empty for the whole file.
        path: String,
        /// The JSON parser's message.
        reason: String,
    },
    /// The right fields, but not in the canonical encoding.
    #[error("{}: not in the canonical encoding (two spaces of indentation, fields in order, shortest numbers, one newline at the end)", place(path))]
    Encoding {
        /// Path of the value at the first byte that differs.
        path: String,
    },
    /// Fields that cannot all be right.
    #[error("{}: {reason}", fields.join(", "))]
    Field {
        /// Paths of the fields, one of which is wrong.
        fields: Vec<String>,
        /// The relation that does not hold.
        reason: String,
    },
}

fn place(path: &str) -> &str {
    if path.is_empty() {
        "the file"
    } else {
        path
    }
}

impl CertificateError {
    /// An error for a single field.
    pub fn field(path: impl Into<String>, reason: impl Into<String>) -> Self {
        CertificateError::Field { fields: vec![path.into()], reason: reason.into() }
    }

    /// Prefixes the error's paths with `path`, for a file nested in another.
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        let under = |field: String| match field.as_str() {
            "" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        match self {
            CertificateError::Json { path, reason } => CertificateError::Json { path: under(path), reason },
            CertificateError::Encoding { path } => CertificateError::Encoding { path: under(path) },
            CertificateError::Field { fields, reason } => {
                CertificateError::Field { fields: fields.into_iter().map(under).collect(), reason }
            }
        }
    }
}

impl Certificate {
    /// Parses a certificate without checking it.
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

    /// The correct value of [`Certificate::checksum`].
    #[must_use]
    pub fn expected_checksum(&self) -> Digest {
        keccak(Certificate { checksum: Hex::default(), ..self.clone() }.to_json().as_bytes())
    }
}
