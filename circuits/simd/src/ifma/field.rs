//! Eight field elements in five registers: each register holds one 52-bit limb of all eight elements.
//!
//! In memory, elements stay in the library's form, `x·2^256 mod p` in four words. A product here divides by `2^260`
//! instead; [`unpack_shifted`] multiplies one factor by 16 on loading, which compensates for that exactly.
//!
//! Two types distinguish what limbs mean:
//!
//! - [`Sum`]: signed 64-bit limbs; the element is `Σ limb_i·2^(52i)`. Sums can be added and subtracted. Every function
//!   says which multiple of p its result stays below; all stay below `2^260`, which is more than 84p.
//! - [`Factor`]: the low 52 bits of each limb are the element's digits; the upper bits are ignored. Multiplication
//!   reads only those 52 bits, so carries need no masks, but nothing may be added to a factor.

#[cfg(test)]
use super::checks;
use super::isa::*;
use super::prime::{times, Field, Number, MASK};

pub(super) type V = __m512i;

/// A bit per lane.
pub(super) type Mask = __mmask8;

/// Largest multiple of p that [`Sum::reduce`] accepts: `⌊2^52/(p's highest digit + 1)⌋`.
pub(super) const MOST: u64 = 84;

/// Products that are summed between two reductions.
pub(super) const PRODUCTS: usize = 64;

/// Eight elements that can be added: signed limbs.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Sum(pub(super) [V; 5]);

/// Eight elements that can be multiplied: digits in the low 52 bits of the limbs.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Factor(pub(super) [V; 5]);

/// Column sums of products, not reduced yet: limbs below `2^64` with weights `2^(52i)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns([V; 10]);

#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f"))]
fn set(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

/// `acc` plus the low 52 bits of `a·b`.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
fn low(acc: V, a: V, b: V) -> V {
    _mm512_madd52lo_epu64(acc, a, b)
}

/// `acc` plus the upper 52 bits of `a·b`.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
fn high(acc: V, a: V, b: V) -> V {
    _mm512_madd52hi_epu64(acc, a, b)
}

/// Adds the 10 partial products of `digit·number`; the lowest has weight `2^(52·at)`.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
fn add_multiple(c: &mut [V; 10], at: usize, digit: V, number: &Number) {
    for (j, n) in number.iter().enumerate() {
        c[at + j] = low(c[at + j], digit, set(*n));
        c[at + j + 1] = high(c[at + j + 1], digit, set(*n));
    }
}

const fn quotient(p: Number) -> u64 {
    let q = (1 << 52) / (p[4] + 1);
    assert!(q == MOST);
    q
}

impl Sum {
    /// The same element in all eight lanes.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn splat(digits: &Number) -> Sum {
        let [a, b, c, d, e] = *digits;
        Sum([set(a), set(b), set(c), set(d), set(e)])
    }

    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn add(self, other: Sum) -> Sum {
        let mut out = self.0;
        for (o, x) in out.iter_mut().zip(other.0) {
            *o = _mm512_add_epi64(*o, x);
        }
        Sum(out)
    }

    /// `self − other`. If the result is negative, a multiple of p must be added before any other operation.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn sub(self, other: Sum) -> Sum {
        let mut out = self.0;
        for (o, x) in out.iter_mut().zip(other.0) {
            *o = _mm512_sub_epi64(*o, x);
        }
        Sum(out)
    }

    /// `self + K·p`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn plus<F: Field, const K: u64>(self) -> Sum {
        self.add(Sum::splat(const { &times(F::P, K) }))
    }

    /// Converts to digits; the element must be in `[0, 2^260)`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn carry(self) -> Factor {
        #[cfg(test)]
        checks::below_r(&self);
        self.carry_modulo()
    }

    /// Converts the element modulo `2^260` to digits.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    fn carry_modulo(self) -> Factor {
        let mut a = self.0;
        for i in 1..5 {
            a[i] = _mm512_add_epi64(a[i], _mm512_srai_epi64::<52>(a[i - 1]));
        }
        Factor(a)
    }

    /// The same element with every limb a digit, except the highest, which carries the sign.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    fn normal(self) -> Sum {
        let mut a = self.carry_modulo().0;
        for x in &mut a[..4] {
            *x = _mm512_and_si512(*x, set(MASK));
        }
        Sum(a)
    }

    /// Reinterprets as a factor a sum that is already in digits: one that was unpacked, reduced or made canonical.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn digits(self) -> Factor {
        #[cfg(test)]
        checks::digits(&self);
        Factor(self.0)
    }

    /// Reduces below 2p, in digits; the element must be in `[0, MOST·p]` and its highest limb not negative.
    ///
    /// With a the highest limb and `q = ⌊84·a/2^52⌋`: `2^208·a` differs from the element by at most `2^12·2^208` (limbs
    /// are below `2^63`), that is, by `2^-33·p`. As `84/2^52` is below `2^208/p` by less than one part in 130, q is at
    /// most the element divided by p, and falls short of it by at most 0.65, the rounding and that error.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512ifma"))]
    pub(super) fn reduce<F: Field>(self) -> Sum {
        #[cfg(test)]
        {
            checks::at_most::<F>(&self);
            let highest = self.0[4].lanes();
            assert!(highest.iter().all(|x| *x <= MASK), "{highest:x?}: a highest limb is negative or no digit");
        }
        let q = high(_mm512_setzero_si512(), self.0[4], set(const { quotient(F::P) }));
        let mut out = self.0;
        for (o, p) in out.iter_mut().zip(F::P) {
            *o = _mm512_sub_epi64(*o, _mm512_mullo_epi64(q, set(p)));
        }
        Sum(out).normal()
    }

    /// Reduces below p, in digits; same requirements as [`Self::reduce`].
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512ifma"))]
    pub(super) fn canonical<F: Field>(self) -> Sum {
        let a = self.reduce::<F>();
        let less = a.sub(Sum::splat(&F::P)).normal();
        let negative = _mm512_movepi64_mask(less.0[4]);
        a.select(negative, less)
    }

    /// `self` in the lanes of `mask`, `other` in the rest.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn select(self, mask: Mask, other: Sum) -> Sum {
        let mut out = other.0;
        for (o, x) in out.iter_mut().zip(self.0) {
            *o = _mm512_mask_mov_epi64(*o, mask, x);
        }
        Sum(out)
    }

    /// Converts to four words per element, one word of all eight elements per register. The element must be in digits
    /// and below `2^256`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn pack(self) -> [V; 4] {
        #[cfg(test)]
        checks::digits_below_2_256(&self);
        let [a, b, c, d, e] = self.0;
        [
            _mm512_or_si512(a, _mm512_slli_epi64::<52>(b)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(b), _mm512_slli_epi64::<40>(c)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(c), _mm512_slli_epi64::<28>(d)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(d), _mm512_slli_epi64::<16>(e)),
        ]
    }
}

