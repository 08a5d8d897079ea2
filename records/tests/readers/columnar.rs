//! Parquet and Arrow files of several writers give the records of the CSV with the same values; damaged ones are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_records::{DataError, Fault, Kind, Options, Predicts, Range, ReadAt, Source};

/// What `cases/columnar/make.py` wrote of each table.
const FILES: [&str; 10] = [
    "snappy.parquet",
    "zstd.parquet",
    "gzip.parquet",
    "lz4.parquet",
    "plain.parquet",
    "polars.parquet",
    "lz4.feather",
    "zstd.feather",
    "polars.arrow",
    "arrows",
];

fn case(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/columnar").join(file)
}

fn files(table: &str) -> impl Iterator<Item = String> + use<'_> {
    FILES.iter().map(move |file| if *file == "arrows" { format!("{table}.arrows") } else { format!("{table}-{file}") })
}

fn options() -> Options {
    Options {
        drop: vec!["note".into()],
        one_hot: vec!["ward".into()],
        accept: [Kind::Incomplete, Kind::Unlabelled].into(),
        ..Options::default()
    }
}

fn schema(file: &Path) -> Result<Schema, DataError> {
    Source::open(file, &options())?.infer("case", Predicts::Classes, Range::MinMax, &options())?.into_schema()
}

fn records(file: &Path, schema: &Schema, options: &Options) -> Result<Records, DataError> {
    Source::open(file, options)?.records(schema, options)?.into_records()
}

#[test]
fn every_writers_file_gives_the_records_of_the_csv() {
    for (table, count) in [("whole", 60), ("gaps", 56)] {
        let csv = case(&format!("{table}.csv"));
        let expected = schema(&csv).unwrap();
        let wanted = records(&csv, &expected, &options()).unwrap();
        assert_eq!((wanted.len(), wanted.width()), (count, 6));
        for file in files(table) {
            assert_eq!(schema(&case(&file)).unwrap().canonical(), expected.canonical(), "{file}");
            assert_eq!(records(&case(&file), &expected, &options()).unwrap(), wanted, "{file}");
            let part = Options { rows: Some(20..45), ..options() };
            assert_eq!(records(&case(&file), &expected, &part).unwrap(), records(&csv, &expected, &part).unwrap());
        }
    }
}

#[test]
fn the_report_is_that_of_the_csv_but_for_the_form() {
    let strict = Options { accept: [].into(), ..options() };
    let expected = schema(&case("gaps.csv")).unwrap();
    let report = |file: &str| Source::open(&case(file), &strict).unwrap().report(&expected, &strict).unwrap();
    let csv = report("gaps.csv");
    for (file, form) in [("gaps-zstd.parquet", "parquet"), ("gaps-polars.arrow", "arrow")] {
        let found = report(file);
        assert_eq!((found.separator, found.header.as_ref().unwrap().row), (form, 0));
        assert_eq!((&found.features, &found.classes), (&csv.features, &csv.classes), "{file}");
        assert_eq!((found.unlabelled, found.incomplete, found.duplicates), (1, 3, csv.duplicates), "{file}");
        // a CSV's header is a line, so its records count from 2
        let places = |r: &tribute_records::Report| r.doubts.iter().map(|d| (d.row, d.column)).collect::<Vec<_>>();
        let shifted: Vec<_> = places(&csv).into_iter().map(|(row, column)| (row.map(|r| r - 1), column)).collect();
        assert_eq!(places(&found), shifted, "{file}");
        assert!(found.to_string().contains("in the file"), "{found}");
    }
}

