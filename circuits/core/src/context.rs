//! `ctx`: the context of a proof, that is, for whom and for what it was made. It is the first public input of every
//! circuit. No gate uses it, but the transcript absorbs it first, so a copied proof is worthless for another owner,
//! contract or chain.

use ark_bn254::Fr;
use ark_ff::PrimeField;

use crate::digest::{keccak, keccak_packed, Digest, Words};
use crate::id::{AgentId, DatasetId, LayoutHash, SchemaId, SessionId, ShardDigest, Transcript, WeightsDigest};

/// An Ethereum address.
pub type Address = [u8; 20];

/// Chain and contract a context is bound to; both zero off chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Domain {
    /// EIP-155 chain id; 0 off chain.
    pub chain_id: u64,
    /// The contract that will check the proof; zero off chain.
    pub contract: Address,
}

impl Domain {
    fn words(&self, tag: &[u8]) -> Words {
        Words::new().word(&keccak(tag)).uint(u128::from(self.chain_id)).address(&self.contract)
    }
}

fn truncate(digest: Digest) -> Fr {
    // >> 8: 248 bits always fit the field
    Fr::from_be_bytes_mod_order(&digest[..31])
}

/// An owner's terms for training agents on a dataset. They apply to every agent version, whoever trains it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Minimum part of the fees that goes to data providers, in basis points (0 to 10,000).
    pub min_data_bps: u16,
    /// Whether anyone may train without a grant.
    pub open_training: bool,
    /// Minimum share of what goes to data providers, in basis points (0 to 10,000).
    pub min_share_bps: u16,
    /// Minimum price of a query, in the token's smallest unit. In JSON, a string of decimal digits.
    #[serde(with = "decimal")]
    pub min_price: u128,
    /// Bitmask of allowed links: bit [`Link::code`](crate::link::Link::code) allows that link; 0 allows every link.
    pub links: u8,
}

/// Serialises integers that some JSON parsers cannot represent as decimal strings.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("not a whole number of at most 128 bits"))
    }
}

impl Terms {
    /// keccak256 of `abi.encode(uint16, bool, uint16, uint128, uint8)`.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Words::new()
            .uint(u128::from(self.min_data_bps))
            .flag(self.open_training)
            .uint(u128::from(self.min_share_bps))
            .uint(self.min_price)
            .uint(u128::from(self.links))
            .keccak()
    }
}

/// Context of one shard's `dataset` proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetContext {
    /// The dataset registry and its chain.
    pub domain: Domain,
    /// The owner who registers the dataset.
    pub owner: Address,
    /// Schema id.
    pub schema: SchemaId,
    /// Layout hash.
    pub layout: LayoutHash,
    /// Position of this shard in its dataset, from 0.
    pub shard: u32,
    /// Records in this shard.
    pub records: u64,
    /// [`Terms::hash`].
    pub terms: Digest,
}

impl DatasetContext {
    /// The context as the proof's public input.
    #[must_use]
    pub fn ctx(&self) -> Fr {
        truncate(
            self.domain
                .words(b"tribute.dataset.v1")
                .address(&self.owner)
                .word(self.schema.as_bytes())
                .word(self.layout.as_bytes())
                .uint(u128::from(self.shard))
                .uint(u128::from(self.records))
                .word(&self.terms)
                .keccak(),
        )
    }
}

/// Context of a `gradient` proof, bound to the agent registry.
#[must_use]
pub fn gradient_ctx(domain: &Domain, owner: &Address, weights: &WeightsDigest, shard: &ShardDigest) -> Fr {
    let words = domain.words(b"tribute.gradient.v1").address(owner);
    truncate(words.word(weights.as_bytes()).word(shard.as_bytes()).keccak())
}

/// Context of an `evaluation` proof, bound to the agent registry: the accuracy of version `version` of `agent`, whose
/// committed weights have the digest `weights`, on shard `shard` (from 0) of `dataset`. The dataset's id is a digest
/// over its shards' digests, so it fixes the records. The index says which shard was counted, so that the verifier of a
/// whole dataset's accuracy can check that each shard was counted once.
#[must_use]
pub fn evaluation_ctx(
    domain: &Domain,
    agent: &AgentId,
    version: u32,
    weights: &WeightsDigest,
    dataset: &DatasetId,
    shard: u32,
) -> Fr {
    truncate(
        domain
            .words(b"tribute.evaluation.v1")
            .word(agent.as_bytes())
            .uint(u128::from(version))
            .word(weights.as_bytes())
            .word(dataset.as_bytes())
            .uint(u128::from(shard))
            .keccak(),
    )
}

/// Hash of a version's list of datasets, as the agent registry stores it: `h' = keccak256(abi.encode(h, dataset))`,
/// starting from 0, in list order. A dataset's id fixes its shards and, in its registry, the circuit that admitted it.
#[must_use]
pub fn list_hash(datasets: impl IntoIterator<Item = DatasetId>) -> Digest {
    datasets.into_iter().fold([0; 32], |hash, dataset| Words::new().word(&hash).word(dataset.as_bytes()).keccak())
}

