//! Points of BN254's G1, and groups of them to be added up.

use halo2curves::bn256::{Fq, G1Affine};
use halo2curves::ff::Field;

/// A point in a cache line of its own: read at random, points of a `Vec<G1Affine>` would touch two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Point(pub(crate) G1Affine);

impl Point {
    /// The point at infinity, as the library has it: (0, 0). No other point has x = 0, because 3 is no square.
    pub(crate) const IDENTITY: Point = Point(G1Affine { x: Fq::ZERO, y: Fq::ZERO });

    #[inline(always)]
    pub(crate) fn is_identity(&self) -> bool {
        self.0.x == Fq::ZERO
    }
}

/// Points to take sums of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    pub(crate) points: Vec<Point>,
    /// Whether one is the point at infinity.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(crate) identity: bool,
}

impl Points {
    pub(crate) fn new(points: Vec<Point>) -> Points {
        let identity = points.iter().any(Point::is_identity);
        Points { points, identity }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The points in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &G1Affine> + ExactSizeIterator {
        self.points.iter().map(|p| &p.0)
    }
}

impl FromIterator<G1Affine> for Points {
    fn from_iter<T: IntoIterator<Item = G1Affine>>(points: T) -> Self {
        Points::new(points.into_iter().map(Point).collect())
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
