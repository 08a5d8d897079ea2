//! Numbers as people write them: parsing, missing values, and what other texts look like.

use serde::{Deserialize, Serialize};

use crate::phrase::is_invisible;

/// The decimal mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decimal {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

impl Decimal {
    fn mark(self) -> u8 {
        match self {
            Decimal::Point => b'.',
            Decimal::Comma => b',',
        }
    }
}

/// Spellings of a missing value, in lower case: those of pandas, R, SQL and spreadsheets (in several languages), `?`, `missing`,
/// and lone dashes and dots.
const GAPS: &[&str] = &[
    "", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "-nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind",
    "nat", "null", "none", "nil", "?", "n.a.", "n.a", "n/a.", "n.d.", "(null)", "\\n", "#nv", "#n/d", "#n/b", "#null!",
    "#value!", "#div/0!", "#ref!", "#num!", "#name?", "missing", "-", "--", "\u{2013}", "\u{2014}", ".", "..",
];

/// Whether a text is a spelling of a missing value.
pub(crate) fn is_gap(text: &str) -> bool {
    (text.len() <= 8 && GAPS.contains(&text.to_ascii_lowercase().as_str())) || is_sheet_error(text)
}

/// Whether a text is a spreadsheet's error in some language: `#WERT!`, `#¡REF!`, `#NOM?`.
fn is_sheet_error(text: &str) -> bool {
    let Some(error) = text.strip_prefix('#').and_then(|t| t.strip_suffix(['!', '?'])) else { return false };
    (3..=12).contains(&error.chars().count())
        && error.chars().all(|c| c.is_uppercase() || matches!(c, '/' | '0' | '\u{a1}' | '\u{bf}'))
}

/// `true` or `false`, in any case.
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Whether a text is an optional sign, digits with at most one decimal mark, and an optional exponent.
fn is_number(text: &str, decimal: Decimal) -> bool {
    let bytes = text.as_bytes();
    let bytes = bytes.strip_prefix(b"-").or(bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let (number, exponent) = match bytes.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let digits = |b: &[u8]| b.iter().all(u8::is_ascii_digit);
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(b"-").or(e.strip_prefix(b"+")).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    let (whole, part) = match number.iter().position(|b| *b == decimal.mark()) {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &number[..0]),
    };
    exponent && digits(whole) && digits(part) && whole.len() + part.len() > 0
}

/// Whether a text is digits, and at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A whole number that is not negative, maybe written as a float, as pandas does where others are missing.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// Whether a text is a whole number of which f64 does not hold the last digits. One that a program wrote of a f64, with all of its
/// digits or with zeros after those that tell it from its neighbours, is none.
fn is_rounded(text: &str, x: f64) -> bool {
    let digits = text.trim_start_matches(['-', '+']).trim_start_matches('0');
    // below 2^53 every whole number is exact
    digits.len() > 15 && is_digits(digits) && digits != format!("{:.0}", x.abs()) && digits != x.abs().to_string()
}

/// Parses a finite number; `None` if the text is not a number, exceeds f64, or is a whole number of more digits than f64 holds.
pub(crate) fn parse(text: &str, decimal: Decimal) -> Option<f64> {
    if !is_number(text, decimal) {
        return None;
    }
    let x: f64 = match decimal {
        Decimal::Point => text.parse(),
        Decimal::Comma => text.replace(',', ".").parse(),
    }
    .ok()?;
    (x.is_finite() && !is_rounded(text, x)).then_some(x)
}

/// Whether a text is a number with either decimal mark.
pub(crate) fn is_numeric(text: &str) -> bool {
    is_number(text, Decimal::Point) || is_number(text, Decimal::Comma)
}

/// The decimal mark of a number, and whether it may be a thousands separator: one to three digits, the first not 0,
/// then the mark and exactly three digits.
pub(crate) fn mark(text: &str) -> Option<(Decimal, bool)> {
    let decimal = if is_number(text, Decimal::Point) && text.contains('.') {
        Decimal::Point
    } else if is_number(text, Decimal::Comma) && text.contains(',') {
        Decimal::Comma
    } else {
        return None;
    };
    let (whole, part) = text.trim_start_matches(['-', '+']).split_once(decimal.mark() as char)?;
    let grouped = (1..=3).contains(&whole.len()) && !whole.starts_with('0') && part.len() == 3;
    Some((decimal, grouped && is_digits(part)))
}

/// What currencies are written with.
const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];

/// Whether a text is a number but for its form: with thousands separators, a currency, a percent sign, a typographic minus or characters
/// that are not seen, or infinite.
pub(crate) fn is_misformed(text: &str) -> bool {
    let seen: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let bare = |c: char| c.is_whitespace() || CURRENCIES.contains(&c) || matches!(c, '%' | '-' | '+' | '\u{2212}');
    let number = seen.trim_matches(bare);
    is_numeric(number) || is_grouped(number) || is_infinite(number)
}

fn is_infinite(text: &str) -> bool {
    text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity")
}

