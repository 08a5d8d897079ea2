//! Newton's method with conjugate gradients, which uses second derivatives without forming the Hessian.
//!
//! The Hessian is `Xᵀ·(link curvature)·X/n + λ`. Conjugate gradients are preconditioned by `α·XᵀX/n + λ`, where `α` is
//! the mean curvature: one factorisation for all classes. This removes the features' scales and correlations; for least
//! squares it is the Hessian itself.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::cholesky::Cholesky;
use super::objective::{Evaluation, Objective};

/// Stopping criteria.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Stop at this 2-norm of the gradient.
    pub(super) gradient: f64,
    /// Below this 2-norm of the gradient, stop when rounding prevents progress.
    pub(super) rounding: f64,
    /// Most Newton steps.
    pub(super) steps: usize,
    /// Most conjugate-gradient steps within one Newton step.
    pub(super) inner: usize,
}

/// The end point of the minimisation.
pub(super) struct Minimum {
    pub(super) w: Array2<f64>,
    pub(super) loss: f64,
    /// 2-norm of the gradient.
    pub(super) gradient: f64,
    pub(super) steps: usize,
    /// `α·XᵀX/n + λ` at the end point, used to round the weights.
    pub(super) curvature: Array2<f64>,
}

/// Minimises from `start`, of shape `[d + 1][c]`, until the gradient bound or the step limit is reached or no step makes
/// progress. `on_step` gets the number of steps done, the loss and the norm of the gradient.
pub(super) fn minimise(
    objective: &Objective<'_>,
    start: Array2<f64>,
    limits: Limits,
    mut on_step: impl FnMut(usize, f64, f64),
) -> Minimum {
    let gram = objective.gram();
    let mut w = start;
    let mut at = objective.evaluate(&w);
    let (mut steps, mut before) = (0, f64::INFINITY);
    loop {
        let gradient = norm(&at.gradient);
        on_step(steps, at.loss, gradient);
        let curvature = shared_curvature(objective, &gram, &at);
        // near the minimum only rounding error is left: another step no longer halves the gradient
        let stuck = gradient <= limits.rounding && gradient > 0.5 * before;
        before = gradient;
        if gradient > limits.gradient && steps < limits.steps && !stuck {
            let direction = newton_direction(objective, &mut at, &curvature, gradient, limits);
            if let Some((there, found)) = line_search(objective, &w, &at, &direction) {
                (w, at) = (there, found);
                steps += 1;
                continue;
            }
        }
        return Minimum { w, loss: at.loss, gradient, steps, curvature };
    }
}

/// `α·XᵀX/n + λ`.
fn shared_curvature(objective: &Objective<'_>, gram: &Array2<f64>, at: &Evaluation) -> Array2<f64> {
    let mut matrix = gram * objective.mean_curvature(at);
    matrix.diag_mut().iter_mut().for_each(|entry| *entry += objective.lambda);
    matrix
}

/// Solves `H·x = −gradient` by preconditioned conjugate gradients: roughly at first, more precisely near the minimum, and never to
/// much less than the gradient that is wanted.
fn newton_direction(
    objective: &Objective<'_>,
    at: &mut Evaluation,
    curvature: &Array2<f64>,
    gradient: f64,
    limits: Limits,
) -> Array2<f64> {
    let accuracy = (gradient * gradient.sqrt().min(0.1)).max(0.1 * limits.gradient);
    let factor = Cholesky::factor(curvature.clone());
    let precondition = |r: &Array2<f64>| {
        let mut z = r.clone();
        if let Some(factor) = &factor {
            let mut columns: Vec<_> = z.axis_iter_mut(Axis(1)).collect();
            columns.par_iter_mut().for_each(|column| factor.solve(column));
        }
        z
    };
    let mut x = Array2::zeros(at.gradient.dim());
    let mut residual = -&at.gradient;
    let mut z = precondition(&residual);
    let mut search = z.clone();
    let mut energy = (&residual * &z).sum();
    for _ in 0..limits.inner {
        let product = objective.curvature(at, &search);
        let bend = (&search * &product).sum();
        // the Hessian is positive semidefinite: a negative value is rounding, and the direction so far is usable
        if bend.is_nan() || bend <= 0.0 {
            break;
        }
        let length = energy / bend;
        x.scaled_add(length, &search);
        residual.scaled_add(-length, &product);
        if norm(&residual) <= accuracy {
            break;
        }
        z = precondition(&residual);
        let next = (&residual * &z).sum();
        search = &z + &(search * (next / energy));
        energy = next;
    }
    x
}

/// Tries steps of 1, ½, ¼, … and returns the first that lowers the loss enough; `None` if none does.
fn line_search(
    objective: &Objective<'_>,
    w: &Array2<f64>,
    at: &Evaluation,
    direction: &Array2<f64>,
) -> Option<(Array2<f64>, Evaluation)> {
    let slope = (&at.gradient * direction).sum();
    for halvings in 0..30 {
        let length = 0.5f64.powi(halvings);
        let there = w + &(direction * length);
        let found = objective.evaluate(&there);
        if lowers_enough(at.loss, found.loss, length * slope) {
            return Some((there, found));
        }
    }
    None
}

/// Whether a step lowers the loss by a fair part of what its slope promises. `promised` is the step's length times the slope
/// along it, a negative number.
#[must_use]
pub fn lowers_enough(before: f64, after: f64, promised: f64) -> bool {
    // smaller differences of the loss are rounding
    after <= before + 1e-4 * promised + 1e-14 * before.abs()
}

fn norm(v: &Array2<f64>) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}
