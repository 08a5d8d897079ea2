//! Gas fees: the market price within our caps, and the higher fees of a replacement.

use alloy::primitives::U256;
use serde::Deserialize;

use crate::chain::Chain;
use crate::error::{ChainError, Result};
use crate::options::Options;
use crate::transaction::Fees;
use crate::wording::gwei;

/// Number of past blocks whose tips are sampled.
const PAST_BLOCKS: &str = "0xa";
/// Percentile of the tips within each block.
const PERCENTILE: f64 = 20.0;

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "baseFeePerGas")]
    base_fee: Option<U256>,
}

/// The rest of the answer is ignored: nodes omit parts of it or set them to null.
#[derive(Deserialize)]
struct History {
    reward: Option<Vec<Option<Vec<U256>>>>,
}

/// Current market fees. On chains without a base fee, a legacy gas price; for nodes without a usable `eth_feeHistory`,
/// taken from `eth_gasPrice`.
pub(crate) async fn market(chain: &Chain) -> Result<Fees> {
    market_beyond(chain, false).await
}

/// The same at a node that refused fees as `too_low`: recent blocks may have held smaller tips than it takes, so that its
/// gas price counts too.
pub(crate) async fn market_beyond(chain: &Chain, too_low: bool) -> Result<Fees> {
    let options = chain.options();
    let Some(base_fee) = base_fee(chain).await? else {
        let gas_price = within_cap(chain, gas_price(chain).await?)?;
        return Ok(Fees::Legacy { gas_price });
    };
    let base_fee = within_cap(chain, base_fee)?;
    let by_price = async || gas_price(chain).await.map(|price| price.saturating_sub(base_fee));
    let suggested = match usual_tip(chain).await? {
        Some(tip) if too_low => tip.max(by_price().await.unwrap_or_default()),
        Some(tip) => tip,
        None => by_price().await?,
    };
    Ok(dynamic(base_fee, suggested, options))
}

/// Base fee of the newest block; `None` on chains without one.
pub(crate) async fn base_fee(chain: &Chain) -> Result<Option<u128>> {
    let head: Option<Head> = chain.request("eth_getBlockByNumber", ("latest", false)).await?;
    let head = head.ok_or_else(|| chain.bad_answer("eth_getBlockByNumber", "no latest block"))?;
    Ok(head.base_fee.map(|fee| fee.saturating_to()))
}

/// Twice the base fee suffices for six full blocks in a row.
fn dynamic(base_fee: u128, suggested_tip: u128, options: &Options) -> Fees {
    let tip = suggested_tip.clamp(1, options.max_priority_fee_per_gas.max(1));
    let max_fee = base_fee.saturating_mul(2).saturating_add(tip).min(options.max_fee_per_gas);
    Fees::Dynamic { max_fee, tip: tip.min(max_fee) }
}

/// Median of the tips of recent blocks that paid any; `None` if the node reports none.
async fn usual_tip(chain: &Chain) -> Result<Option<u128>> {
    let history: Result<Option<History>> = chain.request("eth_feeHistory", (PAST_BLOCKS, "latest", [PERCENTILE])).await;
    let rewards = match history {
        Ok(history) => history.and_then(|h| h.reward).unwrap_or_default(),
        Err(error) if error.is_answer() => return Ok(None),
        Err(error) => return Err(error),
    };
    let first = |block: Option<Vec<U256>>| block?.first().map(|tip| tip.saturating_to::<u128>());
    let mut tips: Vec<u128> = rewards.into_iter().filter_map(first).filter(|tip| *tip > 0).collect();
    tips.sort_unstable();
    Ok(tips.get(tips.len() / 2).copied())
}

async fn gas_price(chain: &Chain) -> Result<u128> {
    match chain.request::<_, U256>("eth_gasPrice", ()).await {
        Ok(price) => Ok(price.saturating_to()),
        Err(error) if error.is_answer() => {
            Err(ChainError::GasPriceUnknown { url: chain.url().to_owned(), cause: error.to_string() })
        }
        Err(error) => Err(error),
    }
}

fn within_cap(chain: &Chain, asked: u128) -> Result<u128> {
    let cap = chain.options().max_fee_per_gas;
    if asked > cap {
        return Err(ChainError::GasPriceAboveCap { url: chain.url().to_owned(), asked, cap });
    }
    Ok(asked)
}

