//! Signatures in the only encoding that the contracts accept.

use std::fmt;

use alloy::primitives::{hex, Address, Signature, B256};
use tribute_core::digest::Digest;

/// Length in bytes: r, s and v.
const LENGTH: usize = 65;

/// r, s and v in the contracts' encoding: 65 bytes, v 27 or 28, s in the lower half. The encoding is unique.
///
/// [`StrictSignature::parse`] is the only constructor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StrictSignature([u8; LENGTH]);

/// Why the contracts do not accept these bytes as a signature, although other parsers might.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Too short or too long; the compact form of EIP-2098 has 64 bytes.
    #[error("a signature has 65 bytes (r, s, v), not {0}")]
    Length(usize),
    /// 0, 1 or an EIP-155 value, which some wallets and libraries write.
    #[error("a signature ends with v = 27 or 28, not {0}: the contract takes nothing else")]
    RecoveryByte(u8),
    /// s is in the upper half: the malleated form of a signature, which anybody can compute.
    #[error("a signature has its s in the lower half: the contract refuses the other one")]
    HighS,
    /// r or s is zero or too large.
    #[error("a signature has r and s between zero and the curve's order")]
    OutOfRange,
}

impl StrictSignature {
    /// Reads bytes.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSignature> {
        let bytes: [u8; LENGTH] = bytes.try_into().map_err(|_| BadSignature::Length(bytes.len()))?;
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
        Ok(StrictSignature(bytes))
    }

    /// The account that signed `digest`; `None` if recovery fails.
    #[must_use]
    pub fn signer(&self, digest: &Digest) -> Option<Address> {
        let signature = Signature::from_raw_array(&self.0).ok()?;
        signature.recover_address_from_prehash(&B256::new(*digest)).ok()
    }

    /// r, s and v.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for StrictSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;
    use alloy::signers::local::PrivateKeySigner;
    use alloy::signers::SignerSync as _;

    #[test]
    fn only_the_contracts_form_is_parsed() {
        let (key, digest) = (PrivateKeySigner::random(), [0x17; 32]);
        let good = key.sign_hash_sync(&B256::new(digest)).unwrap().as_bytes().to_vec();
        let parse = |bytes: &[u8]| StrictSignature::parse(bytes).map(|_| ());
        let changed = |at: std::ops::Range<usize>, to: &[u8]| {
            let mut bytes = good.clone();
            bytes[at].copy_from_slice(to);
            parse(&bytes)
        };
        assert_eq!(StrictSignature::parse(&good).unwrap().signer(&digest), Some(key.address()));
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
        // half the order is the largest valid s
        let half: U256 = order >> 1;
        assert_eq!(changed(32..64, &half.to_be_bytes::<32>()), Ok(()));
        assert_eq!(changed(32..64, &(half + U256::from(1)).to_be_bytes::<32>()), Err(BadSignature::HighS));
        for r_or_s in [0..32, 32..64] {
            assert_eq!(changed(r_or_s.clone(), &[0; 32]), Err(BadSignature::OutOfRange));
            assert_eq!(changed(r_or_s, &order.to_be_bytes::<32>()), Err(BadSignature::OutOfRange));
        }
    }
}
