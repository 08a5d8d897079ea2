//! The numbers of a table's features, and a sentence for a column that holds none.

use std::collections::BTreeSet;

use crate::columns::some;
use crate::dialect;
use crate::error::{DataError, Fault};
use crate::number::{self, Decimal};
use crate::table::Table;

/// Numbers of some columns, row after row; NaN where one is missing.
#[derive(Debug)]
pub(crate) struct Values {
    width: usize,
    numbers: Vec<f64>,
    pub(crate) decimal: Decimal,
    /// Positions of columns that hold true and false, read as 1 and 0.
    pub(crate) truths: BTreeSet<usize>,
}

impl Values {
    /// Reads `columns` of a table.
    ///
    /// # Errors
    /// The first field that is no finite number and no gap.
    pub(crate) fn read(table: &Table<'_>, columns: &[usize], decimal: Decimal) -> Result<Self, DataError> {
        let mut values = Values {
            width: columns.len(),
            numbers: Vec::with_capacity(table.len() * columns.len()),
            decimal,
            truths: BTreeSet::new(),
        };
        for row in 0..table.len() {
            for (i, &column) in columns.iter().enumerate() {
                let text = table.get(row, column);
                let number = match number::parse(&text, decimal) {
                    Some(x) => x,
                    None if number::is_empty_feature(&text) => f64::NAN,
                    None => match number::truth(&text) {
                        Some(truth) => {
                            values.truths.insert(i);
                            f64::from(u8::from(truth))
                        }
                        None => return Err(no_number(table, row, column, decimal)),
                    },
                };
                values.numbers.push(number);
            }
        }
        Ok(values)
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.numbers[row * self.width..(row + 1) * self.width]
    }
}

/// The decimal mark of some columns.
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
            why += "; if this row is the header, say --header";
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
        () if texts.len() <= 50.max(others / 10) => (
            "categories",
            format!(
                "write a column of 0 and 1 for each (in Python `pandas.get_dummies(table, dtype=int)`), say --label \
                 \"{selector}\" if it is the label, or {leave}"
            ),
        ),
        () => ("texts that are mostly different", leave),
    };
    let examples = some(texts.iter().take(3).map(String::as_str));
    Fault::NotNumbers { name, what, examples, advice }.at_column(table.file, column)
}
