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

use core::arch::x86_64::*;

use halo2curves::bn256::{Fq, Fr};

pub(super) type V = __m512i;

const MASK: u64 = (1 << 52) - 1;

/// The 52-bit digits of a four-word number.
const fn digits(words: [u64; 4]) -> [u64; 5] {
    let [a, b, c, d] = words;
    [a & MASK, (a >> 52 | b << 12) & MASK, (b >> 40 | c << 24) & MASK, (c >> 28 | d << 36) & MASK, d >> 16]
}

/// `k·x`, in digits.
const fn times(x: [u64; 5], k: u64) -> [u64; 5] {
    let (mut out, mut carry, mut i) = ([0; 5], 0u128, 0);
    while i < 5 {
        carry += x[i] as u128 * k as u128;
        out[i] = carry as u64 & MASK;
        carry >>= 52;
        i += 1;
    }
    out
}

/// `−1/p mod 2^52`, from p's lowest digit.
const fn negative_inverse(p: u64) -> u64 {
    let (mut x, mut i) = (1u64, 0);
    while i < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg() & MASK
}

/// `x·2^-52 mod p`, below p for x below p.
const fn divide_by_word(x: [u64; 5], p: [u64; 5]) -> [u64; 5] {
    let m = x[0].wrapping_mul(negative_inverse(p[0])) & MASK;
    let (mut out, mut i) = ([0; 5], 1);
    let mut carry = (x[0] as u128 + m as u128 * p[0] as u128) >> 52;
    while i < 5 {
        carry += x[i] as u128 + m as u128 * p[i] as u128;
        out[i - 1] = carry as u64 & MASK;
        carry >>= 52;
        i += 1;
    }
    out[4] = carry as u64;
    out
}

/// `2^n mod p`.
const fn power_of_two(n: u32, p: [u64; 5]) -> [u64; 5] {
    let (mut x, mut round) = ([1, 0, 0, 0, 0], 0);
    while round < n {
        x = times(x, 2);
        let (mut difference, mut borrow, mut i) = ([0; 5], 0i64, 0);
        while i < 5 {
            let t = x[i] as i64 - p[i] as i64 + borrow;
            difference[i] = t as u64 & MASK;
            borrow = t >> 52;
            i += 1;
        }
        if borrow == 0 {
            x = difference;
        }
        round += 1;
    }
    x
}

/// `−1/p mod 2^260`, in digits: the x with `1 + x·p = 0 mod 2^260`.
const fn negative_inverse_260(p: [u64; 5]) -> [u64; 5] {
    let (mut x, mut rest, mut i) = ([0; 5], [1u64, 0, 0, 0, 0], 0);
    while i < 5 {
        x[i] = rest[i].wrapping_mul(negative_inverse(p[0])) & MASK;
        let (mut carry, mut j) = (0u128, 0);
        while i + j < 5 {
            carry += rest[i + j] as u128 + x[i] as u128 * p[j] as u128;
            rest[i + j] = carry as u64 & MASK;
            carry >>= 52;
            j += 1;
        }
        i += 1;
    }
    x
}

/// One of BN254's two prime fields.
///
/// # Safety
/// The type must be four 64-bit words in memory, for which every value is valid: the element times `2^256`, below p.
pub(super) unsafe trait Field: Copy {
    /// The prime, in four words.
    const PRIME: [u64; 4];
    /// The prime, in digits.
    const P: [u64; 5] = digits(Self::PRIME);
    /// `−1/p mod 2^52`.
    const NEGATIVE_INVERSE: u64 = negative_inverse(Self::P[0]);
    /// `2^-208`, `2^-156`, `2^-104` and `2^-52 mod p`.
    const BACK: [[u64; 5]; 4] = {
        let one = divide_by_word([1, 0, 0, 0, 0], Self::P);
        let two = divide_by_word(one, Self::P);
        let three = divide_by_word(two, Self::P);
        [divide_by_word(three, Self::P), three, two, one]
    };
    /// `⌊2^52/(p's highest digit + 1)⌋`: 84.
    const QUOTIENT: u64 = (1 << 52) / (Self::P[4] + 1);
    /// `2^260 mod p`: 1 in the form that products have.
    const ONE_260: [u64; 5] = power_of_two(260, Self::P);
    /// `2^256 mod p`: multiplying by it turns `x·2^260` into `x·2^256`.
    const TO_MEMORY: [u64; 5] = power_of_two(256, Self::P);
    /// `−1/p mod 2^260`.
    const NEGATIVE_INVERSE_260: [u64; 5] = negative_inverse_260(Self::P);
}

