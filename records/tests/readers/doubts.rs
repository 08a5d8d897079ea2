//! What a table may mean in two ways is asked about, and the answer is an option or a flag.

use tribute_core::schema::{Feature, Schema, Target};
use tribute_records::{DataError, Fault, Kind, Options, Predicts, Range, Report, Source};

fn schema(names: &[&str], target: Target) -> Schema {
    let feature = |name: &&str| Feature { name: (*name).to_owned(), lo: 0.0, hi: 255.0 };
    Schema::new("s".into(), names.iter().map(feature).collect(), target, None).unwrap()
}

fn classes(labels: &[&str]) -> Target {
    Target::Classes(labels.iter().map(|l| (*l).to_owned()).collect())
}

/// Reads records; their number and classes.
fn read(text: &str, schema: &Schema, options: &Options) -> Result<(usize, Vec<u16>), DataError> {
    let options = Options { accept: [Kind::Clamped, Kind::Coarse].into(), ..options.clone() };
    let read = Source::from_bytes("f.csv", text.into(), &options)?.records(schema, &options)?;
    let records = read.into_records()?;
    Ok((records.len(), records.iter().map(|(_, target)| target).collect()))
}

fn infer(text: &str, options: &Options) -> Result<(Schema, Report), DataError> {
    let found =
        Source::from_bytes("f.csv", text.into(), options)?.infer("s", Predicts::Classes, Range::MinMax, options)?;
    let report = found.report.clone();
    Ok((found.into_schema()?, report))
}

fn accepting(kind: Kind) -> Options {
    Options { accept: [kind].into(), ..Options::default() }
}

/// The kinds of the doubts for which a file is refused.
fn doubts<T>(result: Result<T, DataError>) -> Vec<Kind> {
    match result.map(|_| ()).map_err(|e| *e.fault) {
        Err(Fault::Doubtful(doubts)) => doubts.iter().map(|d| d.kind).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_of_numbers_is_no_record_because_there_is_a_schema() {
    let three = schema(&["a", "b"], classes(&["0", "1", "2"]));
    let plain = Options::default();
    let text = "0,1,2\n5,7,0\n9,8,1\n6,6,2\n";
    let e = read(text, &three, &plain).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }) && e.row == Some(1), "{e}");
    for (header, records) in [(true, 3), (false, 4)] {
        let options = Options { header: Some(header), accept: [Kind::Position].into(), ..Options::default() };
        let source = Source::from_bytes("f.csv", text.into(), &options).unwrap();
        assert_eq!(source.records(&three, &options).unwrap().into_records().unwrap().len(), records);
    }
    // a label that the schema does not have is told for what it is, with the other reading
    let e = read("10,20,3\n5,7,0\n9,8,1\n6,6,2\n", &three, &plain).unwrap_err();
    let words = e.to_string();
    assert!((e.row, e.column) == (Some(1), Some(3)) && words.contains("`3`") && words.contains("--header"), "{words}");
    // ordinary records are not asked about
    assert_eq!(read("5,7,0\n9,8,1\n6,6,2\n", &three, &plain).unwrap().0, 3);

    // any number is a real target
    let real = schema(&["a", "b"], Target::Real { lo: 0.0, hi: 255.0 });
    let e = read("10,20,30\n5,7,1\n9,8,2\n6,6,3\n", &real, &plain).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }), "{e}");
    assert_eq!(read("5,7,1\n9,8,2\n6,6,3\n", &real, &plain).unwrap().0, 3);

    // queries have no label that could tell
    let source = Source::from_bytes("q.csv", "0,1\n5,7\n9,8\n".into(), &plain).unwrap();
    assert!(matches!(*source.queries(&three, &plain).unwrap_err().fault, Fault::Header { .. }));
}

#[test]
fn values_that_are_names_of_the_schema_are_asked_about() {
    let schema = schema(&["0", "1", "2", "3"], classes(&["0", "1", "2", "3", "4"]));
    let rows = "5,6,7,8,0\n6,7,8,9,4\n";
    assert_eq!(read(&format!("0,1,2,3,label\n{rows}"), &schema, &Options::default()).unwrap().0, 2);
    let e = read(&format!("3,1,2,0,4\n{rows}"), &schema, &Options::default()).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }), "{e}");
}