/// Context of an `optimum` proof, bound to the agent registry; `list` comes from [`list_hash`].
#[must_use]
pub fn optimum_ctx(domain: &Domain, agent: &AgentId, version: u32, weights: &WeightsDigest, list: &Digest) -> Fr {
    truncate(
        domain
            .words(b"tribute.optimum.v1")
            .word(agent.as_bytes())
            .uint(u128::from(version))
            .word(weights.as_bytes())
            .word(list)
            .keccak(),
    )
}

/// A coalition of some of a version's datasets, trained for a valuation. Its contexts differ from every [`optimum_ctx`] and
/// [`evaluation_ctx`], so it is never certified as a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoalitionContext {
    /// The agent registry and its chain.
    pub domain: Domain,
    /// The agent.
    pub agent: AgentId,
    /// The version that is valued.
    pub version: u32,
    /// The version's own weights.
    pub served: WeightsDigest,
    /// The coalition's weights.
    pub weights: WeightsDigest,
    /// [`list_hash`] of the coalition's datasets, in the version's order.
    pub list: Digest,
}

impl CoalitionContext {
    fn words(&self, tag: &[u8]) -> Words {
        self.domain
            .words(tag)
            .word(self.agent.as_bytes())
            .uint(u128::from(self.version))
            .word(self.served.as_bytes())
            .word(self.weights.as_bytes())
            .word(&self.list)
    }
    /// Context of the coalition's `optimum` proof.
    #[must_use]
    pub fn optimum(&self) -> Fr {
        truncate(self.words(b"tribute.coalition.optimum.v1").keccak())
    }
    /// Context of the coalition's `evaluation` proof on shard `shard` (from 0) of `dataset`.
    #[must_use]
    pub fn evaluation(&self, dataset: &DatasetId, shard: u32) -> Fr {
        let words = self.words(b"tribute.coalition.evaluation.v1").word(dataset.as_bytes());
        truncate(words.uint(u128::from(shard)).keccak())
    }
}

/// Context of a `service` proof, bound to the session escrow; `sessions` are the sessions in the used slots, in slot
/// order.
#[must_use]
pub fn service_ctx(domain: &Domain, sessions: &[SessionId]) -> Fr {
    truncate(domain.words(b"tribute.service.v1").word(&keccak_packed(sessions)).keccak())
}

/// Id of a session, bound to the session escrow; `nonce` counts the client's sessions from 0.
#[must_use]
pub fn session_id(domain: &Domain, client: &Address, nonce: u64) -> SessionId {
    SessionId::new(domain.words(b"tribute.session.v1").address(client).uint(u128::from(nonce)).keccak())
}

/// Id of an agent, bound to the agent registry; `nonce` counts the owner's agents from 0.
#[must_use]
pub fn agent_id(domain: &Domain, owner: &Address, nonce: u64) -> AgentId {
    AgentId::new(domain.words(b"tribute.agent.v1").address(owner).uint(u128::from(nonce)).keccak())
}

/// Initial transcript of a session: `keccak256(chain id, contract, session, version, W digest) mod r`.
#[must_use]
pub fn first_transcript(domain: &Domain, session: &SessionId, version: u32, weights: &WeightsDigest) -> Fr {
    let h = Words::new()
        .uint(u128::from(domain.chain_id))
        .address(&domain.contract)
        .word(session.as_bytes())
        .uint(u128::from(version))
        .word(weights.as_bytes())
        .keccak();
    Fr::from_be_bytes_mod_order(&h)
}

