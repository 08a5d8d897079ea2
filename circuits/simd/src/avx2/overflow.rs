//! Checks of unit tests that no lane overflows.

use super::lanes::to_lanes;
use super::registers::V;

vector! {
    /// A partial product or a carry is added to a column: unsigned.
    pub(super) fn of_column(column: V, x: V) {
        for (column, x) in to_lanes(column).into_iter().zip(to_lanes(x)) {
            assert!(column.checked_add(x).is_some(), "a column overflows: {column:x} + {x:x}");
        }
    }

    /// The sum is the right number for signed or for unsigned lanes.
    pub(super) fn of_sum(a: V, b: V) {
        for (a, b) in to_lanes(a).into_iter().zip(to_lanes(b)) {
            let right = a.checked_add(b).is_some() || (a as i64).checked_add(b as i64).is_some();
            assert!(right, "a lane overflows: {a:x} + {b:x}");
        }
    }

    /// Carries from these limbs are unsigned.
    pub(super) fn not_negative(limbs: &[V]) {
        for limb in limbs {
            for x in to_lanes(*limb) {
                assert!(x < 1 << 63, "a limb is negative: {x:x}");
            }
        }
    }
}

#[test]
fn overflows_are_noticed() {
    if !super::runs_here() {
        return;
    }
    #[target_feature(enable = "avx2")]
    fn add(check: usize, a: u64, b: u64) {
        let (a, b) = (super::lanes::of_lanes([0, 0, a, 0]), super::lanes::of_lanes([1, 1, b, 1]));
        match check {
            0 => of_column(a, b),
            1 => of_sum(a, b),
            _ => not_negative(&[a, b]),
        }
    }
    // SAFETY: the CPU has the features.
    let holds = |check, a, b| std::panic::catch_unwind(|| unsafe { add(check, a, b) }).is_ok();
    assert!(holds(0, u64::MAX - 5, 5) && !holds(0, u64::MAX - 5, 6));
    // −6 + 6; 2^63 is right as an unsigned number, but not 2^63 + 2^63
    assert!(holds(1, u64::MAX - 5, 6) && holds(1, (1 << 63) - 1, 1) && !holds(1, 1 << 63, 1 << 63));
    assert!(holds(2, 0, (1 << 63) - 1) && !holds(2, 0, 1 << 63) && !holds(2, u64::MAX, 0));
}
