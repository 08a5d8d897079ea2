//! The contents of each row, and how numbers are split into limbs.

use tribute_core::head::ResidualLimbs;
use tribute_core::layout::Layout;
use tribute_core::numbers::WEIGHT_LIMIT;

/// Row whose limbs are `(nε)² − Q`, and whose `pw` cell is `S_w`.
pub(super) const ROW_BOUND: usize = 1;
/// Row whose limbs are `V − v²`.
pub(super) const ROW_NORM: usize = ROW_BOUND + 1;

/// Limb layout for one circuit layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limbs {
    /// Bits per limb.
    pub(super) bits: u32,
    /// Number of limbs of a residual entry.
    pub(super) residual: ResidualLimbs,
    /// Number of limbs of a weight.
    pub(super) weight: usize,
    /// Unused bits of a weight's top limb. If there are any, one more limb column holds the top limb shifted up by
    /// them.
    pub(super) spare: u32,
}

/// Number of bits of `w + 2^37`.
const WEIGHT_RANGE_BITS: u32 = WEIGHT_LIMIT.trailing_zeros() + 1;

impl Limbs {
    pub(super) fn of(layout: &Layout) -> Self {
        let bits = layout.limb_bits();
        let weight = WEIGHT_RANGE_BITS.div_ceil(bits) as usize;
        let spare = weight as u32 * bits - WEIGHT_RANGE_BITS;
        Limbs { bits, residual: ResidualLimbs::of(layout), weight, spare }
    }
    /// Number of limb columns: those of the residual, of the weight, and the shifted top limb.
    pub(super) fn columns(&self) -> usize {
        self.residual.all + self.weight + usize::from(self.spare > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tribute_core::head::{epsilon_shift, penalty_shift};
    use tribute_core::layout::Task;
    use tribute_core::numbers::{COUNT_LIMIT_BITS, EPSILON_LIMIT_BITS, LAMBDA_LIMIT_BITS, NORM_LIMIT_BITS};

    /// The bounds in the statement's documentation, in the worst case for every k.
    #[test]
    fn nothing_wraps_for_any_k() {
        for k in 10..=22 {
            let layout = Layout::new(k, 64, 8, 2, Task::Classes).unwrap();
            let (plan, b) = (Limbs::of(&layout), layout.limb_bits());
            // a layout has at most as many weights as rows, and at most 1,025 blocks of 100
            let weights_bits = 17.min(k);
            let entry = plan.residual.all as u32 * b - 1;
            assert!(entry + 1 >= layout.gradient_bits() + 9, "an entry may be 2^8");
            let squared = entry - plan.residual.rounded_bits(&layout);
            let q = 2 * squared + weights_bits;
            let bound = 2 * (COUNT_LIMIT_BITS + EPSILON_LIMIT_BITS + epsilon_shift(&layout));
            let v = 2 * 37 + weights_bits;
            let longs = plan.columns() as u32 * b;
            assert!(q < 250 && bound < 250, "k = {k}: Q < 2^{q}, (nε)² < 2^{bound}");
            assert!(longs < 250 && longs >= bound && longs >= v, "k = {k}: {longs} bits of limbs");
            // ΣG + nλW: features below 2^12, predictions below 2^16, at most as many records as all shards may have
            let gradient = COUNT_LIMIT_BITS + 12 + 17 + layout.prob_bits();
            let penalty = COUNT_LIMIT_BITS + LAMBDA_LIMIT_BITS + 37 + penalty_shift(&layout);
            assert!(gradient < 200 && penalty < 200, "k = {k}: {gradient}, {penalty}");
            // v² at V's scale
            const { assert!(2 * (NORM_LIMIT_BITS + 22) < 250) };
            // what is rounded away is less than half a unit of ε even if n were 1
            let rounding = weights_bits.div_ceil(2);
            assert!(rounding < epsilon_shift(&layout), "k = {k}: 2^{rounding} of 2^{}", epsilon_shift(&layout));
        }
    }
}
