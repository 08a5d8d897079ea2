//! The rule that fixes every query: Newton's method on the summed loss, from `W = 0`.
//!
//! Every round asks for loss, gradient and second derivatives. If the loss has fallen enough since the last accepted point, the
//! next query is a whole Newton step from here; otherwise it is half the last step. Near the optimum the weights are rounded as
//! [`tribute_inference::train::in_sequence`] does, and the training ends.
//!
//! Owner and nodes compute the rule each for itself and must agree on every bit, so it uses only operations whose result IEEE 754
//! fixes, in a fixed order: no matrix products, no exponentials.

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use tribute_core::numbers::{LAMBDA_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_inference::train::{in_sequence, lowers_enough, Cholesky, Curvature, Part};

use crate::numbers::{query_units, unit, QUERY_BITS};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Request;

/// The gradient's norm at which the training ends: far below what rounding the weights adds.
const GRADIENT: f64 = 1e-12;
/// Norm of the gradient below which it ends once rounding prevents progress.
const ACCEPTED: f64 = 1e-11;
/// Most halvings of one step.
const HALVINGS: u32 = 30;

/// Where a training stands: everything that the next query depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The round that is next.
    round: u32,
    /// The last accepted point.
    point: Option<Point>,
    /// Times that the step from it was halved.
    halvings: u32,
    /// Weights of the next query; of the result, once finished.
    weights: Vec<i64>,
    finished: bool,
}

/// An accepted point, and the Newton step from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    weights: Vec<i64>,
    loss: f64,
    /// 2-norm of the gradient.
    gradient: f64,
    step: Vec<f64>,
    /// Inner product of gradient and step.
    slope: f64,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A round.
    Ask(Query),
    /// The final weights, row-major `[d + 1][c]`, in units of 2^-32.
    Finished(Vec<i64>),
}

impl Rule {
    /// The start: the first query is at `W = 0`.
    pub fn start(request: &Request) -> Result<Self, Refusal> {
        let schema = request.schema()?;
        let cells = (schema.features().len() + 1) * schema.classes();
        Ok(Rule { round: 0, point: None, halvings: 0, weights: vec![0; cells], finished: false })
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.finished {
            return Next::Finished(self.weights.clone());
        }
        Next::Ask(Query { round: self.round, weights: self.weights.clone() })
    }

    /// Rounds whose sums have been taken: the number of the next round.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Norm of the gradient at the last accepted point.
    #[must_use]
    pub fn gradient(&self) -> Option<f64> {
        self.point.as_ref().map(|p| p.gradient)
    }

    /// The mean loss, with its penalty, at the last accepted point.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        self.point.as_ref().map(|p| p.loss)
    }

    /// Goes on from the sums over all participants at the query's weights.
    ///
    /// # Errors
    /// [`Refusal::Stuck`], [`Refusal::Weight`].
    pub fn advance(&mut self, request: &Request, sums: &Part) -> Result<(), Refusal> {
        let schema = request.schema()?;
        let (blocks, classes) = (schema.features().len() + 1, schema.classes());
        let lambda = request.lambda as f64 / unit(LAMBDA_BITS);
        let n = request.records() as f64;
        let w: Vec<f64> = self.weights.iter().map(|w| *w as f64 / unit(QUERY_BITS)).collect();
        let gradient: Vec<f64> = sums.gradient.iter().zip(&w).map(|(g, w)| g / n + lambda * w).collect();
        let loss = sums.loss / n + 0.5 * lambda * dot(&w, &w);
        let norm = dot(&gradient, &gradient).sqrt();
        let round = self.round;
        self.round += 1;

        if let Some(point) = &self.point {
            if !lowers_enough(point.loss, loss, halved(point.slope, self.halvings)) {
                let close = point.gradient <= ACCEPTED;
                if self.halvings == HALVINGS && !close {
                    return Err(Refusal::Stuck { round, gradient: point.gradient });
                }
                if self.halvings < HALVINGS {
                    self.halvings += 1;
                    let (at, step) = (point.weights.clone(), point.step.clone());
                    return self.go(&at, &step, classes);
                }
            }
        }
        let before = self.point.as_ref().map_or(f64::INFINITY, |p| p.gradient);
        let system = System::new(request, sums, blocks, classes, lambda, n);
        if norm <= GRADIENT || (norm <= ACCEPTED && norm > 0.5 * before) {
            self.weights = rounded(&w, &system.mean(), blocks, classes)?;
            self.finished = true;
            let slope = 0.0;
            self.point = Some(Point { weights: Vec::new(), loss, gradient: norm, step: Vec::new(), slope });
            return Ok(());
        }
        let step = system.solve(&gradient).ok_or(Refusal::Stuck { round, gradient: norm })?;
        let slope = dot(&gradient, &step);
        let at = self.weights.clone();
        self.point = Some(Point { weights: at.clone(), loss, gradient: norm, step: step.clone(), slope });
        self.halvings = 0;
        self.go(&at, &step, classes)
    }

    /// Sets the next query to `at` and the step, halved as often as [`Rule::halvings`] says.
    fn go(&mut self, at: &[i64], step: &[f64], classes: usize) -> Result<(), Refusal> {
        let mut weights = Vec::with_capacity(at.len());
        for (i, (w, s)) in at.iter().zip(step).enumerate() {
            let value = *w as f64 / unit(QUERY_BITS) + halved(*s, self.halvings);
            let Some(units) = query_units(value) else {
                // a step that is too long is halved like one that raises the loss
                if self.halvings < HALVINGS && value.is_finite() {
                    self.halvings += 1;
                    return self.go(at, step, classes);
                }
                return Err(Refusal::Weight { block: i / classes, class: i % classes, value });
            };
            weights.push(units);
        }
        self.weights = weights;
        Ok(())
    }
}

