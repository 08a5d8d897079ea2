//! Parquet and Arrow files of several writers give the records of the CSV with the same values; damaged ones are refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float16Array, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use half::f16;
use parquet::data_type::{DoubleType, FloatType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};
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
    // an option cannot carry every name, and a number may be another column's name
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![1, 2, 3]));
    for (name, other, advice) in [
        ("when", "x", "--drop when"),
        ("my day", "x", "--drop \"my day\""),
        ("-1", "x", "--drop=\"-1\""),
        ("when, local", "x", "--drop 2"),
        ("$when", "x", "--drop 2"),
        ("$when", "2", "delete it from the file"),
    ] {
        let bytes = arrow(vec![(other, floats(&[1.0, 2.0, 3.0])), (name, dates.clone()), ("label", label.clone())]);
        let refused = infer(bytes).unwrap_err().to_string();
        assert!(refused.contains(advice), "{refused}");
    }
    let refused = column(floats(&[4.0, f64::INFINITY, 6.0])).unwrap_err();
    assert_eq!((refused.row, refused.column), (Some(2), Some(2)), "{refused}");
    let refused = column(texts(&["low", "high", "low"])).unwrap_err();
    assert!(refused.to_string().contains("categories"), "{refused}");
    let refused = column(Arc::new(Int64Array::from(vec![1, 2, 1 << 53]))).unwrap_err();
    assert!(refused.to_string().contains("not below 2^53"), "{refused}");
    assert!(refused.to_string().contains("if it is a label, write it as text"), "{refused}");
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
fn whole_numbers_of_another_size_concern_their_column_alone() {
    let (a, b): (ArrayRef, ArrayRef) = (floats(&[1.0, 2.0, 3.0]), Arc::new(Int64Array::from(vec![1, 2, 3])));
    let mut bytes = arrow(vec![("a", a), ("b", b), ("label", texts(&["x", "y", "x"]))]);
    // the size of the whole numbers, in the schema, becomes that of Polars' Int128
    let size = bytes.windows(4).position(|bits| bits == 64i32.to_le_bytes()).unwrap();
    bytes[size..size + 4].copy_from_slice(&128i32.to_le_bytes());
    let refused = infer(bytes.clone()).unwrap_err();
    assert!(refused.column == Some(2) && refused.to_string().contains("--drop b"), "{refused}");
    assert!(refused.to_string().contains("whole numbers of another size"), "{refused}");
    let options = Options { drop: vec!["b".into()], ..Options::default() };
    let source = Source::from_bytes("t", bytes, &options).unwrap();
    let found = source.infer("t", Predicts::Classes, Range::MinMax, &options).unwrap();
    assert_eq!(found.into_schema().unwrap().features().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_read() {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    for file in ["whole-snappy.parquet", "whole-zstd.feather", "whole.csv"] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let bytes = std::fs::read(case(file)).unwrap();
        let written = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
        let read = schema(Path::new(&format!("/proc/self/fd/{}", reader.as_raw_fd()))).unwrap();
        assert_eq!(read.canonical(), schema(&case("whole.csv")).unwrap().canonical(), "{file}");
        written.join().unwrap();
    }
}

#[test]
fn a_category_that_is_left_out_is_none() {
    let bytes = arrow(vec![
        ("city", texts(&["Oslo", "Rome", "Oslo", "Total"])),
        ("b", floats(&[1.0, 2.0, 3.0, f64::NAN])),
        ("label", texts(&["x", "y", "x", "x"])),
    ]);
    let options = Options { one_hot: vec!["city".into()], accept: [Kind::Incomplete].into(), ..Options::default() };
    let source = Source::from_bytes("t", bytes.clone(), &options).unwrap();
    let found = source.infer("t", Predicts::Classes, Range::MinMax, &options).unwrap().into_schema().unwrap();
    assert_eq!(found.categories()[0].values, ["Oslo", "Rome"]);
    let report = source.report(&found, &options).unwrap();
    assert_eq!(report.features.iter().map(|c| c.missing).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(source.records(&found, &options).unwrap().into_records().unwrap().len(), 3);
    // in a record it is refused
    let whole =
        arrow(vec![("city", texts(&["Oslo", "Total"])), ("b", floats(&[1.0, 2.0])), ("label", texts(&["x", "y"]))]);
    let source = Source::from_bytes("t", whole, &options).unwrap();
    let e = source.records(&found, &options).unwrap_err();
    assert!(matches!(*e.fault, Fault::UnknownCategory { .. }) && (e.row, e.column) == (Some(2), Some(1)), "{e}");
}

/// What pandas writes of a data frame with this column as its index.
fn pandas(index: &str) -> String {
    format!("{{\"index_columns\": [\"{index}\"], \"columns\": []}}")
}

/// A Parquet file: each column's type, name and values, and pandas' description.
fn parquet(columns: &[(&str, &str, &[f64])], pandas: String) -> Vec<u8> {
    let fields = columns.iter().map(|(kind, name, _)| format!("required {kind} {name};"));
    let schema = parse_message_type(&format!("message frame {{ {} }}", fields.collect::<String>())).unwrap();
    let metadata = vec![KeyValue::new("pandas".into(), pandas)];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (kind, _, values) in columns {
        let mut column = group.next_column().unwrap().unwrap();
        let single = || values.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let whole = || values.iter().map(|x| *x as i64).collect::<Vec<_>>();
        let written = match *kind {
            "float" => column.typed::<FloatType>().write_batch(&single(), None, None),
            "int64" => column.typed::<Int64Type>().write_batch(&whole(), None, None),
            _ => column.typed::<DoubleType>().write_batch(values, None, None),
        };
        assert_eq!(written.unwrap(), values.len());
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn the_index_of_a_data_frame_is_neither_label_nor_feature() {
    let (values, ids) = ([1.5, 2.5, 3.5, 4.5], [7.0, 5.0, 9.0, 8.0]);
    let options = Options::default();
    let infer = |bytes: Vec<u8>, predicts| {
        Source::from_bytes("t", bytes, &options).unwrap().infer("t", predicts, Range::MinMax, &options).unwrap()
    };
    let batch = RecordBatch::try_from_iter([
        ("a", floats(&values)),
        ("price", floats(&values)),
        ("patient", Arc::new(Int64Array::from(vec![7, 5, 9, 8])) as ArrayRef),
    ])
    .unwrap();
    let metadata = HashMap::from([("pandas".to_owned(), pandas("patient"))]);
    let schema = batch.schema().as_ref().clone().with_metadata(metadata);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    // an index with a name is asked about
    let named = [("double", "a", &values[..]), ("double", "price", &values[..]), ("int64", "patient", &ids[..])];
    for bytes in [writer.into_inner().unwrap(), parquet(&named, pandas("patient"))] {
        let found = infer(bytes, Predicts::Real);
        assert_eq!((found.report.label_column, found.report.doubts[0].kind), (Some(2), Kind::Index));
        let e = found.into_schema().unwrap_err();
        assert!(e.column == Some(3) && e.to_string().contains("--drop patient"), "{e}");
    }
    // one without is left out, whatever it holds
    let name = "__index_level_0__";
    let twice = [0.0, 1.0, 0.0, 1.0];
    let unnamed = [("double", "a", &values[..]), ("double", "price", &values[..]), ("int64", name, &twice[..])];
    let found = infer(parquet(&unnamed, pandas(name)), Predicts::Real);
    assert_eq!((found.report.label_column, found.report.left_out[0].column), (Some(2), 3));
    assert_eq!(found.into_schema().unwrap().features().len(), 1);
}

#[test]
fn a_count_is_asked_about_however_it_is_stored() {
    let count: Vec<f64> = (0..12).map(f64::from).collect();
    let words: Vec<String> = (0..12).map(|i| i.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rest = || {
        let label = ["x", "y"].repeat(6);
        [("b", floats(&count.iter().map(|i| i * 5.0 % 7.0).collect::<Vec<_>>())), ("label", texts(&label))]
    };
    for stored in [floats(&count), texts(&words), Arc::new(Float32Array::from_iter_values((0..12).map(|i| i as f32)))] {
        let [b, label] = rest();
        let e = infer(arrow(vec![("n", stored), b, label])).unwrap_err();
        assert!(e.column == Some(1) && e.to_string().contains("(`n`) counts the records"), "{e}");
    }
    let label: Vec<f64> = count.iter().map(|i| i % 2.0).collect();
    let columns = [("double", "n", &count[..]), ("double", "label", &label[..])];
    let e = infer(parquet(&columns, String::new())).unwrap_err();
    assert!(e.to_string().contains("(`n`) counts the records"), "{e}");
}

#[test]
fn labels_of_any_precision_are_those_of_the_csv() {
    let labels = [0.0f32, 0.1, 0.2, 0.1, 0.2, 0.0, 0.1, 0.2, 0.0];
    let a = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let single: ArrayRef = Arc::new(Float32Array::from(labels.to_vec()));
    let half: ArrayRef = Arc::new(Float16Array::from_iter_values(labels.iter().map(|x| f16::from_f32(*x))));
    let doubles = labels.map(f64::from);
    let stored = parquet(&[("double", "a", &doubles[..]), ("float", "label", &doubles[..])], String::new());
    for bytes in [
        stored,
        arrow(vec![("a", a.clone()), ("label", single.clone())]),
        arrow(vec![("a", a.clone()), ("label", half)]),
    ] {
        let schema = infer(bytes).unwrap();
        assert_eq!(schema.target(), &Target::Classes(["0.0", "0.1", "0.2"].map(String::from).to_vec()));
    }
    // a real target is the number that is stored, so that it is in the range of the schema
    let bytes = arrow(vec![("a", a), ("label", single)]);
    let options = Options::default();
    let source = Source::from_bytes("t", bytes, &options).unwrap();
    let schema = source.infer("t", Predicts::Real, Range::MinMax, &options).unwrap().into_schema().unwrap();
    assert_eq!(schema.target(), &Target::Real { lo: 0.0, hi: f64::from(0.2f32) });
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    assert_eq!(records.target(2), 65_535);
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
