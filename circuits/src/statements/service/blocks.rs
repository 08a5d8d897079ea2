//! Which row holds what: one block of rows per query, all of the same height.

use tribute_core::layout::Layout;
use tribute_core::receipt::{packed_len, FEATURES_PER_ELEMENT};
use tribute_core::statement::SERVICE_SLOTS;

use crate::gadgets::argmax::DIFFERENCE_BITS;
use crate::gadgets::poseidon2::{RATE, ROWS};

/// Data columns.
pub const DATA: usize = 7;
/// Data columns that hold limbs on class rows.
pub const LIMBS: usize = 4;
/// Feature rows of one packed element.
pub const ELEMENT_ROWS: usize = FEATURES_PER_ELEMENT / DATA;
// rows of an element are full, and an element does not wrap
const _: () = assert!(FEATURES_PER_ELEMENT.is_multiple_of(DATA) && 8 * FEATURES_PER_ELEMENT < 253);

/// Tags of the table's parts; rows that hold nothing else are limb 0.
pub(super) const RANGE: u64 = 0;
pub(super) const FEATURE: u64 = 1;
pub(super) const SLOT: u64 = 2;

/// Geometry of the query blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Permutations of one receipt.
    pub permutations: usize,
    /// Elements that a receipt absorbs: transcript, packed features, salt, answer.
    pub message: usize,
    /// Rows of features.
    pub features: usize,
    /// Rows of classes: `c`, or 2 where one logit decides between two answers.
    pub classes: usize,
    /// Rows of a block.
    pub height: usize,
    /// Rows before the first block: from a block's link row to the next block's start.
    pub lead: usize,
    /// Blocks; 0 where nothing fits.
    pub count: usize,
}

impl Blocks {
    /// The blocks of a layout.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let message = packed_len(layout.features()) + 3;
        let permutations = message.div_ceil(RATE);
        let features = layout.features().div_ceil(DATA);
        let classes = layout.classes().max(2);
        // features, salt, classes, and one row that holds none of them
        let height = (permutations * ROWS + 1).max(features + classes + 2);
        let lead = height - permutations * ROWS;
        let fits = layout.limb_bits() * LIMBS as u32 >= DIFFERENCE_BITS && layout.weights_start() > lead;
        let count = if fits { (layout.weights_start() - lead) / height } else { 0 };
        Blocks { permutations, message, features, classes, height, lead, count }
    }
    /// First row of a block: its first features and its first round.
    #[must_use]
    pub fn start(&self, block: usize) -> usize {
        self.lead + block * self.height
    }
    /// The row of a block's registers, after its last round.
    #[must_use]
    pub fn link(&self, block: usize) -> usize {
        self.start(block) + self.permutations * ROWS
    }
    /// The row of a block's salt.
    #[must_use]
    pub fn salt(&self, block: usize) -> usize {
        self.start(block) + self.features
    }
    /// The row of a block's class.
    #[must_use]
    pub fn class(&self, block: usize, class: usize) -> usize {
        self.salt(block) + 1 + class
    }
    /// Whether this feature row ends a packed element.
    #[must_use]
    pub fn ends_element(&self, row: usize) -> bool {
        (row + 1).is_multiple_of(ELEMENT_ROWS) || row + 1 == self.features
    }
}

/// Queries that one proof of this layout can answer for; 0 where the circuit does not fit.
#[must_use]
pub fn capacity(layout: &Layout) -> usize {
    Blocks::of(layout).count
}

/// Rows of the lookup table that stand for slots: those of the transcripts before, among the public inputs.
pub(super) fn slot_rows() -> std::ops::Range<usize> {
    let first = tribute_core::statement::service::BEFORE;
    first..first + SERVICE_SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_core::layout::{Task, K_RANGE, MIN_SERVICE_K};

    #[test]
    fn the_design_s_batches_fit() {
        let of = |k, d, c| Layout::new(k, 8, d, c, Task::Classes).unwrap();
        assert!(capacity(&of(15, 64, 10)) >= 1350);
        assert!(capacity(&of(17, 784, 10)) >= 980);
        assert!(capacity(&of(17, 64, 100)) >= 500);
        for k in K_RANGE {
            assert_eq!(capacity(&of(k, 16, 3)) > 0, k >= MIN_SERVICE_K, "k = {k}");
        }
    }

    #[test]
    fn blocks_stay_apart_and_above_the_weights() {
        for (d, c) in [(1, 2), (7, 3), (16, 2), (64, 10), (64, 100), (784, 10)] {
            let layout = Layout::new(15, 8, d, c, Task::Classes).unwrap();
            let b = Blocks::of(&layout);
            assert!(b.class(0, b.classes - 1) + 1 < b.start(1), "a free row below the classes");
            assert!(b.link(0) < b.start(1));
            assert_eq!(b.link(0), b.lead + b.permutations * ROWS);
            assert_eq!(b.start(1) - b.link(0), b.lead);
            assert!(b.start(b.count) <= layout.weights_start());
        }
    }
}
