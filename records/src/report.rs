//! The report on a file, available before anything is committed.

use serde::Serialize;

use crate::doubt::Doubt;
use crate::error::{DataError, Fault};

/// What was found in a file, and the doubts about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// File name.
    pub file: String,
    /// Number of records that would be committed.
    pub records: usize,
    /// Number of gzip members; 0 for a plain file.
    pub gzip_members: usize,
    /// `comma`, `semicolon` or `tab`; of a columnar file `parquet` or `arrow`.
    pub separator: &'static str,
    /// `.` or `,`
    pub decimal_mark: &'static str,
    /// The header, if there is one.
    pub header: Option<HeaderReport>,
    /// The features, in the schema's order; none of raw records.
    pub features: Vec<ColumnReport>,
    /// Column of the label, from 1; `None` for queries without one.
    pub label_column: Option<usize>,
    /// The label's name, if there is a header.
    pub label_name: Option<String>,
    /// The schema's classes with their record counts; empty for a regression and for raw records.
    pub classes: Vec<ClassReport>,
    /// The target of a regression, on 65,536 steps.
    pub target: Option<ColumnReport>,
    /// Columns that are neither a feature nor the label.
    pub left_out: Vec<LeftOut>,
    /// Number of rows without a label.
    pub unlabelled: usize,
    /// Number of rows with at least one feature missing.
    pub incomplete: usize,
    /// Number of records equal to an earlier one.
    pub duplicates: usize,
    /// Number of comment lines skipped.
    pub comments: usize,
    /// Number of lines skipped because they hold no value.
    pub blank: usize,
    /// Remarks that need no decision.
    pub notes: Vec<String>,
    /// Findings that need a decision.
    pub doubts: Vec<Doubt>,
}

/// The header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderReport {
    /// Line, from 1; 0 in a columnar file, where names are no line.
    pub row: u64,
    /// Whether it is a comment line.
    pub comment: bool,
    /// Whether its names match the schema's; `None` while a schema is inferred.
    pub names_matched: Option<bool>,
    /// Whether the columns were reordered to match the schema.
    pub order_changed: bool,
}

/// A feature, or a regression target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name in the schema.
    pub name: String,
    /// Column of the file, from 1.
    pub column: usize,
    /// Lower and upper end of the schema's range.
    pub range: [f64; 2],
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Number of rows in which it is missing.
    pub missing: usize,
    /// Number of values below the range, clamped to its lower end.
    pub clamped_below: usize,
    /// Number of values above the range, clamped to its upper end.
    pub clamped_above: usize,
    /// Number of distinct values.
    pub distinct: usize,
    /// Number of distinct steps they fall on.
    pub steps: usize,
    /// Whether nearly all values in the range fall on so few steps that they can hardly be told apart.
    pub coarse: bool,
    /// Whether a few values far off leave only a few steps to most others.
    pub crowded: bool,
}

impl ColumnReport {
    /// Number of values outside the range.
    #[must_use]
    pub fn clamped(&self) -> usize {
        self.clamped_below + self.clamped_above
    }
}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassReport {
    /// The schema's label.
    pub label: String,
    /// Number of its records.
    pub records: usize,
    /// Its spellings in the file with their record counts, unless all are the schema's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<(String, usize)>,
}

/// A column that is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Column of the file, from 1.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// Reason.
    pub why: &'static str,
}

impl LeftOut {
    pub(crate) fn new(column: usize, name: String, why: &'static str) -> Self {
        LeftOut { column: column + 1, name, why }
    }
}

