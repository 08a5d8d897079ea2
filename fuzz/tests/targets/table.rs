//! Tables: read with a report or rejected; records that are read fit the schema they were read for.

use tribute_records::{Kind, Options, Predicts, Range, Source};

use super::fuzz;

/// Typical tables.
const TABLES: [&str; 5] = [
    "a,b,label\n1,2.5,x\n3,4,y\n1,0,x\n",
    "a;b;label\n1,5;2;x\n3,25;4;y\n",
    "\"a\"\t\"b, c\"\t\"label\"\n1\t2\t\"x\"\n3\t4\t\"y \"\"z\"\"\"\n",
    "# a comment\n,a,b,label\n0,1,2,x\n1,NA,4,y\n2,1e3,-4,x\n",
    "1,2,0\n3,4,1\n5,6,0\n",
];

/// Number of records, if the bytes are a table.
fn read(input: &[u8], options: &Options) -> Option<usize> {
    let source = Source::from_bytes("table", input.to_vec(), options).ok()?;
    let schema = source.infer("table", Predicts::Classes, Range::MinMax, options).ok()?.into_schema().ok()?;
    let records = source.records(&schema, options).ok()?.into_records().ok()?;
    assert_eq!(records.width(), schema.features().len());
    assert!(records.iter().all(|(_, target)| usize::from(target) < schema.classes()), "a class that does not exist");
    Some(records.len())
}

#[test]
fn tables() {
    let mut seeds: Vec<Vec<u8>> = TABLES.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push([&[0xef, 0xbb, 0xbf], TABLES[0].as_bytes()].concat());
    seeds.push(TABLES[0].encode_utf16().flat_map(u16::to_le_bytes).collect());
    let options = Options::default();
    let found = seeds.iter().filter_map(|seed| read(seed, &options)).sum::<usize>();
    assert!(found > 0, "no table of the corpus was read");
    fuzz("table", &seeds, 20_000, |input| {
        let _ = read(input, &options);
    });
}

/// Parquet and Arrow files of several writers: whatever is altered, they are read or refused, within the limit of values.
#[test]
fn columnar_tables() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../records/tests/cases/columnar");
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (!name.ends_with(".csv") && !name.ends_with(".py")).then(|| std::fs::read(entry.path()).unwrap())
    };
    let seeds: Vec<Vec<u8>> = std::fs::read_dir(folder).unwrap().flatten().filter_map(file).collect();
    let accept = [Kind::Incomplete, Kind::Unlabelled].into();
    let (drop, one_hot) = (vec!["note".into()], vec!["ward".into()]);
    let options = Options { drop, one_hot, accept, most_bytes: 1 << 20, ..Options::default() };
    assert!(seeds.len() >= 20 && seeds.iter().all(|seed| read(seed, &options).is_some_and(|found| found > 50)));
    fuzz("columnar", &seeds, 10_000, |input| {
        let _ = read(input, &options);
    });
}
