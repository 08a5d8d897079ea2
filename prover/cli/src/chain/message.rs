//! Files of signed messages, and their text form.

use alloy::primitives::{Address, Signature, U256};
use serde::{Deserialize, Serialize};
use tribute_chain::dataset_node::NodeUrl;
use tribute_chain::datasets::{GrantTerms, NewDataset};
use tribute_chain::messages::{Decision, Draft, Shard, SignedDecision};
use tribute_chain::sessions::NewSession;
use tribute_chain::signing::SignedPermit;
use tribute_chain::Deployment;
use tribute_core::context::Terms;
use tribute_core::hexed::{Hex, HexBytes};
use tribute_core::id::{AgentId, CircuitId, DatasetId, SchemaId, SessionId, ShardDigest};
use tribute_core::proof::Proof;
use tribute_core::statement::Statement;
use tribute_problem::{Problem, Result};

use super::weights::file::{percent, WeightsFile};

/// Value of the field `format` in a message file.
const FORMAT: &str = "tribute-message/1";

/// A signed message and the contract that accepts it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageFile {
    format: String,
    /// EIP-155 chain id.
    pub(super) chain_id: u64,
    /// The contract that accepts it: the dataset registry, the session escrow or the agreed weights.
    pub(super) contract: Address,
    pub(super) signer: Address,
    /// Decimal. For an opening it is the session's number; a settlement has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<String>,
    /// Unix time, in seconds, until which it is valid; a settlement has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<u64>,
    pub(super) message: Content,
    pub(super) signature: HexBytes,
}

/// The content of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Content {
    RegisterDataset {
        schema_id: SchemaId,
        circuit_id: CircuitId,
        terms: Terms,
        shards: Vec<ShardJson>,
    },
    ExtendDataset {
        previous_id: DatasetId,
        shards: Vec<ShardJson>,
    },
    Grant {
        dataset_id: DatasetId,
        grantee: Address,
        serial: u32,
        terms: GrantJson,
    },
    AcceptDataset {
        dataset_id: DatasetId,
    },
    Payout {
        dataset_id: DatasetId,
        payout: Option<Address>,
    },
    SetNode {
        dataset_id: DatasetId,
        node: Option<NodeUrl>,
    },
    OpenSession(Box<Opening>),
    Settlement {
        session: SessionId,
        count: u64,
    },
    AgreeWeights {
        statement: String,
        dataset_id: DatasetId,
        weights: Box<WeightsFile>,
    },
    AttestWeights {
        statement: String,
        weights: Box<WeightsFile>,
    },
    AcceptValuations {
        statement: String,
        dataset_id: DatasetId,
        grantee: Option<Address>,
        serial: u32,
        attester: Option<Address>,
        test_set: Option<DatasetId>,
    },
    ObjectWeights {
        statement: String,
        agent_id: AgentId,
        version: u32,
        round: u32,
        dataset_id: DatasetId,
    },
}

/// A shard's proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardJson {
    digest: ShardDigest,
    circuit_id: CircuitId,
    inputs: Vec<Hex<32>>,
    proof: HexBytes,
}

/// The terms of a grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantJson {
    uses: u32,
    expiry: u64,
    links: u8,
    min_share_bps: u16,
    min_data_bps: u16,
    /// Decimal.
    min_price: String,
    covers_later: bool,
    participants: Option<Hex<32>>,
}

/// A session to open, with a permit to take its escrow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    agent_id: AgentId,
    version: u32,
    /// Decimal.
    price: String,
    /// Decimal.
    escrow: String,
    session_key: Address,
    /// Unix time, in seconds, until which the permit is valid.
    permit_deadline: u64,
    permit_signature: HexBytes,
}

impl From<&Shard> for ShardJson {
    fn from(shard: &Shard) -> Self {
        let Proof { circuit, inputs, bytes, .. } = shard.proof.clone();
        ShardJson { digest: shard.digest, circuit_id: circuit, inputs, proof: HexBytes(bytes) }
    }
}

impl From<&ShardJson> for Shard {
    fn from(json: &ShardJson) -> Self {
        let ShardJson { digest, circuit_id, inputs, proof } = json.clone();
        Shard { digest, proof: Proof { statement: Statement::Dataset, circuit: circuit_id, inputs, bytes: proof.0 } }
    }
}

impl From<&GrantTerms> for GrantJson {
    fn from(t: &GrantTerms) -> Self {
        GrantJson {
            uses: t.uses,
            expiry: t.expiry,
            links: t.links,
            min_share_bps: t.min_share_bps,
            min_data_bps: t.min_data_bps,
            min_price: t.min_price.to_string(),
            covers_later: t.covers_later,
            participants: t.participants.map(Hex),
        }
    }
}

impl TryFrom<&GrantJson> for GrantTerms {
    type Error = Problem;

