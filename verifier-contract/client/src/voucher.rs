//! Signed vouchers: what a client owes for the answers of a session, in the only form that the escrow contract accepts.

use std::fmt;

use alloy::primitives::{hex, Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use alloy::sol_types::SolStruct as _;
use serde::{Deserialize, Serialize};
use tribute_core::context::Domain;
use tribute_core::digest::Digest;
use tribute_core::id::{SessionId, Transcript};

use crate::abi::{self, word, ISessionEscrow::SlotVoucher};
use crate::error::{ChainError, Result};
use crate::signature::{BadSignature, StrictSignature};
use crate::signing::eip712;

/// Signed by a session key: the total number of queries of a session so far and the transcript after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The session.
    pub session: SessionId,
    /// Version of its agent.
    pub version: u32,
    /// Total number of answers since it was opened.
    pub count: u64,
    /// Transcript after the last of them.
    pub transcript: Transcript,
}

/// The digest that a session key signs. `domain` is the escrow contract's.
#[must_use]
pub fn voucher_digest(domain: &Domain, voucher: &Voucher) -> Digest {
    let Voucher { session, version, count, transcript } = voucher;
    let transcript = U256::from_be_bytes(*transcript.as_bytes());
    let typed = abi::Voucher { session: word(session), version: *version, count: *count, transcript };
    typed.eip712_signing_hash(&eip712(domain)).0
}

/// A voucher with a signature that the contract can parse. For the signer see [`SignedVoucher::signer`].
///
/// The constructors are the only way to build one, also from JSON, so every value can be used in a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct SignedVoucher {
    voucher: Voucher,
    signature: StrictSignature,
}

impl SignedVoucher {
    /// Signs a voucher with the session key.
    pub fn sign(key: &PrivateKeySigner, domain: &Domain, voucher: Voucher) -> Result<SignedVoucher> {
        let failed = |e: &dyn fmt::Display| ChainError::Signing { cause: e.to_string() };
        let signature = key.sign_hash_sync(&B256::new(voucher_digest(domain, &voucher))).map_err(|e| failed(&e))?;
        SignedVoucher::new(voucher, &signature.as_bytes()).map_err(|e| failed(&e))
    }

    /// A voucher and the bytes of its signature.
    pub fn new(voucher: Voucher, signature: &[u8]) -> Result<SignedVoucher, BadSignature> {
        Ok(SignedVoucher { voucher, signature: StrictSignature::parse(signature)? })
    }

    /// The signer, for the escrow contract of `domain`; `None` if recovery fails.
    #[must_use]
    pub fn signer(&self, domain: &Domain) -> Option<Address> {
        self.signature.signer(&voucher_digest(domain, &self.voucher))
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.voucher.session
    }

    /// Version of the session's agent.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.voucher.version
    }

    /// Total number of answers since the session was opened.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.voucher.count
    }

    /// Transcript after the last of them.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        self.voucher.transcript
    }

    /// r, s and v.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.signature.as_bytes()
    }

    /// The form used in a claim, which states the version separately.
    pub(crate) fn slot(&self) -> SlotVoucher {
        let Voucher { session, count, transcript, .. } = self.voucher;
        let transcript = U256::from_be_bytes(*transcript.as_bytes());
        SlotVoucher { session: word(&session), count, transcript, signature: self.signature.as_bytes().to_vec().into() }
    }
}

/// A signed voucher in files and databases.
#[derive(Serialize, Deserialize)]
struct Json {
    session: SessionId,
    version: u32,
    count: u64,
    transcript: Transcript,
    /// With or without 0x.
    signature: String,
}

impl TryFrom<Json> for SignedVoucher {
    type Error = String;

    fn try_from(json: Json) -> Result<SignedVoucher, String> {
        let Json { session, version, count, transcript, signature } = json;
        let bytes = hex::decode(&signature).map_err(|_| "a voucher's signature is not hex".to_owned())?;
        SignedVoucher::new(Voucher { session, version, count, transcript }, &bytes).map_err(|e| e.to_string())
    }
}

impl From<SignedVoucher> for Json {
    fn from(signed: SignedVoucher) -> Json {
        Json {
            session: signed.session(),
            version: signed.version(),
            count: signed.count(),
            transcript: signed.transcript(),
            signature: hex::encode_prefixed(signed.signature()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain { chain_id: 31_337, contract: [0x5e; 20] }
    }

    fn voucher() -> Voucher {
        Voucher { session: SessionId::new([9; 32]), version: 3, count: 120, transcript: Transcript::new([0x17; 32]) }
    }

    #[test]
    fn voucher_digest_is_cores() {
        let v = voucher();
        let core = tribute_core::context::voucher_digest(&domain(), &v.session, v.version, v.count, &v.transcript);
        assert_eq!(voucher_digest(&domain(), &v), core);
    }

    #[test]
    fn the_signer_is_recovered() {
        let key = PrivateKeySigner::random();
        let signed = SignedVoucher::sign(&key, &domain(), voucher()).unwrap();
        assert_eq!(signed.signer(&domain()), Some(key.address()));
        let more = SignedVoucher::new(Voucher { count: 121, ..voucher() }, signed.signature()).unwrap();
        assert_ne!(more.signer(&domain()), Some(key.address()));
        assert_ne!(signed.signer(&Domain { chain_id: 1, ..domain() }), Some(key.address()));
    }

    #[test]
    fn json_is_parsed_as_strictly() {
        let signed = SignedVoucher::sign(&PrivateKeySigner::random(), &domain(), voucher()).unwrap();
        let mut json = serde_json::to_value(&signed).unwrap();
        assert_eq!(serde_json::from_value::<SignedVoucher>(json.clone()).unwrap(), signed);
        assert_eq!(json["transcript"], format!("0x{}", "17".repeat(32)));
        json["signature"] = hex::encode(signed.signature()).into();
        assert_eq!(serde_json::from_value::<SignedVoucher>(json.clone()).unwrap(), signed);
        for (v, says) in [("00", "27 or 28, not 0"), ("23", "27 or 28, not 35"), ("", "65 bytes"), ("zz", "not hex")] {
            json["signature"] = format!("{}{v}", hex::encode(&signed.signature()[..64])).into();
            let error = serde_json::from_value::<SignedVoucher>(json.clone()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
