//! Sums of points, one addition per lane.
//!
//! Groups become lists of terms (long groups several), which are summed side by side: one list per lane, up to
//! [`BATCH`] lists per inversion. Accumulators hold `x·R`; points are loaded as `SHIFT·x·2^256`, which is the same.
//!
//! Adding equal or opposite points gives the denominator 0, which the shared inversion detects. The lists of that batch
//! then go through the portable code, as do sums of [`Points`] that include the point at infinity.

use core::cell::Cell;

use halo2curves::bn256::{Fq, G1Affine};

use super::factors::splat;
use super::field::{unpack, unpack_shifted, Factor, Sum};
use super::invert::invert;
use super::lanes::{
    first_lanes, load_affine, load_point, odd_lanes, points_of_words, prefetch, to_point, words_of_points,
};
use super::prime::{Field, SHIFT};
use super::LANES;
use crate::points::{Point, Points, Term};
use crate::portable_sums;

/// Memory of a batch: coordinates of sums and of points, and products. It fits the second-level cache.
const MEMORY_BYTES: usize = 400 << 10;
/// Number of lists that share an inversion, and into which long groups are split if there are enough terms.
const BATCH: usize = LANES * (MEMORY_BYTES / (5 * size_of::<Sum>()));
/// Minimum number of terms of a list before a group is split.
const LEAST: usize = 8;

/// A non-empty list of terms to sum: `terms[start..start + len]`.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    start: usize,
    len: usize,
}

/// Running sums, in digits and below 2p.
struct Accumulator {
    x: Sum,
    y: Sum,
}

/// What the backward pass of a round needs of an addition.
struct Addition {
    /// The point, below SHIFT·p.
    x: Sum,
    y: Sum,
    /// Product of all earlier denominators.
    before: Factor,
}

vector! {
    /// See [`crate::sums::with_images`].
    pub(super) fn with_images(bases: &[G1Affine], beta: Fq) -> Points {
        let factor = splat(beta);
        Points::fill(2 * bases.len(), |points| {
            let (registers, rest) = bases.as_chunks::<LANES>();
            let (pairs, rest_pairs) = points.split_at_mut(2 * LANES * registers.len());
            for (bases, pairs) in registers.iter().zip(pairs.as_chunks_mut::<{ 2 * LANES }>().0) {
                let mut rows = [load_affine(&bases[0]); LANES];
                for (row, base) in rows.iter_mut().zip(bases) {
                    *row = load_affine(base);
                }
                let [x, y] = words_of_points(rows);
                let x = unpack(&x).digits().times::<Fq>(&factor).canonical::<Fq>();
                let images = points_of_words([x.pack(), y]);
                for ((pair, row), image) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(rows).zip(images) {
                    *pair = [to_point(row), to_point(image)];
                }
            }
            for (pair, p) in rest_pairs.as_chunks_mut::<2>().0.iter_mut().zip(rest) {
                *pair = [Point(*p), Point(G1Affine { x: p.x * beta, y: p.y })];
            }
        })
    }

    /// See [`crate::sums::group_sums`], which has checked that the groups cover all terms.
    pub(super) fn group_sums(points: &Points, terms: &[Term], counts: &[u32]) -> Points {
        if points.identity && terms.iter().any(|t| points.as_slice()[t.index()].is_identity()) {
            return portable_sums::group_sums(points.as_slice(), terms, counts).into_iter().collect();
        }
        let longest = terms.len().div_ceil(BATCH).max(LEAST);
        let mut lists = Vec::with_capacity(counts.len() + terms.len() / longest);
        let mut parts = Vec::with_capacity(counts.len());
        let mut start = 0;
        for count in counts {
            let count = *count as usize;
            // splitting a group of at most twice the length is not worth another round
            let n = if count <= 2 * longest { usize::from(count > 0) } else { count.div_ceil(longest) };
            for i in 0..n {
                let (from, to) = (count * i / n, count * (i + 1) / n);
                lists.push(List { start: start + from, len: to - from });
            }
            parts.push(n as u32);
            start += count;
        }
        let sums = list_sums(points.as_slice(), terms, &lists);
        if parts.iter().any(|n| *n > 1) {
            let all: Vec<Term> = (0..sums.len()).map(|i| Term::new(i, false)).collect();
            return group_sums(&sums, &all, &parts);
        }
        // a group has one list, or no terms
        let mut sums = sums.as_slice().iter();
        Points::fill(parts.len(), |points| {
            for (point, _) in points.iter_mut().zip(&parts).filter(|(_, n)| **n == 1) {
                *point = *sums.next().unwrap_or(&Point::IDENTITY);
            }
        })
    }

    /// The sum of each list. No point may be the point at infinity.
    fn list_sums(points: &[Point], terms: &[Term], lists: &[List]) -> Points {
        // longest first, so that in every round the lists with remaining terms come first
        let longest = lists.iter().map(|l| l.len).max().unwrap_or(0);
        let mut places = vec![0; longest + 2];
        lists.iter().for_each(|l| places[longest - l.len + 1] += 1);
        for i in 1..places.len() {
            places[i] += places[i - 1];
        }
        let mut order = vec![0; lists.len()];
        for (i, list) in lists.iter().enumerate() {
            let place = &mut places[longest - list.len];
            order[*place] = i;
            *place += 1;
        }
        Points::fill(lists.len(), |sums| {
            let mut batch = MEMORY.take();
            for order in order.chunks(BATCH) {
                batch.lists.clear();
                batch.lists.extend(order.iter().map(|i| lists[*i]));
                if batch.run(points, terms) {
                    for (order, accumulator) in order.chunks(LANES).zip(&batch.accumulators) {
                        for (i, row) in order.iter().zip(accumulator.to_rows()) {
                            sums[*i] = row;
                        }
                    }
                } else {
                    let terms: Vec<Term> =
                        batch.lists.iter().flat_map(|l| &terms[l.start..l.start + l.len]).copied().collect();
                    let counts: Vec<u32> = batch.lists.iter().map(|l| l.len as u32).collect();
                    for (i, sum) in order.iter().zip(portable_sums::group_sums(points, &terms, &counts)) {
                        sums[*i] = Point(sum);
                    }
                }
            }
            MEMORY.set(batch);
        })
    }
}

