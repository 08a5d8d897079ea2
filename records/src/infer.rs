//! Infers a schema from a table: names from the header, ranges from the values, classes from the labels.

use tribute_core::layout::MAX_CLASSES;
use tribute_core::schema::{usable, Categories, Feature, Schema, Target};

use crate::assess::{Assessment, Purpose};
use crate::columns::{leave_out, select, Roles};
use crate::doubt::{Doubt, Kind};
use crate::error::{DataError, Fault};
use crate::heading::Against;
use crate::inputs::{Input, Vocabulary};
use crate::labels::{Found, Likeness};
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
        let (mut read, mut alike) = inputs(&table, &roles, &hot, |_| true)?;
        let label_is_number = roles.label.filter(|_| predicts == Predicts::Real);
        let decimal = decimal(&table, &read, label_is_number, options)?;
        let mut values = Values::read(&table, &read, decimal)?;
        table.settled()?;
        let label = roles.label.unwrap_or(table.width - 1);
        let counted = Counted::of(&table, label, predicts, &values, options)?;
        if counted.rows.contains(&false) && !hot.is_empty() {
            (read, alike) = inputs(&table, &roles, &hot, |row| counted.rows[row])?;
            // all values are never held twice
            drop(values);
            values = Values::read(&table, &read, decimal)?;
        }
        roles.doubts.extend(alike);
        let (features, categories) = features(&table, &read, &values, &counted, range, &mut roles.doubts)?;
        let left_out = counted.told();
        let target = match counted.targets {
            Labels::Classes(found) => classes(&table, label, decimal, &found, &left_out, &mut roles.doubts)?,
            Labels::Real(numbers) => real(&table, label, numbers)?,
        };
        let schema = Schema::new(name.into(), features, target, None).and_then(|s| s.with_categories(categories));
        let schema = schema.map_err(|e| Fault::Schema(e).of(table.file))?;
        let purpose = Purpose::Schema { quantiles: range != Range::Quantile };
        let report = Assessment::new(&table, roles, &values, &schema, options, purpose)?.report()?;
        Ok(Inferred { report, schema })
    }
}

/// The rows that decide the ranges, the categories and the classes: all but those that are left out because they lack something.
struct Counted {
    /// Whether each row counts; at least one does.
    rows: Vec<bool>,
    /// Number of rows that are left out because they lack a feature.
    incomplete: usize,
    /// The targets of the rows that count.
    targets: Labels,
}

enum Labels {
    Classes(Found),
    Real(Vec<f64>),
}

impl Counted {
    /// # Errors
    /// A real target that is not a number, or no row that counts.
    fn of(
        table: &Table<'_>,
        label: usize,
        predicts: Predicts,
        values: &Values<'_>,
        options: &Options,
    ) -> Result<Self, DataError> {
        let left_out = |kind| options.accept.contains(&kind);
        let mut rows: Vec<bool> = values.gaps.iter().map(|gap| gap.is_none() || !left_out(Kind::Incomplete)).collect();
        let incomplete = rows.iter().filter(|counts| !**counts).count();
        if incomplete == rows.len() {
            return Err(nothing_left(table, values)?);
        }
        let targets = match predicts {
            Predicts::Classes => {
                let texts = (0..table.len()).filter(|row| rows[*row]).map(|row| table.get(row, label));
                let found = Found::of(texts, values.decimal, options.gaps_are_labels);
                if left_out(Kind::Unlabelled) {
                    for (row, counts) in rows.iter_mut().enumerate() {
                        *counts &= !found.lacks(&table.get(row, label));
                    }
                }
                table.settled()?;
                Labels::Classes(found)
            }
            Predicts::Real => {
                let all = Values::read(table, &[(label, Input::Number)], values.decimal)?.feature(0)?;
                if left_out(Kind::Unlabelled) {
                    for (counts, x) in rows.iter_mut().zip(&all) {
                        *counts &= !x.is_nan();
                    }
                }
                Labels::Real(numbers(&rows, all))
            }
        };
        if !rows.contains(&true) {
            return Err(no_labels(table, label));
        }
        Ok(Counted { rows, incomplete, targets })
    }

