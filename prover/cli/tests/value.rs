//! What data is worth, through the public command line: valued, verified, refused. The larger ones, with their times, are
//! behind `make values`.

use std::time::Instant;

use serde_json::Value;
use tribute::offline::{verify_file, Options};
use tribute_core::valuation::Valuation;
use tribute_testing::{World, ROOT};

/// Accounts: indices into the funded ones. Providers come from [`PROVIDER`] on.
const OWNER: usize = 0;
const TESTER: usize = 1;
const PROVIDER: usize = 2;

/// A table, divided among providers, with the test set's rows.
struct Market {
    table: &'static str,
    link: &'static str,
    k: &'static str,
    parts: Vec<std::ops::Range<usize>>,
    test: std::ops::Range<usize>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

/// An agent over all parts with its certificate, and the test set: the digest of its weights and the test set's id.
fn certified(w: &mut World, market: &Market) -> (String, String) {
    w.serve(&["--k", market.k]);
    let table = format!("{ROOT}/examples/{}", market.table);
    w.run(OWNER, &format!("schema infer {table} --name values --out @schema.json"));
    let register = |w: &World, account: usize, rows: &std::ops::Range<usize>, name: &str| {
        let rows = format!("{}..{}", rows.start, rows.end);
        let arguments = format!("dataset register {table} --rows {rows} --schema @schema.json --open-training");
        w.run(account, &format!("{arguments} --out @{name}.json"));
        text(&w.json(&format!("{name}.json"))["dataset_id"])
    };
    let ids: Vec<String> =
        market.parts.iter().enumerate().map(|(i, rows)| register(w, PROVIDER + i, rows, &format!("d{i}"))).collect();
    let listed: String = ids.iter().map(|id| format!(" --dataset {id}")).collect();
    w.run(OWNER, &format!("agent train --lambda 0.01 --link {}{listed} --out @agent.json", market.link));
    let weights = text(&w.json("agent.json")["weights_digest"]);
    w.run(OWNER, &format!("agent prove-gradients {weights} --out @g.json"));
    w.run(OWNER, &format!("agent prove-optimum {weights} --out @o.json"));
    (weights, register(w, TESTER, &market.test, "test"))
}

/// Values the agent, with the time it took, and verifies the file.
fn valued(w: &World, weights: &str, test: &str) -> Valuation {
    let start = Instant::now();
    let output = w.output(OWNER, &format!("agent value {weights} --test {test} --out @valuation.json"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let proving = start.elapsed();
    let start = Instant::now();
    let report = verify_file(&w.file("valuation.json"), &Options { allow_dev_srs: true, srs: None }).unwrap();
    println!("valued in {proving:.1?}, {} proofs verified in {:.1?}", report.proofs(), start.elapsed());
    println!("{said}");
    report.valuation().unwrap().clone()
}

fn thirds(
    table: &'static str,
    link: &'static str,
    k: &'static str,
    rows: usize,
    test: std::ops::Range<usize>,
) -> Market {
    Market { table, link, k, parts: (0..3).map(|i| i * rows..(i + 1) * rows).collect(), test }
}

#[test]
fn three_owners_of_wines_are_valued() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("wine.csv", "squared", "11", 45, 135..178));
    let told = w.run(OWNER, &format!("agent value {weights} --test {test} --estimate"));
    assert_eq!((told["coalitions"].as_u64(), told["gradients"].as_u64()), (Some(6), Some(9)));
    assert_eq!(told["openings_of_the_test_set"].as_u64(), Some(6));
    assert!(told["datasets"].as_array().unwrap().iter().all(|d| d["openings"] == 3), "{told}");
    assert!(told["seconds_of_one_worker"].as_f64().unwrap() > 0.0, "{told}");

    let v = valued(&w, &weights, &test);
    assert_eq!((v.coalitions.len(), v.owners.len(), v.test.records), (7, 3, 43));
    assert!(v.values.iter().all(|value| value.numerator.0 > 0), "{:?}", v.values);
    assert_eq!(v.values.iter().map(|value| value.numerator.0).sum::<i128>(), 6 * v.utility());
    // the same command finds every job, and the same file
    let again = Instant::now();
    assert_eq!(valued(&w, &weights, &test), v);
    assert!(again.elapsed().as_secs() < 30, "proven again: {:?}", again.elapsed());

    // an owner of valued data has no test set, and a table that was trained on is none
    let own =
        format!("dataset register {ROOT}/examples/wine.csv --rows 135..178 --schema @schema.json --open-training");
    w.run(PROVIDER, &format!("{own} --out @own.json"));
    let own = text(&w.json("own.json")["dataset_id"]);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {own}"));
    assert!(refused.contains("owns the test set and one of the datasets"), "{refused}");
    let trained = text(&w.json("d0.json")["dataset_id"]);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {trained}"));
    assert!(refused.contains("was trained on it"), "{refused}");
    let beacon = "11".repeat(32);
    let refused = w.fails(OWNER, &format!("agent value {weights} --test {test} --permutations 9 --beacon 0x{beacon}"));
    assert!(refused.contains("every coalition is trained"), "{refused}");
}

#[test]
#[ignore = "some minutes: make values"]
fn three_owners_of_digits() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("digits.csv.gz", "softmax", "15", 532, 1597..1797));
    let v = valued(&w, &weights, &test);
    let parts = v.parts();
    assert!(parts.iter().all(|part| (part - 1.0 / 3.0).abs() < 0.05), "{parts:?}");
}

#[test]
#[ignore = "some minutes: make values"]
fn three_owners_of_wines_under_softmax() {
    let mut w = World::new();
    let (weights, test) = certified(&mut w, &thirds("wine.csv", "softmax", "15", 45, 135..178));
    valued(&w, &weights, &test);
}

#[test]
#[ignore = "many minutes: make values"]
fn six_owners_of_digits() {
    let mut w = World::new();
    let parts = (0..6).map(|i| i * 250..(i + 1) * 250).collect();
    let market = Market { table: "digits.csv.gz", link: "softmax", k: "15", parts, test: 1597..1797 };
    let (weights, test) = certified(&mut w, &market);
    let v = valued(&w, &weights, &test);
    assert_eq!((v.coalitions.len(), v.proofs()), (63, 6 * 2 + 1 + 1 + 63 + 62 + 186));
}