#[test]
fn a_record_of_names_that_are_numbers_is_not_lost_because_its_label_is_a_text() {
    let plain = Options::default();
    let of = |names: &[&str]| schema(names, classes(&["x", "y"]));
    for (names, text) in [
        (&["0", "1"][..], "1,0,x\n0,1,y\n1,1,y\n"),
        (&["0", "1"], "0,1,x\n0,1,y\n1,1,y\n"),
        (&["0.1", "0.2"], "0.1,0.2,x\n0.3,0.4,y\n"),
        (&["1", "2", "3", "4"], "1,2,3,4,x\n2,1,3,4,y\n"),
        // a repeated ranking is no second header
        (&["1", "2", "3"], "2,3,1,x\n1,2,3,y\n2,3,1,x\n"),
    ] {
        let e = read(text, &of(names), &plain).unwrap_err();
        assert!(matches!(*e.fault, Fault::Header { .. }), "{text:?} {e}");
        let source = Source::from_bytes("q.csv", text.into(), &plain).unwrap();
        assert!(matches!(*source.queries(&of(names), &plain).unwrap_err().fault, Fault::Header { .. }), "{text:?}");
        let bare = Options { header: Some(false), ..Options::default() };
        assert!(read(text, &of(names), &bare).is_ok(), "{text:?}");
    }
    for text in ["0,1\n1,1\n", "0,1,\n1,1,x\n"] {
        let source = Source::from_bytes("q.csv", text.into(), &plain).unwrap();
        assert!(
            matches!(*source.queries(&of(&["0", "1"]), &plain).unwrap_err().fault, Fault::Header { .. }),
            "{text:?}"
        );
    }
    // a text that is no class is the label's name, as names that are no numbers are
    for (names, text) in [
        (&["0", "1"][..], "0,1,species\n0,1,y\n1,1,x\n"),
        (&["0", "1"], ",1,0,label\n0,0,1,y\n1,1,1,x\n"),
        (&["age", "1"], "age,1,x\n0,1,y\n1,1,x\n"),
    ] {
        assert_eq!(read(text, &of(names), &plain).unwrap().0, 2, "{text:?}");
    }
}

#[test]
fn a_header_is_no_record_of_the_label_that_it_names() {
    let rows = "soy,.1,.2,.3\ncorn,.4,.5,.6\nsoy,.7,.8,.9\ncorn,.3,.2,.1\n";
    for header in ["species,-1,0,1", "species,400.5,401.5,402.5", "species,1e3,2e3,3e3", "label,-1,0,1"] {
        let text = format!("{header}\n{rows}");
        for label in [None, Some("1")] {
            let options = Options { label: label.map(String::from), ..Options::default() };
            let e = infer(&text, &options).unwrap_err();
            assert!(matches!(*e.fault, Fault::Header { .. }) && e.to_string().contains("does not occur again"), "{e}");
        }
        // an option that names a column tells which row the names are in
        let (name, _) = header.split_once(',').unwrap();
        let named = Options { label: Some(name.into()), ..Options::default() };
        assert_eq!(infer(&text, &named).unwrap().0.target(), &classes(&["corn", "soy"]), "{text}");
    }
    let dropped = Options { drop: vec!["ID".into()], ..Options::default() };
    assert_eq!(infer("id,-1,1\n7,.5,0\n9,.2,1\n8,.3,1\n", &dropped).unwrap().1.records, 3);
    // the number of a column is none of its names
    let third = Options { label: Some("3".into()), ..Options::default() };
    assert_eq!(infer("1.5,2,3\n2.5,7,4\n0.5,8,4\n", &third).unwrap().1.records, 3);
    // a category of the schema is a record's
    let cities = "city,b,label\nOslo,1.5,0\nRome,2,1\nOslo,3,0\n";
    let (known, _) = infer(cities, &Options { one_hot: vec!["city".into()], ..Options::default() }).unwrap();
    assert_eq!(read("Oslo,1.5,0\nRome,2,1\nRome,2.5,0\n", &known, &Options::default()).unwrap().0, 3);
}

