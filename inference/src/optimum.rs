//! Checks that a model is the optimum, in the same exact integers as the proofs.

use thiserror::Error;
use tribute_core::head::{self, contribution, ContributionError, Contributions, HeadError, Optimum, Weights};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::{
    distance_is_certified, link_error_units, real, relative_distance, smallest_lambda, DISTANCE_PARTS, LAMBDA_BITS,
    NORM_BITS, WEIGHT_BITS,
};
use tribute_core::schema::Schema;
use tribute_core::I256;

use crate::diagnosis::{Diagnosis, Model};
use crate::names::{block_name, class_name};
use crate::train::{count, LossOptions, Pieces};

/// What can be certified about a model over given datasets.
#[derive(Clone, Debug)]
pub struct OptimumReport {
    /// The values that the `optimum` proof states.
    pub optimum: Optimum,
    /// Gradient of each dataset, shape `[d + 1][c]`, as `gradient` proofs commit to it.
    pub gradients: Vec<Vec<I256>>,
    /// Contribution and share of each dataset.
    pub contributions: Contributions,
    /// Worst-case error of the link tables and rounding, in units of 2^-44.
    pub link_error: u64,
    /// Proven bound on `‖W − W*‖/‖W‖`.
    pub relative_distance: f64,
}

impl OptimumReport {
    /// Proven 2-norm of the gradient: the certificate's ε.
    #[must_use]
    pub fn gradient_norm(&self) -> f64 {
        real(self.optimum.epsilon, LAMBDA_BITS)
    }

    /// Share of each dataset.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        (0..self.gradients.len()).map(|dataset| self.contributions.share(dataset)).collect()
    }
}

