//! The witness of `sum`: nothing but the committed columns.

use std::sync::Arc;

use tribute_engine::column::CommittedColumn;

use crate::columns::CommittedGroup;

/// The sum's column, then those of its parts.
pub(super) fn committed(sum: &CommittedGroup, parts: &[&CommittedGroup]) -> Vec<Arc<CommittedColumn>> {
    std::iter::once(&sum).chain(parts).flat_map(|g| g.columns.iter().cloned()).collect()
}
