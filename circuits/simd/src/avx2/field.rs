//! Four field elements in nine registers: each register holds one 29-bit limb of all four elements, in 64-bit lanes.
//!
//! In memory, elements stay in the library's form, `x·2^256 mod p` in four words. A product here divides by `R = 2^261`
//! instead; [`unpack_shifted`] multiplies one factor by 32 on loading, which compensates for that exactly.
//!
//! Two types distinguish what limbs mean:
//!
//! - [`Sum`]: the element is `Σ limb_i·2^(29i)`. Limbs are not negative, except the highest and those of a difference
//!   ([`Sum::sub`]). Every function says which multiple of p its result stays below; all stay below R, which is more
//!   than 169p.
//! - [`Factor`]: every limb is a digit, below `2^29`. The instruction multiplies the low 32 bits of lanes.

use core::arch::x86_64::*;
use core::hint::black_box;
use core::sync::atomic::{compiler_fence, Ordering};

#[cfg(test)]
use super::checks;
use super::columns::{
    align_stack, carry_from, digit, for_each_limb, known_constants, mac, minus, reduce_column, reduce_last, zero,
};
pub(super) use super::columns::{Columns, PRODUCTS};
#[cfg(test)]
use super::overflow;
use super::prime::{Field, Number, MASK};
use super::registers::Mask;
pub(super) use super::registers::{Factor, Sum, V};

/// Largest multiple of p that [`Sum::reduce`] accepts; it is below R.
pub(super) const MOST: u64 = 168;

/// `⌊2^53/(p's highest digit + 1)⌋`, below `2^32`.
const fn quotient(p: Number) -> u64 {
    let q = (1 << 53) / (p[8] + 1);
    assert!(q < 1 << 32 && MOST * (p[8] + 1) < 1 << 29);
    q
}

/// `k·p` with limbs that leave room for seven digits to be subtracted from each: `2^32` more in each limb but the
/// highest, taken from the next. Only the highest limb of the difference can be negative.
const fn padded(p: Number, k: u64) -> Number {
    let mut out = super::prime::times(p, k);
    let mut i = 0;
    while i < 8 {
        out[i] = out[i].wrapping_add(1 << 32);
        // not below 0 in the highest limb, because p's is above 8; in others only until 2^32 is added
        out[i + 1] = out[i + 1].wrapping_sub(1 << 3);
        i += 1;
    }
    out
}

vector! {
    #[inline]
    fn set(x: u64) -> V {
        _mm256_set1_epi64x(x as i64)
    }

    /// Columns modulo R, in digits.
    #[inline]
    fn modulo_r(c: [V; 9]) -> Factor {
        let mut out = Sum(c).carried().0;
        out[8] = digit(out[8]);
        Factor(out)
    }

    /// Converts four words per element to digits.
    #[inline]
    pub(super) fn unpack(words: &[V; 4]) -> Sum {
        let [a, b, c, d] = *words;
        Sum([
            digit(a),
            digit(_mm256_srli_epi64::<29>(a)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<58>(a), _mm256_slli_epi64::<6>(b))),
            digit(_mm256_srli_epi64::<23>(b)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<52>(b), _mm256_slli_epi64::<12>(c))),
            digit(_mm256_srli_epi64::<17>(c)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<46>(c), _mm256_slli_epi64::<18>(d))),
            digit(_mm256_srli_epi64::<11>(d)),
            _mm256_srli_epi64::<40>(d),
        ])
    }

    /// Converts 32 times the four words per element to digits: below 32p for elements below p.
    #[inline]
    pub(super) fn unpack_shifted(words: &[V; 4]) -> Sum {
        let [a, b, c, d] = *words;
        Sum([
            digit(_mm256_slli_epi64::<5>(a)),
            digit(_mm256_srli_epi64::<24>(a)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<53>(a), _mm256_slli_epi64::<11>(b))),
            digit(_mm256_srli_epi64::<18>(b)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<47>(b), _mm256_slli_epi64::<17>(c))),
            digit(_mm256_srli_epi64::<12>(c)),
            digit(_mm256_or_si256(_mm256_srli_epi64::<41>(c), _mm256_slli_epi64::<23>(d))),
            digit(_mm256_srli_epi64::<6>(d)),
            _mm256_srli_epi64::<35>(d),
        ])
    }
}

