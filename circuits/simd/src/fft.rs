//! The FFT over the n-th roots of unity and their cosets, with precomputed roots.

use std::sync::Arc;

use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

use crate::backend::{Backend, Kind};
#[cfg(target_arch = "x86_64")]
use crate::{avx2, ifma};

/// Up to this many values, a transform proceeds level by level; a longer one first transforms each half on its own, so
/// that the work fits the cache.
const BLOCK: usize = 1 << 12;

/// A transform from coefficients to the values on one coset.
#[derive(Debug)]
pub struct Fft(Table);

#[derive(Debug)]
enum Table {
    Portable(Vec<Fr>),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Cpu, avx2::fft::Table),
    #[cfg(target_arch = "x86_64")]
    Ifma(ifma::Cpu, ifma::fft::Table),
}

impl Fft {
    /// A transform of `2^k` coefficients to their values at `shift·omega^i`, where `omega` has order `2^k`.
    #[must_use]
    pub fn new(backend: Backend, k: u32, omega: Fr, shift: Fr) -> Self {
        // level by level: for half = 1, 2, 4, …, n/2 and i below half, position `half + i` holds the i-th power of the
        // root of order 2·half, times the shift of that level, whose polynomials are in X^(n/(2·half))
        let n = 1usize << k;
        let mut roots = vec![Fr::ONE; n];
        let (mut half, mut omega, mut shift) = (n / 2, omega, shift);
        while half > 0 {
            roots[half] = shift;
            for i in half + 1..2 * half {
                roots[i] = roots[i - 1] * omega;
            }
            (half, omega, shift) = (half / 2, omega.square(), shift.square());
        }
        match backend.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(cpu) if avx2::fft::LENGTHS.contains(&n) => Fft(Table::Avx2(cpu, cpu.fft_table(&roots))),
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(cpu) if ifma::fft::LENGTHS.contains(&n) => Fft(Table::Ifma(cpu, cpu.fft_table(&roots))),
            _ => Fft(Table::Portable(roots)),
        }
    }

    /// Transforms coefficients to values, in place.
    ///
    /// # Panics
    /// If there are not `2^k` coefficients.
    pub fn run(&self, values: &mut [Fr]) {
        self.run_scaled(values, None);
    }

    /// Transforms coefficients to values and multiplies each value by its scale.
    fn run_scaled(&self, values: &mut [Fr], scales: Option<&[Fr]>) {
        match &self.0 {
            Table::Portable(roots) => {
                assert_eq!(values.len(), roots.len(), "wrong number of values for this FFT");
                reverse_bits(values);
                butterflies(values, roots);
                values.iter_mut().zip(scales.unwrap_or_default()).for_each(|(v, s)| *v *= s);
            }
            #[cfg(target_arch = "x86_64")]
            Table::Avx2(cpu, table) => cpu.fft(table, values, scales),
            #[cfg(target_arch = "x86_64")]
            Table::Ifma(cpu, table) => cpu.fft(table, values, scales),
        }
    }
}

/// A transform from the values on one coset to coefficients.
#[derive(Debug)]
pub struct Interpolation {
    /// Transforms to `n·shift^i` times the coefficients.
    fft: Arc<Fft>,
    /// `1/(n·shift^i)`.
    scales: Vec<Fr>,
}

impl Interpolation {
    /// A transform from the values at `shift·omega^i`, for i below `2^k`.
    #[must_use]
    pub fn new(backend: Backend, k: u32, omega: Fr, shift: Fr) -> Self {
        let fft = Arc::new(Fft::new(backend, k, inverse(omega), Fr::ONE));
        Interpolation { fft, scales: scales(1 << k, shift) }
    }

    /// The transform from another coset, with the same table of roots.
    #[must_use]
    pub fn on(&self, shift: Fr) -> Self {
        Interpolation { fft: self.fft.clone(), scales: scales(self.scales.len(), shift) }
    }

    /// Transforms values to coefficients, in place.
    ///
    /// # Panics
    /// If there are not `2^k` values.
    pub fn run(&self, values: &mut [Fr]) {
        self.fft.run_scaled(values, Some(&self.scales));
    }
}

fn scales(n: usize, shift: Fr) -> Vec<Fr> {
    let back = inverse(shift);
    std::iter::successors(Some(inverse(Fr::from(n as u64))), |s| Some(*s * back)).take(n).collect()
}

fn inverse(x: Fr) -> Fr {
    x.invert().unwrap_or(Fr::ZERO)
}

fn reverse_bits(values: &mut [Fr]) {
    let shift = usize::BITS - values.len().trailing_zeros();
    for i in 0..values.len() {
        let j = i.reverse_bits().checked_shr(shift).unwrap_or(0);
        if i < j {
            values.swap(i, j);
        }
    }
}

/// Radix-2 decimation in time, of values in bit-reversed order.
fn butterflies(values: &mut [Fr], roots: &[Fr]) {
    let n = values.len();
    let mut half = 1;
    if n > BLOCK {
        values.chunks_exact_mut(n / 2).for_each(|part| butterflies(part, roots));
        half = n / 2;
    }
    while half < n {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), root) in low.iter_mut().zip(high).zip(&roots[half..2 * half]) {
                let t = *b * root;
                *b = *a - t;
                *a += t;
            }
        }
        half *= 2;
    }
}