/// Fees that replace `old`: higher by [`Options::bump_percent`], and not below the market. If they exceed a cap, says
/// which one, since nodes refuse a replacement whose tip or price rises by less.
pub(crate) fn raised(old: Fees, market: Fees, options: &Options) -> Result<Fees, String> {
    let more = |fee: u128| fee.saturating_mul(100 + u128::from(options.bump_percent)).div_ceil(100);
    let raised = match (old, market) {
        (Fees::Dynamic { max_fee, tip }, Fees::Dynamic { max_fee: asked, tip: usual }) => {
            let max_fee = more(max_fee).max(asked);
            Fees::Dynamic { max_fee, tip: more(tip).max(usual).min(max_fee) }
        }
        (Fees::Dynamic { max_fee, tip }, Fees::Legacy { .. }) => {
            Fees::Dynamic { max_fee: more(max_fee), tip: more(tip) }
        }
        (Fees::Legacy { gas_price }, market) => Fees::Legacy { gas_price: more(gas_price).max(market.price()) },
    };
    let within = |what: &str, fee: u128, cap: u128, flag: &str| match fee <= cap {
        true => Ok(()),
        false => {
            Err(format!("a replacement needs {what} of {} gwei, more than {flag} {} allows", gwei(&fee), gwei(&cap)))
        }
    };
    within("a fee", raised.price(), options.max_fee_per_gas, "--max-fee")?;
    if let Fees::Dynamic { tip, .. } = raised {
        within("a tip", tip, options.max_priority_fee_per_gas.max(1), "--max-tip")?;
    }
    Ok(raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn options() -> Options {
        Options { max_fee_per_gas: 100 * GWEI, max_priority_fee_per_gas: 5 * GWEI, ..Options::default() }
    }

    #[test]
    fn a_node_cannot_set_the_tip() {
        let tip = |suggested| match dynamic(10 * GWEI, suggested, &options()) {
            Fees::Dynamic { max_fee, tip } => {
                assert_eq!(max_fee, 20 * GWEI + tip);
                tip
            }
            Fees::Legacy { .. } => panic!("a base fee means EIP-1559"),
        };
        assert_eq!(tip(0), 1);
        assert_eq!(tip(2 * GWEI), 2 * GWEI);
        assert_eq!(tip(5 * GWEI), 5 * GWEI);
        assert_eq!(tip(5 * GWEI + 1), 5 * GWEI);
        assert_eq!(tip(u128::MAX), 5 * GWEI);
        // a chain without base fees, and a price at the cap
        assert_eq!(dynamic(0, 0, &options()), Fees::Dynamic { max_fee: 1, tip: 1 });
        assert_eq!(dynamic(100 * GWEI, GWEI, &options()), Fees::Dynamic { max_fee: 100 * GWEI, tip: GWEI });
    }

    #[test]
    fn a_replacement_rises_enough_or_is_not_made() {
        let old = Fees::Dynamic { max_fee: 20 * GWEI, tip: GWEI };
        let market = Fees::Dynamic { max_fee: 30 * GWEI, tip: 3 * GWEI };
        assert_eq!(raised(old, old, &options()), Ok(Fees::Dynamic { max_fee: 24 * GWEI, tip: GWEI / 5 * 6 }));
        assert_eq!(raised(old, market, &options()), Ok(market));
        // exactly at the caps, and one wei above either
        let at_cap = Fees::Dynamic { max_fee: 83_333_333_333, tip: 4_166_666_666 };
        assert!(raised(at_cap, at_cap, &options()).is_ok());
        let dear = Fees::Dynamic { max_fee: 83_333_333_334, tip: GWEI };
        let refused = |fees| raised(fees, fees, &options()).unwrap_err();
        assert!(
            refused(dear).contains("a fee of 100.") && refused(dear).contains("--max-fee 100"),
            "{}",
            refused(dear)
        );
        let generous = Fees::Dynamic { max_fee: 20 * GWEI, tip: 4_166_666_667 };
        assert!(refused(generous).contains("a tip of 5.") && refused(generous).contains("--max-tip 5"));
        let legacy = Fees::Legacy { gas_price: 10 * GWEI };
        assert_eq!(raised(legacy, legacy, &options()), Ok(Fees::Legacy { gas_price: 12 * GWEI }));
        let legacy = Fees::Legacy { gas_price: 99 * GWEI };
        assert!(refused(legacy).contains("--max-fee"));
    }
}
