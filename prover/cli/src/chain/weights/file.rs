//! Files of proposed weights, and the signed messages about them.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use tribute_chain::weights::{Proposal, SignedWeightMessage, WeightDraft, WeightMessage};
use tribute_core::hexed::Hex;
use tribute_core::id::{AgentId, DatasetId};
use tribute_problem::{Problem, Result};

use super::super::message::{Content, MessageFile};

/// Value of the field `format` in a file of weights.
const FORMAT: &str = "tribute-weights/1";

/// Weights proposed for a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightsFile {
    format: String,
    pub(super) agent_id: AgentId,
    pub(super) version: u32,
    /// The round in which they can be agreed on.
    pub(super) round: u32,
    /// All of the version's datasets, in the order of its list.
    pub(super) weights: Vec<WeightJson>,
    /// SHA-256 of the canonical valuation file.
    pub(super) valuation: Hex<32>,
    /// The registered dataset that the valuation was made on.
    pub(super) test_set: Option<DatasetId>,
    /// The account that vouches for it; none if every owner signs.
    pub(super) attester: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightJson {
    pub(super) dataset_id: DatasetId,
    /// In units of 10^-18, decimal.
    pub(super) weight: String,
}

impl WeightsFile {
    pub(super) fn of(proposal: &Proposal) -> Self {
        let one =
            |(dataset, weight): &(DatasetId, u64)| WeightJson { dataset_id: *dataset, weight: weight.to_string() };
        WeightsFile {
            format: FORMAT.to_owned(),
            agent_id: proposal.agent,
            version: proposal.version,
            round: proposal.round,
            weights: proposal.weights.iter().map(one).collect(),
            valuation: Hex(proposal.valuation),
            test_set: proposal.test_set,
            attester: proposal.attester,
        }
    }

    pub(super) fn proposal(&self) -> Result<Proposal> {
        if self.format != FORMAT {
            return Err(Problem::field("format", format!("`{}` is not {FORMAT}", self.format)));
        }
        let one = |w: &WeightJson| {
            let wrong = |_| Problem::field("weight", format!("`{}` is not a whole number up to 10^18", w.weight));
            Ok((w.dataset_id, w.weight.parse().map_err(wrong)?))
        };
        Ok(Proposal {
            agent: self.agent_id,
            version: self.version,
            round: self.round,
            weights: self.weights.iter().map(one).collect::<Result<_>>()?,
            valuation: self.valuation.0,
            test_set: self.test_set,
            attester: self.attester,
        })
    }

    /// The place of a dataset in the list.
    pub(super) fn place(&self, dataset: &DatasetId) -> Result<usize> {
        let message = || format!("agent {} version {} does not list dataset {dataset}", self.agent_id, self.version);
        let found = self.weights.iter().position(|w| w.dataset_id == *dataset);
        found.ok_or_else(|| Problem::field("dataset", message()))
    }
}

/// The file of a signed message.
pub(super) fn message_file(chain_id: u64, contract: Address, signed: &SignedWeightMessage) -> MessageFile {
    let draft = &signed.draft;
    let statement = draft.message.statement().to_owned();
    let content = match &draft.message {
        WeightMessage::Agree(proposal, index) => Content::AgreeWeights {
            statement,
            dataset_id: proposal.weights.get(*index).map(|(id, _)| *id).unwrap_or(DatasetId::ZERO),
            weights: Box::new(WeightsFile::of(proposal)),
        },
        WeightMessage::Attest(proposal) => {
            Content::AttestWeights { statement, weights: Box::new(WeightsFile::of(proposal)) }
        }
        WeightMessage::Accept { dataset, grantee, serial, accepted } => Content::AcceptValuations {
            statement,
            dataset_id: *dataset,
            grantee: *grantee,
            serial: *serial,
            attester: accepted.map(|(attester, _)| attester),
            test_set: accepted.map(|(_, test_set)| test_set),
        },
        WeightMessage::Object { agent, version, round, dataset } => Content::ObjectWeights {
            statement,
            agent_id: *agent,
            version: *version,
            round: *round,
            dataset_id: *dataset,
        },
    };
    let mut file = MessageFile::new(chain_id, contract, draft.signer, content, signed.signature.to_vec());
    (file.nonce, file.deadline) = (Some(draft.nonce.to_string()), Some(draft.deadline));
    file
}

/// The signed message in a file; `None` if it is not about weights.
pub(crate) fn signed(file: &MessageFile) -> Result<Option<SignedWeightMessage>> {
    let (said, message) = match &file.message {
        Content::AgreeWeights { statement, dataset_id, weights } => {
            (statement, WeightMessage::Agree(weights.proposal()?, weights.place(dataset_id)?))
        }
        Content::AttestWeights { statement, weights } => (statement, WeightMessage::Attest(weights.proposal()?)),
        Content::AcceptValuations { statement, dataset_id, grantee, serial, attester, test_set } => {
            let accepted = attester.zip(*test_set);
            if accepted.is_none() && (attester.is_some() || test_set.is_some()) {
                return Err(Problem::field("test_set", "attester and test set belong together"));
            }
            let message = WeightMessage::Accept { dataset: *dataset_id, grantee: *grantee, serial: *serial, accepted };
            (statement, message)
        }
        Content::ObjectWeights { statement, agent_id, version, round, dataset_id } => {
            let (agent, version, round) = (*agent_id, *version, *round);
            (statement, WeightMessage::Object { agent, version, round, dataset: *dataset_id })
        }
        _ => return Ok(None),
    };
    if said != message.statement() {
        return Err(Problem::field("statement", format!("is not what such a message says: `{}`", message.statement())));
    }
    let draft = WeightDraft { signer: file.signer, nonce: file.number()?, deadline: file.until()?, message };
    Ok(Some(SignedWeightMessage { draft, signature: file.signature.0.clone().into() }))
}

/// A weight as a percentage with six decimals, rounded down.
pub(crate) fn percent(weight: u64) -> String {
    let millionths = weight / 10_000_000_000;
    format!("{}.{:06} %", millionths / 1_000_000, millionths % 1_000_000)
}

/// A message about weights in words; `None` if it is about something else.
pub(crate) fn words(content: &Content) -> Option<String> {
    Some(match content {
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_exact_to_six_decimals() {
        assert_eq!(percent(1_000_000_000_000_000_000), "100.000000 %");
        assert_eq!(percent(329_123_456_789_012_345), "32.912345 %");
        assert_eq!(percent(9_999_999_999), "0.000000 %");
    }
}
