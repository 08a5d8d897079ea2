//! Multi-scalar multiplication, `Σ s_i·P_i`, over BN254's G1: about half of the time of a proof.
//!
//! Pippenger's buckets with three optimisations. The curve's endomorphism `λ(x, y) = (βx, y)` splits each scalar into
//! two of half the length (Gallant, Lambert and Vanstone, CRYPTO 2001), which halves the number of windows. Digits are
//! signed, which halves the number of buckets. And all additions within buckets are in affine coordinates, many sharing
//! one inversion ([`tribute_simd::group_sums`]).
//!
//! A zero digit costs nothing, so columns of small values of either sign are cheap. Consequently, the time of a proof
//! reveals roughly how many cells are 0 or small.

use std::ops::Range;

use ethnum::U256;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, WithSmallOrderMulGroup};
use halo2_proofs::halo2curves::group::Group;
use rayon::prelude::*;
use tribute_simd::{group_sums, with_images, Backend, Points, Term};

use crate::field::to_u256;

/// `Σ scalars_i·bases_i`.
///
/// # Panics
/// If the numbers of scalars and bases differ.
#[must_use]
pub fn msm(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    msm_by(Backend::best(), scalars, bases)
}

/// [`msm`] with a given backend; all backends give the same result.
///
/// # Panics
/// If the numbers of scalars and bases differ.
#[must_use]
pub fn msm_by(backend: Backend, scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    assert_eq!(scalars.len(), bases.len(), "one scalar to a base");
    // a multiple of the point at infinity adds nothing
    let halves = |(s, base): (&Fr, &G1Affine)| if base.x == Fq::ZERO { [Half::default(); 2] } else { split(s) };
    let halves: Vec<[Half; 2]> = scalars.par_iter().zip(bases).map(halves).collect();
    let halves = halves.as_flattened();
    let points = with_images(backend, bases, Fq::ZETA.square());
    let longest = halves.iter().fold(0, |all, half| all | half.magnitude);
    let windows = Windows::new(window_bits(halves.len()), u128::BITS - longest.leading_zeros());
    let grids: Vec<Grid> = (0..windows.count)
        .into_par_iter()
        .map(|window| {
            let buckets = windows.buckets(backend, halves, &points, window);
            let all = 0..buckets.len();
            Grid::new(backend, &buckets, &[all])
        })
        .collect();
    let sums = Grid::join(grids).weighted_sums(backend);
    sums.into_iter().rev().fold(G1::identity(), |sum, window| (0..windows.bits).fold(sum, |s, _| s.double()) + window)
}

/// Bits of a half scalar's magnitude, plus one for the carry of signed digits.
const HALF_BITS: u32 = 128;

/// Bits of a digit. Minimises the number of windows times the additions per window: points into buckets, then buckets
/// into rows and columns.
fn window_bits(halves: usize) -> u32 {
    (2..=15).min_by_key(|bits| HALF_BITS.div_ceil(*bits) as usize * (halves + (1 << bits))).unwrap_or(2)
}

/// Half of a scalar. At even positions it multiplies the base, at odd positions the base's image under the
/// endomorphism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Half {
    magnitude: u128,
    negative: bool,
}

/// How halves are split into signed digits, in `(−2^(bits−1), 2^(bits−1)]`.
struct Windows {
    bits: u32,
    count: u32,
    /// `2^(bits−1) − 1` in every window but the last. To get a magnitude's signed digits, add this offset, take the
    /// unsigned digits and subtract from each what was added to it.
    offset: u128,
}

impl Windows {
    /// Windows of `bits` bits, for magnitudes below `2^longest`, which is at most `2^127`.
    fn new(bits: u32, longest: u32) -> Self {
        // the last digit absorbs the carry, so it needs one more bit
        let count = (longest + 1).div_ceil(bits);
        let offset = (0..count - 1).fold(0, |sum, i| sum | ((1 << (bits - 1)) - 1) << (bits * i));
        Windows { bits, count, offset }
    }

    fn digit(&self, half: &Half, window: u32) -> i32 {
        let low = self.bits * window;
        let digit = ((half.magnitude + self.offset) >> low) as i32 & ((1 << self.bits) - 1);
        let digit = if window + 1 < self.count { digit - ((1 << (self.bits - 1)) - 1) } else { digit };
        if half.negative {
            -digit
        } else {
            digit
        }
    }

