//! From numbers and labels to records and their report.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};

use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};

use crate::columns::{are_numbers, as_label, Roles};
use crate::doubt::{Doubt, Kind};
use crate::error::{DataError, Fault};
use crate::gaps;
use crate::header::is_label_name;
use crate::labels::in_one_format;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::{shown, some};
use crate::report::{ClassReport, ColumnReport, HeaderReport, Report};
use crate::steps::Resolution;
use crate::table::Table;
use crate::targets::{as_feature, real_step, Targets};
use crate::values::Values;

/// A table with its columns assigned to roles, its parsed values and its rows sorted.
pub(crate) struct Assessment<'a> {
    table: &'a Table<'a>,
    roles: Roles,
    values: &'a Values<'a>,
    schema: &'a Schema,
    options: &'a Options,
    /// Rows without a label, and rows with a missing feature.
    unlabelled: Vec<usize>,
    incomplete: Vec<usize>,
    /// Rows that become records, with their targets.
    kept: Vec<(usize, Option<u16>)>,
    /// Spellings of each class with their counts.
    spellings: Vec<BTreeMap<String, usize>>,
    /// Labels that are respelled numbers of the schema, each with its class and its first row.
    respelled: BTreeMap<String, (u16, usize)>,
    /// The real targets of the rows that become records; NaN for a query without one.
    real: Vec<f64>,
    purpose: Purpose,
}

/// Why the rows are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To infer a schema, or to find its ranges. Problems that only affect a later file are notes, not doubts.
    Schema {
        /// Whether ranges from quantiles are another choice than the one made.
        quantiles: bool,
    },
    /// To commit the records.
    Records,
    /// To query a model: labels are optional, and all rows may be equal.
    Queries,
}

impl Purpose {
    fn is_schema(self) -> bool {
        matches!(self, Purpose::Schema { .. })
    }

    /// Advice to take ranges from quantiles, after other advice.
    fn or_quantiles(self) -> &'static str {
        match self {
            Purpose::Schema { quantiles: true } => ", or use --range quantile",
            Purpose::Schema { quantiles: false } => "",
            Purpose::Records | Purpose::Queries => ", or make the schema with --range quantile",
        }
    }
}

impl<'a> Assessment<'a> {
    /// Reads the labels and sorts the rows. The label of a row that lacks a feature does not count.
    ///
    /// # Errors
    /// In a row that becomes a record, a label or a category that is not in the schema; a regression target that is not a number.
    pub(crate) fn new(
        table: &'a Table<'a>,
        roles: Roles,
        values: &'a Values<'a>,
        schema: &'a Schema,
        options: &'a Options,
        purpose: Purpose,
    ) -> Result<Self, DataError> {
        let targets = Targets::new(schema);
        let mut found = Assessment {
            table,
            roles,
            values,
            schema,
            options,
            unlabelled: Vec::new(),
            incomplete: Vec::new(),
            kept: Vec::new(),
            spellings: vec![BTreeMap::new(); schema.classes()],
            respelled: BTreeMap::new(),
            real: Vec::new(),
            purpose,
        };
        let numbers = match (schema.target(), found.roles.label) {
            (Target::Real { lo, hi }, Some(column)) => Some((real(table, column, values.decimal)?, *lo, *hi)),
            _ => None,
        };
        for row in 0..table.len() {
            if found.values.gaps[row].is_some() {
                found.incomplete.push(row);
                continue;
            }
            let label = match &numbers {
                Some((real, lo, hi)) => (!real[row].is_nan()).then(|| real_step(real[row], *lo, *hi)),
                None => found.label(row, &targets)?,
            };
            if label.is_none() && purpose != Purpose::Queries {
                found.unlabelled.push(row);
            } else {
                found.kept.push((row, label));
                found.real.extend(numbers.as_ref().map(|(real, ..)| real[row]));
            }
        }
        table.settled()?;
        // these are in ascending order
        values.known(|row| found.kept.binary_search_by_key(&row, |(kept, _)| *kept).is_ok())?;
        Ok(found)
    }

