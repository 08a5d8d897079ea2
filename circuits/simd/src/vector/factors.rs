//! Factors that are the same for many products.

use super::field::{unpack, unpack_shifted, Factor, V};
use super::lanes::load;
use super::prime::{Field, SHIFT};
use super::{LANES, LIMBS};

vector! {
    /// One element in all lanes, times R and below p.
    #[inline]
    pub(super) fn splat<F: Field>(x: F) -> Factor {
        unpack_shifted(&load(&[x; LANES])).canonical::<F>().digits()
    }

    /// The operand `known` of [`Factor::times_known`], from the words of `w·2^256`.
    #[inline]
    pub(super) fn known<F: Field>(words: &[V; 4]) -> [Factor; 2] {
        let mut shift = [0; LIMBS];
        shift[0] = SHIFT;
        // w·2^256·SHIFT/R
        let w = unpack(words).digits().times::<F>(&Factor::splat(&shift)).canonical::<F>();
        // w·R − (w·R mod p) is a multiple of p, so modulo R its quotient is the remainder times −1/p
        let remainder = unpack_shifted(words).canonical::<F>().digits();
        [w.digits(), remainder.low_product(&Factor::splat(&F::NEGATIVE_INVERSE_R))]
    }
}
