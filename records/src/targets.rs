//! Maps a target column to classes, or to the 16-bit steps of a real value.

use std::collections::HashMap;

use tribute_core::schema::{Feature, Schema, Target};

use crate::error::Fault;
use crate::labels::{hint, Key, Looks};
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::some;

/// The labels of a schema, indexed by spelling and by value.
pub(crate) struct Targets<'s> {
    labels: &'s [String],
    exact: HashMap<&'s str, u16>,
    keys: HashMap<Key, u16>,
    /// By the bits of a number; `None` if several labels are that number.
    values: HashMap<u64, Option<u16>>,
    looks: Looks,
}

/// The class of a label in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    /// Its index in the schema.
    pub(crate) index: u16,
    /// Whether the label is the schema's number in a spelling that may be a code: `1.00` for `1`, `7` for `007`.
    pub(crate) respelled: bool,
}

impl<'s> Targets<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let labels: &[String] = match schema.target() {
            Target::Classes(labels) => labels,
            Target::Real { .. } => &[],
        };
        let (exact, keys, values) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut targets = Targets { labels, exact, keys, values, looks: Looks::of(labels) };
        for (class, label) in labels.iter().enumerate() {
            targets.exact.insert(label, class as u16);
            let key = Key::of(label, Decimal::Point);
            if let Some(x) = key.value() {
                targets.values.entry(x.to_bits()).and_modify(|only| *only = None).or_insert(Some(class as u16));
            }
            targets.keys.entry(key).or_insert(class as u16);
        }
        targets
    }

    /// Whether a label is missing: spelled like a missing value, unless the schema has that class.
    pub(crate) fn is_gap(&self, text: &str, options: &Options) -> bool {
        text.is_empty() || (number::is_gap(text) && !options.gaps_are_labels && !self.exact.contains_key(text))
    }

    /// The class of a label: by exact spelling, by [`Key`], or of the one label that is the same number or looks the same.
    pub(crate) fn class(&self, text: &str, decimal: Decimal) -> Result<Class, Fault> {
        if let Some(index) = self.exact.get(text) {
            return Ok(Class { index: *index, respelled: false });
        }
        let key = Key::of(text, decimal);
        if let Some(index) = self.keys.get(&key) {
            return Ok(Class { index: *index, respelled: false });
        }
        if let Some(index) = key.value().and_then(|x| self.values.get(&x.to_bits()).copied().flatten()) {
            return Ok(Class { index, respelled: true });
        }
        if let Some(index) = self.looks.position(text) {
            return Ok(Class { index: index as u16, respelled: false });
        }
        let or = "correct it, drop the row, or name another column with --label";
        let (label, hint) = hint(self.labels, text, decimal, or);
        let known = some(self.labels.iter().map(String::as_str));
        Err(Fault::UnknownLabel { label, known, hint })
    }
}

/// The 16-bit step of a regression target, clamped to `[lo, hi]`.
pub(crate) fn real_step(x: f64, lo: f64, hi: f64) -> u16 {
    ((x - lo) * 65_535.0 / (hi - lo)).round_ties_even().clamp(0.0, 65_535.0) as u16
}

/// A regression target as a feature, to count values outside its range.
pub(crate) fn as_feature(lo: f64, hi: f64) -> Feature {
    Feature { name: "target".into(), lo, hi }
}
