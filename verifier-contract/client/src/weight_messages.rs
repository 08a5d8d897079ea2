//! Signed messages about agreed weights. Each begins with a statement in words, which a wallet shows to the signer.

use alloy::primitives::{Address, Bytes, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolStruct;
use tribute_core::context::Domain;
use tribute_core::digest::Digest;
use tribute_core::id::{AgentId, DatasetId};

use crate::abi::{self, word, IAgreedWeights as Abi, WeightsAuthority};
use crate::call::Call;
use crate::contracts::Contracts;
use crate::error::{ChainError, Result};
use crate::messages::signer_of;
use crate::signing::{eip712, sign};
use crate::weights::{accepted_words, Installed, Proposal};

const AGREE: &str = "I agree that this version pays my dataset by this weight, in parts of 10^18 of its fees for data, and no longer by its share. If I asked for a least share, this replaces it. What was earned before stays as it is.";
const ATTEST: &str = "I have checked the valuation with this SHA-256 on this test set, and these weights, in parts of 10^18, follow from it.";
const ACCEPT: &str = "Agents of this account may pay my dataset by weights that this attester signs for a valuation on this test set, unless I object in the challenge period. My least share still applies. An attester of 0 withdraws this.";
const OBJECT: &str = "I object to the weights proposed in this round: this version continues to pay as it does now.";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightMessage {
    /// A dataset's owner agrees to a proposal; the number is the dataset's, from 0.
    Agree(Proposal, usize),
    /// An attester vouches for a proposal.
    Attest(Proposal),
    /// A dataset's owner accepts valuations beforehand.
    Accept {
        /// Any version of the dataset.
        dataset: DatasetId,
        /// The owner of agents; `None` for anybody.
        grantee: Option<Address>,
        /// That of the last acceptance for this account, plus one.
        serial: u32,
        /// The attester and the test set; `None` withdraws.
        accepted: Option<(Address, DatasetId)>,
    },
    /// A dataset's owner objects.
    Object {
        /// The agent.
        agent: AgentId,
        /// Its version.
        version: u32,
        /// The current round.
        round: u32,
        /// The dataset that is listed.
        dataset: DatasetId,
    },
}

/// A message with the signer, nonce and deadline that its signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightDraft {
    /// The signer.
    pub signer: Address,
    /// Any number that the signer has not used yet.
    pub nonce: U256,
    /// Unix time in seconds, inclusive, until which it is valid.
    pub deadline: u64,
    /// The message.
    pub message: WeightMessage,
}

/// A message, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWeightMessage {
    /// The message signed.
    pub draft: WeightDraft,
    /// ECDSA by an account, or whatever a contract accepts by ERC-1271.
    pub signature: Bytes,
}

impl WeightMessage {
    /// The statement that the signer's wallet shows.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        match self {
            WeightMessage::Agree(..) => AGREE,
            WeightMessage::Attest(_) => ATTEST,
            WeightMessage::Accept { .. } => ACCEPT,
            WeightMessage::Object { .. } => OBJECT,
        }
    }
}

