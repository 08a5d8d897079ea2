//! The FFT, eight elements at a time.
//!
//! The lanes are eight transforms of n/8 values, one for each residue of the coefficients' indices modulo 8. They run
//! all their levels side by side, two levels at a time. The last three levels combine lanes and follow a transposition,
//! eight registers of eight values at a time. Values stay in the library's form. They are multiplied by precomputed
//! factors ([`Factor::times_known`]) and not reduced: each level adds less than 3p.

use core::cell::Cell;
use core::ops::RangeInclusive;

use halo2curves::bn256::Fr;

use super::field::{known, unpack, unpack_shifted, Factor, Sum};
use super::lanes::{load, store, to_lanes, transpose, ORDER};

/// Supported lengths: at least eight blocks of eight, and at most 27 levels, after which values are below 82p.
pub(crate) const LENGTHS: RangeInclusive<usize> = 64..=1 << 27;

/// Number of registers that fit the first-level cache; longer parts of a transform are done in quarters first.
const BLOCK: usize = 64;

thread_local! {
    /// Memory for the values in lanes, 40 bytes per value, kept from one transform to the next.
    static LANES: Cell<Vec<Sum>> = const { Cell::new(Vec::new()) };
}

/// A factor for all lanes: w and its quotient ([`Factor::times_known`]), in digits.
type Root = [[u64; 5]; 2];

/// Precomputed factors of one transform.
#[derive(Debug)]
pub(crate) struct Table {
    /// Factors of the levels within lanes, at half + i as in the table of roots.
    within: Vec<Root>,
    /// Factors of the levels between lanes: for each block of eight indices below n/8, those of the roots at 1, 2, …, 7
    /// times n/8.
    between: Vec<[[Factor; 2]; 7]>,
}

impl Table {
    /// Computes the factors from the roots, which are stored level by level: at half + i for i below half = 1, 2, 4, …,
    /// n/2.
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    pub(super) fn new(roots: &[Fr]) -> Table {
        let eights = roots.as_chunks::<8>().0;
        let blocks = eights.len() / 8;
        let (first, rest) = eights.split_at(blocks);
        let mut within = Vec::with_capacity(8 * blocks);
        for roots in first {
            let factors = known::<Fr>(unpack(&load(roots)));
            let mut out = [[[0; 5]; 2]; 8];
            for (kind, factor) in factors.iter().enumerate() {
                for (limb, v) in factor.0.iter().enumerate() {
                    // carried factors may have bits above their digits
                    let lanes = to_lanes(*v).map(|x| x & ((1 << 52) - 1));
                    for (lane, x) in lanes.into_iter().enumerate() {
                        out[ORDER[lane]][kind][limb] = x;
                    }
                }
            }
            within.extend_from_slice(&out);
        }
        let mut between = Vec::with_capacity(blocks);
        for block in 0..blocks {
            let mut factors = [[Factor::splat(&[0; 5]); 2]; 7];
            for (i, factor) in factors.iter_mut().enumerate() {
                *factor = known::<Fr>(unpack(&load(&rest[i * blocks + block])));
            }
            between.push(factors);
        }
        Table { within, between }
    }

    /// Transforms the values and multiplies them by `scales`, if given.
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    pub(super) fn run(&self, values: &mut [Fr], scales: Option<&[Fr]>) {
        let m = self.within.len();
        assert_eq!(values.len(), 8 * m, "wrong number of values for this FFT");
        let eights = values.as_chunks::<8>().0;
        let shift = usize::BITS - m.trailing_zeros();
        let mut lanes = LANES.take();
        lanes.clear();
        lanes.reserve_exact(m);
        for i in 0..m {
            lanes.push(unpack(&load(&eights[i.reverse_bits() >> shift])));
        }
        levels(&mut lanes, &self.within);
        self.last_levels(values, &lanes, scales);
        LANES.set(lanes);
    }

