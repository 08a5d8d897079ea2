//! Receipts of mined transactions, as far as they are read.

use alloy::primitives::{Address, Bytes, Log, TxHash, B256, U256};
use serde::de::{Deserializer, Error as _};
use serde::Deserialize;

use crate::values::{number, optional_number, unless_empty};

/// Receipt of a transaction. Some chains' receipts lack other fields of Ethereum's, or hold unusual values in them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Hash of the transaction.
    pub transaction_hash: TxHash,
    /// Sender.
    pub from: Address,
    /// Receiver; `None` for a deployment.
    #[serde(default, deserialize_with = "unless_empty")]
    pub to: Option<Address>,
    /// The contract that a deployment created.
    #[serde(default, deserialize_with = "unless_empty")]
    pub contract_address: Option<Address>,
    /// Whether it succeeded.
    #[serde(deserialize_with = "succeeded")]
    pub status: bool,
    /// Number of its block.
    #[serde(default, deserialize_with = "optional_number")]
    pub block_number: Option<u64>,
    /// Hash of its block.
    #[serde(default)]
    pub block_hash: Option<B256>,
    /// Gas used.
    #[serde(deserialize_with = "number")]
    pub gas_used: u64,
    /// Price paid per gas, in wei; 0 if the node does not say.
    #[serde(default, rename = "effectiveGasPrice", deserialize_with = "price")]
    pub gas_price: u128,
    /// Its events, in order.
    #[serde(default, deserialize_with = "logs")]
    pub logs: Vec<Log>,
}

fn succeeded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match optional_number(deserializer)? {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(D::Error::custom("a status is 0x1 or 0x0")),
    }
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    Ok(unless_empty::<_, U256>(deserializer)?.map(|price| price.saturating_to()).unwrap_or_default())
}

/// Of each event only what the contract wrote.
fn logs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Log>, D::Error> {
    #[derive(Deserialize)]
    struct Written {
        address: Address,
        topics: Vec<B256>,
        #[serde(default)]
        data: Bytes,
    }
    let logs = Option::<Vec<Written>>::deserialize(deserializer)?.unwrap_or_default();
    let log = |log: Written| Log::new(log.address, log.topics, log.data);
    logs.into_iter().map(|written| log(written).ok_or_else(|| D::Error::custom("more than four topics"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    /// A receipt with these fields instead of the usual ones; null removes one.
    fn receipt(changes: Value) -> serde_json::Result<Receipt> {
        let mut fields = json!({
            "transactionHash": B256::repeat_byte(1), "from": Address::repeat_byte(2), "to": Address::repeat_byte(3),
            "contractAddress": null, "status": "0x1", "blockNumber": "0x5", "blockHash": B256::repeat_byte(4),
            "gasUsed": "0x5208", "effectiveGasPrice": "0x7",
            "logs": [{ "address": Address::repeat_byte(5), "topics": [B256::repeat_byte(6)], "data": "0x07" }],
        });
        for (name, value) in changes.as_object().unwrap() {
            fields[name] = value.clone();
        }
        serde_json::from_value(fields)
    }

    #[test]
    fn a_receipt_needs_only_what_is_read() {
        let usual = receipt(json!({})).unwrap();
        assert_eq!((usual.status, usual.block_number, usual.gas_used, usual.gas_price), (true, Some(5), 21_000, 7));
        assert_eq!((usual.logs[0].topics().len(), usual.contract_address), (1, None));
        for unused in [
            json!({ "logsBloom": null, "cumulativeGasUsed": null, "type": "0x7e", "l1Fee": {} }),
            json!({ "contractAddress": "", "transactionIndex": "" }),
        ] {
            assert_eq!(receipt(unused).unwrap(), usual);
        }
        for (fields, expected) in [
            (json!({ "to": "" }), Receipt { to: None, ..usual.clone() }),
            (json!({ "to": null, "effectiveGasPrice": null }), Receipt { to: None, gas_price: 0, ..usual.clone() }),
            (json!({ "logs": null }), Receipt { logs: Vec::new(), ..usual.clone() }),
            (json!({ "status": "0x0" }), Receipt { status: false, ..usual.clone() }),
            (
                json!({ "blockNumber": null, "blockHash": null }),
                Receipt { block_number: None, block_hash: None, ..usual },
            ),
        ] {
            assert_eq!(receipt(fields).unwrap(), expected);
        }
    }

    #[test]
    fn a_receipt_that_does_not_tell_the_outcome_is_none() {
        for fields in [
            json!({ "status": null }),
            json!({ "status": "0x2" }),
            json!({ "status": "" }),
            json!({ "status": "0x" }),
            json!({ "from": null }),
            json!({ "transactionHash": "0x" }),
            json!({ "logs": [{}] }),
            json!({ "contractAddress": "0x12" }),
        ] {
            assert!(receipt(fields.clone()).is_err(), "{fields}");
        }
    }
}
