//! Points of BN254's G1, and terms that refer to them in sums.

use halo2curves::bn256::{Fq, G1Affine};
use halo2curves::ff::Field;

/// A point in its own cache line: with random reads, points of a `Vec<G1Affine>` would touch two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Point(pub(crate) G1Affine);

impl Point {
    /// The point at infinity in the library's form: (0, 0). No other point has x = 0, because 3 is not a square.
    pub(crate) const IDENTITY: Point = Point(G1Affine { x: Fq::ZERO, y: Fq::ZERO });

    #[inline(always)]
    pub(crate) fn is_identity(&self) -> bool {
        self.0.x == Fq::ZERO
    }
}

/// Points to be summed.
///
/// They are stored in a vector of words, starting at the first suitably aligned word. Memory allocated with an
/// alignment is reused so badly (glibc 2.36) that a process that proves repeatedly would grow by an eighth.
#[derive(Debug)]
pub struct Points {
    words: Vec<u64>,
    len: usize,
    /// Whether one of them is the point at infinity.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(crate) identity: bool,
}

impl Points {
    /// `len` points written by `write`, which finds them all at infinity.
    pub(crate) fn fill(len: usize, write: impl FnOnce(&mut [Point])) -> Points {
        const WORDS: usize = size_of::<Point>() / size_of::<u64>();
        let mut words = vec![0; WORDS * (len + 1)];
        // SAFETY: any words are a valid point: its coordinates are words (raw.rs).
        let points = &mut unsafe { words.align_to_mut::<Point>() }.1[..len];
        write(points);
        let identity = points.iter().any(Point::is_identity);
        Points { words, len, identity }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Point] {
        // SAFETY: as above. The words have not moved since, so the points are where they were written.
        &unsafe { self.words.align_to::<Point>() }.1[..self.len]
    }

    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The points, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &G1Affine> + ExactSizeIterator {
        self.as_slice().iter().map(|p| &p.0)
    }
}

impl FromIterator<G1Affine> for Points {
    fn from_iter<T: IntoIterator<Item = G1Affine>>(points: T) -> Self {
        let all: Vec<G1Affine> = points.into_iter().collect();
        Points::fill(all.len(), |points| points.iter_mut().zip(all).for_each(|(to, p)| *to = Point(p)))
    }
}

/// A point of some [`Points`], or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(pub(crate) u32);

impl Term {
    /// The point at `index`, or its opposite.
    ///
    /// # Panics
    /// If the index is not below 2^31.
    #[must_use]
    #[inline]
    pub fn new(index: usize, negative: bool) -> Term {
        assert!(index < 1 << 31, "point {index} of sums over fewer than 2^31");
        Term((index as u32) << 1 | u32::from(negative))
    }

    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    #[inline(always)]
    pub(crate) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}