#[test]
fn a_column_that_is_left_over_is_the_label_only_if_it_is_called_so() {
    let schema = schema(&["a", "b"], classes(&["0", "1", "2"]));
    let plain = Options::default();
    for name in ["label", "Target", "class", "y"] {
        assert_eq!(read(&format!("a,b,{name}\n1,2,0\n3,4,2\n"), &schema, &plain).unwrap().1, [0, 2], "{name}");
    }
    for text in ["a,b,ward\n1,2,0\n3,4,2\n", "ward,a,b\n0,1,2\n2,3,4\n"] {
        let e = read(text, &schema, &plain).unwrap_err();
        let words = e.to_string();
        assert!(e.column.is_some() && matches!(*e.fault, Fault::Label(_)), "{words}");
        assert!(words.contains("--label ward") && words.contains("--drop ward"), "{words}");
        let named = Options { label: Some("ward".into()), ..Options::default() };
        assert_eq!(read(text, &schema, &named).unwrap().1, [0, 2]);
    }
    // left out, it leaves queries, and records without a label
    let dropped = Options { drop: vec!["ward".into()], ..Options::default() };
    let text = "a,b,ward\n1,2,0\n3,4,2\n";
    assert!(read(text, &schema, &dropped).unwrap_err().to_string().contains("no label"));
    let source = Source::from_bytes("q.csv", text.into(), &dropped).unwrap();
    let queries = source.queries(&schema, &dropped).unwrap().into_queries().unwrap();
    assert!(queries.len() == 2 && queries.iter().all(|q| q.target.is_none()));
    assert!(source.queries(&schema, &plain).unwrap_err().to_string().contains("--label ward"));
}

#[test]
fn a_column_of_the_schema_s_classes_is_the_label_unless_they_are_numbers() {
    let plain = Options::default();
    let iris = "sl,sw,pl,pw,species\n5.1,3.5,1.4,0.2,setosa\n7.0,3.2,4.7,1.4,versicolor\n6.3,3.3,6.0,2.5,virginica\n";
    let (schema, report) = infer(iris, &plain).unwrap();
    assert!(!report.to_string().contains("--label"), "{report}");
    assert_eq!(read(iris, &schema, &plain).unwrap().1, [0, 1, 2]);
    // in any place, and for queries
    assert_eq!(read("species,pw,pl,sw,sl\nvirginica,1,2,3,4\nsetosa,2,3,4,5\n", &schema, &plain).unwrap().1, [2, 0]);
    let source = Source::from_bytes("q.csv", iris.into(), &plain).unwrap();
    let accepting = Options { accept: [Kind::Clamped].into(), ..Options::default() };
    let queries = source.queries(&schema, &accepting).unwrap().into_queries().unwrap();
    assert!(queries.iter().all(|q| q.target.is_some()));
    // a missing label is asked about
    let gap = iris.replace("versicolor", "");
    assert_eq!(doubts(read(&gap, &schema, &plain)), [Kind::Unlabelled]);
    // one value that is no class, or none at all
    for wrong in ["rose", "1"] {
        let e = read(&iris.replace("versicolor", wrong), &schema, &plain).unwrap_err();
        assert!(matches!(*e.fault, Fault::Label(_)) && e.to_string().contains("--label species"), "{e}");
    }
    let none = "sl,sw,pl,pw,species\n5,3,1,0,\n7,3,4,1,\n";
    assert!(matches!(*read(none, &schema, &plain).unwrap_err().fault, Fault::Label(_)));

    // numbers may be any column's: already the schema's author is told
    let wine = "a,b,quality\n1,2,5\n3,4,6\n5,6,5\n";
    let (schema, report) = infer(wine, &plain).unwrap();
    assert!(report.to_string().contains("to register records, pass --label quality"), "{report}");
    assert!(read(wine, &schema, &plain).unwrap_err().to_string().contains("--label quality"));
    let named = Options { label: Some("quality".into()), ..Options::default() };
    assert_eq!(read(wine, &schema, &named).unwrap().1, [0, 1, 0]);
    for text in ["a,b,label\n1,2,5\n3,4,6\n", "1.5,2,5\n3,4.5,6\n1,2,5\n"] {
        let (_, report) = infer(text, &plain).unwrap();
        assert!(!report.to_string().contains("--label"), "{report}");
    }
}

