//! Records of a schema from a table, with the report on them.

use std::collections::HashMap;

use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};

use crate::assess::{Assessment, Purpose};
use crate::columns::{some, Roles};
use crate::error::{DataError, Fault};
use crate::labels::Key;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::report::Report;
use crate::table::{Against, Source, Table};
use crate::values::{self, Values};

/// Records as they were found: they are given out when every doubt is accepted.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was found.
    pub report: Report,
    records: Records,
    labelled: Vec<bool>,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// One step for each of the schema's features.
    pub features: Vec<u8>,
    /// Its class, or 16-bit value, if the file says it.
    pub target: Option<u16>,
}

impl Reading {
    /// The records.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_records(self) -> Result<Records, DataError> {
        self.report.settled()?;
        Ok(self.records)
    }

    /// Queries, with the class of each that has a label.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_queries(self) -> Result<Vec<Query>, DataError> {
        self.report.settled()?;
        let all = self.records.iter().zip(&self.labelled);
        Ok(all.map(|((f, t), labelled)| Query { features: f.to_vec(), target: labelled.then_some(t) }).collect())
    }
}

impl Source {
    /// Reads records of `schema`.
    ///
    /// # Errors
    /// The first thing that cannot be read, with its place. What is doubtful is in the report.
    pub fn records(&self, schema: &Schema, options: &Options) -> Result<Reading, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let roles = Roles::of(&table, options, schema, false)?;
        read(&table, roles, schema, options, Purpose::Records)
    }

    /// Reads queries of `schema`: records that may have no label.
    ///
    /// # Errors
    /// As [`Source::records`].
    pub fn queries(&self, schema: &Schema, options: &Options) -> Result<Reading, DataError> {
        let table = Table::cut(self, options, Against::Schema(schema))?;
        let roles = Roles::of(&table, options, schema, true)?;
        read(&table, roles, schema, options, Purpose::Queries)
    }
}

fn read(
    table: &Table<'_>,
    roles: Roles,
    schema: &Schema,
    options: &Options,
    purpose: Purpose,
) -> Result<Reading, DataError> {
    let decimal = decimal(table, &roles, options, matches!(schema.target(), Target::Real { .. }))?;
    let values = Values::read(table, &roles.features, decimal)?;
    Assessment::new(table, roles, &values, schema, options, purpose)?.finish()
}

/// The decimal mark: that of the features, and of a regression's target.
pub(crate) fn decimal(table: &Table<'_>, roles: &Roles, options: &Options, real: bool) -> Result<Decimal, DataError> {
    let numbers: Vec<usize> = roles.features.iter().chain(roles.label.iter().filter(|_| real)).copied().collect();
    options.decimal.map_or_else(|| values::decimal(table, &numbers), Ok)
}

/// What the labels of a schema mean.
pub(crate) struct Targets<'s> {
    labels: &'s [String],
    exact: HashMap<&'s str, u16>,
    keys: HashMap<Key, u16>,
}

impl<'s> Targets<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let labels: &[String] = match schema.target() {
            Target::Classes(labels) => labels,
            Target::Real { .. } => &[],
        };
        let mut targets = Targets { labels, exact: HashMap::new(), keys: HashMap::new() };
        for (class, label) in labels.iter().enumerate() {
            targets.exact.insert(label, class as u16);
            targets.keys.entry(Key::of(label, Decimal::Point)).or_insert(class as u16);
        }
        targets
    }

    /// Whether a label is missing: a gap, unless the schema has it as a class.
    pub(crate) fn is_gap(&self, text: &str, options: &Options) -> bool {
        text.is_empty() || (number::is_gap(text) && !options.gaps_are_labels && !self.exact.contains_key(text))
    }

    /// The class of a label: its exact spelling, or one that says the same.
    pub(crate) fn class(&self, text: &str, decimal: Decimal) -> Result<u16, Fault> {
        if let Some(class) = self.exact.get(text).or_else(|| self.keys.get(&Key::of(text, decimal))) {
            return Ok(*class);
        }
        let folded = |t: &str| Key::of(t, Decimal::Point).folded();
        let near = self.exact.keys().find(|l| folded(l).is_some() && folded(l) == folded(text));
        let hint = near.map_or(": correct it, drop the row, or name another column with --label".to_owned(), |l| {
            format!(": write it like the schema's `{l}`")
        });
        let known = some(self.labels.iter().map(String::as_str));
        Err(Fault::UnknownLabel { label: text.into(), known, hint })
    }
}

/// The 16-bit step of a regression's target.
pub(crate) fn real_step(x: f64, lo: f64, hi: f64) -> u16 {
    ((x - lo) * 65_535.0 / (hi - lo)).round_ties_even().clamp(0.0, 65_535.0) as u16
}

/// A regression's target as a feature, to count what is beyond its range.
pub(crate) fn as_feature(lo: f64, hi: f64) -> Feature {
    Feature { name: "target".into(), lo, hi }
}

impl Reading {
    pub(crate) fn new(report: Report, records: Records, labelled: Vec<bool>) -> Self {
        Reading { report, records, labelled }
    }
}