impl Sum {
    vector! {
        /// The same element in all four lanes.
        #[inline]
        pub(super) fn splat(digits: &Number) -> Sum {
            let mut out = [zero(); 9];
            for_each_limb!(i {
                out[i] = set(digits[i]);
            });
            Sum(out)
        }

        #[inline]
        pub(super) fn add(self, other: Sum) -> Sum {
            let mut out = self.0;
            for_each_limb!(i {
                #[cfg(test)]
                overflow::of_sum(out[i], other.0[i]);
                out[i] = _mm256_add_epi64(out[i], other.0[i]);
            });
            Sum(out)
        }

        /// `self − other`, which must be in digits. At most seven times in a row; a multiple of p must be added
        /// ([`Self::plus`]) before any other operation, so that the element and its limbs are not negative.
        #[inline]
        pub(super) fn sub(self, other: Sum) -> Sum {
            #[cfg(test)]
            checks::digits(&other);
            let mut out = self.0;
            for_each_limb!(i {
                out[i] = _mm256_sub_epi64(out[i], other.0[i]);
            });
            Sum(out)
        }

        /// `self + K·p`.
        #[inline]
        pub(super) fn plus<F: Field, const K: u64>(self) -> Sum {
            let sum = self.add(Sum::splat(const { &padded(F::P, K) }));
            #[cfg(test)]
            overflow::not_negative(&sum.0[..8]);
            sum
        }

        /// Converts to digits; the element must be in `[0, R)`.
        #[inline]
        pub(super) fn carry(self) -> Factor {
            #[cfg(test)]
            checks::below_r(&self);
            Factor(self.carried().0)
        }

        /// The same element in digits, except the highest limb, which takes what is left.
        #[inline]
        fn carried(self) -> Sum {
            let mut a = self.0;
            for_each_limb!(i {
                if i < 8 {
                    a[i + 1] = carry_from(a[i], a[i + 1]);
                    a[i] = digit(a[i]);
                }
            });
            Sum(a)
        }

        /// Reinterprets as a factor a sum that is already in digits: one that was unpacked, reduced or made canonical.
        #[inline]
        pub(super) fn digits(self) -> Factor {
            #[cfg(test)]
            checks::digits(&self);
            Factor(self.0)
        }

        /// Reduces below 2p, in digits; the element must be in `[0, MOST·p]`.
        ///
        /// With a and P the highest digits of the element and of p, `q = ⌊a·⌊2^53/(P + 1)⌋/2^53⌋`. That is at most
        /// `a/(P + 1)`, so at most the element divided by p, which is below `(a + 1)/P`. It falls short of this by less
        /// than the rounding, 1, and `(a + 1)/P − a/(P + 1) + a/2^53`, which is below 0.0002 because a is below `2^29`
        /// and P above `2^21`.
        #[inline]
        pub(super) fn reduce<F: Field>(self) -> Sum {
            #[cfg(test)]
            checks::at_most::<F>(&self);
            let mut out = self.carried().0;
            let q = _mm256_srli_epi64::<53>(_mm256_mul_epu32(out[8], set(const { quotient(F::P) })));
            for_each_limb!(i {
                out[i] = mac(out[i], q, set(const { minus(F::P) }[i]));
            });
            // what was added is a multiple of R more than what was to be subtracted
            modulo_r(out).exact()
        }

        /// Reduces below p, in digits; same requirements as [`Self::reduce`].
        #[inline]
        pub(super) fn canonical<F: Field>(self) -> Sum {
            let a = self.reduce::<F>();
            // at least R if a is at least p
            let less = a.add(Sum::splat(const { &minus(F::P) })).carried();
            let at_least_r = _mm256_cmpgt_epi64(less.0[8], set(MASK));
            modulo_r(less.0).exact().select(at_least_r, a)
        }

        /// `self` in the lanes of `mask`, `other` in the rest.
        #[inline]
        pub(super) fn select(self, mask: Mask, other: Sum) -> Sum {
            let mut out = other.0;
            for_each_limb!(i {
                out[i] = _mm256_blendv_epi8(out[i], self.0[i], mask);
            });
            Sum(out)
        }

        /// Converts to four words per element, one word of all four elements per register. The element must be in
        /// digits and below `2^256`.
        #[inline]
        pub(super) fn pack(self) -> [V; 4] {
            #[cfg(test)]
            checks::digits_below_2_256(&self);
            let [a, b, c, d, e, f, g, h, i] = self.0;
            let three = |a, b, c| _mm256_or_si256(a, _mm256_or_si256(b, c));
            [
                three(a, _mm256_slli_epi64::<29>(b), _mm256_slli_epi64::<58>(c)),
                three(_mm256_srli_epi64::<6>(c), _mm256_slli_epi64::<23>(d), _mm256_slli_epi64::<52>(e)),
                three(
                    _mm256_srli_epi64::<12>(e),
                    _mm256_slli_epi64::<17>(f),
                    _mm256_slli_epi64::<46>(g),
                ),
                three(_mm256_srli_epi64::<18>(g), _mm256_slli_epi64::<11>(h), _mm256_slli_epi64::<40>(i)),
            ]
        }
    }
}

