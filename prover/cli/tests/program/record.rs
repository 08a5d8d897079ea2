//! One record of a registered dataset, shown through the service and checked from the file alone.

use serde_json::{json, Value};
use tribute_testing::data::WINE_FILE;
use tribute_testing::World;

const OWNER: usize = 0;
const STRANGER: usize = 1;

/// The checker's error about the shown record with one field altered.
fn altered(w: &World, alter: impl Fn(&mut Value)) -> String {
    let mut record = w.json("record.json");
    alter(&mut record);
    std::fs::write(w.file("altered.json"), record.to_string()).unwrap();
    w.fails(STRANGER, "dataset check-record @altered.json --allow-dev-srs")
}

#[test]
fn a_record_is_shown_and_checked() {
    let mut w = World::new();
    // 150 records in shards of 70: the last record is in the third
    w.serve(&["--k", "10", "--columns", "1"]);
    w.run(OWNER, &format!("schema infer {WINE_FILE} --out @schema.json"));
    w.run(OWNER, &format!("dataset register {WINE_FILE} --schema @schema.json --rows 0..150 --out @d.json"));
    let dataset = w.json("d.json");
    let id = dataset["dataset_id"].as_str().unwrap();
    let shards = dataset["shards"].as_array().unwrap().len() as u64;
    assert!(shards > 1);

    let context = format!("0x{}", "ab".repeat(32));
    w.run(OWNER, &format!("dataset show-record {id} 149 --context {context} --out @record.json"));
    assert_eq!(w.json("record.json")["place"]["shard"], json!(shards - 1));
    let check = format!("dataset check-record @record.json --allow-dev-srs --dataset {id} --context {context}");
    let shown = w.run(OWNER, &check);
    let held: Vec<u64> = dataset["shards"].as_array().unwrap().iter().map(|s| s["records"].as_u64().unwrap()).collect();
    let last = held[held.len() - 1] - 1;
    assert_eq!((&shown["shard"], &shown["index"]), (&json!(shards - 1), &json!(last)));
    assert_eq!(shown["records"], json!(150));
    assert_eq!(shown["development_srs"], Value::Bool(true));
    // line 151 of the file, counting the header; the label is its last cell
    let text = std::fs::read_to_string(WINE_FILE).unwrap();
    let label = text.lines().nth(150).unwrap().rsplit(',').next().unwrap();
    assert_eq!(shown["label"].as_str().unwrap(), label);
    assert_eq!(shown["features"].as_object().unwrap().len(), 13);

    // only the owner can show records, and only existing ones
    assert!(w.fails(STRANGER, &format!("dataset show-record {id} 0 --out @x.json")).contains("NOT_FOUND"));
    assert!(w
        .fails(OWNER, &format!("dataset show-record {id} 150 --out @x.json"))
        .contains("record 150 of a dataset of 150"));
    // conditions that the checker sets
    assert!(w.fails(STRANGER, "dataset check-record @record.json").contains("development SRS"));
    let other = format!("0x{}", "cd".repeat(32));
    let wrong = |option: &str| {
        w.fails(STRANGER, &format!("dataset check-record @record.json --allow-dev-srs {option} {other}"))
    };
    assert!(wrong("--dataset").contains("dataset_id"));
    assert!(wrong("--context").contains("context"));

    // every alteration is detected
    let pairing = "the pairing check failed";
    assert!(altered(&w, |r| r["target"] = json!((r["target"].as_u64().unwrap() + 1) % 3)).contains(pairing));
    assert!(altered(&w, |r| r["context"] = json!(other)).contains(pairing));
    assert!(altered(&w, |r| r["records"] = json!(151)).contains("dataset_id"));
    assert!(altered(&w, |r| r["place"]["index"] = json!(held[0])).contains("place"));
    assert!(altered(&w, |r| r["place"] = json!({ "shard": shards, "index": 0 })).contains("place"));
    assert!(altered(&w, |r| r["place"] = json!({ "shard": 0, "index": 5 })).contains("points"));
    let moved = altered(&w, |r| r["place"]["index"] = json!(last - 1));
    assert!(moved.contains(pairing), "{moved}");
    let first = |r: &Value| r["features"].as_str().unwrap().to_owned();
    let bent = altered(&w, |r| {
        let text = first(r);
        let digit = if text.as_bytes()[2] == b'0' { '1' } else { '0' };
        r["features"] = json!(format!("0x{digit}{}", &text[3..]));
    });
    assert!(bent.contains(pairing), "{bent}");
    let padded = altered(&w, |r| r["features"] = json!(format!("{}01", first(r))));
    assert!(padded.contains("features"), "{padded}");
    let swapped = altered(&w, |r| {
        let (a, b) = (r["quotient"].clone(), r["remainder"].clone());
        (r["quotient"], r["remainder"]) = (b, a);
    });
    assert!(swapped.contains(pairing), "{swapped}");
    assert!(altered(&w, |r| r["layout"]["features"] = json!(64)).contains("dataset_id"));
}
