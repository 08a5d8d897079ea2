//! The columns that a schema expects: one per numeric feature, and one for all features of a one-hot column.

use std::collections::HashMap;

use tribute_core::schema::{Categories, Schema};

use crate::error::Fault;
use crate::labels::{hint, Key, Looks};
use crate::number::Decimal;
use crate::phrase::some;

/// How a column of the file is read.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// As one numeric feature.
    Number,
    /// As one 0/1 feature per known value.
    OneHot(Vocabulary),
}

/// The known values of a one-hot column.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    values: Vec<String>,
    positions: HashMap<Key, usize>,
    looks: Looks,
}

impl Vocabulary {
    pub(crate) fn new(values: Vec<String>) -> Self {
        let positions = values.iter().enumerate().rev().map(|(i, v)| (Key::of(v, Decimal::Point), i)).collect();
        Vocabulary { looks: Looks::of(&values), values, positions }
    }

    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether `text` is one of the values, exactly as spelled.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.values.iter().any(|v| v == text)
    }

    /// Index of a value, matched by [`Key`], by exact spelling, or by how it looks.
    pub(crate) fn position(&self, text: &str, decimal: Decimal) -> Option<usize> {
        let exact = || self.values.iter().position(|v| v == text);
        let looks = || self.looks.position(text);
        self.positions.get(&Key::of(text, decimal)).copied().or_else(exact).or_else(looks)
    }

    /// What is wrong with a text of the column `name` that is none of the values.
    pub(crate) fn unknown(&self, text: &str, name: &str, decimal: Decimal) -> Fault {
        let (text, hint) = hint(&self.values, text, decimal, "correct it or drop the row");
        let known = some(self.values.iter().map(String::as_str));
        Fault::UnknownCategory { name: name.into(), text, known, hint }
    }
}

/// The expected columns in the schema's order: name, and the known values of a one-hot column.
fn expected(schema: &Schema) -> Vec<(&str, Option<&[String]>)> {
    let mut all = Vec::new();
    let mut at = 0;
    for Categories { column, first, values } in schema.categories() {
        all.extend(schema.features()[at..*first].iter().map(|f| (f.name.as_str(), None)));
        all.push((column.as_str(), Some(values.as_slice())));
        at = first + values.len();
    }
    all.extend(schema.features()[at..].iter().map(|f| (f.name.as_str(), None)));
    all
}

/// The names of the expected columns, in the schema's order.
pub(crate) fn input_names(schema: &Schema) -> Vec<&str> {
    expected(schema).into_iter().map(|(name, _)| name).collect()
}

/// The expected columns in the schema's order: name and how to read it.
pub(crate) fn inputs(schema: &Schema) -> Vec<(&str, Input)> {
    let one_hot = |values: &[String]| Input::OneHot(Vocabulary::new(values.to_vec()));
    expected(schema).into_iter().map(|(name, values)| (name, values.map_or(Input::Number, one_hot))).collect()
}
