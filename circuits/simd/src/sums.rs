//! Sums of points in affine coordinates, with many additions per inversion (Montgomery's trick): six multiplications
//! per addition instead of eleven or more.

use halo2curves::bn256::{Fq, G1Affine};
use rayon::prelude::*;

use crate::backend::{Backend, Kind};
use crate::points::{Point, Points, Term};
use crate::portable_sums;

/// The points, each followed by `(beta·x, y)`. On BN254, if β is a cube root of 1, that is a multiple of the point.
#[must_use]
pub fn with_images(backend: Backend, bases: &[G1Affine], beta: Fq) -> Points {
    match backend.0 {
        Kind::Portable => {
            let pair = |(pair, p): (&mut [Point], &G1Affine)| {
                pair.copy_from_slice(&[Point(*p), Point(G1Affine { x: p.x * beta, y: p.y })]);
            };
            Points::fill(2 * bases.len(), |points| points.par_chunks_mut(2).zip(bases).for_each(pair))
        }
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(cpu) => cpu.with_images(bases, beta),
        #[cfg(target_arch = "x86_64")]
        Kind::Ifma(cpu) => cpu.with_images(bases, beta),
    }
}

/// The sum of each group of terms; the first `counts[0]` terms are the first group, and so on. The sum of an empty
/// group is the point at infinity.
///
/// # Panics
/// If the counts do not add up to the number of terms, or a term's point does not exist.
#[must_use]
pub fn group_sums(backend: Backend, points: &Points, terms: &[Term], counts: &[u32]) -> Points {
    let total: usize = counts.iter().map(|c| *c as usize).sum();
    assert_eq!(total, terms.len(), "the groups must cover all terms");
    match backend.0 {
        Kind::Portable => portable_sums::group_sums(points.as_slice(), terms, counts).into_iter().collect(),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(cpu) => cpu.group_sums(points, terms, counts),
        #[cfg(target_arch = "x86_64")]
        Kind::Ifma(cpu) => cpu.group_sums(points, terms, counts),
    }
}
