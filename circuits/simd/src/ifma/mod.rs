//! Code for CPUs with AVX-512 IFMA, whose instructions multiply eight pairs of 52-bit digits at a time.
//!
//! | file | contents |
//! |---|---|
//! | `prime` | the primes and their constants |
//! | `field` | products and sums of eight elements |
//! | `lanes` | loads and stores |
//! | `invert` | inversion of eight elements |
//! | `fft` | the FFT |
//! | `sums` | sums of points |
//! | `slices` | arithmetic over slices of elements |
//! | `rows` | programs over rows of columns |
//! | `model` | what takes the instructions' place in unit tests |

// in unit tests, nothing but the model requires features of the CPU
#![cfg_attr(test, allow(unused_unsafe))]

pub(crate) mod fft;
mod field;
mod invert;
mod lanes;
#[cfg(test)]
mod model;
mod prime;
mod rows;
mod slices;
mod sums;

#[cfg(not(test))]
use core::arch::x86_64 as isa;
#[cfg(test)]
use model as isa;

use halo2curves::bn256::{Fq, Fr, G1Affine};

use crate::points::{Points, Term};
use crate::program::Program;

/// Proof that this CPU has the features that this module's functions require. Only [`Cpu::detect`] creates one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu(());

impl Cpu {
    /// Checks the CPU; unit tests run on any.
    #[inline]
    pub(crate) fn detect() -> Option<Cpu> {
        (cfg!(test) || Self::has_instructions()).then_some(Cpu(()))
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

    pub(crate) fn fft_table(self, roots: &[Fr]) -> fft::Table {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { fft::Table::new(roots) }
    }

    pub(crate) fn fft(self, table: &fft::Table, values: &mut [Fr], scales: Option<&[Fr]>) {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { table.run(values, scales) }
    }

    pub(crate) fn with_images(self, bases: &[G1Affine], beta: Fq) -> Points {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { sums::with_images(bases, beta) }
    }

    pub(crate) fn group_sums(self, points: &Points, terms: &[Term], counts: &[u32]) -> Points {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { sums::group_sums(points, terms, counts) }
    }

    pub(crate) fn add_scaled(self, sums: &mut [Fr], factor: Fr, values: &[Fr]) {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { slices::add_scaled(sums, factor, values) }
    }

    pub(crate) fn evaluate(self, coefficients: &[Fr], x: Fr) -> Fr {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { slices::evaluate(coefficients, x) }
    }

    pub(crate) fn batch_invert(self, values: &mut [Fr]) {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { slices::batch_invert(values) }
    }

    pub(crate) fn run_program(self, program: &Program, columns: &[&[Fr]], start: usize, out: &mut [&mut [Fr]]) {
        // SAFETY: `self` says that the CPU has the features.
        unsafe { rows::run(program, columns, start, out) }
    }
}
