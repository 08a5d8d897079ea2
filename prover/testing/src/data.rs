//! Small tables and the requests that register them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tribute_client::signing::Content;
use tribute_core::schema::Schema;
use tribute_proto::v1;
use tribute_records::{Options, Predicts, Range, Source};

/// 178 wines of three classes, with 13 features.
pub const WINE: &str = include_str!("../../../examples/wine.csv");
/// Path of that table.
pub const WINE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wine.csv");

/// Infers the schema of a table.
#[must_use]
pub fn infer(file: &str, predicts: Predicts, bytes: &[u8]) -> Schema {
    let options = Options::default();
    let source = Source::from_bytes(file, bytes.to_vec(), &options).unwrap();
    let name = file.split('.').next().unwrap();
    source.infer(name, predicts, Range::MinMax, &options).unwrap().into_schema().unwrap()
}

/// Schema of the wines.
#[must_use]
pub fn wine_schema() -> Schema {
    infer("wine.csv", Predicts::Classes, WINE.as_bytes())
}

/// A range of the wines, with the table's header.
#[must_use]
pub fn wines(rows: std::ops::Range<usize>) -> Vec<u8> {
    let (header, all) = WINE.split_once('\n').unwrap();
    let all: Vec<&str> = all.lines().collect();
    format!("{header}\n{}\n", all[rows].join("\n")).into_bytes()
}

/// Files that a test may upload, by their SHA-256.
static FILES: Mutex<BTreeMap<Vec<u8>, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Remembers a file for [`crate::calls::send`]; its SHA-256, as requests name it.
#[must_use]
pub fn file(bytes: Vec<u8>) -> Vec<u8> {
    let name = Content::of(&bytes).sha256.to_vec();
    FILES.lock().unwrap().insert(name.clone(), bytes);
    name
}

/// A file that was remembered.
#[must_use]
pub fn remembered(name: &[u8]) -> Option<Vec<u8>> {
    FILES.lock().unwrap().get(name).cloned()
}

/// A table as a request names it.
#[must_use]
pub fn csv(file: &str, data: Vec<u8>) -> v1::dataset_work::Records {
    v1::dataset_work::Records::Csv(v1::CsvRecords { file: file.into(), upload: self::file(data), options: None })
}

/// Work that registers records on the server's own chain, with its default profile; training requires a grant.
#[must_use]
pub fn dataset(schema: &Schema, records: v1::dataset_work::Records) -> v1::DatasetWork {
    v1::DatasetWork {
        schema_json: schema.canonical().into_bytes(),
        records: Some(records),
        profile: None,
        context: None,
        terms: Some(v1::Terms { min_data_bps: 5000, ..Default::default() }),
        extends: Vec::new(),
    }
}

/// Thirty records, with one feature that reveals the class.
#[must_use]
pub fn thirty_rows(seed: usize) -> String {
    let value =
        |i: usize, j: usize| (i * 31 + j * 57 + seed * 13) % 140 + if j == (i * 7 + seed) % 3 { 110 } else { 0 };
    let row = |i: usize| {
        let values = (0..5).map(|j| value(i, j).to_string()).collect::<Vec<_>>().join(",");
        format!("{values},{}\n", ["low", "mid", "high"][(i * 7 + seed) % 3])
    };
    (0..30).map(row).collect()
}
