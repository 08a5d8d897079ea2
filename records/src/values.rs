//! Parses the features of a table, and diagnoses columns that are not numeric.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::columns::{leave_out, selector};
use crate::dialect;
use crate::error::{DataError, Fault};
use crate::inputs::{Input, Vocabulary};
use crate::number::{self, Decimal};
use crate::phrase::{shown, some};
use crate::table::Table;

/// The features of all rows; NaN for a missing value. A category that is unknown is none of the known ones.
#[derive(Debug)]
pub(crate) struct Values<'t> {
    table: &'t Table<'t>,
    /// The columns that are read, and for each feature which of them it is of, and which of that column's features it is.
    inputs: Vec<(usize, Input)>,
    places: Vec<(usize, usize)>,
    /// The column of each feature in the file, from 0.
    pub(crate) columns: Vec<usize>,
    /// The values of a text table, row by row. The columns of a columnar file are read again whenever a feature is asked for, so that
    /// only one is in memory.
    held: Option<Vec<f64>>,
    /// The one-hot column of a columnar file that was read last, with its number among the inputs.
    last: RefCell<Option<(usize, Rc<Vec<Category>>)>>,
    pub(crate) decimal: Decimal,
    /// Indices of features that hold true and false in the file, read as 1 and 0.
    pub(crate) truths: BTreeSet<usize>,
    /// For each row the first feature that is missing.
    pub(crate) gaps: Vec<Option<u32>>,
    /// Rows with a category that is unknown, each with its input.
    unknown: Vec<(usize, usize)>,
}

/// A field of a one-hot column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    /// Its position among the known values.
    Known(usize),
    Unknown,
    Missing,
}

impl Category {
    /// The value of the column's feature number `at`.
    fn value(self, at: usize) -> f64 {
        match self {
            Category::Known(position) => f64::from(u8::from(position == at)),
            Category::Unknown => 0.0,
            Category::Missing => f64::NAN,
        }
    }
}

impl<'t> Values<'t> {
    /// Reads columns of a table, each as its [`Input`] says.
    ///
    /// Categories that are unknown are no error here: their rows may be left out. [`Values::known`] is for those that are not.
    ///
    /// # Errors
    /// A field that is neither a finite number nor missing: the first one of a text table, or of the first such column of a columnar
    /// file.
    pub(crate) fn read(table: &'t Table<'t>, inputs: &[(usize, Input)], decimal: Decimal) -> Result<Self, DataError> {
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (input, (column, how)) in inputs.iter().enumerate() {
            let features = if let Input::OneHot(values) = how { values.len() } else { 1 };
            columns.extend(std::iter::repeat_n(*column, features));
            places.extend((0..features).map(|feature| (input, feature)));
        }
        let (truths, gaps) = (BTreeSet::new(), vec![None; table.len()]);
        let (inputs, last, unknown) = (inputs.to_vec(), RefCell::default(), Vec::new());
        let mut values = Values { table, inputs, places, columns, held: None, last, decimal, truths, gaps, unknown };
        if table.is_columnar() {
            values.look()?;
        } else {
            values.hold()?;
        }
        Ok(values)
    }

    /// Reads a text table.
    fn hold(&mut self) -> Result<(), DataError> {
        let (table, width) = (self.table, self.columns.len());
        let (numbers, truths) = (Vec::with_capacity(table.len() * width), BTreeSet::new());
        let mut held = Held { numbers, width, decimal: self.decimal, truths };
        for row in 0..table.len() {
            let gap = &mut self.gaps[row];
            for (i, (column, input)) in self.inputs.iter().enumerate() {
                let feature = (held.numbers.len() % width) as u32;
                let missing = match input {
                    Input::Number => held.number(table, row, *column)?.is_nan(),
                    Input::OneHot(known) => {
                        let category = category(table, row, *column, known, self.decimal);
                        held.numbers.extend((0..known.len()).map(|at| category.value(at)));
                        if category == Category::Unknown {
                            self.unknown.push((row, i));
                        }
                        category == Category::Missing
                    }
                };
                if missing {
                    gap.get_or_insert(feature);
                }
            }
        }
        (self.held, self.truths) = (Some(held.numbers), held.truths);
        Ok(())
    }