// SAFETY: raw.rs checks the words' size, alignment and meaning at compile time.
unsafe impl Field for Fr {
    const PRIME: [u64; 4] =
        [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}

// SAFETY: as above.
unsafe impl Field for Fq {
    const PRIME: [u64; 4] =
        [0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}

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
#[target_feature(enable = "avx512f")]
fn set(x: u64) -> V {
    _mm512_set1_epi64(x as i64)
}

/// `acc` plus the low 52 bits of `a·b`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn low(acc: V, a: V, b: V) -> V {
    _mm512_madd52lo_epu64(acc, a, b)
}

/// `acc` plus the upper 52 bits of `a·b`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn high(acc: V, a: V, b: V) -> V {
    _mm512_madd52hi_epu64(acc, a, b)
}

/// Adds the 10 partial products of `digit·number`; the lowest has weight `2^(52·at)`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_multiple(c: &mut [V; 10], at: usize, digit: V, number: &[u64; 5]) {
    for (j, n) in number.iter().enumerate() {
        c[at + j] = low(c[at + j], digit, set(*n));
        c[at + j + 1] = high(c[at + j + 1], digit, set(*n));
    }
}

impl Sum {
    /// The same element in all eight lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn splat(digits: &[u64; 5]) -> Sum {
        let [a, b, c, d, e] = *digits;
        Sum([set(a), set(b), set(c), set(d), set(e)])
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn add(self, other: Sum) -> Sum {
        let mut out = self.0;
        for (o, x) in out.iter_mut().zip(other.0) {
            *o = _mm512_add_epi64(*o, x);
        }
        Sum(out)
    }

