//! Conjugate gradients for one Newton step: roughly far from the optimum, more precisely near it.

use serde::{Deserialize, Serialize};

use super::factors::Factors;
use super::{dot, Terms};
use crate::query::{real, unit, DIRECTION_BITS};
use crate::refusal::Refusal;

/// Most products for one step.
const MOST_PRODUCTS: u32 = 400;
/// Norm of the residual that is always small enough: half of the gradient at which the training ends.
const SMALLEST: f64 = 5e-13;

/// Conjugate gradients under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Search {
    /// The gradient of the mean loss, with its penalty, at the point.
    gradient: Vec<f64>,
    /// The step so far.
    step: Vec<f64>,
    /// `−gradient − H·step`.
    residual: Vec<f64>,
    /// The direction that is asked, in units of 2^-[`DIRECTION_BITS`].
    direction: Vec<i64>,
    /// The power of two that makes the asked direction the search's.
    scale: f64,
    /// Inner product of the residual with its preconditioned self.
    energy: f64,
    /// Products taken.
    products: u32,
}

/// What follows from a product.
pub(super) enum Then {
    /// Another product.
    Ask(Search),
    /// The Newton step, and its inner product with the gradient.
    Step { step: Vec<f64>, slope: f64 },
    /// No step.
    Stuck,
}

impl Search {
    /// The start of a search at a point with this gradient; `None` if its numbers are no numbers.
    pub(super) fn start(gradient: Vec<f64>, factors: &Factors) -> Option<Self> {
        let residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let first = factors.apply(&residual);
        let energy = dot(&residual, &first);
        let (direction, scale) = scaled(&first)?;
        let step = vec![0.0; gradient.len()];
        (energy > 0.0).then_some(Search { gradient, step, residual, direction, scale, energy, products: 0 })
    }

    /// The direction that is asked.
    pub(super) fn direction(&self) -> &[i64] {
        &self.direction
    }

    /// Goes on from the summed product of the second derivatives with the direction.
    ///
    /// # Errors
    /// [`Refusal::Impossible`] if the second derivatives would be negative along the direction.
    pub(super) fn advance(
        mut self,
        terms: &Terms,
        round: u32,
        product: &[f64],
        factors: &Factors,
    ) -> Result<Then, Refusal> {
        let asked = real(&self.direction, DIRECTION_BITS);
        let along = dot(&asked, product);
        // what rounding can make of zero is far less than one part in 2^30 of a record
        if along < -terms.n / unit(30) {
            let what = "a second derivative along the step";
            return Err(Refusal::Impossible { round, what, value: along, records: terms.n as u64 });
        }
        let image: Vec<f64> =
            product.iter().zip(&asked).map(|(h, v)| (h / terms.n + terms.lambda * v) * self.scale).collect();
        let direction: Vec<f64> = asked.iter().map(|v| v * self.scale).collect();
        let bend = dot(&direction, &image);
        if bend.is_nan() || bend <= 0.0 {
            return Ok(if self.products == 0 { Then::Stuck } else { self.done() });
        }
        let length = self.energy / bend;
        self.step.iter_mut().zip(&direction).for_each(|(x, d)| *x += length * d);
        self.residual.iter_mut().zip(&image).for_each(|(r, h)| *r -= length * h);
        self.products += 1;
        let gradient = dot(&self.gradient, &self.gradient).sqrt();
        let enough = (gradient * gradient.sqrt().min(0.1)).max(SMALLEST);
        if dot(&self.residual, &self.residual).sqrt() <= enough || self.products == MOST_PRODUCTS {
            return Ok(self.done());
        }
        let next = factors.apply(&self.residual);
        let energy = dot(&self.residual, &next);
        let turn = energy / self.energy;
        let next: Vec<f64> = next.iter().zip(&direction).map(|(z, d)| z + turn * d).collect();
        let Some((direction, scale)) = scaled(&next).filter(|_| energy > 0.0) else { return Ok(self.done()) };
        Ok(Then::Ask(Search { direction, scale, energy, ..self }))
    }

    fn done(self) -> Then {
        let slope = dot(&self.gradient, &self.step);
        Then::Step { step: self.step, slope }
    }
}

/// A direction as units whose largest magnitude is at least half of 1, and the power of two by which it was divided. `None` if it is
/// zero or not finite.
fn scaled(direction: &[f64]) -> Option<(Vec<i64>, f64)> {
    let largest =
        direction.iter().fold(0.0f64, |most, x| if x.is_finite() { most.max(x.abs()) } else { f64::INFINITY });
    if !largest.is_normal() || largest > unit(100) {
        return None;
    }
    let mut scale = 1.0;
    while largest >= scale {
        scale *= 2.0;
    }
    while largest < 0.5 * scale {
        scale *= 0.5;
    }
    let units = |x: &f64| (x / scale * unit(DIRECTION_BITS)).round_ties_even() as i64;
    Some((direction.iter().map(units).collect(), scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_scaled_by_a_power_of_two() {
        for (direction, scale) in
            [([3.0, -1.0], 4.0), ([0.0, -1e-9], 2f64.powi(-29)), ([1.0, 0.5], 2.0), ([0.5, 0.0], 1.0)]
        {
            let (units, found) = scaled(&direction).unwrap();
            assert_eq!(found, scale);
            let largest = units.iter().map(|x| x.unsigned_abs()).max().unwrap();
            assert!((1 << (DIRECTION_BITS - 1)..=1 << DIRECTION_BITS).contains(&largest), "{largest}");
            for (x, units) in direction.iter().zip(units) {
                assert!((units as f64 / unit(DIRECTION_BITS) * scale - x).abs() <= scale / unit(DIRECTION_BITS));
            }
        }
        assert!(scaled(&[0.0]).is_none() && scaled(&[f64::NAN, 1.0]).is_none() && scaled(&[f64::INFINITY]).is_none());
    }
}
