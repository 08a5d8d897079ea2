//! What a training keeps in memory: all its records, or one shard at a time.

use tribute_core::layout::{MAX_CLASSES, MAX_FEATURES};
use tribute_core::schema::Schema;
use tribute_problem::{Problem, Result};

/// Bytes that an estimate counts as a MB: with a third on top.
pub(crate) const MB: u64 = 750_000;
/// Most memory that a training's records may take, by the estimate, MB. The variable [`TRAINING_VARIABLE`] changes it.
pub(crate) const TRAINING_MB: u64 = 2_048;
/// Environment variable with another limit, in MB.
pub(crate) const TRAINING_VARIABLE: &str = "TRIBUTE_TRAINING_MB";

/// What records are made of.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) features: u64,
    pub(crate) classes: u64,
}

impl Shape {
    pub(crate) fn of(schema: &str) -> Self {
        let shape = |features: usize, classes: usize| Shape { features: features as u64, classes: classes as u64 };
        Schema::from_json(schema)
            .map_or(shape(MAX_FEATURES, MAX_CLASSES), |schema| shape(schema.features().len(), schema.classes()))
    }

    /// Bytes that a training takes for records in memory, with their predictions at two points.
    pub(crate) fn bytes(self, records: u64) -> u64 {
        records.saturating_mul(20 * self.features + 16 * self.classes + 400)
    }

    /// Whether as many records are kept in memory while an agent is trained on them, `most` MB of them at most.
    fn kept(self, records: u64, most: u64) -> bool {
        self.bytes(records) <= most.saturating_mul(MB)
    }

    /// Records of a training that are in memory at a time: all, or one of its shards.
    pub(crate) fn held(self, shards: impl Iterator<Item = u64> + Clone, most: u64) -> u64 {
        let all = shards.clone().fold(0, u64::saturating_add);
        if self.kept(all, most) {
            all
        } else {
            shards.max().unwrap_or(0)
        }
    }
}

/// Most memory that a training's records may take here, MB.
///
/// # Errors
/// If the environment sets something else than a whole number.
pub fn training_mb() -> Result<u64> {
    std::env::var_os(TRAINING_VARIABLE).map_or(Ok(TRAINING_MB), |text| whole_mb(&text.to_string_lossy()))
}

fn whole_mb(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Problem::field(TRAINING_VARIABLE, format!("`{text}` is no whole number of MB")))
}

/// Whether as many records of a schema are kept in memory while an agent is trained on them. Here and in the estimate it is
/// one rule: what is kept was counted as such.
pub(crate) fn in_memory(records: u64, schema: &str) -> Result<bool> {
    Ok(Shape::of(schema).kept(records, training_mb()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_no_number_is_refused() {
        assert_eq!((whole_mb("0"), whole_mb("4096")), (Ok(0), Ok(4096)));
        for text in ["", "2G", "-1", "1.5", "4096 "] {
            assert!(whole_mb(text).unwrap_err().message.contains("TRIBUTE_TRAINING_MB"), "{text}");
        }
        let shape = Shape { features: 4, classes: 3 };
        assert!(!shape.kept(1, 0) && shape.kept(u64::MAX, u64::MAX));
    }
}
