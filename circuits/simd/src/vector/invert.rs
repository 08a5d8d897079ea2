//! Inversion of one element per lane with a single inversion of the library's.

use halo2curves::ff;

use super::field::{Factor, V};
use super::lanes::{load, store};
use super::prime::Field;
use super::LANES;

vector! {
    /// `scale/(SHIFT·x)` for the elements `x·R`, in words in the library's form; `None` if one is 0.
    pub(super) fn invert<F: Field + ff::Field>(x: &Factor, scale: F) -> Option<[V; 4]> {
        // the library reads x·R as SHIFT·x
        let mut values = [F::ZERO; LANES];
        store(&mut values, &x.exact().canonical::<F>().pack());
        let mut before = [F::ONE; LANES];
        for i in 1..LANES {
            before[i] = before[i - 1] * values[i - 1];
        }
        let mut inverse = Option::<F>::from((before[LANES - 1] * values[LANES - 1]).invert())? * scale;
        for (value, before) in values.iter_mut().zip(before).rev() {
            let this = inverse * before;
            inverse *= *value;
            *value = this;
        }
        Some(load(&values))
    }
}