thread_local! {
    /// Memory for the next batch; it is needed thousands of times per proof.
    static MEMORY: Cell<Batch> = Cell::default();
}

/// Lists that are summed side by side.
#[derive(Default)]
struct Batch {
    /// In order of decreasing length.
    lists: Vec<List>,
    accumulators: Vec<Accumulator>,
    additions: Vec<Addition>,
}

impl Batch {
    vector! {
        /// Sums all lists; false if two points were equal or opposite.
        fn run(&mut self, points: &[Point], terms: &[Term]) -> bool {
            self.accumulators.clear();
            for lists in self.lists.chunks(LANES) {
                let (x, y) = gather(points, &round_terms(terms, lists, 0));
                self.accumulators.push(Accumulator { x: x.reduce::<Fq>(), y: y.reduce::<Fq>() });
            }
            let longest = self.lists.first().map_or(0, |l| l.len);
            let mut active = self.lists.len();
            for round in 1..longest {
                while self.lists[active - 1].len <= round {
                    active -= 1;
                }
                if !self.round(points, terms, round, active) {
                    return false;
                }
            }
            true
        }

        /// Adds the `round`-th term of the first `active` lists.
        fn round(&mut self, points: &[Point], terms: &[Term], round: usize, active: usize) -> bool {
            let lists = &self.lists[..active];
            // two products, so that one need not wait for the other
            let mut products = [Sum::splat(&Fq::ONE_R).digits(); 2];
            self.additions.clear();
            for (i, (lists, accumulator)) in lists.chunks(LANES).zip(&self.accumulators).enumerate() {
                let (x, y) = gather(points, &round_terms(terms, lists, round));
                let product = &mut products[i % 2];
                self.additions.push(Addition { x, y, before: *product });
                let denominator = accumulator.denominator(&x, lists.len());
                *product = product.times::<Fq>(&denominator).carry();
            }
            let [even, odd] = products;
            // SHIFT/x·2^256 is 1/x·R
            let Some(words) = invert::<Fq>(&even.times::<Fq>(&odd).carry(), Fq::from(SHIFT * SHIFT)) else {
                return false;
            };
            let both = unpack(&words).digits();
            let mut inverses = [both.times::<Fq>(&odd).carry(), both.times::<Fq>(&even).carry()];
            let steps = lists.chunks(LANES).zip(&mut self.accumulators).zip(&self.additions).enumerate();
            for (i, ((lists, accumulator), addition)) in steps.rev() {
                // prefetch the points of the next round while there is much to compute
                for list in lists {
                    if let Some(point) = terms.get(list.start + round + 1).and_then(|t| points.get(t.index())) {
                        prefetch(point);
                    }
                }
                let denominator = accumulator.denominator(&addition.x, lists.len());
                let inverse = &mut inverses[i % 2];
                let by = inverse.times::<Fq>(&addition.before).carry();
                *inverse = inverse.times::<Fq>(&denominator).carry();
                accumulator.add(addition, &by, lists.len());
            }
            true
        }
    }
}

