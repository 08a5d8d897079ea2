//! The gradient of the loss over records.

use ethnum::I256;
use rayon::prelude::*;

use crate::layout::{Layout, Task, MIN_LINK_K};
use crate::link::{predict, Link, Tables};
use crate::numbers::TARGET_BITS;
use crate::records::Records;

use super::error::HeadError;
use super::weights::Weights;

/// Checks that records fit one shard of the layout.
pub fn check_records(layout: &Layout, records: &Records) -> Result<(), HeadError> {
    if records.width() != layout.features() {
        return Err(HeadError::Width { expected: layout.features(), got: records.width() });
    }
    if records.len() > layout.capacity() {
        return Err(HeadError::Capacity { capacity: layout.capacity(), got: records.len() });
    }
    check_targets(layout, records)
}

fn check_targets(layout: &Layout, records: &Records) -> Result<(), HeadError> {
    if layout.task() == Task::Classes {
        for (record, (_, target)) in records.iter().enumerate() {
            if usize::from(target) >= layout.classes() {
                return Err(HeadError::Target { record, target, classes: layout.classes() });
            }
        }
    }
    Ok(())
}

pub(super) fn check_link(layout: &Layout, link: Link) -> Result<(), HeadError> {
    if link != Link::Squared && layout.k() < MIN_LINK_K {
        return Err(HeadError::LinkNeedsRows { link: link.name(), k: layout.k() });
    }
    Ok(())
}

/// A record's target for class `u` at `prob_bits` fractional bits.
#[must_use]
pub fn target_value(layout: &Layout, target: u16, class: usize) -> I256 {
    match layout.task() {
        Task::Classes => I256::from(i128::from(usize::from(target) == class)) << layout.prob_bits(),
        Task::Real => I256::from(target) << (layout.prob_bits() - TARGET_BITS),
    }
}

/// Bit position at which an error is split in two.
const SPLIT_BITS: u32 = 72;

/// `G = Xᵀ(P − Y)` over `records`, an exact integer at scale `2^-gradient_bits`, row-major `[d + 1][c]`, bias first.
///
/// Works for any number of records: the gradients of shards add up.
pub fn gradient(layout: &Layout, link: Link, weights: &Weights, records: &Records) -> Result<Vec<I256>, HeadError> {
    if records.width() != layout.features() {
        return Err(HeadError::Width { expected: layout.features(), got: records.width() });
    }
    check_targets(layout, records)?;
    weights.check(layout)?;
    check_link(layout, link)?;
    let tables = Tables::of(layout);
    let c = layout.classes();
    let zero = || vec![I256::ZERO; layout.weights()];
    let chunk = 128;
    (0..records.len().div_ceil(chunk))
        .into_par_iter()
        .map(|part| {
            // an error is high·2^72 + low, 0 ≤ low < 2^72; times q it fits i128 for 128 records and every link: high is
            // below 2^76 (squared, logits below 2^16), q at most 2^12
            let (mut high, mut low) = (vec![0i128; layout.weights()], vec![0i128; layout.weights()]);
            for i in part * chunk..((part + 1) * chunk).min(records.len()) {
                let (q, target) = (records.features(i), records.target(i));
                let prediction = predict(&tables, link, &weights.logits(q))
                    .map_err(|source| HeadError::Link { record: i, source })?;
                let errors: Vec<(i128, i128)> = prediction
                    .p
                    .iter()
                    .enumerate()
                    .map(|(u, p)| {
                        let e = *p - target_value(layout, target, u);
                        ((e >> SPLIT_BITS).as_i128(), e.as_i128() & ((1 << SPLIT_BITS) - 1))
                    })
                    .collect();
                let bias = (layout.bias_feature(), 0);
                let features = q.iter().enumerate().map(|(j, q)| (i64::from(*q), (j + 1) * c));
                for (q, first) in std::iter::once(bias).chain(features).filter(|(q, _)| *q != 0) {
                    let (high, low) = (&mut high[first..first + c], &mut low[first..first + c]);
                    for ((h, l), e) in high.iter_mut().zip(low).zip(&errors) {
                        *h += i128::from(q) * e.0;
                        *l += i128::from(q) * e.1;
                    }
                }
            }
            let g = high.into_iter().zip(low).map(|(h, l)| (I256::from(h) << SPLIT_BITS) + I256::from(l)).collect();
            Ok(g)
        })
        .try_reduce(zero, |mut a, b| {
            add(&mut a, &b);
            Ok(a)
        })
}

