//! Maps a target column to classes, or to the 16-bit steps of a real value.

use std::collections::HashMap;

use tribute_core::schema::{Feature, Schema, Target};

use crate::error::Fault;
use crate::labels::Key;
use crate::number::{self, Decimal};
use crate::options::Options;
use crate::phrase::{shown, some};

/// The labels of a schema, indexed by spelling and by value.
pub(crate) struct Targets<'s> {
    labels: &'s [String],
    exact: HashMap<&'s str, u16>,
    keys: HashMap<Key, u16>,
}

impl<'s> Targets<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let labels: &[String] = match schema.target() {
            Target::Classes(labels) => labels,
            Target::Real { .. } => &[],
        };
        let mut targets = Targets { labels, exact: HashMap::new(), keys: HashMap::new() };
        for (class, label) in labels.iter().enumerate() {
            targets.exact.insert(label, class as u16);
            targets.keys.entry(Key::of(label, Decimal::Point)).or_insert(class as u16);
        }
        targets
    }

    /// Whether a label is missing: spelled like a missing value, unless the schema has that class.
    pub(crate) fn is_gap(&self, text: &str, options: &Options) -> bool {
        text.is_empty() || (number::is_gap(text) && !options.gaps_are_labels && !self.exact.contains_key(text))
    }

    /// The class of a label, by exact spelling or by [`Key`].
    pub(crate) fn class(&self, text: &str, decimal: Decimal) -> Result<u16, Fault> {
        if let Some(class) = self.exact.get(text).or_else(|| self.keys.get(&Key::of(text, decimal))) {
            return Ok(*class);
        }
        let alike = Key::of(text, decimal).alike();
        let near = self.labels.iter().find(|l| Key::of(l, Decimal::Point).alike() == alike);
        let hint = near.map_or(": correct it, drop the row, or name another column with --label".to_owned(), |l| {
            format!(": write it like the schema's `{}`", shown(l))
        });
        let known = some(self.labels.iter().map(String::as_str));
        Err(Fault::UnknownLabel { label: shown(text).into_owned(), known, hint })
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
