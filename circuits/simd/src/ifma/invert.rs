//! Inversion of eight elements with a single inversion of the library's.

use halo2curves::ff;

use super::field::{Factor, V};
use super::lanes::{load, store};
use super::prime::Field;

/// `scale/(16·x)` for the eight elements `x·2^260`, in words in the library's form; `None` if one is 0.
#[cfg_attr(not(test), target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2"))]
pub(super) fn invert<F: Field + ff::Field>(x: &Factor, scale: F) -> Option<[V; 4]> {
    // the library reads x·2^260 as 16·x
    let mut values = [F::ZERO; 8];
    store(&mut values, &x.exact().canonical::<F>().pack());
    let mut before = [F::ONE; 8];
    for i in 1..8 {
        before[i] = before[i - 1] * values[i - 1];
    }
    let mut inverse = Option::<F>::from((before[7] * values[7]).invert())? * scale;
    for (value, before) in values.iter_mut().zip(before).rev() {
        let this = inverse * before;
        inverse *= *value;
        *value = this;
    }
    Some(load(&values))
}
