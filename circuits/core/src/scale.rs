//! Widths of the numbers used to compute a link's probability: see [`crate::link`].

use crate::numbers::LOGIT_BITS;

/// Weight of `hi` in `t`: 2^36 at 40 fractional bits, one sixteenth.
pub const HI_SHIFT: u32 = LOGIT_BITS - 4;
/// Fractional bits of `T1`.
pub(crate) const T1_BITS: u32 = 47;
/// Negative log2 of the window's width.
pub(crate) const WINDOW_WIDTH_BITS: u32 = 38;
/// Number of full limbs of the window, below one short limb.
pub const WINDOW_LIMBS: usize = 6;

/// The widths for one limb width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    limb_bits: u32,
}

impl Scale {
    /// The widths for limbs of `limb_bits` bits. Below 13 bits, where no table fits, only the squared link has
    /// circuits; its predictions have the scale of 13.
    #[must_use]
    pub fn of(limb_bits: u32) -> Self {
        Scale { limb_bits: limb_bits.clamp(13, 14) }
    }
    /// Bits of a full limb.
    #[must_use]
    pub fn limb_bits(self) -> u32 {
        self.limb_bits
    }
    /// Bits of `mid`: `T2` has `2^mid_bits` entries.
    #[must_use]
    pub fn mid_bits(self) -> u32 {
        self.limb_bits - 1
    }
    /// Bits of the short limb.
    #[must_use]
    pub fn short_bits(self) -> u32 {
        HI_SHIFT - self.mid_bits() - self.limb_bits
    }
    /// log2 of the weight of `mid` in `t`.
    #[must_use]
    pub fn mid_shift(self) -> u32 {
        HI_SHIFT - self.mid_bits()
    }
    /// log2 of the window's width, at [`Scale::prob_bits`] fractional bits.
    #[must_use]
    pub fn window_bits(self) -> u32 {
        WINDOW_LIMBS as u32 * self.limb_bits + self.short_bits()
    }
    /// Fractional bits of a probability.
    #[must_use]
    pub fn prob_bits(self) -> u32 {
        self.window_bits() + WINDOW_WIDTH_BITS
    }
    /// The linear factor's value where `low` and `short` are 0, with 40 fractional bits: `1 + h + h²/2`, where
    /// `h = 2^(−5−m)` is the half width of an entry of `T2`.
    #[must_use]
    pub fn linear_base(self) -> u64 {
        let half = self.mid_shift() - 1;
        (1 << LOGIT_BITS) + (1 << half) + (1 << (2 * half - LOGIT_BITS - 1))
    }
    pub(crate) fn t2_bits(self) -> u32 {
        self.prob_bits() - LOGIT_BITS - T1_BITS
    }
}