    /// Looks at all columns of a columnar file once, for what cannot be read, for gaps and for truth values.
    fn look(&mut self) -> Result<(), DataError> {
        let (table, mut feature) = (self.table, 0);
        for (i, (column, input)) in self.inputs.iter().enumerate() {
            if let Input::OneHot(known) = input {
                for (row, category) in self.categories(i, *column, known)?.iter().enumerate() {
                    match category {
                        Category::Known(_) => {}
                        Category::Unknown => self.unknown.push((row, i)),
                        Category::Missing => {
                            self.gaps[row].get_or_insert(feature as u32);
                        }
                    }
                }
                feature += known.len();
                continue;
            }
            for (row, x) in self.feature(feature)?.iter().enumerate() {
                if x.is_nan() {
                    self.gaps[row].get_or_insert(feature as u32);
                } else if !x.is_finite() {
                    let (name, text) = (table.name(*column), table.get(row, *column).into_owned());
                    let why = number::why_not(&text, self.decimal);
                    return Err(Fault::NotNumber { name, text, why }.at(table.file, table.line(row), *column));
                }
            }
            let truth = |row| number::truth(&table.get(row, *column)).is_some();
            let is_truth = match table.truths(*column)? {
                Some(truths) => truths,
                None => (0..table.len()).any(truth),
            };
            if is_truth {
                self.truths.insert(feature);
            }
            feature += 1;
        }
        table.settled()
    }

    /// # Errors
    /// A category that is unknown, in the first such row that becomes a record.
    pub(crate) fn known(&self, is_record: impl Fn(usize) -> bool) -> Result<(), DataError> {
        let first = self.unknown.iter().filter(|(row, _)| is_record(*row)).min();
        let Some(&(row, input)) = first else { return Ok(()) };
        let (table, (column, input)) = (self.table, &self.inputs[input]);
        let Input::OneHot(known) = input else { return Ok(()) };
        let fault = known.unknown(table.get(row, *column).trim(), &table.name(*column), self.decimal);
        Err(fault.at(table.file, table.line(row), *column))
    }

    /// The values of a feature, one for each row.
    ///
    /// # Errors
    /// A column of a columnar file that cannot be read.
    pub(crate) fn feature(&self, feature: usize) -> Result<Vec<f64>, DataError> {
        if let Some(held) = &self.held {
            return Ok(held.iter().skip(feature).step_by(self.columns.len()).copied().collect());
        }
        let (input, at) = self.places[feature];
        match &self.inputs[input] {
            (column, Input::Number) => numbers(self.table, *column, self.decimal),
            (column, Input::OneHot(known)) => {
                let categories = self.categories(input, *column, known)?;
                Ok(categories.iter().map(|category| category.value(at)).collect())
            }
        }
    }

    /// The categories of all rows of a columnar file's column, which is this input.
    fn categories(&self, input: usize, column: usize, known: &Vocabulary) -> Result<Rc<Vec<Category>>, DataError> {
        if let Some((_, categories)) = self.last.borrow().as_ref().filter(|(last, _)| *last == input) {
            return Ok(Rc::clone(categories));
        }
        let rows = 0..self.table.len();
        let categories = Rc::new(rows.map(|row| category(self.table, row, column, known, self.decimal)).collect());
        self.table.settled()?;
        self.last.replace(Some((input, Rc::clone(&categories))));
        Ok(categories)
    }
}

/// The numbers of a columnar file's column; texts are read as those of a text table.
fn numbers(table: &Table<'_>, column: usize, decimal: Decimal) -> Result<Vec<f64>, DataError> {
    if let Some(numbers) = table.numbers(column)? {
        return Ok(numbers);
    }
    let mut held = Held { numbers: Vec::with_capacity(table.len()), width: 1, decimal, truths: BTreeSet::new() };
    for row in 0..table.len() {
        held.number(table, row, column)?;
    }
    table.settled()?;
    Ok(held.numbers)
}

