//! Openings and permits, signed off chain by EIP-712. Vouchers are in [`crate::voucher`].

use alloy::primitives::{keccak256, Address, Bytes, Signature, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync;
use alloy::sol_types::{eip712_domain, Eip712Domain, SolStruct};
use tribute_core::context::Domain;

use crate::abi::{OpenSession, Permit};
use crate::error::{ChainError, Result};
use crate::sessions::NewSession;

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

/// Signs an opening for somebody else to send; `nonce` is the client's session count.
pub fn sign_opening(
    key: &PrivateKeySigner,
    domain: &Domain,
    new: &NewSession,
    nonce: u64,
    deadline: u64,
) -> Result<Bytes> {
    let params = new.params();
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