    /// For each digit d of a window, the sum of the points with digit d minus the sum of those with digit −d.
    fn buckets(&self, backend: Backend, halves: &[Half], points: &Points, window: u32) -> Points {
        let digits: Vec<i32> = halves.iter().map(|half| self.digit(half, window)).collect();
        let mut counts = vec![0u32; (1 << (self.bits - 1)) + 1];
        digits.iter().for_each(|d| counts[d.unsigned_abs() as usize] += 1);
        counts[0] = 0;
        let mut next: Vec<usize> = counts
            .iter()
            .scan(0, |sum, count| {
                *sum += *count as usize;
                Some(*sum - *count as usize)
            })
            .collect();
        let total = counts.iter().map(|c| *c as usize).sum();
        let mut terms = vec![Term::new(0, false); total];
        for (i, digit) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
            let place = &mut next[digit.unsigned_abs() as usize];
            terms[*place] = Term::new(i, *digit < 0);
            *place += 1;
        }
        group_sums(backend, points, &terms, &counts)
    }
}

/// `s = k₁ + λk₂` with magnitudes below 2^127: s, or −s if that is the smaller integer, minus the lattice vectors next
/// below it. The lattice is that of all `(a, b)` with `a + λb = 0`; its short vectors are `(A₁, −B₁)` and `(A₂, A₁)`.
/// With `c₁ = ⌊A₁s/r⌋` and `c₂ = ⌊B₁s/r⌋`, off by less than 1 + 2^-3, `k₁` is in [0, 1.125·(A₁ + A₂)) and `k₂` in
/// `(−1.125·B₁, 1.125·A₁)`. A small s stays as it is: both `c` are 0.
fn split(s: &Fr) -> [Half; 2] {
    const A1: u128 = 0x89d3_2568_94d2_13e3;
    const A2: u128 = 0x6f4d_8248_eeb8_59fd_0be4_e154_1221_250b;
    const B1: u128 = 0x6f4d_8248_eeb8_59fc_8211_bbeb_7d4f_1128;
    // ⌊2^256·A₁/r⌋ and ⌊2^256·B₁/r⌋
    const A1_BY_R: [u64; 3] = [0xd91d_232e_c7e0_b3d7, 2, 0];
    const B1_BY_R: [u64; 3] = [0x7a7b_d9d4_391e_b18d, 0x4cce_f014_a773_d2cf, 2];
    const MODULUS: U256 =
        U256::from_words(0x3064_4e72_e131_a029_b850_45b6_8181_585d, 0x2833_e848_79b9_7091_43e1_f593_f000_0001);
    let plain = to_u256(s);
    let opposite = MODULUS - plain;
    let negative = opposite < plain;
    let (upper, low) = plain.min(opposite).into_words();
    if upper == 0 && low <= u128::from(u64::MAX) {
        return [Half { magnitude: low, negative }, Half::default()];
    }
    let limbs = [low as u64, (low >> 64) as u64, upper as u64, (upper >> 64) as u64];
    let (c1, c2) = (high(&limbs, &A1_BY_R), high(&limbs, &B1_BY_R));
    let k1 = low.wrapping_sub(c1.wrapping_mul(A1)).wrapping_sub(c2.wrapping_mul(A2));
    let k2 = c1.wrapping_mul(B1).wrapping_sub(c2.wrapping_mul(A1)) as i128;
    [Half { magnitude: k1, negative }, Half { magnitude: k2.unsigned_abs(), negative: negative != (k2 < 0) }]
}

/// `⌊a·b / 2^256⌋`, which is below 2^128 if a is below r/2 and b is below 2^130.
fn high(a: &[u64; 4], b: &[u64; 3]) -> u128 {
    let mut out = [0u64; 7];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0u64;
        for (j, y) in b.iter().enumerate() {
            let t = u128::from(*x) * u128::from(*y) + u128::from(out[i + j]) + u128::from(carry);
            (out[i + j], carry) = (t as u64, (t >> 64) as u64);
        }
        out[i + 3] = carry;
    }
    u128::from(out[4]) | u128::from(out[5]) << 64
}

