//! Signed messages about weights, as files.

use alloy::primitives::Address;
use tribute_chain::weight_messages::{SignedWeightMessage, WeightDraft, WeightMessage};
use tribute_core::id::DatasetId;
use tribute_problem::{Problem, Result};

use super::super::message::{Content, MessageFile};
use super::file::WeightsFile;

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