impl Accumulator {
    vector! {
        /// `x − self.x`, below `(SHIFT + 2)·p`; 1 in lanes without a list.
        #[inline]
        fn denominator(&self, x: &Sum, lists: usize) -> Factor {
            let difference = x.sub(self.x).plus::<Fq, 2>();
            if lists == LANES {
                return difference.carry();
            }
            difference.select(first_lanes(lists), Sum::splat(&Fq::ONE_R)).carry()
        }

        /// Adds a point in the lanes that have a list, given the inverse of the denominator.
        #[inline]
        fn add(&mut self, other: &Addition, inverse: &Factor, lists: usize) {
            let slope = other.y.sub(self.y).plus::<Fq, 2>().carry().times::<Fq>(inverse).carry();
            // SHIFT·p and 2p are subtracted at most
            let x = slope.square::<Fq>().sub(self.x).sub(other.x).plus::<Fq, { SHIFT + 2 }>().reduce::<Fq>();
            let back = self.x.sub(x).plus::<Fq, 2>().carry();
            let y = slope.times::<Fq>(&back).sub(self.y).plus::<Fq, 2>().reduce::<Fq>();
            if lists == LANES {
                (self.x, self.y) = (x, y);
            } else {
                let mask = first_lanes(lists);
                (self.x, self.y) = (x.select(mask, self.x), y.select(mask, self.y));
            }
        }

        /// The points in the library's form.
        fn to_rows(&self) -> [Point; LANES] {
            let to_memory = Factor::splat(&Fq::TO_MEMORY);
            let x = self.x.digits().times::<Fq>(&to_memory).canonical::<Fq>();
            let y = self.y.digits().times::<Fq>(&to_memory).canonical::<Fq>();
            let mut out = [Point::IDENTITY; LANES];
            for (point, row) in out.iter_mut().zip(points_of_words([x.pack(), y.pack()])) {
                *point = to_point(row);
            }
            out
        }
    }
}

/// One term of each list; lanes without a list repeat the last one's.
#[inline(always)]
fn round_terms(terms: &[Term], lists: &[List], round: usize) -> [Term; LANES] {
    let mut out = [Term(0); LANES];
    let last = lists.len() - 1;
    for (lane, out) in out.iter_mut().enumerate() {
        *out = terms[lists[lane.min(last)].start + round];
    }
    out
}

vector! {
    /// Both coordinates of points, below SHIFT·p; points of negative terms are negated.
    #[inline]
    fn gather(points: &[Point], terms: &[Term; LANES]) -> (Sum, Sum) {
        let mut rows = [load_point(&points[terms[0].index()]); LANES];
        for (row, term) in rows.iter_mut().zip(terms) {
            *row = load_point(&points[term.index()]);
        }
        let [x, y] = words_of_points(rows);
        let y = unpack_shifted(&y);
        let zero = y.sub(y);
        let negative = zero.sub(y).plus::<Fq, SHIFT>();
        (unpack_shifted(&x), negative.select(odd_lanes(&terms.map(|t| t.0)), y))
    }
}
