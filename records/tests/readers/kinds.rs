//! Typical tables: what is accepted, what needs a decision, and what the errors say.

use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_records::{DataError, Fault, Kind, Options, Predicts, Range, Report, Source};

/// Two features with range 0 to 255, so that a value is its own step, and the classes x and y.
fn schema() -> Schema {
    let feature = |name: &str| Feature { name: name.into(), lo: 0.0, hi: 255.0 };
    let classes = Target::Classes(vec!["x".into(), "y".into()]);
    Schema::new("s".into(), vec![feature("a"), feature("b")], classes, None).unwrap()
}

fn accepting(kinds: &[Kind]) -> Options {
    Options { accept: kinds.iter().copied().collect(), ..Options::default() }
}

fn read_with(text: &str, options: &Options) -> Result<(Records, Report), DataError> {
    let reading = Source::from_bytes("f.csv", text.into(), options)?.records(&schema(), options)?;
    let report = reading.report.clone();
    Ok((reading.into_records()?, report))
}

fn read(text: &str) -> Result<Records, DataError> {
    read_with(text, &Options::default()).map(|(records, _)| records)
}

fn said(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

fn infer_with(text: &str, options: &Options) -> Result<(Schema, Report), DataError> {
    let found =
        Source::from_bytes("f.csv", text.into(), options)?.infer("s", Predicts::Classes, Range::MinMax, options)?;
    let report = found.report.clone();
    Ok((found.into_schema()?, report))
}

fn infer(text: &str) -> Result<(Schema, Report), DataError> {
    infer_with(text, &Options::default())
}

/// Records 1,2,x and 3,4,y.
fn two() -> Records {
    let mut records = Records::new(2);
    records.push(&[1, 2], 0);
    records.push(&[3, 4], 1);
    records
}

#[test]
fn forms_that_are_safe_are_read() {
    for text in [
        "a,b,label\n1,2,x\n3,4,y\n",
        "1,2,x\n3,4,y\n",
        "b,a,label\n2,1,x\n4,3,y\n",
        "label,a,b\nx,1,2\ny,3,4\n",
        "A, B ,class\n1,2,x\n3,4,y\n",
        "a;b;label\n1,0;2;x\n3;4;y\n",
        "a\tb\tlabel\n1\t2\tx\n3\t4\ty\n",
        "sep=;\na;b;label\n1;2;x\n3;4;y\n",
        "SEP=;\na;b;label\n1;2;x\n3;4;y\n",
        "a,b,label\n1,2,x\n3,4,y\n\u{1a}",
        "a,b,label\r\n1,2,x\r\n3,4,y\u{1a}\u{1a}\r\n",
        "\"a\",\"b\",\"label\"\r\n\"1\",\"2\",\"x\"\r\n\"3\",\"4\",\"y\"\r\n",
        "a,b,label\n\" 1\",\"2 \",\" x\"\n3,4,y\n",
        "\u{feff}a,b,label\n1,2,x\n3,4,y",
        "# made by hand\n# on, some, day\na,b,label\n1,2,x\n# half\n3,4,y\n",
        "# a,b,label\n1,2,x\n3,4,y\n",
        "# by hand\n## b, a, label\n# units: mm, mm\n#\n2,1,x\n4,3,y\n",
        "# a, b\n1,2,x\n3,4,y\n",
        "#,b,a,label\n1,2,1,x\n2,4,3,y\n",
        "#\tb\ta\tlabel\n1\t2\t1\tx\n2\t4\t3\ty\n",
        ",a,b,label\n0,1,2,x\n1,3,4,y\n",
        "Unnamed: 0,a,b,label\n17,1,2,x\n3,3,4,y\n",
        "\"a\",\"b\",\"label\"\n\"1\",1,2,\"x\"\n\"2\",3,4,\"y\"\n",
        "\"label\",\"a\",\"b\"\n\"17\",\"x\",1,2\n\"4\",\"y\",3,4\n",
        // without quotes, where no decimal comma may have made the field too many
        "a,b,label\n1,1.0,2.0,x\n2,3.0,4.0,y\n",
        "a\tb\tlabel\n1\t1\t2\tx\n2\t3\t4\ty\n",
        "a,b,label,\n1,2,x,\n3,4,y,\n",
        "a,b,label\n1,2,x,\n3,4,y,\n",
        "a,b,label\n1,2,x,,,\n3,4,y,,,\n",
        "a,b,label\n\n1,2,x\n,,\n3,4,y\n\n",
        "a,b,label\r1,2,x\r3,4,y\r",
        "a,b,label\n1.0,2e0,x\n+3,4.,y\n",
    ] {
        assert_eq!(read(text).as_ref(), Ok(&two()), "{text:?}");
    }
}

#[test]
fn what_was_done_is_in_the_report() {
    let text = "# by hand\n,b,a,label\n0,2,1,x\n1,4,3,y\n2,4,3,y\n\n";
    let (_, report) = read_with(text, &Options::default()).unwrap();
    let header = report.header.as_ref().unwrap();
    assert_eq!((header.row, header.names_matched, header.order_changed), (2, Some(true), true));
    assert_eq!((report.records, report.duplicates, report.comments, report.blank), (3, 1, 1, 1));
    assert_eq!((report.left_out[0].column, report.label_column, report.features[0].column), (1, Some(4), 3));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["header"]["order_changed"], true);
    assert_eq!((&json["features"][0]["name"], &json["classes"][1]["records"]), (&"a".into(), &2.into()));
    let told = report.to_string();
    for words in ["3 records", "put in the schema's order", "an unnamed index", "1 duplicate", "1 comment line"] {
        assert!(told.contains(words), "{words}\n{told}");
    }
}

