//! `tribute chain cost`: what this chain's transactions would cost on another chain, from their gas and calldata.

mod fastlz;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, Bytes, B256};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{json, Value};
use tribute_chain::abi::contracts;
use tribute_chain::Contracts;
use tribute_problem::{Problem, Result};

use super::ReadArgs;
use crate::CommandResult;

/// Bytes of a signed transaction without its calldata: fees, nonce, addresses, signature.
const ENVELOPE: usize = 110;
const GWEI: f64 = 1e9;

/// A chain's fee model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Gas used times gas price.
    Mainnet,
    /// Optimism, Base and other OP stack chains since Fjord: gas, plus the L1 data size estimated with FastLZ.
    OpStack,
    /// Arbitrum: gas, plus 16 units for each compressed byte of L1 data.
    Arbitrum,
}

#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// Fee model of the chain.
    #[arg(long, value_enum, default_value_t = Profile::Mainnet)]
    profile: Profile,
    /// Gas price on that chain, in gwei. [default: mainnet 1, op-stack 0.001, arbitrum 0.01]
    #[arg(long, value_name = "GWEI")]
    gas_price: Option<f64>,
    /// Base fee of L1, in gwei: the price of calldata for rollups, and of Arbitrum's data units.
    #[arg(long, value_name = "GWEI", default_value_t = 1.0)]
    l1_base_fee: f64,
    /// Base fee of blob gas on L1, in gwei for each byte of a blob.
    #[arg(long, value_name = "GWEI", default_value_t = 0.001)]
    blob_base_fee: f64,
    /// The OP chain's base fee scalar, in millionths; defaults to OP Mainnet's.
    #[arg(long, value_name = "N", default_value_t = 5_227)]
    base_fee_scalar: u32,
    /// The OP chain's blob base fee scalar, in millionths; defaults to OP Mainnet's.
    #[arg(long, value_name = "N", default_value_t = 1_014_213)]
    blob_base_fee_scalar: u32,
    /// Price of the chain's coin, to show costs in that currency too.
    #[arg(long, value_name = "AMOUNT")]
    coin_price: Option<f64>,
    /// First block. [default: the deployment's]
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,
    /// Last block. [default: the newest]
    #[arg(long, value_name = "BLOCK")]
    to: Option<u64>,
    #[command(flatten)]
    read: ReadArgs,
}

/// Prices in gwei, and the OP stack's scalars.
#[derive(Clone, Copy, Debug)]
struct Prices {
    profile: Profile,
    gas: f64,
    l1: f64,
    blob: f64,
    scalars: (u32, u32),
}

impl Prices {
    fn of(a: &CostArgs) -> Result<Self> {
        let usual = match a.profile {
            Profile::Mainnet => 1.0,
            Profile::OpStack => 0.001,
            Profile::Arbitrum => 0.01,
        };
        let gas = a.gas_price.unwrap_or(usual);
        for (name, value) in [("gas_price", gas), ("l1_base_fee", a.l1_base_fee), ("blob_base_fee", a.blob_base_fee)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Problem::field(name, format!("{value} is not a price: give gwei, 0 or more")));
            }
        }
        let scalars = (a.base_fee_scalar, a.blob_base_fee_scalar);
        Ok(Prices { profile: a.profile, gas, l1: a.l1_base_fee, blob: a.blob_base_fee, scalars })
    }

    /// Cost of a transaction's L1 data, in gwei. `compressed`: its length after FastLZ.
    fn data(&self, compressed: usize) -> f64 {
        match self.profile {
            Profile::Mainnet => 0.0,
            Profile::OpStack => {
                let size = (836_500.0 * compressed as f64 - 42_585_600.0).max(100.0 * 1e6);
                let (base, blob) = (f64::from(self.scalars.0), f64::from(self.scalars.1));
                size * (16.0 * base * self.l1 + blob * self.blob) / 1e12
            }
            Profile::Arbitrum => 16.0 * compressed as f64 * self.l1,
        }
    }

    fn formula(&self) -> &'static str {
        match self.profile {
            Profile::Mainnet => "gas used · gas price",
            Profile::OpStack => {
                "gas used · gas price + max(100·10^6, 836500·FastLZ − 42585600) · (16·base fee scalar·L1 base fee + blob scalar·blob \
                 base fee) / 10^12"
            }
            Profile::Arbitrum => "gas used · gas price + 16 · compressed bytes · L1 price of a unit",
        }
    }
}

