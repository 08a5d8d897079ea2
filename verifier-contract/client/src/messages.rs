//! Signed messages: actions authorised by an EIP-712 signature, which anybody may submit. The signer needs no native
//! coin.
//!
//! Nonces are unordered and usable once. A grant also contains its serial among the grants to its account, an opening
//! its number among the client's sessions.

use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolStruct};
use tribute_core::context::Domain;
use tribute_core::digest::Digest;
use tribute_core::id::{DatasetId, SessionId, ShardDigest};
use tribute_core::proof::Proof;

use crate::abi::IDatasetRegistry as Abi;
use crate::abi::{self, word, Authority};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::dataset_node::{self, NodeUrl};
use crate::datasets::{shard_proof, GrantTerms, NewDataset};
use crate::error::{ChainError, Result};
use crate::signing::{eip712, sign};

/// A shard to register: its proof, and the digest of its committed points, which is what the owner signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// keccak256 of the committed points.
    pub digest: ShardDigest,
    /// The proof.
    pub proof: Proof,
}

/// An action on a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Registers a dataset.
    Register {
        /// The dataset.
        new: NewDataset,
        /// Its shards, in order.
        shards: Vec<Shard>,
    },
    /// Adds shards to a dataset.
    Extend {
        /// Its latest version.
        previous: DatasetId,
        /// The further shards, in order.
        shards: Vec<Shard>,
    },
    /// Grants training on a dataset; 0 uses revokes a grant.
    Grant {
        /// The dataset version granted.
        dataset: DatasetId,
        /// The account that may train.
        grantee: Address,
        /// Serial of the grant: that of the last one to this account, plus one.
        serial: u32,
        /// Terms of the grant.
        terms: GrantTerms,
    },
    /// Accepts a dataset that was offered to the signer.
    Accept {
        /// Any version of the dataset.
        dataset: DatasetId,
    },
    /// Sets the payout address of its rewards.
    Payout {
        /// Any version of the dataset.
        dataset: DatasetId,
        /// `None` for its owner.
        payout: Option<Address>,
    },
    /// Sets the node in its entry.
    Node {
        /// Any version of the dataset.
        dataset: DatasetId,
        /// `None` takes it back.
        node: Option<NodeUrl>,
    },
}

/// An action, with the signer, nonce and deadline that its signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The signer.
    pub signer: Address,
    /// Any number that the signer has not used yet.
    pub nonce: U256,
    /// Unix time in seconds, inclusive, until which it is valid.
    pub deadline: u64,
    /// The action.
    pub decision: Decision,
}

/// A message for the dataset registry, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDecision {
    /// The message signed.
    pub draft: Draft,
    /// ECDSA by an account, or whatever a contract accepts by ERC-1271.
    pub signature: Bytes,
}

fn digests(shards: &[Shard]) -> Vec<B256> {
    shards.iter().map(|shard| word(&shard.digest)).collect()
}