#[test]
fn places_are_lines_and_columns_of_the_file() {
    for (text, row, column) in [
        ("a,b,label\n1,abc,x\n3,4,y\n", 2, 2),
        ("b,a,label\n1,abc,x\n3,4,y\n", 2, 2),
        ("# c\n\na,b,label\n1,2,x\n\n3,z,y\n", 6, 2),
        ("a,b,label\n1,2,\"x\n\"\n3,z,y\n", 4, 2),
        ("a,b,label\n1,2,x\n3,4,z\n", 3, 3),
        (",a,b,label\n0,1,2,x\n1,3,inf,y\n", 3, 3),
    ] {
        let e = read(text).unwrap_err();
        assert_eq!((e.row, e.column), (Some(row), Some(column)), "{text:?} {e}");
        assert!(e.to_string().starts_with(&format!("f.csv: row {row}, column {column} ")), "{e}");
    }
}

#[test]
fn a_field_that_is_no_number_is_told_for_what_it_is() {
    for (field, words) in [
        ("inf", "not a finite number"),
        ("-Infinity", "not a finite number"),
        ("1e400", "64-bit float"),
        ("\"1,234,567\"", "thousands separators"),
        ("2021-03-04", "date"),
        ("45%", "percentage"),
        ("€5", "currency"),
        ("abc", "not a number"),
    ] {
        let words_said = said(&format!("a,b,label\n1,{field},x\n3,4,y\n5,6,x\n"));
        assert!(words_said.contains(words), "{field}: {words_said}");
    }
    assert!(said("1,2x,x\n3,4,y\n").contains("--header"));
}

#[test]
fn a_column_without_numbers_is_told_for_what_it_holds() {
    let column = |values: [&str; 3]| {
        let [p, q, r] = values;
        infer(&format!("a,b,label\n1,{p},x\n2,{q},y\n3,{r},x\n")).unwrap_err()
    };
    for (values, words) in [
        (["Paris", "Rome", "Paris"], "categories"),
        (["2021-03-04", "2021-03-05", "2021-03-06"], "dates or times"),
        (["AAPL", "$", "AAPL"], "categories"),
        (["Mar 4, 2021", "Mar 5, 2021", "Apr 6, 2021"], "dates or times"),
        (
            ["it was a dark and stormy night", "call me Ishmael, some years ago", "in the beginning was the word"],
            "free text",
        ),
    ] {
        let values = values.map(|v| format!("\"{v}\""));
        let e = column([&values[0], &values[1], &values[2]]);
        assert!(e.column == Some(2) && e.to_string().contains(words) && e.to_string().contains("--drop b"), "{e}");
    }
    let dropped = Options { drop: vec!["b".into()], ..Options::default() };
    let (schema, report) = infer_with("a,b,label\n1,p,x\n2,q,y\n3,p,x\n", &dropped).unwrap();
    assert_eq!((schema.features().len(), report.left_out[0].why), (1, "dropped on request"));
    // numbers in another form are none of these
    for (values, words) in [
        (["$1,037.50", "$5", "$12"], "currency"),
        (["10 €", "12 €", "13 €"], "currency"),
        (["\u{2212}10", "\u{2212}12", "\u{2212}13"], "minus"),
        (["10\u{200b}", "12\u{200b}", "13\u{200b}"], "not seen"),
        (["inf", "-inf", "Infinity"], "not a finite number"),
        (["9007199254740993", "9007199254740995", "1"], "beyond 2^53"),
    ] {
        let quoted = values.map(|v| format!("\"{v}\""));
        let e = column([&quoted[0], &quoted[1], &quoted[2]]);
        assert!((e.row, e.column) == (Some(2), Some(2)) && e.to_string().contains(words), "{e}");
    }
    // true and false are read as numbers, with a note
    let (_, report) = infer("a,b,label\n1,True,x\n2,FALSE,y\n3,true,x\n").unwrap();
    assert!(report.to_string().contains("read as 1 and 0: `b`"), "{report}");
}

