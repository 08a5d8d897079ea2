//! Vouchers: of all altered signatures none is its signer's, since the contract would not pay for it.

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use tribute_chain::signing::{sign_voucher, voucher_signer};
use tribute_chain::Voucher;
use tribute_core::context::Domain;

use super::fuzz;

#[test]
fn signatures() {
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11)).expect("a key");
    let domain = Domain { chain_id: 31_337, contract: [0x5e; 20] };
    let voucher =
        Voucher { session: B256::repeat_byte(9), version: 3, count: 120, transcript: U256::from_be_bytes([0x17; 32]) };
    let good = sign_voucher(&key, &domain, &voucher).expect("signed").signature.to_vec();
    assert_eq!(voucher_signer(&domain, &voucher, &good), Some(key.address()));
    fuzz("signature", &[good.clone()], 5_000, |input| {
        let signer = voucher_signer(&domain, &voucher, input);
        assert_eq!(signer == Some(key.address()), input == good);
    });
    // every recovery byte but the one that was signed with
    for v in (0..=255).filter(|v| *v != good[64]) {
        let other = [&good[..64], &[v]].concat();
        assert_ne!(voucher_signer(&domain, &voucher, &other), Some(key.address()), "v = {v}");
    }
}
