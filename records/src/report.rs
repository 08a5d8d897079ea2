//! What was found in a file: one report, before anything is committed.

use serde::Serialize;

use crate::doubt::Doubt;
use crate::error::{DataError, Fault};

/// What was found in a file, and what is doubtful about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// File name.
    pub file: String,
    /// Records that would be committed.
    pub records: usize,
    /// gzip members, 0 for a plain file.
    pub gzip_members: usize,
    /// `comma`, `semicolon` or `tab`.
    pub separator: &'static str,
    /// `.` or `,`
    pub decimal_mark: &'static str,
    /// The header, if there is one.
    pub header: Option<HeaderReport>,
    /// The features, in the schema's order.
    pub features: Vec<ColumnReport>,
    /// The label's column, from 1; none where queries have no label.
    pub label_column: Option<usize>,
    /// Its name, if there is a header.
    pub label_name: Option<String>,
    /// The schema's classes; empty for a regression.
    pub classes: Vec<ClassReport>,
    /// The target of a regression, on 65,536 steps.
    pub target: Option<ColumnReport>,
    /// Columns that are no features.
    pub left_out: Vec<LeftOut>,
    /// Records without a label.
    pub unlabelled: usize,
    /// Records with at least one feature missing.
    pub incomplete: usize,
    /// Records that say the same as one before them.
    pub duplicates: usize,
    /// Comment lines that were skipped.
    pub comments: usize,
    /// Lines without any value that were skipped.
    pub blank: usize,
    /// What is worth knowing and needs no decision.
    pub notes: Vec<String>,
    /// What needs one.
    pub doubts: Vec<Doubt>,
}

/// The header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderReport {
    /// Its line, from 1.
    pub row: u64,
    /// Whether it is written as a comment.
    pub comment: bool,
    /// Whether its names are the schema's; none while a schema is made.
    pub names_matched: Option<bool>,
    /// Whether the columns were put in the schema's order.
    pub order_changed: bool,
}

/// One feature, or a regression's target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// The schema's name.
    pub name: String,
    /// Column of the file, from 1.
    pub column: usize,
    /// Ends of the schema's range.
    pub range: [f64; 2],
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Records without it.
    pub missing: usize,
    /// Values below the range, moved to its lower end.
    pub clamped_below: usize,
    /// Values above it, moved to its upper end.
    pub clamped_above: usize,
    /// Different values.
    pub distinct: usize,
    /// Different steps they fall on.
    pub steps: usize,
    /// Whether nearly all values in the range fall on a few steps that hold many values each.
    pub coarse: bool,
}

impl ColumnReport {
    /// Values beyond the range.
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
    /// Records of it.
    pub records: usize,
    /// Its spellings in the file with their records, if any is not the schema's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<(String, usize)>,
}

/// A column that is no feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Column of the file, from 1.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

impl LeftOut {
    pub(crate) fn new(column: usize, name: String, why: &'static str) -> Self {
        LeftOut { column: column + 1, name, why }
    }
}

impl Report {
    /// Refuses what is doubtful and was not accepted.
    ///
    /// # Errors
    /// All of these doubts at once, with the place of the first.
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
        writeln!(f, "  form        {}s between fields, decimal mark `{}`{gzip}", self.separator, self.decimal_mark)?;
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
                writeln!(f, "  header      row {}{comment}{names}", h.row)?;
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

/// Features shown line by line; of more, only those with something to say.
const SHOWN: usize = 20;

impl Report {
    fn columns(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<(&ColumnReport, usize)> =
            self.features.iter().map(|c| (c, 256)).chain(self.target.iter().map(|c| (c, 65_536))).collect();
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
