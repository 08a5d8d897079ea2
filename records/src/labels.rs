//! Labels: which spellings belong to one class, and which texts are unsuitable as classes.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use crate::number::{self, Decimal};

/// 2^53: f64 represents every whole number below it exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a label, independent of its spelling: `1`, `1.0` and `01` are equal, as are `True` and `TRUE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The bits of a number, mapped so that they sort in numeric order.
    Number(i64),
    Truth(bool),
    Text(String),
}

impl Key {
    pub(crate) fn of(text: &str, decimal: Decimal) -> Key {
        match number::parse(text, decimal) {
            // zero has two signs in f64
            Some(x) if x.abs() < EXACT => Key::Number(ordered(x + 0.0)),
            _ => match number::truth(text) {
                Some(truth) => Key::Truth(truth),
                None => Key::Text(text.to_owned()),
            },
        }
    }

    /// Lower-cased text with single blanks, its letters in one form (`é` is one character or two), to find look-alikes; `None`
    /// for numbers and truth values.
    pub(crate) fn folded(&self) -> Option<String> {
        match self {
            Key::Text(text) => {
                Some(text.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
            }
            _ => None,
        }
    }
}

/// Maps `x` to an integer with the same order (that of `f64::total_cmp`).
fn ordered(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Labels by class: each spelling with its number of records.
pub(crate) type Spellings = BTreeMap<Key, BTreeMap<String, usize>>;

/// The spelling that names a class: the shortest, then the first in byte order.
pub(crate) fn name(spellings: &BTreeMap<String, usize>) -> &str {
    spellings.keys().min_by_key(|s| (s.len(), s.as_str())).map_or("", String::as_str)
}

/// Why these labels are unsuitable as classes, if they are.
pub(crate) fn not_classes(classes: &Spellings, records: usize) -> Option<String> {
    let distinct = classes.len();
    if distinct < 10 || records < 20 {
        return None;
    }
    let numeric = classes.keys().all(|k| matches!(k, Key::Number(_)));
    let whole = classes.values().flat_map(BTreeMap::keys).all(|s| !s.contains(['.', ',']) || s.ends_with(".0"));
    let sparse = 2 * distinct > records;
    match (numeric, whole) {
        (true, false) if sparse || distinct > 50 => Some(format!("{distinct} different numbers in {records} records")),
        (true, true) if sparse => Some(format!("{distinct} different whole numbers in {records} records")),
        (false, _) if sparse => Some(format!("{distinct} different texts in {records} records")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::of(text, Decimal::Point)
    }

    #[test]
    fn equal_numbers_and_truths_are_one_class() {
        for (a, b) in [("1", "1.0"), ("1", "01"), ("0", "-0.0"), ("1e3", "1000"), ("True", "TRUE"), ("false", "False")]
        {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        for (a, b) in
            [("1", "2"), ("1", "True"), ("yes", "Yes"), ("9007199254740993", "9007199254740992.0"), ("a", "b")]
        {
            assert_ne!(key(a), key(b), "{a} {b}");
        }
        assert_eq!(Key::of("1,0", Decimal::Comma), key("1"));
    }

    #[test]
    fn numbers_are_in_ascending_order() {
        let mut keys: Vec<Key> = ["10", "-1", "2", "-10.5", "0"].iter().map(|t| key(t)).collect();
        keys.sort();
        assert_eq!(keys, ["-10.5", "-1", "0", "2", "10"].map(key));
    }

    #[test]
    fn measurements_and_texts_are_no_classes() {
        let of = |labels: &[String]| {
            let mut all = Spellings::new();
            for label in labels {
                *all.entry(key(label)).or_default().entry(label.clone()).or_default() += 1;
            }
            not_classes(&all, labels.len())
        };
        let many = |n: usize, f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<Vec<_>>();
        assert!(of(&many(120, &|i| format!("{}.5", i % 70))).is_some());
        assert!(of(&many(120, &|i| format!("{}", i % 70))).is_some());
        assert!(of(&many(120, &|i| format!("text {i}"))).is_some());
        // the boundary is half of the records
        assert!(of(&many(40, &|i| format!("{}", i % 20))).is_none());
        assert!(of(&many(40, &|i| format!("{}", i % 21))).is_some());
        assert!(of(&many(120, &|i| format!("{}.5", i % 9))).is_none());
        assert!(of(&many(10_000, &|i| format!("{}.5", i % 51))).is_some());
        assert!(of(&many(10_000, &|i| format!("{}", i % 51))).is_none());
    }
}