    /// The values of a feature in the rows that become records.
    ///
    /// # Errors
    /// A column that cannot be read.
    pub(crate) fn feature(&self, feature: usize) -> Result<Vec<f64>, DataError> {
        let all = self.values.feature(feature)?;
        Ok(self.kept.iter().map(|(row, _)| all[*row]).collect())
    }

    /// The same rows beside a schema that differs in nothing but its ranges.
    pub(crate) fn with_ranges(self, schema: &'a Schema) -> Self {
        Assessment { schema, ..self }
    }

    /// The class of a row, if it has a label; counts its spelling.
    fn label(&mut self, row: usize, targets: &Targets<'_>) -> Result<Option<u16>, DataError> {
        let Some(column) = self.roles.label else { return Ok(None) };
        let text = self.table.get(row, column);
        let place = |fault: Fault| fault.at(self.table.file, self.table.line(row), column);
        let label = text.trim();
        if targets.is_gap(label, self.options) {
            return Ok(None);
        }
        let class = targets.class(label, self.values.decimal).map_err(|fault| {
            place(match fault {
                Fault::UnknownLabel { label, known, hint } if row == 0 && self.table.header.is_none() => {
                    let hint = hint + "; if this row is the header, pass --header";
                    Fault::UnknownLabel { label, known, hint }
                }
                fault => fault,
            })
        })?;
        if class.respelled {
            self.respelled.entry(label.to_owned()).or_insert((class.index, row));
        }
        *self.spellings[usize::from(class.index)].entry(text.into_owned()).or_default() += 1;
        Ok(Some(class.index))
    }

    /// A doubt about labels that are respelled numbers of the schema, unless all labels are whole numbers in one float format.
    fn similar(&self) -> Option<Doubt> {
        let (Target::Classes(labels), Some(column)) = (self.schema.target(), self.roles.label) else { return None };
        let first = self.respelled.values().map(|(_, row)| *row).min()?;
        if in_one_format(self.spellings.iter().flat_map(BTreeMap::keys).map(String::as_str), self.values.decimal) {
            return None;
        }
        let classes: BTreeSet<u16> = self.respelled.values().map(|(class, _)| *class).collect();
        let wanted = some(classes.iter().map(|class| labels[usize::from(*class)].as_str()));
        let (name, flag) = (self.table.name(column), Kind::Similar.flag());
        let written = some(self.respelled.keys().map(String::as_str));
        let message = format!("(`{name}`) has labels that are the schema's numbers in another spelling: {written}");
        let advice = format!("write them like the schema's {wanted}, or take them for these with {flag}");
        Some(Doubt::new(Kind::Similar, Some(self.table.line(first)), Some(column), message, advice))
    }

    /// Quantises the rows; returns the report, the records and, for each record, whether it has a label.
    ///
    /// # Errors
    /// No records are left.
    pub(crate) fn finish(mut self) -> Result<(Report, Records, Vec<bool>), DataError> {
        let width = self.schema.features().len();
        let mut steps = vec![0; self.kept.len() * width];
        let report = self.assess(|feature, row, step| steps[row * width + feature] = step)?;
        let mut records = Records::new(width);
        let targets = self.kept.iter().map(|(_, target)| target.unwrap_or(0));
        for (row, target) in targets.enumerate() {
            records.push(&steps[row * width..(row + 1) * width], target);
        }
        let labelled = self.kept.iter().map(|(_, t)| t.is_some()).collect();
        Ok((report, records, labelled))
    }

    /// The report alone: in less memory.
    ///
    /// # Errors
    /// No records are left.
    pub(crate) fn report(mut self) -> Result<Report, DataError> {
        self.assess(|_, _, _| {})
    }