#[test]
fn what_a_schema_would_lose_or_misread_is_told() {
    let rows = |cell: &dyn Fn(usize) -> String| {
        (0..60)
            .map(|i| format!("{},{},{}\n", cell(i), i * 7 % 5, if i % 2 == 0 { "x" } else { "y" }))
            .collect::<String>()
    };
    let told = |cell: &dyn Fn(usize) -> String| {
        infer(&format!("a,b,label\n{}", rows(cell))).map(|(_, report)| report.to_string())
    };
    let sentinel = told(&|i| if i == 7 { "-999".into() } else { format!("{}", 20 + i % 50) }).unwrap();
    assert!(sentinel.contains("a few values far off") && sentinel.contains("`a`; correct them"), "{sentinel}");
    assert!(!told(&|i| format!("{}", 20 + i % 50)).unwrap().contains("far off"));
    let each = told(&|i| format!("p{i:03}")).unwrap_err().to_string();
    assert!(each.contains("another text in every record") && !each.contains("--one-hot"), "{each}");
    // two columns named like the label
    let two = infer("a,target,class\n1,2,x\n3,4,y\n").unwrap_err().to_string();
    assert!(two.contains("--label target or --label class"), "{two}");
    assert!(infer("x,y,label\n1,2,x\n3,4,y\n").is_ok());
}

#[test]
fn gaps_are_left_out_only_when_asked() {
    for gap in ["", "NA", "nan", "NULL", "?", "-"] {
        let text = format!("a,b,label\n1,2,x\n5,{gap},y\n3,4,y\n");
        let e = read(&text).unwrap_err();
        assert_eq!((e.row, e.column), (Some(3), Some(2)), "{gap:?} {e}");
        assert!(e.to_string().contains("--drop-incomplete"), "{e}");
        let (records, report) = read_with(&text, &accepting(&[Kind::Incomplete])).unwrap();
        assert_eq!((records, report.incomplete, report.features[1].missing), (two(), 1, 1));
    }
    for gap in
        ["", "NA", "nan", "NULL", "?", "None", "n.a.", "\\N", "#N/A", "#DIV/0!", "missing", "-", ".", "#NV", "#N/D"]
    {
        let text = format!("a,b,label\n1,2,x\n5,6,{gap}\n3,4,y\n");
        let e = read(&text).unwrap_err();
        assert_eq!((e.row, e.column), (Some(3), Some(3)), "{gap:?} {e}");
        let (records, report) = read_with(&text, &accepting(&[Kind::Unlabelled])).unwrap();
        assert_eq!((records, report.unlabelled), (two(), 1));
        assert!(infer(&text).is_err(), "{gap:?}");
    }
    // nothing is left
    let none = read_with("a,b,label\n1,,x\n", &accepting(&[Kind::Incomplete])).unwrap_err();
    assert_eq!(*none.fault, Fault::Empty);
}

#[test]
fn a_first_record_of_gaps_is_no_header() {
    for gaps in [",", "NA,NA", "?,nan", "null,"] {
        let text = format!("{gaps},x\n1,2,x\n3,4,y\n");
        let e = read(&text).unwrap_err();
        assert!(e.row == Some(1) && e.to_string().contains("--drop-incomplete"), "{e}");
        assert_eq!(read_with(&text, &accepting(&[Kind::Incomplete])).unwrap().0, two());
    }
}

#[test]
fn a_first_row_that_may_be_either_is_asked_about_and_told() {
    let text = "10,20,30\n1,2,3\n2,3,4\n2,1,3\n";
    let e = infer(text).unwrap_err();
    assert!(matches!(*e.fault, Fault::Header { .. }) && e.to_string().contains("--no-header"), "{e}");
    for (header, records) in [(true, 3), (false, 4)] {
        let options = Options { header: Some(header), ..Options::default() };
        assert_eq!(infer_with(text, &options).unwrap().1.records, records);
    }
}