impl Factor {
    vector! {
        /// The same element in all four lanes.
        #[inline]
        pub(super) fn splat(digits: &Number) -> Factor {
            Factor(Sum::splat(digits).0)
        }

        /// The element in digits.
        #[inline]
        pub(super) fn exact(&self) -> Sum {
            Sum(self.0)
        }

        /// `self·other/R`, below `ab/169 + 3` times p for factors below ap and bp. Each row of the product is followed
        /// by the reduction of the column that it completes.
        ///
        /// Products are too long to be inlined several times in a loop: its instructions would not fit their cache.
        #[inline(never)]
        pub(super) fn times<F: Field>(&self, other: &Factor) -> Sum {
            align_stack();
            let k = known_constants::<F>();
            let mut c = [zero(); 18];
            for_each_limb!(i {
                for_each_limb!(j {
                    c[i + j] = mac(c[i + j], self.0[i], other.0[j]);
                });
                if i < 8 {
                    reduce_column(&mut c, i, k);
                }
            });
            reduce_last(c, k)
        }

        /// `self²/R`, below `a²/169 + 3` times p for a factor below ap.
        #[inline(never)]
        pub(super) fn square<F: Field>(&self) -> Sum {
            let a = &self.0;
            align_stack();
            let k = known_constants::<F>();
            let mut c = [zero(); 18];
            for_each_limb!(i {
                let double = _mm256_add_epi64(a[i], a[i]);
                c[2 * i] = mac(c[2 * i], a[i], a[i]);
                for_each_limb!(j {
                    if j > i {
                        c[i + j] = mac(c[i + j], double, a[j]);
                    }
                });
                // the next rows start beyond this column
                if i < 8 {
                    reduce_column(&mut c, i, k);
                }
            });
            reduce_last(c, k)
        }

        /// `self·w mod p`, below 3p and in digits, for a precomputed w (Shoup's method): `known` holds w and
        /// `⌊w·R/p⌋`.
        ///
        /// Only columns from 7 on of the quotient `⌊self·⌊w·R/p⌋/R⌋` are summed: those below add up to less than
        /// `7·2^58·2^(29·6)·(1 + 2^-28)`, a part of R, so it falls short by at most 1 for them, at most 1 for the
        /// rounding of the precomputed factor, and its own rounding. So the difference, of which only the digits below
        /// R are needed, is in `[0, 3p)`.
        #[inline(never)]
        pub(super) fn times_known<F: Field>(&self, known: &[Factor; 2]) -> Sum {
            align_stack();
            let (k, x, known) = (known_constants::<F>(), black_box(self), black_box(known));
            let [w, by_p] = known;
            let mut q = [zero(); 11];
            for_each_limb!(i {
                compiler_fence(Ordering::SeqCst);
                for_each_limb!(j {
                    if i + j >= 7 {
                        q[i + j - 7] = mac(q[i + j - 7], x.0[i], by_p.0[j]);
                    }
                });
            });
            q[1] = carry_from(q[0], q[1]);
            q[2] = carry_from(q[1], q[2]);
            for_each_limb!(i {
                if i < 8 {
                    q[i + 3] = carry_from(q[i + 2], q[i + 3]);
                    q[i + 2] = digit(q[i + 2]);
                }
            });
            let mut c = [zero(); 9];
            for_each_limb!(i {
                compiler_fence(Ordering::SeqCst);
                for_each_limb!(j {
                    if i + j < 9 {
                        c[i + j] = mac(c[i + j], x.0[i], w.0[j]);
                        c[i + j] = mac(c[i + j], q[2 + i], k.minus_p[j]);
                    }
                });
            });
            modulo_r(c).exact()
        }

        /// `self·other` modulo R.
        #[inline(never)]
        pub(super) fn low_product(&self, other: &Factor) -> Factor {
            let mut c = [zero(); 9];
            for_each_limb!(i {
                for_each_limb!(j {
                    if i + j < 9 {
                        c[i + j] = mac(c[i + j], self.0[i], other.0[j]);
                    }
                });
            });
            modulo_r(c)
        }
    }
}

/// What a lane of the i-th limb holds, for checks: only the highest can be negative.
#[cfg(test)]
pub(super) fn limb_value(limb: u64, i: usize) -> i128 {
    if i < 8 {
        limb.into()
    } else {
        i128::from(limb as i64)
    }
}

/// Carries as large as those that limbs may hold, for tests.
#[cfg(test)]
pub(super) const CARRIES: [i64; 8] = [(1 << 35) - 1; 8];