impl Report {
    /// Fails if any doubt is not accepted.
    ///
    /// # Errors
    /// All unaccepted doubts at once, with the position of the first.
    pub fn settled(&self) -> Result<(), DataError> {
        let open: Vec<Doubt> = self.doubts.iter().filter(|d| !d.accepted).cloned().collect();
        match open.first() {
            None => Ok(()),
            Some(first) => {
                let (row, column) = (first.row, first.column);
                Err(DataError { file: self.file.clone(), row, column, fault: Box::new(Fault::Doubtful(open)) })
            }
        }
    }
}

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {}", self.file, plural(self.records, "record"))?;
        let gzip = match self.gzip_members {
            0 => String::new(),
            n => format!(", gzip ({})", plural(n, "member")),
        };
        match self.separator {
            "parquet" => writeln!(f, "  form        Parquet")?,
            "arrow" => writeln!(f, "  form        Arrow")?,
            separator => {
                writeln!(f, "  form        {separator}-separated, decimal mark `{}`{gzip}", self.decimal_mark)?
            }
        }
        match &self.header {
            None => writeln!(f, "  header      none: columns are taken by position")?,
            Some(h) => {
                let names = match h.names_matched {
                    None => "",
                    Some(true) if h.order_changed => ", names as in the schema, put in the schema's order",
                    Some(true) => ", names and order as in the schema",
                    Some(false) => ", names are not the schema's",
                };
                let comment = if h.comment { " (a comment)" } else { "" };
                let place = if h.row == 0 { "in the file".to_owned() } else { format!("row {}", h.row) };
                writeln!(f, "  header      {place}{comment}{names}")?;
            }
        }
        if let Some(column) = self.label_column {
            let name = self.label_name.as_ref().map_or(String::new(), |n| format!(" (`{n}`)"));
            writeln!(f, "  label       column {column}{name}")?;
        }
        for class in &self.classes {
            let joined: Vec<String> = class.joined.iter().map(|(s, n)| format!("`{s}` {n}")).collect();
            let joined = if joined.is_empty() { String::new() } else { format!(", spelled {}", joined.join(", ")) };
            writeln!(f, "    class `{}`: {}{joined}", class.label, plural(class.records, "record"))?;
        }
        for column in &self.left_out {
            writeln!(f, "  left out    column {} (`{}`): {}", column.column, column.name, column.why)?;
        }
        let counts = [
            (self.unlabelled, "record", "without a label"),
            (self.incomplete, "record", "with a missing feature"),
            (self.duplicates, "duplicate", ""),
            (self.comments, "comment line", "skipped"),
            (self.blank, "empty line", "skipped"),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(n, ..)| *n > 0)
            .map(|(n, one, more)| format!("{} {more}", plural(*n, one)).trim_end().to_owned())
            .collect();
        if !counts.is_empty() {
            writeln!(f, "  counted     {}", counts.join(", "))?;
        }
        self.columns(f)?;
        for note in &self.notes {
            writeln!(f, "  note        {note}")?;
        }
        for doubt in &self.doubts {
            let (word, advice) = match doubt.accepted {
                true => ("accepted", format!("accepted by {}", doubt.flag)),
                false => ("DOUBTFUL", doubt.advice.clone()),
            };
            writeln!(f, "  {word}    {}{}: {advice}", doubt.place(), doubt.message)?;
        }
        Ok(())
    }
}

/// Largest number of columns that are all listed; of more, only those with a problem.
const SHOWN: usize = 20;

impl Report {
    fn columns(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<(&ColumnReport, usize)> =
            self.features.iter().map(|c| (c, 256)).chain(self.target.iter().map(|c| (c, 65_536))).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let all = columns.len() <= SHOWN;
        let told = |c: &ColumnReport| c.clamped() > 0 || c.missing > 0 || c.coarse;
        writeln!(f, "  features    {}", self.features.len())?;
        for (c, steps) in columns.iter().filter(|(c, _)| all || told(c)) {
            write!(f, "    `{}` (column {}): {} to {}", c.name, c.column, c.min, c.max)?;
            write!(f, ", {} on {} of {steps} steps", plural(c.distinct, "value"), c.steps)?;
            if c.missing > 0 {
                write!(f, ", {} missing", c.missing)?;
            }
            if c.clamped() > 0 {
                let [lo, hi] = c.range;
                write!(f, ", {} clamped to [{lo}, {hi}]", c.clamped())?;
            }
            writeln!(f, "{}", if c.distinct == 1 { ", constant" } else { "" })?;
        }
        if !all {
            let quiet = columns.iter().filter(|(c, _)| !told(c)).count();
            let constant = columns.iter().filter(|(c, _)| c.distinct == 1).count();
            writeln!(f, "    {quiet} others in range, none missing; {constant} of all constant")?;
        }
        Ok(())
    }
}