#[test]
fn a_comment_that_names_the_columns_counts_although_the_first_row_is_a_record() {
    let bare = Options { header: Some(false), ..Options::default() };
    for text in ["# b,a,label\n2,1,x\n4,3,y\n", "#,b,a,label\n1,2,1,x\n2,4,3,y\n"] {
        assert_eq!(read_with(text, &bare).unwrap().0, two(), "{text:?}");
    }
    // any other is then a remark
    assert_eq!(read_with("# p,q,r\n1,2,x\n3,4,y\n", &bare).unwrap().1.comments, 1);
    // rows that may be either are those of the comment
    let schema =
        Schema::new("s".into(), schema().features().to_vec(), Target::Real { lo: 0.0, hi: 99.0 }, None).unwrap();
    let text = "# b,a,target\n10,20,30\n1,2,3\n2,3,4\n2,1,3\n";
    let source = Source::from_bytes("f.csv", text.into(), &Options::default()).unwrap();
    let records = source.records(&schema, &Options::default()).unwrap().into_records().unwrap();
    assert_eq!((records.len(), records.features(0)), (4, &[20, 10][..]));
}

#[test]
fn an_old_remark_does_not_name_the_columns() {
    let rows = "0.1,0.2,x\n0.3,0.4,y\n0.5,0.6,x\n";
    for (comments, name) in [
        ("# made by hand, in May, by Bob\n# units are mm\n", "x1"),
        ("# made by hand, in May, by Bob\n# p, q, r\n#\n", "p"),
    ] {
        let (schema, _) = infer(&format!("{comments}{rows}")).unwrap();
        assert_eq!(schema.features()[0].name, name, "{comments:?}");
    }
}

#[test]
fn a_remark_with_a_comma_is_none_of_the_records_of_categories() {
    let rows = ["Rome,1,x\n", "Paris,2,y\n", "Rome,3,x\n"];
    let options = |header| Options { one_hot: vec!["1".into()], header, ..Options::default() };
    let count = |text: &str, options: &Options| infer_with(text, options).map(|(_, report)| report.records);
    let [one, two, three] = rows;
    for text in [
        format!("city,age,label\n{one}# sensor replaced, see log\n{two}{three}"),
        format!("# exported by X, v2\n{one}{two}{three}"),
    ] {
        assert_eq!(count(&text, &options(None)), Ok(3), "{text:?}");
    }
    // with as many fields as a record it may be one
    for text in [
        format!("city,age,label\n{one}# sensor replaced, see log, Bob\n{two}{three}"),
        format!("# Oslo, old, x\n{one}{two}{three}"),
    ] {
        let bare = if text.starts_with('#') { Some(false) } else { None };
        assert_eq!(*count(&text, &options(bare)).unwrap_err().fault, Fault::Comment, "{text:?}");
    }
}

#[test]
fn a_first_record_with_gaps_is_no_title_if_told_so() {
    let text = "red,,\nblue,big,y\nred,small,n\nblue,small,y\nred,big,n\n";
    assert!(infer(text).unwrap_err().to_string().contains("if it is a record, pass --no-header"));
    let options = Options {
        header: Some(false),
        one_hot: vec!["1".into(), "2".into()],
        ..accepting(&[Kind::Incomplete, Kind::Unlabelled])
    };
    assert_eq!(infer_with(text, &options).unwrap().1.records, 4);
}