/// Why a text is not a number, and what to do.
pub(crate) fn why_not(text: &str, decimal: Decimal) -> String {
    if is_infinite(text.trim_start_matches(['-', '+'])) {
        return "not a finite number: replace it by a finite value or drop the row".into();
    }
    if is_number(text, decimal) {
        return match text.parse().ok().filter(|x: &f64| x.is_finite()) {
            Some(x) => format!(
                "a whole number beyond 2^53, whose last digits would be lost: write it as `{x:e}` if they do not matter, or leave the \
                 column out"
            ),
            None => "beyond the range of a 64-bit float: correct it or drop the row".into(),
        };
    }
    if is_grouped(text) {
        return "a number with thousands separators: write it without them".into();
    }
    let (own, other, marked) = match decimal {
        Decimal::Point => ("point", "comma", Decimal::Comma),
        Decimal::Comma => ("comma", "point", Decimal::Point),
    };
    if is_number(text, marked) {
        return format!("a number with a decimal {other}, where a decimal {own} is read: use that throughout");
    }
    if is_date(text) {
        return "a date or time: turn it into a number, such as days since a fixed day, or leave the column out".into();
    }
    if text.contains(is_invisible) {
        return "with a character that is not seen: delete it".into();
    }
    if text.starts_with('\u{2212}') {
        return "a number with a typographic minus: write `-`".into();
    }
    if text.ends_with('%') {
        return "a percentage: write only the number".into();
    }
    if text.trim_start_matches(['-', '+']).starts_with(CURRENCIES) || text.ends_with(CURRENCIES) {
        return "an amount with its currency: write only the number".into();
    }
    "not a number: correct it or drop the row".into()
}