/// Up to this many points per set, `Σ i·point_i` is summed one by one.
const FEW: usize = 16;

/// Sets of points arranged in a grid: with `i = row·2^bits + column`, `Σ i·point_i` is
/// `2^bits·Σ row·(sum of the row) + Σ column·(sum of the column)`.
struct Grid {
    /// log2 of the number of columns.
    bits: u32,
    /// Sums of rows and columns.
    sums: Points,
    /// Ranges of `sums`: for each set its rows, then its columns.
    sets: Vec<Range<usize>>,
}

impl Grid {
    fn new(backend: Backend, points: &Points, sets: &[Range<usize>]) -> Grid {
        let longest = sets.iter().map(Range::len).max().unwrap_or(0);
        let bits = longest.max(1).ilog2() / 2;
        let width = 1usize << bits;
        let height = longest.div_ceil(width);
        let filled: Vec<bool> = points.iter().map(|p| p.x != Fq::ZERO).collect();
        let (mut terms, mut counts, mut grid_sets) = (Vec::with_capacity(2 * points.len()), Vec::new(), Vec::new());
        let mut group = |places: &mut dyn Iterator<Item = usize>| {
            let before = terms.len();
            terms.extend(places.filter(|i| filled[*i]).map(|i| Term::new(i, false)));
            counts.push((terms.len() - before) as u32);
        };
        for (i, set) in sets.iter().enumerate() {
            let start = i * (height + width);
            grid_sets.extend([start..start + height, start + height..start + height + width]);
            (0..height).for_each(|row| group(&mut set.clone().skip(row * width).take(width)));
            (0..width).for_each(|column| group(&mut set.clone().skip(column).step_by(width)));
        }
        Grid { bits, sums: group_sums(backend, points, &terms, &counts), sets: grid_sets }
    }

    /// Joins the grids of all sets, in order; all grids must have sets of the same size.
    fn join(grids: Vec<Grid>) -> Grid {
        let bits = grids.first().map_or(0, |g| g.bits);
        let (mut start, mut sets) = (0, Vec::new());
        for grid in &grids {
            sets.extend(grid.sets.iter().map(|s| start + s.start..start + s.end));
            start += grid.sums.len();
        }
        Grid { bits, sums: grids.iter().flat_map(|g| g.sums.iter().copied()).collect(), sets }
    }

    /// `Σ i·point_i` of each set.
    fn weighted_sums(&self, backend: Backend) -> Vec<G1> {
        let parts = weighted_sums(backend, &self.sums, &self.sets);
        let sum = |[rows, columns]: &[G1; 2]| (0..self.bits).fold(*rows, |sum, _| sum.double()) + columns;
        parts.as_chunks::<2>().0.iter().map(sum).collect()
    }
}

