//! Property tests: a table reads back to the same records, however it is written.

use std::io::Write as _;

use proptest::prelude::*;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_records::{Fault, Kind, Options, Source};

/// Labels that need care: separators, quotes, line breaks, comment signs, blanks.
const LABELS: [&str; 6] = ["mid", "high, rising", "a;b", "say \"x\"", "two\nlines", "# one"];

#[derive(Clone, Debug)]
struct Written {
    /// Feature steps and class of each record.
    rows: Vec<(Vec<u8>, usize)>,
    /// Order of the columns; the last index is the label.
    order: Vec<usize>,
    separator: u8,
    decimal_comma: bool,
    quote_all: bool,
    header: bool,
    crlf: bool,
    bom: bool,
    blank_lines: bool,
    index: bool,
    /// Lengths of the gzip members; `None` for a plain file.
    members: Option<Vec<usize>>,
}

fn schema(width: usize) -> Schema {
    let features = (0..width).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 63.75 }).collect();
    Schema::new("s".into(), features, Target::Classes(LABELS.map(String::from).to_vec()), None).unwrap()
}

fn written() -> impl Strategy<Value = Written> {
    (2usize..6).prop_flat_map(|width| {
        let row = (prop::collection::vec(any::<u8>(), width), 0..LABELS.len());
        let flags = prop::array::uniform7(any::<bool>());
        (
            prop::collection::vec(row, 3..20),
            Just((0..=width).collect::<Vec<_>>()).prop_shuffle(),
            prop::sample::select(vec![b',', b';', b'\t']),
            flags,
            prop::option::of(prop::collection::vec(1usize..200, 0..4)),
        )
            .prop_map(|(rows, order, separator, flags, members)| {
                let [decimal_comma, quote_all, header, crlf, bom, blank_lines, index] = flags;
                Written {
                    rows,
                    order,
                    separator,
                    decimal_comma,
                    quote_all,
                    header,
                    crlf,
                    bom,
                    blank_lines,
                    index,
                    members,
                }
            })
    })
}

impl Written {
    fn width(&self) -> usize {
        self.order.len() - 1
    }

    /// Whether an unquoted record starts with `#`.
    fn starts_like_comments(&self) -> bool {
        let label_first = self.header && !self.index && self.order[0] == self.width();
        label_first && !self.quote_all && self.rows.iter().any(|(_, class)| LABELS[*class].starts_with('#'))
    }

    /// Writes the table with the `csv` crate, not with the code under test.
    fn bytes(&self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.separator)
            .terminator(if self.crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if self.quote_all { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        let (width, index) = (self.width(), self.header && self.index);
        // without a header, columns go by position
        let order: Vec<usize> = if self.header { self.order.clone() } else { (0..=width).collect() };
        let cell = |row: &(Vec<u8>, usize), column: usize| match row.0.get(column) {
            // multiples of a quarter, with up to two decimals
            Some(step) => {
                let text = (f64::from(*step) / 4.0).to_string();
                if self.decimal_comma {
                    text.replace('.', ",")
                } else {
                    text
                }
            }
            None => LABELS[row.1].to_owned(),
        };
        if self.header {
            let name = |c: &usize| if *c == width { "label".to_owned() } else { format!("f{c}") };
            let lead = index.then(String::new);
            writer.write_record(lead.into_iter().chain(order.iter().map(name))).unwrap();
        }
        for (i, row) in self.rows.iter().enumerate() {
            let lead = index.then(|| i.to_string());
            writer.write_record(lead.into_iter().chain(order.iter().map(|c| cell(row, *c)))).unwrap();
        }
        let mut bytes = writer.into_inner().unwrap();
        if self.blank_lines {
            bytes.extend_from_slice(b"\n \n");
        }
        if self.bom {
            bytes.splice(..0, *b"\xef\xbb\xbf");
        }
        match &self.members {
            None => bytes,
            Some(cuts) => packed(&bytes, cuts),
        }
    }
}

fn packed(mut bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    for cut in cuts.iter().chain([&usize::MAX]) {
        let (member, rest) = bytes.split_at((*cut).min(bytes.len()));
        let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        encoder.write_all(member).unwrap();
        (out, bytes) = (encoder.finish().unwrap(), rest);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(written in written()) {
        let schema = schema(written.width());
        // random records may be coarse by chance, which is not the point here; ambiguous forms are stated
        let options = Options {
            accept: [Kind::Coarse].into(),
            header: Some(written.header),
            separator: match written.separator {
                b',' => Some(tribute_records::Separator::Comma),
                b';' => Some(tribute_records::Separator::Semicolon),
                _ => Some(tribute_records::Separator::Tab),
            },
            ..Options::default()
        };
        let mut expected = Records::new(written.width());
        for (features, class) in &written.rows {
            expected.push(features, *class as u16);
        }
        let source = Source::from_bytes("written", written.bytes(), &options).unwrap();
        match source.records(&schema, &options) {
            Ok(read) => prop_assert_eq!(read.into_records().unwrap(), expected.clone()),
            // a record that starts like a comment is an error
            Err(e) => prop_assert!(matches!(*e.fault, Fault::Comment) && written.starts_like_comments(), "{e}"),
        }

        // without these options the result is the same or an error, never different records
        let found = Source::from_bytes("written", written.bytes(), &Options::default())
            .and_then(|s| s.records(&schema, &Options { accept: [Kind::Coarse].into(), ..Options::default() }))
            .and_then(tribute_records::Reading::into_records);
        if let Ok(found) = found {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let options = Options::default();
        if let Ok(source) = Source::from_bytes("bytes", bytes, &options) {
            let _ = source.records(&schema(2), &options);
            let _ = source.infer("s", tribute_records::Predicts::Classes, tribute_records::Range::MinMax, &options);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a,;\\.\"\n\r #\t?-]{0,120}") {
        let options = Options::default();
        if let Ok(source) = Source::from_bytes("text", text.into_bytes(), &options) {
            for real in [tribute_records::Predicts::Classes, tribute_records::Predicts::Real] {
                let _ = source.infer("s", real, tribute_records::Range::Quantile, &options);
            }
            let _ = source.records(&schema(2), &options);
            let _ = source.queries(&schema(3), &options);
        }
    }
}