    /// Goes through the features; calls `take` with feature, record and step of every value.
    fn assess(&mut self, mut take: impl FnMut(usize, usize, u8)) -> Result<Report, DataError> {
        let features = self.schema.features();
        let mut doubts = std::mem::take(&mut self.roles.doubts);
        doubts.extend(self.roles.label.and_then(|column| gaps::unlabelled(self.table, &self.unlabelled, column)));
        doubts.extend(self.similar());
        let lacking = self.incomplete.first().map_or(0, |row| self.values.gaps[*row].unwrap_or(0) as usize);
        let column = self.values.columns[lacking];
        let hot = self.schema.categories().iter().any(|c| (c.first..c.first + c.values.len()).contains(&lacking));
        doubts.extend(gaps::incomplete(self.table, &self.incomplete, column, "a feature missing", hot));
        let mut rows = Digests::new(&self.kept);
        let few = (self.kept.len() / 100).max(3.min(self.kept.len() / 10));
        let (mut columns, mut days) = (Vec::with_capacity(features.len()), Vec::with_capacity(features.len()));
        for (i, feature) in features.iter().enumerate() {
            let all = self.values.feature(i)?;
            let values: Vec<f64> = self.kept.iter().map(|(row, _)| all[*row]).collect();
            for (record, x) in values.iter().enumerate() {
                // rows with NaN are not in `kept`, so every value has a step
                take(i, record, feature.quantise(*x).unwrap_or(0));
                rows.add(record, *x);
            }
            let missing = self.incomplete.iter().filter(|row| all[**row].is_nan()).count();
            drop(all);
            let column = self.values.columns[i] + 1;
            let asked = doubts.iter().any(|d| d.kind == Kind::Days && d.column == Some(column));
            days.push(!asked && values.iter().all(|x| number::is_day(*x)));
            let outside = values.iter().position(|x| *x < feature.lo || *x > feature.hi);
            let column = told(feature, self.values.columns[i], missing, &Resolution::of(feature, values));
            self.beyond(&column, outside, few, &mut doubts);
            columns.push(column);
        }
        let target = self.target();
        if let Some(target) = &target {
            let [lo, hi] = target.range;
            let outside = self.real.iter().position(|x| *x < lo || *x > hi);
            // what the model is fitted to is not moved without asking
            self.beyond(target, outside, 0, &mut doubts);
        }
        let mut notes = self.notes(&columns, target.as_ref(), &days);
        for column in columns.iter().filter(|c| c.coarse && self.purpose != Purpose::Queries) {
            self.coarse(column, &mut doubts, &mut notes);
        }
        for doubt in &mut doubts {
            doubt.accepted = self.options.accept.contains(&doubt.kind);
        }
        if self.kept.is_empty() && doubts.iter().all(|d| d.accepted) {
            return Err(Fault::Empty.of(self.table.file));
        }
        self.table.settled()?;
        Ok(self.written(columns, target, notes, doubts, rows.repeated()))
    }

    fn target(&self) -> Option<ColumnReport> {
        let (Target::Real { lo, hi }, Some(column)) = (self.schema.target(), self.roles.label) else { return None };
        let feature = as_feature(*lo, *hi);
        let values: Vec<f64> = self.real.iter().copied().filter(|x| !x.is_nan()).collect();
        let mut steps: Vec<u16> = values.iter().map(|x| real_step(*x, *lo, *hi)).collect();
        steps.sort_unstable();
        steps.dedup();
        let found = Resolution { coarse: false, steps: steps.len(), ..Resolution::of(&feature, values) };
        Some(told(&feature, column, self.unlabelled.len(), &found))
    }

    /// Adds a doubt if more than `few` values are outside the range, or any value is far outside; `outside` is the first such
    /// record.
    fn beyond(&self, column: &ColumnReport, outside: Option<usize>, few: usize, doubts: &mut Vec<Doubt>) {
        let [lo, hi] = column.range;
        let records = self.kept.len();
        let far = column.min < lo - (hi - lo) || column.max > hi + (hi - lo);
        if self.purpose.is_schema() || !(column.clamped() > few || far) {
            return;
        }
        let share = 100 * column.clamped() / records.max(1);
        let name = &column.name;
        doubts.push(Doubt::new(
            Kind::Clamped,
            outside.map(|record| self.table.line(self.kept[record].0)),
            Some(column.column - 1),
            format!(
                "(`{name}`) is outside the schema's range [{lo}, {hi}], like {} of {records} values ({share} %), which \
                 run from {} to {}",
                column.clamped(),
                column.min,
                column.max
            ),
            format!(
                "check the unit, correct outliers, make the schema from wider data, or move these values to the range's \
                 ends with {}",
                Kind::Clamped.flag()
            ),
        ));
    }

