//! Arithmetic over slices of elements.

use halo2curves::bn256::Fr;
use halo2curves::ff::{BatchInvert, Field};

use crate::backend::{Backend, Kind};

/// `sums[i] += factor·values[i]`.
///
/// # Panics
/// If there are more values than sums.
pub fn add_scaled(backend: Backend, sums: &mut [Fr], factor: Fr, values: &[Fr]) {
    let sums = &mut sums[..values.len()];
    match backend.0 {
        Kind::Portable => sums.iter_mut().zip(values).for_each(|(s, v)| *s += factor * v),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(cpu) => cpu.add_scaled(sums, factor, values),
        #[cfg(target_arch = "x86_64")]
        Kind::Ifma(cpu) => cpu.add_scaled(sums, factor, values),
    }
}

/// `Σ coefficients_i·x^i`.
#[must_use]
pub fn evaluate(backend: Backend, coefficients: &[Fr], x: Fr) -> Fr {
    match backend.0 {
        Kind::Portable => coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(cpu) => cpu.evaluate(coefficients, x),
        #[cfg(target_arch = "x86_64")]
        Kind::Ifma(cpu) => cpu.evaluate(coefficients, x),
    }
}

/// Replaces every non-zero element by its inverse; zeros stay zero.
pub fn batch_invert(backend: Backend, values: &mut [Fr]) {
    match backend.0 {
        Kind::Portable => {
            values.iter_mut().batch_invert();
        }
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(cpu) => cpu.batch_invert(values),
        #[cfg(target_arch = "x86_64")]
        Kind::Ifma(cpu) => cpu.batch_invert(values),
    }
}
