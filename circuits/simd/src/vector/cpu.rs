//! The way into the vector code, for whoever has checked the CPU.

use halo2curves::bn256::{Fq, Fr, G1Affine};

use super::{fft, rows, runs_here, slices, sums};
use crate::points::{Points, Term};
use crate::program::Program;

/// Proof that this CPU has the features that the functions of this backend require. Only [`Cpu::detect`] creates one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu(());

impl Cpu {
    /// Checks the CPU.
    #[inline]
    pub(crate) fn detect() -> Option<Cpu> {
        runs_here().then_some(Cpu(()))
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
