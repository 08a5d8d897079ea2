//! Parses the features of a table, and diagnoses columns that are not numeric.

use std::collections::BTreeSet;

use crate::dialect;
use crate::error::{DataError, Fault};
use crate::inputs::{Input, Vocabulary};
use crate::number::{self, Decimal};
use crate::phrase::some;
use crate::table::Table;

/// The features of all rows, row by row; NaN for a missing value.
#[derive(Debug)]
pub(crate) struct Values {
    /// The column of each feature in the file, from 0.
    pub(crate) columns: Vec<usize>,
    numbers: Vec<f64>,
    pub(crate) decimal: Decimal,
    /// Indices of features that hold true and false in the file, read as 1 and 0.
    pub(crate) truths: BTreeSet<usize>,
}

impl Values {
    /// Reads columns of a table, each as its [`Input`] says.
    ///
    /// # Errors
    /// The first field that is neither a finite number nor missing, or that is an unknown category.
    pub(crate) fn read(table: &Table<'_>, inputs: &[(usize, Input)], decimal: Decimal) -> Result<Self, DataError> {
        let mut columns = Vec::new();
        for (column, input) in inputs {
            let features = if let Input::OneHot(values) = input { values.len() } else { 1 };
            columns.extend(std::iter::repeat_n(*column, features));
        }
        let numbers = Vec::with_capacity(table.len() * columns.len());
        let mut values = Values { columns, numbers, decimal, truths: BTreeSet::new() };
        for row in 0..table.len() {
            for (column, input) in inputs {
                match input {
                    Input::Number => values.number(table, row, *column)?,
                    Input::OneHot(known) => values.one_hot(table, row, *column, known)?,
                }
            }
        }
        Ok(values)
    }

    fn number(&mut self, table: &Table<'_>, row: usize, column: usize) -> Result<(), DataError> {
        let text = table.get(row, column);
        // blanks inside quotes are not part of a number
        let text = text.trim();
        let number = match number::parse(text, self.decimal) {
            Some(x) => x,
            None if number::is_empty_feature(text) => f64::NAN,
            None => match number::truth(text) {
                Some(truth) => {
                    self.truths.insert(self.numbers.len() % self.columns.len());
                    f64::from(u8::from(truth))
                }
                None => return Err(no_number(table, row, column, self.decimal)),
            },
        };
        self.numbers.push(number);
        Ok(())
    }

    fn one_hot(&mut self, table: &Table<'_>, row: usize, column: usize, known: &Vocabulary) -> Result<(), DataError> {
        let text = table.get(row, column);
        let text = text.trim();
        if number::is_gap(text) && !known.has(text) {
            self.numbers.extend(std::iter::repeat_n(f64::NAN, known.len()));
            return Ok(());
        }
        let place = |fault: Fault| fault.at(table.file, table.line(row), column);
        let position = known.position(text, &table.name(column), self.decimal).map_err(place)?;
        self.numbers.extend((0..known.len()).map(|i| f64::from(u8::from(i == position))));
        Ok(())
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.columns.len()..(row + 1) * self.columns.len()]
    }
}

/// Finds the decimal mark used in `columns`.
pub(crate) fn decimal(table: &Table<'_>, columns: &[usize]) -> Result<Decimal, DataError> {
    let fields = (0..table.len()).flat_map(|r| columns.iter().map(move |c| (table.line(r), *c, table.get(r, *c))));
    dialect::decimal(fields).map_err(|(fault, row, column)| fault.at(table.file, row, column))
}

/// What is wrong with a field, or with its whole column.
fn no_number(table: &Table<'_>, row: usize, column: usize, decimal: Decimal) -> DataError {
    let name = table.name(column);
    let (mut texts, mut numbers, mut dates, mut long) = (BTreeSet::new(), 0, 0, 0);
    for r in 0..table.len() {
        let text = table.get(r, column);
        if number::is_empty_feature(&text) {
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
        let text = table.get(row, column).into_owned();
        let mut why = number::why_not(&text, decimal);
        if row == 0 && table.header.is_none() {
            why += "; if this row is the header, pass --header";
        }
        return Fault::NotNumber { name, text, why }.at(table.file, table.line(row), column);
    }
    let selector = if table.header.is_some() { name.clone() } else { (column + 1).to_string() };
    let leave = format!("leave it out with --drop \"{selector}\"");
    let (what, advice) = match () {
        () if 2 * dates >= others => {
            ("dates or times", format!("turn them into numbers, such as days since a fixed day, or {leave}"))
        }
        () if 2 * long >= others => ("free text", format!("turn it into numbers with an embedding model, or {leave}")),
        () if others >= 10 && texts.len() == others => ("another text in every record, like an identifier", leave),
        () if texts.len() <= 50.max(others / 10) => (
            "categories",
            format!(
                "one-hot encode it with --one-hot \"{selector}\" when making the schema, pass --label \
                 \"{selector}\" if it is the label, or {leave}"
            ),
        ),
        () => ("mostly distinct texts", leave),
    };
    let examples = some(texts.iter().take(3).map(String::as_str));
    Fault::NotNumbers { name, what, examples, advice }.at_column(table.file, column)
}
