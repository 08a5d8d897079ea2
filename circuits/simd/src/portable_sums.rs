//! Sums of points, one addition at a time: the portable code, and the only one that handles the point at infinity and
//! equal or opposite points.

use halo2curves::bn256::{Fq, G1Affine};
use halo2curves::ff::Field;

use crate::points::{Point, Term};

/// The sum of each group of terms, as in [`crate::group_sums`].
pub(crate) fn group_sums(points: &[Point], terms: &[Term], counts: &[u32]) -> Vec<G1Affine> {
    let point = |term: &Term| {
        let p = points[term.index()].0;
        // the point at infinity, (0, 0), is its own negative
        if term.is_negative() {
            G1Affine { x: p.x, y: -p.y }
        } else {
            p
        }
    };
    pairwise(terms.iter().map(point).collect(), counts.to_vec())
}

/// Number of additions that share an inversion.
const BATCH: usize = 512;

/// The sum of each group; `points` holds the groups one after another. Each round adds pairs of neighbours within a
/// group.
fn pairwise(mut points: Vec<G1Affine>, mut counts: Vec<u32>) -> Vec<G1Affine> {
    let mut batch = Batch::default();
    while counts.iter().any(|c| *c > 1) {
        let (mut read, mut write) = (0, 0);
        for count in &mut counts {
            let end = read + *count as usize;
            while read < end {
                let pair = read + 1 < end;
                batch.sums.push((read, pair));
                read += 1 + usize::from(pair);
                if batch.sums.len() == BATCH {
                    write = batch.run(&mut points, write);
                }
            }
            *count = count.div_ceil(2);
        }
        write = batch.run(&mut points, write);
        points.truncate(write);
    }
    let mut sums = points.into_iter();
    counts.iter().map(|c| if *c == 0 { None } else { sums.next() }.unwrap_or(Point::IDENTITY.0)).collect()
}

/// Sums computed together.
#[derive(Default)]
struct Batch {
    /// Index of a point, and whether it is added to the next one (true) or copied.
    sums: Vec<(usize, bool)>,
    /// Denominators of the slopes, later their inverses.
    denominators: Vec<Fq>,
    /// For each denominator, the product of all earlier ones.
    products: Vec<Fq>,
}

impl Batch {
    /// Writes the sums from index `write` on, which never overtakes the reads. Returns the end of the sums.
    fn run(&mut self, points: &mut [G1Affine], mut write: usize) -> usize {
        self.denominators.clear();
        self.products.clear();
        let mut product = Fq::ONE;
        for (read, pair) in &self.sums {
            if *pair {
                let d = denominator(&points[*read], &points[read + 1]);
                self.products.push(product);
                self.denominators.push(d);
                product *= d;
            }
        }
        // no denominator is 0
        let mut inverse = product.invert().unwrap_or(Fq::ZERO);
        for (d, before) in self.denominators.iter_mut().zip(&self.products).rev() {
            let this = inverse * before;
            inverse *= *d;
            *d = this;
        }
        let mut inverses = self.denominators.iter();
        for (read, pair) in self.sums.drain(..) {
            points[write] = match pair.then(|| inverses.next()).flatten() {
                Some(inverse) => add(&points[read], &points[read + 1], inverse),
                None => points[read],
            };
            write += 1;
        }
        write
    }
}

/// The denominator of the slope through two points; 1 if their sum needs none.
#[inline(always)]
fn denominator(p: &G1Affine, q: &G1Affine) -> Fq {
    let d = q.x - p.x;
    if d == Fq::ZERO || is_identity(p) || is_identity(q) {
        return if p.y == q.y && !is_identity(p) { p.y.double() } else { Fq::ONE };
    }
    d
}

/// `p + q`, given the inverse of their [`denominator`].
#[inline(always)]
fn add(p: &G1Affine, q: &G1Affine, inverse: &Fq) -> G1Affine {
    let slope = if p.x == q.x || is_identity(p) || is_identity(q) {
        if is_identity(p) {
            return *q;
        } else if is_identity(q) {
            return *p;
        } else if p.y != q.y {
            return Point::IDENTITY.0;
        }
        let square = p.x.square();
        (square.double() + square) * inverse
    } else {
        (q.y - p.y) * inverse
    };
    // the library squares more slowly than it multiplies
    let x = slope * slope - p.x - q.x;
    G1Affine { x, y: slope * (p.x - x) - p.y }
}

/// No other point has x = 0, because 3 is not a square.
#[inline(always)]
fn is_identity(p: &G1Affine) -> bool {
    p.x == Fq::ZERO
}