    fn coarse(&self, column: &ColumnReport, doubts: &mut Vec<Doubt>, notes: &mut Vec<String>) {
        let [lo, hi] = column.range;
        let message = format!(
            "(`{}`) loses most of its values: nearly all of its {} distinct values fall on at most 3 of the 256 \
             steps from {lo} to {hi}",
            column.name, column.distinct
        );
        if self.purpose.is_schema() {
            notes.push(format!(
                "column {} {message}; an outlier or a placeholder for a missing value (such as -999) causes this: \
                 correct it{}",
                column.column,
                self.purpose.or_quantiles()
            ));
            return;
        }
        let flag = Kind::Coarse.flag();
        doubts.push(Doubt::new(
            Kind::Coarse,
            None,
            Some(column.column - 1),
            message,
            format!(
                "correct outliers and check the unit, make the schema with --range quantile, or accept it with {flag}"
            ),
        ));
    }

    /// `days` says of each column whether all its values look like days, and no doubt says so.
    fn notes(&self, columns: &[ColumnReport], target: Option<&ColumnReport>, days: &[bool]) -> Vec<String> {
        let mut notes = Vec::new();
        let named = |chosen: &dyn Fn(usize, &ColumnReport) -> bool| {
            let names = columns.iter().enumerate().filter(|(i, c)| chosen(*i, c)).map(|(_, c)| c.name.as_str());
            some(names)
        };
        if self.kept.len() > 1 && columns.iter().any(|c| c.distinct == 1) {
            notes.push(format!("constant, so they carry no information: {}", named(&|_, c| c.distinct == 1)));
        }
        let crowded = |c: &ColumnReport| c.crowded && !c.coarse && self.purpose != Purpose::Queries;
        if columns.iter().any(crowded) {
            let names = named(&|_, c| crowded(c));
            notes.push(format!(
                "a few values far off, such as an outlier or a placeholder for a missing value (-999), leave at most 16 of the 256 \
                 steps to nine tenths of the values: {names}; correct them{}",
                self.purpose.or_quantiles()
            ));
        }
        let days = |i: usize, c: &ColumnReport| c.distinct > 1 && days[i];
        if columns.iter().enumerate().any(|(i, c)| days(i, c)) {
            let names = named(&|i, c| days(i, c));
            notes.push(format!("days written as numbers (year, month, day), whose differences are no durations: {names}; write days since a fixed day"));
        }
        if !self.values.truths.is_empty() {
            notes.push(format!(
                "true and false are read as 1 and 0: {}",
                named(&|i, _| self.values.truths.contains(&i))
            ));
        }
        let beyond: Vec<_> = columns.iter().chain(target).filter(|c| c.clamped() > 0).collect();
        if !beyond.is_empty() {
            let names = some(beyond.iter().map(|c| c.name.as_str()));
            let clamped = beyond.iter().map(|c| c.clamped()).sum();
            let values = count(clamped, "value is", "values are");
            notes.push(format!("{values} clamped to the ends of the ranges: {names}"));
        }
        for class in self.classes().iter().filter(|c| !c.joined.is_empty()) {
            let spelled: Vec<String> = class.joined.iter().map(|(s, n)| format!("`{s}` ({n})")).collect();
            notes.push(format!("one class `{}`: {}", class.label, spelled.join(", ")));
        }
        if let Some(class) = self.classes().iter().find(|c| c.records == 0).filter(|_| self.roles.label.is_some()) {
            notes.push(format!("no record of class `{}`", class.label));
        }
        notes.extend(self.roles.label.and_then(|label| self.to_be_named(label)));
        notes
    }

    /// A note while a schema is inferred, if registering records needs the label's name, because neither that nor the values tell that
    /// it is the label.
    fn to_be_named(&self, label: usize) -> Option<String> {
        let name = self.table.name(label);
        let told = self.table.header.is_none() || is_label_name(&name) || !are_numbers(self.schema.target());
        if !self.purpose.is_schema() || told {
            return None;
        }
        let option = as_label(self.table, label);
        Some(format!(
            "the label (`{name}`) holds numbers and has no label's name, so a schema does not tell which column it is: to register \
             records, {option}"
        ))
    }

