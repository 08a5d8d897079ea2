//! Arithmetic over slices of elements.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field as _;

use super::factors::splat;
use super::field::{unpack, unpack_shifted, Sum};
use super::invert::invert;
use super::lanes::{load, nonzero_lanes, store};
use super::prime::{Field, SHIFT};
use super::{LANES, LIMBS};

vector! {
    /// `sums[i] += factor·values[i]`, up to the length of the shorter slice.
    pub(super) fn add_scaled(sums: &mut [Fr], factor: Fr, values: &[Fr]) {
        let by = splat(factor);
        let (sums, sums_rest) = sums.as_chunks_mut::<LANES>();
        let (values, values_rest) = values.as_chunks::<LANES>();
        for (sum, value) in sums.iter_mut().zip(values) {
            let product = unpack(&load(value)).digits().times::<Fr>(&by);
            let total = product.add(unpack(&load(sum))).canonical::<Fr>().pack();
            store(sum, &total);
        }
        sums_rest.iter_mut().zip(values_rest).for_each(|(s, v)| *s += factor * v);
    }
}

/// Number of registers of coefficients that are accumulated side by side: enough that products need not wait for each
/// other.
const CHAINS: usize = 4;

vector! {
    /// `Σ coefficients_i·x^i`.
    pub(super) fn evaluate(coefficients: &[Fr], x: Fr) -> Fr {
        let horner = |values: &[Fr], start: Fr| values.iter().rev().fold(start, |sum, c| sum * x + c);
        let (blocks, rest) = coefficients.as_chunks::<{ LANES * CHAINS }>();
        let step = x.pow_vartime([(LANES * CHAINS) as u64]);
        let by = splat(step);
        // the lanes of a block's sums hold the coefficients at one place of every block
        let mut sums = [Sum::splat(&[0; LIMBS]); CHAINS];
        for block in blocks.iter().rev() {
            for (sum, elements) in sums.iter_mut().zip(block.as_chunks::<LANES>().0).rev() {
                *sum = sum.carry().times::<Fr>(&by).add(unpack(&load(elements)));
            }
        }
        let mut last = [[Fr::ZERO; LANES]; CHAINS];
        for (last, sum) in last.iter_mut().zip(sums) {
            store(last, &sum.canonical::<Fr>().pack());
        }
        let of_blocks = horner(last.as_flattened(), Fr::ZERO);
        if rest.is_empty() {
            return of_blocks;
        }
        horner(rest, Fr::ZERO) * step.pow_vartime([blocks.len() as u64]) + of_blocks
    }

    /// Replaces every non-zero element by its inverse; zeros stay zero.
    pub(super) fn batch_invert(values: &mut [Fr]) {
        let one = Sum::splat(&Fr::ONE_R);
        let (registers, rest) = values.as_chunks_mut::<LANES>();
        let mut before = Vec::with_capacity(registers.len());
        let mut product = one.digits();
        for elements in registers.iter() {
            let words = load(elements);
            before.push(product);
            let factor = unpack_shifted(&words).select(nonzero_lanes(&words), one).digits();
            product = product.times::<Fr>(&factor).carry();
        }
        // no factor is 0. Without the factor SHIFT, products with the inverse have the library's form
        if let Some(words) = invert::<Fr>(&product, Fr::from(SHIFT)) {
            let mut inverse = unpack(&words).digits();
            for (elements, before) in registers.iter_mut().zip(&before).rev() {
                let words = load(elements);
                let nonzero = nonzero_lanes(&words);
                let factor = unpack_shifted(&words).select(nonzero, one).digits();
                let this = inverse.times::<Fr>(before).canonical::<Fr>();
                store(elements, &this.select(nonzero, Sum::splat(&[0; LIMBS])).pack());
                inverse = inverse.times::<Fr>(&factor).carry();
            }
        }
        for x in rest {
            *x = x.invert().unwrap_or(Fr::ZERO);
        }
    }
}
