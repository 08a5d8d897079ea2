//! The format of records, as content-addressed canonical JSON. Datasets of the same schema can train one agent
//! together.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::keccak;
use crate::id::SchemaId;
use crate::layout::{Layout, LayoutError, Task, MAX_CLASSES, MAX_FEATURES};

/// One feature: its name and the range that the 256 steps of a `u8` cover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name, for people and error messages.
    pub name: String,
    /// Value of step 0.
    pub lo: f64,
    /// Value of step 255.
    pub hi: f64,
}

impl Feature {
    /// `round((x − lo)·255/(hi − lo))` in f64, ties to even, clamped to 0..=255. `None` for NaN and infinities.
    #[must_use]
    pub fn quantise(&self, x: f64) -> Option<u8> {
        if !x.is_finite() {
            return None;
        }
        let q = ((x - self.lo) * 255.0 / (self.hi - self.lo)).round_ties_even();
        Some(q.clamp(0.0, 255.0) as u8)
    }
}

/// A one-hot encoded column of categories: one feature per value, with range 0 to 1, which is 1 where a record has that
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categories {
    /// Name of the column.
    pub column: String,
    /// Position of the first value's feature, from 0; the others follow.
    pub first: usize,
    /// The possible values, in order.
    pub values: Vec<String>,
}

/// What an agent predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Target {
    /// One of these labels; the class number is the label's position.
    Classes(Vec<String>),
    /// A real value in `[lo, hi]`, committed with 16 bits.
    Real {
        /// Value of step 0.
        lo: f64,
        /// Value of step 65,535.
        hi: f64,
    },
}

/// A schema. Its id is the keccak256 of [`Schema::canonical`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Schema {
    name: String,
    features: Vec<Feature>,
    target: Target,
    extractor: Option<String>,
    categories: Vec<Categories>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: String,
    features: Vec<Feature>,
    target: Target,
    /// SHA-256 of the extractor's ONNX file in hex, if a model extracts the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extractor: Option<String>,
    /// Columns of categories, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    categories: Vec<Categories>,
}

impl From<Schema> for Fields {
    fn from(s: Schema) -> Self {
        let Schema { name, features, target, extractor, categories } = s;
        Fields { name, features, target, extractor, categories }
    }
}

impl TryFrom<Fields> for Schema {
    type Error = SchemaError;
    fn try_from(f: Fields) -> Result<Self, SchemaError> {
        Schema::new(f.name, f.features, f.target, f.extractor)?.with_categories(f.categories)
    }
}

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SchemaError {
    /// Too many features, or none.
    #[error("the schema has {features} features; it needs 1 to {}", MAX_FEATURES)]
    Features {
        /// Number of features found.
        features: usize,
    },
    /// A range that is empty, reversed, not finite, or too wide for its steps.
    #[error(
        "feature {index} (`{name}`) has range [{lo:?}, {hi:?}]: both ends and their distance times 65535 must be finite and lo < hi"
    )]
    Range {
        /// Position, from 0.
        index: usize,
        /// Feature name.
        name: String,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
    /// Too many classes, or fewer than two.
    #[error("the schema has {classes} classes; it needs 2 to {MAX_CLASSES}")]
    Classes {
        /// Number of classes found.
        classes: usize,
    },
    /// A label that occurs twice.
    #[error("label `{label}` occurs twice in the schema")]
    Duplicate {
        /// The label.
        label: String,
    },
    /// The target's range is empty, reversed, not finite, or too wide for its steps.
    #[error("the target's range [{lo:?}, {hi:?}] is not usable: both ends and their distance times 65535 must be finite and lo < hi")]
    TargetRange {
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
    /// Categories that do not match the features they claim.
    #[error(
        "the categories of `{column}` are not usable: they need at least one value, all distinct, and as many features \
         with range 0 to 1, starting at number {first}, that belong to no other column"
    )]
    Categories {
        /// Name of the column.
        column: String,
        /// Position of its first feature.
        first: usize,
    },
    /// The extractor digest is not a SHA-256 in hex.
    #[error("the extractor `{digest}` is not a SHA-256 in lower-case hex (64 digits)")]
    Extractor {
        /// The digest given.
        digest: String,
    },
    /// Not a schema at all.
    #[error("not a schema: {reason}")]
    Json {
        /// The JSON parser's message.
        reason: String,
    },
}

/// Whether values can be scaled by a range: its ends are finite, it is not empty, and a value's distance from its lower end times the
/// number of steps, at most 65,535, is finite.
#[must_use]
pub fn usable(lo: f64, hi: f64) -> bool {
    lo.is_finite() && hi.is_finite() && lo < hi && ((hi - lo) * 65_535.0).is_finite()
}