fn arrow(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn infer(bytes: Vec<u8>) -> Result<Schema, DataError> {
    let options = Options::default();
    Source::from_bytes("t", bytes, &options)?.infer("t", Predicts::Classes, Range::MinMax, &options)?.into_schema()
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn what_holds_no_numbers_is_named() {
    let label = texts(&["a", "b", "a"]);
    let column =
        |values: ArrayRef| infer(arrow(vec![("x", floats(&[1.0, 2.0, 3.0])), ("y", values), ("label", label.clone())]));
    column(floats(&[4.0, 5.0, 6.5])).unwrap();
    let refused = column(Arc::new(Date32Array::from(vec![1, 2, 3]))).unwrap_err();
    assert_eq!(refused.column, Some(2));
    assert!(
        refused.to_string().contains("(`y`) holds dates or times") && refused.to_string().contains("--drop"),
        "{refused}"
    );
    let refused = column(floats(&[4.0, f64::INFINITY, 6.0])).unwrap_err();
    assert_eq!((refused.row, refused.column), (Some(2), Some(2)), "{refused}");
    let refused = column(texts(&["low", "high", "low"])).unwrap_err();
    assert!(refused.to_string().contains("categories"), "{refused}");
    let refused = column(Arc::new(Int64Array::from(vec![1, 2, 1 << 53]))).unwrap_err();
    assert!(refused.to_string().contains("not below 2^53"), "{refused}");
    column(Arc::new(Int64Array::from(vec![1, 2, (1 << 53) - 1]))).unwrap();
    // numbers as texts are read as in a CSV
    column(texts(&["1", "2.5", "-3"])).unwrap();

    let options = Options { decimal: Some(tribute_records::Decimal::Comma), ..Options::default() };
    let bytes = arrow(vec![("x", floats(&[1.0, 2.0])), ("label", texts(&["a", "b"]))]);
    let refused =
        Source::from_bytes("t", bytes, &options).unwrap().infer("t", Predicts::Classes, Range::MinMax, &options);
    assert!(matches!(*refused.unwrap_err().fault, Fault::ForText { option: "--decimal", .. }));
}

#[test]
fn a_file_has_no_more_values_than_allowed() {
    let batch = RecordBatch::try_from_iter([("x", floats(&[1.0; 50])), ("label", texts(&["a"; 50]))]).unwrap();
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let open = |most_bytes| Source::from_bytes("t", bytes.clone(), &Options { most_bytes, ..Options::default() });
    assert!(open(100).is_ok());
    assert_eq!(*open(99).unwrap_err().fault, Fault::TooLarge { most: 99 });
    let mut parquet = std::fs::read(case("whole-snappy.parquet")).unwrap();
    let small = Options { most_bytes: 60 * 7 - 1, ..Options::default() };
    assert_eq!(*Source::from_bytes("t", parquet.clone(), &small).unwrap_err().fault, Fault::TooLarge { most: 419 });
    parquet.truncate(parquet.len() - 1);
    let broken = Source::from_bytes("t", parquet, &Options::default()).unwrap_err();
    assert!(broken.to_string().contains("damaged Parquet file"), "{broken}");
}

/// Bytes that fail on some reads.
#[derive(Debug)]
struct Flaky(Vec<u8>, u64);

impl ReadAt for Flaky {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if at <= self.1 && self.1 < at + buffer.len() as u64 {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.0.read_at(at, buffer)
    }
}

#[test]
fn what_cannot_be_read_is_said_wherever_it_is() {
    for file in ["whole-plain.parquet", "whole-lz4.feather"] {
        let bytes = std::fs::read(case(file)).unwrap();
        let csv = schema(&case("whole.csv")).unwrap();
        let (mut read, mut failed) = (0, 0);
        for at in (0..bytes.len() as u64).step_by(97) {
            let source = match Source::columnar("t", Arc::new(Flaky(bytes.clone(), at)), &options()) {
                Ok(found) => found.expect("a columnar file"),
                Err(e) => {
                    assert!(e.to_string().contains("the disk is gone"), "{e}");
                    failed += 1;
                    continue;
                }
            };
            match source.records(&csv, &options()) {
                // a part that nobody needs
                Ok(_) => read += 1,
                Err(e) => {
                    assert!(e.to_string().contains("the disk is gone"), "{e}");
                    failed += 1;
                }
            }
        }
        assert!(failed > read, "{file}: {failed} failed, {read} read");
    }
}

#[test]
fn an_altered_byte_is_refused_or_read_and_nothing_else() {
    for file in files("whole") {
        let bytes = std::fs::read(case(&file)).unwrap();
        for at in (0..bytes.len()).step_by(3) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            let _ = infer(altered);
        }
        for length in (0..bytes.len()).step_by(101) {
            assert!(infer(bytes[..length].to_vec()).is_err(), "{file}: {length} of {} bytes", bytes.len());
        }
    }
}
