//! Table import: the command line and the service report the same findings, before anything is committed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tribute_client::{problem, Client};
use tribute_problem::{Problem, Reason};
use tribute_proto::v1;
use tribute_testing::calls::{connect, send};
use tribute_testing::{data, program, Place};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../records/tests/cases");

/// Runs the program in a folder, without a server; `@` is the folder of test cases.
fn tribute(folder: &Path, arguments: &str) -> Output {
    let arguments = arguments.split_whitespace().map(|a| a.replace('@', &format!("{CASES}/")));
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).env_remove("TRIBUTE_KEY").env("TRIBUTE_SERVER", "http://127.0.0.1:1");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output and error of a command that must succeed.
fn passes(folder: &Path, arguments: &str) -> (String, String) {
    let ran = tribute(folder, arguments);
    let (out, err) = (text(&ran.stdout), text(&ran.stderr));
    assert!(ran.status.success(), "tribute {arguments}\n{err}");
    (out, err)
}

/// The same for a command that must fail.
fn fails(folder: &Path, arguments: &str) -> (String, String) {
    let ran = tribute(folder, arguments);
    assert!(!ran.status.success(), "tribute {arguments} should fail");
    (text(&ran.stdout), text(&ran.stderr))
}

#[test]
fn a_schema_is_made_with_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let infer = |arguments: &str| passes(folder.path(), &format!("schema infer {arguments}"));
    let (schema, report) = infer("@numeric-header/pandas-ints.csv");
    assert!(schema.starts_with(r#"{"name":"pandas-ints","features":[{"name":"0","#), "{schema}");
    assert!(report.contains("120 records") && report.contains("class `1`: 46 records"), "{report}");

    let (_, report) = infer("@outliers/outlier.csv --out minmax.json");
    assert!(report.contains("`dose`) loses most of its values") && report.contains("--range quantile"), "{report}");
    let (_, report) = infer("@outliers/outlier.csv --range quantile --json --out quantile.json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["features"][1]["coarse"], &report["features"][1]["clamped_above"]), (&false.into(), &1.into()));
    let (schema, _) = infer("@labels/a-int.csv --range standard");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let (lo, hi) = (&schema["features"][0]["lo"], &schema["features"][0]["hi"]);
    assert!(lo.as_f64().unwrap() < -3.0 && hi.as_f64().unwrap() > 3.0, "{lo} {hi}");

    for (arguments, words) in [
        ("@gzip-members/cut.csv.gz", "breaks off in member 1"),
        ("@labels/na.csv", "--drop-unlabelled"),
        ("@labels/classes-101.csv", "--real"),
        ("@labels/continuous.csv", "--real"),
        ("@labels/one-class.csv", "two classes"),
        ("@labels/label-first.csv", "--label label"),
    ] {
        let (schema, said) = fails(folder.path(), &format!("schema infer {arguments}"));
        assert!(schema.is_empty() && said.contains(words), "{arguments}: {said}");
    }
    infer("@labels/na.csv --drop-unlabelled");
    std::fs::write(folder.path().join("days.csv"), "when,a,label\n20210304,1,x\n20210309,2,y\n20220304,3,x\n").unwrap();
    let (_, said) = fails(folder.path(), "schema infer days.csv");
    assert!(said.contains("--allow-days") && said.contains("--drop when"), "{said}");
    infer("days.csv --allow-days --out days.json");
    infer("@labels/label-first.csv --label label");
    infer("@labels/continuous.csv --real");
}

#[test]
fn a_dry_run_reports_and_asks_no_server() {
    let folder = tempfile::tempdir().unwrap();
    passes(folder.path(), "schema infer @column-order/a.csv --out schema.json");
    let register = |file: &str| format!("dataset register {file} --schema schema.json --dry-run");

    let (report, _) = passes(folder.path(), &register("@column-order/reordered.csv"));
    assert!(report.contains("put in the schema's order") && report.contains("60 records"), "{report}");
    let (report, _) = passes(folder.path(), &format!("{} --json --rows 10..30", register("@column-order/a.csv")));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["records"], &report["header"]["order_changed"]), (&20.into(), &false.into()));

    // doubtful contents are reported, and fail as they would on registration
    let (report, said) = fails(folder.path(), &register("@outliers/b-wider.csv"));
    assert!(report.contains("DOUBTFUL") && said.contains("--allow-clamped"), "{report}{said}");
    let (report, _) = passes(folder.path(), &format!("{} --allow-clamped", register("@outliers/b-wider.csv")));
    assert!(report.contains("accepted by --allow-clamped"), "{report}");
    let (_, said) = fails(folder.path(), &register("@column-order/other-names.csv"));
    assert!(said.contains("column 1 is named `weight`, where the schema has `age`"), "{said}");
    // a column that the schema does not name is the label if it is called so, or on request
    let table = std::fs::read_to_string(format!("{CASES}/column-order/a.csv")).unwrap();
    std::fs::write(folder.path().join("ward.csv"), table.replacen("label", "ward", 1)).unwrap();
    let (_, said) = fails(folder.path(), &register("ward.csv"));
    assert!(said.contains("column 5 (`ward`)") && said.contains("--label ward"), "{said}");
    passes(folder.path(), &format!("{} --label ward", register("ward.csv")));
    let (_, said) = fails(folder.path(), &format!("{} --rows 50..61", register("@column-order/a.csv")));
    assert!(said.contains("has 60 records; 50..61 goes beyond"), "{said}");
}