#[test]
fn points_that_may_separate_thousands_are_asked_about() {
    let text = "a;b;label\n1.234;12.345;x\n999;1.500;y\n";
    let e = infer(text, &Options::default()).unwrap_err();
    assert_eq!((e.row, e.column), (Some(2), Some(1)));
    assert!(e.to_string().contains("`1.234`") && e.to_string().contains("--decimal point"), "{e}");
    let points = Options { decimal: Some(tribute_records::Decimal::Point), ..Options::default() };
    assert_eq!(infer(text, &points).unwrap().1.features[0].min, 1.234);
    // one number tells
    assert!(infer(&text.replace("1.500", "0.500"), &Options::default()).is_ok());
    assert!(infer(&text.replace(';', ","), &Options::default()).is_ok());
    let e = infer(&text.replace(';', "\t"), &Options::default()).unwrap_err();
    assert!(e.to_string().contains("--decimal point"), "{e}");
    let e = infer(&text.replace("1.500", "0,5"), &Options::default()).unwrap_err();
    assert!(e.to_string().contains("thousands separators"), "{e}");
}

#[test]
fn codes_as_labels_stay_apart() {
    for [a, b] in [["1.1", "1.10"], ["7", "007"], ["1000", "1e3"], ["1", "1.00"]] {
        let text = format!("a,label\n1,{a}\n2,{b}\n3,other\n4,{a}\n");
        let told = infer(&text, &Options::default());
        assert!(told.as_ref().unwrap_err().to_string().contains("one number, written in several ways"), "{told:?}");
        assert_eq!(doubts(told), [Kind::Similar]);
        let (schema, report) = infer(&text, &accepting(Kind::Similar)).unwrap();
        assert_eq!(schema.classes(), 3, "{a} {b}");
        assert!(report.classes.iter().all(|c| c.joined.is_empty()));
        assert_eq!(read(&text, &schema, &Options::default()).unwrap().0, 4);
    }
    // what pandas writes of whole numbers is one class
    assert_eq!(infer("a,label\n1,1\n2,1.0\n3,2\n", &Options::default()).unwrap().0.classes(), 2);
    // a provider who writes a class otherwise is told how the schema does
    let codes = schema(&["a"], classes(&["007", "1.10"]));
    let e = read("a,label\n1,7\n", &codes, &Options::default()).unwrap_err();
    assert!(e.to_string().contains("write them like the schema's `007`"), "{e}");
    let e = read("a,label\n1,1.1\n", &codes, &Options::default()).unwrap_err();
    assert!(e.to_string().contains("write them like the schema's `1.10`"), "{e}");
    // of two classes that are that number, none is taken
    let twice = schema(&["a"], classes(&["7", "007"]));
    let e = read("a,label\n1,7.00\n", &twice, &Options::default()).unwrap_err();
    assert!(matches!(*e.fault, Fault::UnknownLabel { .. }), "{e}");
}

#[test]
fn whole_numbers_in_one_float_format_are_the_schema_s() {
    let plain = Options::default();
    let whole = schema(&["a"], classes(&["0", "1", "2"]));
    for text in [
        "a,label\n1,0.00\n2,1.00\n3,2.00\n",
        "a,label\n1,0.000000000000000000e+00\n2,1.000000000000000000e+00\n3,2.000000000000000000e+00\n",
    ] {
        assert_eq!(read(text, &whole, &plain).unwrap().1, [0, 1, 2], "{text}");
        // a schema that is inferred from them has the same classes, says so, and reads them
        let (inferred, report) = infer(text, &plain).unwrap();
        assert_eq!(inferred.target(), whole.target());
        assert!(report.notes.iter().any(|n| n.starts_with("one class `1`: `1.")), "{report}");
        assert_eq!(read(text, &inferred, &plain).unwrap().1, [0, 1, 2], "{text}");
    }
    // in another spelling than the others, one may be a code
    let text = "a,label\n1,0\n2,1.00\n3,2\n4,02\n";
    let told = read(text, &whole, &plain);
    let e = told.as_ref().unwrap_err();
    assert_eq!((e.row, e.column), (Some(3), Some(2)), "{e}");
    let words = e.to_string();
    assert!(words.contains("`02`, `1.00`: write them like the schema's `1`, `2`"), "{words}");
    assert_eq!(doubts(told), [Kind::Similar]);
    let accepting = Options { accept: [Kind::Similar, Kind::Clamped, Kind::Coarse].into(), ..Options::default() };
    let source = Source::from_bytes("f.csv", text.into(), &accepting).unwrap();
    let records = source.records(&whole, &accepting).unwrap().into_records().unwrap();
    assert_eq!(records.iter().map(|(_, target)| target).collect::<Vec<_>>(), [0, 1, 2, 2]);
    // another number is no class
    let e = read("a,label\n1,0.00\n2,3.00\n", &whole, &plain).unwrap_err();
    assert!(matches!(*e.fault, Fault::UnknownLabel { .. }), "{e}");
}

