//! The rule that fixes every query: Newton's method on the summed loss, from `W = 0`.
//!
//! A round at a point asks for loss and gradient. If the loss has fallen enough since the last accepted point, a Newton step is
//! sought from here, and the next point is at its end; otherwise the next point is half the last step away. Near the optimum the
//! weights are rounded as [`tribute_inference::train::in_sequence`] does, and the training ends.
//!
//! Where the second derivatives that couple all weights fit, every point asks for them, and the step follows. Otherwise it is
//! found by conjugate gradients ([`search`]): each of their steps asks for the product of the second derivatives with one
//! direction, which follows from the sums before. Their preconditioner ([`factors`]) is made of each class's own second derivatives, which
//! only a few points ask for.
//!
//! Owner and nodes compute the rule each for itself and must agree on every bit, so it uses only operations whose result IEEE 754
//! fixes, in a fixed order: no matrix products, no exponentials.

mod factors;
mod search;
mod system;

use std::sync::Arc;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tribute_core::link::Link;
use tribute_core::numbers::{LAMBDA_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_inference::train::{in_sequence, lowers_enough, Curvature, Part};

use self::factors::Factors;
use self::search::{Search, Then};
use self::system::System;
use crate::numbers::Sums;
use crate::query::{query_units, real, unit, Asks, Query, QUERY_BITS};
use crate::refusal::Refusal;
use crate::request::Request;

/// The gradient's norm at which the training ends: far below what rounding the weights adds.
const GRADIENT: f64 = 1e-12;
/// Norm of the gradient below which it ends once rounding prevents progress.
const ACCEPTED: f64 = 1e-11;
/// Most halvings of one step.
const HALVINGS: u32 = 30;
/// Points, counted from 0, at which conjugate gradients ask for each class's own second derivatives. At point 0 these are all the
/// same, up to a factor, as one matrix is.
const REFRESHED: [u32; 2] = [2, 4];

/// Where a training stands: everything that the next query depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    link: Link,
    /// Whether steps are found by conjugate gradients.
    conjugate: bool,
    /// The round that is next.
    round: u32,
    /// Points accepted.
    accepted: u32,
    /// The last accepted point.
    point: Option<Point>,
    /// Times that the step from it was halved.
    halvings: u32,
    /// Weights of the next point; of the result, once finished.
    weights: Vec<i64>,
    /// Conjugate gradients under way, from the last accepted point.
    search: Option<Search>,
    /// The round before which the factors were made.
    factored: Option<u32>,
    /// Kept apart, because they are large and seldom change.
    #[serde(skip)]
    factors: Option<Arc<Factors>>,
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

/// What a request says about the loss.
struct Terms {
    /// `d + 1`.
    blocks: usize,
    classes: usize,
    /// Regularisation, as a real number.
    lambda: f64,
    /// Records.
    n: f64,
}

impl Rule {
    /// The start: the first query is at `W = 0`.
    pub fn start(request: &Request) -> Result<Self, Refusal> {
        let schema = request.schema()?;
        let cells = (schema.features().len() + 1) * schema.classes();
        Ok(Rule {
            link: request.link,
            conjugate: request.conjugate()?,
            round: 0,
            accepted: 0,
            point: None,
            halvings: 0,
            weights: vec![0; cells],
            search: None,
            factored: None,
            factors: None,
            finished: false,
        })
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.finished {
            return Next::Finished(self.weights.clone());
        }
        let (weights, asks) = match (&self.search, &self.point) {
            (Some(search), Some(point)) => (&point.weights, Asks::Product(search.direction().to_vec())),
            _ => (&self.weights, Asks::Point(self.asked())),
        };
        Next::Ask(Query { round: self.round, weights: weights.clone(), asks })
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

    /// The factors, if they were made from the last sums: they have to be stored with this state.
    #[must_use]
    pub fn fresh_factors(&self) -> Option<Vec<u8>> {
        let fresh = self.factored == Some(self.round) && !self.finished;
        self.factors.as_ref().filter(|_| fresh).map(|factors| factors.to_bytes())
    }

    /// The number of the stored state with which this one's factors were stored, if it has any and was read without them.
    #[must_use]
    pub fn lacks_factors(&self) -> Option<u32> {
        self.factored.filter(|_| self.factors.is_none() && !self.finished)
    }

    /// Takes stored factors.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if they are none of this request's.
    pub fn take_factors(&mut self, request: &Request, bytes: &[u8]) -> Result<(), Refusal> {
        let schema = request.schema()?;
        let factors = Factors::from_bytes(schema.features().len() + 1, schema.classes(), bytes);
        self.factors = Some(Arc::new(factors.ok_or_else(|| Refusal::internal("stored factors are cut"))?));
        Ok(())
    }

    /// Goes on from the sums over all participants, as the query asks for them.
    ///
    /// # Errors
    /// [`Refusal::Stuck`], [`Refusal::Weight`], [`Refusal::Impossible`].
    pub fn advance(&mut self, request: &Request, sums: &Sums) -> Result<(), Refusal> {
        let schema = request.schema()?;
        let terms = Terms {
            blocks: schema.features().len() + 1,
            classes: schema.classes(),
            lambda: request.lambda as f64 / unit(LAMBDA_BITS),
            n: request.records() as f64,
        };
        let round = self.round;
        self.round += 1;
        match (self.search.take(), sums) {
            (None, Sums::Point(part)) => self.at_point(&terms, round, part),
            (Some(search), Sums::Product(product)) => self.along(&terms, round, search, product),
            _ => Err(Refusal::internal("sums of another kind than the query's")),
        }
    }

    /// The second derivatives that the next point is asked for.
    fn asked(&self) -> Option<Curvature> {
        match self.accepted {
            _ if !self.conjugate => Some(Curvature::of(self.link)),
            0 => Some(Curvature::Shared),
            accepted => REFRESHED.contains(&accepted).then_some(Curvature::PerClass),
        }
    }

    fn at_point(&mut self, terms: &Terms, round: u32, part: &Part) -> Result<(), Refusal> {
        let asked = self.asked();
        let w = real(&self.weights, QUERY_BITS);
        let gradient: Vec<f64> = part.gradient.iter().zip(&w).map(|(g, w)| g / terms.n + terms.lambda * w).collect();
        let loss = part.loss / terms.n + 0.5 * terms.lambda * dot(&w, &w);
        let norm = dot(&gradient, &gradient).sqrt();
        if let Some(point) = &self.point {
            if !lowers_enough(point.loss, loss, halved(point.slope, self.halvings)) {
                let close = point.gradient <= ACCEPTED;
                if self.halvings == HALVINGS && !close {
                    return Err(Refusal::Stuck { round, gradient: point.gradient });
                }
                if self.halvings < HALVINGS {
                    self.halvings += 1;
                    return self.go(terms.classes);
                }
            }
        }
        let before = self.point.as_ref().map_or(f64::INFINITY, |p| p.gradient);
        let ends = norm <= GRADIENT || (norm <= ACCEPTED && norm > 0.5 * before);
        let stuck = || Refusal::Stuck { round, gradient: norm };
        let mut point = Point { weights: Vec::new(), loss, gradient: norm, step: Vec::new(), slope: 0.0 };
        self.accepted += 1;
        self.halvings = 0;
        if self.conjugate {
            if let Some(asked) = asked {
                let factors = Factors::new(terms, asked, &part.curvature).ok_or_else(stuck)?;
                self.factors = Some(Arc::new(factors));
                self.factored = Some(self.round);
            }
            let factors = self.factors.as_ref().ok_or_else(|| Refusal::internal("a search without factors"))?;
            if ends {
                return self.end(&w, factors.mean().clone(), terms, point);
            }
            self.search = Some(Search::start(gradient, factors).ok_or_else(stuck)?);
            point.weights.clone_from(&self.weights);
            self.point = Some(point);
            return Ok(());
        }
        let system = System::new(terms, Curvature::of(self.link), &part.curvature);
        if ends {
            return self.end(&w, system.mean(), terms, point);
        }
        let step = system.solve(&gradient).ok_or_else(stuck)?;
        self.point = Some(Point { weights: self.weights.clone(), slope: dot(&gradient, &step), step, ..point });
        self.go(terms.classes)
    }

    /// Goes on along the direction of the last query.
    fn along(&mut self, terms: &Terms, round: u32, search: Search, product: &[f64]) -> Result<(), Refusal> {
        let (Some(point), Some(factors)) = (&mut self.point, &self.factors) else {
            return Err(Refusal::internal("a search without a point"));
        };
        match search.advance(terms, round, product, factors)? {
            Then::Ask(search) => {
                self.search = Some(search);
                Ok(())
            }
            Then::Step { step, slope } => {
                (point.step, point.slope) = (step, slope);
                self.go(terms.classes)
            }
            Then::Stuck => Err(Refusal::Stuck { round, gradient: point.gradient }),
        }
    }

    /// Ends at `w`, rounded with the mean of the classes' own second derivatives.
    fn end(&mut self, w: &[f64], mean: Array2<f64>, terms: &Terms, point: Point) -> Result<(), Refusal> {
        self.weights = rounded(w, &mean, terms.blocks, terms.classes)?;
        self.finished = true;
        self.point = Some(point);
        Ok(())
    }

    /// Sets the next query to the last accepted point and its step, halved as often as [`Rule::halvings`] says.
    fn go(&mut self, classes: usize) -> Result<(), Refusal> {
        let point = self.point.as_ref().ok_or_else(|| Refusal::internal("a step without a point"))?;
        let mut weights = Vec::with_capacity(point.weights.len());
        for (i, (w, s)) in point.weights.iter().zip(&point.step).enumerate() {
            let value = *w as f64 / unit(QUERY_BITS) + halved(*s, self.halvings);
            let Some(units) = query_units(value) else {
                // a step that is too long is halved like one that raises the loss
                if self.halvings < HALVINGS && value.is_finite() {
                    self.halvings += 1;
                    return self.go(classes);
                }
                return Err(Refusal::Weight { block: i / classes, class: i % classes, value });
            };
            weights.push(units);
        }
        self.weights = weights;
        Ok(())
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