#[test]
fn names_that_are_not_the_schema_s_are_refused() {
    for (header, column, words) in [
        ("a,c,label", 2, "`c`, where the schema has `b`"),
        ("c,a,label", 1, "`c`, where the schema has `a` (`b` is not in the header"),
    ] {
        let text = format!("{header}\n1,2,x\n3,4,y\n");
        let e = read(&text).unwrap_err();
        assert!(e.column == Some(column) && e.to_string().contains(words), "{e}");
        assert_eq!(read_with(&text, &accepting(&[Kind::Position])).unwrap().0, two());
    }
    // too many or too few columns cannot be matched by position
    for (text, words) in [
        ("a,label\n1,x\n3,y\n", "`b` is not in the header"),
        ("a,b,c,label\n1,2,9,x\n3,4,9,y\n", "`c`, `label` are not in the schema"),
        (",a,b,label\np,1,2,x\nq,3,4,y\n", "`column 1`, `label` are not in the schema: name the label with --label"),
        ("a,b\n1,2\n3,4\n", "no label"),
    ] {
        let e = read_with(text, &accepting(&[Kind::Position])).unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
    }
    let dropped = Options { drop: vec!["c".into()], ..Options::default() };
    assert_eq!(read_with("a,b,c,label\n1,2,9,x\n3,4,9,y\n", &dropped).unwrap().0, two());
    let both = Options { label: Some("c".into()), ..dropped };
    for e in
        [read_with("a,b,c\n1,2,x\n3,4,y\n", &both).map(|_| ()), infer_with("a,b,c\n1,2,x\n3,4,y\n", &both).map(|_| ())]
    {
        let e = e.unwrap_err();
        assert!(e.column == Some(3) && e.to_string().contains("by --label, but also by --drop"), "{e}");
    }
    let named = Options { label: Some("label".into()), ..Options::default() };
    let extra = read_with("a,b,c,label\n1,2,9,x\n3,4,9,y\n", &named).unwrap_err();
    assert!(extra.column == Some(3) && extra.to_string().contains("--drop c"), "{extra}");
}

#[test]
fn names_of_a_schema_must_be_names() {
    for (text, words) in [
        ("a,a,label\n1,2,x\n3,4,y\n", "different names"),
        ("a,,label\n1,2,x\n3,4,y\n", "no name"),
        ("a,b,label\n,2,x\n,4,y\n", "no values"),
        ("a,label,b,label\n1,2,3,x\n4,5,6,y\n", "--label 2 or --label 4"),
        ("a,b,label\n1,1.7e308,x\n2,-1.7e308,y\n", "from -1.7e308 to 1.7e308"),
        ("a,b,label\n1,0,x\n2,1e304,y\n", "from 0e0 to 1e304"),
    ] {
        let e = infer(text).unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
    }
    // a feature named like the label may be a copy of it
    let fourth = Options { label: Some("4".into()), ..Options::default() };
    let e = infer_with("a,label,b,label\n1,2,3,x\n4,5,6,y\n", &fourth).unwrap_err();
    assert!(
        e.column == Some(2) && e.to_string().contains("like column 4") && e.to_string().contains("--drop 2"),
        "{e}"
    );
    // an option means one column
    let dropped = Options { drop: vec!["a".into()], ..Options::default() };
    let e = read_with("a,b,a,label\n9,2,1,x\n9,4,3,y\n", &dropped).unwrap_err();
    assert!(e.to_string().contains("columns 1 and 3 are both named `a`"), "{e}");
    let first = Options { drop: vec!["1".into()], ..Options::default() };
    assert_eq!(read_with("a,b,a,label\n9,2,1,x\n9,4,3,y\n", &first).unwrap().0, two());
}

