//! What one party's records contribute to a training that several parties do together: sums of losses, gradients and second
//! derivatives over them.

use std::sync::OnceLock;

use ndarray::{Array2, ArrayView1};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;

use super::objective::Objective;
use super::LossOptions;

/// Sums over one party's records at given weights. The penalty is in none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Sum of the losses.
    pub loss: f64,
    /// Sum of the gradients, row-major `[d + 1][c]`.
    pub gradient: Vec<f64>,
    /// Sum of the second derivatives that were asked, as [`Curvature`] lays them out.
    pub curvature: Vec<f64>,
}

/// How the second derivatives couple the classes, which decides how many numbers describe them: `XᵀDX` for each of a number of
/// diagonal matrices `D`, each the upper half of a symmetric matrix of `d + 1` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// One matrix, the same for every class, with `D = 1`: least squares.
    Shared,
    /// One for each class, with `D = p_u(1 − p_u)`: the logistic link, and each class by itself under the softmax.
    PerClass,
    /// One for each pair of classes `u < v`, with `D = p_u·p_v`: the softmax. Those of one class follow, because
    /// `p_u(1 − p_u) = Σ_{v ≠ u} p_u·p_v`.
    Coupled,
}

impl Curvature {
    /// The form of a link.
    #[must_use]
    pub fn of(link: Link) -> Self {
        match link {
            Link::Squared => Curvature::Shared,
            Link::Logistic => Curvature::PerClass,
            Link::Softmax => Curvature::Coupled,
        }
    }

    /// Number of matrices for `classes` classes.
    #[must_use]
    pub fn matrices(self, classes: usize) -> usize {
        match self {
            Curvature::Shared => 1,
            Curvature::PerClass => classes,
            Curvature::Coupled => classes * classes.saturating_sub(1) / 2,
        }
    }

    /// Number of sums for `classes` classes and `blocks = d + 1` rows of weights.
    #[must_use]
    pub fn numbers(self, blocks: usize, classes: usize) -> usize {
        self.matrices(classes) * (blocks * (blocks + 1) / 2)
    }
}

/// The sums over `records` at real weights, row-major `[d + 1][c]`, with the second derivatives that are asked. The records follow
/// the schema.
///
/// # Panics
/// If the weights or the records are of another shape than the schema: a caller's mistake.
#[must_use]
pub fn part(
    schema: &Schema,
    records: &Records,
    options: &LossOptions,
    weights: &[f64],
    asked: Option<Curvature>,
) -> Part {
    let (objective, w) = objective(schema, records, options, weights);
    let classes = objective.classes;
    let at = objective.sums(&w);
    type Factor = Box<dyn Fn(ArrayView1<'_, f64>) -> f64 + Sync>;
    let factors: Vec<Factor> = match asked {
        None => Vec::new(),
        Some(Curvature::Shared) => vec![Box::new(|_| 1.0)],
        Some(Curvature::PerClass) => {
            (0..classes).map(|u| -> Factor { Box::new(move |p| p[u] * (1.0 - p[u])) }).collect()
        }
        Some(Curvature::Coupled) => (0..classes)
            .flat_map(|u| (u + 1..classes).map(move |v| -> Factor { Box::new(move |p| p[u] * p[v]) }))
            .collect(),
    };
    let curvature = objective.moments(records, &at, &factors);
    Part { loss: at.loss, gradient: at.gradient.iter().copied().collect(), curvature }
}

/// The product of the summed second derivatives at `weights` with `direction`; both and the result are row-major `[d + 1][c]`.
///
/// # Panics
/// As [`part`].
#[must_use]
pub fn product(
    schema: &Schema,
    records: &Records,
    options: &LossOptions,
    weights: &[f64],
    direction: &[f64],
) -> Vec<f64> {
    let (objective, w) = objective(schema, records, options, weights);
    assert_eq!(direction.len(), weights.len(), "shapes of weights and direction");
    let v = Array2::from_shape_fn(w.dim(), |(j, u)| direction[j * objective.classes + u]);
    let mut at = objective.sums(&w);
    objective.products(&mut at, &v).iter().copied().collect()
}

/// The loss over the records without its penalty, and the weights as a matrix.
fn objective<'a>(
    schema: &Schema,
    records: &'a Records,
    options: &LossOptions,
    weights: &[f64],
) -> (Objective<'a>, Array2<f64>) {
    let (blocks, classes) = (schema.features().len() + 1, schema.classes());
    assert_eq!((weights.len(), records.width() + 1), (blocks * classes, blocks), "shapes of weights and records");
    let objective = Objective {
        records,
        failed: OnceLock::new(),
        task: schema.task(),
        classes,
        link: options.link,
        lambda: 0.0,
        bias: f64::from(1u32 << options.intercept_scale),
    };
    (objective, Array2::from_shape_fn((blocks, classes), |(j, u)| weights[j * classes + u]))
}
