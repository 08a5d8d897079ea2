//! Columns that options name: which of them a name or a number means, and how an option names one.

use crate::phrase::same_name;

/// The columns that a name in an option means: those that are called exactly so, or else those with the same name but for what
/// [`same_name`] ignores.
pub(crate) fn meant(names: &[impl AsRef<str>], named: &str) -> Vec<usize> {
    let those = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..names.len()).filter(|column| same(names[*column].as_ref())).collect()
    };
    let exact = those(&|name| name == named);
    if exact.is_empty() {
        those(&|name| same_name(name, named))
    } else {
        exact
    }
}

/// The column, of `width` ones, whose number from 1 stands in an option.
pub(crate) fn numbered(named: &str, width: usize) -> Option<usize> {
    named.parse::<usize>().ok().filter(|n| (1..=width).contains(n)).map(|n| n - 1)
}

/// What follows an option that names a column, [`as_option`]: its name, or its number where the name means another column; `None` if
/// neither means it. `names` is empty if the columns have none.
pub(crate) fn of(names: &[impl AsRef<str>], column: usize) -> Option<String> {
    let number = (column + 1).to_string();
    let means = |option: &str| match meant(names, option)[..] {
        [] => option == number,
        [only] => only == column,
        _ => false,
    };
    let name = names.get(column).map_or("", AsRef::as_ref);
    as_option(name).filter(|_| means(name)).or_else(|| as_option(&number).filter(|_| means(&number)))
}

/// A name as it follows an option that takes a list, with the blank or the `=` between them; `None` if the list or a shell would change
/// the name.
pub(crate) fn as_option(name: &str) -> Option<String> {
    // a comma ends a name in the list, and the others are not literal in a shell's quotes
    if name.is_empty() || name.contains([',', '"', '$', '`', '\\', '!', '\n']) {
        return None;
    }
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    Some(match () {
        () if word => format!(" {name}"),
        // after a blank it would be an option itself
        () if name.starts_with('-') => format!("=\"{name}\""),
        () => format!(" \"{name}\""),
    })
}

/// What to do about a column that is not wanted, which [`as_option`] names.
pub(crate) fn leave_out(option: Option<String>) -> String {
    option.map_or("delete it from the file".into(), |option| format!("leave it out with --drop{option}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_names_as_they_are() {
        for (name, option) in [
            ("age_2", Some(" age_2")),
            ("my id", Some(" \"my id\"")),
            ("größe", Some(" \"größe\"")),
            ("-1", Some("=\"-1\"")),
            ("", None),
            ("a, b", None),
            ("$when", None),
            ("now!", None),
        ] {
            assert_eq!(as_option(name).as_deref(), option, "{name}");
        }
    }

    #[test]
    fn a_column_is_named_by_what_means_it() {
        for (names, column, option) in [
            (&["a", "A", " a"][..], 1, Some(" A")),
            (&["when", "When "], 0, Some(" when")),
            (&["a", "a"], 1, Some(" 2")),
            (&["a, b", "x"], 0, Some(" 1")),
            (&["2", "$when"], 1, None),
            (&[], 2, Some(" 3")),
        ] {
            assert_eq!(of(names, column).as_deref(), option, "{names:?} {column}");
        }
        assert_eq!(
            (numbered("3", 3), numbered("4", 3), numbered("0", 3), numbered("c", 3)),
            (Some(2), None, None, None)
        );
    }
}
