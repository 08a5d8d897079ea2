//! The certificate file: one agent version's proofs with everything they are about.
//!
//! A certificate holds no field that nothing binds. Each number stands in a proof's public inputs or under a digest that
//! does; [`Certificate::check`] recomputes all of it, and the proofs themselves are checked by who has a verifier. The
//! file has one encoding ([`Certificate::to_json`]): a file of other bytes is refused.
//!
//! | file | holds |
//! |---|---|
//! | [`mod`](self) | the fields, reading and writing |
//! | `assemble` | a certificate from its proofs |
//! | `check` | every relation between the fields |
//! | `contributions` | the gradients' sum, and shares |
//! | `registered`, `relations` | relations that other files have too |
//! | [`evaluation`] | the file of an agent's accuracy on a dataset it was not trained on |
//! | `blame` | which field is wrong when relations fail |
//! | [`words`] | what is proven and what is not, in words |

mod assemble;
pub mod blame;
mod check;
mod contributions;
pub mod evaluation;
mod place;
mod registered;
mod relations;
pub mod words;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use assemble::{DatasetParts, Parts, ShardParts};

use crate::context::{Domain, Terms};
use crate::digest::{keccak, Digest};
pub use crate::hexed::{Hex, HexBytes};
use crate::id::{AgentId, DatasetId, ShardDigest, SrsDigest, WeightsDigest};
use crate::layout::Layout;
use crate::link::Link;

/// The first field of a certificate.
pub const FORMAT: &str = "tribute-certificate/1";

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`FORMAT`].
    pub format: String,
    /// [`words::proven`].
    pub proven: Vec<String>,
    /// [`words::not_proven`].
    pub not_proven: Vec<String>,
    /// What the proofs were made for.
    pub chain: Chain,
    /// What the proofs were made under.
    pub srs: SrsName,
    /// Canonical JSON, as text: its bytes are what the schema's id is the digest of.
    pub schema: String,
    /// Rows and columns of all circuits.
    pub layout: Layout,
    /// The loss that the agent is the optimum of.
    pub loss: Loss,
    /// The agent.
    pub agent: Agent,
    /// Datasets in the version's order.
    pub datasets: Vec<Dataset>,
    /// The optimum.
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
    /// What `dataset` proofs are bound to.
    #[must_use]
    pub fn datasets(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.dataset_registry.0 }
    }
    /// What `gradient` and `optimum` proofs are bound to.
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
    /// Whether its secret is public: the proofs then convince only those who trust their maker.
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
    /// The registry's id for it.
    pub id: AgentId,
    /// Version.
    pub version: u32,
    /// Owner's address.
    pub owner: Hex<20>,
    /// Digest of the committed weights.
    pub weights_digest: WeightsDigest,
}

/// A dataset's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The registry's id for it.
    pub dataset_id: DatasetId,
    /// Owner's address.
    pub owner: Hex<20>,
    /// Under which terms it may train agents.
    pub terms: Terms,
    /// Records in all its shards.
    pub records: u64,
    /// `ΣN` of its shards, in units of 2^-[`contribution_bits`](Layout::contribution_bits).
    pub contribution: Contribution,
    /// Its share of what goes to data providers: its positive contribution over the sum of all positive ones, units of
    /// 2^-20, rounded down.
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
    /// Records in it.
    pub records: u64,
    /// That the commitment is well formed.
    pub dataset_proof: FileProof,
    /// That the gradient is its.
    pub gradient_proof: FileProof,
}

/// What is proven about the weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimum {
    /// Records of all datasets.
    pub records: u64,
    /// Bound of the gradient's 2-norm, units of 2^-44.
    pub epsilon: u64,
    /// Lower bound of the weights' 2-norm, units of 2^-10.
    pub norm: u64,
    /// The proof.
    pub proof: FileProof,
}

/// A signed number of units, too long for some readers' numbers: decimal digits in a string.
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

/// A proof as certificate and evaluation files hold it: where it is in the file says which circuit it is for.
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
    /// From words and bytes.
    #[must_use]
    pub fn new(inputs: impl IntoIterator<Item = [u8; 32]>, bytes: Vec<u8>) -> Self {
        FileProof { inputs: inputs.into_iter().map(Hex).collect(), bytes: HexBytes(bytes) }
    }
    /// Public inputs as plain words.
    #[must_use]
    pub fn words(&self) -> Vec<[u8; 32]> {
        self.inputs.iter().map(|w| w.0).collect()
    }
}

/// A file that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not the file's JSON.
    #[error("{}: {reason}", place(path))]
    Json {
        /// Where.
        path: String,
        /// The parser's words.
        reason: String,
    },
    /// The right fields in other bytes.
    #[error("{}: not encoded as these files are (two spaces of indentation, fields in order, shortest numbers, one newline at the end)", place(path))]
    Encoding {
        /// Where the first other byte stands.
        path: String,
    },
    /// Fields that cannot all be right.
    #[error("{}: {reason}", fields.join(", "))]
    Field {
        /// Paths of the fields, one of which is wrong.
        fields: Vec<String>,
        /// What does not hold.
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
    /// An error of one field.
    pub fn field(path: impl Into<String>, reason: impl Into<String>) -> Self {
        CertificateError::Field { fields: vec![path.into()], reason: reason.into() }
    }

    /// The error of a file that stands in another at `path`.
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
    /// Reads a certificate; it has still to be checked.
    ///
    /// # Errors
    /// [`CertificateError::Json`], [`CertificateError::Encoding`].
    pub fn from_json(text: &[u8]) -> Result<Self, CertificateError> {
        place::read(text)
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> String {
        place::write(self)
    }

    /// What [`Certificate::checksum`] has to be.
    #[must_use]
    pub fn expected_checksum(&self) -> Digest {
        keccak(Certificate { checksum: Hex::default(), ..self.clone() }.to_json().as_bytes())
    }
}
