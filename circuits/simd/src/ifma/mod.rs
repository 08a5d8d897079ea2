//! Code for CPUs with AVX-512 IFMA, whose instructions multiply eight pairs of 52-bit digits at a time.
//!
//! | file | contents |
//! |---|---|
//! | `field` | products and sums of eight elements |
//! | `lanes` | loads and stores |
//! | `model` | what takes the instructions' place in unit tests |
//!
//! The other modules are those of `vector`, compiled for this CPU.

// in unit tests, nothing but the model requires features of the CPU
#![cfg_attr(test, allow(unused_unsafe))]

/// Compiles functions for CPUs with the features that [`has_instructions`] checks; in unit tests, for any.
macro_rules! vector {
    ($($function:item)+) => {$(
        #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
        $function
    )+};
}

#[cfg(test)]
#[path = "../vector/checks.rs"]
mod checks;
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
mod model;
#[path = "../vector/prime.rs"]
mod prime;
#[path = "../vector/rows.rs"]
mod rows;
#[path = "../vector/slices.rs"]
mod slices;
#[path = "../vector/sums.rs"]
mod sums;

#[cfg(not(test))]
use core::arch::x86_64 as isa;
#[cfg(test)]
use model as isa;

pub(crate) use cpu::Cpu;

/// Number of elements that are computed side by side.
pub(crate) const LANES: usize = 8;
/// Number of digits of an element, and of their bits.
const LIMBS: usize = 5;
const BITS: usize = 52;

/// Whether this code may run: unit tests run on any CPU.
#[inline]
fn runs_here() -> bool {
    cfg!(test) || has_instructions()
}

/// Whether the CPU has the features, and the operating system saves their registers.
#[inline]
fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512vbmi2")
}
