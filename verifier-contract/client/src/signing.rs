//! What is signed off chain: vouchers, openings, permits. EIP-712 by Alloy; the digests equal `tribute-core`'s and the
//! contract's.

use alloy::primitives::{keccak256, Address, Bytes, Signature, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync;
use alloy::sol_types::{eip712_domain, Eip712Domain, SolStruct};
use tribute_core::context::Domain;

use crate::abi::ISessionEscrow::{OpenParams, SlotVoucher};
use crate::abi::{OpenSession, Permit, Voucher};
use crate::error::{ChainError, Result};

/// The EIP-712 domain of the escrow contract.
#[must_use]
pub fn eip712(domain: &Domain) -> Eip712Domain {
    eip712_domain! {
        name: "Tribute",
        version: "1",
        chain_id: domain.chain_id,
        verifying_contract: Address::from(domain.contract),
    }
}

/// The digest that a session key signs.
#[must_use]
pub fn voucher_digest(domain: &Domain, voucher: &Voucher) -> B256 {
    voucher.eip712_signing_hash(&eip712(domain))
}

/// Signs a voucher with the session key, in the form that a claim brings it. `domain` is the escrow contract's.
pub fn sign_voucher(key: &PrivateKeySigner, domain: &Domain, voucher: &Voucher) -> Result<SlotVoucher> {
    let signature = sign(key, voucher_digest(domain, voucher))?;
    Ok(SlotVoucher {
        session: voucher.session,
        count: voucher.count,
        transcript: voucher.transcript,
        signature: signature.as_bytes().to_vec().into(),
    })
}

/// Who signed a voucher; `None` if the signature is none. The contract takes 65 bytes with v 27 or 28 and low s only.
#[must_use]
pub fn voucher_signer(domain: &Domain, voucher: &Voucher, signature: &[u8]) -> Option<Address> {
    let v_is_canonical = matches!(signature.last(), Some(27 | 28));
    let parsed = Signature::from_raw(signature).ok().filter(|_| v_is_canonical && signature.len() == 65)?;
    if parsed.normalize_s().is_some() {
        return None; // the upper of two possible s
    }
    parsed.recover_address_from_prehash(&voucher_digest(domain, voucher)).ok()
}

/// Signs an opening for somebody else to send; `nonce` is the client's session count.
pub fn sign_opening(
    key: &PrivateKeySigner,
    domain: &Domain,
    params: &OpenParams,
    nonce: u64,
    deadline: u64,
) -> Result<Bytes> {
    let opening = OpenSession {
        client: key.address(),
        agentId: params.agentId,
        version: params.version,
        pricePerQuery: params.pricePerQuery,
        escrow: params.escrow,
        sessionKey: params.sessionKey,
        nonce: U256::from(nonce),
        deadline: U256::from(deadline),
    };
    Ok(sign(key, opening.eip712_signing_hash(&eip712(domain)))?.as_bytes().to_vec().into())
}

/// A signed ERC-2612 permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedPermit {
    /// Last second at which it counts.
    pub deadline: U256,
    /// Signature of the token's holder.
    pub signature: Signature,
}

impl SignedPermit {
    /// `(r, s, v)`, as contracts take them.
    #[must_use]
    pub fn parts(&self) -> (B256, B256, u8) {
        let bytes = self.signature.as_bytes();
        (B256::from_slice(&bytes[..32]), B256::from_slice(&bytes[32..64]), bytes[64])
    }
}

/// Signs a permit under the token's own domain separator.
pub fn sign_permit(
    key: &PrivateKeySigner,
    separator: B256,
    spender: Address,
    value: U256,
    nonce: U256,
    deadline: u64,
) -> Result<SignedPermit> {
    let deadline = U256::from(deadline);
    let permit = Permit { owner: key.address(), spender, value, nonce, deadline };
    let digest = keccak256([&[0x19, 0x01][..], separator.as_ref(), permit.eip712_hash_struct().as_ref()].concat());
    Ok(SignedPermit { deadline, signature: sign(key, digest)? })
}

fn sign(key: &PrivateKeySigner, digest: B256) -> Result<Signature> {
    key.sign_hash_sync(&digest).map_err(|e| ChainError::Signing { cause: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain { chain_id: 31_337, contract: [0x5e; 20] }
    }

    fn voucher() -> Voucher {
        Voucher { session: B256::repeat_byte(9), version: 3, count: 120, transcript: U256::from_be_bytes([0x17; 32]) }
    }

    #[test]
    fn voucher_digest_is_cores() {
        let v = voucher();
        let core = tribute_core::context::voucher_digest(
            &domain(),
            &v.session,
            v.version,
            v.count,
            &v.transcript.to_be_bytes(),
        );
        assert_eq!(voucher_digest(&domain(), &v), B256::from(core));
    }

    #[test]
    fn the_signer_is_recovered() {
        let key = PrivateKeySigner::random();
        let signed = sign_voucher(&key, &domain(), &voucher()).unwrap();
        assert_eq!(voucher_signer(&domain(), &voucher(), &signed.signature), Some(key.address()));
        let more = Voucher { count: 121, ..voucher() };
        assert_ne!(voucher_signer(&domain(), &more, &signed.signature), Some(key.address()));
    }

    #[test]
    fn only_the_contracts_form_of_a_signature_counts() {
        let key = PrivateKeySigner::random();
        let good = sign_voucher(&key, &domain(), &voucher()).unwrap().signature.to_vec();
        let mut zero_v = good.clone();
        zero_v[64] -= 27;
        assert_eq!(voucher_signer(&domain(), &voucher(), &zero_v), None);
        assert_eq!(voucher_signer(&domain(), &voucher(), &good[..64]), None);
        // n - s with the other parity signs the same digest, but the contract refuses it
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
        let mut high_s = good.clone();
        let s = U256::from_be_slice(&good[32..64]);
        high_s[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        high_s[64] = 55 - good[64];
        assert_eq!(voucher_signer(&domain(), &voucher(), &high_s), None);
    }
}
