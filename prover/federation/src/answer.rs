//! A node's signed answer to a round, and the sum of all answers.

use serde::{Deserialize, Serialize};
use tribute_core::digest::{keccak, Digest, Words};
use tribute_core::hexed::HexBytes;
use tribute_core::id::RequestId;

use crate::consent::{signer, Consent};
use crate::numbers::{Format, Numbers, Sums};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Request;

/// One participant's masked numbers, signed by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`Numbers::to_bytes`], masked.
    #[serde(with = "as_hex")]
    pub numbers: Vec<u8>,
    /// 65 bytes, by the consent's key for answers, over [`digest`].
    pub signature: HexBytes,
}

/// Bytes as hex: shorter than a list of numbers.
mod as_hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tribute_core::hexed::HexBytes;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        HexBytes(bytes.to_vec()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        HexBytes::deserialize(deserializer).map(|bytes| bytes.0)
    }
}

/// What is signed: the request, the round's query and the numbers. The signer's key belongs to one participant and one request.
#[must_use]
pub fn digest(request: RequestId, query: &Digest, numbers: &[u8]) -> Digest {
    Words::new()
        .word(&keccak(b"tribute.answer.v1"))
        .word(request.as_bytes())
        .word(query)
        .word(&keccak(numbers))
        .keccak()
}

/// Whether the participant's node signed the answer to this query.
pub(crate) fn signed_by_node(consent: &Consent, query: &Digest, answer: &Answer) -> bool {
    signer(&answer.signature, &digest(consent.request, query, &answer.numbers)) == Some(consent.answer_key)
}

/// Checks one participant's answer to a query with this digest.
///
/// # Errors
/// [`Refusal::Answer`].
pub fn check(
    format: &Format,
    consent: &Consent,
    round: u32,
    query: &Digest,
    answer: &Answer,
) -> Result<Numbers, Refusal> {
    let refused = |why: String| Refusal::Answer { account: consent.account, round, why };
    if !signed_by_node(consent, query, answer) {
        return Err(refused("is not signed by its node for this round and query".into()));
    }
    format
        .read(&answer.numbers)
        .ok_or_else(|| refused(format!("has {} bytes, {} are needed", answer.numbers.len(), format.bytes())))
}

/// The sums over all participants, from one answer of each, in order.
///
/// # Errors
/// [`Refusal::Answer`], [`Refusal::Impossible`].
pub fn sum(request: &Request, consents: &[Consent], query: &Query, answers: &[Answer]) -> Result<Sums, Refusal> {
    let (format, round, digest) = (Format::of(request, &query.asks)?, query.round, query.digest());
    if let Some(absent) = consents.get(answers.len()) {
        let why = "is missing: a round counts only with all participants".into();
        return Err(Refusal::Answer { account: absent.account, round, why });
    }
    if answers.len() > consents.len() {
        return Err(Refusal::Ended("there are more answers than participants"));
    }
    let mut total = Numbers::zero(&format);
    for (consent, answer) in consents.iter().zip(answers) {
        total.add(&check(&format, consent, round, &digest, answer)?);
    }
    format.decode(round, request.records(), &total)
}
