//! Identifiers, digests and other 32-byte words, each with its own type so that one cannot be mistaken for another.
//!
//! All have the same encodings: `0x` and 64 lower-case digits in `Display` and JSON, 32 bytes in messages and on chain.
//! Parse errors name the expected kind.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hexed::{self, BadHex};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All zero.
            pub const ZERO: $name = $name([0; 32]);

            /// Wraps the bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                $name(bytes)
            }
            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
            /// The bytes, as a protobuf field holds them.
            #[must_use]
            pub fn to_vec(&self) -> Vec<u8> {
                self.0.to_vec()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hexed::show(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hexed::show(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = BadHex;
            fn from_str(text: &str) -> Result<Self, BadHex> {
                hexed::typed($what, text).map($name)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = BadHex;
            fn try_from(bytes: &[u8]) -> Result<Self, BadHex> {
                hexed::sized($what, bytes).map($name)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Borrow<[u8; 32]> for $name {
            fn borrow(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                hexed::deserialize(d, $what).map($name)
            }
        }
    )*};
}

words! {
    /// A dataset: [`crate::digest::dataset_id`].
    DatasetId, "a dataset id";
    /// An agent: [`crate::context::agent_id`].
    AgentId, "an agent id";
    /// A request to train across nodes: keccak256 of its canonical JSON.
    RequestId, "a request's id";
    /// A session: [`crate::context::session_id`].
    SessionId, "a session id";
    /// A circuit: [`crate::digest::CircuitIdentity::id`].
    CircuitId, "a circuit id";
    /// A schema: [`crate::schema::Schema::id`].
    SchemaId, "a schema id";
    /// A layout: [`crate::layout::Layout::hash`].
    LayoutHash, "a layout hash";
    /// An SRS: keccak256 of the points that a verifier needs.
    SrsDigest, "an SRS digest";
    /// A verifying key: keccak256 of everything the verifier computes with.
    KeyDigest, "a verifying key's digest";
    /// keccak256 of a contract's deployed bytecode.
    CodeHash, "a code hash";
    /// Committed columns of any kind: [`crate::digest::group_digest`].
    GroupDigest, "a commitment's digest";
    /// A shard's committed records.
    ShardDigest, "a shard digest";
    /// An agent's committed weights; identifies the agent off chain.
    WeightsDigest, "a weights digest";
    /// A committed gradient.
    GradientDigest, "a gradient digest";
    /// SHA-256 of an agent's ONNX file.
    ModelDigest, "a model's SHA-256";
    /// A session's transcript after an answer: [`crate::receipt::extend`], a field element as a big-endian word.
    Transcript, "a transcript";
    /// Random value that a client adds to a query, so that the receipt hides the query: below 2^248, big-endian.
    Salt, "a salt";
    /// Context of a record opening: chosen by the requester, or zeros.
    RecordContext, "a record's context";
    /// A server instance: the salt of its requests' EIP-712 domain.
    Instance, "a server's instance";
    /// Makes a signed request unique.
    Nonce, "a nonce";
}

macro_rules! committed {
    ($($name:ident)*) => {$(
        impl From<$name> for GroupDigest {
            fn from(digest: $name) -> GroupDigest {
                GroupDigest(digest.0)
            }
        }
    )*};
}

committed! { ShardDigest WeightsDigest GradientDigest }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_have_one_form() {
        let id = DatasetId::new([0xab; 32]);
        let text = format!("0x{}", "ab".repeat(32));
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<DatasetId>(&format!("\"{text}\"")).unwrap(), id);
        // people may omit the prefix and type upper-case digits
        for typed in [&text[2..], &text[2..].to_uppercase(), &text] {
            assert_eq!(typed.parse::<DatasetId>().unwrap(), id);
        }
        let refused = |text: &str| serde_json::from_str::<DatasetId>(&format!("\"{text}\"")).unwrap_err().to_string();
        for other in [&text[2..], &text.to_uppercase().replace("0X", "0x")] {
            assert!(refused(other).contains("is not a dataset id in JSON's spelling"), "{}", refused(other));
        }
    }

    #[test]
    fn what_is_none_is_refused_by_its_name() {
        let says = |error: BadHex, parts: &[&str]| {
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        };
        says("0xabc".parse::<AgentId>().unwrap_err(), &["`0xabc` is not an agent id", "3 hex digits, 64 are needed"]);
        says("".parse::<SessionId>().unwrap_err(), &["a session id", "0 hex digits"]);
        says(["00"; 33].concat().parse::<SrsDigest>().unwrap_err(), &["an SRS digest", "66 hex digits"]);
        let odd = format!("0x{}", "g1".repeat(32));
        says(odd.parse::<ShardDigest>().unwrap_err(), &["a shard digest", "`g` is not a hex digit"]);
        says("0xλ".parse::<CircuitId>().unwrap_err(), &["a circuit id", "`λ` is not a hex digit"]);
        says(WeightsDigest::try_from(&[0; 31][..]).unwrap_err(), &["31 bytes are not a weights digest, which has 32"]);
    }
}
