//! The examples give the schemas and records with which datasets were registered; these must not change.

use std::path::{Path, PathBuf};

use tribute_core::digest::keccak;
use tribute_records::{Options, Predicts, Range, Source};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(file)
}

#[test]
fn the_examples_are_what_they_were() {
    for (file, name, count, id, digest) in [
        (
            "digits.csv.gz",
            "digits",
            1797,
            "4d6f71881bb9964e0ee3b91cd7131e946b216534ef7fa49d0ceec8ac8da25da1",
            "21c9cf321d92b9599bcaada2090642f08444a2d68d9b42d03e15157aaa883106",
        ),
        (
            "wine.csv",
            "wine",
            178,
            "4d5d142cd0cd0da2a78184a8b9d421a00c449185c6bfc9f5251f72f94717df94",
            "b38607579d7775b36ebef82acc20f0c58b54d97d22d72bdadeb47d260070dbf5",
        ),
    ] {
        let options = Options::default();
        let source = Source::open(&example(file), &options).unwrap();
        let schema = source.infer(name, Predicts::Classes, Range::MinMax, &options).unwrap().into_schema().unwrap();
        let records = source.records(&schema, &options).unwrap().into_records().unwrap();
        assert_eq!(records.len(), count, "{file}");
        assert_eq!(hex::encode(schema.id()), id, "{file}");
        assert_eq!(hex::encode(keccak(&records.to_bytes())), digest, "{file}");
    }
}
