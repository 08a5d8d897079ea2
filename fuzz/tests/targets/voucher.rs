//! Vouchers: no altered signature is accepted as its signer's, since the contract would not pay for it.

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use tribute_chain::{SignedVoucher, Voucher};
use tribute_core::context::Domain;
use tribute_core::id::{SessionId, Transcript};

use super::fuzz;

const DOMAIN: Domain = Domain { chain_id: 31_337, contract: [0x5e; 20] };

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11)).expect("a key")
}

fn voucher() -> Voucher {
    Voucher { session: SessionId::new([9; 32]), version: 3, count: 120, transcript: Transcript::new([0x17; 32]) }
}

fn is_signers(signature: &[u8]) -> bool {
    SignedVoucher::new(voucher(), signature).is_ok_and(|v| v.signer(&DOMAIN) == Some(key().address()))
}

#[test]
fn signatures() {
    let good = SignedVoucher::sign(&key(), &DOMAIN, voucher()).expect("signed").signature().to_vec();
    assert!(is_signers(&good));
    fuzz("signature", std::slice::from_ref(&good), 5_000, |input| assert_eq!(is_signers(input), input == good));
    for v in 0..=255 {
        let other = [&good[..64], &[v]].concat();
        assert_eq!(is_signers(&other), v == good[64], "v = {v}");
    }
}

#[test]
fn files() {
    let signed = SignedVoucher::sign(&key(), &DOMAIN, voucher()).expect("signed");
    let good = serde_json::to_vec(&signed).expect("written");
    fuzz("voucher", &[good], 10_000, |input| {
        let Ok(read) = serde_json::from_slice::<SignedVoucher>(input) else { return };
        let again = serde_json::to_vec(&read).expect("a parsed voucher serialises");
        assert_eq!(serde_json::from_slice::<SignedVoucher>(&again).expect("a serialised voucher parses"), read);
        assert_eq!(read == signed, read.signer(&DOMAIN) == Some(key().address()));
    });
}
