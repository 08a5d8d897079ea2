//! Detects the separator and the decimal mark.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::cells::Cells;
use crate::error::Fault;
use crate::number::{self, Decimal};

/// Number of rows sampled to find the separator.
const SAMPLE: usize = 500;

/// The field separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
}

impl Separator {
    pub(crate) const ALL: [Separator; 3] = [Separator::Comma, Separator::Semicolon, Separator::Tab];

    pub(crate) fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Separator::Comma => "comma",
            Separator::Semicolon => "semicolon",
            Separator::Tab => "tab",
        }
    }
}

/// Consumes a first line such as `sep=;`, which spreadsheets write. Returns the separator and the byte offset of the
/// line's end: the line break stays, so that line numbers in errors match the file.
pub(crate) fn named_separator(text: &str) -> Result<(Option<Separator>, usize), Fault> {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    let Some(named) = text[..end].strip_prefix("sep=") else { return Ok((None, 0)) };
    match Separator::ALL.iter().find(|s| named.as_bytes() == [s.byte()]) {
        Some(separator) => Ok((Some(*separator), end)),
        None => Err(Fault::Separator(format!(
            "the first line names the separator `{named}`: write the table with commas, semicolons or tabs"
        ))),
    }
}

/// Finds the separator that splits every row into the same number of fields; of several, the one that yields most
/// numbers.
///
/// # Errors
/// Two separators that fit equally well, or a likely separator that is not supported.
pub(crate) fn separator(text: &str) -> Result<Separator, Fault> {
    let mut fitting: Vec<(usize, Separator)> = Vec::new();
    let mut ragged: Option<(usize, Separator)> = None;
    for separator in Separator::ALL {
        // a text that cannot be split is reported later, by the real split
        let Ok(cells) = Cells::cut(text, separator.byte(), SAMPLE) else { continue };
        if cells.len() == 0 {
            return Ok(Separator::Comma);
        }
        let width = cells.width(cells.len() - 1);
        let cut = (0..cells.len()).filter(|r| cells.width(*r) > 1).count();
        // R leaves the index column out of its header
        if width > 1 && (1..cells.len()).all(|r| cells.width(r) == width) && cells.width(0) > 1 {
            let numbers = (0..cells.len())
                .flat_map(|r| (0..cells.width(r)).map(move |c| (r, c)))
                .filter(|(r, c)| number::is_numeric(&cells.get(*r, *c)))
                .count();
            fitting.push((numbers, separator));
        } else if cut > ragged.map_or(0, |(most, _)| most) {
            ragged = Some((cut, separator));
        }
    }
    fitting.sort_by_key(|(numbers, _)| std::cmp::Reverse(*numbers));
    match fitting[..] {
        [(a, first), (b, second), ..] if a == b => Err(Fault::Separator(format!(
            "may be separated by {}s or by {}s: pass --separator {0} or --separator {1}",
            first.name(),
            second.name()
        ))),
        [(_, first), ..] => Ok(first),
        [] => match ragged {
            Some((_, separator)) => Ok(separator),
            None => unseparated(text),
        },
    }
}

/// A single column, unless another separator looks likely.
fn unseparated(text: &str) -> Result<Separator, Fault> {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).take(SAMPLE).collect();
    let even = |cut: &dyn Fn(&str) -> usize| {
        let width = lines.last().map_or(0, |l| cut(l));
        width > 1 && lines.iter().all(|l| cut(l) == width)
    };
    for (name, separator) in [("vertical bars", '|'), ("colons", ':'), ("carets", '^')] {
        if even(&|line| line.split(separator).count()) {
            return Err(Fault::Separator(format!(
                "looks separated by {name}: write it with commas, semicolons or tabs"
            )));
        }
    }
    if even(&|line| line.split_whitespace().count()) {
        return Err(Fault::Separator(
            "looks separated by blanks: write it with commas, for example `sed -E 's/^ +//; s/ +/,/g' FILE`".into(),
        ));
    }
    Ok(Separator::Comma)
}