    fn try_from(j: &GrantJson) -> Result<Self> {
        Ok(GrantTerms {
            uses: j.uses,
            expiry: j.expiry,
            links: j.links,
            min_share_bps: j.min_share_bps,
            min_data_bps: j.min_data_bps,
            min_price: amount("min_price", &j.min_price)?,
            covers_later: j.covers_later,
            participants: j.participants.map(|hash| hash.0),
        })
    }
}

fn amount(field: &str, text: &str) -> Result<u128> {
    text.parse().map_err(|_| Problem::field(field, format!("`{text}` is not a whole number of at most 128 bits")))
}

impl Opening {
    pub(super) fn new(session: &NewSession, permit_deadline: u64, permit: &SignedPermit) -> Self {
        Opening {
            agent_id: session.agent,
            version: session.version,
            price: session.price.to_string(),
            escrow: session.escrow.to_string(),
            session_key: session.session_key,
            permit_deadline,
            permit_signature: HexBytes(permit.signature.as_bytes().to_vec()),
        }
    }

    pub(super) fn session(&self) -> Result<NewSession> {
        Ok(NewSession {
            agent: self.agent_id,
            version: self.version,
            price: amount("price", &self.price)?,
            escrow: amount("escrow", &self.escrow)?,
            session_key: self.session_key,
        })
    }

    pub(super) fn permit(&self) -> Result<SignedPermit> {
        let wrong = |e| Problem::field("permit_signature", format!("not a signature: {e}"));
        let signature = Signature::try_from(self.permit_signature.0.as_slice()).map_err(wrong)?;
        Ok(SignedPermit { deadline: U256::from(self.permit_deadline), signature })
    }
}

impl MessageFile {
    pub(super) fn new(chain_id: u64, contract: Address, signer: Address, message: Content, signature: Vec<u8>) -> Self {
        let (format, signature) = (FORMAT.to_owned(), HexBytes(signature));
        MessageFile { format, chain_id, contract, signer, nonce: None, deadline: None, message, signature }
    }

    /// From a signed decision about a dataset.
    pub(super) fn of(chain_id: u64, registry: Address, signed: &SignedDecision) -> Self {
        let shards = |all: &[Shard]| all.iter().map(ShardJson::from).collect();
        let message = match &signed.draft.decision {
            Decision::Register { new, shards: all } => Content::RegisterDataset {
                schema_id: new.schema,
                circuit_id: new.circuit,
                terms: new.terms,
                shards: shards(all),
            },
            Decision::Extend { previous, shards: all } => {
                Content::ExtendDataset { previous_id: *previous, shards: shards(all) }
            }
            Decision::Grant { dataset, grantee, serial, terms } => {
                Content::Grant { dataset_id: *dataset, grantee: *grantee, serial: *serial, terms: terms.into() }
            }
            Decision::Accept { dataset } => Content::AcceptDataset { dataset_id: *dataset },
            Decision::Payout { dataset, payout } => Content::Payout { dataset_id: *dataset, payout: *payout },
            Decision::Node { dataset, node } => Content::SetNode { dataset_id: *dataset, node: node.clone() },
        };
        let mut file = MessageFile::new(chain_id, registry, signed.draft.signer, message, signed.signature.to_vec());
        (file.nonce, file.deadline) = (Some(signed.draft.nonce.to_string()), Some(signed.draft.deadline));
        file
    }

    /// The signed decision about a dataset; `None` if the message is about something else.
    pub(super) fn decision(&self) -> Result<Option<SignedDecision>> {
        let shards = |all: &[ShardJson]| all.iter().map(Shard::from).collect::<Vec<_>>();
        let decision = match &self.message {
            Content::RegisterDataset { schema_id, circuit_id, terms, shards: all } => Decision::Register {
                new: NewDataset { schema: *schema_id, circuit: *circuit_id, terms: *terms },
                shards: shards(all),
            },
            Content::ExtendDataset { previous_id, shards: all } => {
                Decision::Extend { previous: *previous_id, shards: shards(all) }
            }
            Content::Grant { dataset_id, grantee, serial, terms } => {
                Decision::Grant { dataset: *dataset_id, grantee: *grantee, serial: *serial, terms: terms.try_into()? }
            }
            Content::AcceptDataset { dataset_id } => Decision::Accept { dataset: *dataset_id },
            Content::Payout { dataset_id, payout } => Decision::Payout { dataset: *dataset_id, payout: *payout },
            Content::SetNode { dataset_id, node } => Decision::Node { dataset: *dataset_id, node: node.clone() },
            _ => return Ok(None),
        };
        let nonce = self.number()?;
        let draft = Draft { signer: self.signer, nonce, deadline: self.until()?, decision };
        Ok(Some(SignedDecision { draft, signature: self.signature.0.clone().into() }))
    }

    pub(super) fn number(&self) -> Result<U256> {
        let text = self.nonce.as_deref().ok_or_else(|| Problem::field("nonce", "is missing"))?;
        text.parse().map_err(|_| Problem::field("nonce", format!("`{text}` is not a whole number of at most 256 bits")))
    }

    pub(super) fn until(&self) -> Result<u64> {
        self.deadline.ok_or_else(|| Problem::field("deadline", "is missing"))
    }

