//! The quotient polynomial: all gates, combined with powers of y, divided by `X^n − 1`.
//!
//! A gate of degree D has a quotient of `D − 1` pieces of n coefficients, determined by its values on `D − 1` cosets of
//! the n-th roots of unity. So gates are summed by degree, and a coset evaluates only the sums whose quotient it helps
//! to determine: the first coset all of them, the last only those of the highest degree. On a coset `g·H` the vanishing
//! polynomial is the constant `g^n − 1`, and `h = Σ_j X^(n·j) h_j` has the values of `Σ_j g^(n·j) h_j`, a polynomial of
//! degree below n. One FFT per coset and a small linear system therefore give the pieces.
//!
//! The gates are evaluated by a [`Program`]. The values on one coset of all columns that it reads are in memory together:
//! the largest part of a proof's memory. It reads columns that gates only add up, such as those of a gradient's records, as
//! one.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::plonk::ConstraintSystem;
use halo2_proofs::poly::EvaluationDomain;
use rayon::prelude::*;
use tribute_simd::{add_scaled, Backend, Fft, Interpolation};

use super::gates::{Kinds, Program, Reach};
use super::parts::{Clock, Part};

/// What gates read: the coefficients of all columns, and the challenges.
pub(super) struct Assignment<'a> {
    pub(super) fixed: &'a [&'a [Fr]],
    pub(super) advice: &'a [&'a [Fr]],
    pub(super) instance: &'a [&'a [Fr]],
    pub(super) challenges: &'a [Fr],
}

/// The `degree − 1` pieces of the quotient, n coefficients each. `interpolation` is the one over the domain.
pub(super) fn quotient(
    backend: Backend,
    clock: &Clock<'_>,
    interpolation: &Interpolation,
    cs: &ConstraintSystem<Fr>,
    domain: &EvaluationDomain<Fr>,
    read: &Assignment<'_>,
    y: Fr,
) -> Vec<Vec<Fr>> {
    let n = 1usize << domain.k();
    let all: Vec<&[Fr]> = read.fixed.iter().chain(read.advice).chain(read.instance).copied().collect();
    let (fixed, advice, instance) = (read.fixed.len(), read.advice.len(), read.instance.len());
    let kinds = Kinds { challenges: read.challenges, fixed, advice, instance };
    let pieces = cs.degree() - 1;
    let shifts: Vec<Fr> = (0..pieces).map(|i| Fr::ZETA * domain.get_extended_omega().pow_vartime([i as u64])).collect();
    let at_n: Vec<Fr> = shifts.iter().map(|g| g.pow_vartime([n as u64])).collect();

    let mut out = vec![vec![Fr::ZERO; n]; pieces];
    for (i, shift) in shifts.iter().enumerate() {
        // a gate of degree D is determined by D − 1 cosets
        let program = Program::new(cs, &kinds, y, i + 2);
        let rotations = program.rotations();
        clock.lap(Part::GateRows);
        let fft = Fft::new(backend, domain.k(), domain.get_omega(), *shift);
        let values: Vec<Vec<Fr>> = rotations
            .par_iter()
            .enumerate()
            .map(|(column, reach)| {
                let Some(reach) = reach else { return vec![] };
                let (first, others) = program.polynomial(column);
                let others: Vec<(&[Fr], Fr)> = others.iter().map(|(other, x)| (all[*other], *x)).collect();
                coset_values(backend, &fft, all[first], &others, *reach)
            })
            .collect();
        clock.lap(Part::QuotientFfts);
        let mut numerators = program.run(backend, &values, &rotations, n);
        drop((values, fft));
        clock.lap(Part::GateRows);
        let scale = invert(at_n[i] - Fr::ONE);
        let interpolation = interpolation.on(*shift);
        numerators.par_iter_mut().for_each(|values| interpolation.run(values));
        for (values, degree) in numerators.iter().zip(&program.degrees) {
            // this coset's part of Σ_j g_i^(n·j) h_j over the degree's cosets
            let parts = lagrange_coefficients(&at_n[..degree - 1], i);
            out.par_iter_mut().zip(parts).for_each(|(piece, part)| {
                add_scaled(backend, piece, part * scale, values);
            });
        }
        clock.lap(Part::QuotientFfts);
    }
    out
}

fn invert(x: Fr) -> Fr {
    x.invert().unwrap_or(Fr::ZERO)
}

/// Coefficients of the polynomial that is 1 at `points[i]` and 0 at the others.
fn lagrange_coefficients(points: &[Fr], i: usize) -> Vec<Fr> {
    let mut out = vec![Fr::ONE];
    for (_, other) in points.iter().enumerate().filter(|(j, _)| *j != i) {
        let scale = invert(points[i] - other);
        // multiply by (X − other)/(points[i] − other)
        out.push(Fr::ZERO);
        for j in (0..out.len()).rev() {
            let below = if j > 0 { out[j - 1] } else { Fr::ZERO };
            out[j] = (below - *other * out[j]) * scale;
        }
    }
    out
}

