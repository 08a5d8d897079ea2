//! The FFT over the n-th roots of unity, with its roots computed once.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

/// Values up to which a transform goes level by level; above, it finishes one half first, which then is still in cache.
const BLOCK: usize = 1 << 12;

/// FFTs of one size, forward and back.
pub(super) struct Fft {
    forward: Vec<Fr>,
    inverse: Vec<Fr>,
    /// 1/n.
    scale: Fr,
}

impl Fft {
    /// Of size `2^k`, with `omega` of that order.
    pub(super) fn new(k: u32, omega: Fr) -> Self {
        let n = 1usize << k;
        let inverse = omega.invert().unwrap_or(Fr::ZERO);
        Fft {
            forward: roots(n, omega),
            inverse: roots(n, inverse),
            scale: Fr::from(n as u64).invert().unwrap_or(Fr::ZERO),
        }
    }

    /// Coefficients to values at `1, ω, ω², …`.
    pub(super) fn forward(&self, values: &mut [Fr]) {
        transform(values, &self.forward);
    }

    /// Values to coefficients.
    pub(super) fn inverse(&self, values: &mut [Fr]) {
        transform(values, &self.inverse);
        values.iter_mut().for_each(|v| *v *= self.scale);
    }
}

/// Roots level by level: at `half + i` is the i-th power of the root of order `2·half`, for i below half = 1, 2, 4, … n/2.
fn roots(n: usize, omega: Fr) -> Vec<Fr> {
    let mut out = vec![Fr::ONE; n];
    let top = n / 2;
    for i in top + 1..n {
        out[i] = out[i - 1] * omega;
    }
    for i in (1..top).rev() {
        out[i] = out[2 * i];
    }
    out
}

/// Decimation in time, radix 2, after the permutation by reversed bits.
fn transform(values: &mut [Fr], roots: &[Fr]) {
    let n = values.len();
    assert_eq!(n, roots.len(), "an FFT of another size");
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            values.swap(i, j);
        }
    }
    butterflies(values, roots);
}

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
        for k in [1, 4, 13] {
            let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
            let fft = Fft::new(k, omega);
            let coefficients: Vec<Fr> = (0..1u64 << k).map(|i| -Fr::from(i * i + 3)).collect();
            let mut values = coefficients.clone();
            fft.forward(&mut values);
            for (i, v) in values.iter().enumerate().step_by(1 << k.saturating_sub(4)) {
                assert_eq!(*v, eval_polynomial(&coefficients, omega.pow_vartime([i as u64])), "k = {k}, i = {i}");
            }
            fft.inverse(&mut values);
            assert_eq!(values, coefficients);
        }
    }
}
