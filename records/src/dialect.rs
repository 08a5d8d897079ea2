//! Detects the separator and the decimal mark.

use std::borrow::Cow;
use std::collections::BTreeMap;

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
    let (key, named) = text[..end].split_at_checked("sep=".len()).unwrap_or_default();
    if !key.eq_ignore_ascii_case("sep=") {
        return Ok((None, 0));
    }
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
/// Two separators that fit equally well, or a likely separator or format that is not supported.
pub(crate) fn separator(text: &str) -> Result<Separator, Fault> {
    let mut fitting: Vec<(usize, Separator)> = Vec::new();
    // rows with several fields, the commonest number of fields, and the separator
    let mut ragged: Option<(usize, usize, Separator)> = None;
    let mut keep = |cut: usize, width: usize, separator: Separator| {
        if cut > ragged.map_or(0, |(most, ..)| most) {
            ragged = Some((cut, width, separator));
        }
    };
    for separator in Separator::ALL {
        let Ok(cells) = Cells::cut(text, separator.byte(), SAMPLE) else {
            // a text that cannot be split is reported later, by the real split
            let fields = || lines(text).take(SAMPLE).map(|line| line.split(char::from(separator.byte())).count());
            keep(fields().filter(|fields| *fields > 1).count(), commonest(fields()).0, separator);
            continue;
        };
        if cells.len() == 0 {
            return Ok(Separator::Comma);
        }
        let width = cells.width(cells.len() - 1);
        let cut = (0..cells.len()).filter(|r| cells.width(*r) > 1).count();
        // R leaves the index column out of its header
        if width > 1 && (1..cells.len()).all(|r| cells.width(r) == width) && cells.width(0) > 1 {
            if separator == Separator::Tab && has_more_numbers_inside(&cells) {
                return Err(blanks(text));
            }
            let numbers = (0..cells.len())
                .flat_map(|r| (0..cells.width(r)).map(move |c| (r, c)))
                .filter(|(r, c)| number::is_numeric(&cells.get(*r, *c)))
                .count();
            fitting.push((numbers, separator));
        } else {
            keep(cut, commonest((0..cells.len()).map(|r| cells.width(r))).0, separator);
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
        [] => match foreign(text, ragged.map_or(1, |(_, width, _)| width)) {
            Some(fault) => Err(fault),
            None => Ok(ragged.map_or(Separator::Comma, |(.., separator)| separator)),
        },
    }
}

/// The commonest of some counts, and how often it occurs.
fn commonest(counts: impl Iterator<Item = usize>) -> (usize, usize) {
    let mut times = BTreeMap::new();
    counts.for_each(|count| *times.entry(count).or_default() += 1);
    times.into_iter().max_by_key(|(_, times)| *times).unwrap_or_default()
}

/// The lines that are neither blank nor comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

/// Whether most rows begin with more numbers between blanks than the table has columns.
fn has_more_numbers_inside(cells: &Cells<'_>) -> bool {
    let inside = |row: &usize| {
        let first = cells.get(*row, 0);
        first.split_whitespace().count() > cells.width(*row)
            && first.split_whitespace().all(|word| number::is_numeric(word) || number::is_gap(word))
            && !number::is_grouped(&first)
    };
    2 * (0..cells.len()).filter(inside).count() > cells.len()
}

/// Separators that are not read, with a name, and whether they are rare in texts: a colon stands in every time.
const FOREIGN: [(&str, u8, bool); 5] = [
    ("vertical bars", b'|', true),
    ("tildes", b'~', true),
    ("carets", b'^', true),
    ("control characters U+0001", 1, true),
    ("colons", b':', false),
];

/// What a text is that no separator splits evenly, if it looks like something that is not read. The likeliest separator splits most
/// rows into `width` fields: if these are several, another must split all rows, and into more.
fn foreign(text: &str, width: usize) -> Option<Fault> {
    let lines: Vec<&str> = lines(text).take(SAMPLE).collect();
    let most = |count: usize| 2 * count > lines.len();
    if most(lines.iter().filter(|line| is_sparse(line)).count()) {
        return Some(Fault::Foreign {
            what: "LIBSVM's format",
            advice: "write a CSV with a column for every feature, in Python from `X, y = sklearn.datasets.load_svmlight_file(path)` \
                     and `X.toarray()`",
        });
    }
    for (name, separator, rare) in FOREIGN {
        let Ok(cells) = Cells::cut(text, separator, SAMPLE) else { continue };
        let (fields, rows) = commonest((0..cells.len()).map(|r| cells.width(r)));
        let splits = match width > 1 {
            true => rare && rows == cells.len(),
            false => 2 * rows > cells.len(),
        };
        if splits && fields > width {
            return Some(Fault::Separator(format!(
                "looks separated by {name}: write it with commas, semicolons or tabs"
            )));
        }
    }
    if width > 1 {
        return None;
    }
    let words: Vec<_> = lines.iter().map(|line| words(line)).collect();
    let (fields, rows) = commonest(words.iter().map(|(all, _)| *all));
    let told = || most(words.iter().filter(|(all, telling)| *all == fields && 2 * telling >= *all).count());
    if fields > 1 && (rows == lines.len() || told()) {
        return Some(blanks(text));
    }
    most(lines.iter().filter(|line| line.trim().contains("  ")).count()).then(|| {
        Fault::Separator(
            "looks like columns of fixed width: write it with commas, in Python `pandas.read_fwf(path).to_csv(path_of_csv, \
             index=False)`"
                .into(),
        )
    })
}

/// Whether a line is a record of LIBSVM: a number, then indices with values, like `3:0.5`.
fn is_sparse(line: &str) -> bool {
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let label = words.next().is_some_and(|word| word.split(',').all(number::is_numeric));
    let mut pairs = words.peekable();
    let pair = |word: &str| {
        word.split_once(':')
            .is_some_and(|(index, value)| (index == "qid" || number::is_digits(index)) && number::is_numeric(value))
    };
    label && pairs.peek().is_some() && pairs.all(pair)
}

/// The number of words between blanks, a text in quotes being one, and how many are numbers or in quotes, as those of a table are.
fn words(line: &str) -> (usize, usize) {
    let (mut all, mut telling) = (0, 0);
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inner| Some(inner.find('"')? + 2));
        let end = quoted.unwrap_or_else(|| rest.find(char::is_whitespace).unwrap_or(rest.len()));
        all += 1;
        telling += usize::from(quoted.is_some() || number::is_numeric(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    (all, telling)
}

fn blanks(text: &str) -> Fault {
    let how = if text.contains(['"', '\t']) {
        "in Python `pandas.read_csv(path, sep=r\"\\s+\").to_csv(path_of_csv, index=False)` (with `header=None` and `header=False` if it \
         has no header)"
    } else {
        "for example `sed -E 's/^ +//; s/ +/,/g' FILE`"
    };
    Fault::Separator(format!("looks separated by blanks: write it with commas, {how}"))
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
            ("city\nNew York\nRome\nLos Angeles\n", Separator::Comma),
            // what is wrong with a row is told of the row
            ("at,b,label\n12:30:05,2,x\n12:30:06,3\n12:30:07,4,y\n", Separator::Comma),
            ("at,b\n12:30,\"x\"y\n12:31,z\n", Separator::Comma),
            ("at\tb\n12:30\t\"x\"y\n12:31\tz\n", Separator::Tab),
            ("v\tlabel\n1 234 567\tx\n1 234 568\ty\n", Separator::Tab),
            ("", Separator::Comma),
        ] {
            assert_eq!(separator(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_fits_twice_or_not_at_all_is_told() {
        let said = |text| separator(text).unwrap_err().to_string();
        assert!(said("1,5;x\n2,5;y\n").contains("--separator comma or --separator semicolon"));
        for (text, words) in [
            ("1|2|x\n3|4|y\n", "vertical bars"),
            ("a|b|c|label\n1|2|Smith|x\n1|3|Smith, J|y\n4|2|Jones|x\n", "vertical bars"),
            ("a~b~label\n1~2~x\n3~4~y, z\n", "tildes"),
            ("a^b^x\n1^2^y\n", "carets"),
            ("a\u{1}b\n1\u{1}x\n", "U+0001"),
            ("1 2  3\n 4 5 6\n", "blanks"),
            // R leaves the name of its row names out
            ("a b label\n1 5 6 x\n2 7 8 y\n3 9 8 x\n", "blanks"),
            ("\"a\" \"b\" \"label\"\n\"1\" 5 6 \"x\"\n\"2\" 7 8 \"New York\"\n", "pandas.read_csv"),
            ("18.0   8   ?   3504.\t\"a car\"\n15.0   8   350.0   3693.\t\"another\"\n", "pandas.read_csv"),
            ("age name    label\n 25 Al      x\n  5 Bo Li   y\n125 Cy      x\n", "read_fwf"),
            ("+1 1:0.5 3:1\n-1 2:0.4 # odd\n0\n", "LIBSVM"),
            ("+1 1:0.5\n-1 1:0.4\n", "LIBSVM"),
            ("3 qid:1 1:0.5\n2 qid:1 1:0.4 2:1\n", "LIBSVM"),
        ] {
            assert!(said(text).contains(words), "{text:?} {}", said(text));
        }
        assert_eq!(named_separator("sep=;\r\n1;2\n"), Ok((Some(Separator::Semicolon), 5)));
        assert_eq!(named_separator("SEP=,\n1,2\n"), Ok((Some(Separator::Comma), 5)));
        assert_eq!(named_separator("separate,b\n"), Ok((None, 0)));
        assert_eq!(named_separator("né,b\n"), Ok((None, 0)));
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