/// Second derivatives of the mean loss, with its penalty.
struct System {
    curvature: Curvature,
    blocks: usize,
    classes: usize,
    /// One matrix for all classes, one for each, or, coupled, that of all weights: rows `j·c + u`.
    matrices: Vec<Array2<f64>>,
}

impl System {
    fn new(request: &Request, sums: &Part, blocks: usize, classes: usize, lambda: f64, n: f64) -> Self {
        let curvature = Curvature::of(request.link);
        let half = blocks * (blocks + 1) / 2;
        // entry (j, k), j ≤ k, of the m-th matrix of sums
        let entry = |m: usize, j: usize, k: usize| {
            let (j, k) = (j.min(k), j.max(k));
            sums.curvature[m * half + j * blocks - j * (j + 1) / 2 + k] / n
        };
        let matrices = match curvature {
            Curvature::Shared | Curvature::PerClass => (0..curvature.matrices(classes))
                .map(|m| {
                    Array2::from_shape_fn((blocks, blocks), |(j, k)| entry(m, j, k) + if j == k { lambda } else { 0.0 })
                })
                .collect(),
            Curvature::Coupled => {
                let mut all = Array2::zeros((blocks * classes, blocks * classes));
                let pairs = (0..classes).flat_map(|u| (u + 1..classes).map(move |v| (u, v)));
                for (m, (u, v)) in pairs.enumerate() {
                    for j in 0..blocks {
                        for k in 0..blocks {
                            let x = entry(m, j, k);
                            all[[j * classes + u, k * classes + v]] -= x;
                            all[[j * classes + v, k * classes + u]] -= x;
                            all[[j * classes + u, k * classes + u]] += x;
                            all[[j * classes + v, k * classes + v]] += x;
                        }
                    }
                }
                all.diag_mut().iter_mut().for_each(|x| *x += lambda);
                vec![all]
            }
        };
        System { curvature, blocks, classes, matrices }
    }

    /// `−H⁻¹·gradient`; `None` if the matrix is not positive definite.
    fn solve(&self, gradient: &[f64]) -> Option<Vec<f64>> {
        let mut x = Array2::from_shape_fn((self.blocks, self.classes), |(j, u)| -gradient[j * self.classes + u]);
        match self.curvature {
            Curvature::Shared => {
                let factor = Cholesky::factor(self.matrices[0].clone())?;
                x.axis_iter_mut(Axis(1)).for_each(|mut column| factor.solve(&mut column));
            }
            Curvature::PerClass => {
                for (matrix, mut column) in self.matrices.iter().zip(x.axis_iter_mut(Axis(1))) {
                    Cholesky::factor(matrix.clone())?.solve(&mut column);
                }
            }
            Curvature::Coupled => {
                let mut flat = x.into_shape_with_order(self.blocks * self.classes).ok()?;
                Cholesky::factor(self.matrices[0].clone())?.solve(&mut flat.view_mut());
                return Some(flat.to_vec());
            }
        }
        Some(x.into_iter().collect())
    }

    /// The mean over the classes of each class's own matrix.
    fn mean(&self) -> Array2<f64> {
        let (b, c) = (self.blocks, self.classes);
        let own = |u: usize, j: usize, k: usize| match self.curvature {
            Curvature::Shared => self.matrices[0][[j, k]],
            Curvature::PerClass => self.matrices[u][[j, k]],
            Curvature::Coupled => self.matrices[0][[j * c + u, k * c + u]],
        };
        Array2::from_shape_fn((b, b), |(j, k)| (0..c).map(|u| own(u, j, k)).sum::<f64>() / c as f64)
    }
}

/// Final integer weights.
fn rounded(w: &[f64], curvature: &Array2<f64>, blocks: usize, classes: usize) -> Result<Vec<i64>, Refusal> {
    let scaled = Array2::from_shape_fn((blocks, classes), |(j, u)| w[j * classes + u] * unit(WEIGHT_BITS));
    let integers = in_sequence(&scaled, curvature).unwrap_or_else(|| scaled.mapv(f64::round_ties_even));
    if let Some(i) = integers.iter().position(|x| x.abs() >= WEIGHT_LIMIT as f64) {
        return Err(Refusal::Weight { block: i / classes, class: i % classes, value: w[i] });
    }
    Ok(integers.iter().map(|x| *x as i64).collect())
}

/// `x·2^-times`.
fn halved(x: f64, times: u32) -> f64 {
    x / unit(times)
}

/// A sum in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