    /// What a message about labels adds if rows are left out.
    fn told(&self) -> String {
        match self.incomplete {
            0 => String::new(),
            1 => " once 1 record that lacks a feature is left out".into(),
            several => format!(" once {several} records that lack a feature are left out"),
        }
    }
}

/// The values of the rows that count, without those that are missing.
fn numbers(rows: &[bool], all: Vec<f64>) -> Vec<f64> {
    let counted = all.into_iter().zip(rows).filter(|(x, counts)| **counts && !x.is_nan());
    counted.map(|(x, _)| x).collect()
}

/// Every row lacks a feature: a column without values, if there is one.
///
/// # Errors
/// A column that cannot be read.
fn nothing_left(table: &Table<'_>, values: &Values<'_>) -> Result<DataError, DataError> {
    for (feature, column) in values.columns.iter().enumerate() {
        if values.feature(feature)?.iter().all(|x| x.is_nan()) {
            return Ok(no_values(table, *column));
        }
    }
    Ok(Fault::Empty.of(table.file))
}

fn no_labels(table: &Table<'_>, column: usize) -> DataError {
    let said = format!("(`{}`), taken as the label, is empty: {ELSEWHERE}", table.name(column));
    Fault::Classes(said).at_column(table.file, column)
}

/// What to do if a column is not the label.
const ELSEWHERE: &str = "if another column is the label, name it with --label";

/// The feature columns, each with how its values are read.
type Inputs = Vec<(usize, Input)>;

/// How to read each feature column: as a number, or as categories with the values that occur in the rows that are `counted`; with
/// doubts about values that look alike.
fn inputs(
    table: &Table<'_>,
    roles: &Roles,
    hot: &[usize],
    counted: impl Fn(usize) -> bool,
) -> Result<(Inputs, Vec<Doubt>), DataError> {
    if let Some(column) = hot.iter().find(|c| !roles.features.contains(c)) {
        let said = format!("(`{}`) is not a feature, so it cannot be one-hot encoded", table.name(*column));
        return Err(Fault::Names(said).at_column(table.file, *column));
    }
    let mut doubts = Vec::new();
    let input = |&column: &usize| {
        if !hot.contains(&column) {
            return Ok((column, Input::Number));
        }
        let texts = (0..table.len()).filter(|row| counted(*row)).map(|row| table.get(row, column));
        let found = Found::of(texts, Decimal::Point, false);
        if found.spellings.is_empty() {
            return Err(no_values(table, column));
        }
        alike(table, column, "values", &found, &mut doubts);
        Ok((column, Input::OneHot(Vocabulary::new(found.names()))))
    };
    let inputs = roles.features.iter().map(input).collect::<Result<Vec<_>, _>>();
    table.settled()?;
    Ok((inputs?, doubts))
}

