//! Which mined transaction used a nonce: read from the block that holds it, since counts and missing receipts do not say
//! whose it is.

use alloy::primitives::{Address, Bytes, TxHash, U256};
use serde::Deserialize;
use serde_json::Value;

use crate::chain::{quantity, Chain};
use crate::error::{ChainError, Result};

#[derive(Deserialize)]
struct Body {
    transactions: Vec<Value>,
}

/// A mined transaction.
pub(crate) struct Mined {
    pub(crate) hash: TxHash,
    pub(crate) block: u64,
    /// Receiver, value and input.
    pub(crate) does: (Option<Address>, U256, Bytes),
}

/// The confirmed transaction of `from` with this nonce. `None` if the node shows none: its answers do not fit together,
/// or the nonce was used by something else, such as a delegation (EIP-7702). Needs the account's nonce at past blocks.
pub(crate) async fn transaction_of(chain: &Chain, from: Address, nonce: u64) -> Result<Option<Mined>> {
    let used =
        |block: u64| async move { Ok::<_, ChainError>(chain.transaction_count(from, &quantity(block)).await? > nonce) };
    let mut after = chain.block_number().await?.saturating_sub(chain.options().confirmations.max(1) - 1);
    if !used(after).await? {
        return Ok(None);
    }
    // backwards in growing steps, since it is usually among the newest blocks; then by bisection
    let (mut before, mut step) = (after, 1_u64);
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
    let body: Option<Body> = chain.request("eth_getBlockByNumber", (quantity(after), true)).await?;
    let ours = body.map(|body| body.transactions).unwrap_or_default().into_iter().find_map(|tx| {
        let nonce_of = tx["nonce"].as_str()?.parse::<U256>().ok()?;
        let from_of = tx["from"].as_str()?.parse::<Address>().ok()?;
        if (from_of, nonce_of) != (from, U256::from(nonce)) {
            return None;
        }
        let hash = tx["hash"].as_str()?.parse().ok()?;
        let input = tx["input"].as_str().or(tx["data"].as_str())?.parse().ok()?;
        let to = tx["to"].as_str().map(str::parse).transpose().ok()?;
        Some(Mined { hash, block: after, does: (to, tx["value"].as_str()?.parse().ok()?, input) })
    });
    Ok(ours)
}
