//! The FFT over the n-th roots of unity and their cosets, with its roots computed once.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

/// Values up to which a transform goes level by level; a longer one does each half for itself first, which fits the cache.
const BLOCK: usize = 1 << 12;

/// From coefficients to the values on one coset.
pub(super) struct Fft {
    roots: Vec<Fr>,
}

impl Fft {
    /// Of `2^k` coefficients, to their values at `shift·omega^i`; `omega` has order `2^k`.
    pub(super) fn new(k: u32, omega: Fr, shift: Fr) -> Self {
        // level by level: at `half + i` is, for i below half = 1, 2, 4, …, n/2, the i-th power of the root of order
        // 2·half, times the shift of that level, whose polynomials are in X^(n/(2·half))
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
        Fft { roots }
    }

    /// Coefficients to values.
    pub(super) fn run(&self, values: &mut [Fr]) {
        assert_eq!(values.len(), self.roots.len(), "an FFT of another size");
        reverse_bits(values);
        butterflies(values, &self.roots);
    }
}

/// From values on one coset to coefficients.
pub(super) struct Interpolation {
    fft: Fft,
    /// `1/(n·shift^i)`.
    scales: Vec<Fr>,
}

impl Interpolation {
    /// From the values at `shift·omega^i`, for i below `2^k`.
    pub(super) fn new(k: u32, omega: Fr, shift: Fr) -> Self {
        let inverse = |x: Fr| x.invert().unwrap_or(Fr::ZERO);
        let (n, back) = (1usize << k, inverse(shift));
        let scales = std::iter::successors(Some(inverse(Fr::from(n as u64))), |s| Some(*s * back)).take(n).collect();
        Interpolation { fft: Fft::new(k, inverse(omega), Fr::ONE), scales }
    }

    /// Values to coefficients.
    pub(super) fn run(&self, values: &mut [Fr]) {
        self.fft.run(values);
        values.iter_mut().zip(&self.scales).for_each(|(v, s)| *v *= s);
    }
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

/// Decimation in time, radix 2, of values in the order of their reversed bits.
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

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::arithmetic::eval_polynomial;
    use halo2_proofs::halo2curves::ff::PrimeField;

    #[test]
    fn values_are_those_of_the_polynomial_and_back() {
        for (k, shift) in [(1, Fr::ONE), (4, Fr::ONE), (4, Fr::from(7)), (13, Fr::from(5))] {
            let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
            let coefficients: Vec<Fr> = (0..1u64 << k).map(|i| -Fr::from(i * i + 3)).collect();
            let mut values = coefficients.clone();
            Fft::new(k, omega, shift).run(&mut values);
            for (i, v) in values.iter().enumerate().step_by(1 << k.saturating_sub(4)) {
                let x = shift * omega.pow_vartime([i as u64]);
                assert_eq!(*v, eval_polynomial(&coefficients, x), "k = {k}, i = {i}");
            }
            Interpolation::new(k, omega, shift).run(&mut values);
            assert_eq!(values, coefficients);
        }
    }
}
