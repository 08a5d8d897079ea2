//! A key on one chain: signs transactions and tracks the account's next nonce.

use std::sync::Arc;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, Signature, TxKind, B256};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::SignerSync;

use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::nonces::Nonces;
use crate::transaction::{Fees, Message, Signed};

/// All accounts of one key on one [`Chain`] share a nonce counter.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) chain: Chain,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) nonces: Arc<Nonces>,
}

impl Account {
    pub(crate) fn new(chain: &Chain, signer: PrivateKeySigner) -> Account {
        let nonces = chain.nonces(signer.address());
        Account { chain: chain.clone(), signer, nonces }
    }

    pub(crate) fn address(&self) -> Address {
        self.signer.address()
    }

    /// The gas limit of a message: an estimate with margin.
    pub(crate) async fn gas_for(&self, message: &Message) -> Result<u64> {
        let estimate = self.chain.estimate_gas(&message.action, &message.request(self.address())).await?;
        let options = self.chain.options();
        let cap = options.gas_cap;
        if estimate > cap {
            return Err(ChainError::GasAboveCap { action: message.action.clone(), needed: estimate, cap });
        }
        let margin = estimate.saturating_mul(u64::from(options.gas_margin_percent)) / 100;
        Ok(estimate.saturating_add(margin).min(cap))
    }

    /// Signs one version of a transaction, bound to the chain's id.
    pub(crate) fn sign(&self, message: &Message, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Signed> {
        let (chain_id, to) = (self.chain.id(), message.to.map_or(TxKind::Create, TxKind::Call));
        let (value, input) = (message.value, message.data.clone());
        let envelope: TxEnvelope = match fees {
            Fees::Dynamic { max_fee: max_fee_per_gas, tip: max_priority_fee_per_gas } => {
                let access_list = Default::default();
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                let signature = self.signature(tx.signature_hash())?;
                tx.into_signed(signature).into()
            }
            Fees::Legacy { gas_price } => {
                let tx = TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input };
                let signature = self.signature(tx.signature_hash())?;
                tx.into_signed(signature).into()
            }
        };
        Ok(Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into(), fees })
    }

    fn signature(&self, hash: B256) -> Result<Signature> {
        self.signer.sign_hash_sync(&hash).map_err(|e| ChainError::Signing { cause: e.to_string() })
    }
}
