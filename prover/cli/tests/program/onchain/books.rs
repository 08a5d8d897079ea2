//! `tribute chain export` and `tribute chain cost`.

use std::collections::BTreeMap;

use serde_json::{json, Value};
use tribute_chain::U256;
use tribute_testing::chain::{CONTRIBUTIONS, DATA_BPS, ESCROW, PRICE};

use crate::onchain::desk::{text, Desk, ADA, ADMIN, BEN, CLEO, OLGA};

fn rows(d: &Desk, table: &str) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&std::fs::read(d.file(&format!("audit/{table}.json"))).unwrap()).unwrap();
    all.as_array().unwrap().clone()
}

fn of<'a>(rows: &'a [Value], kind: &str) -> Vec<&'a Value> {
    rows.iter().filter(|r| r["kind"] == kind).collect()
}

fn sum(rows: &[&Value], field: &str) -> u128 {
    rows.iter().map(|r| text(r, field).parse::<u128>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_says_what_happened_and_adds_up() {
    let d = Desk::new().await;
    let w = &d.w;
    let c = w.certified().await;
    let (one, two) = (w.open(&w.cleo, &c).await, w.open(&w.admin, &c).await);
    let before = w.chain.block_number().await.unwrap();
    let batch = w.batch(&c, &[(one, 7), (two, 5)]).await;
    w.contracts.claim(&[batch]).send(&w.olga).await.unwrap();
    // a settlement, a refund, a withdrawal, a revoked grant
    let sign = d.output(CLEO, &format!("chain sign settlement {one} --count 9 --out {}", d.file("s.json").display()));
    assert!(sign.status.success());
    d.run(OLGA, "relay @s.json");
    d.run(CLEO, &format!("thaw {one} --amount 100"));
    w.chain.advance_time(61).await.unwrap();
    d.run(CLEO, &format!("refund {one}"));
    d.run(ADA, "withdraw");
    d.run(OLGA, "withdraw");
    d.run(BEN, &format!("revoke {} --from {}", c.datasets[1], d.address(OLGA)));

    let summary = d.run(CLEO, "export --out @audit");
    let payments = rows(&d, "payments");
    let queries = (7 + 5) + (9 - 7);
    let earned = queries * PRICE;
    assert_eq!(sum(&of(&payments, "opened"), "amount"), 2 * ESCROW);
    assert_eq!(sum(&of(&payments, "claimed"), "amount"), 12 * PRICE);
    assert_eq!(of(&payments, "settled")[0]["queries"], 2);
    assert_eq!(sum(&of(&payments, "accrued"), "amount"), earned);
    assert_eq!((of(&payments, "refunded").len(), sum(&of(&payments, "refunded"), "amount")), (1, 100));
    let (ada, owner) = (of(&payments, "provider-paid")[0], of(&payments, "owner-paid")[0]);
    let to_data = earned * u128::from(DATA_BPS) / 10_000;
    let share = to_data * u128::from(CONTRIBUTIONS[0]) / u128::from(CONTRIBUTIONS[0] + CONTRIBUTIONS[1]);
    assert_eq!((text(ada, "amount"), &ada["account"]), (share.to_string(), &json!(d.address(ADA))));
    assert_eq!(text(owner, "amount"), (earned - to_data).to_string());
    // over all blocks, the sums equal what the contract owes
    let holdings = w.contracts.holdings().await.unwrap();
    assert_eq!(text(&summary["totals"], "escrow_change"), holdings.escrow.to_string());
    assert_eq!(text(&summary["totals"], "rewards_change"), holdings.rewards.to_string());
    assert_eq!(holdings.held, holdings.escrow + holdings.rewards);
    let out = U256::from(share + (earned - to_data) + 100);
    assert_eq!(holdings.held, U256::from(2 * ESCROW) - out);

    let grants = rows(&d, "grants");
    let kinds: Vec<&str> = grants.iter().map(|g| g["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["granted", "granted", "used", "used", "revoked"]);
    let certificates = rows(&d, "certificates");
    let gradients = of(&certificates, "gradient");
    assert_eq!(text(gradients[0], "contribution"), CONTRIBUTIONS[0].to_string());
    assert_eq!(of(&certificates, "certified")[0]["records"], 1_400);
    assert_eq!(rows(&d, "datasets").len(), 2);

    // CSV and JSON agree line by line
    let mut counts = BTreeMap::new();
    for table in ["datasets", "grants", "certificates", "weights", "payments"] {
        let csv = std::fs::read_to_string(d.file(&format!("audit/{table}.csv"))).unwrap();
        let mut lines = csv.lines();
        let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
        let all = rows(&d, table);
        for (line, row) in lines.clone().zip(&all) {
            let cells: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
            assert_eq!((cells["tx"], cells["kind"]), (row["tx"].as_str().unwrap(), row["kind"].as_str().unwrap()));
            for (name, value) in row.as_object().unwrap() {
                assert!(columns.contains(&name.as_str()), "{table} has no column {name}");
                if let Some(text) = value.as_str() {
                    assert_eq!(cells[name.as_str()], text);
                }
            }
        }
        assert_eq!(lines.count(), all.len());
        counts.insert(table, all.len());
    }
    assert_eq!(summary["rows"], json!(counts));

    // a range of blocks has only its rows
    let part = d.run(CLEO, &format!("export --from {} --out @part", before + 1));
    assert!(part["totals"].get("opened").is_none());
    assert_eq!(text(&part["totals"], "claimed"), (12 * PRICE).to_string());
    assert!(d.fails(CLEO, "export --to 99999 --out @x").contains("does not exist yet"));
    assert!(d.fails(CLEO, "export --from 9 --to 8 --out @x").contains("comes after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_cycle_is_priced_for_another_chain() {
    let d = Desk::new().await;
    d.w.certified().await;
    let mainnet = d.run(ADMIN, "cost --gas-price 2");
    let gas = mainnet["all"]["gas"].as_u64().unwrap();
    assert_eq!(text(&mainnet["all"], "cost"), format!("{:.9}", gas as f64 * 2.0 / 1e9));
    assert_eq!(text(&mainnet["all"], "data"), "0.000000000");
    let calls: Vec<String> = mainnet["calls"].as_array().unwrap().iter().map(|c| text(c, "call")).collect();
    for call in ["AgentRegistry.addGradientsAndCertify", "DatasetRegistry.register", "CircuitTimelock.run"] {
        assert!(calls.iter().any(|c| c == call), "{call} is not among {calls:?}");
    }
    let op = d.run(ADMIN, "cost --profile op-stack --gas-price 0 --l1-base-fee 10 --blob-base-fee 1 --coin-price 3000");
    let cost: f64 = text(&op["all"], "cost").parse().unwrap();
    assert!(cost > 0.0 && text(&op["all"], "execution") == "0.000000000");
    let price: f64 = text(&op["all"], "price").parse().unwrap();
    assert!((price - cost * 3_000.0).abs() < 0.001, "{price} {cost}");
    let arbitrum = d.run(ADMIN, "cost --profile arbitrum --gas-price 0 --l1-base-fee 10");
    let bytes = arbitrum["all"]["compressed_bytes"].as_u64().unwrap();
    assert_eq!(text(&arbitrum["all"], "data"), format!("{:.9}", 160.0 * bytes as f64 / 1e9));
    assert!(d.fails(ADMIN, "cost --gas-price=-1").contains("is not a price"));
    assert!(d.fails(ADMIN, "cost --from 99999").contains("have no transactions"));
}
