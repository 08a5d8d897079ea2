//! Labelled records: quantised features with their targets, read from CSV.

use thiserror::Error;

use crate::schema::{Feature, Schema, SchemaError, Target};

/// Quantised records of one schema, in their original order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    width: usize,
    features: Vec<u8>,
    targets: Vec<u16>,
}

impl Records {
    /// No records yet, `width` features each.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Records { width, features: Vec::new(), targets: Vec::new() }
    }
    /// Appends a record; `features` must have the width. The target is the class number, or the 16-bit value.
    ///
    /// # Panics
    /// If the width differs: a caller's mistake.
    pub fn push(&mut self, features: &[u8], target: u16) {
        assert_eq!(features.len(), self.width, "record width");
        self.features.extend_from_slice(features);
        self.targets.push(target);
    }
    /// Features per record.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
    /// Features of record `i`.
    #[must_use]
    pub fn features(&self, i: usize) -> &[u8] {
        &self.features[i * self.width..(i + 1) * self.width]
    }
    /// Target of record `i`: class number or 16-bit value.
    #[must_use]
    pub fn target(&self, i: usize) -> u16 {
        self.targets[i]
    }
    /// All records as (features, target).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u16)> {
        (0..self.len()).map(|i| (self.features(i), self.target(i)))
    }
    /// Records `range` as records of their own.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Records {
        Records {
            width: self.width,
            features: self.features[range.start * self.width..range.end * self.width].to_vec(),
            targets: self.targets[range].to_vec(),
        }
    }
    /// Appends all records of `other` (same width).
    pub fn extend(&mut self, other: &Records) {
        debug_assert_eq!(self.width, other.width);
        self.features.extend_from_slice(&other.features);
        self.targets.extend_from_slice(&other.targets);
    }
    /// Bytes that determine the records: width, count, then per record features and target (big-endian).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.features.len() + 2 * self.len());
        out.extend_from_slice(&(self.width as u32).to_be_bytes());
        out.extend_from_slice(&(self.len() as u64).to_be_bytes());
        for (f, t) in self.iter() {
            out.extend_from_slice(f);
            out.extend_from_slice(&t.to_be_bytes());
        }
        out
    }
    /// Inverse of [`Records::to_bytes`]; `None` when the length does not fit.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Records> {
        let (head, body) = bytes.split_at_checked(12)?;
        let width = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let len = usize::try_from(u64::from_be_bytes(head[4..].try_into().ok()?)).ok()?;
        if body.len() != len.checked_mul(width.checked_add(2)?)? {
            return None;
        }
        let mut records = Records::new(width);
        for chunk in body.chunks_exact(width + 2) {
            let (f, t) = chunk.split_at(width);
            records.push(f, u16::from_be_bytes([t[0], t[1]]));
        }
        Some(records)
    }
}

/// Data that cannot be read, with the place: rows and columns are counted from 1, the header included.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DataError {
    /// A row with another number of fields.
    #[error("{file}: row {row} has {got} fields, expected {expected} ({features} features and the label)")]
    Width {
        /// File name.
        file: String,
        /// Row.
        row: u64,
        /// Fields wanted.
        expected: usize,
        /// Fields found.
        got: usize,
        /// Features wanted.
        features: usize,
    },
    /// An empty field.
    #[error("{file}: row {row}, column {column} (`{name}`) is empty: fill it in or drop the row")]
    Missing {
        /// File name.
        file: String,
        /// Row.
        row: u64,
        /// Column.
        column: usize,
        /// Feature name.
        name: String,
    },
    /// Not a finite number.
    #[error("{file}: row {row}, column {column} (`{name}`) is `{text}`, not a finite number")]
    NotNumber {
        /// File name.
        file: String,
        /// Row.
        row: u64,
        /// Column.
        column: usize,
        /// Feature name.
        name: String,
        /// What stands there.
        text: String,
    },
    /// A label that the schema does not have.
    #[error("{file}: row {row}, column {column}: label `{label}` is not in the schema ({known})")]
    UnknownLabel {
        /// File name.
        file: String,
        /// Row.
        row: u64,
        /// Column.
        column: usize,
        /// The label.
        label: String,
        /// The schema's labels, joined.
        known: String,
    },
    /// No records.
    #[error("{file}: there are no records in it")]
    Empty {
        /// File name.
        file: String,
    },
    /// The CSV itself is broken.
    #[error("{file}: {reason}")]
    Csv {
        /// File name.
        file: String,
        /// The reader's words.
        reason: String,
    },
    /// No schema can be made from it.
    #[error("{file}: {source}")]
    Schema {
        /// File name.
        file: String,
        /// Why.
        source: SchemaError,
    },
}