/// `Σ i·point_i` of each set.
fn weighted_sums(backend: Backend, points: &Points, sets: &[Range<usize>]) -> Vec<G1> {
    if sets.iter().any(|set| set.len() > FEW) {
        return Grid::new(backend, points, sets).weighted_sums(backend);
    }
    let points: Vec<&G1Affine> = points.iter().collect();
    let sum = |set: &Range<usize>| {
        // the sum of the suffix sums
        let last_points = points[set.clone()].iter().skip(1).rev();
        let (_, sum) = last_points.fold((G1::identity(), G1::identity()), |(last, sum), p| {
            let last = last + *p;
            (last, sum + last)
        });
        sum
    };
    sets.par_iter().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::ff::PrimeField;
    use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
    use halo2_proofs::halo2curves::group::Curve;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn random(n: usize) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
        (0..n).map(|_| Fr::random(&mut rng)).collect()
    }

    fn edges() -> Vec<Fr> {
        let small = [0u64, 1, 2, 255, 256, 1 << 12, u64::MAX].map(Fr::from);
        let powers = (0..254).map(crate::field::two_to);
        let half = Fr::from(2).invert().unwrap();
        let mut all: Vec<Fr> = small.into_iter().chain(powers).chain([half, half + Fr::ONE, Fr::ZETA]).collect();
        all.extend(all.clone().iter().map(|x| -x));
        all.extend(all.clone().iter().map(|x| x - Fr::ONE));
        all
    }

    fn check(scalars: &[Fr], bases: &[G1Affine]) {
        let expected: G1 = scalars.iter().zip(bases).map(|(s, p)| p * s).sum();
        for backend in Backend::all() {
            assert_eq!(msm_by(backend, scalars, bases).to_affine(), expected.to_affine(), "{backend:?}");
        }
    }

    #[test]
    fn halves_of_scalars_are_short_and_make_the_scalar() {
        let value = |half: &Half| {
            let x = Fr::from_u128(half.magnitude);
            if half.negative {
                -x
            } else {
                x
            }
        };
        for s in edges().into_iter().chain(random(2000)) {
            let [k1, k2] = split(&s);
            assert!(k1.magnitude < 1 << 127 && k2.magnitude < 1 << 127, "{s:?}");
            assert_eq!(value(&k1) + Fr::ZETA.square() * value(&k2), s);
            for (half, bits) in [&k1, &k2].into_iter().flat_map(|half| [2, 4, 5, 8, 13, 15].map(|bits| (half, bits))) {
                // with as few windows as this magnitude needs, and with the maximum
                for longest in [u128::BITS - half.magnitude.leading_zeros(), 127] {
                    let windows = Windows::new(bits, longest);
                    let digits = (0..windows.count).map(|w| windows.digit(half, w));
                    let sum = digits.rev().fold(Fr::ZERO, |sum, d| {
                        assert!(d.unsigned_abs() <= 1 << (bits - 1));
                        sum * Fr::from(1 << bits) + crate::field::from_i128(i128::from(d))
                    });
                    assert_eq!(sum, value(half), "{bits} bits");
                }
            }
        }
    }

    #[test]
    fn small_scalars_of_either_sign_have_no_second_half() {
        for x in [0, 1, 77, u64::MAX] {
            for s in [Fr::from(x), -Fr::from(x)] {
                let [k1, k2] = split(&s);
                assert_eq!((k1.magnitude, k2.magnitude), (u128::from(x), 0));
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_curve() {
        for n in [0, 1, 2, 3, 31, 500, 3000] {
            let bases: Vec<G1Affine> = random(n + 7)[7..].iter().map(|s| (G1::generator() * s).to_affine()).collect();
            check(&random(n), &bases);
        }
        let edges = edges();
        let bases: Vec<G1Affine> = random(edges.len()).iter().map(|s| (G1::generator() * s).to_affine()).collect();
        check(&edges, &bases);
    }

    /// As many buckets as a window of 15 bits has, so that rows and columns are again summed by rows and columns.
    #[test]
    fn weighted_sums_of_many_buckets() {
        for n in [1, 16, 17, 128, 129, 16_385] {
            let points: Points = (0..n).map(|i| (G1::generator() * Fr::from(i as u64 % 7)).to_affine()).collect();
            // all points, and sets of other lengths
            let sets = [0..n, 0..n / 2, n / 2..n, n / 3..n, 0..0];
            for backend in Backend::all() {
                let sums = weighted_sums(backend, &points, &sets);
                for (set, sum) in sets.iter().zip(sums) {
                    let weights: Fr = set.clone().zip(0..).map(|(i, w)| Fr::from(w * (i as u64 % 7))).sum();
                    let expected = (G1::generator() * weights).to_affine();
                    assert_eq!(sum.to_affine(), expected, "{set:?} of {n} points, {backend:?}");
                }
            }
        }
    }

    /// Buckets in which points are added to themselves, their opposites and the identity.
    #[test]
    fn points_that_meet_themselves_and_their_opposites() {
        let g = G1Affine::generator();
        let bases: Vec<G1Affine> =
            (0..300).map(|i| [g, -g, g, G1Affine::identity(), (g * Fr::from(5)).to_affine()][i % 5]).collect();
        check(&vec![Fr::from(3); 300], &bases);
        check(&vec![-Fr::ONE; 300], &vec![g; 300]);
        check(&random(300), &bases);
        check(&[Fr::from(9); 2], &[g, -g]);
        assert_eq!(msm(&[], &[]), G1::identity());
    }
}