#[test]
fn an_index_with_a_name_is_asked_about() {
    let rows: String = (0..12).map(|i| format!("{i},{},{}\n", i * 7 % 5, if i % 2 == 0 { "x" } else { "y" })).collect();
    let text = format!("id,a,label\n{rows}");
    let e = infer(&text).unwrap_err();
    assert!(e.column == Some(1) && e.to_string().contains("--drop id;"), "{e}");
    assert_eq!(infer_with(&text, &accepting(&[Kind::Index])).unwrap().0.features().len(), 2);
    // from wherever it counts, and in any order if its name says what it is
    let from = |names: &str, id: &dyn Fn(usize) -> usize| {
        let rows: String =
            (0..12).map(|i| format!("{},{},{}\n", id(i), i * 7 % 5, if i % 2 == 0 { "x" } else { "y" })).collect();
        infer(&format!("{names},a,label\n{rows}"))
    };
    assert!(from("n", &|i| 1001 + i).unwrap_err().to_string().contains("counts the records"));
    assert!(from("patient_id", &|i| 500 + i * 7 % 12).unwrap_err().to_string().contains("an identifier's name"));
    assert!(from("dose", &|i| 500 + i * 7 % 12).is_ok());
    assert!(from("Unnamed: 0", &|i| i % 6).unwrap_err().to_string().contains("several times from the start"));
    // pandas names every column without a name so
    for (names, rows) in [
        (",Unnamed: 0", "0,5,1,x\n1,,2,y\n2,3,2,y\n"),
        ("Unnamed: 0.1,Unnamed: 0", "0,5,1,x\n1,7,2,y\n2,6,2,y\n"),
        ("b,Unnamed: 0", "0.5,5,1,x\n1,5,2,y\n2,3,2,y\n"),
    ] {
        let e = infer(&format!("{names},a,label\n{rows}")).unwrap_err();
        let words = e.to_string();
        assert!(e.column == Some(2) && words.contains("that pandas gives to an index"), "{words}");
        assert!(words.contains("--drop \"Unnamed: 0\"") && words.contains("--allow-index"), "{words}");
    }
    assert!(infer("Unnamed: 3,a,label\n0.5,1,x\n1,2,y\n").is_ok());
    assert!(from("id", &|i| i % 6).unwrap_err().to_string().contains("--drop id"));
    assert!(from("hour", &|i| i % 6).is_ok());
    let floats: String = (0..12).map(|i| format!("{i}.0,{},{}\n", i * 7 % 5, ["x", "y"][i % 2])).collect();
    assert!(infer(&format!("n,a,label\n{floats}")).unwrap_err().to_string().contains("counts the records"));
    // nor is an index a label, unless it is called so
    let last: String = (0..12).map(|i| format!("{},{},{i}\n", i * 7 % 5, i * 5 % 7)).collect();
    let e = infer(&format!("a,b,n\n{last}")).unwrap_err();
    assert!(matches!(*e.fault, Fault::Label(_)) && e.to_string().contains("--label n if this is it"), "{e}");
    let named = Options { label: Some("n".into()), ..accepting(&[Kind::ManyClasses]) };
    assert_eq!(infer_with(&format!("a,b,n\n{last}"), &named).unwrap().0.classes(), 12);
    // a gap in the count rules out an index
    assert!(infer(&text.replace("\n7,", "\n8,")).is_ok());
}

#[test]
fn spellings_are_joined_and_look_alikes_asked_about() {
    let (schema, report) = infer("a,label\n1,True\n2,TRUE\n3,false\n").unwrap();
    assert_eq!(schema.target(), &Target::Classes(vec!["false".into(), "TRUE".into()]));
    assert_eq!(report.classes[1].joined, [("TRUE".to_owned(), 1), ("True".to_owned(), 1)]);
    let alike = "a,label\n1,yes\n2,Yes\n3,no\n";
    assert!(infer(alike).unwrap_err().to_string().contains("`Yes`, `yes`"));
    assert_eq!(infer_with(alike, &accepting(&[Kind::Similar])).unwrap().0.classes(), 3);
    // one letter, written as one character or as two
    let composed = "a,label\n1,caf\u{e9}\n2,cafe\u{301}\n3,no\n";
    assert!(infer(composed).unwrap_err().to_string().contains("differ only in"));
    assert!(said("a,b,label\n1,2,X\n3,4,y\n").contains("like the schema's `x`"));
    assert!(said("a,b,label\n1,2,z\n3,4,y\n").contains("not in the schema (`x`, `y`)"));
}

#[test]
fn a_few_values_beyond_the_range_are_told_and_more_are_asked_about() {
    let rows = |beyond: usize| {
        let value = |i: usize| if i < beyond { 300 } else { i };
        (0..100).map(|i| format!("{},{},x\n", value(i), i)).collect::<String>()
    };
    let (_, report) = read_with(&rows(3), &Options::default()).unwrap();
    assert_eq!((report.features[0].clamped_above, report.doubts.len()), (3, 0));
    assert!(report.to_string().contains("3 values are clamped to the ends of the ranges: `a`"), "{report}");
    let e = read(&rows(4)).unwrap_err();
    assert!((e.row, e.column) == (Some(1), Some(1)) && e.to_string().contains("4 of 100"), "{e}");
    assert!(read_with(&rows(4), &accepting(&[Kind::Clamped])).is_ok());
    // a single value, but far outside
    assert!(read(&rows(0).replacen("50,50,x", "510,50,x", 1)).is_ok());
    assert!(read(&rows(0).replacen("50,50,x", "511,50,x", 1)).is_err());
    // one out of few records
    assert!(read("300,1,x\n1,2,y\n").is_err());
}

