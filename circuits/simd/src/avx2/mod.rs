//! Code for CPUs with AVX2, which multiplies four pairs of 32-bit numbers at a time: elements have 29-bit digits.
//!
//! | file | contents |
//! |---|---|
//! | `field` | products and sums of four elements |
//! | `columns` | columns of products, and their reduction |
//! | `lanes` | loads and stores |
//! | `registers` | registers, and elements in them |
//! | `overflow` | checks of unit tests that no lane overflows |
//!
//! The other modules are those of `vector`, compiled for this CPU.

/// Compiles functions for CPUs with the features that [`runs_here`] checks.
macro_rules! vector {
    ($($function:item)+) => {$(
        #[target_feature(enable = "avx2")]
        $function
    )+};
}

#[cfg(test)]
#[path = "../vector/checks.rs"]
mod checks;
mod columns;
#[path = "../vector/cpu.rs"]
mod cpu;
#[path = "../vector/factors.rs"]
mod factors;
#[path = "../vector/fft.rs"]
pub(crate) mod fft;
mod field;
#[cfg(test)]
#[path = "../vector/field_tests.rs"]
mod field_tests;
#[path = "../vector/invert.rs"]
mod invert;
mod lanes;
#[cfg(test)]
mod overflow;
#[path = "../vector/prime.rs"]
mod prime;
mod registers;
#[path = "../vector/rows.rs"]
mod rows;
#[path = "../vector/slices.rs"]
mod slices;
#[path = "../vector/sums.rs"]
mod sums;

pub(crate) use cpu::Cpu;

/// Number of elements that are computed side by side.
pub(crate) const LANES: usize = 4;
/// Number of digits of an element, and of their bits.
const LIMBS: usize = 9;
const BITS: usize = 29;

/// Whether the CPU has the features, and the operating system saves their registers.
#[inline]
fn runs_here() -> bool {
    is_x86_feature_detected!("avx2")
}
