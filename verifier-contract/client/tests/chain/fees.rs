//! Fees offered at nodes that report no, nonsensical or excessive prices.

use crate::payer::Payer;
use crate::proxy::{error, Quirk, Reply, SEND};
use alloy::consensus::Transaction;
use serde_json::{json, Value};
use tribute_chain::{ChainError, Sent};

const GWEI: u128 = 1_000_000_000;

/// Type, price and tip of a mined transaction.
async fn offered(payer: &Payer, sent: &Sent) -> (String, u128, Option<u128>) {
    let tx: Value = payer.node.request("eth_getTransactionByHash", (sent.tx,)).await.unwrap();
    let wei = |name: &str| {
        let text = tx[name].as_str()?;
        u128::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let price = wei("maxFeePerGas").or(wei("gasPrice")).unwrap();
    (tx["type"].as_str().unwrap().to_owned(), price, wei("maxPriorityFeePerGas"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fees_are_found_without_a_fee_history() {
    let payer = Payer::new().await;
    let missing = "the method eth_feeHistory does not exist/is not available";
    let on_history =
        |reply: fn(&Value) -> Reply| Quirk::before(move |p| (p.method == "eth_feeHistory").then(|| reply(p.request)));
    for (name, quirk) in [
        (
            "no method",
            Quirk::before(move |p| (p.method == "eth_feeHistory").then(|| Reply::error(p.request, -32601, missing))),
        ),
        ("page 403", on_history(|_| Reply::text(403, "<html><title>403 Forbidden</title></html>"))),
        ("page 500", on_history(|_| Reply::text(500, "<html><title>500</title></html>"))),
        ("503", on_history(|_| Reply::text(503, ""))),
        ("401", on_history(|q| Reply::Http(401, Vec::new(), error(q, -32601, "no").to_string()))),
        ("of a plan", on_history(|q| Reply::error(q, -32000, "eth_feeHistory: access denied without an API key"))),
        ("nonsense", on_history(|q| Reply::result(q, json!({ "reward": [[{}]] })))),
        ("other parameters", on_history(|q| Reply::error(q, -32602, "Invalid params"))),
        (
            "nulls",
            on_history(|q| {
                let nothing = json!({ "oldestBlock": "0x1", "baseFeePerGas": null, "gasUsedRatio": null });
                Reply::result(q, nothing)
            }),
        ),
        ("null", on_history(|q| Reply::result(q, Value::Null))),
        (
            "zeros",
            Quirk::after(|p, answer| {
                if p.method == "eth_feeHistory" {
                    answer["result"].as_object_mut().unwrap().remove("reward");
                    answer["result"]["baseFeePerGas"] = json!(["0x0", "0x0"]);
                }
                None
            }),
        ),
    ] {
        let (sent, proxy) = payer.pays_once(name, quirk).await;
        let (kind, _, tip) = offered(&payer, &sent).await;
        assert_eq!((kind.as_str(), proxy.count("eth_gasPrice")), ("0x2", 1), "{name}");
        assert!(tip.is_some_and(|tip| (1..=30 * GWEI).contains(&tip)), "{name}: {tip:?}");
    }
    let neither = Quirk::before(move |p| {
        let gone = matches!(p.method, "eth_feeHistory" | "eth_gasPrice");
        gone.then(|| Reply::error(p.request, -32601, "the method does not exist/is not available"))
    });
    let failed = payer.refused("neither", payer.options(), neither).await;
    assert!(matches!(failed, ChainError::GasPriceUnknown { .. }), "{failed}");
    assert!(failed.to_string().contains("eth_feeHistory") && failed.to_string().contains("eth_gasPrice"), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_without_base_fees_gets_legacy_transactions() {
    let payer = Payer::new().await;
    let legacy = |price: Option<&'static str>| {
        Quirk::after(move |p, answer| {
            match p.method {
                "eth_feeHistory" => return Some(Reply::error(p.request, -32601, "no such method")),
                "eth_getBlockByNumber" => drop(answer["result"].as_object_mut().unwrap().remove("baseFeePerGas")),
                "eth_gasPrice" => answer["result"] = price.map_or(answer["result"].take(), Value::from),
                _ => {}
            }
            None
        })
    };
    let (sent, _) = payer.pays_once("legacy", legacy(None)).await;
    let (kind, price, tip) = offered(&payer, &sent).await;
    assert_eq!((kind.as_str(), tip), ("0x0", None));
    assert!(price > 0 && price < 10 * GWEI, "{price}");
    // 500 gwei is the cap
    payer.pays_once("at the cap", legacy(Some("0x746a528800"))).await;
    let failed = payer.refused("above the cap", payer.options(), legacy(Some("0x746a528801"))).await;
    assert!(matches!(failed, ChainError::GasPriceAboveCap { asked: 500_000_000_001, .. }), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_takes_only_higher_tips_than_past_blocks_held_gets_them() {
    // its gas price, which rises by more than one step each time, is the third time what it takes
    let strict = Quirk::before(|p| match p.method {
        "eth_gasPrice" => Some(Reply::result(p.request, if p.before < 2 { "0x165a0bc00" } else { "0x60db88400" })),
        "eth_feeHistory" => Some(Reply::result(p.request, json!({ "reward": [["0x3b9aca00"]] }))),
        SEND => {
            let tip = p.transaction().max_priority_fee_per_gas();
            let words = "transaction underpriced: gas tip cap 1000000000, minimum needed 24000000000";
            (tip < Some(24 * GWEI)).then(|| Reply::error(p.request, -32000, words))
        }
        _ => None,
    });
    let payer = Payer::new().await;
    let (sent, _) = payer.pays_once("strict", strict).await;
    let (_, _, tip) = offered(&payer, &sent).await;
    assert!(tip.is_some_and(|tip| (24 * GWEI..=26 * GWEI).contains(&tip)), "{tip:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_sets_neither_tip_nor_price() {
    let payer = Payer::new().await;
    let greedy = Quirk::after(|p, answer| {
        if p.method == "eth_feeHistory" {
            answer["result"]["reward"] = json!([["0x38d7ea4c68000"], ["0x38d7ea4c68000"]]);
        }
        None
    });
    let (sent, _) = payer.pays_once("tip", greedy).await;
    let (_, price, tip) = offered(&payer, &sent).await;
    assert_eq!(tip, Some(30 * GWEI));
    assert!(price < 40 * GWEI, "{price}");
    let dear = Quirk::after(|p, answer| {
        if p.method == "eth_getBlockByNumber" {
            answer["result"]["baseFeePerGas"] = json!("0x38d7ea4c68000");
        }
        None
    });
    let failed = payer.refused("base fee", payer.options(), dear).await;
    assert!(matches!(failed, ChainError::GasPriceAboveCap { .. }), "{failed}");
}
