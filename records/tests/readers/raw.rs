//! Raw records, from which models compute features.

use std::io::Write as _;
use std::path::Path;

use tribute_records::{DataError, Fault, Kind, Options, Raw, RawInput, RawRecord, Source, Takes};

fn raw(bytes: &[u8], takes: Takes<'_>, options: &Options) -> Result<Raw, DataError> {
    Source::from_bytes("f.csv", bytes.to_vec(), options)?.raw(takes, options)
}

/// The texts and labels of a table.
fn texts(bytes: &[u8], options: &Options) -> Result<Vec<(String, String)>, DataError> {
    let records = raw(bytes, Takes::Text("text"), options)?.into_records()?;
    let text = |RawRecord { input, label, .. }| match input {
        RawInput::Text(text) => (text, label),
        RawInput::Numbers(numbers) => panic!("{numbers:?}"),
    };
    Ok(records.into_iter().map(text).collect())
}

/// The numbers and labels of a table.
fn numbers(text: &str, columns: &[&str], options: &Options) -> Result<Vec<(Vec<f32>, String)>, DataError> {
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    let records = raw(text.as_bytes(), Takes::Numbers(&columns), options)?.into_records()?;
    let numbers = |RawRecord { input, label, .. }| match input {
        RawInput::Numbers(numbers) => (numbers, label),
        RawInput::Text(text) => panic!("{text}"),
    };
    Ok(records.into_iter().map(numbers).collect())
}

