//! Labels and categories: which spellings are one value, which look alike, and which texts are unsuitable as classes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::number::{self, is_digits, Decimal};
use crate::phrase::{composed, folded, shown, shown_beside};

/// 2^53: f64 represents every whole number below it exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a label, independent of its spelling: `1` and `1.0` are equal, as are `True` and `TRUE`. Other ways to write a number
/// stay apart, because it may be a code: `007`, `1.10`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The bits of a number, mapped so that they sort in numeric order, and its spelling with a decimal point, which is empty for
    /// `1` and `1.0`.
    Number(i64, String),
    Truth(bool),
    Text(String),
}

impl Key {
    pub(crate) fn of(text: &str, decimal: Decimal) -> Key {
        match (exact(text, decimal), number::truth(text)) {
            (Some(x), _) => {
                let written = if decimal == Decimal::Comma { text.replace(',', ".") } else { text.to_owned() };
                Key::Number(ordered(x.to_bits() as i64), if is_plain(&written) { String::new() } else { written })
            }
            (None, Some(truth)) => Key::Truth(truth),
            (None, None) => Key::Text(text.to_owned()),
        }
    }

    /// The number, if it is one.
    pub(crate) fn value(&self) -> Option<f64> {
        match self {
            Key::Number(bits, _) => Some(f64::from_bits(ordered(*bits) as u64)),
            Key::Truth(_) | Key::Text(_) => None,
        }
    }

    /// What labels that look alike have in common: their text [`folded`], without a full stop at its end, or the number that it is;
    /// true and false are 1 and 0.
    pub(crate) fn alike(&self) -> String {
        match self {
            Key::Number(..) => self.value().unwrap_or_default().to_string(),
            Key::Truth(truth) => u8::from(*truth).to_string(),
            Key::Text(text) => {
                let folded = folded(text);
                let bare = folded.trim_end_matches('.');
                match Key::of(bare, Decimal::Point) {
                    Key::Text(_) if bare.is_empty() => folded,
                    Key::Text(text) => text,
                    value => value.alike(),
                }
            }
        }
    }
}

/// How values that look alike are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// All are one number.
    Number,
    /// `1` and `true`, or `0` and `false`.
    Truth,
    /// Texts that look alike.
    Look,
}

/// A number that f64 tells apart from its neighbours.
fn exact(text: &str, decimal: Decimal) -> Option<f64> {
    // zero has two signs in f64
    number::parse(text, decimal).filter(|x| x.abs() < EXACT).map(|x| x + 0.0)
}

/// Whether a number is written as `1` or `1.0`.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    is_digits(digits) && (digits == "0" || !digits.starts_with('0'))
}

/// How a program writes whole numbers as floats: pandas' `float_format` as `1.00`, NumPy's `savetxt` as `1.000e+00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FloatFormat {
    /// Number of digits after the decimal mark.
    decimals: usize,
    /// `e` or `E`, in scientific notation.
    exponent: Option<char>,
}

impl FloatFormat {
    /// The format of a whole number; each number has one spelling in a format.
    fn of(text: &str, decimal: Decimal) -> Option<FloatFormat> {
        let x = exact(text, decimal).filter(|x| x.fract() == 0.0)?;
        let unsigned = text.strip_prefix('-').filter(|_| x != 0.0).unwrap_or(text);
        let (whole, rest) = unsigned.split_once(if decimal == Decimal::Comma { ',' } else { '.' })?;
        let (fraction, power) = rest.split_at(rest.find(['e', 'E']).unwrap_or(rest.len()));
        let exponent = power.chars().next();
        let normal = match exponent {
            // a leading zero makes a code
            None => whole == "0" || !whole.starts_with('0'),
            Some(_) => {
                let two = power[1..].strip_prefix('+').filter(|&power| power.len() == 2 && is_digits(power));
                let zero = x == 0.0;
                whole.len() == 1 && two.is_some_and(|power| (whole == "0") == zero && (!zero || power == "00"))
            }
        };
        (normal && is_digits(whole) && is_digits(fraction))
            .then_some(FloatFormat { decimals: fraction.len(), exponent })
    }
}

