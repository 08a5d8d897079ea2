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
//!
//! A product of two digits is below `2^58`, so a lane has room for 63 of them: nine for each column of a product of two
//! elements, nine for those that reduce it, and what is carried, which is below `2^35`.

use core::arch::x86_64::*;
use core::hint::black_box;
use core::sync::atomic::{compiler_fence, Ordering};

#[cfg(test)]
use super::checks;
use super::lanes::constant;
#[cfg(test)]
use super::overflow;
use super::prime::{Field, Number, MASK};

pub(super) type V = __m256i;

/// All bits of the lanes that it contains.
pub(super) type Mask = V;

/// Largest multiple of p that [`Sum::reduce`] accepts; it is below R.
pub(super) const MOST: u64 = 168;

/// Products that are summed between two reductions: with the reduction's, `7·9·2^58` per column.
pub(super) const PRODUCTS: usize = 6;

/// Four elements that can be added.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Sum(pub(super) [V; 9]);

/// Four elements that can be multiplied: digits.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Factor(pub(super) [V; 9]);

/// Column sums of products, not reduced yet: limbs below `2^64` with weights `2^(29i)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns([V; 18]);

/// Constants of reductions, as registers in memory.
struct Constants {
    /// `2^-29 mod p`.
    back: [V; 9],
    p: [V; 9],
    /// `−1/p mod 2^29`.
    negative_inverse: V,
    minus_p: [V; 9],
}

const fn constants(back: Number, p: Number, negative_inverse: u64) -> Constants {
    let none = [constant(0); 9];
    let mut out = Constants { back: none, p: none, negative_inverse: constant(negative_inverse), minus_p: none };
    let mut i = 0;
    while i < 9 {
        out.back[i] = constant(back[i]);
        out.p[i] = constant(p[i]);
        out.minus_p[i] = constant(minus(p)[i]);
        i += 1;
    }
    out
}

/// The constants. The compiler does not see what they are, so it takes them from memory instead of putting each into a
/// register, for which it would have to put others aside.
#[inline(always)]
fn known_constants<F: Field>() -> &'static Constants {
    black_box(const { &constants(F::BACK[7], F::P, F::NEGATIVE_INVERSE) })
}

/// `⌊2^53/(p's highest digit + 1)⌋`, below `2^32`.
const fn quotient(p: Number) -> u64 {
    let q = (1 << 53) / (p[8] + 1);
    assert!(q < 1 << 32 && MOST * (p[8] + 1) < 1 << 29);
    q
}

/// `R − p`: adding it is subtracting p modulo R.
const fn minus(p: Number) -> Number {
    let (mut out, mut i) = ([0; 9], 0);
    while i < 9 {
        out[i] = MASK - p[i];
        i += 1;
    }
    // p is odd
    out[0] += 1;
    out
}

/// `k·p` with limbs that leave room for eight digits to be subtracted from each: `2^32` more in each limb but the
/// highest, taken from the next. Only the highest limb of the difference can be negative.
const fn padded(p: Number, k: u64) -> Number {
    let mut out = super::prime::times(p, k);
    let mut i = 0;
    while i < 8 {
        out[i] += 1 << 32;
        // at worst negative in the highest limb
        out[i + 1] = out[i + 1].wrapping_sub(1 << 3);
        i += 1;
    }
    out
}

/// The block for each number of a limb in turn. The compiler keeps columns in registers only if it unrolls both loops of
/// a product, and by itself it unrolls one.
macro_rules! for_each_limb {
    ($i:ident $block:block) => {
        for_each_limb!($i $block 0 1 2 3 4 5 6 7 8)
    };
    ($i:ident $block:block $($n:literal)+) => {
        $({
            let $i: usize = $n;
            $block
        })+
    };
}