impl Factor {
    /// The same element in all eight lanes.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn splat(digits: &Number) -> Factor {
        Factor(Sum::splat(digits).0)
    }

    /// The element in digits, with the bits above them cleared.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn exact(&self) -> Sum {
        let mut out = self.0;
        for x in &mut out {
            *x = _mm512_and_si512(*x, set(MASK));
        }
        Sum(out)
    }

    /// `self·other/2^260`, below `ab/84.6 + 5` times p for factors below ap and bp.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn times<F: Field>(&self, other: &Factor) -> Sum {
        Columns::product(self, other).reduce::<F>()
    }

    /// `self²/2^260`, below `a²/84.6 + 5` times p for a factor below ap.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn square<F: Field>(&self) -> Sum {
        let mut c = [_mm512_setzero_si512(); 10];
        let a = &self.0;
        for i in 0..5 {
            for j in i + 1..5 {
                c[i + j] = low(c[i + j], a[i], a[j]);
                c[i + j + 1] = high(c[i + j + 1], a[i], a[j]);
            }
        }
        for x in &mut c[1..9] {
            *x = _mm512_add_epi64(*x, *x);
        }
        for i in 0..5 {
            c[2 * i] = low(c[2 * i], a[i], a[i]);
            c[2 * i + 1] = high(c[2 * i + 1], a[i], a[i]);
        }
        Columns(c).reduce::<F>()
    }

    /// `self·w mod p`, below 3p and in digits, for a precomputed w (Shoup's method): `known` holds w and `⌊w·2^260/p⌋`.
    ///
    /// Only the upper columns of the quotient `⌊self·⌊w·2^260/p⌋/2^260⌋` are summed: it falls short by at most 1 for
    /// the carry from the lower columns, at most 1 for the rounding of the precomputed factor, and its own rounding. So
    /// the difference, of which only the digits below `2^260` are needed, is in `[0, 3p)`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn times_known<F: Field>(&self, known: &[Factor; 2]) -> Sum {
        let zero = _mm512_setzero_si512();
        let [w, by_p] = known;
        let mut q = [zero; 6];
        for i in 0..5 {
            for j in 0..5 {
                if i + j >= 4 {
                    q[i + j - 4] = low(q[i + j - 4], self.0[i], by_p.0[j]);
                }
                if i + j >= 3 {
                    q[i + j - 3] = high(q[i + j - 3], self.0[i], by_p.0[j]);
                }
            }
        }
        for i in 0..5 {
            q[i + 1] = _mm512_add_epi64(q[i + 1], _mm512_srli_epi64::<52>(q[i]));
        }
        let [_, q0, q1, q2, q3, q4] = q;
        let product = low_columns(self, w);
        let multiple = low_columns(&Factor([q0, q1, q2, q3, q4]), &Factor::splat(&F::P));
        product.sub(multiple).carry_modulo().exact()
    }

    /// `self·other` modulo `2^260`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn low_product(&self, other: &Factor) -> Factor {
        low_columns(self, other).carry_modulo()
    }
}

