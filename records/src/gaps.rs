//! Doubts about rows that lack their label, or an input.

use crate::doubt::{Doubt, Kind};
use crate::table::Table;

/// A doubt about rows without a label; none if there are no such rows.
pub(crate) fn unlabelled(table: &Table<'_>, rows: &[usize], column: usize) -> Option<Doubt> {
    let row = *rows.first()?;
    let class = if table.get(row, column).is_empty() { "" } else { ", or pass --gaps-are-labels if it is a class" };
    Some(doubt(table, Kind::Unlabelled, (row, column), &count(rows.len(), "no label"), class))
}

/// A doubt about rows that lack an input; none if there are no such rows. `column` is the one that the first row lacks, and
/// `categories` whether it is one-hot encoded.
pub(crate) fn incomplete(
    table: &Table<'_>,
    rows: &[usize],
    column: usize,
    input: &str,
    categories: bool,
) -> Option<Doubt> {
    let row = *rows.first()?;
    let named = categories && !table.get(row, column).is_empty();
    let category = if named { ", or, if it is a category, write it as another word" } else { "" };
    Some(doubt(table, Kind::Incomplete, (row, column), &count(rows.len(), input), category))
}

fn doubt(table: &Table<'_>, kind: Kind, (row, column): (usize, usize), more: &str, or: &str) -> Doubt {
    let text = table.get(row, column);
    let what = if text.is_empty() { "empty".into() } else { format!("`{text}`, which means a missing value") };
    let (name, flag) = (table.name(column), kind.flag());
    Doubt::new(
        kind,
        Some(table.line(row)),
        Some(column),
        format!("(`{name}`) is {what}: {more}"),
        format!("fill them in, or leave these records out with {flag}{or}"),
    )
}

fn count(rows: usize, lack: &str) -> String {
    format!("{rows} {} {lack}", if rows == 1 { "record has" } else { "records have" })
}
