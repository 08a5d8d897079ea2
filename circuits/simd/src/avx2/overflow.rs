//! Checks of unit tests that no lane overflows.

use super::field::V;
use super::lanes::to_lanes;

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
}
