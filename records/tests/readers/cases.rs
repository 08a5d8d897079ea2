//! Small files that other readers misread, each with the correct result.

use std::path::{Path, PathBuf};

use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};
use tribute_records::{DataError, Fault, Inferred, Kind, Options, Predicts, Range, Reading, Source};

fn case(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file)
}

fn inferred(file: &str, predicts: Predicts, range: Range, options: &Options) -> Result<Inferred, DataError> {
    Source::open(&case(file), options)?.infer("case", predicts, range, options)
}

fn infer(file: &str) -> Result<Inferred, DataError> {
    inferred(file, Predicts::Classes, Range::MinMax, &Options::default())
}

fn schema(file: &str) -> Schema {
    infer(file).unwrap().into_schema().unwrap()
}

fn reading(file: &str, schema: &Schema, options: &Options) -> Result<Reading, DataError> {
    Source::open(&case(file), options)?.records(schema, options)
}

/// Reads records, accepting the doubts in `accept`.
fn records(file: &str, schema: &Schema, accept: &[Kind]) -> Result<Records, DataError> {
    let options = Options { accept: accept.iter().copied().collect(), ..Options::default() };
    reading(file, schema, &options)?.into_records()
}

fn refused<T>(result: Result<T, DataError>) -> DataError {
    match result {
        Ok(_) => panic!("must be refused"),
        Err(e) => e,
    }
}

