//! A participant's consent: its account's signature under the request, with the keys that its node will use for it.

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync as _;
use rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};
use tribute_chain::StrictSignature;
use tribute_core::digest::{keccak, Digest, Words};
use tribute_core::hexed::{AccountAddress, Hex, HexBytes};
use tribute_core::id::RequestId;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::refusal::Refusal;
use crate::request::Request;

/// The keys that a node makes for one request: for the masks and for signing its answers. They are used for nothing else.
pub struct NodeKeys {
    mask: StaticSecret,
    answer: PrivateKeySigner,
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKeys")
    }
}

impl NodeKeys {
    /// Fresh keys.
    #[must_use]
    pub fn random() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *seed);
        NodeKeys { mask: StaticSecret::from(*seed), answer: PrivateKeySigner::random() }
    }

    /// Restores stored keys; `None` if the bytes are not keys.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 64]) -> Option<Self> {
        let (mask, answer) = bytes.split_first_chunk::<32>()?;
        let answer = PrivateKeySigner::from_slice(answer).ok()?;
        Some(NodeKeys { mask: StaticSecret::from(*mask), answer })
    }

    /// The keys' bytes: a secret, stored sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(self.mask.as_bytes());
        bytes[32..].copy_from_slice(&self.answer.to_bytes()[..]);
        bytes
    }

    /// Public key of the masks.
    #[must_use]
    pub fn mask_key(&self) -> Hex<32> {
        Hex(PublicKey::from(&self.mask).to_bytes())
    }

    /// Address of the key that signs answers.
    #[must_use]
    pub fn answer_key(&self) -> AccountAddress {
        self.answer.address().into_array().into()
    }

    /// The secret shared with another node; `None` if that node's key is of small order, which would fix it.
    pub(crate) fn shared(&self, other: &Hex<32>) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.mask.diffie_hellman(&PublicKey::from(other.0));
        shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
    }

    /// Signs a digest with the key for answers.
    pub fn sign(&self, digest: &Digest) -> Result<HexBytes, Refusal> {
        sign(&self.answer, digest)
    }
}

/// A participant's consent to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The request.
    pub request: RequestId,
    /// The participant.
    pub account: AccountAddress,
    /// X25519 key of its node, for the masks.
    pub mask_key: Hex<32>,
    /// Address of the key with which its node signs.
    pub answer_key: AccountAddress,
    /// 65 bytes, by the account, over [`Consent::digest`].
    pub signature: HexBytes,
}

impl Consent {
    /// The EIP-712 digest that the account signs: `Consent(bytes32 request,bytes32 maskKey,address answerKey)`.
    #[must_use]
    pub fn digest(request: RequestId, mask_key: &Hex<32>, answer_key: AccountAddress) -> Digest {
        let separator = Words::new()
            .word(&keccak(b"EIP712Domain(string name,string version)"))
            .word(&keccak(b"Tribute Training"))
            .word(&keccak(b"1"))
            .keccak();
        let message = Words::new()
            .word(&keccak(b"Consent(bytes32 request,bytes32 maskKey,address answerKey)"))
            .word(request.as_bytes())
            .word(&mask_key.0)
            .address(&answer_key.0)
            .keccak();
        keccak(&[&[0x19, 0x01][..], &separator, &message].concat())
    }

    /// Consents with an account's key, for a node that uses these keys.
    pub fn sign(
        key: &PrivateKeySigner,
        request: RequestId,
        mask_key: Hex<32>,
        answer_key: AccountAddress,
    ) -> Result<Self, Refusal> {
        let signature = sign(key, &Consent::digest(request, &mask_key, answer_key))?;
        Ok(Consent { request, account: key.address().into_array().into(), mask_key, answer_key, signature })
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`Refusal::Consent`].
    pub fn check(&self, request: RequestId) -> Result<(), Refusal> {
        let refused = |why| Refusal::Consent { account: self.account, request, why };
        if self.request != request {
            return Err(refused("is to another request"));
        }
        let digest = Consent::digest(self.request, &self.mask_key, self.answer_key);
        if signer(&self.signature, &digest) != Some(self.account) {
            return Err(refused("is not signed by that account"));
        }
        Ok(())
    }
}

/// The consents to a training: one of every participant, in order.
///
/// # Errors
/// [`Refusal::Consent`] with the first that is missing or invalid.
pub fn check_all(request: &Request, consents: &[Consent]) -> Result<(), Refusal> {
    let accounts: Vec<AccountAddress> = request.participants.iter().map(|one| one.account).collect();
    check_members(request.id(), &accounts, consents)
}

/// One consent of every account, in order.
///
/// # Errors
/// [`Refusal::Consent`] with the first that is missing or invalid.
pub(crate) fn check_members(id: RequestId, accounts: &[AccountAddress], consents: &[Consent]) -> Result<(), Refusal> {
    for (i, account) in accounts.iter().enumerate() {
        let refused = |why| Refusal::Consent { account: *account, request: id, why };
        let consent = consents.get(i).ok_or_else(|| refused("is missing"))?;
        if consent.account != *account {
            return Err(refused("is in another's place: the participants are those of the request, in its order"));
        }
        consent.check(id)?;
        if consents[..i]
            .iter()
            .any(|other| other.mask_key == consent.mask_key || other.answer_key == consent.answer_key)
        {
            return Err(refused("repeats another participant's key"));
        }
    }
    if let Some(Consent { account, .. }) = consents.get(accounts.len()) {
        let account = *account;
        return Err(Refusal::Consent { account, request: id, why: "is of no participant" });
    }
    Ok(())
}

fn sign(key: &PrivateKeySigner, digest: &Digest) -> Result<HexBytes, Refusal> {
    let signature = key.sign_hash_sync(&B256::from(*digest)).map_err(Refusal::internal)?;
    Ok(HexBytes(signature.as_bytes().to_vec()))
}

/// Who signed `digest`; `None` if the signature is invalid or not in its one accepted encoding.
pub(crate) fn signer(signature: &HexBytes, digest: &Digest) -> Option<AccountAddress> {
    let signer = StrictSignature::parse(&signature.0).ok()?.signer(digest)?;
    Some(Hex(signer.into_array()))
}
