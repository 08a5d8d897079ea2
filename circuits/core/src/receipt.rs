//! Receipts: the transcript that a client and an agent extend together, once per query.
//!
//! `h' = Poseidon2(h, features packed 28 to an element, salt, answer)` with the BN254 `t = 4` permutation and the
//! sponge of Noir's standard library (rate 3, `len·2^64` in the capacity), so that clients can compute it with existing
//! libraries.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField, Zero};
use thiserror::Error;

/// Features packed into one field element.
pub const FEATURES_PER_ELEMENT: usize = 28;
/// A client's salt is below `2^SALT_BITS`.
pub const SALT_BITS: u32 = 248;
/// Elements the sponge absorbs per permutation.
pub const RATE: usize = 3;

/// A salt that is too large for a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the salt has {bits} bits; a receipt holds at most {SALT_BITS}")]
pub struct SaltTooLarge {
    /// Bit length found.
    pub bits: u32,
}

/// Checks that `salt` fits a receipt.
pub fn check_salt(salt: &Fr) -> Result<(), SaltTooLarge> {
    let bits = salt.into_bigint().num_bits();
    if bits > SALT_BITS {
        Err(SaltTooLarge { bits })
    } else {
        Ok(())
    }
}

/// Number of field elements into which `features` features are packed.
#[must_use]
pub fn packed_len(features: usize) -> usize {
    features.div_ceil(FEATURES_PER_ELEMENT)
}

/// Packs features little-endian, 28 to an element: `Σ_i q_i·256^i`. Shorter input than `features` is padded with zeros.
#[must_use]
pub fn pack(features: usize, query: &[u8]) -> Vec<Fr> {
    let mut padded = query.to_vec();
    padded.resize(features, 0);
    padded.chunks(FEATURES_PER_ELEMENT).map(Fr::from_le_bytes_mod_order).collect()
}

/// The message of one receipt, in the order the sponge absorbs it.
#[must_use]
pub fn message(before: Fr, features: usize, query: &[u8], salt: Fr, answer: u16) -> Vec<Fr> {
    let mut m = vec![before];
    m.extend(pack(features, query));
    m.push(salt);
    m.push(Fr::from(u64::from(answer)));
    m
}

/// Extends a transcript by one answered query. `features` is the layout's feature count.
#[must_use]
pub fn extend(before: Fr, features: usize, query: &[u8], salt: Fr, answer: u16) -> Fr {
    sponge(&message(before, features, query, salt, answer))
}

/// Poseidon2 sponge of Noir's `Poseidon2::hash(input, input.len())`.
#[must_use]
pub fn sponge(input: &[Fr]) -> Fr {
    let mut state = [Fr::zero(), Fr::zero(), Fr::zero(), Fr::from((input.len() as u128) << 64)];
    for block in input.chunks(RATE) {
        for (s, x) in state.iter_mut().zip(block) {
            *s += x;
        }
        taceo_poseidon2::bn254::t4::permutation_in_place(&mut state);
    }
    state[0]
}

/// A field element as a big-endian 32-byte word, the form contracts use.
#[must_use]
pub fn to_word(x: &Fr) -> [u8; 32] {
    let mut word = [0; 32];
    word.copy_from_slice(&x.into_bigint().to_bytes_be());
    word
}

/// A big-endian word as a field element; `None` if it is not below the modulus.
#[must_use]
pub fn from_word(word: &[u8; 32]) -> Option<Fr> {
    let x = Fr::from_be_bytes_mod_order(word);
    (to_word(&x) == *word).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_and_above_the_modulus_are_refused() {
        let mut r = [0u8; 32];
        r.copy_from_slice(&Fr::MODULUS.to_bytes_be());
        assert_eq!(from_word(&r), None);
        r[31] -= 1;
        assert_eq!(from_word(&r), Some(-Fr::from(1u64)));
    }

    #[test]
    fn every_part_of_a_receipt_changes_it() {
        let q = [3u8; 64];
        let base = extend(Fr::from(5u64), 64, &q, Fr::from(9u64), 4);
        let mut other = q;
        other[63] = 4;
        assert_ne!(base, extend(Fr::from(6u64), 64, &q, Fr::from(9u64), 4));
        assert_ne!(base, extend(Fr::from(5u64), 64, &other, Fr::from(9u64), 4));
        assert_ne!(base, extend(Fr::from(5u64), 64, &q, Fr::from(8u64), 4));
        assert_ne!(base, extend(Fr::from(5u64), 64, &q, Fr::from(9u64), 5));
    }

    /// Clients compute receipts on their own, so any change to these values breaks them.
    #[test]
    fn receipts_are_the_pinned_ones() {
        let query: Vec<u8> = (1..=29).collect();
        let first = query[..28].iter().rev().fold(Fr::zero(), |sum, q| sum * Fr::from(256u64) + Fr::from(*q));
        assert_eq!(pack(28, &query[..28]), [first]);
        assert_eq!(pack(29, &query), [first, Fr::from(29u64)]);
        assert_eq!(pack(30, &query), [first, Fr::from(29u64)], "padded with zeros");
        let receipt = extend(Fr::from(5u64), 29, &query, Fr::from(9u64), 4);
        let hex: String = to_word(&receipt).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "29b87549c98976e2e1570728b7cf70c7f8df15240b71fa7923acb782374b4666");
    }

    #[test]
    fn a_long_salt_is_refused() {
        assert!(check_salt(&Fr::from(1u64)).is_ok());
        assert_eq!(check_salt(&-Fr::from(1u64)), Err(SaltTooLarge { bits: 254 }));
    }
}
