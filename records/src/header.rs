//! Decides whether the first row names the columns.
//!
//! A name is text above numbers, or a label that never occurs again. A record's label recurs, and its other fields are
//! numbers. Names that are numbers (pandas' default column names, or years) count up.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::cells::Cells;
use crate::labels::Key;
use crate::number::{self, Decimal};

/// Common names of the column to predict.
const LABEL_NAMES: &[&str] =
    &["label", "labels", "target", "targets", "class", "classes", "y", "outcome", "category", "response", "classlabel"];

/// Whether a column's name suggests that it holds the labels.
pub(crate) fn is_label_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect();
    LABEL_NAMES.contains(&plain.to_lowercase().as_str())
}

/// The names of the columns.
#[derive(Clone, Debug)]
pub(crate) struct Header<'t> {
    /// Line, from 1; 0 in a columnar file.
    pub(crate) line: u64,
    /// Whether it is a comment line.
    pub(crate) comment: bool,
    pub(crate) names: Vec<Cow<'t, str>>,
    /// The original line.
    pub(crate) raw: &'t str,
}

/// What the first row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Header,
    Record,
    /// Ambiguous, and why.
    Unclear(String),
}

/// Evidence for a header, collected column by column.
#[derive(Default)]
struct Evidence {
    /// Texts above numbers.
    named: usize,
    /// Numbers above numbers.
    numbers: usize,
    /// Texts above texts that occur again, or labels of the schema.
    again: usize,
    /// Texts above texts that do not occur again.
    new: usize,
    /// One of the texts is a common name for the label.
    label: bool,
    /// A text above numbers, or one that does not occur again above texts of which others do, and how it stands out.
    alone: Option<String>,
}

/// Classifies the first row. `known` says whether a text in a column is a category or a label of the schema.
pub(crate) fn first_row(cells: &Cells<'_>, known: &dyn Fn(usize, &str) -> bool) -> First {
    if cells.len() == 0 {
        return First::Record;
    }
    // R leaves the index column out of its header: compare from the right
    let width = cells.width(0);
    let shift = |row: usize| cells.width(row).saturating_sub(width).min(1);
    // a row of words that occurs again is the header of a second, concatenated file
    let words = (0..width).all(|c| !number::is_numeric(&cells.get(0, c)));
    let mut seen = Evidence::default();
    let mut outside = true;
    for column in 0..width {
        let first = cells.get(0, column);
        let rest: Vec<_> = (1..cells.len())
            .filter(|r| column + shift(*r) < cells.width(*r) && !(words && cells.raw(*r) == cells.raw(0)))
            .map(|r| cells.get(r, column + shift(r)))
            .filter(|text| !number::is_gap(text))
            .collect();
        let numeric = number::is_numeric(&first);
        let plain = |text: &str| number::is_numeric(text) || number::truth(text).is_some();
        if number::is_gap(&first) && !first.eq_ignore_ascii_case("na") {
            continue;
        }
        if numeric {
            seen.numbers += 1;
            let value =
                |text: &str| [Decimal::Point, Decimal::Comma].iter().find_map(|mark| number::parse(text, *mark));
            let values = || rest.iter().filter_map(|t| value(t));
            let (lo, hi) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| (lo.min(x), hi.max(x)));
            outside &= value(&first).is_some_and(|x| x < lo || x > hi);
        } else if rest.iter().all(|t| plain(t)) {
            let names = !plain(&first) && !number::is_gap(&first);
            seen.named += usize::from(names);
            if names && !rest.is_empty() {
                seen.alone = Some(format!("`{first}` stands above numbers"));
            }
            seen.label |= is_label_name(&first);
        } else {
            let key = Key::of(&first, Decimal::Point);
            let again = known(column, &first) || rest.iter().any(|t| Key::of(t, Decimal::Point) == key);
            *(if again { &mut seen.again } else { &mut seen.new }) += 1;
            if !again && !number::is_gap(&first) && recurs(&rest) {
                seen.alone = Some(format!("`{first}` does not occur again"));
            }
            seen.label |= !again && is_label_name(&first);
        }
    }
    judge(cells, seen, outside)
}