fn category(table: &Table<'_>, row: usize, column: usize, known: &Vocabulary, decimal: Decimal) -> Category {
    let text = table.get(row, column);
    let text = text.trim();
    if number::is_gap(text) && !known.has(text) {
        return Category::Missing;
    }
    known.position(text, decimal).map_or(Category::Unknown, Category::Known)
}

/// Values in memory, row by row.
struct Held {
    numbers: Vec<f64>,
    /// Features of a row.
    width: usize,
    decimal: Decimal,
    truths: BTreeSet<usize>,
}

impl Held {
    /// Takes a number; NaN if it is missing.
    fn number(&mut self, table: &Table<'_>, row: usize, column: usize) -> Result<f64, DataError> {
        let text = table.get(row, column);
        // blanks inside quotes are not part of a number
        let text = text.trim();
        let number = match number::parse(text, self.decimal) {
            Some(x) => x,
            None if number::is_gap(text) => f64::NAN,
            None => match number::truth(text) {
                Some(truth) => {
                    self.truths.insert(self.numbers.len() % self.width);
                    f64::from(u8::from(truth))
                }
                None => return Err(no_number(table, row, column, self.decimal)),
            },
        };
        self.numbers.push(number);
        Ok(number)
    }
}

/// Finds the decimal mark used in `columns`.
pub(crate) fn decimal(table: &Table<'_>, columns: &[usize]) -> Result<Decimal, DataError> {
    if table.is_columnar() {
        return Ok(Decimal::Point);
    }
    let fields = (0..table.len()).flat_map(|r| columns.iter().map(move |c| (table.line(r), *c, table.get(r, *c))));
    dialect::decimal(table.separator(), fields).map_err(|(fault, row, column)| fault.at(table.file, row, column))
}

/// What is wrong with a field, or with its whole column.
fn no_number(table: &Table<'_>, row: usize, column: usize, decimal: Decimal) -> DataError {
    let name = table.name(column);
    let (mut texts, mut numbers, mut dates, mut long) = (BTreeSet::new(), 0, 0, 0);
    for r in 0..table.len() {
        let text = table.get(r, column);
        if number::is_gap(&text) {
            continue;
        }
        if number::is_misformed(&text) {
            numbers += 1;
        } else {
            dates += usize::from(number::is_date(&text));
            long += usize::from(text.len() > 40 || text.split_whitespace().count() > 4);
            texts.insert(text.into_owned());
        }
    }
    let others = table.len() - numbers;
    if others < 2 || others <= numbers {
        let text = table.get(row, column);
        let mut why = number::why_not(&text, decimal);
        if row == 0 && table.header.is_none() {
            why += "; if this row is the header, pass --header";
        }
        let text = shown(&text).into_owned();
        return Fault::NotNumber { name, text, why }.at(table.file, table.line(row), column);
    }
    let leave = leave_out(table, column);
    let named = |option: &str| match selector(table, column) {
        Some(selector) => format!("{option}{selector}"),
        None => format!("{option}, once it has a name of its own,"),
    };
    let (what, advice) = match () {
        () if 2 * dates >= others => {
            ("dates or times", format!("turn them into numbers, such as days since a fixed day, or {leave}"))
        }
        () if 2 * long >= others => ("free text", format!("turn it into numbers with an embedding model, or {leave}")),
        () if others >= 10 && texts.len() == others => ("another text in every record, like an identifier", leave),
        () if texts.len() <= 50.max(others / 10) => (
            "categories",
            format!(
                "one-hot encode it with {} when making the schema, pass {} if it is the label, or {leave}",
                named("--one-hot"),
                named("--label")
            ),
        ),
        () => ("mostly distinct texts", leave),
    };
    let examples = some(texts.iter().take(3).map(String::as_str));
    Fault::NotNumbers { name, what, examples, advice }.at_column(table.file, column)
}
