//! Infers a schema from a table: names from the header, ranges from the values, classes from the labels.

use std::borrow::Cow;

use tribute_core::layout::MAX_CLASSES;
use tribute_core::schema::{Categories, Feature, Schema, Target};

use crate::assess::{Assessment, Purpose};
use crate::columns::{leave_out, select, Roles};
use crate::doubt::{Doubt, Kind};
use crate::error::{DataError, Fault};
use crate::heading::Against;
use crate::inputs::{Input, Vocabulary};
use crate::labels::Found;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::some;
use crate::range::Range;
use crate::reading::decimal;
use crate::report::Report;
use crate::table::{Source, Table};
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
        let inputs = inputs(&table, &mut roles, &hot);
        table.settled()?;
        let inputs = inputs?;
        let label_is_number = roles.label.filter(|_| predicts == Predicts::Real);
        let decimal = decimal(&table, &inputs, label_is_number, options)?;
        let values = Values::read(&table, &inputs, decimal)?;
        table.settled()?;
        roles.doubts.extend(days(&table, &inputs, &values)?);
        let (features, categories) = features(&table, &inputs, &values, range)?;
        let label = roles.label.unwrap_or(table.width - 1);
        let target = match predicts {
            Predicts::Classes => {
                let found = classes(&table, label, decimal, options, &mut roles.doubts);
                table.settled()?;
                found?
            }
            Predicts::Real => real(&table, label, decimal)?,
        };
        let schema = Schema::new(name.into(), features, target, None).and_then(|s| s.with_categories(categories));
        let schema = schema.map_err(|e| Fault::Schema(e).of(table.file))?;
        let report = Assessment::new(&table, roles, &values, &schema, options, Purpose::Schema)?.report()?;
        Ok(Inferred { report, schema })
    }
}

/// How to read each feature column: as a number, or as categories with the values that occur.
fn inputs(table: &Table<'_>, roles: &mut Roles, hot: &[usize]) -> Result<Vec<(usize, Input)>, DataError> {
    if let Some(column) = hot.iter().find(|c| !roles.features.contains(c)) {
        let said = format!("(`{}`) is not a feature, so it cannot be one-hot encoded", table.name(*column));
        return Err(Fault::Names(said).at_column(table.file, *column));
    }
    let doubts = &mut roles.doubts;
    let input = |&column: &usize| {
        if !hot.contains(&column) {
            return Ok((column, Input::Number));
        }
        let found = Found::of(texts(table, column), Decimal::Point, false);
        if found.spellings.is_empty() {
            return Err(no_values(table, column));
        }
        alike(table, column, "values", &found, doubts);
        Ok((column, Input::OneHot(Vocabulary::new(found.names()))))
    };
    roles.features.iter().map(input).collect()
}

fn texts<'a, 't>(table: &'a Table<'t>, column: usize) -> impl Iterator<Item = Cow<'t, str>> + use<'a, 't> {
    (0..table.len()).map(move |row| table.get(row, column))
}

/// Adds a doubt for labels or categories that look alike.
fn alike(table: &Table<'_>, column: usize, what: &str, found: &Found, doubts: &mut Vec<Doubt>) {
    for (names, numbers) in found.alike() {
        let (name, flag) = (table.name(column), Kind::Similar.flag());
        let differ = match numbers {
            true => "are one number, written in several ways",
            false => "differ only in case, blanks, invisible characters, or how accents, dashes or quotes are written",
        };
        let names = some(names.into_iter());
        doubts.push(Doubt::new(
            Kind::Similar,
            None,
            Some(column),
            format!("(`{name}`) has {what} that {differ}: {names}"),
            format!("give them one spelling, or keep them apart with {flag}"),
        ));
    }
}

/// Adds a doubt for days that are written as numbers.
fn days(table: &Table<'_>, inputs: &[(usize, Input)], values: &Values<'_>) -> Result<Vec<Doubt>, DataError> {
    let mut doubts = Vec::new();
    let mut feature = 0;
    for (column, input) in inputs {
        if let Input::OneHot(known) = input {
            feature += known.len();
            continue;
        }
        let mut days = values.feature(feature)?.into_iter().filter(|x| !x.is_nan());
        feature += 1;
        let Some(first) = days.next().filter(|x| number::is_day(*x)) else { continue };
        let mut several = false;
        let all = days.all(|x| {
            several |= x != first;
            number::is_day(x)
        });
        if all && several {
            let (name, flag) = (table.name(*column), Kind::Days.flag());
            let message = format!(
                "(`{name}`) holds days written as numbers (year, month, day), such as {first}, whose differences are no durations"
            );
            let advice = format!(
                "turn them into days since a fixed day, {}, or take them as they are with {flag}",
                leave_out(table, *column)
            );
            doubts.push(Doubt::new(Kind::Days, None, Some(*column), message, advice));
        }
    }
    Ok(doubts)
}

