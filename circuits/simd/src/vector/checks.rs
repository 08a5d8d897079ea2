//! The bounds on elements that functions of `field` state, checked in unit tests.

use super::field::{limb_value, Sum, MOST};
use super::lanes::to_lanes;
use super::prime::{times, Field, Number, MASK};
use super::{BITS, LANES, LIMBS};

vector! {
    /// The limbs of each lane.
    fn limbs(sum: &Sum) -> [Number; LANES] {
        let mut out = [[0; LIMBS]; LANES];
        for (i, limb) in sum.0.into_iter().enumerate() {
            for (lane, x) in to_lanes(limb).into_iter().enumerate() {
                out[lane][i] = x;
            }
        }
        out
    }

    /// The element of each lane: the highest limb, which carries the sign, then digits.
    fn elements(sum: &Sum) -> [[i128; LIMBS]; LANES] {
        limbs(sum).map(|limbs| {
            let mut carry = 0;
            let mut element = [0; LIMBS];
            for (i, limb) in limbs.into_iter().enumerate() {
                let x = limb_value(limb, i) + carry;
                carry = x >> BITS;
                element[LIMBS - 1 - i] = if i < LIMBS - 1 { x & i128::from(MASK) } else { x };
            }
            element
        })
    }

    /// Elements in `[0, R)`.
    pub(super) fn below_r(sum: &Sum) {
        for element in elements(sum) {
            assert!((0..1i128 << BITS).contains(&element[0]), "{element:x?} is not in [0, R)");
        }
    }

    /// Elements in `[0, MOST·p]`.
    pub(super) fn at_most<F: Field>(sum: &Sum) {
        let most = highest_first(times(F::P, MOST));
        for element in elements(sum) {
            assert!(([0; LIMBS]..=most).contains(&element), "{element:x?} is not in [0, {MOST}p]");
        }
    }

    /// Limbs that are digits.
    pub(super) fn digits(sum: &Sum) {
        for limb in limbs(sum).into_iter().flatten() {
            assert!(limb <= MASK, "{limb:x} is no digit");
        }
    }

    /// Elements in digits and below `2^256`.
    pub(super) fn digits_below_2_256(sum: &Sum) {
        digits(sum);
        for limbs in limbs(sum) {
            assert!(limbs[LIMBS - 1] < 1 << (256 - BITS * (LIMBS - 1)), "an element is not below 2^256");
        }
    }
}

fn highest_first(mut digits: Number) -> [i128; LIMBS] {
    digits.reverse();
    digits.map(i128::from)
}