fn judge(cells: &Cells<'_>, seen: Evidence, outside: bool) -> First {
    let last = cells.get(0, cells.width(0) - 1);
    let Evidence { named, numbers, again, new, label, alone } = seen;
    let marked = named > numbers || label || alone.is_some();
    let alone = alone.unwrap_or_else(|| format!("`{last}` does not occur again"));
    let counting = counting(cells);
    // numpy numbers columns in floats, too, but a record's first values may just as well be 1.0, 2.0, 3.0
    let like_names = outside || !has_floats(cells);
    let unclear = |why: String| First::Unclear(why);
    match () {
        // a single row: names, or a record
        () if cells.len() == 1 => {
            if named > 0 && numbers == 0 {
                First::Header
            } else {
                First::Record
            }
        }
        () if named + new == 0 => match counting {
            _ if again > 0 || numbers < 2 => First::Record,
            Counting::Array if numbers >= 3 && like_names && (outside || is_new_label(cells, numbers)) => First::Header,
            Counting::Array if numbers >= 3 || outside => {
                unclear("its fields count up, like default column names, but could be values".into())
            }
            Counting::Years | Counting::Up if outside && numbers >= 3 => {
                unclear("its fields are ascending whole numbers outside the range of the values below them".into())
            }
            _ => First::Record,
        },
        () if again > 0 && numbers > 0 => First::Record,
        () if again > 0 => unclear(format!("its fields are not numbers, but `{last}` occurs again")),
        () if numbers == 0 && (named > 0 || label) => First::Header,
        () if numbers == 0 => unclear("no column holds numbers".into()),
        // both names and numbers
        () if counting == Counting::No && marked => unclear(format!("it has numbers, but {alone}")),
        () if counting == Counting::No => First::Record,
        () if label || (named >= 2 * numbers && like_names) => First::Header,
        () if counting == Counting::Years && outside => First::Header,
        () if counting == Counting::Array && numbers >= 3 && like_names => First::Header,
        () => unclear(format!("its numbers could be names, and {alone}")),
    }
}

/// The pattern of the numbers in the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    /// 0, 1, 2, … or 1, 2, 3, …: default column names.
    Array,
    /// All from 1800 to 2199.
    Years,
    /// Ascending.
    Up,
    /// Distinct whole numbers in any order.
    Whole,
    /// Not all distinct unsigned whole numbers.
    No,
}

fn counting(cells: &Cells<'_>) -> Counting {
    let mut numbers = Vec::new();
    for column in 0..cells.width(0) {
        let text = cells.get(0, column);
        if number::is_numeric(&text) {
            match number::whole(&text).filter(|_| !text.starts_with('+')) {
                Some(n) => numbers.push(n),
                None => return Counting::No,
            }
        }
    }
    let rising = |step: &dyn Fn(u64, u64) -> bool| numbers.windows(2).all(|w| step(w[0], w[1]));
    if numbers.iter().collect::<HashSet<_>>().len() < numbers.len() {
        Counting::No
    } else if numbers.len() >= 2 && numbers[0] < 2 && rising(&|a, b| b == a.saturating_add(1)) {
        Counting::Array
    } else if !numbers.is_empty() && numbers.iter().all(|n| (1800..2200).contains(n)) {
        Counting::Years
    } else if rising(&|a, b| b > a) {
        Counting::Up
    } else {
        Counting::Whole
    }
}

/// Whether the first row has numbers with a point.
fn has_floats(cells: &Cells<'_>) -> bool {
    (0..cells.width(0)).map(|column| cells.get(0, column)).any(|text| number::is_numeric(&text) && text.contains('.'))
}