/// The columns of a product below `2^260`; after carries, the product modulo `2^260`.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
fn low_columns(a: &Factor, b: &Factor) -> Sum {
    let mut c = [_mm512_setzero_si512(); 5];
    for i in 0..5 {
        for j in 0..5 - i {
            c[i + j] = low(c[i + j], a.0[i], b.0[j]);
            if i + j < 4 {
                c[i + j + 1] = high(c[i + j + 1], a.0[i], b.0[j]);
            }
        }
    }
    Sum(c)
}

impl Columns {
    /// The columns of one product.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn product(a: &Factor, b: &Factor) -> Columns {
        let mut out = Columns([_mm512_setzero_si512(); 10]);
        out.add_product(a, b);
        out
    }

    /// The columns of `sum·2^260`.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f"))]
    pub(super) fn of(sum: Sum) -> Columns {
        let zero = _mm512_setzero_si512();
        let [a, b, c, d, e] = sum.0;
        Columns([zero, zero, zero, zero, zero, a, b, c, d, e])
    }

    /// Adds a product. Each column grows by less than `10·2^52`, so there is room for [`PRODUCTS`].
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn add_product(&mut self, a: &Factor, b: &Factor) {
        let c = &mut self.0;
        for i in 0..5 {
            for j in 0..5 {
                c[i + j] = low(c[i + j], a.0[i], b.0[j]);
                c[i + j + 1] = high(c[i + j + 1], a.0[i], b.0[j]);
            }
        }
    }

    /// The sum divided by `2^260`, below `x/2^260 + 5p` for columns that sum to x.
    ///
    /// The four lowest digits are multiplied by `2^-208` to `2^-52 mod p`, independently of each other, and added to
    /// the upper columns; one Montgomery step removes the fifth digit.
    #[inline]
    #[cfg_attr(not(test), target_feature(enable = "avx512f,avx512ifma"))]
    pub(super) fn reduce<F: Field>(self) -> Sum {
        let mut c = self.0;
        for i in 0..4 {
            c[i + 1] = _mm512_add_epi64(c[i + 1], _mm512_srli_epi64::<52>(c[i]));
        }
        for (i, back) in F::BACK.iter().enumerate() {
            let digit = c[i];
            add_multiple(&mut c, 4, digit, back);
        }
        let m = low(_mm512_setzero_si512(), c[4], set(F::NEGATIVE_INVERSE));
        add_multiple(&mut c, 4, m, &F::P);
        c[5] = _mm512_add_epi64(c[5], _mm512_srli_epi64::<52>(c[4]));
        let [.., a, b, c, d, e] = c;
        Sum([a, b, c, d, e])
    }
}

/// Converts four words per element to digits.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512vbmi2"))]
pub(super) fn unpack(words: &[V; 4]) -> Sum {
    let [a, b, c, d] = *words;
    let mask = set(MASK);
    Sum([
        _mm512_and_si512(a, mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<52>(a, b), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<40>(b, c), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<28>(c, d), mask),
        _mm512_srli_epi64::<16>(d),
    ])
}

/// Converts 16 times the four words per element to digits: below 16p for elements below p.
#[inline]
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512vbmi2"))]
pub(super) fn unpack_shifted(words: &[V; 4]) -> Sum {
    let [a, b, c, d] = *words;
    let mask = set(MASK);
    Sum([
        _mm512_and_si512(_mm512_slli_epi64::<4>(a), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<48>(a, b), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<36>(b, c), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<24>(c, d), mask),
        _mm512_srli_epi64::<12>(d),
    ])
}

/// What the lane of the limb `_i` holds, for checks.
#[cfg(test)]
pub(super) fn limb_value(limb: u64, _i: usize) -> i128 {
    i128::from(limb as i64)
}

/// Carries as large as those that limbs may hold, for tests.
#[cfg(test)]
pub(super) const CARRIES: [i64; 4] = [1023, -1023, 1023, -1023];