    /// Fails unless the message is for this chain and contract.
    pub(super) fn for_here(&self, chain_id: u64, contract: Address) -> Result<()> {
        if self.format != FORMAT {
            return Err(Problem::field("format", format!("`{}` is not {FORMAT}", self.format)));
        }
        if self.chain_id != chain_id {
            let message = format!("it was signed for chain {}, but the node serves chain {chain_id}", self.chain_id);
            return Err(Problem::field("chain_id", message));
        }
        if self.contract != contract {
            let message =
                format!("it was signed for contract {}, but the deployment's contract is {contract}", self.contract);
            return Err(Problem::field("contract", message));
        }
        Ok(())
    }

    /// The contract of this deployment that accepts such a message.
    pub(super) fn taker(&self, deployment: &Deployment) -> Address {
        match &self.message {
            Content::OpenSession(_) | Content::Settlement { .. } => deployment.session_escrow.address,
            Content::AgreeWeights { .. }
            | Content::AttestWeights { .. }
            | Content::AcceptValuations { .. }
            | Content::ObjectWeights { .. } => deployment.agreed_weights.address,
            _ => deployment.dataset_registry.address,
        }
    }

    /// The command that submits such a message.
    pub(super) fn submitted_by(&self) -> &'static str {
        match &self.message {
            Content::AgreeWeights { .. } | Content::AttestWeights { .. } => "install-weights",
            _ => "relay",
        }
    }

    /// The signer and the content in words.
    pub(super) fn words(&self) -> String {
        let what = match &self.message {
            Content::RegisterDataset { shards, .. } => format!("register a dataset of {} shard(s)", shards.len()),
            Content::ExtendDataset { previous_id, shards } => {
                format!("extend dataset {previous_id} by {} shard(s)", shards.len())
            }
            Content::Grant { dataset_id, grantee, serial, terms } if terms.uses == 0 => {
                format!("revoke the grant of dataset {dataset_id} to {grantee} (grant {serial})")
            }
            Content::Grant { dataset_id, grantee, serial, terms } => format!(
                "grant {grantee} {} agent version(s) on dataset {dataset_id} until {}: least share {} bps, least part for \
                 data {} bps, least price {} (grant {serial})",
                terms.uses, terms.expiry, terms.min_share_bps, terms.min_data_bps, terms.min_price
            ),
            Content::AcceptDataset { dataset_id } => format!("accept dataset {dataset_id}"),
            Content::Payout { dataset_id, payout: Some(to) } => format!("pay what dataset {dataset_id} earns to {to}"),
            Content::Payout { dataset_id, payout: None } => format!("pay what dataset {dataset_id} earns to its owner"),
            Content::SetNode { dataset_id, node: Some(url) } => {
                format!("name {url} as the node of dataset {dataset_id}")
            }
            Content::SetNode { dataset_id, node: None } => format!("name no node of dataset {dataset_id}"),
            Content::OpenSession(o) => format!(
                "open a session with agent {} version {}: {} into escrow, {} a query, vouchers by {}",
                o.agent_id, o.version, o.escrow, o.price, o.session_key
            ),
            Content::Settlement { session, count } => format!("pay {count} queries of session {session} without a proof"),
            Content::AgreeWeights { dataset_id, weights, .. } => {
                let own = weights.weights.iter().find(|w| w.dataset_id == *dataset_id);
                let weight = own.and_then(|w| w.weight.parse().ok()).map_or_else(|| "an unknown weight".to_owned(), percent);
                format!(
                    "pay dataset {dataset_id} {weight} of what agent {} version {} earns for data, whatever least share it had \
                     (round {})",
                    weights.agent_id, weights.version, weights.round
                )
            }
            Content::AttestWeights { weights, .. } => format!(
                "the {} weights of agent {} version {} follow from valuation {} (round {})",
                weights.weights.len(),
                weights.agent_id,
                weights.version,
                hex::encode(weights.valuation.0),
                weights.round
            ),
            Content::AcceptValuations { dataset_id, grantee, serial, attester, test_set, .. } => {
                let whom = grantee.map_or_else(|| "anybody".to_owned(), |grantee| grantee.to_string());
                match attester.zip(*test_set) {
                    Some((attester, test_set)) => format!(
                        "agents of {whom} may pay dataset {dataset_id} by valuations on {test_set} that {attester} attests \
                         (acceptance {serial})"
                    ),
                    None => format!("withdraw the acceptance of valuations of {dataset_id} for {whom} (acceptance {serial})"),
                }
            }
            Content::ObjectWeights { agent_id, version, round, dataset_id, .. } => format!(
                "as owner of dataset {dataset_id}, object to the weights of agent {agent_id} version {version} (round {round})"
            ),
        };
        let nonce = self.nonce.as_ref().map(|n| format!(", nonce {n}")).unwrap_or_default();
        let until = self.deadline.map(|d| format!(", until {d}")).unwrap_or_default();
        format!("{} says: {what}{nonce}{until}", self.signer)
    }
}