fn packed(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn texts_are_read_in_every_form() {
    let plain = Options::default();
    let wanted = [("a red, ripe apple".to_owned(), "fruit".to_owned()), ("it runs".into(), "verb".into())];
    for text in [
        "text,label\n\"a red, ripe apple\",fruit\nit runs,verb\n",
        "# by hand\nid;label;text\n7;fruit;a red, ripe apple\n9;verb;it runs\n",
        "\u{feff}text\tlabel\r\na red, ripe apple\tfruit\r\nit runs\tverb\r\n",
        // no label's name, but the column of the texts shows the header
        "text;topic\na red, ripe apple;fruit\nit runs;verb\n",
    ] {
        assert_eq!(texts(text.as_bytes(), &plain).unwrap(), wanted, "{text}");
        assert_eq!(texts(&packed(text), &plain).unwrap(), wanted, "{text}");
    }
    let report = raw(b"id;label;text\n7;x;a b\n9;y;c d\n9;y;c d\n", Takes::Text("text"), &plain).unwrap().report;
    assert_eq!((report.left_out[0].name.as_str(), report.duplicates, report.label_column), ("id", 1, Some(2)));
    let told = report.to_string();
    assert!(
        told.contains("3 records") && told.contains("in this order: `text`") && !told.contains("features"),
        "{told}"
    );
}

#[test]
fn texts_that_begin_like_comments_are_not_lost() {
    let bare = Options { header: Some(false), ..Options::default() };
    for (text, column, options, row) in [
        ("#win great day,pos\nbad day,neg\nfine day,pos\n", "1", &bare, 1),
        ("text,label\n#win great day,pos\nbad day,neg\n", "text", &Options::default(), 2),
        ("text,label\nbad day,neg\n#win, great day,pos\n", "text", &Options::default(), 3),
    ] {
        let e = raw(text.as_bytes(), Takes::Text(column), options).unwrap_err();
        assert!(matches!(*e.fault, Fault::TextOrComment) && e.row == Some(row), "{text:?} {e}");
        let quoted =
            text.replace("#win great day", "\"#win great day\"").replace("#win, great day", "\"#win, great day\"");
        assert!(raw(quoted.as_bytes(), Takes::Text(column), options).unwrap().into_records().unwrap().len() > 1);
    }
    let e =
        texts(b"text,label\nbad day,neg\n# later, by Bob, in May\nfine day,pos\n", &Options::default()).unwrap_err();
    assert!(
        e.to_string().contains("row 3 may be a record whose first text begins with `#`: delete the line if"),
        "{e}"
    );
    let remarks = b"# by hand, in May\ntext,label\n# done\nbad day,neg\nfine day,pos\n";
    assert_eq!(texts(remarks, &Options::default()).unwrap().len(), 2);
}

#[test]
fn texts_and_labels_that_are_missing_are_asked_about() {
    let plain = Options::default();
    for gap in ["", "NA", "missing", "-"] {
        let e = texts(format!("text,label\nan apple,x\n{gap},y\n").as_bytes(), &plain).unwrap_err();
        assert_eq!((e.row, e.column), (Some(3), Some(1)), "{gap:?} {e}");
        assert!(e.to_string().contains("--drop-incomplete"), "{e}");
        let e = texts(format!("text,label\nan apple,x\na pear,{gap}\n").as_bytes(), &plain).unwrap_err();
        assert_eq!((e.row, e.column), (Some(3), Some(2)), "{gap:?} {e}");
        assert!(e.to_string().contains("--drop-unlabelled"), "{e}");
    }
    let table = b"text,label\nan apple,x\n,y\na pear,NA\na plum,z\n";
    let dropped = Options { accept: [Kind::Incomplete, Kind::Unlabelled].into(), ..Options::default() };
    let left = raw(table, Takes::Text("text"), &dropped).unwrap().into_records().unwrap();
    assert_eq!(left.iter().map(|record| record.row).collect::<Vec<_>>(), [2, 5]);
    let kept = Options { accept: [Kind::Incomplete].into(), gaps_are_labels: true, ..Options::default() };
    assert_eq!(texts(table, &kept).unwrap()[1].1, "NA");
    assert_eq!(texts(b"text,label\nan apple,+\na pear,-\n", &plain).unwrap().len(), 2, "the signs of a test");
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let said = |text: &str| texts(text.as_bytes(), &Options::default()).unwrap_err().to_string();
    assert!(said("words,label\na b,x\nc d,y\n").contains("no column is named `text`; there are `words`, `label`"));
    assert!(said("text\na b\nc d\n").contains("no column for the label"));
    // which one is the label?
    assert!(said("text,label,source\na b,x,p\nc d,y,q\n").contains("--label label or --label source"));
    let twice = Options { label: Some("text".into()), ..Options::default() };
    assert!(matches!(*texts(b"text,label\na b,x\n", &twice).unwrap_err().fault, Fault::Label(_)));
}

#[test]
fn numbers_are_taken_by_name_or_in_the_file_s_order() {
    let plain = Options::default();
    let table = "b;a;label\n1,5;2;x\n2,5;4;y\n";
    assert_eq!(numbers(table, &[], &plain).unwrap(), [(vec![1.5, 2.0], "x".into()), (vec![2.5, 4.0], "y".into())]);
    assert_eq!(numbers(table, &["a", "b"], &plain).unwrap()[0].0, [2.0, 1.5]);
    let columns = ["a".to_owned(), "b".to_owned()];
    let report = raw(table.as_bytes(), Takes::Numbers(&columns), &plain).unwrap().report;
    assert!(report.to_string().contains("in this order: `a`, `b`"), "{report}");

    for (text, row, column) in [
        ("a,b,label\n1,2,x\n3,four,y\n5,6,x\n", 3, 2),
        ("a,b,label\n1,2,x\n3,1e39,y\n", 3, 2),
        ("a,b,label\n1,,x\n3,4,y\n", 2, 2),
    ] {
        let e = numbers(text, &[], &plain).unwrap_err();
        assert_eq!((e.row, e.column), (Some(row), Some(column)), "{e}");
    }
    let counted: String = (0..12).map(|i| format!("{i},{},x\n", i * 7 % 5)).collect();
    let e = numbers(&format!("id,a,label\n{counted}"), &[], &plain).unwrap_err();
    assert!(e.to_string().contains("--allow-index"), "{e}");
    let named = numbers(&format!("id,a,label\n{counted}"), &["a"], &plain).unwrap();
    assert_eq!((named.len(), named[3].0.len()), (12, 1));
}

#[test]
fn the_number_of_a_column_is_not_taken_for_its_name() {
    let plain = Options::default();
    let header = |header| Options { header: Some(header), ..Options::default() };
    let columns = ["1", "2", "3"];
    // a value that is also the number of a column
    let table = "5.1,3.5,1,0\n4.9,3.0,2,1\n6.2,3.1,5,0\n";
    let e = numbers(table, &columns, &plain).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }) && e.row == Some(1), "{e}");
    let all = numbers(table, &columns, &header(false)).unwrap();
    assert_eq!((all.len(), &all[0]), (3, &(vec![5.1, 3.5, 1.0], "0".to_owned())));
    // a header of numbers
    let e = numbers("3,2,1,label\n4,5,6,x\n7,8,9,y\n", &columns, &plain).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }), "{e}");
    let named = numbers("3,2,1,label\n4,5,6,x\n7,8,9,y\n", &columns, &header(true)).unwrap();
    assert_eq!(named[0].0, [6.0, 5.0, 4.0]);
    // the first row holds none of the numbers, or one that no column has
    assert_eq!(numbers("5.1,3.5,7,0\n4.9,3.0,8,1\n", &columns, &plain).unwrap().len(), 2);
    assert_eq!(numbers("a,b,c,label\n4,5,6,x\n7,8,9,y\n", &columns, &plain).unwrap().len(), 2);
    assert_eq!(numbers("2018,2019,7\n5,1,0\n6,2,1\n", &["2018"], &plain).unwrap()[0].0, [5.0]);
    // a name beside a number
    assert_eq!(numbers("1,b,label\n4,5,x\n7,8,y\n", &["b", "1"], &plain).unwrap()[0].0, [5.0, 4.0]);
}

#[test]
fn columnar_files_give_the_same_as_their_csv() {
    let case = |file: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/columnar").join(file);
    let options = Options { accept: [Kind::Incomplete, Kind::Unlabelled].into(), ..Options::default() };
    let read = |file: &str, takes: Takes<'_>| {
        let records =
            Source::open(&case(file), &options).unwrap().raw(takes, &options).unwrap().into_records().unwrap();
        records.into_iter().map(|record| (record.input, record.label)).collect::<Vec<_>>()
    };
    let columns = ["pulse".to_owned(), "age".to_owned()];
    for takes in [Takes::Text("ward"), Takes::Numbers(&columns)] {
        let csv = read("gaps.csv", takes);
        assert!(csv.len() > 50);
        for file in ["gaps-zstd.parquet", "gaps-polars.arrow"] {
            assert_eq!(read(file, takes), csv, "{file}");
        }
    }
}
