//! The FFT, one transform per lane.
//!
//! The lanes are transforms of n/LANES values, one for each residue of the coefficients' indices modulo LANES. They run
//! all their levels side by side, two levels at a time. The last levels combine lanes and follow a transposition, of as
//! many registers as there are lanes at a time. Values stay in the library's form. They are multiplied by precomputed
//! factors ([`Factor::times_known`]) and not reduced: each level adds less than 3p.

use core::cell::Cell;
use core::ops::RangeInclusive;

use halo2curves::bn256::Fr;

use super::factors::known;
use super::field::{unpack, unpack_shifted, Factor, Sum};
use super::lanes::{load, store, to_lanes, transpose, ORDER};
use super::prime::{Number, MASK};
use super::{LANES, LIMBS};

/// Supported lengths: at least one block, and at most 27 levels, after which values are below 82p.
pub(crate) const LENGTHS: RangeInclusive<usize> = LANES * LANES..=1 << 27;

/// Number of registers that fit the first-level cache; longer parts of a transform are done in quarters first.
const BLOCK: usize = 64;

thread_local! {
    /// Memory for the values in lanes, a word per limb, kept from one transform to the next.
    static VALUES: Cell<Vec<Sum>> = const { Cell::new(Vec::new()) };
}

/// A factor for all lanes: w and its quotient ([`Factor::times_known`]), in digits.
type Root = [Number; 2];

/// Number of levels between lanes.
const LEVELS: u32 = LANES.trailing_zeros();

/// The lanes in the order in which the levels between them leave the results: numbers with their bits reversed.
const REVERSED: [usize; LANES] = {
    let (mut out, mut i) = ([0; LANES], 0);
    while i < LANES {
        out[i] = i.reverse_bits() >> (usize::BITS - LEVELS);
        i += 1;
    }
    out
};

/// Precomputed factors of one transform.
#[derive(Debug)]
pub(crate) struct Table {
    /// Factors of the levels within lanes, at half + i as in the table of roots.
    within: Vec<Root>,
    /// Factors of the levels between lanes: for each block of LANES indices below n/LANES, those of the roots at 1, 2,
    /// …, LANES − 1 times n/LANES.
    between: Vec<[[Factor; 2]; LANES - 1]>,
}

impl Table {
    vector! {
        /// Computes the factors from the roots, which are stored level by level: at half + i for i below half = 1, 2,
        /// 4, …, n/2.
        pub(super) fn new(roots: &[Fr]) -> Table {
            let registers = roots.as_chunks::<LANES>().0;
            let blocks = registers.len() / LANES;
            let (first, rest) = registers.split_at(blocks);
            let mut within = Vec::with_capacity(LANES * blocks);
            for roots in first {
                let factors = known::<Fr>(&load(roots));
                let mut out = [[[0; LIMBS]; 2]; LANES];
                for (kind, factor) in factors.iter().enumerate() {
                    for (limb, v) in factor.0.iter().enumerate() {
                        // carried factors may have bits above their digits
                        let lanes = to_lanes(*v).map(|x| x & MASK);
                        for (lane, x) in lanes.into_iter().enumerate() {
                            out[ORDER[lane]][kind][limb] = x;
                        }
                    }
                }
                within.extend_from_slice(&out);
            }
            let mut between = Vec::with_capacity(blocks);
            for block in 0..blocks {
                let mut factors = [[Factor::splat(&[0; LIMBS]); 2]; LANES - 1];
                for (i, factor) in factors.iter_mut().enumerate() {
                    *factor = known::<Fr>(&load(&rest[i * blocks + block]));
                }
                between.push(factors);
            }
            Table { within, between }
        }

        /// Transforms the values and multiplies them by `scales`, if given.
        pub(super) fn run(&self, values: &mut [Fr], scales: Option<&[Fr]>) {
            let m = self.within.len();
            assert_eq!(values.len(), LANES * m, "wrong number of values for this FFT");
            let registers = values.as_chunks::<LANES>().0;
            let shift = usize::BITS - m.trailing_zeros();
            let mut lanes = VALUES.take();
            lanes.clear();
            lanes.reserve_exact(m);
            for i in 0..m {
                lanes.push(unpack(&load(&registers[i.reverse_bits() >> shift])));
            }
            levels(&mut lanes, &self.within);
            self.last_levels(values, &lanes, scales);
            VALUES.set(lanes);
        }

        /// The levels between lanes, for a block of LANES indices at a time.
        fn last_levels(&self, values: &mut [Fr], lanes: &[Sum], scales: Option<&[Fr]>) {
            let blocks = self.between.len();
            let values = values.as_chunks_mut::<LANES>().0;
            let scales = scales.map(|s| s.as_chunks::<LANES>().0);
            for (block, (rows, roots)) in lanes.as_chunks::<LANES>().0.iter().zip(&self.between).enumerate() {
                // y[c]: the transform of the coefficients at indices c modulo LANES, at this block's indices
                let mut y = *rows;
                for limb in 0..LIMBS {
                    let mut t = rows.map(|row| row.0[limb]);
                    for (lane, from) in ORDER.into_iter().enumerate() {
                        t[lane] = rows[from].0[limb];
                    }
                    for (t, c) in transpose(t).into_iter().zip(ORDER) {
                        y[c].0[limb] = t;
                    }
                }
                for level in 0..LEVELS {
                    // y[first + c] for c below 2·half: the transform of the coefficients at indices c modulo 2·half,
                    // `turn` times n/LANES further on
                    let half = LANES >> (level + 1);
                    for (turn, first) in REVERSED[..1 << level].iter().enumerate() {
                        for c in *first..first + half {
                            (y[c], y[c + half]) = butterfly(y[c], y[c + half], &roots[(1 << level) - 1 + turn]);
                        }
                    }
                }
                for (turn, c) in REVERSED.into_iter().enumerate() {
                    let place = turn * blocks + block;
                    let value = match scales {
                        Some(s) => y[c].carry().times::<Fr>(&unpack_shifted(&load(&s[place])).digits()),
                        None => y[c],
                    };
                    store(&mut values[place], &value.canonical::<Fr>().pack());
                }
            }
        }
    }
}

vector! {
    /// `a ± b·w`; each result exceeds a by at most 3p.
    #[inline]
    fn butterfly(a: Sum, b: Sum, w: &[Factor; 2]) -> (Sum, Sum) {
        let t = b.carry().times_known::<Fr>(w);
        (a.add(t), a.sub(t).plus::<Fr, 3>())
    }

    #[inline]
    fn butterfly_all(a: Sum, b: Sum, root: &Root) -> (Sum, Sum) {
        butterfly(a, b, &[Factor::splat(&root[0]), Factor::splat(&root[1])])
    }

    /// All levels within lanes of a part of the transforms.
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
}