/// EIP-712 digest of a voucher, the message that a session key signs: the cumulative `count` of answered queries and
/// the transcript after them.
#[must_use]
pub fn voucher_digest(
    domain: &Domain,
    session: &SessionId,
    version: u32,
    count: u64,
    transcript: &Transcript,
) -> Digest {
    let separator = Words::new()
        .word(&keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
        .word(&keccak(b"Tribute"))
        .word(&keccak(b"1"))
        .uint(u128::from(domain.chain_id))
        .address(&domain.contract)
        .keccak();
    let message = Words::new()
        .word(&keccak(b"Voucher(bytes32 session,uint32 version,uint64 count,uint256 transcript)"))
        .word(session.as_bytes())
        .uint(u128::from(version))
        .uint(u128::from(count))
        .word(transcript.as_bytes())
        .keccak();
    let mut bytes = vec![0x19, 0x01];
    bytes.extend_from_slice(&separator);
    bytes.extend_from_slice(&message);
    keccak(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms { min_data_bps: 6000, min_share_bps: 500, min_price: 7, ..Terms::default() }
    }

    fn context() -> DatasetContext {
        DatasetContext {
            domain: Domain { chain_id: 31337, contract: [7; 20] },
            owner: [1; 20],
            schema: SchemaId::new([2; 32]),
            layout: LayoutHash::new([3; 32]),
            shard: 0,
            records: 900,
            terms: terms().hash(),
        }
    }

    /// Every field that says for whom or what a proof was made must change the context.
    #[test]
    fn every_field_changes_the_context() {
        let base = context().ctx();
        type Change = fn(&mut DatasetContext);
        let changes: [Change; 12] = [
            |c| c.domain.chain_id += 1,
            |c| c.domain.contract[0] ^= 1,
            |c| c.owner[19] ^= 1,
            |c| c.schema = SchemaId::new([9; 32]),
            |c| c.layout = LayoutHash::new([9; 32]),
            |c| c.shard += 1,
            |c| c.records += 1,
            |c| c.terms = Terms { min_data_bps: 6001, ..terms() }.hash(),
            |c| c.terms = Terms { open_training: true, ..terms() }.hash(),
            |c| c.terms = Terms { min_share_bps: 501, ..terms() }.hash(),
            |c| c.terms = Terms { min_price: 8, ..terms() }.hash(),
            |c| c.terms = Terms { links: 4, ..terms() }.hash(),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut c = context();
            change(&mut c);
            assert_ne!(c.ctx(), base, "field {i}");
        }
    }

    #[test]
    fn every_field_changes_the_contexts_of_optima_and_evaluations() {
        let d = Domain { chain_id: 31337, contract: [7; 20] };
        let other = Domain { chain_id: 1, contract: [7; 20] };
        let elsewhere = Domain { chain_id: 31337, contract: [8; 20] };
        let (o, w, s) = ([1; 20], WeightsDigest::new([2; 32]), [[3; 32], [4; 32]].map(ShardDigest::new));
        let (a, set) = (AgentId::new([3; 32]), DatasetId::new([4; 32]));
        let other_weights = WeightsDigest::new([9; 32]);
        let ids = [[3; 32], [4; 32]].map(DatasetId::new);
        let lists =
            [list_hash(ids), list_hash([ids[1], ids[0]]), list_hash([ids[0]]), list_hash([ids[0]; 2]), list_hash([])];
        let mut optima: Vec<Fr> = lists.iter().map(|list| optimum_ctx(&d, &a, 1, &w, list)).collect();
        optima.extend([
            optimum_ctx(&other, &a, 1, &w, &lists[0]),
            optimum_ctx(&elsewhere, &a, 1, &w, &lists[0]),
            optimum_ctx(&d, &AgentId::new([8; 32]), 1, &w, &lists[0]),
            optimum_ctx(&d, &a, 2, &w, &lists[0]),
            optimum_ctx(&d, &a, 1, &other_weights, &lists[0]),
            gradient_ctx(&d, &o, &w, &s[0]),
            gradient_ctx(&d, &[9; 20], &w, &s[0]),
            gradient_ctx(&d, &o, &other_weights, &s[0]),
            gradient_ctx(&d, &o, &w, &s[1]),
        ]);
        let coalition =
            CoalitionContext { domain: d, agent: a, version: 1, served: w, weights: other_weights, list: lists[2] };
        let coalitions = [
            coalition,
            CoalitionContext { domain: other, ..coalition },
            CoalitionContext { domain: elsewhere, ..coalition },
            CoalitionContext { agent: AgentId::new([8; 32]), ..coalition },
            CoalitionContext { version: 2, ..coalition },
            CoalitionContext { served: other_weights, ..coalition },
            CoalitionContext { weights: w, ..coalition },
            CoalitionContext { list: lists[0], ..coalition },
        ];
        optima.extend(coalitions.iter().flat_map(|c| [c.optimum(), c.evaluation(&set, 0)]));
        optima.extend([coalition.evaluation(&DatasetId::new([9; 32]), 0), coalition.evaluation(&set, 1)]);
        let evaluations = [
            evaluation_ctx(&d, &a, 1, &w, &set, 0),
            evaluation_ctx(&other, &a, 1, &w, &set, 0),
            evaluation_ctx(&elsewhere, &a, 1, &w, &set, 0),
            evaluation_ctx(&d, &AgentId::new([9; 32]), 1, &w, &set, 0),
            evaluation_ctx(&d, &a, 2, &w, &set, 0),
            evaluation_ctx(&d, &a, 1, &other_weights, &set, 0),
            evaluation_ctx(&d, &a, 1, &w, &DatasetId::new([9; 32]), 0),
            evaluation_ctx(&d, &a, 1, &w, &set, 1),
        ];
        for all in [optima, evaluations.to_vec()] {
            for (i, a) in all.iter().enumerate() {
                assert!(!all[..i].contains(a), "context {i}");
            }
        }
    }
}