vector! {
    #[inline]
    fn set(x: u64) -> V {
        _mm256_set1_epi64x(x as i64)
    }

    /// Makes the compiler align the stack of the function that calls it as registers are. It does so for a variable in
    /// memory, but not for registers that it has to put aside: half of those would cross a cache line.
    #[inline]
    fn align_stack() {
        black_box(&mut zero());
    }

    #[inline]
    fn zero() -> V {
        _mm256_setzero_si256()
    }

    /// `acc` plus the product of the low 32 bits of a and b.
    #[inline]
    fn mac(acc: V, a: V, b: V) -> V {
        let product = _mm256_mul_epu32(a, b);
        #[cfg(test)]
        overflow::of_column(acc, product);
        _mm256_add_epi64(acc, product)
    }

    /// `acc` plus what x exceeds a digit by, as a number of the next digits.
    #[inline]
    fn carry_from(x: V, acc: V) -> V {
        let carry = _mm256_srli_epi64::<29>(x);
        #[cfg(test)]
        overflow::of_sum(acc, carry);
        _mm256_add_epi64(acc, carry)
    }

    /// The lowest 29 bits.
    #[inline]
    fn digit(x: V) -> V {
        _mm256_and_si256(x, set(MASK))
    }

    /// One step of the reduction: the lowest column's digit, multiplied by `2^-29 mod p`, is added to the next columns,
    /// and so is what exceeds a digit.
    #[inline]
    fn reduce_column(c: &mut [V; 18], i: usize, k: &Constants) {
        compiler_fence(Ordering::SeqCst);
        let q = digit(c[i]);
        c[i + 1] = carry_from(c[i], c[i + 1]);
        for_each_limb!(j {
            c[i + 1 + j] = mac(c[i + 1 + j], q, k.back[j]);
        });
    }

    /// The last step: a multiple of p makes the lowest digit 0.
    #[inline]
    fn reduce_last(mut c: [V; 18], k: &Constants) -> Sum {
        let m = digit(_mm256_mul_epu32(c[8], k.negative_inverse));
        for_each_limb!(j {
            c[8 + j] = mac(c[8 + j], m, k.p[j]);
        });
        c[9] = carry_from(c[8], c[9]);
        let [.., a, b, c, d, e, f, g, h, i] = c;
        Sum([a, b, c, d, e, f, g, h, i])
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

        /// `self − other`, which must be in digits. At most eight times in a row; a multiple of p must be added
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
            self.add(Sum::splat(const { &padded(F::P, K) }))
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
        /// than the rounding, 1, and `(a + 1)/P − a/(P + 1) + a/2^53`, which is below 0.0001 because a is below `2^29`
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
        /// rounding of the precomputed factor, and its own rounding. So the difference, of which only the digits below R
        /// are needed, is in `[0, 3p)`.
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

impl Columns {
    vector! {
        /// The columns of `sum·R`, of a sum in digits.
        #[inline]
        pub(super) fn of(sum: Sum) -> Columns {
            let mut c = [zero(); 18];
            c[9..].copy_from_slice(&sum.0);
            Columns(c)
        }

        /// Adds a product; at most [`PRODUCTS`] of them.
        #[inline(never)]
        pub(super) fn add_product(&mut self, a: &Factor, b: &Factor) {
            let c = &mut self.0;
            for_each_limb!(i {
                for_each_limb!(j {
                    c[i + j] = mac(c[i + j], a.0[i], b.0[j]);
                });
            });
        }

        /// The sum divided by R, below `x/R + 3p` for columns that sum to x.
        ///
        /// The eight lowest digits are multiplied by `2^-29 mod p`, one after another, and added to the upper columns;
        /// one Montgomery step removes the ninth digit.
        #[inline(never)]
        pub(super) fn reduce<F: Field>(self) -> Sum {
            align_stack();
            let k = known_constants::<F>();
            let mut c = self.0;
            for_each_limb!(i {
                if i < 8 {
                    reduce_column(&mut c, i, k);
                }
            });
            reduce_last(c, k)
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
pub(super) const CARRIES: [i64; 8] = [(1 << 34) - 8; 8];
