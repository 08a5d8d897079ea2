//! Tables: read with a report or rejected; records that are read fit the schema they were read for.

use tribute_records::{Options, Predicts, Range, Source};

use super::fuzz;

/// Typical tables.
const TABLES: [&str; 5] = [
    "a,b,label\n1,2.5,x\n3,4,y\n1,0,x\n",
    "a;b;label\n1,5;2;x\n3,25;4;y\n",
    "\"a\"\t\"b, c\"\t\"label\"\n1\t2\t\"x\"\n3\t4\t\"y \"\"z\"\"\"\n",
    "# a comment\n,a,b,label\n0,1,2,x\n1,NA,4,y\n2,1e3,-4,x\n",
    "1,2,0\n3,4,1\n5,6,0\n",
];

#[test]
fn tables() {
    let mut seeds: Vec<Vec<u8>> = TABLES.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push([&[0xef, 0xbb, 0xbf], TABLES[0].as_bytes()].concat());
    seeds.push(TABLES[0].encode_utf16().flat_map(u16::to_le_bytes).collect());
    let options = Options::default();
    let read = |input: &[u8]| {
        let source = Source::from_bytes("table.csv", input.to_vec(), &options).ok()?;
        let schema = source.infer("table", Predicts::Classes, Range::MinMax, &options).ok()?.into_schema().ok()?;
        let records = source.records(&schema, &options).ok()?.into_records().ok()?;
        assert_eq!(records.width(), schema.features().len());
        assert!(
            records.iter().all(|(_, target)| usize::from(target) < schema.classes()),
            "a class that does not exist"
        );
        Some(records.len())
    };
    assert!(seeds.iter().filter_map(|seed| read(seed)).sum::<usize>() > 0, "no table of the corpus was read");
    fuzz("table", &seeds, 20_000, |input| {
        let _ = read(input);
    });
}
