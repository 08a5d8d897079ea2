//! The bounds on elements that functions of this file state, checked in unit tests.

use super::Sum;
use crate::ifma::prime::{times, Field, MASK};

/// The element of each lane: the highest limb, which carries the sign, then digits.
fn elements(sum: &Sum) -> [[i128; 5]; 8] {
    let limbs = sum.0.map(|limb| limb.lanes());
    std::array::from_fn(|lane| {
        let mut carry = 0;
        let mut element = [0; 5];
        for (i, limb) in limbs.iter().enumerate() {
            let x = i128::from(limb[lane] as i64) + carry;
            carry = x >> 52;
            element[4 - i] = if i < 4 { x & i128::from(MASK) } else { x };
        }
        element
    })
}

fn highest_first(digits: [u64; 5]) -> [i128; 5] {
    let [a, b, c, d, e] = digits.map(i128::from);
    [e, d, c, b, a]
}

/// Elements in `[0, 2^260)`.
pub(super) fn below_2_260(sum: &Sum) {
    for element in elements(sum) {
        assert!((0..1i128 << 52).contains(&element[0]), "{element:x?} is not in [0, 2^260)");
    }
}

/// Elements in `[0, 84p]` whose highest limb, before carries, is a digit.
pub(super) fn at_most_84p<F: Field>(sum: &Sum) {
    let most = highest_first(times(F::P, 84));
    for (element, highest) in elements(sum).into_iter().zip(sum.0[4].lanes()) {
        assert!(([0; 5]..=most).contains(&element), "{element:x?} is not in [0, 84p]");
        assert!(highest <= MASK, "{highest:x} is negative or no digit");
    }
}

/// Limbs that are digits.
pub(super) fn digits(sum: &Sum) {
    for limb in sum.0.iter().flat_map(|limb| limb.lanes()) {
        assert!(limb <= MASK, "{limb:x} is no digit");
    }
}

/// Elements in digits and below `2^256`.
pub(super) fn digits_below_2_256(sum: &Sum) {
    digits(sum);
    for highest in sum.0[4].lanes() {
        assert!(highest < 1 << 48, "an element is not below 2^256");
    }
}
