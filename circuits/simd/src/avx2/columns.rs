//! Columns of products: what every product is made of.
//!
//! A product of two digits is below `2^58`, so a lane has room for 63 of them: nine for each column of a product of two
//! elements, nine for those that reduce it, and what is carried, which is below `2^35`.
//!
//! The code is arranged so that the compiler keeps columns in the 16 registers, and little else.

use core::arch::x86_64::*;
use core::hint::black_box;
use core::sync::atomic::{compiler_fence, Ordering};

#[cfg(test)]
use super::checks;
#[cfg(test)]
use super::overflow;
use super::prime::{Field, Number, MASK};
use super::registers::{constant, Factor, Sum, V};

/// Products that are summed between two reductions: with the reduction's, `7·9·2^58` per column.
pub(super) const PRODUCTS: usize = 6;

/// Column sums of products, not reduced yet: limbs below `2^64` with weights `2^(29i)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns([V; 18]);

/// The block for each number of a limb in turn. The compiler keeps columns in registers only if both loops of a product
/// are unrolled, and by itself it unrolls the inner one.
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

pub(super) use for_each_limb;

/// Constants of reductions, as registers in memory.
pub(super) struct Constants {
    /// `2^-29 mod p`.
    back: [V; 9],
    p: [V; 9],
    /// `−1/p mod 2^29`.
    negative_inverse: V,
    pub(super) minus_p: [V; 9],
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
pub(super) fn known_constants<F: Field>() -> &'static Constants {
    black_box(const { &constants(F::BACK[7], F::P, F::NEGATIVE_INVERSE) })
}

/// `R − p`: adding it is subtracting p modulo R.
pub(super) const fn minus(p: Number) -> Number {
    let (mut out, mut i) = ([0; 9], 0);
    while i < 9 {
        out[i] = MASK - p[i];
        i += 1;
    }
    // p is odd
    out[0] += 1;
    out
}

vector! {
    /// Makes the compiler align the stack of the function that calls it as registers are. It does so for a variable in
    /// memory, but not for registers that it has to put aside: half of those would cross a cache line.
    #[inline]
    pub(super) fn align_stack() {
        black_box(&mut zero());
    }

    #[inline]
    pub(super) fn zero() -> V {
        _mm256_setzero_si256()
    }

    /// `acc` plus the product of the low 32 bits of a and b.
    #[inline]
    pub(super) fn mac(acc: V, a: V, b: V) -> V {
        let product = _mm256_mul_epu32(a, b);
        #[cfg(test)]
        overflow::of_column(acc, product);
        _mm256_add_epi64(acc, product)
    }

    /// `acc` plus what x exceeds a digit by, as a number of the next digits.
    #[inline]
    pub(super) fn carry_from(x: V, acc: V) -> V {
        let carry = _mm256_srli_epi64::<29>(x);
        #[cfg(test)]
        overflow::of_sum(acc, carry);
        _mm256_add_epi64(acc, carry)
    }

    /// The lowest 29 bits.
    #[inline]
    pub(super) fn digit(x: V) -> V {
        _mm256_and_si256(x, _mm256_set1_epi64x(MASK as i64))
    }

    /// One step of the reduction: the lowest column's digit, multiplied by `2^-29 mod p`, is added to the next columns,
    /// and so is what exceeds a digit. The fence costs nothing: it keeps the compiler from holding constants in
    /// registers from one step to the next.
    #[inline]
    pub(super) fn reduce_column(c: &mut [V; 18], i: usize, k: &Constants) {
        compiler_fence(Ordering::SeqCst);
        let q = digit(c[i]);
        c[i + 1] = carry_from(c[i], c[i + 1]);
        for_each_limb!(j {
            c[i + 1 + j] = mac(c[i + 1 + j], q, k.back[j]);
        });
    }

    /// The last step: a multiple of p makes the lowest digit 0.
    #[inline]
    pub(super) fn reduce_last(mut c: [V; 18], k: &Constants) -> Sum {
        let m = digit(_mm256_mul_epu32(c[8], k.negative_inverse));
        for_each_limb!(j {
            c[8 + j] = mac(c[8 + j], m, k.p[j]);
        });
        c[9] = carry_from(c[8], c[9]);
        let [.., a, b, c, d, e, f, g, h, i] = c;
        Sum([a, b, c, d, e, f, g, h, i])
    }
}

impl Columns {
    vector! {
        /// The columns of `sum·R`, of a sum in digits.
        #[inline]
        pub(super) fn of(sum: Sum) -> Columns {
            #[cfg(test)]
            checks::digits(&sum);
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
