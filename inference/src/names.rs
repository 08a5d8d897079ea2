//! Readable names of weights, for messages.

use tribute_core::schema::{Schema, Target};

/// Name of a weight block: 0 is the bias, `j + 1` the feature `j`.
pub(crate) fn block_name(schema: &Schema, block: usize) -> String {
    match block.checked_sub(1) {
        None => "the bias".into(),
        Some(j) => match schema.features().get(j) {
            Some(feature) => format!("feature {j} (`{}`)", feature.name),
            None => format!("padding feature {j}"),
        },
    }
}

/// Name of a class, or of a regression's target.
pub(crate) fn class_name(schema: &Schema, class: usize) -> String {
    match schema.target() {
        Target::Classes(labels) => match labels.get(class) {
            Some(label) => format!("class {class} (`{label}`)"),
            None => format!("class {class}"),
        },
        Target::Real { .. } => "the target".into(),
    }
}
