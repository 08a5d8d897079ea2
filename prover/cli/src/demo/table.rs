//! Plain tables for terminals and logs.

use std::fmt::Write as _;

use crate::output::grouped;

/// A table with a heading and column names. The first column is aligned left, the others right.
pub(crate) struct Table {
    heading: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &str, columns: &[&str]) -> Self {
        Table { heading: heading.to_owned(), rows: vec![columns.iter().map(|c| (*c).to_owned()).collect()] }
    }

    /// Whether it has only column names.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|x| x.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        writeln!(f, "\n{}", self.heading)?;
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                if c == 0 {
                    write!(line, "  {cell}{pad}")?;
                } else {
                    write!(line, "  {pad}{cell}")?;
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            if i == 0 {
                writeln!(f, "  {}", "─".repeat(widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1)))?;
            }
        }
        Ok(())
    }
}

/// Base units of a token with six decimals.
pub(super) fn tokens(units: i128) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:06}", grouped(units / 1_000_000), units % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_tokens_have_six_decimals() {
        assert_eq!((grouped(0), grouped(999), grouped(-1_234_567)), ("0".into(), "999".into(), "-1,234,567".into()));
        assert_eq!((tokens(1_500_001), tokens(-7)), ("1.500001".into(), "-0.000007".into()));
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new("sums", &["who", "units"]);
        table.row(["Ö".into(), "1".into()]);
        table.row(["provider".into(), "12,345".into()]);
        let text = table.to_string();
        let ends: Vec<usize> = text.lines().skip(2).map(|l| l.chars().count()).collect();
        assert!(ends.iter().all(|e| *e == ends[0]), "{text}");
    }
}
