//! Wording shared by messages, and how texts look.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// Lists names in backticks: all of up to eight, or the first six and the total.
pub(crate) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let count = names.len();
    if count > 8 {
        names.truncate(6);
    }
    let mut all: Vec<String> = names
        .iter()
        .map(|&name| {
            let twin = names.iter().find(|other| look_the_same(name, other)).unwrap_or(&name);
            if name.is_empty() {
                "(no name)".into()
            } else {
                format!("`{}`", shown_beside(name, twin))
            }
        })
        .collect();
    if count > 8 {
        all.push(format!("… ({count} in all)"));
    }
    all.join(", ")
}

/// A text for a message: characters that are not seen, and blanks that are not ASCII, are written as, for example, `\u{200b}`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    written_out(text, |c| is_invisible(c) || (c.is_whitespace() && !c.is_ascii()))
}

/// A text for a message in which it stands beside `other`: as [`shown`], but if the two differ and look the same, such as `µ` (micro) and
/// `μ` (mu), every character that is not ASCII is written out.
pub(crate) fn shown_beside<'t>(text: &'t str, other: &str) -> Cow<'t, str> {
    if look_the_same(text, other) {
        return written_out(text, |c| !c.is_ascii());
    }
    shown(text)
}

/// Whether two texts look the same and are not.
fn look_the_same(a: &str, b: &str) -> bool {
    a != b && !(a.is_ascii() && b.is_ascii()) && a.nfkc().eq(b.nfkc())
}

fn written_out(text: &str, chosen: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&chosen) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::new();
    for c in text.chars() {
        if chosen(c) {
            seen.extend(c.escape_unicode());
        } else {
            seen.push(c);
        }
    }
    Cow::Owned(seen)
}

/// What texts that look alike have in common: lower-cased, with single blanks, plain dashes and quotes, letters in one form (`é`
/// is one character or two), and without what is not seen.
pub(crate) fn folded(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    };
    let seen: String = text.nfkc().filter(|c| !is_invisible(*c)).map(plain).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A text with letters in one form and plain blanks: two texts of which this is equal differ in nothing that a reader sees.
pub(crate) fn composed(text: &str) -> String {
    text.nfc().map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
}

/// Whether a character is not seen: zero-width and formatting characters, fillers, variation selectors, and control characters
/// other than blanks (Unicode's Default_Ignorable_Code_Point, and Cc).
pub(crate) fn is_invisible(c: char) -> bool {
    match c {
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_control() && !c.is_whitespace(),
    }
}

/// Whether two names are equal, ignoring case, blanks around them and invisible characters.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.trim().eq_ignore_ascii_case(b.trim());
    }
    folded(a) == folded(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_look_alike_are_folded_alike() {
        for (a, b) in [
            ("yes", "Yes"),
            ("a b", " a\u{a0} b"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("yes", "y\u{200b}es"),
            ("yes", "\u{feff}yes"),
            ("yes", "yes\u{2060}"),
            ("yes", "yes\u{0}"),
            ("A-1", "a\u{2013}1"),
            ("it's", "it\u{2019}s"),
            ("12", "\u{ff11}2"),
        ] {
            assert_eq!(folded(a), folded(b), "{}", shown(b));
        }
        assert_ne!(folded("a b"), folded("ab"));
    }

    #[test]
    fn what_is_not_seen_is_written_out() {
        assert_eq!(shown("y\u{200b}es"), "y\\u{200b}es");
        assert_eq!(some(["", "\u{feff}a"].into_iter()), "(no name), `\\u{feff}a`");
        assert!(matches!(shown("größer\n"), Cow::Borrowed(_)));
        assert_eq!(some(["a\u{a0}b", "a b"].into_iter()), "`a\\u{a0}b`, `a b`");
        assert_eq!(some(["\u{b5}m", "\u{3bc}m", "é"].into_iter()), "`\\u{b5}m`, `\\u{3bc}m`, `é`");
        assert_eq!(some(["caf\u{e9}", "cafe\u{301}"].into_iter()), "`caf\\u{e9}`, `cafe\\u{301}`");
        assert_eq!((shown_beside("é", "e"), shown_beside("é", "é")), (shown("é"), shown("é")));
    }
}