#[test]
fn what_is_not_seen_makes_no_class_of_its_own() {
    for hidden in ["\u{200b}", "\u{feff}", "\u{2060}", "\u{ad}"] {
        let text = format!("a,label\n1,yes\n2,y{hidden}es\n3,no\n");
        let told = infer(&text, &Options::default());
        let words = told.as_ref().unwrap_err().to_string();
        // and it is written so that it is seen
        assert!(words.contains("invisible characters") && words.contains("\\u{"), "{words}");
        assert_eq!(doubts(told), [Kind::Similar]);
        assert_eq!(infer(&text, &accepting(Kind::Similar)).unwrap().0.classes(), 3);
        // in a name it is no difference
        let schema = schema(&["age"], classes(&["x", "y"]));
        assert_eq!(read(&format!("a{hidden}ge,label\n1,x\n"), &schema, &Options::default()).unwrap().0, 1);
        let e = read(&format!("age,label\n1{hidden},x\n2,x\n3,x\n"), &schema, &Options::default()).unwrap_err();
        assert!(e.to_string().contains("not seen"), "{e}");
    }
}

#[test]
fn what_looks_the_same_is_the_schema_s() {
    let known = schema(&["a"], classes(&["caf\u{e9}", "New York", "bar"]));
    let text = "a,label\n1,cafe\u{301}\n2,New\u{a0}York\n3,bar\n";
    assert_eq!(read(text, &known, &Options::default()).unwrap().1, [0, 1, 2]);
    let source = Source::from_bytes("f.csv", text.into(), &Options::default()).unwrap();
    let report = source.report(&known, &Options::default()).unwrap();
    assert!(report.notes.iter().any(|note| note.starts_with("one class `New York`: ")), "{report}");
    // of two classes that look the same, each is itself
    let twice = schema(&["a"], classes(&["caf\u{e9}", "cafe\u{301}"]));
    assert_eq!(read("a,label\n1,caf\u{e9}\n2,cafe\u{301}\n", &twice, &Options::default()).unwrap().1, [0, 1]);

    let cities = "city,b,label\ncaf\u{e9},1,x\nbar,2,y\ncaf\u{e9},3,x\n";
    let hot = Options { one_hot: vec!["city".into()], ..Options::default() };
    let (known, _) = infer(cities, &hot).unwrap();
    assert_eq!(read(&cities.replace('\u{e9}', "e\u{301}"), &known, &Options::default()).unwrap().0, 3);
    let e = read(&cities.replace("bar", "Bar"), &known, &Options::default()).unwrap_err();
    assert!(e.to_string().contains("write it like the schema's `bar`"), "{e}");
}

#[test]
fn categories_that_look_alike_are_asked_about() {
    let text = "smoker,b,label\nyes,1,x\nYes,2,y\nno,3,x\n";
    let options = Options { one_hot: vec!["smoker".into()], ..Options::default() };
    let told = infer(text, &options);
    assert!(told.as_ref().unwrap_err().to_string().contains("(`smoker`) has values that differ"), "{told:?}");
    assert_eq!(doubts(told), [Kind::Similar]);
    let options = Options { accept: [Kind::Similar].into(), ..options };
    assert_eq!(infer(text, &options).unwrap().0.features().len(), 4);
}

#[test]
fn few_measurements_are_no_classes() {
    let rows = |n: usize| (0..n).map(|i| format!("{},{i}.25\n", i * 7 % 5)).collect::<String>();
    let told = infer(&format!("a,label\n{}", rows(19)), &Options::default());
    assert!(told.as_ref().unwrap_err().to_string().contains("--real"), "{told:?}");
    assert_eq!(doubts(told), [Kind::ManyClasses]);
    assert_eq!(infer(&format!("a,label\n{}", rows(2)), &Options::default()).unwrap().0.classes(), 2);
}