    /// The three levels between lanes, for eight indices at a time.
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
    fn last_levels(&self, values: &mut [Fr], lanes: &[Sum], scales: Option<&[Fr]>) {
        let blocks = self.between.len();
        let values = values.as_chunks_mut::<8>().0;
        let scales = scales.map(|s| s.as_chunks::<8>().0);
        for (block, (rows, roots)) in lanes.as_chunks::<8>().0.iter().zip(&self.between).enumerate() {
            // y[c]: the transform of the coefficients at indices c modulo 8, at this block's eight indices
            let mut y = *rows;
            for limb in 0..5 {
                let mut t = rows.map(|row| row.0[limb]);
                for (lane, from) in ORDER.into_iter().enumerate() {
                    t[lane] = rows[from].0[limb];
                }
                for (t, c) in transpose(t).into_iter().zip(ORDER) {
                    y[c].0[limb] = t;
                }
            }
            for c in 0..4 {
                (y[c], y[c + 4]) = butterfly(y[c], y[c + 4], &roots[0]);
            }
            // y[c + 4]: the transform of the coefficients at indices c modulo 4, n/8 further on
            for c in 0..2 {
                (y[c], y[c + 2]) = butterfly(y[c], y[c + 2], &roots[1]);
                (y[c + 4], y[c + 6]) = butterfly(y[c + 4], y[c + 6], &roots[2]);
            }
            // y[0], y[4], y[2], y[6]: the transform of the even coefficients, at 0, 1, 2 and 3 times n/8
            for (at, c) in [0, 4, 2, 6].into_iter().enumerate() {
                let (first, second) = butterfly(y[c], y[c + 1], &roots[3 + at]);
                for (value, at) in [(first, at), (second, at + 4)] {
                    let place = at * blocks + block;
                    let value = match scales {
                        Some(s) => value.carry().times::<Fr>(&unpack_shifted(&load(&s[place])).digits()),
                        None => value,
                    };
                    store(&mut values[place], &value.canonical::<Fr>().pack());
                }
            }
        }
    }
}

/// `a ± b·w`; each result exceeds a by at most 3p.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
fn butterfly(a: Sum, b: Sum, w: &[Factor; 2]) -> (Sum, Sum) {
    let t = b.carry().times_known::<Fr>(w);
    (a.add(t), a.sub(t).plus::<Fr, 3>())
}

#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
fn butterfly_all(a: Sum, b: Sum, root: &Root) -> (Sum, Sum) {
    butterfly(a, b, &[Factor::splat(&root[0]), Factor::splat(&root[1])])
}

/// All levels within lanes of a part of the transforms.
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
fn levels(lanes: &mut [Sum], roots: &[Root]) {
    let n = lanes.len();
    if n > BLOCK {
        for quarter in lanes.chunks_exact_mut(n / 4) {
            levels(quarter, roots);
        }
        return two_levels(lanes, n / 4, roots);
    }
    let mut half = 1;
    if n.trailing_zeros() % 2 == 1 {
        for [a, b] in lanes.as_chunks_mut::<2>().0 {
            (*a, *b) = butterfly_all(*a, *b, &roots[1]);
        }
        half = 2;
    }
    while half < n {
        two_levels(lanes, half, roots);
        half *= 4;
    }
}

/// The two levels `half` and `2·half`.
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
fn two_levels(lanes: &mut [Sum], half: usize, roots: &[Root]) {
    let (one, two) = (&roots[half..2 * half], &roots[2 * half..4 * half]);
    let (two, three) = two.split_at(half);
    for block in lanes.chunks_exact_mut(4 * half) {
        let (low, high) = block.split_at_mut(2 * half);
        let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
        for i in 0..half {
            let (c1, d1) = butterfly_all(c[i], d[i], &one[i]);
            let (a1, b1) = butterfly_all(a[i], b[i], &one[i]);
            (a[i], c[i]) = butterfly_all(a1, c1, &two[i]);
            (b[i], d[i]) = butterfly_all(b1, d1, &three[i]);
        }
    }
}