impl Schema {
    /// Validates and builds a schema.
    pub fn new(
        name: String,
        features: Vec<Feature>,
        target: Target,
        extractor: Option<String>,
    ) -> Result<Self, SchemaError> {
        if !(1..=MAX_FEATURES).contains(&features.len()) {
            return Err(SchemaError::Features { features: features.len() });
        }
        for (index, f) in features.iter().enumerate() {
            if !usable(f.lo, f.hi) {
                return Err(SchemaError::Range { index, name: f.name.clone(), lo: f.lo, hi: f.hi });
            }
        }
        match &target {
            Target::Classes(labels) => {
                if !(2..=MAX_CLASSES).contains(&labels.len()) {
                    return Err(SchemaError::Classes { classes: labels.len() });
                }
                for (i, label) in labels.iter().enumerate() {
                    if labels[..i].contains(label) {
                        return Err(SchemaError::Duplicate { label: label.clone() });
                    }
                }
            }
            Target::Real { lo, hi } => {
                if !usable(*lo, *hi) {
                    return Err(SchemaError::TargetRange { lo: *lo, hi: *hi });
                }
            }
        }
        if let Some(digest) = &extractor {
            let hex = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !hex {
                return Err(SchemaError::Extractor { digest: digest.clone() });
            }
        }
        Ok(Schema { name, features, target, extractor, categories: Vec::new() })
    }

    /// Adds columns of categories, which must be in the order of their features.
    pub fn with_categories(mut self, categories: Vec<Categories>) -> Result<Self, SchemaError> {
        let mut free = 0;
        for (i, c) in categories.iter().enumerate() {
            let features = c.first.checked_add(c.values.len()).and_then(|end| self.features.get(c.first..end));
            let different = c.values.iter().enumerate().all(|(j, v)| !c.values[..j].contains(v));
            let fits = features.is_some_and(|f| f.iter().all(|f| (f.lo, f.hi) == (0.0, 1.0)));
            let twice = categories[..i].iter().any(|other| other.column == c.column);
            if c.first < free || c.values.is_empty() || !different || !fits || twice {
                return Err(SchemaError::Categories { column: c.column.clone(), first: c.first });
            }
            free = c.first + c.values.len();
        }
        self.categories = categories;
        Ok(self)
    }

    /// Reads a schema from JSON.
    pub fn from_json(json: &str) -> Result<Self, SchemaError> {
        serde_json::from_str(json).map_err(|e| SchemaError::Json { reason: e.to_string() })
    }

    /// The canonical bytes: compact JSON, keys in declared order, shortest round-trip numbers.
    #[must_use]
    pub fn canonical(&self) -> String {
        // a struct of strings and finite numbers always serialises
        serde_json::to_string(self).unwrap_or_default()
    }

    /// keccak256 of [`Schema::canonical`].
    #[must_use]
    pub fn id(&self) -> SchemaId {
        SchemaId::new(keccak(self.canonical().as_bytes()))
    }

    /// Name of the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Features, in column order.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }
    /// What agents of this schema predict.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }
    /// Columns of categories, in the order of their features.
    #[must_use]
    pub fn categories(&self) -> &[Categories] {
        &self.categories
    }
    /// SHA-256 of the extractor, hex.
    #[must_use]
    pub fn extractor(&self) -> Option<&str> {
        self.extractor.as_deref()
    }
    /// Number of classes; 1 for a real-valued target.
    #[must_use]
    pub fn classes(&self) -> usize {
        match &self.target {
            Target::Classes(labels) => labels.len(),
            Target::Real { .. } => 1,
        }
    }
    /// Classification or regression.
    #[must_use]
    pub fn task(&self) -> Task {
        match self.target {
            Target::Classes(_) => Task::Classes,
            Target::Real { .. } => Task::Real,
        }
    }
    /// The number of data columns that suits this schema's records best: [`Layout::fitting_columns`].
    #[must_use]
    pub fn fitting_columns(&self) -> usize {
        Layout::fitting_columns(self.features.len(), self.classes())
    }
    /// The layout of this schema's datasets, with `2^k` rows and `columns` data columns.
    pub fn layout(&self, k: u32, columns: usize) -> Result<Layout, LayoutError> {
        Layout::new(k, columns, self.features.len(), self.classes(), self.task())
    }
    /// Quantises one record's features. The error names the first feature that is not finite.
    pub fn quantise(&self, values: &[f64]) -> Result<Vec<u8>, QueryError> {
        if values.len() != self.features.len() {
            return Err(QueryError::Length { expected: self.features.len(), got: values.len() });
        }
        self.features
            .iter()
            .zip(values)
            .enumerate()
            .map(|(index, (f, x))| {
                f.quantise(*x).ok_or_else(|| QueryError::NotFinite { index, name: f.name.clone(), value: *x })
            })
            .collect()
    }
}

