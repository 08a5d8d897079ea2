//! Which mined transaction used a nonce: read from the block that holds it, since counts and missing receipts do not say
//! whose it is.

use alloy::primitives::{Address, Bytes, TxHash, U256};
use serde::Deserialize;
use serde_json::Value;

use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::values::{quantity, unless_empty};

#[derive(Deserialize)]
struct Body {
    transactions: Vec<Value>,
}

/// Number of the newest blocks that are read if the node does not count transactions at past ones.
const RECENT: u64 = 32;

/// A mined transaction.
pub(crate) struct Mined {
    pub(crate) hash: TxHash,
    pub(crate) block: u64,
    /// Receiver, value and input, if the node shows them.
    pub(crate) does: Option<(Option<Address>, U256, Bytes)>,
}

/// The confirmed transaction of `from` with this nonce, possibly one of `ours`. `None` if the node shows none: its answers
/// do not fit together, or the nonce was used by something else, such as a delegation (EIP-7702). Needs the account's
/// nonce at past blocks, unless it is among the newest.
pub(crate) async fn transaction_of(chain: &Chain, from: Address, nonce: u64, ours: &[TxHash]) -> Result<Option<Mined>> {
    let newest = chain.block_number().await?.saturating_sub(chain.options().confirmations.max(1) - 1);
    match block_of(chain, from, nonce, newest).await {
        Ok(Some(block)) => in_block(chain, from, nonce, ours, block).await,
        Ok(None) => Ok(None),
        Err(error) if error.is_answer() => {
            for block in (newest.saturating_sub(RECENT - 1)..=newest).rev() {
                if let Some(found) = in_block(chain, from, nonce, ours, block).await? {
                    return Ok(Some(found));
                }
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// The block up to `newest` in which the nonce was used.
async fn block_of(chain: &Chain, from: Address, nonce: u64, newest: u64) -> Result<Option<u64>> {
    let used =
        |block: u64| async move { Ok::<_, ChainError>(chain.transaction_count(from, &quantity(block)).await? > nonce) };
    if !used(newest).await? {
        return Ok(None);
    }
    // backwards in growing steps, since it is usually among the newest blocks; then by bisection
    let (mut before, mut after, mut step) = (newest, newest, 1_u64);
    while before == after {
        before = after.saturating_sub(step);
        if used(before).await? {
            if before == 0 {
                return Ok(None); // the node ignores the block asked for
            }
            (after, step) = (before, step.saturating_mul(2));
        }
    }
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if used(middle).await? {
            after = middle;
        } else {
            before = middle;
        }
    }
    Ok(Some(after))
}

/// The transaction in this block. Some nodes list only hashes, of which we know ours.
async fn in_block(chain: &Chain, from: Address, nonce: u64, ours: &[TxHash], block: u64) -> Result<Option<Mined>> {
    let body: Option<Body> = chain.request("eth_getBlockByNumber", (quantity(block), true)).await?;
    Ok(body.map(|body| body.transactions).unwrap_or_default().into_iter().find_map(|tx| {
        if let Some(hash) = tx.as_str() {
            let hash = hash.parse().ok()?;
            return ours.contains(&hash).then_some(Mined { hash, block, does: None });
        }
        let nonce_of = tx["nonce"].as_str()?.parse::<U256>().ok()?;
        let from_of = tx["from"].as_str()?.parse::<Address>().ok()?;
        if (from_of, nonce_of) != (from, U256::from(nonce)) {
            return None;
        }
        Some(Mined { hash: tx["hash"].as_str()?.parse().ok()?, block, does: does(&tx) })
    }))
}

fn does(tx: &Value) -> Option<(Option<Address>, U256, Bytes)> {
    let to = unless_empty(&tx["to"]).ok()?;
    let input = tx["input"].as_str().or(tx["data"].as_str())?;
    Some((to, tx["value"].as_str()?.parse().ok()?, input.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_has_no_receiver_however_a_node_writes_it() {
        let of = |to: Value| does(&json!({ "to": to, "value": "0x7", "input": "0x08" }));
        let does = |to| Some((to, U256::from(7), Bytes::from([8_u8])));
        for none in [Value::Null, json!(""), json!("0x")] {
            assert_eq!(of(none.clone()), does(None), "{none}");
        }
        assert_eq!(of(json!(Address::repeat_byte(3))), does(Some(Address::repeat_byte(3))));
        assert_eq!(of(json!("0x12")), None);
    }
}