/// Whether a text is a number with thousands separators: `1,234,567.8`, `1.234,5`, `1 234`, `1'234`, `1_234`.
pub(crate) fn is_grouped(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+']);
    let Some(separator) =
        text.chars().find(|c| matches!(c, ',' | '.' | ' ' | '\'' | '’' | '_' | '\u{a0}' | '\u{202f}'))
    else {
        return false;
    };
    // decimals may follow the last group
    let (whole, part) = match text.rsplit_once(|c| (c == ',' || c == '.') && c != separator) {
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(separator);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    (1..=3).contains(&first.len())
        && digits(first)
        && digits(part)
        && !rest.is_empty()
        && rest.iter().all(|g| g.len() == 3 && digits(g))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether a text has the name of a month, maybe shortened, between numbers only: `Mar 4, 2021`, `4-Mar-21`, `4 March 2021 10:00`.
fn names_a_month(text: &str) -> bool {
    let words = || text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let month = |w: &str| w.len() >= 3 && MONTHS.iter().any(|m| m.starts_with(&w.to_ascii_lowercase()));
    let number = |w: &str| w.len() <= 4 && is_digits(w);
    let months = words().filter(|w| month(w)).count();
    let beside =
        |w: &str| ["am", "pm", "utc", "gmt", "th", "st", "nd", "rd"].contains(&w.to_ascii_lowercase().as_str());
    months == 1 && words().filter(|w| number(w)).count() >= 2 && words().all(|w| month(w) || number(w) || beside(w))
}

/// Whether a number is a day written as year, month and day, maybe with hour, minute and second: `20210304`, `20210304103000`.
pub(crate) fn is_day(x: f64) -> bool {
    let whole = x as u64;
    let (day, time) = match whole {
        100_000_000_000..1_000_000_000_000 => (whole / 10_000, whole % 10_000 * 100),
        10_000_000_000_000..100_000_000_000_000 => (whole / 1_000_000, whole % 1_000_000),
        _ => (whole, 0),
    };
    whole as f64 == x
        && time < 240_000
        && time / 100 % 100 < 60
        && time % 100 < 60
        && (1900..=2199).contains(&(day / 10_000))
        && (1..=12).contains(&(day / 100 % 100))
        && (1..=31).contains(&(day % 100))
}

/// Whether a text starts with a date or time: `2021-03-04`, `4.3.2021`, `3/4/21`, `12:30`, `Mar 4, 2021`.
pub(crate) fn is_date(text: &str) -> bool {
    if names_a_month(text) {
        return true;
    }
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    let all = |parts: &[&str], lengths: &[std::ops::RangeInclusive<usize>]| {
        parts.len() == lengths.len() && parts.iter().zip(lengths).all(|(p, l)| l.contains(&p.len()) && is_digits(p))
    };
    for separator in ['-', '/', '.'] {
        let parts: Vec<&str> = day.split(separator).collect();
        if all(&parts, &[4..=4, 1..=2, 1..=2])
            || all(&parts, &[1..=2, 1..=2, 2..=2])
            || all(&parts, &[1..=2, 1..=2, 4..=4])
        {
            return true;
        }
    }
    let parts: Vec<&str> = day.split(':').collect();
    all(&parts, &[1..=2, 2..=2]) || all(&parts, &[1..=2, 2..=2, 2..=2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        for (text, x) in [("1", 1.0), ("-1.5", -1.5), ("+.5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1E-2", 0.01)] {
            assert_eq!(parse(text, Decimal::Point), Some(x), "{text}");
        }
        for text in ["", ".", "-", "e5", "1e", "1e+", "0x10", "1_000", "inf", "nan", "1e400", "1,5", "1 5", "--1", "١"]
        {
            assert_eq!(parse(text, Decimal::Point), None, "{text}");
        }
        assert_eq!(parse("1e308", Decimal::Point), Some(1e308));
        // whole numbers that are exact, or that programs write of floats
        for (text, x) in [
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("-9007199254740994", -9_007_199_254_740_994.0),
            ("0009007199254740991", 9_007_199_254_740_991.0),
            ("123456789012345680000", 123_456_789_012_345_680_000.0),
            ("123456789012345683968", 123_456_789_012_345_680_000.0),
            ("100000000000000000000000", 1e23),
            ("99999999999999991611392", 1e23),
            ("0.12345678901234567890", 0.123_456_789_012_345_68),
            ("1000000000000000003e0", 1e18),
        ] {
            assert_eq!(parse(text, Decimal::Point), Some(x), "{text}");
        }
        for text in ["9007199254740993", "-1000000000000000003", "+123456789012345678901", "9999999999999999"] {
            assert_eq!(parse(text, Decimal::Comma), None, "{text}");
            assert!(why_not(text, Decimal::Point).contains("beyond 2^53"), "{text}");
        }
        assert_eq!(parse("-0,25", Decimal::Comma), Some(-0.25));
        assert_eq!(parse("1.5", Decimal::Comma), None);
    }

    #[test]
    fn a_mark_may_be_a_thousands_separator() {
        assert_eq!(mark("1,234"), Some((Decimal::Comma, true)));
        assert_eq!(mark("-123,456"), Some((Decimal::Comma, true)));
        for text in ["0,234", "1,23", "1,2345", "1234,567", ",500"] {
            assert_eq!(mark(text), Some((Decimal::Comma, false)), "{text}");
        }
        assert_eq!(mark("1.5e3"), Some((Decimal::Point, false)));
        assert_eq!((mark("12"), mark("1,234,567")), (None, None));
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (text, word) in [
            ("inf", "finite"),
            ("-Infinity", "finite"),
            ("1e400", "64-bit"),
            ("1,234,567", "thousands"),
            ("1.234,5", "thousands"),
            ("12 345", "thousands"),
            ("1'234", "thousands"),
            ("1,5", "decimal comma"),
            ("2021-03-04", "date"),
            ("2021-03-04T10:00:00Z", "date"),
            ("4.3.2021", "date"),
            ("12:30", "date"),
            ("Mar 4, 2021", "date"),
            ("4-Mar-21", "date"),
            ("4 march 2021 10:30 pm", "date"),
            ("marble 4 21", "not a number"),
            ("\u{2212}3", "minus"),
            ("3\u{200b}", "not seen"),
            ("45%", "percentage"),
            ("$3", "currency"),
            ("-€3", "currency"),
            ("10 €", "currency"),
            ("abc", "not a number"),
        ] {
            assert!(why_not(text, Decimal::Point).contains(word), "{text}: {}", why_not(text, Decimal::Point));
        }
    }

    #[test]
    fn numbers_may_be_misformed() {
        for text in
            ["$1,037.50", "10 €", "-£5", "\u{2212}10", "10\u{200b}", "45 %", "1 234", "inf", "-Infinity", "1,5", "7"]
        {
            assert!(is_misformed(text), "{text}");
        }
        for text in ["", "$", "$AAPL", "10 kg", "y\u{200b}es", "-", "Paris", "2021-03-04", "12:30", "a%"] {
            assert!(!is_misformed(text), "{text}");
        }
    }

    #[test]
    fn gaps_have_many_spellings() {
        for text in
            ["", "NA", "NaN", "null", "N/A", "None", "?", "<NA>", "n.a.", "\\N", "(null)", "#DIV/0!", "Missing", "-"]
        {
            assert!(is_gap(text), "{text}");
        }
        for text in
            ["#NV", "#N/D", "#N/B", "#WERT!", "#BEZUG!", "#VALEUR!", "#NOM?", "#¡REF!", "#¿NOMBRE?", "#NÚM!", "."]
        {
            assert!(is_gap(text), "{text}");
        }
        for text in ["0", "nana", "nano", "+", "-1", "#1", "#tag!", "#A!", "missing tooth"] {
            assert!(!is_gap(text), "{text}");
        }
    }

    #[test]
    fn days_may_be_numbers() {
        for day in [20_210_304.0, 19_991_231.0, 202_103_041_059.0, 20_210_304_105_959.0] {
            assert!(is_day(day), "{day}");
        }
        for other in
            [20_211_304.0, 20_210_332.0, 202_103_042_459.0, 20_210_304_106_059.0, 20_210_304.5, -20_210_304.0, 1.0]
        {
            assert!(!is_day(other), "{other}");
        }
    }
}