/// Why no certificate can be made for a model.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum OptimumError {
    /// The norm of the gradient is too large to certify.
    #[error(
        "the model is not the optimum of this loss over these datasets: its gradient has norm {gradient:.3e}, at most {allowed:.3e} can be certified; it is worst at {feature}, {class}: {entry:+.3e}. {diagnosis}"
    )]
    NotOptimal {
        /// 2-norm of the gradient.
        gradient: f64,
        /// Largest certifiable 2-norm: small enough for the distance bound and for
        /// [`Link::largest_epsilon`](tribute_core::link::Link::largest_epsilon).
        allowed: f64,
        /// Name of the weight block where the gradient is largest.
        feature: String,
        /// Name of the class where it is largest.
        class: String,
        /// That gradient entry.
        entry: f64,
        /// A guess at how the model was trained instead.
        diagnosis: Box<Diagnosis>,
    },
    /// λ is so small that the error of the link tables alone exceeds the distance bound.
    #[error(
        "lambda = {lambda:.3e} is too small to certify: the link tables' error {link_error:.3e} alone is more than one part in {DISTANCE_PARTS} of lambda times the model's norm {norm:.3}; use lambda = {needed:.1e} or more"
    )]
    LambdaTooSmall {
        /// λ.
        lambda: f64,
        /// δ.
        link_error: f64,
        /// ‖W‖.
        norm: f64,
        /// λ at which δ takes up half of the allowed error, for a model of this norm.
        needed: f64,
    },
    /// Records that are not in memory cannot be read.
    #[error("{reason}")]
    Read {
        /// Why not.
        reason: String,
    },
    /// The contributions cannot be certified.
    #[error(transparent)]
    Contributions(#[from] ContributionError),
    /// The exact integers cannot be computed.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Checks that `weights` are the optimum over `datasets`, and returns what a certificate would state.
///
/// `layout` is the one used by the proofs; its limb width determines the last bits of every prediction.
///
/// # Errors
/// [`OptimumError`].
pub fn check<P: Pieces + ?Sized>(
    schema: &Schema,
    layout: &Layout,
    weights: &Weights,
    datasets: &[&P],
    options: &LossOptions,
) -> Result<OptimumReport, OptimumError> {
    let gradients: Vec<Vec<I256>> =
        datasets.iter().map(|dataset| gradient(layout, options.link, weights, *dataset)).collect::<Result<_, _>>()?;
    let n = datasets.iter().map(|dataset| count(*dataset) as u64).sum();
    let refused = || not_optimal(schema, layout, weights, datasets, &gradients, options);
    let mut sum = vec![I256::ZERO; layout.weights()];
    gradients.iter().for_each(|g| head::add(&mut sum, g));
    let optimum = match head::optimum(layout, weights, &sum, n, options.lambda) {
        Err(HeadError::NotOptimal { .. }) => return Err(refused()),
        other => other?,
    };

    let link_error = link_error_units(layout.features(), layout.classes(), layout.intercept_scale());
    let (lambda, norm) = (options.lambda, optimum.norm);
    if !distance_is_certified(0, link_error, lambda, norm) {
        let needed = real(smallest_lambda(2 * link_error, norm), LAMBDA_BITS);
        let norm = norm as f64 / f64::from(1u32 << NORM_BITS);
        return Err(OptimumError::LambdaTooSmall {
            lambda: real(lambda, LAMBDA_BITS),
            link_error: real(link_error, LAMBDA_BITS),
            norm,
            needed,
        });
    }
    let close = distance_is_certified(optimum.epsilon, link_error, lambda, norm);
    if !close || optimum.epsilon > options.link.largest_epsilon(link_error) {
        return Err(refused());
    }
    let contributed = gradients.iter().map(|g| contribution(layout, weights, g)).collect();
    let contributions = Contributions::check(layout, contributed, datasets.len() as u64, n, lambda, norm)?;
    let relative_distance = relative_distance(optimum.epsilon, link_error, lambda, norm);
    Ok(OptimumReport { optimum, gradients, contributions, link_error, relative_distance })
}

/// The exact gradient of a dataset, piece by piece.
fn gradient<P: Pieces + ?Sized>(
    layout: &Layout,
    link: Link,
    weights: &Weights,
    dataset: &P,
) -> Result<Vec<I256>, OptimumError> {
    let mut sum = vec![I256::ZERO; layout.weights()];
    for index in 0..dataset.lengths().len() {
        let piece = dataset.piece(index).map_err(|reason| OptimumError::Read { reason })?;
        head::add(&mut sum, &head::gradient(layout, link, weights, &piece)?);
    }
    Ok(sum)
}

/// A gradient that single precision may leave, for weights of norm 1: the last bit, through the largest curvature that the
/// records allow.
fn single_precision<P: Pieces + ?Sized>(datasets: &[&P], options: &LossOptions) -> f64 {
    let square = |q: &[u8]| q.iter().map(|q| (f64::from(*q) / 256.0).powi(2)).sum::<f64>();
    // the first piece of each dataset tells enough
    let (mut total, mut n) = (0.0, 0);
    for piece in datasets.iter().filter_map(|dataset| dataset.piece(0).ok()) {
        total += piece.iter().map(|(q, _)| square(q)).sum::<f64>();
        n += piece.len();
    }
    let n = n.max(1) as f64;
    let bias = f64::from(1u32 << options.intercept_scale).powi(2);
    // the largest second derivative of a record's loss by its logits
    let link = match options.link {
        Link::Squared => 1.0,
        Link::Softmax => 0.5,
        Link::Logistic => 0.25,
    };
    f64::from(f32::EPSILON) * (link * (total / n + bias) + real(options.lambda, LAMBDA_BITS))
}

/// Builds [`OptimumError::NotOptimal`] in `f64`, which is precise enough to say how large the gradient is and where.
fn not_optimal<P: Pieces + ?Sized>(
    schema: &Schema,
    layout: &Layout,
    weights: &Weights,
    datasets: &[&P],
    gradients: &[Vec<I256>],
    options: &LossOptions,
) -> OptimumError {
    let lambda = real(options.lambda, LAMBDA_BITS);
    let classes = weights.classes();
    let n: usize = datasets.iter().map(|dataset| count(*dataset)).sum();
    let unit = n as f64 * f64::from(layout.gradient_bits() as i32).exp2();
    let mean = |gradients: &[Vec<I256>]| -> Vec<f64> {
        (0..weights.values().len()).map(|i| gradients.iter().map(|g| g[i].as_f64()).sum::<f64>() / unit).collect()
    };
    let w: Vec<f64> = weights.values().iter().map(|w| *w as f64 / f64::from(WEIGHT_BITS as i32).exp2()).collect();
    let data = mean(gradients);
    let entries: Vec<f64> = data.iter().zip(&w).map(|(g, w)| g + lambda * w).collect();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();

    let link_error = link_error_units(layout.features(), layout.classes(), layout.intercept_scale());
    let largest = real(options.link.largest_epsilon(link_error), LAMBDA_BITS);
    let allowed = |lambda: f64, norm: f64| {
        (lambda * norm / DISTANCE_PARTS as f64 - real(link_error, LAMBDA_BITS)).clamp(0.0, largest)
    };
    let gradient = |link: Link| {
        if link == options.link {
            return Some(data.clone());
        }
        let of = |dataset: &&P| gradient(layout, link, weights, *dataset);
        datasets.iter().map(of).collect::<Result<Vec<_>, _>>().ok().map(|g| mean(&g))
    };
    let diagnosis = Model {
        schema,
        weights: &w,
        lambda,
        single: single_precision(datasets, options) * norm(&w),
        intercept_scale: layout.intercept_scale(),
        link: options.link,
        records: n,
        allowed: &allowed,
        gradient: &gradient,
    }
    .diagnose();
    let worst = (0..entries.len()).max_by(|a, b| entries[*a].abs().total_cmp(&entries[*b].abs())).unwrap_or(0);
    OptimumError::NotOptimal {
        gradient: norm(&entries),
        allowed: allowed(lambda, norm(&w)),
        feature: block_name(schema, worst / classes),
        class: class_name(schema, worst % classes),
        entry: entries[worst],
        diagnosis: Box::new(diagnosis),
    }
}
