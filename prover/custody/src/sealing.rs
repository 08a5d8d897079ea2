//! Encryption at rest and its keys.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use tribute_problem::{Problem, Reason, Result};

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

pub(crate) fn seal(key: &[u8; 32], associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut seed = Vec::with_capacity(associated.len() + plaintext.len() + 8);
    seed.extend_from_slice(&(associated.len() as u64).to_be_bytes());
    seed.extend_from_slice(associated);
    seed.extend_from_slice(plaintext);
    // pseudorandom in key, purpose and plaintext, so equal nonces imply equal messages
    let mut nonce = [0; 24];
    Hkdf::<Sha256>::new(Some(key), &seed).expand(b"tribute.nonce.v1", &mut nonce).map_err(Problem::internal)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: associated })
        .map_err(|_| Problem::internal("sealing failed"))?;
    Ok([&nonce[..], &sealed].concat())
}

pub(crate) fn unseal(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let refused =
        || Problem::new(Reason::ArtefactDamaged, "cannot unseal data: wrong master key or passphrase, or corrupt data");
    let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or_else(refused)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: associated })
        .map_err(|_| refused())
}

/// Identifies a master key without revealing anything about it: 16 bytes derived from it, in hex.
pub(crate) fn fingerprint(master: &[u8; 32]) -> String {
    hex::encode(&derive(master, b"tribute.fingerprint.v1")[..16])
}
