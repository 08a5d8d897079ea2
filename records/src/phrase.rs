//! Wording shared by messages.

/// Lists names in backticks: all of up to eight, or the first six and the total.
pub(crate) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<String> =
        names.map(|n| if n.is_empty() { "(no name)".into() } else { format!("`{n}`") }).collect();
    let count = all.len();
    if count > 8 {
        all.truncate(6);
        all.push(format!("… ({count} in all)"));
    }
    all.join(", ")
}
