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

/// The features of all rows; NaN for a missing value.
#[derive(Debug)]
pub(crate) struct Values<'t> {
    /// The column of each feature in the file, from 0.
    pub(crate) columns: Vec<usize>,
    numbers: Numbers<'t>,
    pub(crate) decimal: Decimal,
    /// Indices of features that hold true and false in the file, read as 1 and 0.
    pub(crate) truths: BTreeSet<usize>,
    /// For each row the first feature that is missing.
    pub(crate) gaps: Vec<Option<u32>>,
}

/// Each row's position among a column's categories, or none.
type Positions = Rc<Vec<Option<usize>>>;

#[derive(Debug)]
enum Numbers<'t> {
    /// Of a text table: row by row.
    Held(Vec<f64>),
    /// Of a columnar file: read again whenever a feature is asked for, so that only one is in memory.
    Read {
        table: &'t Table<'t>,
        /// The column of each feature, and which of the column's features it is.
        inputs: Vec<(usize, Input)>,
        places: Vec<(usize, usize)>,
        /// The one-hot column read last: each row's position, or none.
        hot: RefCell<Option<(usize, Positions)>>,
    },
}

impl<'t> Values<'t> {
    /// Reads columns of a table, each as its [`Input`] says.
    ///
    /// # Errors
    /// A field that is neither a finite number nor missing, or that is an unknown category: the first one of a text table, or
    /// of the first such column of a columnar file.
    pub(crate) fn read(table: &'t Table<'t>, inputs: &[(usize, Input)], decimal: Decimal) -> Result<Self, DataError> {
        let (mut columns, mut places) = (Vec::new(), Vec::new());
        for (input, (column, how)) in inputs.iter().enumerate() {
            let features = if let Input::OneHot(values) = how { values.len() } else { 1 };
            columns.extend(std::iter::repeat_n(*column, features));
            places.extend((0..features).map(|feature| (input, feature)));
        }
        let (truths, gaps) = (BTreeSet::new(), vec![None; table.len()]);
        if table.is_columnar() {
            let numbers = Numbers::Read { table, inputs: inputs.to_vec(), places, hot: RefCell::default() };
            let mut values = Values { columns, numbers, decimal, truths, gaps };
            values.look(inputs)?;
            return Ok(values);
        }
        let mut held =
            Held { numbers: Vec::with_capacity(table.len() * columns.len()), width: columns.len(), decimal, truths };
        for row in 0..table.len() {
            for (column, input) in inputs {
                match input {
                    Input::Number => held.number(table, row, *column)?,
                    Input::OneHot(known) => held.one_hot(table, row, *column, known)?,
                }
            }
        }
        let first = |row: &[f64]| row.iter().position(|x| x.is_nan()).map(|i| i as u32);
        let gaps = if held.width == 0 { gaps } else { held.numbers.chunks_exact(held.width).map(first).collect() };
        Ok(Values { columns, numbers: Numbers::Held(held.numbers), decimal, truths: held.truths, gaps })
    }

    /// Looks at all columns of a columnar file once, for what cannot be read, for gaps and for truth values.
    fn look(&mut self, inputs: &[(usize, Input)]) -> Result<(), DataError> {
        let Numbers::Read { table, .. } = &self.numbers else { return Ok(()) };
        let (table, mut feature) = (*table, 0);
        for (column, input) in inputs {
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
                None => matches!(input, Input::Number) && (0..table.len()).any(truth),
            };
            if is_truth && matches!(input, Input::Number) {
                self.truths.insert(feature);
            }
            feature += if let Input::OneHot(values) = input { values.len() } else { 1 };
        }
        table.settled()
    }

    /// The values of a feature, one for each row.
    ///
    /// # Errors
    /// A column of a columnar file that cannot be read.
    pub(crate) fn feature(&self, feature: usize) -> Result<Vec<f64>, DataError> {
        let (table, inputs, (input, at), hot) = match &self.numbers {
            Numbers::Held(numbers) => {
                return Ok(numbers.iter().skip(feature).step_by(self.columns.len()).copied().collect());
            }
            Numbers::Read { table, inputs, places, hot } => (*table, inputs, places[feature], hot),
        };
        let (column, how) = &inputs[input];
        let known = match how {
            Input::Number => return numbers(table, *column, self.decimal),
            Input::OneHot(known) => known,
        };
        let kept = hot.borrow().as_ref().filter(|(last, _)| *last == input).map(|(_, positions)| positions.clone());
        let positions = match kept {
            Some(positions) => positions,
            None => {
                let positions = Rc::new(positions(table, *column, known, self.decimal)?);
                hot.replace(Some((input, positions.clone())));
                positions
            }
        };
        let value = |position: &Option<usize>| position.map_or(f64::NAN, |p| f64::from(u8::from(p == at)));
        Ok(positions.iter().map(value).collect())
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

/// Each row's position among the known values of a one-hot column; `None` if it is missing.
fn positions(
    table: &Table<'_>,
    column: usize,
    known: &Vocabulary,
    decimal: Decimal,
) -> Result<Vec<Option<usize>>, DataError> {
    let found = (0..table.len()).map(|row| position(table, row, column, known, decimal)).collect();
    table.settled()?;
    found
}

/// A field's position among the known values; `None` if it is missing.
fn position(
    table: &Table<'_>,
    row: usize,
    column: usize,
    known: &Vocabulary,
    decimal: Decimal,
) -> Result<Option<usize>, DataError> {
    let text = table.get(row, column);
    let text = text.trim();
    if number::is_gap(text) && !known.has(text) {
        return Ok(None);
    }
    let place = |fault: Fault| fault.at(table.file, table.line(row), column);
    known.position(text, &table.name(column), decimal).map(Some).map_err(place)
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
    fn number(&mut self, table: &Table<'_>, row: usize, column: usize) -> Result<(), DataError> {
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
        Ok(())
    }

    fn one_hot(&mut self, table: &Table<'_>, row: usize, column: usize, known: &Vocabulary) -> Result<(), DataError> {
        let position = position(table, row, column, known, self.decimal)?;
        let value = |i| position.map_or(f64::NAN, |p| f64::from(u8::from(i == p)));
        self.numbers.extend((0..known.len()).map(value));
        Ok(())
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
        if number::is_numeric(&text) || number::is_grouped(&text) || text.ends_with('%') {
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
        Some(selector) => format!("{option} {selector}"),
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
