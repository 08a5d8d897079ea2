//! Encryption at rest and its keys.

use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use tribute_problem::{Problem, Reason, Result};

/// Bytes of a nonce, in front of what is sealed.
const NONCE: usize = 24;
/// Bytes of the tag behind it.
const TAG: usize = 16;

pub(crate) fn associated(tenant: &str, purpose: &str) -> Vec<u8> {
    format!("{purpose}\n{tenant}").into_bytes()
}

/// HKDF-SHA256 of a uniform 32-byte secret under a label.
pub(crate) fn derive(secret: &[u8; 32], label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // the output of 32 bytes is below HKDF's limit of 255 blocks
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label, &mut key);
    debug_assert!(expanded.is_ok());
    key
}

/// Seals in place: beside the result there is no other copy of the plaintext.
pub(crate) fn seal(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    // pseudorandom in key, purpose and plaintext, so equal nonces imply equal messages
    let mut nonce = [0; NONCE];
    let mut seed = HkdfExtract::<Sha256>::new(Some(key));
    for part in [&(associated.len() as u64).to_be_bytes(), associated, plaintext] {
        seed.input_ikm(part);
    }
    seed.finalize().1.expand(b"tribute.nonce.v1", &mut nonce).map_err(Problem::internal)?;
    let mut sealed = Vec::with_capacity(NONCE + plaintext.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_in_place_detached(&XNonce::from(nonce), associated, &mut sealed[NONCE..])
        .map_err(|_| Problem::internal("sealing failed"))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Unseals in place.
pub(crate) fn unseal(key: &[u8; 32], associated: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>> {
    let refused =
        || Problem::new(Reason::ArtefactDamaged, "cannot unseal data: wrong master key or passphrase, or corrupt data");
    let nonce: [u8; NONCE] = sealed.first_chunk().copied().ok_or_else(refused)?;
    let tag: [u8; TAG] = sealed.get(NONCE..).and_then(|rest| rest.last_chunk().copied()).ok_or_else(refused)?;
    let end = sealed.len() - TAG;
    XChaCha20Poly1305::new(key.into())
        .decrypt_in_place_detached(&XNonce::from(nonce), associated, &mut sealed[NONCE..end], &Tag::from(tag))
        .map_err(|_| refused())?;
    sealed.truncate(end);
    sealed.drain(..NONCE);
    Ok(sealed)
}

/// Identifies a master key without revealing anything about it: 16 bytes derived from it, in hex.
pub(crate) fn fingerprint(master: &[u8; 32]) -> String {
    hex::encode(&derive(master, b"tribute.fingerprint.v1")[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form at rest, pinned: nonce, ciphertext, tag.
    #[test]
    fn what_is_sealed_keeps_its_form() {
        let sealed = seal(&[7; 32], &associated("0xaa", "records"), b"secret").unwrap();
        assert_eq!(
            hex::encode(&sealed),
            "bb443c529792c8517b4d2454f5cf145f9fc745d851782e7c3835ff9d97bcd510c9a1809ff44279eafd24c6bbaa46"
        );
        assert_eq!(unseal(&[7; 32], &associated("0xaa", "records"), sealed.clone()).unwrap(), b"secret");
        for at in [0, NONCE, sealed.len() - 1] {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(unseal(&[7; 32], &associated("0xaa", "records"), other).is_err());
        }
        assert!(unseal(&[7; 32], &associated("0xaa", "records"), sealed[..NONCE + TAG - 1].to_vec()).is_err());
    }
}