    /// `self − other`. If the result is negative, a multiple of p must be added before any other operation.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn sub(self, other: Sum) -> Sum {
        let mut out = self.0;
        for (o, x) in out.iter_mut().zip(other.0) {
            *o = _mm512_sub_epi64(*o, x);
        }
        Sum(out)
    }

    /// `self + K·p`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn plus<F: Field, const K: u64>(self) -> Sum {
        self.add(Sum::splat(const { &times(F::P, K) }))
    }

    /// Converts to digits; the element must be in `[0, 2^260)`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn carry(self) -> Factor {
        let mut a = self.0;
        for i in 1..5 {
            a[i] = _mm512_add_epi64(a[i], _mm512_srai_epi64::<52>(a[i - 1]));
        }
        Factor(a)
    }

    /// The same element with every limb a digit, except the highest, which carries the sign.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn normal(self) -> Sum {
        let mut a = self.carry().0;
        for x in &mut a[..4] {
            *x = _mm512_and_si512(*x, set(MASK));
        }
        Sum(a)
    }

    /// Reinterprets as a factor a sum that is already in digits: one that was unpacked, reduced or made canonical.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn digits(self) -> Factor {
        Factor(self.0)
    }

    /// Reduces below 2p, in digits; the element must be in `[0, 84p]` and its highest limb not negative.
    ///
    /// With a the highest limb and `q = ⌊84·a/2^52⌋`: `2^208·a` differs from the element by at most `2^12·2^208` (limbs
    /// are below `2^63`), that is, by `2^-33·p`. As `84/2^52` is below `2^208/p` by less than one part in 132, q is at
    /// most the element divided by p, and falls short of it by at most 0.64, the rounding and that error.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn reduce<F: Field>(self) -> Sum {
        let q = high(_mm512_setzero_si512(), self.0[4], set(F::QUOTIENT));
        let mut out = self.0;
        for (o, p) in out.iter_mut().zip(F::P) {
            *o = _mm512_sub_epi64(*o, _mm512_mullo_epi64(q, set(p)));
        }
        Sum(out).normal()
    }

    /// Reduces below p, in digits; same requirements as [`Self::reduce`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn canonical<F: Field>(self) -> Sum {
        let a = self.reduce::<F>();
        let less = a.sub(Sum::splat(&F::P)).normal();
        let negative = _mm512_movepi64_mask(less.0[4]);
        a.select(negative, less)
    }

    /// `self` in the lanes of `mask`, `other` in the rest.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn select(self, mask: __mmask8, other: Sum) -> Sum {
        let mut out = other.0;
        for (o, x) in out.iter_mut().zip(self.0) {
            *o = _mm512_mask_mov_epi64(*o, mask, x);
        }
        Sum(out)
    }

    /// Converts to four words per element, one word of all eight elements per register. The element must be in digits
    /// and below `2^256`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pack(self) -> [V; 4] {
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
    #[target_feature(enable = "avx512f")]
    pub(super) fn splat(digits: &[u64; 5]) -> Factor {
        Factor(Sum::splat(digits).0)
    }

    /// The element in digits, with the bits above them cleared.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn exact(&self) -> Sum {
        let mut out = self.0;
        for x in &mut out {
            *x = _mm512_and_si512(*x, set(MASK));
        }
        Sum(out)
    }

    /// `self·other/2^260`, below `ab/84.6 + 5` times p for factors below ap and bp.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn times<F: Field>(&self, other: &Factor) -> Sum {
        Columns::product(self, other).reduce::<F>()
    }

    /// `self²/2^260`, below `a²/84.6 + 5` times p for a factor below ap.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
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
    #[target_feature(enable = "avx512f,avx512ifma")]
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
        let product = low_product(self, w);
        let multiple = low_product(&Factor([q0, q1, q2, q3, q4]), &Factor::splat(&F::P));
        product.sub(multiple).carry().exact()
    }
}

/// The columns of a product below `2^260`; after carries, the product modulo `2^260`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn low_product(a: &Factor, b: &Factor) -> Sum {
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

/// The operand `known` of [`Factor::times_known`], from `w·2^256` in digits and below p.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn known<F: Field>(element: Sum) -> [Factor; 2] {
    // w·2^256·2^4/2^260
    let w = element.digits().times::<F>(&Factor::splat(&[16, 0, 0, 0, 0])).canonical::<F>();
    // w·2^260 − (w·2^260 mod p) is a multiple of p, so modulo 2^260 its quotient is the remainder times −1/p
    let remainder = element.add(element).add(element).add(element);
    let remainder = remainder.add(remainder).add(remainder).add(remainder).canonical::<F>();
    let by_p = low_product(&remainder.digits(), &Factor::splat(&F::NEGATIVE_INVERSE_260)).carry();
    [w.digits(), by_p]
}

impl Columns {
    /// The columns of one product.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn product(a: &Factor, b: &Factor) -> Columns {
        let mut out = Columns([_mm512_setzero_si512(); 10]);
        out.add_product(a, b);
        out
    }

    /// The columns of `sum·2^260`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn of(sum: Sum) -> Columns {
        let zero = _mm512_setzero_si512();
        let [a, b, c, d, e] = sum.0;
        Columns([zero, zero, zero, zero, zero, a, b, c, d, e])
    }

    /// Adds a product. Each column grows by less than `10·2^52`, so there is room for 400 products.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
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
    #[target_feature(enable = "avx512f,avx512ifma")]
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
#[target_feature(enable = "avx512f,avx512vbmi2")]
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
#[target_feature(enable = "avx512f,avx512vbmi2")]
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

#[cfg(test)]
mod tests;