#[test]
fn text_that_is_no_table_is_refused() {
    for (text, words) in [
        ("", "no records"),
        ("a,b,label\n", "no records"),
        ("a,b,label\n1,2,x\n3,4\n", "row 3 has 2 fields, expected 3 (like the header in row 1)"),
        ("a,b,label\n1,2,x,9\n3,4,y\n", "row 2 has 4 fields, expected 3 (like the header in row 1)"),
        ("1,2,3,x\n4,5,6,y\n", "row 1 has 4 fields, expected 3 (2 features and the label)"),
        ("a,b,label\n1,2,\"x\n3,4,y\n", "row 2 opens a quote"),
        ("a,b,label\n1,2,x\n#3,4,y\n", "row 3 starts with `#`"),
        ("#1,2,x\n3,4,y\n", "row 1 starts with `#`"),
        ("a,b,label\n1,2,x\na,b,label\n3,4,y\n", "row 3 repeats the header"),
        ("a,b,label\n1,2,1\na,b,label\n3,4,0\n", "row 3 repeats the header"),
        ("measured in May\na,b,label\n1,2,x\n3,4,y\n", "row 1 has 1 field, while the rows below have 3"),
        (
            "measured in May,,\na,b,label\n1,2,x\n3,4,y\n",
            "row 1 has only one field with text, while the rows below have 3",
        ),
        ("# b,a\n2,1,x\n4,3,y\n", "row 1 names the columns in a comment, but not one for each of the 3 fields"),
        ("# b;a;label\n2,1,x\n4,3,y\n", "with commas between them"),
        ("# b a label\n2,1,x\n4,3,y\n", "with commas between them"),
        // one name is missing, and not that of R's row names
        ("a,b\n1,2,x\n3,4,y\n", "row 2 has 3 fields, expected 2 (like the header in row 1, which lacks a name"),
        ("a,b,label\n17,1,2,x\n4,3,4,y\n", "which lacks a name: name every column, that of row names, too"),
        // row names, or decimal commas
        ("id,b,label\n1,12,50,x\n2,13,75,y\n", "if a comma is a decimal mark, write a point"),
        ("id,b,label\np,12,50,x\nq,-13,75,y\n", "if a comma is a decimal mark, write a point"),
        ("a,b,label\n#1,2,x\n#3,4,y\n", "row 2 starts with `#`"),
        ("a,b,label\n# nothing yet\n", "no records"),
        ("% by hand\na,b,label\n1,2,x\n3,4,y\n", "delete it, or start it with `#`"),
        ("a|b|label\n1|2|x\n3|4|y\n", "vertical bars"),
        ("a b label\n1 2 x\n3 4 y\n", "blanks"),
        ("sep=|\na|b|label\n", "row 1 the first line names"),
        ("a;b;label\n1,234;2;x\n5,678;4;y\n", "--decimal comma"),
    ] {
        assert!(said(text).contains(words), "{text:?}: {}", said(text));
    }
    let comma = Options { decimal: Some(tribute_records::Decimal::Comma), ..Options::default() };
    assert!(read_with("a;b;label\n1,234;2;x\n5,678;4;y\n", &comma).is_ok());
    // no answer about the header would help
    for text in ["p\nq\nr\n", "1\n2\n3\n"] {
        assert!(infer(text).unwrap_err().to_string().contains("has only one column"), "{text:?}");
    }
}

#[test]
fn only_the_rows_that_are_asked_for_count() {
    let rows = |from, to| Options { rows: Some(from..to), ..Options::default() };
    let text = "a,b,label\n9,9,y\n1,2,x\n3,4,y\n5,,x\n";
    let (records, report) = read_with(text, &rows(1, 3)).unwrap();
    assert_eq!((records, report.records, report.incomplete), (two(), 2, 0));
    assert_eq!(read_with(text, &rows(3, 4)).unwrap_err().row, Some(5));
    let beyond = read_with(text, &rows(1, 5)).unwrap_err();
    assert_eq!(*beyond.fault, Fault::Rows { len: 4, from: 1, to: 5 });
}

#[test]
fn queries_may_have_no_label_and_may_be_alike() {
    let queries = |text: &str| {
        let options = Options::default();
        let source = Source::from_bytes("q.csv", text.into(), &options).unwrap();
        source.queries(&schema(), &options).unwrap().into_queries().unwrap()
    };
    for text in ["b,a\n4,3\n2,1\n", "3,4\n1,2\n"] {
        let steps: Vec<Vec<u8>> = queries(text).into_iter().map(|q| q.features).collect();
        assert_eq!(steps, [[3, 4], [1, 2]], "{text:?}");
    }
    let some = queries("b,a,label\n2,1,x\n4,3,\n");
    assert_eq!(some.iter().map(|q| q.target).collect::<Vec<_>>(), [Some(0), None]);
    let alike: String = (0..50).map(|i| format!("1.{i:02},7\n")).collect();
    assert_eq!(queries(&alike).len(), 50);
}

