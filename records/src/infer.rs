//! Infers a schema from a table: names from the header, ranges from the values, classes from the labels.

use std::collections::BTreeMap;

use tribute_core::layout::MAX_CLASSES;
use tribute_core::schema::{Categories, Feature, Schema, Target};

use crate::assess::{Assessment, Purpose};
use crate::columns::{select, Roles};
use crate::doubt::{Doubt, Kind};
use crate::error::{DataError, Fault};
use crate::inputs::{Input, Vocabulary};
use crate::labels::{self, Key, Spellings};
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::some;
use crate::range::Range;
use crate::reading::decimal;
use crate::report::Report;
use crate::table::{Against, Source, Table};
use crate::values::Values;

/// A schema and the report on the file it was inferred from.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// What was found in the file.
    pub report: Report,
    schema: Schema,
}

impl Inferred {
    /// The schema, once every doubt is accepted.
    ///
    /// # Errors
    /// Doubts that were not accepted.
    pub fn into_schema(self) -> Result<Schema, DataError> {
        self.report.settled()?;
        Ok(self.schema)
    }
}

/// The kind of target to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Predicts {
    /// A class.
    #[default]
    Classes,
    /// A number.
    Real,
}

impl Source {
    /// Infers a schema. Classes are in ascending order: numeric for labels that are numbers, else alphabetical.
    ///
    /// # Errors
    /// The first field that cannot be read, with its position, and labels that cannot be classes. Doubts are in the
    /// report.
    pub fn infer(
        &self,
        name: &str,
        predicts: Predicts,
        range: Range,
        options: &Options,
    ) -> Result<Inferred, DataError> {
        let table = Table::cut(self, options, Against::Nothing)?;
        let mut roles = Roles::found(&table, options)?;
        let hot = options.one_hot.iter().map(|n| select(&table, n)).collect::<Result<Vec<_>, _>>()?;
        let inputs = inputs(&table, &roles, &hot)?;
        let label_is_number = roles.label.filter(|_| predicts == Predicts::Real);
        let decimal = decimal(&table, &inputs, label_is_number, options)?;
        let values = Values::read(&table, &inputs, decimal)?;
        let (features, categories) = features(&table, &inputs, &values, range)?;
        let label = roles.label.unwrap_or(table.width - 1);
        let target = match predicts {
            Predicts::Classes => classes(&table, label, decimal, options, &mut roles.doubts)?,
            Predicts::Real => real(&table, label, decimal)?,
        };
        let schema = Schema::new(name.into(), features, target, None).and_then(|s| s.with_categories(categories));
        let schema = schema.map_err(|e| Fault::Schema(e).of(table.file))?;
        let (report, ..) = Assessment::new(&table, roles, &values, &schema, options, Purpose::Schema)?.finish()?;
        Ok(Inferred { report, schema })
    }
}

/// How to read each feature column: as a number, or as categories with the values that occur.
fn inputs(table: &Table<'_>, roles: &Roles, hot: &[usize]) -> Result<Vec<(usize, Input)>, DataError> {
    if let Some(column) = hot.iter().find(|c| !roles.features.contains(c)) {
        let said = format!("(`{}`) is not a feature, so it cannot be one-hot encoded", table.name(*column));
        return Err(Fault::Names(said).at_column(table.file, *column));
    }
    let input = |&column: &usize| {
        if !hot.contains(&column) {
            return Ok((column, Input::Number));
        }
        let mut found = Spellings::new();
        for row in 0..table.len() {
            let text = table.get(row, column);
            let text = text.trim();
            if !number::is_gap(text) {
                *found.entry(Key::of(text, Decimal::Point)).or_default().entry(text.to_owned()).or_default() += 1;
            }
        }
        if found.is_empty() {
            return Err(no_values(table, column));
        }
        let values = found.values().map(|s| labels::name(s).to_owned()).collect();
        Ok((column, Input::OneHot(Vocabulary::new(values))))
    };
    roles.features.iter().map(input).collect()
}