/// Finds the decimal mark of the numbers in `fields`, each with its line and column. Where points may separate thousands, as where
/// a decimal comma makes `separator` a semicolon or a tab, points alone do not tell.
///
/// # Errors
/// Commas, or points, that may be thousands separators, with the position of the first.
pub(crate) fn decimal<'t>(
    separator: &str,
    fields: impl Iterator<Item = (u64, usize, Cow<'t, str>)>,
) -> Result<Decimal, (Fault, u64, usize)> {
    let points_may_group = separator != Separator::Comma.name();
    let (mut first_comma, mut first_point) = (None, None);
    let mut all_grouped = true;
    for (line, column, text) in fields {
        match number::mark(text.trim()) {
            Some((Decimal::Point, true)) if points_may_group => {
                first_point.get_or_insert_with(|| (line, column, text.into_owned()));
            }
            // one point is enough: a comma is then not a decimal mark and is reported where it occurs
            Some((Decimal::Point, _)) => return Ok(Decimal::Point),
            Some((Decimal::Comma, grouped)) => {
                all_grouped &= grouped;
                first_comma.get_or_insert_with(|| (line, column, text.into_owned()));
            }
            None => {}
        }
    }
    let (mark, (line, column, text)) = match (first_comma, first_point) {
        (None, None) => return Ok(Decimal::Point),
        // points beside it separate thousands, and are reported where they occur
        (Some(_), _) if !all_grouped => return Ok(Decimal::Comma),
        (Some(_), Some(_)) => return Ok(Decimal::Point),
        (Some(first), None) => ("comma", first),
        (None, Some(first)) => ("point", first),
    };
    Err((
        Fault::Decimal(format!(
            "is `{text}`, whose {mark} may be a decimal mark or a thousands separator, as in every number with a {mark} in \
             the file: pass --decimal {mark}, or write the numbers without thousands separators"
        )),
        line,
        column,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_one_that_gives_numbers() {
        for (text, expected) in [
            ("a,b,c\n1,2,x\n", Separator::Comma),
            ("a;b;c\n1,5;2,5;x\n1;2,5;y\n", Separator::Semicolon),
            ("1,5;2,5;x\n1,0;2,5;y\n", Separator::Semicolon),
            ("1,5;2\n2,5;3\n", Separator::Semicolon),
            ("a\tb\n1\tx, y\n2\tz, y\n", Separator::Tab),
            ("1,2,\"x;y\"\n3,4,\"z;y\"\n", Separator::Comma),
            ("1,2,x\n3,4,5,x\n", Separator::Comma),
            ("1\n2\n", Separator::Comma),
            ("", Separator::Comma),
        ] {
            assert_eq!(separator(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_fits_twice_or_not_at_all_is_told() {
        let said = |text| separator(text).unwrap_err().to_string();
        assert!(said("1,5;x\n2,5;y\n").contains("--separator comma or --separator semicolon"));
        assert!(said("1|2|x\n3|4|y\n").contains("vertical bars"));
        assert!(said("a^b^x\n1^2^y\n").contains("carets"));
        assert!(said("1 2  3\n 4 5 6\n").contains("blanks"));
        assert_eq!(named_separator("sep=;\r\n1;2\n"), Ok((Some(Separator::Semicolon), 5)));
        assert_eq!(named_separator("separate,b\n"), Ok((None, 0)));
        assert!(named_separator("sep=|\n").is_err());
    }

    #[test]
    fn decimal_commas_are_told_from_thousands() {
        let of = |separator: &str, texts: &[&str]| {
            decimal(separator, texts.iter().enumerate().map(|(i, t)| (1 + i as u64, 0, Cow::from(t.to_string()))))
        };
        for separator in ["comma", "semicolon", "tab"] {
            assert_eq!(of(separator, &["1", "2"]), Ok(Decimal::Point));
            assert_eq!(of(separator, &["1,5", "2"]), Ok(Decimal::Comma));
            assert_eq!(of(separator, &["1,234", "0,203"]), Ok(Decimal::Comma));
            assert_eq!(of(separator, &["1,234", "2.5"]), Ok(Decimal::Point));
            assert_eq!(of(separator, &["1.234", "0.203"]), Ok(Decimal::Point));
            assert_eq!(of(separator, &["1.234", "1,234"]), Ok(Decimal::Point));
            assert!(matches!(of(separator, &["7", "1,234"]), Err((Fault::Decimal(_), 2, 0))));
        }
        // beside semicolons and tabs a point may separate thousands
        assert_eq!(of("comma", &["999", "1.234", "12.345"]), Ok(Decimal::Point));
        for separator in ["semicolon", "tab"] {
            assert!(matches!(of(separator, &["999", "1.234", "12.345"]), Err((Fault::Decimal(_), 2, 0))));
            assert_eq!(of(separator, &["1.234", "0,5"]), Ok(Decimal::Comma));
        }
    }
}
