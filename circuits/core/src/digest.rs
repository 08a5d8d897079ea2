//! Keccak-256 and the identifiers computed with it. All byte strings are encoded as Solidity's `abi.encode` does.

use std::borrow::Borrow;

use sha3::{Digest as _, Keccak256};

use crate::id::{CircuitId, CodeHash, DatasetId, KeyDigest, LayoutHash, SchemaId, ShardDigest, SrsDigest};

/// A 32-byte hash. Hashes that identify something have their own types, in [`crate::id`].
pub type Digest = [u8; 32];

/// keccak256 of `bytes`.
#[must_use]
pub fn keccak(bytes: &[u8]) -> Digest {
    Keccak256::digest(bytes).into()
}

/// Builds Solidity's `abi.encode` of static values: every value is one 32-byte word.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<u8>);

impl Words {
    /// An empty encoding.
    #[must_use]
    pub fn new() -> Self {
        Words(Vec::new())
    }
    /// Appends a `bytes32`.
    #[must_use]
    pub fn word(mut self, word: &[u8; 32]) -> Self {
        self.0.extend_from_slice(word);
        self
    }
    /// Appends an unsigned integer.
    #[must_use]
    pub fn uint(mut self, value: u128) -> Self {
        self.0.extend_from_slice(&[0; 16]);
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    /// Appends an `address`.
    #[must_use]
    pub fn address(mut self, address: &[u8; 20]) -> Self {
        self.0.extend_from_slice(&[0; 12]);
        self.0.extend_from_slice(address);
        self
    }
    /// Appends a `bool`.
    #[must_use]
    pub fn flag(self, value: bool) -> Self {
        self.uint(u128::from(value))
    }
    /// keccak256 of the words.
    #[must_use]
    pub fn keccak(&self) -> Digest {
        keccak(&self.0)
    }
}

/// keccak256 of `abi.encodePacked(bytes32[])`.
#[must_use]
pub fn keccak_packed<T: Borrow<[u8; 32]>>(words: &[T]) -> Digest {
    let words: Vec<[u8; 32]> = words.iter().map(|word| *word.borrow()).collect();
    keccak(words.as_flattened())
}

/// Identity of a committed group of columns: keccak256 of the uncompressed points, `x‖y` big-endian, in column order.
#[must_use]
pub fn group_digest(points: &[u8]) -> Digest {
    keccak(points)
}

/// Identity of a dataset: a hash of its schema, layout, record count and shard digests.
#[must_use]
pub fn dataset_id(schema: &SchemaId, layout: &LayoutHash, records: u64, shards: &[ShardDigest]) -> DatasetId {
    let id = Words::new()
        .word(&keccak(b"tribute.datasetid.v1"))
        .word(schema.as_bytes())
        .word(layout.as_bytes())
        .uint(u128::from(records))
        .word(&keccak_packed(shards))
        .keccak();
    DatasetId::new(id)
}

/// The fields that determine a circuit's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitIdentity {
    /// Digest of the verifying key.
    pub verifying_key: KeyDigest,
    /// Digest of the SRS.
    pub srs: SrsDigest,
    /// [`crate::layout::Layout::hash`].
    pub layout: LayoutHash,
    /// [`crate::statement::Statement::code`].
    pub statement: u8,
    /// Code of the link, 0 for none.
    pub link: u8,
    /// keccak256 of the verifier's deployed bytecode.
    pub code: CodeHash,
    /// Number of public inputs.
    pub inputs: u16,
    /// Length of a proof in bytes.
    pub proof_length: u32,
    /// Number of columns of each committed group, in proof order.
    pub groups: Vec<u16>,
}

impl CircuitIdentity {
    /// The id under which the proof gate registers the circuit.
    #[must_use]
    pub fn id(&self) -> CircuitId {
        let groups = self.groups.iter().fold(Words::new(), |words, columns| words.uint(u128::from(*columns)));
        let id = Words::new()
            .word(self.verifying_key.as_bytes())
            .word(self.srs.as_bytes())
            .word(self.layout.as_bytes())
            .uint(u128::from(self.statement))
            .uint(u128::from(self.link))
            .word(self.code.as_bytes())
            .uint(u128::from(self.inputs))
            .uint(u128::from(self.proof_length))
            .word(&groups.keccak())
            .keccak();
        CircuitId::new(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak_is_ethereums() {
        assert_eq!(hex::encode(keccak(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }

    #[test]
    fn words_are_abi_encoded() {
        // abi.encode(uint256(1), address(0x11…11), true)
        let w = Words::new().uint(1).address(&[0x11; 20]).flag(true);
        assert_eq!(w.0.len(), 96);
        assert_eq!(w.0[31], 1);
        assert_eq!(&w.0[32..44], &[0; 12]);
        assert_eq!(w.0[95], 1);
    }
}