#[test]
fn a_missing_label_is_no_class_in_any_spelling() {
    for gap in ["missing", "-", ".", "#NV", "#N/D", "#WERT!"] {
        let text = format!("a,label\n1,x\n2,{gap}\n3,y\n");
        assert_eq!(doubts(infer(&text, &Options::default())), [Kind::Unlabelled], "{gap}");
        assert_eq!(infer(&text, &accepting(Kind::Unlabelled)).unwrap().0.classes(), 2);
        let kept = Options { gaps_are_labels: true, ..Options::default() };
        assert_eq!(infer(&text, &kept).unwrap().0.classes(), 3);
    }
    // with one other class, the words are about the gap
    let e = infer("a,label\n1,present\n2,missing\n", &Options::default()).unwrap_err();
    assert!(e.to_string().contains("--gaps-are-labels"), "{e}");
    // the signs of a test
    let signs = "a,label\n1,+\n2,-\n3,+\n";
    let (schema, _) = infer(signs, &Options::default()).unwrap();
    assert_eq!(read(signs, &schema, &Options::default()).unwrap().1, [0, 1, 0]);
}

#[test]
fn days_that_are_numbers_are_asked_about() {
    let table = |day: &dyn Fn(usize) -> String| {
        let rows = (0..30).map(|i| format!("{},{},{}\n", day(i), i * 7 % 5, ["x", "y"][i % 2]));
        format!("when,b,label\n{}", rows.collect::<String>())
    };
    let days: [&dyn Fn(usize) -> String; 2] =
        [&|i: usize| format!("202103{:02}", i % 28 + 1), &|i: usize| format!("202103{:02}1030{:02}", i % 28 + 1, i)];
    for day in days {
        let told = infer(&table(day), &Options::default());
        let words = told.as_ref().unwrap_err().to_string();
        assert!(words.contains("(`when`) holds days") && words.contains("--drop when"), "{words}");
        assert_eq!(doubts(told), [Kind::Days]);
        let (schema, report) = infer(&table(day), &accepting(Kind::Days)).unwrap();
        assert_eq!((schema.features().len(), report.notes.iter().filter(|n| n.contains("days")).count()), (2, 0));
        // a provider of that schema is told, and need not decide it again
        let read = Source::from_bytes("f.csv", table(day).into_bytes(), &Options::default()).unwrap();
        let report = read.report(&schema, &Options::default()).unwrap();
        assert!(report.to_string().contains("days written as numbers"), "{report}");
    }
    assert!(infer(&table(&|i| format!("202113{:02}", i % 28 + 1)), &Options::default()).is_ok());
}

#[test]
fn advice_names_the_column_that_it_means() {
    let advice = |text: &str| infer(text, &Options::default()).unwrap_err().to_string();
    // `--drop 1` would be the second column
    let counts: String = (0..12).map(|i| format!("{i},{},{},x\n", i * 7 % 5, i * 5 % 7)).collect();
    let words = advice(&format!("0,1,2,label\n{}", counts.replacen(",x", ",y", 1)));
    assert!(words.contains("column 1 (`0`) counts the records") && words.contains("--drop 0;"), "{words}");
    let words = advice("0,1,label\n,2,x\n,3,y\n");
    assert!(words.contains("--drop 0"), "{words}");
    let dropped = Options { drop: vec!["0".into()], ..Options::default() };
    assert_eq!(infer("0,1,label\n,2,x\n,3,y\n", &dropped).unwrap().0.features()[0].name, "1");
    // the number of a column without a name is another column's name
    let words = advice("2,,label\n1,5,x\n3,5,y\n");
    assert!(words.contains("has no name") && words.contains("delete it from the file"), "{words}");
    // names that an option cannot carry
    let words = advice("\"a, b\",c,label\n,2,x\n,3,y\n");
    assert!(words.contains("--drop 1"), "{words}");
    let words = advice("a b,c,label\n,2,x\n,3,y\n");
    assert!(words.contains("--drop \"a b\""), "{words}");
}

#[test]
fn an_option_s_list_carries_a_name_like_an_option() {
    let headed = Options { header: Some(true), ..Options::default() };
    let e = infer("-1,b,label\n,2,x\n,3,y\n", &headed).unwrap_err();
    assert!(e.to_string().contains("--drop=\"-1\""), "{e}");
}

/// Ten records of class x, and five of y that lack a feature.
fn half_complete() -> String {
    let complete = (1..=10).map(|i| format!("{},{},x\n", i * 3 % 7, i % 4));
    format!("a,b,label\n{}{}", complete.collect::<String>(), (1..=5).map(|i| format!(",{i},y\n")).collect::<String>())
}