async fn check(client: &Client, schema: &[u8], csv: v1::CsvRecords) -> Result<Value, Problem> {
    let request = v1::CheckRecordsRequest { schema_json: schema.to_vec(), csv: Some(csv) };
    let response = client.datasets().check_records(request).await.map_err(problem)?.into_inner();
    assert!(response.report.contains("records"));
    Ok(serde_json::from_slice(&response.report_json)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_says_the_same_and_keeps_nothing() {
    let place = Place::new();
    let served = place.serve(&["--k", "14", "--workers", "0"]);
    let client = connect(&served.url).await;
    let csv = |file: &str, options: v1::TableOptions| v1::CsvRecords {
        file: file.rsplit('/').next().unwrap().into(),
        upload: data::file(std::fs::read(format!("{CASES}/{file}")).unwrap()),
        options: Some(options),
    };
    let plain = v1::TableOptions::default;
    for file in [
        "column-order/a.csv",
        "column-order/reordered.csv",
        "column-order/other-names.csv",
        "labels/na.csv",
        "outliers/b-wider.csv",
    ] {
        send(&client, &csv(file, plain()).upload).await;
    }

    let request = v1::InferSchemaRequest {
        csv: Some(csv("column-order/a.csv", plain())),
        name: "a".into(),
        real: false,
        range: "minmax".into(),
        one_hot: Vec::new(),
    };
    let made = client.datasets().infer_schema(request.clone()).await.unwrap().into_inner();
    let (by_hand, _) = passes(place.path(), "schema infer @column-order/a.csv");
    assert_eq!(made.schema_json, by_hand.trim().as_bytes());
    let wrong = v1::InferSchemaRequest { range: "wide".into(), ..request.clone() };
    let wrong = client.datasets().infer_schema(wrong).await.map_err(problem).unwrap_err();
    assert_eq!(wrong.reason, Reason::BadField);
    // with a doubt there is a report but no schema
    let doubtful = v1::InferSchemaRequest { csv: Some(csv("labels/na.csv", plain())), ..request };
    let doubtful = client.datasets().infer_schema(doubtful).await.unwrap().into_inner();
    assert!(doubtful.schema_json.is_empty() && doubtful.report.contains("--drop-unlabelled"), "{}", doubtful.report);

    let schema = &made.schema_json;
    let report = check(&client, schema, csv("column-order/reordered.csv", plain())).await.unwrap();
    assert_eq!((&report["header"]["order_changed"], &report["records"]), (&true.into(), &60.into()));
    let report = check(&client, schema, csv("outliers/b-wider.csv", plain())).await.unwrap();
    assert_eq!((&report["doubts"][0]["kind"], &report["doubts"][0]["accepted"]), (&"clamped".into(), &false.into()));

    let submit = |csv: v1::CsvRecords| v1::RegisterDatasetRequest {
        work: Some(v1::DatasetWork {
            schema_json: schema.clone(),
            records: Some(v1::dataset_work::Records::Csv(csv)),
            profile: None,
            context: None,
            terms: None,
            extends: Vec::new(),
        }),
        options: None,
    };
    for (file, flag, column) in [
        ("outliers/b-wider.csv", Some("--allow-clamped"), "1"),
        ("labels/na.csv", Some("--drop-unlabelled"), "5"),
        ("column-order/other-names.csv", Some("--by-position"), "1"),
    ] {
        let request = submit(csv(file, plain()));
        let refused = client.datasets().register_dataset(request).await.map_err(problem).unwrap_err();
        assert_eq!((refused.reason, refused.metadata["column"].as_str()), (Reason::BadRecord, column), "{refused}");
        let flags = refused.metadata.get("flags").map(|f| f.split(' ').collect::<Vec<_>>()).unwrap_or_default();
        assert!(flag.is_none_or(|f| flags.contains(&f)), "{refused}");
    }
    let jobs = client.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap();
    assert!(jobs.into_inner().jobs.is_empty());

    let accepted = v1::TableOptions { accept: vec!["clamped".into()], ..plain() };
    let request = submit(csv("outliers/b-wider.csv", accepted));
    assert!(client.datasets().register_dataset(request).await.unwrap().into_inner().job.is_some());
}

/// A CSV, Parquet and Arrow files with the same values are one dataset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_columnar_file_is_the_dataset_of_its_csv() {
    let place = Place::new();
    let served = place.serve(&["--k", "14", "--workers", "0"]);
    let client = connect(&served.url).await;
    let mut schemas = Vec::new();
    let mut jobs = Vec::new();
    for file in ["whole.csv", "whole-zstd.parquet", "whole-lz4.feather", "whole.arrows"] {
        let options = v1::TableOptions { drop: vec!["note".into()], ..Default::default() };
        let upload = data::file(std::fs::read(format!("{CASES}/columnar/{file}")).unwrap());
        let csv = v1::CsvRecords { file: file.into(), upload, options: Some(options) };
        send(&client, &csv.upload).await;
        let request = v1::InferSchemaRequest {
            csv: Some(csv.clone()),
            name: "columnar".into(),
            one_hot: vec!["ward".into()],
            ..Default::default()
        };
        let schema_json = client.datasets().infer_schema(request).await.unwrap().into_inner().schema_json;
        let work = v1::DatasetWork {
            schema_json: schema_json.clone(),
            records: Some(v1::dataset_work::Records::Csv(csv)),
            ..Default::default()
        };
        let request = v1::RegisterDatasetRequest { work: Some(work), options: None };
        jobs.push(client.datasets().register_dataset(request).await.unwrap().into_inner().job.unwrap().id);
        schemas.push(schema_json);
    }
    assert!(schemas.iter().all(|schema| *schema == schemas[0] && !schema.is_empty()));
    // the same records are the same work
    assert!(jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");

    // a piece that is gone is no fault of the table
    for folder in std::fs::read_dir(place.data().join("artefacts")).unwrap().flatten() {
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
    let upload = data::file(std::fs::read(format!("{CASES}/columnar/whole-zstd.parquet")).unwrap());
    let csv = v1::CsvRecords { file: "gone.parquet".into(), upload, options: None };
    let gone = check(&client, &schemas[0], csv).await.unwrap_err();
    assert_eq!(gone.reason, Reason::ArtefactDamaged, "{gone}");
}