/// A CSV's rows as text, the label last. A first row in which any feature is no number is a header.
struct Table {
    header: Option<Vec<String>>,
    rows: Vec<(u64, Vec<String>)>,
}

fn read_table(file: &str, text: &[u8]) -> Result<Table, DataError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| DataError::Csv { file: file.into(), reason: e.to_string() })?;
        let row = record.position().map_or(rows.len() as u64 + 1, csv::Position::line);
        let fields: Vec<String> = record.iter().map(str::to_owned).collect();
        if !(fields.len() == 1 && fields[0].is_empty()) {
            rows.push((row, fields));
        }
    }
    let is_header = |fields: &[String]| {
        let (_, features) = fields.split_last().unwrap_or((&fields[0], &[]));
        !features.is_empty() && features.iter().all(|f| !f.is_empty() && f.parse::<f64>().is_err())
    };
    let header = match rows.first() {
        Some((_, fields)) if is_header(fields) => Some(rows.remove(0).1),
        _ => None,
    };
    if rows.is_empty() {
        return Err(DataError::Empty { file: file.into() });
    }
    Ok(Table { header, rows })
}

/// Reads records of `schema` from CSV `text`; `file` is named in errors.
///
/// # Errors
/// The first [`DataError`], with row and column.
pub fn read_csv(file: &str, text: &[u8], schema: &Schema) -> Result<Records, DataError> {
    let width = schema.features().len();
    let mut records = Records::new(width);
    let mut quantised = Vec::with_capacity(width);
    for (row, fields) in &read_table(file, text)?.rows {
        check_width(file, *row, fields, width)?;
        quantised.clear();
        for (i, f) in schema.features().iter().enumerate() {
            let x = number(file, *row, i, &f.name, &fields[i])?;
            quantised.push(f.quantise(x).unwrap_or(0)); // `number` only returns finite values
        }
        let target = target(file, *row, width, &fields[width], schema.target())?;
        records.push(&quantised, target);
    }
    Ok(records)
}

/// Makes a schema from a CSV: names from the header (or `x1…`), ranges from the values, classes from the labels in
/// ascending order (numeric where all are numbers).
///
/// # Errors
/// As [`read_csv`].
pub fn infer_schema(file: &str, name: &str, text: &[u8]) -> Result<Schema, DataError> {
    let table = read_table(file, text)?;
    let features = infer_features(file, &table)?;
    let mut labels: Vec<String> = Vec::new();
    for (row, fields) in &table.rows {
        let label = &fields[features.len()];
        if label.is_empty() {
            let column = features.len() + 1;
            return Err(DataError::Missing { file: file.into(), row: *row, column, name: "label".into() });
        }
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    let numeric: Option<Vec<f64>> = labels.iter().map(|l| l.parse().ok()).collect();
    match numeric {
        Some(_) => labels.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0))),
        None => labels.sort(),
    }
    Schema::new(name.into(), features, Target::Classes(labels), None)
        .map_err(|source| DataError::Schema { file: file.into(), source })
}

/// [`infer_schema`] for a regression: the last column is a number, its range the target's.
///
/// # Errors
/// As [`read_csv`].
pub fn infer_regression_schema(file: &str, name: &str, text: &[u8]) -> Result<Schema, DataError> {
    let table = read_table(file, text)?;
    let features = infer_features(file, &table)?;
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for (row, fields) in &table.rows {
        let y = number(file, *row, features.len(), "target", &fields[features.len()])?;
        range = (range.0.min(y), range.1.max(y));
    }
    let (lo, hi) = widened(range);
    Schema::new(name.into(), features, Target::Real { lo, hi }, None)
        .map_err(|source| DataError::Schema { file: file.into(), source })
}

/// Names and ranges of all columns but the last.
fn infer_features(file: &str, table: &Table) -> Result<Vec<Feature>, DataError> {
    let width = table.rows[0].1.len().saturating_sub(1);
    let names: Vec<String> = (0..width)
        .map(|i| table.header.as_ref().and_then(|h| h.get(i)).cloned().unwrap_or_else(|| format!("x{}", i + 1)))
        .collect();
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
    for (row, fields) in &table.rows {
        check_width(file, *row, fields, width)?;
        for (i, range) in ranges.iter_mut().enumerate() {
            let x = number(file, *row, i, &names[i], &fields[i])?;
            *range = (range.0.min(x), range.1.max(x));
        }
    }
    let feature = |(name, range)| {
        let (lo, hi) = widened(range);
        Feature { name, lo, hi }
    };
    Ok(names.into_iter().zip(ranges).map(feature).collect())
}