    fn classes(&self) -> Vec<ClassReport> {
        let Target::Classes(labels) = self.schema.target() else { return Vec::new() };
        let class = |(label, spellings): (&String, &BTreeMap<String, usize>)| {
            let own = spellings.keys().all(|s| s == label);
            ClassReport {
                label: label.clone(),
                records: spellings.values().sum(),
                joined: if own { Vec::new() } else { spellings.clone().into_iter().collect() },
            }
        };
        labels.iter().zip(&self.spellings).map(class).collect()
    }

    fn written(
        &mut self,
        features: Vec<ColumnReport>,
        target: Option<ColumnReport>,
        notes: Vec<String>,
        doubts: Vec<Doubt>,
        duplicates: usize,
    ) -> Report {
        let header = self.table.header.as_ref().map(|h| HeaderReport {
            row: h.line,
            comment: h.comment,
            names_matched: (!self.purpose.is_schema()).then_some(self.roles.matched),
            order_changed: self.roles.reordered,
        });
        let named = self.table.header.is_some();
        Report {
            file: self.table.file.to_owned(),
            records: self.kept.len(),
            gzip_members: self.table.members,
            separator: self.table.separator(),
            decimal_mark: if self.values.decimal == Decimal::Comma { "," } else { "." },
            header,
            label_column: self.roles.label.map(|c| c + 1),
            label_name: self.roles.label.filter(|_| named).map(|c| self.table.name(c)),
            classes: self.classes(),
            unlabelled: self.unlabelled.len(),
            incomplete: self.incomplete.len(),
            duplicates,
            comments: self.table.comments(),
            blank: self.table.blank(),
            left_out: std::mem::take(&mut self.roles.left_out),
            features,
            target,
            notes,
            doubts,
        }
    }
}

/// A digest of each record, under a key of this run, to count equal ones without keeping them.
struct Digests {
    key: RandomState,
    rows: Vec<u64>,
}

impl Digests {
    fn new(kept: &[(usize, Option<u16>)]) -> Self {
        let key = RandomState::new();
        Digests { rows: kept.iter().map(|(_, target)| key.hash_one(target)).collect(), key }
    }

    fn add(&mut self, record: usize, x: f64) {
        // zero has two signs
        self.rows[record] = self.key.hash_one((self.rows[record], (x + 0.0).to_bits()));
    }

    /// Number of records equal to an earlier one.
    fn repeated(mut self) -> usize {
        self.rows.sort_unstable();
        self.rows.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }
}

/// The real targets of all rows; NaN for a missing one.
///
/// # Errors
/// A target that is not a finite number.
fn real(table: &Table<'_>, column: usize, decimal: Decimal) -> Result<Vec<f64>, DataError> {
    // the text of a number of single precision is another number
    let stored = if table.truths(column)? == Some(false) { table.numbers(column)? } else { None };
    let number = |row: usize| {
        if let Some(x) = stored.as_ref().map(|all| all[row]).filter(|x| !x.is_infinite()) {
            return Ok(x);
        }
        let text = table.get(row, column);
        let text = text.trim();
        if number::is_gap(text) {
            return Ok(f64::NAN);
        }
        number::parse(text, decimal).ok_or_else(|| {
            let (name, why) = (table.name(column), number::why_not(text, decimal));
            Fault::NotNumber { name, text: shown(text).into_owned(), why }.at(table.file, table.line(row), column)
        })
    };
    (0..table.len()).map(number).collect()
}

fn told(feature: &Feature, column: usize, missing: usize, found: &Resolution) -> ColumnReport {
    ColumnReport {
        name: feature.name.clone(),
        column: column + 1,
        range: [feature.lo, feature.hi],
        min: found.min,
        max: found.max,
        missing,
        clamped_below: found.below,
        clamped_above: found.above,
        distinct: found.distinct,
        steps: found.steps,
        coarse: found.coarse,
        crowded: found.crowded,
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