#[test]
fn classes_are_those_of_the_records_that_are_left() {
    let text = half_complete();
    let two = schema(&["a", "b"], classes(&["x", "y"]));
    let dropping = Options { accept: [Kind::Incomplete, Kind::Coarse].into(), ..Options::default() };
    let report = Source::from_bytes("f.csv", text.clone().into(), &dropping).unwrap().report(&two, &dropping).unwrap();
    assert_eq!(report.classes.iter().map(|c| c.records).collect::<Vec<_>>(), [10, 0]);
    assert!(report.notes.iter().any(|n| n == "no record of class `y`"), "{report}");
    let e = infer(&text, &dropping).unwrap_err();
    assert!(e.to_string().contains("holds only `x` once 5 records that lack a feature are left out"), "{e}");
    // what lacks something is told first
    assert_eq!(doubts(infer(&text, &Options::default())), [Kind::Incomplete]);
    let (schema, report) = infer(&format!("{text}7,7,y\n"), &dropping).unwrap();
    assert_eq!((schema.classes(), report.classes[1].records, report.incomplete), (2, 1, 5));
    // nor does a label matter that is left out
    assert_eq!(doubts(read(&text.replace(",y", ",z"), &two, &Options::default())), [Kind::Incomplete]);
    let report = Source::from_bytes("f.csv", text.replace(",y", ",z").into(), &dropping).unwrap();
    assert_eq!(report.records(&two, &dropping).unwrap().into_records().unwrap().len(), 10);
}

#[test]
fn rows_that_are_left_out_do_not_decide_the_range() {
    let ages = |last: &str| {
        let rows = (0..24).map(|i| format!("{},{},{}\n", 20 + i * 7 % 51, i % 5, ["x", "y"][i % 2]));
        format!("age,b,label\n{}{last}\n", rows.collect::<String>())
    };
    let cases = [("1198,107,", Kind::Unlabelled), ("1198,,x", Kind::Incomplete), ("1198,,", Kind::Incomplete)];
    for (last, kind) in cases {
        assert_eq!(doubts(infer(&ages(last), &Options::default())), [kind], "{last}");
        let (schema, _) = infer(&ages(last), &accepting(kind)).unwrap();
        assert_eq!((schema.features()[0].lo, schema.features()[0].hi), (20.0, 69.0), "{last}");
    }
    // nor the range of a real target
    let text = format!("{}9,,1e6\n", "1,2,10\n3,1,20\n2,3,15\n");
    let options = Options { header: Some(false), ..accepting(Kind::Incomplete) };
    let source = Source::from_bytes("f.csv", text.into(), &options).unwrap();
    let inferred = source.infer("s", Predicts::Real, Range::MinMax, &options).unwrap().into_schema().unwrap();
    assert_eq!(inferred.target(), &Target::Real { lo: 10.0, hi: 20.0 });
    // nor ranges that are found in several places
    let text = half_complete().replace(",5,y", ",99,y");
    let dropping = accepting(Kind::Incomplete);
    let source = Source::from_bytes("f.csv", text.into(), &dropping).unwrap();
    let values = source.spread(&schema(&["a", "b"], classes(&["x", "y"])), &dropping).unwrap().into_values().unwrap();
    assert_eq!((values[0].len(), values[1].len(), values[1].contains(&99.0)), (10, 10, false));
    // if nothing is left, that is said
    for (text, words) in
        [("a,b,label\n,1,x\n2,,y\n", "has no records"), ("a,b,label\n,1,x\n,2,y\n", "(`a`) has no values")]
    {
        let e = infer(text, &dropping).unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
    }
    let e = infer("a,b,label\n1,1,\n2,3,\n", &accepting(Kind::Unlabelled)).unwrap_err();
    assert!(e.to_string().contains("taken as the label, is empty"), "{e}");
}