/// Adds a doubt for labels or categories that look alike.
fn alike(table: &Table<'_>, column: usize, what: &str, found: &Found, doubts: &mut Vec<Doubt>) {
    for (names, likeness) in found.alike() {
        let (name, flag) = (table.name(column), Kind::Similar.flag());
        let differ = match likeness {
            Likeness::Number => "are one number, written in several ways",
            Likeness::Truth => "are one truth value, written as a number and as a word",
            Likeness::Look => {
                "differ only in case, blanks, a full stop at the end, invisible characters, or how letters, accents, dashes or quotes are \
                 written"
            }
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

/// A doubt about days that are written as numbers.
fn days(table: &Table<'_>, column: usize, numbers: &[f64]) -> Option<Doubt> {
    let first = numbers.first()?;
    if !numbers.iter().all(|x| number::is_day(*x)) || numbers.iter().all(|x| x == first) {
        return None;
    }
    let (name, flag) = (table.name(column), Kind::Days.flag());
    let message = format!(
        "(`{name}`) holds days written as numbers (year, month, day), such as {first}, whose differences are no durations"
    );
    let advice = format!(
        "turn them into days since a fixed day, {}, or take them as they are with {flag}",
        leave_out(table, column)
    );
    Some(Doubt::new(Kind::Days, None, Some(column), message, advice))
}

/// The features' names and ranges, the one-hot columns, and doubts about the values. Missing ones are ignored.
fn features(
    table: &Table<'_>,
    inputs: &[(usize, Input)],
    values: &Values<'_>,
    counted: &Counted,
    range: Range,
    doubts: &mut Vec<Doubt>,
) -> Result<(Vec<Feature>, Vec<Categories>), DataError> {
    let (mut features, mut categories) = (Vec::new(), Vec::new());
    for (i, (column, input)) in inputs.iter().enumerate() {
        let name = if table.header.is_some() { table.name(*column) } else { format!("x{}", i + 1) };
        let first = features.len();
        match input {
            Input::Number => {
                let numbers = numbers(&counted.rows, values.feature(first)?);
                if numbers.is_empty() {
                    return Err(no_values(table, *column));
                }
                doubts.extend(days(table, *column, &numbers));
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
/// A range too wide to divide into steps.
fn finite(table: &Table<'_>, column: usize, (lo, hi): (f64, f64)) -> Result<(f64, f64), DataError> {
    if usable(lo, hi) {
        return Ok((lo, hi));
    }
    let (name, leave_out) = (table.name(column), leave_out(table, column));
    let said = format!(
        "(`{name}`) has a range from {lo:e} to {hi:e}, too wide to divide into steps with 64-bit floats: correct outliers, or {leave_out}"
    );
    Err(Fault::Names(said).at_column(table.file, column))
}

fn no_values(table: &Table<'_>, column: usize) -> DataError {
    let said = format!("(`{}`) has no values: {}", table.name(column), leave_out(table, column));
    Fault::Names(said).at_column(table.file, column)
}

/// The classes of a label column, and doubts about them.
///
/// # Errors
/// Labels that cannot be classes; `left_out` tells of rows that are left out.
fn classes(
    table: &Table<'_>,
    column: usize,
    decimal: Decimal,
    found: &Found,
    left_out: &str,
    doubts: &mut Vec<Doubt>,
) -> Result<Target, DataError> {
    let names = found.classes(decimal);
    let title = table.name(column);
    let examples = some(names.iter().take(4).map(String::as_str));
    let refuse = |said: String| Err(Fault::Classes(said).at_column(table.file, column));
    match names.len() {
        0 => return Err(no_labels(table, column)),
        1 => {
            let class = found.gap.as_ref().map_or(String::new(), |gap| {
                format!("; if `{gap}`, which means a missing value, is a class, pass --gaps-are-labels")
            });
            return refuse(format!(
                "(`{title}`), taken as the label, holds only {examples}{left_out}: a classifier needs two classes; add \
                 records of another class{class}; {ELSEWHERE}"
            ));
        }
        n if n > MAX_CLASSES => {
            return refuse(format!(
                "(`{title}`), taken as the label, holds {n} different labels, such as {examples}, but at most \
                 {MAX_CLASSES} classes are supported: merge rare ones, predict a number with --real, or, {ELSEWHERE}"
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
            format!("predict a number with --real, or make each a class with {flag}; {ELSEWHERE}"),
        ));
    }
    alike(table, column, "labels", found, doubts);
    Ok(Target::Classes(names))
}

/// The range of a regression target.
fn real(table: &Table<'_>, column: usize, numbers: Vec<f64>) -> Result<Target, DataError> {
    if numbers.is_empty() {
        return Err(no_labels(table, column));
    }
    // `--range` is for features; clamping would change a target
    let (lo, hi) = finite(table, column, Range::MinMax.of(numbers))?;
    Ok(Target::Real { lo, hi })
}
