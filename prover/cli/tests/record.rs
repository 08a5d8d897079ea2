//! One record of a registered dataset, shown through the service and checked from the file alone.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::{Place, Served, PROGRAM};
use serde_json::{json, Value};

const WINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wine.csv");
const OWNER: &str = "11";
const STRANGER: &str = "22";

struct World {
    place: Place,
    served: Served,
}

impl World {
    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn output(&self, key: &str, arguments: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments.split_whitespace().map(|a| a.replace('@', &format!("{}/", self.place.path().display()))))
            .env("TRIBUTE_KEY", key.repeat(32))
            .env("TRIBUTE_SERVER", &self.served.url);
        command.output().unwrap()
    }

    fn run(&self, arguments: &str) -> Value {
        let output = self.output(OWNER, arguments);
        assert!(output.status.success(), "tribute {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    fn fails(&self, key: &str, arguments: &str) -> String {
        let output = self.output(key, arguments);
        assert!(!output.status.success(), "tribute {arguments} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.file(name)).unwrap()).unwrap()
    }

    /// The checker's words about a file with one field changed.
    fn altered(&self, alter: impl Fn(&mut Value)) -> String {
        let mut record = self.json("record.json");
        alter(&mut record);
        std::fs::write(self.file("altered.json"), record.to_string()).unwrap();
        self.fails(STRANGER, "dataset check-record @altered.json --allow-dev-srs")
    }
}

#[test]
fn a_record_is_shown_and_checked() {
    let place = Place::new();
    // 150 records in shards of 70: the last record is in the third
    let served = place.serve(&["--k", "10", "--columns", "1"]);
    let w = World { place, served };
    w.run(&format!("schema infer {WINE} --out @schema.json"));
    w.run(&format!("dataset register {WINE} --schema @schema.json --rows 0..150 --out @d.json"));
    let dataset = w.json("d.json");
    let id = dataset["dataset_id"].as_str().unwrap();
    let shards = dataset["shards"].as_array().unwrap().len() as u64;
    assert!(shards > 1);

    let context = format!("0x{}", "ab".repeat(32));
    w.run(&format!("dataset show-record {id} 149 --context {context} --out @record.json"));
    assert_eq!(w.json("record.json")["place"]["shard"], json!(shards - 1));
    let check = format!("dataset check-record @record.json --allow-dev-srs --dataset {id} --context {context}");
    let shown = w.run(&check);
    assert_eq!((&shown["record"], &shown["records"]), (&json!(149), &json!(150)));
    assert_eq!(shown["development_srs"], Value::Bool(true));
    // line 151 of the file, header counted: its label is the last cell
    let text = std::fs::read_to_string(WINE).unwrap();
    let label = text.lines().nth(150).unwrap().rsplit(',').next().unwrap();
    assert_eq!(shown["label"].as_str().unwrap(), label);
    assert_eq!(shown["features"].as_object().unwrap().len(), 13);

    // by its owner alone, and only what there is
    assert!(w.fails(STRANGER, &format!("dataset show-record {id} 0 --out @x.json")).contains("NOT_FOUND"));
    assert!(w
        .fails(OWNER, &format!("dataset show-record {id} 150 --out @x.json"))
        .contains("record 150 of a dataset of 150"));
    // the checker's own conditions
    assert!(w.fails(STRANGER, "dataset check-record @record.json").contains("development SRS"));
    let other = format!("0x{}", "cd".repeat(32));
    let wrong = |option: &str| {
        w.fails(STRANGER, &format!("dataset check-record @record.json --allow-dev-srs {option} {other}"))
    };
    assert!(wrong("--dataset").contains("dataset_id"));
    assert!(wrong("--context").contains("context"));

    // whatever is changed is found
    let pairing = "the pairing check failed";
    assert!(w.altered(|r| r["target"] = json!((r["target"].as_u64().unwrap() + 1) % 3)).contains(pairing));
    assert!(w.altered(|r| r["context"] = json!(other)).contains(pairing));
    assert!(w.altered(|r| r["records"] = json!(151)).contains("dataset_id"));
    assert!(w.altered(|r| r["place"]["record"] = json!(0)).contains("place"));
    assert!(w.altered(|r| r["place"] = json!({ "shard": shards, "index": 0, "record": 150 })).contains("place"));
    assert!(w.altered(|r| r["place"] = json!({ "shard": 0, "index": 5, "record": 5 })).contains("points"));
    let moved = w.altered(|r| {
        for field in ["index", "record"] {
            r["place"][field] = json!(r["place"][field].as_u64().unwrap() - 1);
        }
    });
    assert!(moved.contains(pairing), "{moved}");
    let first = |r: &Value| r["features"].as_str().unwrap().to_owned();
    let bent = w.altered(|r| {
        let text = first(r);
        let digit = if text.as_bytes()[2] == b'0' { '1' } else { '0' };
        r["features"] = json!(format!("0x{digit}{}", &text[3..]));
    });
    assert!(bent.contains(pairing), "{bent}");
    let padded = w.altered(|r| r["features"] = json!(format!("{}01", first(r))));
    assert!(padded.contains("features"), "{padded}");
    let swapped = w.altered(|r| {
        let (a, b) = (r["quotient"].clone(), r["remainder"].clone());
        (r["quotient"], r["remainder"]) = (b, a);
    });
    assert!(swapped.contains(pairing), "{swapped}");
    assert!(w.altered(|r| r["layout"]["features"] = json!(64)).contains("dataset_id"));
}