impl WeightDraft {
    /// The digest that is signed; `weights` is the domain of the agreed weights. An index beyond the list signs a
    /// dataset of id 0, which no list has.
    #[must_use]
    pub fn digest(&self, weights: &Domain) -> Digest {
        let (domain, nonce, deadline) = (eip712(weights), self.nonce, U256::from(self.deadline));
        let statement = self.message.statement().to_owned();
        let hash = match &self.message {
            WeightMessage::Agree(proposal, index) => {
                let p = proposal.abi();
                let message = abi::AgreeWeights {
                    statement,
                    datasetId: p.datasetIds.get(*index).copied().unwrap_or_default(),
                    weight: p.weights.get(*index).copied().unwrap_or_default(),
                    agentId: p.agentId,
                    version: p.version,
                    round: p.round,
                    datasetIds: p.datasetIds,
                    weights: p.weights,
                    valuation: p.valuation,
                    testSet: p.testSet,
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
            WeightMessage::Attest(proposal) => {
                let p = proposal.abi();
                let message = abi::AttestWeights {
                    statement,
                    agentId: p.agentId,
                    version: p.version,
                    round: p.round,
                    datasetIds: p.datasetIds,
                    weights: p.weights,
                    valuation: p.valuation,
                    testSet: p.testSet,
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
            WeightMessage::Accept { dataset, grantee, serial, accepted } => {
                let (attester, test_set) = accepted_words(*accepted);
                let message = abi::AcceptValuations {
                    statement,
                    datasetId: word(dataset),
                    grantee: grantee.unwrap_or_default(),
                    serial: *serial,
                    attester,
                    testSet: test_set,
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
            WeightMessage::Object { agent, version, round, dataset } => {
                let message = abi::ObjectWeights {
                    statement,
                    agentId: word(agent),
                    version: *version,
                    round: *round,
                    datasetId: word(dataset),
                    nonce,
                    deadline,
                };
                message.eip712_signing_hash(&domain)
            }
        };
        hash.0
    }

    /// Signs it.
    pub fn sign(self, key: &PrivateKeySigner, weights: &Domain) -> Result<SignedWeightMessage> {
        let signature = sign(key, B256::new(self.digest(weights)))?.as_bytes().to_vec().into();
        Ok(SignedWeightMessage { draft: self, signature })
    }
}

impl SignedWeightMessage {
    pub(crate) fn authority(&self) -> WeightsAuthority {
        let WeightDraft { nonce, deadline, .. } = self.draft;
        WeightsAuthority { nonce, deadline: U256::from(deadline), signature: self.signature.clone() }
    }
}

impl Contracts {
    /// Whether a nonce of messages about weights was used or cancelled.
    pub async fn weight_nonce_spent(&self, signer: Address, nonce: U256) -> Result<bool> {
        self.chain.read(self.weights_at(), &Abi::nonceSpentCall { signer, nonce }).await
    }

    /// Cancels a nonce of the sender's messages about weights.
    pub fn cancel_weight_nonce(&self, nonce: U256) -> Call<Abi::cancelNonceCall, ()> {
        self.call(self.weights_at(), format!("cancel nonce {nonce}"), &Abi::cancelNonceCall { nonce }, |e| {
            e.one().map(|_: Abi::NonceSpent| ())
        })
    }

    /// Places the weights of the datasets from number `first` on, each with its owner's signature or, if `None`,
    /// counting on an acceptance. The attestation is needed in the first call for a proposal with an attester.
    pub fn install_weights(
        &self,
        proposal: &Proposal,
        attestation: Option<&SignedWeightMessage>,
        first: usize,
        consents: &[Option<&SignedWeightMessage>],
    ) -> Call<Abi::installCall, Installed> {
        let authority =
            |signed: Option<&SignedWeightMessage>| signed.map(SignedWeightMessage::authority).unwrap_or_default();
        let call = Abi::installCall {
            proposal: proposal.abi(),
            attestation: authority(attestation),
            first: U256::from(first),
            consents: consents.iter().map(|c| authority(*c)).collect(),
        };
        let (agent, version) = (&proposal.agent, proposal.version);
        let action = format!("install {} weight(s) of agent {agent} version {version}", consents.len());
        self.call(self.weights_at(), action, &call, |e| {
            if let Some(waits) = e.all::<Abi::WeightsWaiting>()?.first() {
                return Ok(Installed::Waits(waits.until));
            }
            if !e.all::<Abi::WeightsInForce>()?.is_empty() {
                return Ok(Installed::InForce);
            }
            Ok(Installed::Placed(e.all::<Abi::WeightPlaced>()?.len() as u32))
        })
    }

    /// Submits an acceptance for the dataset's owner, who signed it; `None` for another kind of message.
    pub fn accept_valuations_for(
        &self,
        signed: &SignedWeightMessage,
    ) -> Option<Call<Abi::acceptValuationsForCall, u32>> {
        let WeightMessage::Accept { dataset, grantee, accepted, .. } = &signed.draft.message else { return None };
        let (attester, test_set) = accepted_words(*accepted);
        let call = Abi::acceptValuationsForCall {
            datasetId: word(dataset),
            grantee: grantee.unwrap_or_default(),
            attester,
            testSet: test_set,
            authority: signed.authority(),
        };
        let action = format!("submit the acceptance of valuations of {dataset}");
        Some(self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::ValuationsAccepted| e.serial)))
    }

    /// Submits an objection for the dataset's owner, who signed it; `None` for another kind of message.
    pub fn object_weights_for(&self, signed: &SignedWeightMessage) -> Option<Call<Abi::objectForCall, u32>> {
        let WeightMessage::Object { agent, version, round, dataset } = &signed.draft.message else { return None };
        let call = Abi::objectForCall {
            agentId: word(agent),
            version: *version,
            round: *round,
            datasetId: word(dataset),
            authority: signed.authority(),
        };
        let action = format!("submit an objection to weights of agent {agent} version {version}");
        Some(self.call(self.weights_at(), action, &call, |e| e.one().map(|e: Abi::WeightsRefused| e.round)))
    }

    /// Fails if the contract would refuse a message because of its time, nonce, signer or signature, before any gas is
    /// spent.
    pub async fn check_weight_message(&self, signed: &SignedWeightMessage) -> Result<()> {
        let SignedWeightMessage { draft, signature } = signed;
        let refused = |cause: String| ChainError::BadMessage { signer: draft.signer, cause };
        let now = self.chain.time().await?;
        if draft.deadline < now {
            let message =
                format!("it expired at {} and the chain's clock says {now}; ask for a new one", draft.deadline);
            return Err(refused(message));
        }
        if self.weight_nonce_spent(draft.signer, draft.nonce).await? {
            return Err(refused(format!("its nonce {} was used or taken back; ask for a new one", draft.nonce)));
        }
        let wallet = self.chain.code(draft.signer).await?.is_empty();
        if wallet && signer_of(&draft.digest(&self.weights_domain()), signature) != Some(draft.signer) {
            return Err(refused("the signature is not its signer's over exactly this message".to_owned()));
        }
        let owned = match &draft.message {
            WeightMessage::Agree(proposal, index) => proposal.weights.get(*index).map(|(dataset, _)| dataset),
            WeightMessage::Attest(_) => None,
            WeightMessage::Accept { dataset, .. } | WeightMessage::Object { dataset, .. } => Some(dataset),
        };
        if let Some(dataset) = owned {
            match self.find_dataset(dataset).await? {
                Some(found) if found.owner == draft.signer => {}
                Some(found) => {
                    return Err(refused(format!("dataset {dataset} is owned by {}, not by its signer", found.owner)))
                }
                None => return Err(refused(format!("there is no dataset {dataset} on this chain"))),
            }
        }
        let (agent, version, round) = match &draft.message {
            WeightMessage::Agree(p, _) | WeightMessage::Attest(p) => (p.agent, p.version, p.round),
            WeightMessage::Object { agent, version, round, .. } => (*agent, *version, *round),
            WeightMessage::Accept { dataset, grantee, serial, .. } => {
                let next = self.acceptance(dataset, *grantee).await?.map_or(1, |a| a.serial + 1);
                if next != *serial {
                    return Err(refused(format!(
                        "it is acceptance {serial} and the next one is {next}; another was set since: ask for a new one"
                    )));
                }
                return Ok(());
            }
        };
        let current = self.paying(&agent, version).await?.round;
        if current != round {
            return Err(refused(format!("it is for round {round}, and the current round is {current}: it is void")));
        }
        Ok(())
    }
}
