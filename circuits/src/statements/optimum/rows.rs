//! Which row holds what, and how numbers are cut into limbs.

use tribute_core::head::gradient_limbs;
use tribute_core::layout::{Layout, SCALAR_ROWS};
use tribute_core::numbers::WEIGHT_LIMIT;
use tribute_core::statement::{optimum as input, OPTIMUM_SLOTS};

/// Row of the scalars V, Q.
pub(super) const ROW_TOTALS: usize = input::N;
/// Row of the first slot.
pub(super) const ROW_SLOTS: usize = input::ACTIVE;
/// Row that closes the slots.
pub(super) const ROW_CLOSE: usize = ROW_SLOTS + OPTIMUM_SLOTS;
/// First row of the non-negative numbers.
pub(super) const ROW_LONG: usize = ROW_CLOSE + 1;
/// How many there are.
pub(super) const LONGS: usize = 2 * OPTIMUM_SLOTS + 2;

const _: () = assert!(ROW_LONG + 2 * LONGS < SCALAR_ROWS, "every layout keeps the rows of the scalars free");

/// Exponents of ρ.
pub(super) mod power {
    use tribute_core::statement::OPTIMUM_SLOTS;
    pub(crate) const V: usize = OPTIMUM_SLOTS;
    pub(crate) const Q: usize = V + 1;
    pub(crate) const S: usize = Q + 1;
    pub(crate) const S_W: usize = S + OPTIMUM_SLOTS;
    pub(crate) const S_G: usize = S_W + 1;
    pub(crate) const LONG: usize = S_G + 1;
}

/// How limbs are laid out for one layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limbs {
    /// Bits per limb.
    pub(super) bits: u32,
    /// Limbs of a residual entry.
    pub(super) residual: usize,
    /// Limbs of a weight.
    pub(super) weight: usize,
    /// Spare bits of a weight's top limb; if any, one more limb column holds the top limb shifted up by them.
    pub(super) spare: u32,
}

/// Bits of `w + 2^25`.
const WEIGHT_RANGE_BITS: u32 = WEIGHT_LIMIT.trailing_zeros() + 1;
/// Bits that a non-negative number may have.
const LONG_BITS: u32 = 250;

impl Limbs {
    pub(super) fn of(layout: &Layout) -> Self {
        let bits = layout.limb_bits();
        let weight = WEIGHT_RANGE_BITS.div_ceil(bits) as usize;
        Limbs { bits, residual: gradient_limbs(layout), weight, spare: weight as u32 * bits - WEIGHT_RANGE_BITS }
    }
    /// Limb columns.
    pub(super) fn columns(&self) -> usize {
        self.residual + self.weight + usize::from(self.spare > 0)
    }
    /// Limbs of a long number that stand in its second row.
    pub(super) fn second_row(&self) -> usize {
        (((LONG_BITS - self.columns() as u32 * self.bits) / self.bits) as usize).min(self.columns())
    }
}
