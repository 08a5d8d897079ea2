//! How far the losses of the certified weights, and with them the values, can be from those of the exact optima.
//!
//! Certified weights are within `r = (ε + δ)/λ` of the optimum. A record has features below 1 and a bias feature `2^s`, so
//! `‖x‖² < d + 4^s`. Over `n` test records:
//!
//! - softmax: a record's loss has the gradient `x(p − y)ᵀ`, and `‖p − y‖ ≤ √2`: the loss moves by at most `n·r·‖x‖·√2`;
//! - logistic: the same with `√c`;
//! - squared: `Σ‖p − y‖ ≤ √(n·L)` for the stated loss L, and the loss is quadratic: at most `2r‖x‖√(nL) + n·r²‖x‖²`.
//!
//! To this come the error of the log-sum-exp, `2^-34.8` a record (logistic: and class), and a unit for the rounding of
//! every shard. All operations are correctly rounded by IEEE 754, and the sum is enlarged by far more than their errors.

use crate::layout::Layout;
use crate::link::Link;
use crate::numbers::{link_error_units, real, LOSS_BITS};

/// What a coalition's loss is known to.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Test records.
    pub records: u64,
    /// Shards of the test set.
    pub shards: u64,
    /// The loss, units of 2^-20.
    pub loss: u64,
}

fn enlarged(units: f64) -> u64 {
    (units * (1.0 + 1e-9)).ceil() as u64
}

/// Error of a stated loss for the stated weights, units of 2^-20, rounded up.
#[must_use]
pub fn rounding(layout: &Layout, link: Link, m: &Measured) -> u64 {
    // 2^-34.8 in units of 2^-20 is below 2^-14
    let per_record = match link {
        Link::Squared => 0.0,
        Link::Softmax => 1.0,
        Link::Logistic => layout.classes() as f64,
    };
    m.shards + enlarged(m.records as f64 * per_record / f64::from(1 << 14))
}

/// How far the loss of the exact optimum can be from the stated one, units of 2^-20, rounded up. `epsilon` and `lambda`
/// in units of 2^-44.
#[must_use]
pub fn ball(layout: &Layout, link: Link, epsilon: u64, lambda: u64, m: &Measured) -> u64 {
    let delta = link_error_units(layout.features(), layout.classes(), layout.intercept_scale());
    let r = (epsilon as f64 + delta as f64) / lambda as f64;
    let x2 = (layout.features() + (1 << (2 * layout.intercept_scale()))) as f64;
    let n = m.records as f64;
    let moved = match link {
        Link::Softmax => n * r * (2.0 * x2).sqrt(),
        Link::Logistic => n * r * (layout.classes() as f64 * x2).sqrt(),
        Link::Squared => {
            let loss = real(m.loss + m.shards, LOSS_BITS);
            2.0 * r * (x2 * n * loss).sqrt() + n * r * r * x2
        }
    };
    enlarged(moved * f64::from(1 << LOSS_BITS)) + rounding(layout, link, m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Task;

    #[test]
    fn the_ball_of_digits_is_a_few_millionths_of_the_loss() {
        let layout = Layout::new(15, 8, 64, 10, Task::Classes).unwrap();
        let m = Measured { records: 400, shards: 1, loss: 100 << LOSS_BITS };
        // λ = 1e-3, ε = δ = 6528: r = 7.4e-7
        let lambda = (1e-3 * f64::from(44).exp2()) as u64;
        for link in [Link::Softmax, Link::Logistic, Link::Squared] {
            let moved = real(ball(&layout, link, 6528, lambda, &m), LOSS_BITS);
            assert!(moved > 0.001 && moved < 0.02, "{link:?}: {moved}");
        }
        assert_eq!(rounding(&layout, Link::Squared, &m), 1);
        assert_eq!(rounding(&layout, Link::Softmax, &m), 2);
    }
}