/// Totals over transactions of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    gas: u64,
    bytes: usize,
    compressed: usize,
    /// Execution cost in gwei.
    execution: f64,
    data: f64,
}

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.count += other.count;
        self.gas += other.gas;
        self.bytes += other.bytes;
        self.compressed += other.compressed;
        self.execution += other.execution;
        self.data += other.data;
    }

    fn value(&self, call: &str, coin: Option<f64>) -> Value {
        let total = (self.execution + self.data) / GWEI;
        let mut value = json!({
            "call": call, "transactions": self.count, "gas": self.gas, "calldata_bytes": self.bytes,
            "compressed_bytes": self.compressed, "execution": format!("{:.9}", self.execution / GWEI),
            "data": format!("{:.9}", self.data / GWEI), "cost": format!("{total:.9}"),
        });
        if let Some(price) = coin {
            value["price"] = format!("{:.4}", total * price).into();
        }
        value
    }
}

#[derive(Deserialize)]
struct Transaction {
    to: Option<Address>,
    input: Bytes,
}

pub(super) async fn run(a: CostArgs) -> CommandResult {
    let prices = Prices::of(&a)?;
    let contracts = a.read.contracts().await?;
    let newest = contracts.chain().block_number().await?;
    let (from, to) = (a.from.unwrap_or(contracts.deployment().block), a.to.unwrap_or(newest).min(newest));
    let hashes: BTreeSet<B256> =
        contracts.logs(from, to).await?.into_iter().filter_map(|log| log.transaction_hash).collect();
    let (mut calls, mut all): (BTreeMap<String, Sum>, Sum) = (BTreeMap::new(), Sum::default());
    let names = names();
    for hash in hashes {
        let found: Option<Transaction> = contracts.chain().request("eth_getTransactionByHash", (hash,)).await?;
        let (Some(tx), Some(receipt)) = (found, contracts.chain().receipt(hash).await?) else { continue };
        let gas = receipt.gas_used;
        // the envelope does not compress
        let compressed = fastlz::length(&tx.input) + ENVELOPE;
        let one = Sum {
            count: 1,
            gas,
            bytes: tx.input.len(),
            compressed,
            execution: gas as f64 * prices.gas,
            data: prices.data(compressed),
        };
        calls.entry(name(&contracts, &names, &tx)).or_default().add(&one);
        all.add(&one);
    }
    if all.count == 0 {
        let message = format!(
            "the contracts have no transactions in blocks {from} to {to}: run a life cycle on a local chain first"
        );
        return Err(Problem::field("from", message));
    }
    a.read.emit(&json!({
        "profile": prices.profile.to_possible_value().map(|p| p.get_name().to_owned()),
        "formula": prices.formula(),
        "assumed": {
            "gas_price_gwei": prices.gas, "l1_base_fee_gwei": prices.l1, "blob_base_fee_gwei": prices.blob,
            "base_fee_scalar": prices.scalars.0, "blob_base_fee_scalar": prices.scalars.1,
        },
        "calls": calls.iter().map(|(call, sum)| sum.value(call, a.coin_price)).collect::<Vec<_>>(),
        "all": all.value("all", a.coin_price),
    }))
}

/// Names of all functions of the contracts, by selector.
fn names() -> BTreeMap<[u8; 4], String> {
    let contracts = contracts();
    let functions = contracts.iter().flat_map(|(_, abi)| abi.functions());
    functions.map(|f| (f.selector().0, f.name.clone())).collect()
}

fn name(contracts: &Contracts, names: &BTreeMap<[u8; 4], String>, tx: &Transaction) -> String {
    let Some(to) = tx.to else { return "deploy".to_owned() };
    let contract = contracts.deployment().contract_at(to).unwrap_or("another contract");
    let function = tx.input.first_chunk::<4>().and_then(|selector| names.get(selector));
    format!("{contract}.{}", function.map_or("?", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(profile: Profile) -> Prices {
        Prices { profile, gas: 1.0, l1: 30.0, blob: 2.0, scalars: (5_227, 1_014_213) }
    }

    #[test]
    fn data_costs_what_the_formulas_say() {
        assert_eq!(prices(Profile::Mainnet).data(5_000), 0.0);
        // (836500·5000 − 42585600)·(16·5227·30 + 1014213·2)/10^12, in gwei
        let op = prices(Profile::OpStack).data(5_000);
        assert!((op - 4_139_914_400.0 * 4_537_386.0 / 1e12).abs() < 1e-6, "{op}");
        // the least size is 100 bytes
        assert_eq!(prices(Profile::OpStack).data(10), prices(Profile::OpStack).data(100));
        assert_eq!(prices(Profile::Arbitrum).data(1_000), 480_000.0);
    }

    #[test]
    fn every_function_has_a_name() {
        assert!(names().values().any(|n| n == "addGradients") && names().len() > 100, "{}", names().len());
    }
}