/// A range that is not empty.
fn widened((lo, hi): (f64, f64)) -> (f64, f64) {
    (lo, if hi > lo { hi } else { lo + 1.0 })
}

fn check_width(file: &str, row: u64, fields: &[String], width: usize) -> Result<(), DataError> {
    if fields.len() == width + 1 {
        return Ok(());
    }
    Err(DataError::Width { file: file.into(), row, expected: width + 1, got: fields.len(), features: width })
}

fn number(file: &str, row: u64, i: usize, name: &str, text: &str) -> Result<f64, DataError> {
    if text.is_empty() {
        return Err(DataError::Missing { file: file.into(), row, column: i + 1, name: name.into() });
    }
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(DataError::NotNumber { file: file.into(), row, column: i + 1, name: name.into(), text: text.into() }),
    }
}

fn target(file: &str, row: u64, i: usize, text: &str, target: &Target) -> Result<u16, DataError> {
    if text.is_empty() {
        return Err(DataError::Missing { file: file.into(), row, column: i + 1, name: "label".into() });
    }
    match target {
        Target::Classes(labels) => {
            labels.iter().position(|l| l == text).map(|i| i as u16).ok_or_else(|| DataError::UnknownLabel {
                file: file.into(),
                row,
                column: i + 1,
                label: text.into(),
                known: labels.join(", "),
            })
        }
        Target::Real { lo, hi } => {
            let x = number(file, row, i, "target", text)?;
            Ok(((x - lo) * 65535.0 / (hi - lo)).round_ties_even().clamp(0.0, 65535.0) as u16)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "a,b,label\n0,1,x\n2,3,y\n4,5,x\n";

    fn read(text: &str) -> Result<Records, DataError> {
        let schema = infer_schema("good.csv", "s", CSV.as_bytes()).unwrap();
        read_csv("f.csv", text.as_bytes(), &schema)
    }

    #[test]
    fn schema_is_inferred_and_bytes_round_trip() {
        let r = read(CSV).unwrap();
        assert_eq!(r.len(), 3);
        assert_eq!((r.features(2), r.target(1)), (&[255u8, 255][..], 1));
        assert_eq!(Records::from_bytes(&r.to_bytes()), Some(r.clone()));
        assert_eq!(Records::from_bytes(&r.to_bytes()[1..]), None);
    }

    #[test]
    fn a_regression_s_target_is_a_range() {
        let csv = "a,b,y\n0,1,-2.5\n2,3,7.5\n4,5,2.5\n";
        let schema = infer_regression_schema("good.csv", "s", csv.as_bytes()).unwrap();
        assert_eq!(schema.target(), &Target::Real { lo: -2.5, hi: 7.5 });
        let r = read_csv("good.csv", csv.as_bytes(), &schema).unwrap();
        assert_eq!((r.target(0), r.target(1), r.target(2)), (0, 65_535, 32_768));
        let words = infer_regression_schema("f.csv", "s", CSV.as_bytes()).unwrap_err();
        assert!(matches!(words, DataError::NotNumber { row: 2, column: 3, .. }), "{words}");
    }

    #[test]
    fn a_file_without_header_is_read_whole() {
        assert_eq!(read("0,1,x\n2,3,y\n").unwrap().len(), 2);
    }

    #[test]
    fn bad_data_names_row_and_column() {
        assert!(matches!(read("0,,x\n"), Err(DataError::Missing { row: 1, column: 2, .. })));
        assert!(matches!(read("0,1,x\n2,abc,y\n"), Err(DataError::NotNumber { row: 2, column: 2, .. })));
        assert!(matches!(read("0,NaN,x\n"), Err(DataError::NotNumber { row: 1, column: 2, .. })));
        assert!(matches!(read("0,1,2,x\n"), Err(DataError::Width { row: 1, expected: 3, got: 4, .. })));
        assert!(matches!(read("0,1,z\n"), Err(DataError::UnknownLabel { row: 1, column: 3, .. })));
        assert!(matches!(read(""), Err(DataError::Empty { .. })));
        assert!(matches!(read("a,b,label\n"), Err(DataError::Empty { .. })));
    }
}