/// Whether labels are whole numbers that are all written in one float format. Then they are no codes, and `1.00` is 1.
pub(crate) fn in_one_format<'t>(labels: impl Iterator<Item = &'t str>, decimal: Decimal) -> bool {
    let mut formats = labels.map(|label| FloatFormat::of(label.trim(), decimal));
    let Some(Some(first)) = formats.next() else { return false };
    formats.all(|format| format == Some(first))
}

/// Maps the bits of a f64 to an integer with the same order (that of `f64::total_cmp`), and back.
fn ordered(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The positions of a schema's values by how they look; none for values that look the same.
#[derive(Clone, Debug)]
pub(crate) struct Looks(HashMap<String, Option<usize>>);

impl Looks {
    pub(crate) fn of(values: &[String]) -> Self {
        let mut looks = HashMap::new();
        for (position, value) in values.iter().enumerate() {
            looks.entry(composed(value)).and_modify(|only| *only = None).or_insert(Some(position));
        }
        Looks(looks)
    }

    pub(crate) fn position(&self, text: &str) -> Option<usize> {
        self.0.get(&composed(text)).copied().flatten()
    }
}

/// A text that is none of the schema's values for a message, and what to do about it: one of the values may look alike, otherwise `or`.
pub(crate) fn hint(values: &[String], text: &str, decimal: Decimal, or: &str) -> (String, String) {
    let alike = Key::of(text, decimal).alike();
    match values.iter().find(|value| Key::of(value, Decimal::Point).alike() == alike) {
        Some(value) => {
            let hint = format!(": write it like the schema's `{}`", shown_beside(value, text));
            (shown_beside(text, value).into_owned(), hint)
        }
        None => (shown(text).into_owned(), format!(": {or}")),
    }
}

/// Labels by class: each spelling with its number of records.
pub(crate) type Spellings = BTreeMap<Key, BTreeMap<String, usize>>;

/// The values of a column.
pub(crate) struct Found {
    pub(crate) spellings: Spellings,
    /// Number of records with a value.
    pub(crate) records: usize,
    /// A spelling of a missing value that occurs.
    pub(crate) gap: Option<String>,
}

impl Found {
    /// Collects a column's values. Spellings of a missing value are none, unless they are to be kept; `-` is one beside `+`.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = Cow<'t, str>>, decimal: Decimal, keep_gaps: bool) -> Self {
        let mut spellings = Spellings::new();
        for text in texts {
            let text = text.trim();
            if !text.is_empty() {
                *spellings.entry(Key::of(text, decimal)).or_default().entry(text.to_owned()).or_default() += 1;
            }
        }
        let signs = spellings.contains_key(&Key::Text("+".into()));
        let mut gap = None;
        spellings.retain(|key, _| match key {
            Key::Text(text) if !keep_gaps && number::is_gap(text) && !(signs && text == "-") => {
                gap.get_or_insert_with(|| text.clone());
                false
            }
            _ => true,
        });
        let records = spellings.values().flat_map(BTreeMap::values).sum();
        Found { spellings, records, gap }
    }

    /// Whether a text is no value of the column it is of, because it means a missing one.
    pub(crate) fn lacks(&self, text: &str) -> bool {
        let text = text.trim();
        text.is_empty() || (number::is_gap(text) && !self.spellings.contains_key(&Key::Text(text.to_owned())))
    }

    /// The name of each value.
    pub(crate) fn names(&self) -> Vec<String> {
        self.spellings.values().map(|s| name(s).to_owned()).collect()
    }

    /// The name of each class: `0`, `1`, … if all values are whole numbers in one float format, otherwise as they are written.
    pub(crate) fn classes(&self, decimal: Decimal) -> Vec<String> {
        let spelled = self.spellings.values().flat_map(BTreeMap::keys).map(String::as_str);
        if !in_one_format(spelled, decimal) {
            return self.names();
        }
        self.spellings.keys().filter_map(Key::value).map(|x| x.to_string()).collect()
    }

    /// Values that look alike but are told apart, by what they have in common, and how.
    pub(crate) fn alike(&self) -> Vec<(Vec<&str>, Likeness)> {
        let mut folded: BTreeMap<String, Vec<(&Key, &str)>> = BTreeMap::new();
        for (key, spellings) in &self.spellings {
            folded.entry(key.alike()).or_default().push((key, name(spellings)));
        }
        let likeness = |all: &[(&Key, &str)]| match () {
            () if all.iter().any(|(key, _)| matches!(key, Key::Text(_))) => Likeness::Look,
            () if all.iter().all(|(key, _)| matches!(key, Key::Number(..))) => Likeness::Number,
            () => Likeness::Truth,
        };
        let several = folded.into_values().filter(|all| all.len() > 1);
        several.map(|all| (all.iter().map(|(_, name)| *name).collect(), likeness(&all))).collect()
    }

    /// Why these labels are unsuitable as classes, if they are.
    pub(crate) fn not_classes(&self) -> Option<String> {
        let (distinct, records) = (self.spellings.len(), self.records);
        let sparse = 2 * distinct > records;
        let numbers: Option<Vec<f64>> = self.spellings.keys().map(Key::value).collect();
        let (unfit, what) = match numbers {
            Some(numbers) if numbers.iter().any(|x| x.fract() != 0.0) => {
                (distinct > 50 || (sparse && distinct > 2), "numbers")
            }
            Some(_) => (sparse && distinct >= 10, "whole numbers"),
            None => (sparse && distinct >= 10, "texts"),
        };
        unfit.then(|| format!("{distinct} different {what} in {records} records"))
    }
}