#[test]
fn a_category_that_is_left_out_is_none() {
    let rows = "Oslo,1,x\nRome,2,y\nOslo,3,x\n";
    for (last, kind) in [("Total,6,", Kind::Unlabelled), ("Total,,x", Kind::Incomplete)] {
        let text = format!("city,b,label\n{rows}{last}\n");
        let options = Options { one_hot: vec!["city".into()], ..accepting(kind) };
        let (known, report) = infer(&text, &options).unwrap();
        assert_eq!(
            (known.categories()[0].values.as_slice(), report.records),
            (&["Oslo", "Rome"].map(String::from)[..], 3)
        );
        // nor is it missing
        assert_eq!(report.features.iter().map(|c| c.missing).sum::<usize>(), report.incomplete, "{last}");
        // the same file is read by it, and in a record such a category is still refused
        let source = Source::from_bytes("f.csv", text.clone().into(), &options).unwrap();
        assert_eq!(source.records(&known, &options).unwrap().into_records().unwrap().len(), 3, "{last}");
        assert_eq!(doubts(read(&text, &known, &Options::default())), [kind]);
        let e = read(&format!("{text}Total,1,x\n"), &known, &options).unwrap_err();
        assert!(matches!(*e.fault, Fault::UnknownCategory { .. }) && (e.row, e.column) == (Some(6), Some(1)), "{e}");
    }
}

#[test]
fn one_class_in_two_words_is_asked_about() {
    for (labels, words) in [
        (["0", "1", "True", "False"], "`0`, `False`"),
        (["1.0", "0.0", "True", "x"], "`1.0`, `True`"),
        (["<=50K", ">50K", "<=50K.", ">50K."], "`<=50K`, `<=50K.`"),
    ] {
        let rows: String = labels.iter().enumerate().map(|(i, label)| format!("{},{label}\n", i * 3 % 4)).collect();
        let told = infer(&format!("a,label\n{rows}"), &Options::default());
        let said = told.as_ref().unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        assert!(doubts(told).iter().all(|kind| *kind == Kind::Similar));
        assert!(infer(&format!("a,label\n{rows}"), &accepting(Kind::Similar)).is_ok());
    }
    let known = schema(&["a"], classes(&["<=50K", "True"]));
    for (label, words) in [("<=50K.", "like the schema's `<=50K`"), ("1", "like the schema's `True`")] {
        let e = read(&format!("a,label\n1,{label}\n"), &known, &Options::default()).unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
    }
}

#[test]
fn labels_that_look_the_same_are_told_apart_in_words() {
    let said = |text: &str| infer(text, &Options::default()).unwrap_err().to_string();
    let words = said("a,label\n1,\u{b5}m\n2,\u{3bc}m\n3,nm\n");
    assert!(words.contains("`\\u{3bc}m`") && words.contains("`\\u{b5}m`"), "{words}");
    let words = said("a,label\n1,New York\n2,New\u{a0}York\n3,Rome\n");
    assert!(words.contains("`New York`") && words.contains("`New\\u{a0}York`"), "{words}");
    let known = schema(&["a"], classes(&["\u{b5}m", "nm"]));
    let e = read("a,label\n1,\u{3bc}m\n", &known, &Options::default()).unwrap_err();
    assert!(e.to_string().contains("`\\u{3bc}m`") && e.to_string().contains("schema's `\\u{b5}m`"), "{e}");
}

#[test]
fn quantiles_are_not_advised_where_they_are_in_use() {
    // a few values too many for the quantiles to leave out
    let value = |i: usize| if i < 11 { 1e9 + i as f64 } else { i as f64 };
    let rows: String = (0..200).map(|i| format!("{},{}\n", value(i), ["x", "y"][i % 2])).collect();
    let source = Source::from_bytes("f.csv", format!("dose,label\n{rows}").into(), &Options::default()).unwrap();
    for (range, advised) in [(Range::MinMax, true), (Range::Standard, true), (Range::Quantile, false)] {
        let found = source.infer("s", Predicts::Classes, range, &Options::default()).unwrap();
        let notes = found.report.notes.join("\n");
        assert!(notes.contains("(`dose`) loses most of its values"), "{range:?}: {notes}");
        assert_eq!(notes.contains("--range quantile"), advised, "{range:?}: {notes}");
    }
}

#[test]
fn names_like_those_of_formats_are_names() {
    for name in ["PAR1", "ARROW1", "FEA1", "BZh", "[Na+]"] {
        let (schema, report) = infer(&format!("{name},b,label\n1,2,x\n3,4,y\n"), &Options::default()).unwrap();
        assert_eq!((schema.features()[0].name.as_str(), report.records), (name, 2));
    }
}