fn labels(schema: &Schema) -> Vec<&str> {
    match schema.target() {
        Target::Classes(labels) => labels.iter().map(String::as_str).collect(),
        Target::Real { .. } => panic!("a regression"),
    }
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.features().iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn every_gzip_member_is_read() {
    let schema = schema("gzip-members/one.csv.gz");
    let one = records("gzip-members/one.csv.gz", &schema, &[]).unwrap();
    assert_eq!(one.len(), 120);
    for file in ["two-members", "blocks", "trailing"] {
        let file = format!("gzip-members/{file}.csv.gz");
        assert_eq!(records(&file, &schema, &[]).unwrap(), one, "{file}");
    }
    let cut = refused(infer("gzip-members/cut.csv.gz"));
    assert!(matches!(*cut.fault, Fault::Gzip { member: 1, at: 0, .. }), "{cut}");
}

#[test]
fn a_header_of_numbers_is_a_header() {
    for (file, first, classes) in [
        ("good", "age", ["0", "1", "2"]),
        ("one-numeric-name", "age", ["0", "1", "2"]),
        ("pandas-ints", "0", ["0", "1", "2"]),
        ("pandas-ints-named", "0", ["mid", "neg", "pos"]),
    ] {
        let found = infer(&format!("numeric-header/{file}.csv")).unwrap();
        assert_eq!(found.report.records, 120, "{file}");
        let schema = found.into_schema().unwrap();
        assert_eq!((names(&schema)[0], labels(&schema)), (first, classes.to_vec()), "{file}");
        // reading it again by its schema gives the same
        assert_eq!(records(&format!("numeric-header/{file}.csv"), &schema, &[]).unwrap().len(), 120, "{file}");
    }
}

#[test]
fn one_and_one_point_zero_are_one_class() {
    let schema = schema("labels/a-int.csv");
    let accept = [Kind::Clamped];
    assert_eq!(records("labels/a-int.csv", &schema, &accept).unwrap().len(), 60);
    let floats = reading("labels/b-float.csv", &schema, &Options::default()).unwrap();
    let classes: Vec<usize> = floats.report.classes.iter().map(|c| c.records).collect();
    assert_eq!(classes, [18, 25, 17]);
    assert_eq!(floats.report.classes[0].joined, [("0.0".to_owned(), 18)]);

    let mixed = infer("labels/mixed.csv").unwrap();
    let told = mixed.report.to_string();
    assert!(told.contains("`0` 16, `0.0` 18"), "{told}");
    assert_eq!(labels(&mixed.into_schema().unwrap()), ["0", "1", "2"]);
}

#[test]
fn a_missing_label_is_no_class_without_a_word() {
    let found = infer("labels/na.csv").unwrap();
    assert_eq!((found.report.unlabelled, found.report.records), (10, 110));
    let fault = refused(found.into_schema());
    assert_eq!(fault.column, Some(5));
    assert!(fault.row.is_some() && fault.to_string().contains("--drop-unlabelled"), "{fault}");

    let schema = schema("labels/a-int.csv");
    assert!(records("labels/na.csv", &schema, &[Kind::Clamped]).is_err());
    assert_eq!(records("labels/na.csv", &schema, &[Kind::Clamped, Kind::Unlabelled]).unwrap().len(), 110);

    let kept = Options { gaps_are_labels: true, ..Options::default() };
    let kept = inferred("labels/na.csv", Predicts::Classes, Range::MinMax, &kept).unwrap();
    assert_eq!(labels(&kept.into_schema().unwrap()), ["0", "1", "2", "NA"]);
}

#[test]
fn labels_that_make_no_classes_are_told_with_what_to_do() {
    let one = refused(infer("labels/one-class.csv"));
    assert!(one.to_string().contains("two classes"), "{one}");
    let many = refused(infer("labels/classes-101.csv"));
    assert!(many.to_string().contains("101 different labels") && many.to_string().contains("--real"), "{many}");
    let continuous = refused(infer("labels/continuous.csv").and_then(Inferred::into_schema));
    assert!(continuous.to_string().contains("--real"), "{continuous}");
    let real = inferred("labels/continuous.csv", Predicts::Real, Range::MinMax, &Options::default()).unwrap();
    assert!(matches!(real.into_schema().unwrap().target(), Target::Real { .. }));
    assert_eq!(labels(&schema("labels/one-based.csv")), ["1", "2", "7"]);
}

#[test]
fn a_quoted_label_with_a_comma_is_one_field() {
    assert_eq!(labels(&schema("labels/comma-label.csv")), ["high, rising", "low, stable", "mid"]);
}

#[test]
fn a_label_that_stands_first_is_asked_for_or_found_by_the_schema() {
    for file in ["labels/label-first.csv", "labels/label-first-ints.csv"] {
        let fault = refused(infer(file));
        assert!(fault.column == Some(1) && fault.to_string().contains("--label label"), "{fault}");
        let named = Options { label: Some("label".into()), ..Options::default() };
        let found = inferred(file, Predicts::Classes, Range::MinMax, &named).unwrap();
        assert_eq!(labels(&found.into_schema().unwrap()), ["0", "1", "2"]);
    }
    // with a schema, the label is the one column that is not a feature
    let last = schema("numeric-header/good.csv");
    let first = reading("labels/label-first.csv", &last, &Options::default()).unwrap();
    assert_eq!(first.report.label_column, Some(1));
    assert_eq!(first.into_records().unwrap(), records("numeric-header/good.csv", &last, &[]).unwrap());
}

#[test]
fn an_outlier_a_sentinel_and_a_constant_are_told() {
    let found = infer("outliers/outlier.csv").unwrap();
    let coarse: Vec<&str> = found.report.features.iter().filter(|f| f.coarse).map(|f| f.name.as_str()).collect();
    assert_eq!(coarse, ["dose", "pulse"]);
    let told = found.report.to_string();
    assert!(told.contains("`dose`) loses most of its values") && told.contains("--range quantile"), "{told}");
    assert!(told.contains("constant, so they carry no information: `temp`"), "{told}");

    // a schema made regardless is caught before anything is committed
    let schema = found.into_schema().unwrap();
    let fault = refused(records("outliers/outlier.csv", &schema, &[]));
    assert!(fault.to_string().contains("--allow-coarse"), "{fault}");
    assert_eq!(records("outliers/outlier.csv", &schema, &[Kind::Coarse]).unwrap().len(), 120);

    let robust = inferred("outliers/outlier.csv", Predicts::Classes, Range::Quantile, &Options::default()).unwrap();
    assert!(robust.report.features.iter().all(|f| !f.coarse && f.range[1] < 100.0 && f.range[0] > -100.0));
    let robust = robust.into_schema().unwrap();
    let fault = refused(records("outliers/outlier.csv", &robust, &[]));
    assert!(matches!(&*fault.fault, Fault::Doubtful(d) if d.iter().all(|d| d.kind == Kind::Clamped)), "{fault}");
    assert_eq!(records("outliers/outlier.csv", &robust, &[Kind::Clamped]).unwrap().len(), 120);
}

#[test]
fn values_in_other_units_are_counted_and_refused() {
    let schema = schema("outliers/a.csv");
    let wider = reading("outliers/b-wider.csv", &schema, &Options::default()).unwrap();
    assert!(wider.report.features.iter().all(|f| f.clamped() > 30), "{}", wider.report);
    let fault = refused(wider.into_records());
    let words = fault.to_string();
    assert!(words.contains("(`age`) is outside the schema's range") && words.contains("--allow-clamped"), "{words}");
    assert!(records("outliers/b-wider.csv", &schema, &[Kind::Clamped]).is_ok());
}

#[test]
fn columns_are_put_in_the_schema_s_order_by_name() {
    let schema = schema("column-order/a.csv");
    let a = records("column-order/a.csv", &schema, &[]).unwrap();
    let reordered = reading("column-order/reordered.csv", &schema, &Options::default()).unwrap();
    let header = reordered.report.header.clone().unwrap();
    assert_eq!((header.names_matched, header.order_changed), (Some(true), true));
    assert_eq!(reordered.into_records().unwrap(), a);

    let other = refused(records("column-order/other-names.csv", &schema, &[]));
    let words = other.to_string();
    assert!(other.column == Some(1) && words.contains("`weight`, where the schema has `age`"), "{words}");
    assert_eq!(records("column-order/other-names.csv", &schema, &[Kind::Position]).unwrap(), a);

    let queries = Source::open(&case("column-order/queries.csv"), &Options::default()).unwrap();
    let queries = queries.queries(&schema, &Options::default()).unwrap().into_queries().unwrap();
    assert_eq!(queries.len(), 20);
    assert!(queries.iter().all(|q| q.target.is_some()));
}