impl Draft {
    /// The digest that is signed; `registry` is the dataset registry's domain.
    #[must_use]
    pub fn digest(&self, registry: &Domain) -> Digest {
        let (domain, nonce, deadline) = (eip712(registry), self.nonce, U256::from(self.deadline));
        let hash = match &self.decision {
            Decision::Register { new, shards } => {
                let terms = Abi::Terms::from(new.terms);
                let message = abi::RegisterDataset {
                    owner: self.signer,
                    schemaId: word(&new.schema),
                    circuitId: word(&new.circuit),
                    minDataBps: terms.minDataBps,
                    openTraining: terms.openTraining,
                    minShareBps: terms.minShareBps,
                    minPricePerQuery: terms.minPricePerQuery,
                    links: terms.links,
                    shards: digests(shards),
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
            Decision::Extend { previous, shards } => {
                let (previous, shards) = (word(previous), digests(shards));
                abi::ExtendDataset { previousId: previous, shards, nonce, deadline }.eip712_signing_hash(&domain)
            }
            Decision::Grant { dataset, grantee, serial, terms } => {
                let terms = Abi::GrantTerms::from(*terms);
                let message = abi::GrantTraining {
                    datasetId: word(dataset),
                    grantee: *grantee,
                    serial: *serial,
                    uses: terms.uses,
                    expiry: terms.expiry,
                    links: terms.links,
                    minShareBps: terms.minShareBps,
                    minDataBps: terms.minDataBps,
                    minPricePerQuery: terms.minPricePerQuery,
                    coversLater: terms.coversLater,
                    participants: terms.participants,
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
            Decision::Accept { dataset } => {
                abi::AcceptDataset { datasetId: word(dataset), nonce, deadline }.eip712_signing_hash(&domain)
            }
            Decision::Payout { dataset, payout } => {
                let payout = payout.unwrap_or_default();
                abi::SetPayout { datasetId: word(dataset), payout, nonce, deadline }.eip712_signing_hash(&domain)
            }
            Decision::Node { dataset, node } => {
                let node = dataset_node::text(node.as_ref());
                abi::SetNode { datasetId: word(dataset), node, nonce, deadline }.eip712_signing_hash(&domain)
            }
        };
        hash.0
    }

    /// Signs it.
    pub fn sign(self, key: &PrivateKeySigner, registry: &Domain) -> Result<SignedDecision> {
        let signature = sign(key, B256::new(self.digest(registry)))?.as_bytes().to_vec().into();
        Ok(SignedDecision { draft: self, signature })
    }
}

impl SignedDecision {
    fn call(&self) -> Bytes {
        let Draft { signer, nonce, deadline, decision } = &self.draft;
        let authority = Authority { nonce: *nonce, deadline: U256::from(*deadline), signature: self.signature.clone() };
        let proofs = |shards: &[Shard]| shards.iter().map(|shard| shard_proof(&shard.proof)).collect();
        let data = match decision {
            Decision::Register { new, shards } => {
                let (params, shards) = (new.params(), proofs(shards));
                Abi::registerForCall { owner: *signer, params, shards, authority }.abi_encode()
            }
            Decision::Extend { previous, shards } => {
                let (previous, shards) = (word(previous), proofs(shards));
                Abi::extendForCall { previousId: previous, shards, authority }.abi_encode()
            }
            Decision::Grant { dataset, grantee, terms, .. } => {
                let (dataset, grantee, terms) = (word(dataset), *grantee, (*terms).into());
                Abi::grantTrainingForCall { datasetId: dataset, grantee, terms, authority }.abi_encode()
            }
            Decision::Accept { dataset } => {
                Abi::acceptDatasetForCall { datasetId: word(dataset), authority }.abi_encode()
            }
            Decision::Payout { dataset, payout } => {
                let payout = payout.unwrap_or_default();
                Abi::setPayoutForCall { datasetId: word(dataset), payout, authority }.abi_encode()
            }
            Decision::Node { dataset, node } => {
                let node = dataset_node::text(node.as_ref());
                Abi::setNodeForCall { datasetId: word(dataset), node, authority }.abi_encode()
            }
        };
        data.into()
    }
}

/// The digest that a client signs so that queries are paid without a proof: all queries of its session so far.
#[must_use]
pub fn settlement_digest(escrow: &Domain, session: &SessionId, count: u64) -> Digest {
    abi::Settlement { session: word(session), count }.eip712_signing_hash(&eip712(escrow)).0
}

/// The signer of a signature in the contracts' form; `None` if it recovers to no key.
#[must_use]
pub fn signer_of(digest: &Digest, signature: &[u8]) -> Option<Address> {
    crate::signature::StrictSignature::parse(signature).ok()?.signer(digest)
}

impl Contracts {
    /// The domain (chain and contract) of messages about datasets.
    #[must_use]
    pub fn dataset_domain(&self) -> Domain {
        Domain { chain_id: self.chain.id(), contract: self.datasets_at().into() }
    }

    /// Whether a nonce of messages about datasets was used or cancelled.
    pub async fn nonce_spent(&self, signer: Address, nonce: U256) -> Result<bool> {
        self.chain.read(self.datasets_at(), &Abi::nonceSpentCall { signer, nonce }).await
    }

    /// Cancels a nonce of the sender: messages with it become invalid.
    pub fn cancel_nonce(&self, nonce: U256) -> Call<Abi::cancelNonceCall, ()> {
        self.call(self.datasets_at(), format!("cancel nonce {nonce}"), &Abi::cancelNonceCall { nonce }, |e| {
            e.one().map(|_: Abi::NonceSpent| ())
        })
    }

    /// Submits messages about datasets, in order and in one transaction; returns the datasets registered or extended.
    pub fn relay(&self, messages: &[SignedDecision]) -> Call<Abi::multicallCall, Vec<DatasetId>> {
        let data = messages.iter().map(SignedDecision::call).collect();
        let action = format!("submit {} signed message(s)", messages.len());
        self.call(self.datasets_at(), action, &Abi::multicallCall { data }, |e| {
            let registered = e.all::<Abi::DatasetRegistered>()?.into_iter().map(|e| DatasetId::new(e.datasetId.0));
            let extended = e.all::<Abi::DatasetExtended>()?.into_iter().map(|e| DatasetId::new(e.datasetId.0));
            Ok(registered.chain(extended).collect())
        })
    }

    /// Fails if the registry would refuse one of the messages or a signature is invalid, before any gas is spent. Takes
    /// the effects of earlier messages in the same transaction into account.
    pub async fn check_messages(&self, messages: &[SignedDecision]) -> Result<()> {
        let (now, domain) = (self.chain.time().await?, self.dataset_domain());
        for (at, SignedDecision { draft, signature }) in messages.iter().enumerate() {
            let refused = |cause: String| ChainError::BadMessage { signer: draft.signer, cause };
            if draft.deadline < now {
                let message =
                    format!("it expired at {} and the chain's clock says {now}; ask for a new one", draft.deadline);
                return Err(refused(message));
            }
            if self.nonce_spent(draft.signer, draft.nonce).await? {
                return Err(refused(format!("its nonce {} was used or taken back; ask for a new one", draft.nonce)));
            }
            let wallet = self.chain.code(draft.signer).await?.is_empty();
            if wallet && signer_of(&draft.digest(&domain), signature) != Some(draft.signer) {
                return Err(refused("the signature is not its signer's over exactly this message".to_owned()));
            }
            // created by an earlier message
            let fresh = messages[..at].iter().any(|m| {
                matches!(
                    m.draft.decision,
                    Decision::Register { .. } | Decision::Extend { .. } | Decision::Accept { .. }
                )
            });
            let found = match &draft.decision {
                Decision::Register { .. } => continue,
                Decision::Extend { previous: dataset, .. }
                | Decision::Grant { dataset, .. }
                | Decision::Accept { dataset }
                | Decision::Payout { dataset, .. }
                | Decision::Node { dataset, .. } => match self.find_dataset(dataset).await? {
                    Some(found) => (dataset, found),
                    None if fresh => continue,
                    None => {
                        return Err(refused(format!("there is no dataset {dataset} on this chain: register it first")))
                    }
                },
            };
            let (dataset, found) = found;
            match &draft.decision {
                Decision::Accept { .. } => {
                    let offered = self.dataset_offered_to(dataset).await?;
                    if offered != Some(draft.signer) {
                        return Err(refused(format!("dataset {dataset} is not offered to its signer")));
                    }
                }
                _ if found.owner != draft.signer && !fresh => {
                    return Err(refused(format!("dataset {dataset} is owned by {}, not by its signer", found.owner)));
                }
                Decision::Grant { grantee, serial, .. } => {
                    let before = messages[..at].iter().filter(|m| {
                        matches!(&m.draft.decision, Decision::Grant { dataset: d, grantee: g, .. } if d == dataset && g == grantee)
                    });
                    let next = self.training_grant(dataset, *grantee).await?.serial + 1 + before.count() as u32;
                    if next != *serial {
                        let message = format!(
                            "it is grant {serial} to {grantee} on dataset {dataset}, and the next one is {next}; another was \
                             set since: ask for a new one"
                        );
                        return Err(refused(message));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
