//! Conversions between messages and this crate's types.

use tribute_core::hexed::{Hex, HexBytes};
use tribute_core::id::RequestId;
use tribute_problem::{field, Problem, Result};
use tribute_proto::v1;

use crate::answer::Answer;
use crate::consent::Consent;

/// Converts a consent from a message.
///
/// # Errors
/// Names the malformed field.
pub fn consent(request: RequestId, c: &v1::Consent) -> Result<Consent> {
    Ok(Consent {
        request,
        account: field("consent.account", &c.account)?,
        mask_key: field::<Hex<32>>("consent.mask_key", &c.mask_key)?,
        answer_key: field("consent.answer_key", &c.answer_key)?,
        signature: HexBytes(c.signature.clone()),
    })
}

/// Converts a consent into a message.
#[must_use]
pub fn consent_message(c: &Consent) -> v1::Consent {
    v1::Consent {
        account: c.account.to_vec(),
        mask_key: c.mask_key.to_vec(),
        answer_key: c.answer_key.to_vec(),
        signature: c.signature.0.clone(),
    }
}

/// Converts an answer from a message.
#[must_use]
pub fn answer(a: v1::RoundAnswer) -> Answer {
    Answer { numbers: a.numbers, signature: HexBytes(a.signature) }
}

/// Converts an answer into a message.
#[must_use]
pub fn answer_message(a: &Answer) -> v1::RoundAnswer {
    v1::RoundAnswer { numbers: a.numbers.clone(), signature: a.signature.0.clone() }
}

/// Final weights as bytes: 8 each, big-endian.
#[must_use]
pub fn weights_to_bytes(weights: &[i64]) -> Vec<u8> {
    weights.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// Inverse of [`weights_to_bytes`].
///
/// # Errors
/// If the length is not a multiple of 8.
pub fn weights_from_bytes(bytes: &[u8]) -> Result<Vec<i64>> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Problem::field(
            "weights_upload",
            format!("{} bytes are no list of weights of 8 bytes", bytes.len()),
        ));
    }
    Ok(words.iter().map(|w| i64::from_be_bytes(*w)).collect())
}
