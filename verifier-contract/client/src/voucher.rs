//! Signed vouchers: what a client owes for the answers of a session, in the one form that the escrow contract takes.

use std::fmt;

use alloy::primitives::{hex, Address, Signature, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use alloy::sol_types::SolStruct as _;
use serde::{Deserialize, Serialize};
use tribute_core::context::Domain;
use tribute_core::digest::Digest;
use tribute_core::id::{SessionId, Transcript};

use crate::abi::{self, word, ISessionEscrow::SlotVoucher};
use crate::error::{ChainError, Result};
use crate::signing::eip712;

/// Length of a signature, in bytes: r, s and v.
const LENGTH: usize = 65;

/// What a session key signs: all queries of a session so far and the transcript at which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The session.
    pub session: SessionId,
    /// Version of its agent.
    pub version: u32,
    /// Answers since it was opened.
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

/// A voucher with a signature that the contract parses: 65 bytes, v 27 or 28, s in the lower half. Whose signature it is
/// says [`SignedVoucher::signer`].
///
/// The constructors are the only way to one, from JSON too, so whatever holds one can be claimed with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct SignedVoucher {
    voucher: Voucher,
    signature: VoucherSignature,
}

/// r, s and v as the contract takes them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct VoucherSignature([u8; LENGTH]);

/// Why bytes are not the signature of a voucher, although other parsers may take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Too short or too long; the compact form of EIP-2098 has 64 bytes.
    #[error("a voucher's signature has 65 bytes (r, s, v), not {0}")]
    Length(usize),
    /// 0, 1 or an EIP-155 value, which some wallets and libraries write.
    #[error("a voucher's signature ends with v = 27 or 28, not {0}: the contract takes nothing else")]
    RecoveryByte(u8),
    /// The twin of a signature, which anybody can compute.
    #[error("a voucher's signature has its s in the lower half: the contract refuses the other one")]
    HighS,
    /// r or s is zero or too large.
    #[error("a voucher's signature has r and s between zero and the curve's order")]
    OutOfRange,
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
        let bytes: [u8; LENGTH] = signature.try_into().map_err(|_| BadSignature::Length(signature.len()))?;
        if !matches!(bytes[64], 27 | 28) {
            return Err(BadSignature::RecoveryByte(bytes[64]));
        }
        let parsed = Signature::from_raw_array(&bytes).map_err(|_| BadSignature::OutOfRange)?;
        if parsed.to_k256().is_err() {
            return Err(BadSignature::OutOfRange);
        }
        if parsed.normalize_s().is_some() {
            return Err(BadSignature::HighS);
        }
        Ok(SignedVoucher { voucher, signature: VoucherSignature(bytes) })
    }

    /// Who signed it, for the escrow contract of `domain`; `None` if no key can have.
    #[must_use]
    pub fn signer(&self, domain: &Domain) -> Option<Address> {
        let signature = Signature::from_raw_array(&self.signature.0).ok()?;
        signature.recover_address_from_prehash(&B256::new(voucher_digest(domain, &self.voucher))).ok()
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

    /// Answers since the session was opened.
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
        &self.signature.0
    }

    /// As a claim brings it to the contract, which knows the version from elsewhere.
    pub(crate) fn slot(&self) -> SlotVoucher {
        let Voucher { session, count, transcript, .. } = self.voucher;
        let transcript = U256::from_be_bytes(*transcript.as_bytes());
        SlotVoucher { session: word(&session), count, transcript, signature: self.signature.0.to_vec().into() }
    }
}

impl fmt::Debug for VoucherSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
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
    fn only_the_contracts_form_of_a_signature_is_parsed() {
        let key = PrivateKeySigner::random();
        let good = SignedVoucher::sign(&key, &domain(), voucher()).unwrap().signature().to_vec();
        let parse = |bytes: &[u8]| SignedVoucher::new(voucher(), bytes).map(|_| ());
        let changed = |at: std::ops::Range<usize>, to: &[u8]| {
            let mut bytes = good.clone();
            bytes[at].copy_from_slice(to);
            parse(&bytes)
        };
        assert_eq!(parse(&good), Ok(()));
        for v in [0, 1, 2, 26, 29, 35, 36, 37, 255] {
            assert_eq!(changed(64..65, &[v]), Err(BadSignature::RecoveryByte(v)));
        }
        assert_eq!(parse(&good[..64]), Err(BadSignature::Length(64)));
        assert_eq!(parse(&[&good[..], &[0]].concat()), Err(BadSignature::Length(66)));
        assert_eq!(parse(&[]), Err(BadSignature::Length(0)));
        // n - s with the other parity signs the same digest
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let twin = order - U256::from_be_slice(&good[32..64]);
        assert_eq!(
            changed(32..65, &[&twin.to_be_bytes::<32>()[..], &[55 - good[64]]].concat()),
            Err(BadSignature::HighS)
        );
        // half the order is the largest s
        let half: U256 = order >> 1;
        assert_eq!(changed(32..64, &half.to_be_bytes::<32>()), Ok(()));
        assert_eq!(changed(32..64, &(half + U256::from(1)).to_be_bytes::<32>()), Err(BadSignature::HighS));
        for r_or_s in [0..32, 32..64] {
            assert_eq!(changed(r_or_s.clone(), &[0; 32]), Err(BadSignature::OutOfRange));
            assert_eq!(changed(r_or_s, &order.to_be_bytes::<32>()), Err(BadSignature::OutOfRange));
        }
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