/// The spelling that names a class: the shortest, then the first in byte order.
fn name(spellings: &BTreeMap<String, usize>) -> &str {
    spellings.keys().min_by_key(|s| (s.len(), s.as_str())).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::of(text, Decimal::Point)
    }

    fn found(labels: &[String]) -> Found {
        Found::of(labels.iter().map(|l| Cow::Borrowed(l.as_str())), Decimal::Point, false)
    }

    fn of(labels: &[&str]) -> Found {
        found(&labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn equal_numbers_and_truths_are_one_class() {
        for (a, b) in [("1", "1.0"), ("0", "-0.0"), ("-12", "-12.0"), ("True", "TRUE"), ("false", "False")] {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "2"),
            ("1", "True"),
            ("yes", "Yes"),
            ("9007199254740993", "9007199254740992.0"),
            ("a", "b"),
            ("7", "007"),
            ("1.1", "1.10"),
            ("1", "1.00"),
            ("1000", "1e3"),
            ("1", "+1"),
            ("1", "1."),
        ] {
            assert_ne!(key(a), key(b), "{a} {b}");
        }
        assert_eq!(Key::of("1,0", Decimal::Comma), key("1"));
        assert_eq!(Key::of("1,5", Decimal::Comma), key("1.5"));
    }

    #[test]
    fn whole_numbers_in_one_float_format_are_named_as_whole_numbers() {
        for (labels, names) in [
            (["0.00", "1.00", "-12.00"], ["-12", "0", "1"]),
            (["0.0", "1.0", "2.0"], ["0", "1", "2"]),
            (["0.000000000000000000e+00", "1.000000000000000000e+00", "1.200000000000000000e+01"], ["0", "1", "12"]),
            (["1.0E+00", "2.0E+00", "3.0E+00"], ["1", "2", "3"]),
        ] {
            assert_eq!(of(&labels).classes(Decimal::Point), names, "{labels:?}");
        }
        let commas = Found::of(["1,00", "2,00"].map(Cow::Borrowed).into_iter(), Decimal::Comma, false);
        assert_eq!(commas.classes(Decimal::Comma), ["1", "2"]);
        for labels in [
            // codes, two formats, a fraction, two spellings of one number, a text
            ["1.00", "2.00", "007.00"],
            ["1.00", "2.0", "3.00"],
            ["1.00", "2.00", "2.50"],
            ["0.00", "-0.00", "1.00"],
            ["1.0e+00", "0.1e+01", "2.0e+00"],
            ["1.0e+00", "1.0e+000", "2.0e+00"],
            ["0.0e+00", "0.0e+01", "2.0e+00"],
            ["1.0e+00", "1.0E+00", "2.0e+00"],
            ["1e3", "2e3", "3e3"],
            ["1.00", "2.00", "other"],
        ] {
            assert_eq!(of(&labels).classes(Decimal::Point), of(&labels).names(), "{labels:?}");
        }
    }

    #[test]
    fn what_looks_alike_is_told() {
        for (a, b, how) in [
            ("7", "007", Likeness::Number),
            ("1.1", "1.10", Likeness::Number),
            ("1000", "1e3", Likeness::Number),
            ("1", "True", Likeness::Truth),
            ("false", "0", Likeness::Truth),
            ("yes", "Yes", Likeness::Look),
            ("yes", "yes\u{200b}", Likeness::Look),
            ("1", "1\u{feff}", Likeness::Look),
            ("true", "true\u{2060}", Likeness::Look),
            ("1", "true\u{2060}", Likeness::Look),
            ("<=50K", "<=50K.", Likeness::Look),
        ] {
            let kept = |label: &&'static str| Cow::Borrowed(*label);
            let found = Found::of([b, "other", a].iter().map(kept), Decimal::Point, true);
            let mut names = [a, b];
            names.sort_by_key(|n| key(n));
            assert_eq!(found.alike(), [(names.to_vec(), how)], "{a} {b}");
        }
        for apart in [
            &["1", "1.0", "2"][..],
            &["0", "TRUE", "true"],
            &["a", "b", "9007199254740993", "9007199254740992.0"],
            &["1.5", "15", ".5a", "5a"],
        ] {
            assert!(of(apart).alike().is_empty(), "{apart:?}");
        }
    }

    #[test]
    fn gaps_are_no_values_unless_kept() {
        let names = |labels: &[&str]| (of(labels).names(), of(labels).gap);
        assert_eq!(names(&["a", "missing", "b", ""]), (vec!["a".into(), "b".into()], Some("missing".into())));
        assert_eq!(names(&["a", "-", "b"]), (vec!["a".into(), "b".into()], Some("-".into())));
        // the signs of a test
        assert_eq!(names(&["+", "-", "+"]), (vec!["+".into(), "-".into()], None));
        let kept = Found::of(["a", "missing"].map(Cow::Borrowed).into_iter(), Decimal::Point, true);
        assert_eq!((kept.names().len(), kept.records, kept.gap), (2, 2, None));
    }

    #[test]
    fn numbers_are_in_ascending_order() {
        let mut keys: Vec<Key> = ["10", "-1", "2", "-10.5", "0"].iter().map(|t| key(t)).collect();
        keys.sort();
        assert_eq!(keys, ["-10.5", "-1", "0", "2", "10"].map(key));
    }

    #[test]
    fn measurements_and_texts_are_no_classes() {
        let of = |labels: Vec<String>| found(&labels).not_classes();
        let many = |n: usize, f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<Vec<_>>();
        assert!(of(many(120, &|i| format!("{}.5", i % 70))).is_some());
        assert!(of(many(120, &|i| format!("{}", i % 70))).is_some());
        assert!(of(many(120, &|i| format!("text {i}"))).is_some());
        // the boundary is half of the records
        assert!(of(many(40, &|i| format!("{}", i % 20))).is_none());
        assert!(of(many(40, &|i| format!("{}", i % 21))).is_some());
        assert!(of(many(120, &|i| format!("{}.5", i % 9))).is_none());
        assert!(of(many(10_000, &|i| format!("{}.5", i % 51))).is_some());
        assert!(of(many(10_000, &|i| format!("{}", i % 51))).is_none());
        // few records
        assert!(of(many(19, &|i| format!("{i}.5"))).is_some());
        assert!(of(many(3, &|i| format!("{i}.5"))).is_some());
        assert!(of(many(2, &|i| format!("{i}.5"))).is_none());
        assert!(of(many(19, &|i| format!("{i}"))).is_some());
        assert!(of(many(9, &|i| format!("{i}"))).is_none());
    }
}