/// The features' names and ranges, and the one-hot columns. Missing values are ignored.
fn features(
    table: &Table<'_>,
    inputs: &[(usize, Input)],
    values: &Values,
    range: Range,
) -> Result<(Vec<Feature>, Vec<Categories>), DataError> {
    let (mut features, mut categories) = (Vec::new(), Vec::new());
    for (i, (column, input)) in inputs.iter().enumerate() {
        let name = if table.header.is_some() { table.name(*column) } else { format!("x{}", i + 1) };
        let first = features.len();
        match input {
            Input::Number => {
                let numbers = (0..table.len()).map(|r| values.row(r)[first]).filter(|x| !x.is_nan());
                let numbers: Vec<f64> = numbers.collect();
                if numbers.is_empty() {
                    return Err(no_values(table, *column));
                }
                let (lo, hi) = range.of(numbers);
                features.push(Feature { name, lo, hi });
            }
            Input::OneHot(known) => {
                let feature = |value: &String| Feature { name: format!("{name}={value}"), lo: 0.0, hi: 1.0 };
                features.extend(known.values().iter().map(feature));
                categories.push(Categories { column: name, first, values: known.values().to_vec() });
            }
        }
    }
    Ok((features, categories))
}

fn no_values(table: &Table<'_>, column: usize) -> DataError {
    let said = format!("(`{}`) has no values: leave it out with --drop {}", table.name(column), column + 1);
    Fault::Names(said).at_column(table.file, column)
}

/// The classes of a label column, and doubts about them.
fn classes(
    table: &Table<'_>,
    column: usize,
    decimal: Decimal,
    options: &Options,
    doubts: &mut Vec<Doubt>,
) -> Result<Target, DataError> {
    let mut found = Spellings::new();
    let mut records = 0;
    for row in 0..table.len() {
        let text = table.get(row, column);
        let label = text.trim();
        if !(label.is_empty() || (number::is_gap(label) && !options.gaps_are_labels)) {
            *found.entry(Key::of(label, decimal)).or_default().entry(label.to_owned()).or_default() += 1;
            records += 1;
        }
    }
    let names: Vec<String> = found.values().map(|s| labels::name(s).to_owned()).collect();
    let title = table.name(column);
    let elsewhere = "if another column is the label, name it with --label";
    let examples = some(names.iter().take(4).map(String::as_str));
    let refuse = |said: String| Err(Fault::Classes(said).at_column(table.file, column));
    match names.len() {
        0 => return refuse(format!("(`{title}`), taken as the label, is empty: {elsewhere}")),
        1 => {
            return refuse(format!(
                "(`{title}`), taken as the label, holds only {examples}: a classifier needs two classes; add \
                 records of another class; {elsewhere}"
            ))
        }
        n if n > MAX_CLASSES => {
            return refuse(format!(
                "(`{title}`), taken as the label, holds {n} different labels, such as {examples}, but at most \
                 {MAX_CLASSES} classes are supported: merge rare ones, predict a number with --real, or, {elsewhere}"
            ))
        }
        _ => {}
    }
    if let Some(why) = labels::not_classes(&found, records) {
        let flag = Kind::ManyClasses.flag();
        doubts.push(Doubt::new(
            Kind::ManyClasses,
            None,
            Some(column),
            format!("(`{title}`), taken as the label, holds {why}, such as {examples}"),
            format!("predict a number with --real, or make each a class with {flag}; {elsewhere}"),
        ));
    }
    let mut folded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (key, spellings) in &found {
        if let Some(text) = key.folded() {
            folded.entry(text).or_default().push(labels::name(spellings));
        }
    }
    for alike in folded.into_values().filter(|labels| labels.len() > 1) {
        let flag = Kind::Similar.flag();
        doubts.push(Doubt::new(
            Kind::Similar,
            None,
            Some(column),
            format!(
                "(`{title}`) has labels that differ only in case, blanks or how accents are written: {}",
                some(alike.iter().copied())
            ),
            format!("give them one spelling, or keep them apart with {flag}"),
        ));
    }
    Ok(Target::Classes(names))
}

/// The range of a regression target.
fn real(table: &Table<'_>, column: usize, decimal: Decimal) -> Result<Target, DataError> {
    let values = Values::read(table, &[(column, Input::Number)], decimal)?;
    let numbers: Vec<f64> = (0..table.len()).map(|r| values.row(r)[0]).filter(|x| !x.is_nan()).collect();
    if numbers.is_empty() {
        return Err(Fault::Label(format!("(`{}`) has no values", table.name(column))).at_column(table.file, column));
    }
    // `--range` is for features; clamping would change a target
    let (lo, hi) = Range::MinMax.of(numbers);
    Ok(Target::Real { lo, hi })
}
