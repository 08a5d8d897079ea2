//! Who sends a request: EIP-712 signatures over method, body, nonce and deadline.
//!
//! The domain's salt is the server's instance, so a request signed for one server is void at another; the server remembers
//! the nonce until the deadline, so it is void a second time at the same one.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use sha2::{Digest as _, Sha256};
use tribute_core::digest::{keccak, Digest, Words};
use tribute_core::id::{Instance, Nonce};
use tribute_problem::{Problem, Result};
use tribute_proto::{v1, SignedRequest};

/// Validity of the requests signed here, seconds.
const VALIDITY: u64 = 300;

/// The EIP-712 digest of a request.
#[must_use]
pub fn request_digest(instance: &Instance, method: &str, body: &[u8; 32], nonce: &Nonce, deadline: u64) -> Digest {
    let separator = Words::new()
        .word(&keccak(b"EIP712Domain(string name,string version,bytes32 salt)"))
        .word(&keccak(b"Tribute Service"))
        .word(&keccak(b"1"))
        .word(instance.as_bytes())
        .keccak();
    let message = Words::new()
        .word(&keccak(b"Request(string method,bytes32 body,bytes32 nonce,uint64 deadline)"))
        .word(&keccak(method.as_bytes()))
        .word(body)
        .word(nonce.as_bytes())
        .uint(u128::from(deadline))
        .keccak();
    keccak(&[&[0x19, 0x01][..], &separator, &message].concat())
}

/// SHA-256 of what is signed of a request: its encoding without the signature.
#[must_use]
pub fn body_hash<R: SignedRequest>(request: &R) -> [u8; 32] {
    Sha256::digest(request.signed_bytes()).into()
}

/// Unix time by this machine's clock, seconds.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Signs a request for the server `instance`.
pub fn sign<R: SignedRequest>(request: &mut R, instance: &Instance, key: &PrivateKeySigner) -> Result<()> {
    let nonce = Nonce::new(rand::random());
    let deadline = unix_seconds() + VALIDITY;
    let digest = request_digest(instance, R::METHOD, &body_hash(request), &nonce, deadline);
    let signature = key.sign_hash_sync(&B256::from(digest)).map_err(Problem::internal)?;
    *request.auth_mut() = Some(v1::Auth {
        signer: key.address().to_vec(),
        nonce: nonce.to_vec(),
        deadline,
        signature: signature.as_bytes().to_vec(),
    });
    Ok(())
}