/// Number of coefficients that are summed over all polynomials at a time, so that the sums stay in the cache.
const PART: usize = 1 << 11;

/// Values on a coset of `first + Σ factor·other`, preceded by a copy of the last `before` values and followed by a copy of
/// the first `after`, so that every rotation of a slice of rows is a slice.
fn coset_values(backend: Backend, fft: &Fft, first: &[Fr], others: &[(&[Fr], Fr)], (before, after): Reach) -> Vec<Fr> {
    let n = first.len();
    let mut values = Vec::with_capacity(before + n + after);
    values.resize(before, Fr::ZERO);
    values.extend_from_slice(first);
    values[before..].par_chunks_mut(PART).enumerate().for_each(|(i, sums)| {
        for (other, factor) in others {
            add_scaled(backend, sums, *factor, &other[i * PART..][..sums.len()]);
        }
    });
    fft.run(&mut values[before..]);
    values.copy_within(n..n + before, 0);
    values.extend_from_within(before..before + after);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plonk::toy::system;
    use halo2_proofs::arithmetic::eval_polynomial;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn the_pieces_are_the_gates_quotient() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        // a single slice of rows that is not full, several slices, and several parts of joined columns
        for k in [4, 9, PART.ilog2() + 1] {
            let (cs, n) = (system(), 1usize << k);
            let domain = EvaluationDomain::<Fr>::new(cs.degree() as u32, k);
            let mut random = || (0..n).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
            let [a, b, q, p, instance, right, second, third] = [(); 8].map(|()| random());
            let (challenge, y, x) = (Fr::from(11), Fr::from(13), Fr::from(17));
            let rows = |f: &dyn Fn(usize) -> Fr| (0..n).map(f).collect::<Vec<_>>();
            let advice = [
                a.clone(),
                b.clone(),
                rows(&|i| a[(i + 2) % n] + Fr::from(3) * b[(i + n - 3) % n]),
                rows(&|i| a[i] * b[i]),
                rows(&|i| a[i].square().square() * a[i]),
                rows(&|i| a[(i + n - 1) % n] + challenge * instance[i]),
                rows(&|i| Fr::from(3) * right[i] + b[(i + 2) % n]),
                right.clone(),
                rows(&|i| a[i] - Fr::from(2) * second[i] - challenge * third[i]),
                second.clone(),
                third.clone(),
            ];
            let interpolation = Interpolation::new(Backend::best(), k, domain.get_omega(), Fr::ONE);
            let polynomial = |values: &Vec<Fr>| {
                let mut values = values.clone();
                interpolation.run(&mut values);
                values
            };
            let advice = advice.map(|values| polynomial(&values));
            let (fixed, instance) = ([polynomial(&q), polynomial(&p)], polynomial(&instance));
            let all: Vec<&[Fr]> = advice.iter().map(Vec::as_slice).collect();
            let read = Assignment {
                fixed: &[&fixed[0], &fixed[1]],
                advice: &all,
                instance: &[&instance],
                challenges: &[challenge],
            };
            let report = |_: Part, _: std::time::Duration| {};
            let clock = Clock::start(&report);

            let by = |backend| {
                let interpolation = Interpolation::new(backend, k, domain.get_omega(), Fr::ONE);
                quotient(backend, &clock, &interpolation, &cs, &domain, &read, y)
            };
            let pieces = by(Backend::PORTABLE);
            for backend in Backend::all() {
                assert!(by(backend) == pieces, "{backend:?}, k = {k}");
            }
            let at = |f: &[Fr], rotation| eval_polynomial(f, domain.rotate_omega(x, rotation));
            let gates = cs.gates().iter().flat_map(|g| g.polynomials()).fold(Fr::ZERO, |sum, gate| {
                let value = gate.evaluate(
                    &|constant| constant,
                    &|_| unreachable!("selectors are fixed columns"),
                    &|q| at(&fixed[q.column_index()], q.rotation()),
                    &|q| at(&advice[q.column_index()], q.rotation()),
                    &|q| at(&instance, q.rotation()),
                    &|_| challenge,
                    &|a| -a,
                    &|a, b| a + b,
                    &|a, b| a * b,
                    &|a, x| a * x,
                );
                sum * y + value
            });
            let x_n = x.pow_vartime([n as u64]);
            let h = pieces.iter().rev().fold(Fr::ZERO, |sum, piece| sum * x_n + eval_polynomial(piece, x));
            assert_eq!(pieces.len(), 5);
            assert_eq!(h * (x_n - Fr::ONE), gates, "k = {k}");
        }
    }
}