#[test]
fn a_target_s_range_counts_too() {
    let options = Options::default();
    let text: String = (0..100).map(|i| format!("{i}.5,{}\n", 2 * i)).collect();
    let source = Source::from_bytes("f.csv", text.clone().into(), &options).unwrap();
    let schema = source.infer("s", Predicts::Real, Range::MinMax, &options).unwrap().into_schema().unwrap();
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    assert_eq!((records.target(0), records.target(99)), (0, 65_535));
    // a range too wide for its steps, and a whole number whose last digits would be lost
    for (far, words) in [("1e305", "too wide"), ("1000000000000000003", "beyond 2^53")] {
        let wide =
            Source::from_bytes("f.csv", text.replacen(",198\n", &format!(",{far}\n"), 1).into(), &options).unwrap();
        let e = wide.infer("s", Predicts::Real, Range::MinMax, &options).unwrap_err();
        assert!(e.column == Some(2) && e.to_string().contains(words), "{e}");
    }
    // of a target not even one value is moved without asking
    for beyond in ["1e6", "198.5"] {
        let source = text.replace("\n7.5,14\n", &format!("\n7.5,{beyond}\n"));
        let source = Source::from_bytes("f.csv", source.into(), &options).unwrap();
        let e = source.records(&schema, &options).unwrap().into_records().unwrap_err();
        assert!((e.row, e.column) == (Some(8), Some(2)) && e.to_string().contains("(`target`)"), "{e}");
        let reading = source.records(&schema, &accepting(&[Kind::Clamped])).unwrap();
        assert!(reading.report.to_string().contains("1 value is clamped to the ends of the ranges: `target`"));
        assert_eq!(reading.into_records().unwrap().target(7), 65_535);
    }
}

#[test]
fn categories_become_a_feature_for_each_value() {
    let text = "age,city,label\n1,Rome,x\n2,Paris,y\n3,Rome,x\n4,Oslo,y\n";
    let options = Options { one_hot: vec!["city".into()], ..Options::default() };
    let (schema, _) = infer_with(text, &options).unwrap();
    let names: Vec<&str> = schema.features().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["age", "city=Oslo", "city=Paris", "city=Rome"]);
    assert_eq!(schema.categories()[0].values, ["Oslo", "Paris", "Rome"]);

    let read = |text: &str, accept: &[Kind]| {
        let options = accepting(accept);
        Source::from_bytes("f.csv", text.into(), &options)?.records(&schema, &options)?.into_records()
    };
    let records = read(text, &[]).unwrap();
    assert_eq!((records.features(0), records.features(3)), (&[0, 0, 0, 255][..], &[255, 255, 0, 0][..]));
    // columns are matched by name here too, and not every category has to occur
    assert_eq!(read("label,city,age\nx,Rome,1\n", &[]).unwrap(), records.slice(0..1));
    let unknown = read("age,city,label\n1,Bern,x\n", &[]).unwrap_err();
    assert_eq!((unknown.row, unknown.column), (Some(2), Some(2)));
    assert!(unknown.to_string().contains("`Bern`") && unknown.to_string().contains("`Oslo`"), "{unknown}");
    let looks = "age,city,label\n1,Ro\u{200b}me,x\n";
    assert!(read(looks, &[]).unwrap_err().to_string().contains("like the schema's `Rome`"));
    let none = read("age,city,label\n1,None,x\n", &[]).unwrap_err();
    assert!(none.to_string().contains("if it is a category, write it as another word"), "{none}");
    let gap = "age,city,label\n1,Rome,x\n2,,y\n";
    assert_eq!(read(gap, &[]).unwrap_err().column, Some(2));
    assert_eq!(read(gap, &[Kind::Incomplete]).unwrap(), records.slice(0..1));

    // the label cannot be one-hot encoded
    let label = Options { one_hot: vec!["label".into()], ..Options::default() };
    assert!(infer_with(text, &label).unwrap_err().to_string().contains("is not a feature"));
    // without a header, columns are numbered
    let bare = Options { one_hot: vec!["2".into()], header: Some(false), ..Options::default() };
    let (schema, _) = infer_with("1,Rome,x\n2,Paris,y\n3,Rome,x\n", &bare).unwrap();
    assert_eq!(schema.features()[1].name, "x2=Paris");
}
