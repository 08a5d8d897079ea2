//! Transactions as data: messages to send, their signed versions, and mined transactions.

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{keccak256, Address, Bytes, TxHash, TxKind, B256, U256};
use alloy::rpc::types::{TransactionInput, TransactionRequest};
use serde::{Deserialize, Serialize};

use crate::receipt::Receipt;
use crate::revert::Revert;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it does, for messages.
    pub action: String,
    /// Receiver; `None` deploys `data`.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub data: Bytes,
    /// Value in wei.
    pub value: U256,
    /// Identifies the message in the journal of an earlier process: the hash of `data`, unless `data` contains values
    /// that differ in every run of a command, such as a deadline.
    pub identity: B256,
}

impl Message {
    /// A message identified by its data.
    #[must_use]
    pub fn new(action: impl Into<String>, to: Option<Address>, data: Bytes, value: U256) -> Message {
        Message { action: action.into(), to, identity: keccak256(&data), data, value }
    }

    /// As a request from `from`.
    #[must_use]
    pub fn request(&self, from: Address) -> TransactionRequest {
        let mut request = TransactionRequest::default().from(from).value(self.value).input(as_data(self.data.clone()));
        request.to = Some(self.to.map_or(TxKind::Create, TxKind::Call));
        request
    }
}

/// Calldata of a request, as `data`: some nodes do not read `input`, and some refuse a request with both.
pub(crate) fn as_data(data: Bytes) -> TransactionInput {
    TransactionInput { input: None, data: Some(data) }
}

/// Fees of one version of a transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fees {
    /// EIP-1559.
    Dynamic {
        max_fee: u128,
        /// The tip; never above `max_fee`.
        tip: u128,
    },
    /// Chains whose blocks have no base fee.
    Legacy { gas_price: u128 },
}

impl Fees {
    /// Highest price offered per gas.
    pub(crate) fn price(self) -> u128 {
        match self {
            Fees::Dynamic { max_fee, .. } => max_fee,
            Fees::Legacy { gas_price } => gas_price,
        }
    }
}

/// One signed version of a transaction; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) hash: TxHash,
    /// EIP-2718 encoding, for `eth_sendRawTransaction`.
    pub(crate) raw: Bytes,
    pub(crate) fees: Fees,
}

impl Signed {
    /// Receiver, value and input.
    pub(crate) fn does(&self) -> Option<(Option<Address>, U256, Bytes)> {
        let tx = TxEnvelope::decode_2718(&mut &self.raw[..]).ok()?;
        Some((tx.to(), tx.value(), tx.input().clone()))
    }
}

/// A mined transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What it did, for messages.
    pub action: String,
    /// Hash of the transaction.
    pub tx: TxHash,
    /// Sender.
    pub from: Address,
    /// Receiver; `None` for a deployment.
    pub to: Option<Address>,
    /// Number of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// 1: success, 0: failure.
    pub status: u8,
    /// Gas used.
    pub gas_used: u64,
    /// Price paid per gas, in wei; 0 if the node does not say.
    pub gas_price: u128,
}

impl Sent {
    pub(crate) fn new(message: &Message, receipt: &Receipt) -> Sent {
        Sent {
            action: message.action.clone(),
            tx: receipt.transaction_hash,
            from: receipt.from,
            to: receipt.to,
            block: receipt.block_number.unwrap_or_default(),
            block_hash: receipt.block_hash.unwrap_or_default(),
            status: u8::from(receipt.status),
            gas_used: receipt.gas_used,
            gas_price: receipt.gas_price,
        }
    }
}

/// A transaction that was mined and failed, as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertedTx {
    /// The transaction; its status is 0.
    pub sent: Sent,
    /// The contract's error.
    pub revert: Revert,
}