/// Whether any label occurs more than once.
fn recurs(labels: &[Cow<'_, str>]) -> bool {
    let mut seen = HashSet::new();
    labels.iter().any(|text| !seen.insert(Key::of(text, Decimal::Point)))
}

/// Whether the last field of a first row of `numbers` default names is no label, because it does not occur again. Measurements need not
/// occur again either: among these, only many names that count up are no record.
fn is_new_label(cells: &Cells<'_>, numbers: usize) -> bool {
    if numbers < 4 {
        return false;
    }
    let last = cells.width(0) - 1;
    let below: Vec<_> = (1..cells.len()).filter(|r| last < cells.width(*r)).map(|r| cells.get(r, last)).collect();
    let key = Key::of(&cells.get(0, last), Decimal::Point);
    below.iter().all(|t| Key::of(t, Decimal::Point) != key) && (numbers >= 6 || recurs(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> First {
        first_row(&Cells::cut(text, b',', usize::MAX).unwrap(), &|_, _| false)
    }

    fn unclear(text: &str) -> bool {
        matches!(first(text), First::Unclear(_))
    }

    #[test]
    fn names_are_a_header() {
        for text in [
            "a,b,label\n1,2,x\n3,4,y\n5,6,x\n",
            "age,2020,pulse,label\n1.5,2,3,0\n2,3,4,1\n",
            "2018,2019,2020,label\n1.5,2,3,0\n2,3,4,1\n",
            "2000,2010,2020,grown\n1.5,2,3,yes\n2,3,4,no\n2,3,5,no\n",
            "0,1,2,3,label\n1.5,2,3,4,0\n2,3,4,4,1\n",
            "0,1,2,3,outcome\n1.5,2,3,4,mid\n2,3,4,5,low\n1,2,3,4,low\n",
            "0,1,2,3,4\n1.5,2,3,2,0\n-2,3,4,2,1\n.5,2,3,2,1\n",
            "0.0,1.0,2.0,3.0,4.0\n1.5,2,3,2,0\n.5,2,3,2,1\n1,2,3,2,1\n",
            "0.0,1.0,2.0,label\n1.5,2,3,0\n-2,3,4,1\n",
            "2018.0,2019.0,2020.0,label\n1.5,2,3,0\n2,3,4,1\n",
            "1,2,3,x1\n0.5,2,3,b\n1,1,1,b\n",
            ",a,b,label\n0,1,2,x\n1,2,3,x\n",
            "a,b,label\n1,2,x\na,b,label\n3,4,x\n",
            "Na,K,label\n1,2,x\n3,4,x\n",
            "a,b,label\n1,NA,x\n2,,x\n",
            "a,b,label\n",
        ] {
            assert_eq!(first(text), First::Header, "{text}");
        }
    }

    #[test]
    fn records_are_no_header() {
        for text in [
            "1,2,x\n3,4,y\n5,6,x\n",
            "1,2,0\n3,4,1\n",
            ",,x\n1,2,x\n3,4,y\n",
            "NA,NA,x\n1,2,x\n3,4,y\n",
            "?,nan,0\n1,2,0\n3,4,1\n",
            // a typo in the first record
            "1O,5.5,6,x\n1,2,3,x\n3,4,5,y\n",
            "0.5,1.5,z\n1,2,x\n3,4,y\n",
            "0,0,0,5,13\n0,0,0,4,12\n",
            "0,1\n1,0\n0,1\n",
            "1,2,x\n",
            "True,1,x\nFalse,2,x\n",
            "Oslo,0.5,0\nRome,1.5,1\nOslo,2,0\n",
            "NA,0.5,0\nRome,1.5,1\nRome,2,0\n",
            "Oslo,0.5,0\nRome,1.5,1\nBari,2,0\n",
        ] {
            assert_eq!(first(text), First::Record, "{text}");
        }
    }

    #[test]
    fn what_may_be_either_is_asked() {
        for text in [
            "0,1,2,3\n0,1,2,3\n1,0,2,3\n",
            // a record, or numpy's names
            "0.0,1.0,2.0,3.0,4.0\n1.5,2,3,2,0\n-2,3,4,2,1\n.5,2,3,2,1\n",
            "1.0,2.0,3.0,4.0,5.0\n0.5,1.5,2.5,3.5,6.5\n2.5,3.5,4.5,5.5,7.5\n",
            "1.0,2.0,3.0,setosa\n0.5,1.5,2.5,other\n2.5,3.5,4.5,other\n",
            "10,20,30,40\n1,2,3,4\n2,3,4,5\n",
            "2018,2019,2020\n1,2,3\n2,3,4\n",
            "0,1\n.5,0\n.7,0\n",
            "5,3,setosa\n6,4,other\n6,2,other\n",
            "1,2,setosa\n6,4,other\n6,2,other\n",
            "2018,2019,left\n2011,2020,stayed\n2019,2021,stayed\n",
            "a,b,x\n1,2,x\n3,4,y\n",
            // wavelengths, or a typo
            "0.5,1.5,label\n1,2,3\n3,4,5\n",
            "0.5,1.5,outcome\n1,2,low\n3,4,low\n",
            "red,big\nblue,small\nblue,big too\n",
            // the label need not be the last column
            "species,-1,0,1\nsoy,.1,.2,.3\ncorn,.4,.5,.6\nsoy,.7,.8,.9\n",
            "species,400.5,401.5\nsoy,.1,.2\ncorn,.4,.5\nsoy,.7,.8\n",
            "species,2018,2018,2020\nsoy,.1,.2,.3\ncorn,.4,.5,.6\nsoy,.7,.8,.9\n",
            "400.5,1e3,species,\n.1,.2,soy,\n.4,.5,corn,\n.7,.8,soy,\n",
            "id,-1,0,1\n7,.1,.2,.3\n9,.4,.5,.6\n",
            "label,-1,0\nsoy,.1,.2\ncorn,.4,.5\n",
            // measurements need not occur again
            "1,2,3,4\n0.27,1.5,2.9,13.1\n0.7,2.5,3.9,3.2\n1.3,1.7,4.9,2.1\n",
        ] {
            assert!(unclear(text), "{text} {:?}", first(text));
        }
    }

    #[test]
    fn decimal_commas_are_numbers_too() {
        let of = |text: &str| first_row(&Cells::cut(text, b';', usize::MAX).unwrap(), &|_, _| false);
        let text = "1;2;3;4\n0,27;1,5;2,9;13,1\n0,7;2,5;3,9;3,2\n1,3;1,7;4,9;2,1\n";
        assert!(matches!(of(text), First::Unclear(_)), "{:?}", of(text));
        assert_eq!(of("1;2;3;4\n0,27;1,5;2,9;3,5\n0,7;0,5;0,9;3,2\n"), First::Header);
    }

    #[test]
    fn a_label_of_the_schema_is_a_record_s() {
        let cells = Cells::cut("5,3,setosa\n6,4,other\n", b',', usize::MAX).unwrap();
        assert_eq!(first_row(&cells, &|_, label| label == "setosa"), First::Record);
    }
}
