//! Registers of four lanes, and what their lanes mean.

use core::arch::x86_64::__m256i;

use super::LANES;

pub(super) type V = __m256i;

/// All bits of the lanes that it contains.
pub(super) type Mask = V;

/// Four elements that can be added.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Sum(pub(super) [V; 9]);

/// Four elements that can be multiplied: digits.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Factor(pub(super) [V; 9]);

/// The same number in all lanes, for constants.
pub(super) const fn constant(x: u64) -> V {
    // SAFETY: the array is as large as the register, for which all bits are valid.
    unsafe { core::mem::transmute::<[u64; LANES], V>([x; LANES]) }
}