/// `a += b`.
pub fn add(a: &mut [I256], b: &[I256]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::real_logit;

    fn layout() -> Layout {
        Layout::new(14, 4, 16, 3, Task::Classes).unwrap()
    }

    fn records(n: usize) -> Records {
        let mut r = Records::new(16);
        for i in 0..n {
            let f: Vec<u8> = (0..16).map(|j| ((i * 37 + j * 11 + i * j) % 256) as u8).collect();
            r.push(&f, (i % 3) as u16);
        }
        r
    }

    #[test]
    fn gradients_are_exact_for_the_largest_numbers() {
        // 200 records of 255s with weights of almost 32 and the bias at the largest scale, compared with plain wide
        // sums
        for link in [Link::Squared, Link::Softmax] {
            let l = layout().with_intercept_scale(4).unwrap();
            let largest = crate::numbers::WEIGHT_LIMIT - 1;
            let w =
                Weights::new(16, 3, (0..51).map(|i| if i % 2 == 0 { largest } else { -largest }).collect()).unwrap();
            let w = w.with_intercept_scale(4);
            let mut r = Records::new(16);
            for i in 0..200u16 {
                r.push(&[255; 16], i % 3);
            }
            let tables = Tables::of(&l);
            let mut want = vec![I256::ZERO; 51];
            for (q, y) in r.iter() {
                let p = predict(&tables, link, &w.logits(q)).unwrap().p;
                for (at, want) in want.iter_mut().enumerate() {
                    let x = if at < 3 { l.bias_feature() } else { 255 };
                    *want += I256::from(x) * (p[at % 3] - target_value(&l, y, at % 3));
                }
            }
            assert_eq!(gradient(&l, link, &w, &r).unwrap(), want);
        }
    }

    #[test]
    fn gradients_add_over_shards_and_vanish_on_no_records() {
        let (l, w) = (layout(), Weights::new(16, 3, (0..51).map(|i| (i * 1000 - 20_000) as i64).collect()).unwrap());
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            let all = gradient(&l, link, &w, &records(700)).unwrap();
            let mut sum = gradient(&l, link, &w, &records(700).slice(0..300)).unwrap();
            add(&mut sum, &gradient(&l, link, &w, &records(700).slice(300..700)).unwrap());
            assert_eq!(all, sum);
            assert!(gradient(&l, link, &w, &Records::new(16)).unwrap().iter().all(|g| *g == 0));
        }
    }

    #[test]
    fn gradient_is_the_real_gradient() {
        let (l, r) = (layout(), records(50));
        let w = Weights::new(16, 3, (0..51).map(|i| ((i * 7919) % 40_001 - 20_000) as i64).collect()).unwrap();
        for link in [Link::Squared, Link::Logistic, Link::Softmax] {
            let g = gradient(&l, link, &w, &r).unwrap();
            for (j, u) in [(0usize, 0usize), (3, 1), (16, 2)] {
                let mut want = 0.0;
                for (q, y) in r.iter() {
                    let mut z: Vec<f64> = w.logits(q).into_iter().map(real_logit).collect();
                    crate::link::real(link, &mut z);
                    let x = if j == 0 { 1.0 } else { f64::from(q[j - 1]) / 256.0 };
                    want += x * (z[u] - f64::from(u8::from(usize::from(y) == u)));
                }
                let got = g[j * 3 + u].as_f64() / f64::from(l.gradient_bits() as i32).exp2();
                assert!((got - want).abs() < 1e-8, "{link:?} {j} {u}: {got} {want}");
            }
        }
    }
}
