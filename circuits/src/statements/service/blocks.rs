//! Block geometry: which row of a block holds what. Every query has one block, and all blocks have the same height.

use tribute_core::layout::Layout;
use tribute_core::receipt::{packed_len, FEATURES_PER_ELEMENT};
use tribute_core::statement::SERVICE_SLOTS;

use crate::gadgets::argmax::DIFFERENCE_BITS;
use crate::gadgets::poseidon2::{RATE, ROWS};

/// Number of data columns.
pub const DATA: usize = 7;
/// Number of data columns that hold limbs on class rows.
pub const LIMBS: usize = 4;
/// Number of feature rows for one packed element.
pub const ELEMENT_ROWS: usize = FEATURES_PER_ELEMENT / DATA;
// the rows of an element are full, and an element does not wrap
const _: () = assert!(FEATURES_PER_ELEMENT.is_multiple_of(DATA) && 8 * FEATURES_PER_ELEMENT < 253);

/// Tags of the parts of the table; unused rows hold limb 0.
pub(super) const RANGE: u64 = 0;
pub(super) const FEATURE: u64 = 1;
pub(super) const SLOT: u64 = 2;

/// Geometry of the query blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Number of permutations for one receipt.
    pub permutations: usize,
    /// Number of elements that a receipt absorbs: transcript, packed features, salt, answer.
    pub message: usize,
    /// Number of feature rows.
    pub features: usize,
    /// Number of class rows: `c`, or 2 if a single logit decides between two answers.
    pub classes: usize,
    /// Number of rows of a block.
    pub height: usize,
    /// Number of rows before the first block, equal to those from a block's link row to the next block's start.
    pub lead: usize,
    /// Number of blocks; 0 if none fits.
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
        // features, salt, classes, and one row without any of them
        let height = (permutations * ROWS + 1).max(features + classes + 2);
        let lead = height - permutations * ROWS;
        let fits = layout.limb_bits() * LIMBS as u32 >= DIFFERENCE_BITS && layout.weights_start() > lead;
        let count = if fits { (layout.weights_start() - lead) / height } else { 0 };
        Blocks { permutations, message, features, classes, height, lead, count }
    }
    /// First row of a block, where its features and its first round start.
    #[must_use]
    pub fn start(&self, block: usize) -> usize {
        self.lead + block * self.height
    }
    /// The link row of a block, after its last round; it holds the registers.
    #[must_use]
    pub fn link(&self, block: usize) -> usize {
        self.start(block) + self.permutations * ROWS
    }
    /// The salt row of a block.
    #[must_use]
    pub fn salt(&self, block: usize) -> usize {
        self.start(block) + self.features
    }
    /// A class row of a block.
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

/// Number of queries that one proof of this layout can cover; 0 if the circuit does not fit.
#[must_use]
pub fn capacity(layout: &Layout) -> usize {
    Blocks::of(layout).count
}

/// Rows of the lookup table that represent slots: the rows of the public inputs `before`.
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
