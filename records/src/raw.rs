//! Raw records: what a model computes features from, with the labels.

use std::hash::{BuildHasher as _, RandomState};

use crate::columns::Roles;
use crate::error::{DataError, Fault};
use crate::gaps;
use crate::heading::Against;
use crate::inputs::Input;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::some;
use crate::reading::decimal;
use crate::report::{HeaderReport, Report};
use crate::table::{Source, Table};
use crate::values::Values;

/// What a model takes of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes<'a> {
    /// The text in this column: its name, or its number from 1.
    Text(&'a str),
    /// The numbers in these columns, in their order: names, or numbers from 1. If there are none, those in all columns but the
    /// label's, in the file's order.
    Numbers(&'a [String]),
}

/// What a model computes a record's features from.
#[derive(Clone, Debug, PartialEq)]
pub enum RawInput {
    /// A text.
    Text(String),
    /// One number for each input.
    Numbers(Vec<f32>),
}

/// What a model computes one record's features from, and the record's label.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRecord {
    /// Its row in the file, as errors give it.
    pub row: u64,
    /// What its features are computed from.
    pub input: RawInput,
    /// Its label as it is spelled.
    pub label: String,
}

/// Raw records and a report; they are released only when every doubt is accepted.
#[derive(Clone, Debug)]
pub struct Raw {
    /// What was found in the file.
    pub report: Report,
    records: Vec<RawRecord>,
}

impl Raw {
    /// The records in the file's order, once every doubt is accepted.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_records(self) -> Result<Vec<RawRecord>, DataError> {
        self.report.settled()?;
        Ok(self.records)
    }
}

impl Source {
    /// Reads raw records. The label is the last column that is no input, or the one that `options` name; labels stay as they are
    /// spelled.
    ///
    /// # Errors
    /// The first field that cannot be read, with its position. Doubts are in the report.
    pub fn raw(&self, takes: Takes<'_>, options: &Options) -> Result<Raw, DataError> {
        let names: Vec<&str> = match takes {
            Takes::Text(column) => vec![column],
            Takes::Numbers(columns) => columns.iter().map(String::as_str).collect(),
        };
        let against = Against::Names { names: &names, texts: matches!(takes, Takes::Text(_)) };
        let table = Table::cut(self, options, against)?;
        let mut roles = Roles::raw(&table, options, &names)?;
        let label = roles.label.unwrap_or(table.width - 1);
        let mut inputs = match takes {
            Takes::Text(_) => Inputs::of_texts(&table, roles.features[0]),
            Takes::Numbers(_) => Inputs::of_numbers(&table, &roles.features, options)?,
        };
        table.settled()?;
        let signs = (0..table.len()).any(|row| table.get(row, label).trim() == "+");
        let (mut unlabelled, mut incomplete, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..table.len() {
            let text = table.get(row, label);
            let text = text.trim();
            let kept = options.gaps_are_labels || (signs && text == "-");
            match inputs.take(row) {
                None => incomplete.push(row),
                Some(_) if text.is_empty() || (number::is_gap(text) && !kept) => unlabelled.push(row),
                Some(input) => records.push(RawRecord { row: table.line(row), input, label: text.to_owned() }),
            }
        }
        let mut doubts = std::mem::take(&mut roles.doubts);
        doubts.extend(gaps::unlabelled(&table, &unlabelled, label));
        let lacking = incomplete.first().map_or(0, |row| inputs.lacking(*row));
        doubts.extend(gaps::incomplete(&table, &incomplete, roles.features[lacking], "an input missing", false));
        for doubt in &mut doubts {
            doubt.accepted = options.accept.contains(&doubt.kind);
        }
        if records.is_empty() && doubts.iter().all(|d| d.accepted) {
            return Err(Fault::Empty.of(table.file));
        }
        table.settled()?;
        let order: Vec<String> = roles.features.iter().map(|c| table.name(*c)).collect();
        let order = some(order.iter().map(String::as_str));
        let header = table.header.as_ref();
        let report = Report {
            file: table.file.to_owned(),
            records: records.len(),
            gzip_members: table.members,
            separator: table.separator(),
            decimal_mark: if inputs.decimal == Decimal::Comma { "," } else { "." },
            header: header.map(|h| HeaderReport {
                row: h.line,
                comment: h.comment,
                names_matched: None,
                order_changed: false,
            }),
            features: Vec::new(),
            label_column: Some(label + 1),
            label_name: header.map(|_| table.name(label)),
            classes: Vec::new(),
            target: None,
            left_out: std::mem::take(&mut roles.left_out),
            unlabelled: unlabelled.len(),
            incomplete: incomplete.len(),
            duplicates: repeated(&records),
            comments: table.comments(),
            blank: table.blank(),
            notes: vec![format!("inputs of the model, in this order: {order}")],
            doubts,
        };
        Ok(Raw { report, records })
    }
}

/// The inputs of all rows.
struct Inputs {
    /// `None` for a row that lacks one.
    rows: Vec<Option<RawInput>>,
    /// For each row the first input that it lacks.
    gaps: Vec<Option<u32>>,
    decimal: Decimal,
}

impl Inputs {
    fn of_texts(table: &Table<'_>, column: usize) -> Self {
        let text = |row| {
            let text = table.get(row, column);
            (!number::is_gap(text.trim())).then(|| RawInput::Text(text.into_owned()))
        };
        Inputs { rows: (0..table.len()).map(text).collect(), gaps: vec![None; table.len()], decimal: Decimal::Point }
    }

    /// # Errors
    /// A field that is no number of 32 bits.
    fn of_numbers(table: &Table<'_>, columns: &[usize], options: &Options) -> Result<Self, DataError> {
        let inputs: Vec<(usize, Input)> = columns.iter().map(|c| (*c, Input::Number)).collect();
        let decimal = decimal(table, &inputs, None, options)?;
        let values = Values::read(table, &inputs, decimal)?;
        let mut numbers = vec![Vec::new(); table.len()];
        for (feature, column) in columns.iter().enumerate() {
            for (row, x) in values.feature(feature)?.into_iter().enumerate() {
                if x.abs() > f64::from(f32::MAX) {
                    let (name, text) = (table.name(*column), table.get(row, *column).into_owned());
                    let why = "beyond the range of a 32-bit float, in which models compute: correct it or drop the row";
                    let fault = Fault::NotNumber { name, text, why: why.into() };
                    return Err(fault.at(table.file, table.line(row), *column));
                }
                numbers[row].push(x as f32);
            }
        }
        let whole = |(numbers, gap): (Vec<f32>, &Option<u32>)| gap.is_none().then_some(RawInput::Numbers(numbers));
        let rows = numbers.into_iter().zip(&values.gaps).map(whole).collect();
        Ok(Inputs { rows, gaps: values.gaps, decimal })
    }

    fn take(&mut self, row: usize) -> Option<RawInput> {
        self.rows[row].take()
    }

    /// The first input that a row lacks.
    fn lacking(&self, row: usize) -> usize {
        self.gaps[row].unwrap_or(0) as usize
    }
}

/// Number of records equal to an earlier one.
fn repeated(records: &[RawRecord]) -> usize {
    let key = RandomState::new();
    let digest = |RawRecord { input, label, .. }: &RawRecord| match input {
        RawInput::Text(text) => key.hash_one((text, label)),
        // zero has two signs
        RawInput::Numbers(numbers) => {
            key.hash_one((numbers.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>(), label))
        }
    };
    let mut digests: Vec<u64> = records.iter().map(digest).collect();
    digests.sort_unstable();
    digests.windows(2).filter(|pair| pair[0] == pair[1]).count()
}
