//! ERC-2612 permits, signed off chain by EIP-712. Vouchers are in [`crate::voucher`], openings in [`crate::sessions`].

use alloy::primitives::{keccak256, Address, Signature, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync;
use alloy::sol_types::{eip712_domain, Eip712Domain, SolStruct};
use tribute_core::context::Domain;

use crate::abi::Permit;
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

/// A signed ERC-2612 permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedPermit {
    /// Unix time in seconds, inclusive, until which it is valid.
    pub deadline: U256,
    /// Signature of the token's holder.
    pub signature: Signature,
}

impl SignedPermit {
    /// `(r, s, v)`, in the contracts' types.
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

pub(crate) fn sign(key: &PrivateKeySigner, digest: B256) -> Result<Signature> {
    key.sign_hash_sync(&digest).map_err(|e| ChainError::Signing { cause: e.to_string() })
}