/// A query that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum QueryError {
    /// Wrong number of features.
    #[error("the query has {got} features; the schema has {expected}")]
    Length {
        /// The schema's count.
        expected: usize,
        /// The query's.
        got: usize,
    },
    /// NaN or an infinity.
    #[error("feature {index} (`{name}`) is {value}: every feature must be a finite number")]
    NotFinite {
        /// Position, from 0.
        index: usize,
        /// Feature name.
        name: String,
        /// The value.
        value: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let f = |n: &str| Feature { name: n.into(), lo: 0.0, hi: 16.0 };
        Schema::new("s".into(), vec![f("a"), f("b")], Target::Classes(vec!["x".into(), "y".into()]), None).unwrap()
    }

    #[test]
    fn quantisation_vectors() {
        let f = Feature { name: "a".into(), lo: 0.0, hi: 255.0 };
        for (x, q) in [(-1.0, 0), (0.0, 0), (0.5, 0), (1.5, 2), (2.5, 2), (254.5, 254), (255.0, 255), (1e300, 255)] {
            assert_eq!(f.quantise(x), Some(q), "{x}");
        }
        assert_eq!(f.quantise(f64::NAN), None);
        assert_eq!(f.quantise(f64::INFINITY), None);
    }

    #[test]
    fn ranges_read_back_to_the_last_bit() {
        for hi in ["3.5818446744073709551616", "0.1", "2.2250738585072014e-308", "12.676506002282294"] {
            let text = schema().canonical().replace("16.0", hi);
            let read = Schema::from_json(&text).unwrap();
            assert_eq!(read.features()[0].hi, hi.parse::<f64>().unwrap(), "{hi}");
            assert_eq!(Schema::from_json(&read.canonical()).unwrap().id(), read.id(), "{hi}");
        }
    }

    #[test]
    fn canonical_round_trips_and_the_id_sees_every_field() {
        let s = schema();
        assert_eq!(Schema::from_json(&s.canonical()).unwrap(), s);
        let other = s.canonical().replace("16.0", "15.0");
        assert_ne!(Schema::from_json(&other).unwrap().id(), s.id());
    }

    #[test]
    fn categories_are_features_from_zero_to_one() {
        let f = |n: &str, hi| Feature { name: n.into(), lo: 0.0, hi };
        let features = vec![f("age", 90.0), f("city=a", 1.0), f("city=b", 1.0), f("big=no", 1.0)];
        let two = || Target::Classes(vec!["x".into(), "y".into()]);
        let plain = Schema::new("s".into(), features, two(), None).unwrap();
        let of = |column: &str, first, values: &[&str]| Categories {
            column: column.into(),
            first,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        let whole = vec![of("city", 1, &["a", "b"]), of("big", 3, &["no"])];
        let hot = plain.clone().with_categories(whole).unwrap();
        assert_eq!(Schema::from_json(&hot.canonical()).unwrap(), hot);
        assert_ne!(hot.id(), plain.id());
        for wrong in [
            vec![of("city", 0, &["a", "b"])],
            vec![of("city", 3, &["a", "b"])],
            vec![of("city", usize::MAX, &["a", "b"])],
            vec![of("city", 1, &[])],
            vec![of("city", 1, &["a", "a"])],
            vec![of("city", 1, &["a", "b"]), of("big", 2, &["no"])],
            vec![of("city", 1, &["a", "b"]), of("city", 3, &["no"])],
        ] {
            assert!(matches!(plain.clone().with_categories(wrong), Err(SchemaError::Categories { .. })));
        }
    }

    #[test]
    fn bad_schemas_say_what_is_wrong() {
        let f = |lo, hi| vec![Feature { name: "a".into(), lo, hi }];
        let two = || Target::Classes(vec!["x".into(), "y".into()]);
        assert!(matches!(Schema::new("s".into(), f(1.0, 1.0), two(), None), Err(SchemaError::Range { index: 0, .. })));
        assert!(matches!(Schema::new("s".into(), vec![], two(), None), Err(SchemaError::Features { features: 0 })));
        let twice = Target::Classes(vec!["x".into(), "x".into()]);
        assert!(matches!(Schema::new("s".into(), f(0.0, 1.0), twice, None), Err(SchemaError::Duplicate { .. })));
        assert!(matches!(Schema::from_json("{}"), Err(SchemaError::Json { .. })));
    }

    #[test]
    fn a_range_that_cannot_be_scaled_by_is_refused() {
        // in the last pairs both ends are finite but their distance, or that times the steps, is not
        for (lo, hi) in [
            (1.0, 1.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
            (-1e308, 1e308),
            (0.0, 1e305),
            (-3e303, 0.0),
        ] {
            let feature = Feature { name: "a".into(), lo, hi };
            let of = |feature, target| Schema::new("s".into(), vec![feature], target, None).unwrap_err();
            let two = Target::Classes(vec!["x".into(), "y".into()]);
            assert!(matches!(of(feature.clone(), two), SchemaError::Range { index: 0, .. }), "{lo} {hi}");
            let feature = Feature { lo: 0.0, hi: 1.0, ..feature };
            assert!(matches!(of(feature, Target::Real { lo, hi }), SchemaError::TargetRange { .. }), "{lo} {hi}");
        }
        let widest = Feature { name: "a".into(), lo: 0.0, hi: 2.7e303 };
        let real = Target::Real { lo: -2.7e303, hi: 0.0 };
        assert!(Schema::new("s".into(), vec![widest.clone()], real, None).is_ok());
        assert_eq!(widest.quantise(1.35e303), Some(128));
    }
}