/// The features' names and ranges, and the one-hot columns. Missing values are ignored.
fn features(
    table: &Table<'_>,
    inputs: &[(usize, Input)],
    values: &Values<'_>,
    range: Range,
) -> Result<(Vec<Feature>, Vec<Categories>), DataError> {
    let (mut features, mut categories) = (Vec::new(), Vec::new());
    for (i, (column, input)) in inputs.iter().enumerate() {
        let name = if table.header.is_some() { table.name(*column) } else { format!("x{}", i + 1) };
        let first = features.len();
        match input {
            Input::Number => {
                let numbers: Vec<f64> = values.feature(first)?.into_iter().filter(|x| !x.is_nan()).collect();
                if numbers.is_empty() {
                    return Err(no_values(table, *column));
                }
                let (lo, hi) = finite(table, *column, range.of(numbers))?;
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

/// # Errors
/// A range wider than the largest number.
fn finite(table: &Table<'_>, column: usize, (lo, hi): (f64, f64)) -> Result<(f64, f64), DataError> {
    if (hi - lo).is_finite() {
        return Ok((lo, hi));
    }
    let (name, leave_out) = (table.name(column), leave_out(table, column));
    let said = format!(
        "(`{name}`) has a range from {lo:e} to {hi:e}, wider than a 64-bit float can tell: correct outliers, or {leave_out}"
    );
    Err(Fault::Names(said).at_column(table.file, column))
}

fn no_values(table: &Table<'_>, column: usize) -> DataError {
    let said = format!("(`{}`) has no values: {}", table.name(column), leave_out(table, column));
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
    let found = Found::of(texts(table, column), decimal, options.gaps_are_labels);
    let names = found.classes(decimal);
    let title = table.name(column);
    let elsewhere = "if another column is the label, name it with --label";
    let examples = some(names.iter().take(4).map(String::as_str));
    let refuse = |said: String| Err(Fault::Classes(said).at_column(table.file, column));
    match names.len() {
        0 => return refuse(format!("(`{title}`), taken as the label, is empty: {elsewhere}")),
        1 => {
            let class = found.gap.as_ref().map_or(String::new(), |gap| {
                format!("; if `{gap}`, which means a missing value, is a class, pass --gaps-are-labels")
            });
            return refuse(format!(
                "(`{title}`), taken as the label, holds only {examples}: a classifier needs two classes; add \
                 records of another class{class}; {elsewhere}"
            ));
        }
        n if n > MAX_CLASSES => {
            return refuse(format!(
                "(`{title}`), taken as the label, holds {n} different labels, such as {examples}, but at most \
                 {MAX_CLASSES} classes are supported: merge rare ones, predict a number with --real, or, {elsewhere}"
            ))
        }
        _ => {}
    }
    if let Some(why) = found.not_classes() {
        let flag = Kind::ManyClasses.flag();
        doubts.push(Doubt::new(
            Kind::ManyClasses,
            None,
            Some(column),
            format!("(`{title}`), taken as the label, holds {why}, such as {examples}"),
            format!("predict a number with --real, or make each a class with {flag}; {elsewhere}"),
        ));
    }
    alike(table, column, "labels", &found, doubts);
    Ok(Target::Classes(names))
}

/// The range of a regression target.
fn real(table: &Table<'_>, column: usize, decimal: Decimal) -> Result<Target, DataError> {
    let values = Values::read(table, &[(column, Input::Number)], decimal)?;
    let numbers: Vec<f64> = values.feature(0)?.into_iter().filter(|x| !x.is_nan()).collect();
    if numbers.is_empty() {
        return Err(Fault::Label(format!("(`{}`) has no values", table.name(column))).at_column(table.file, column));
    }
    // `--range` is for features; clamping would change a target
    let (lo, hi) = finite(table, column, Range::MinMax.of(numbers))?;
    Ok(Target::Real { lo, hi })
}
