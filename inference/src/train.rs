//! Trains a head on quantised records, to a precision that can be certified.
//!
//! The loss is strongly convex, so its optimum is unique and only the end point matters. Newton's method brings the
//! gradient close to rounding error; then the weights are rounded to integers with [`WEIGHT_BITS`] fractional bits. The
//! gradient that remains is the certificate's ε; [`crate::optimum::check`] measures it in exact integers.

mod cholesky;
mod newton;
mod objective;
mod part;
mod pieces;
mod round;

pub use cholesky::Cholesky;
pub use newton::lowers_enough;
pub use part::{part, product, Curvature, Part};
pub use pieces::{count, Pieces};
pub use round::in_sequence;

use std::sync::OnceLock;

use ndarray::Array2;
use thiserror::Error;
use tribute_core::head::{HeadError, Weights};
use tribute_core::layout::Task;
use tribute_core::link::Link;
use tribute_core::numbers::{
    largest_norm, link_error_units, real, smallest_lambda, COUNT_LIMIT_BITS, DISTANCE_PARTS, LAMBDA_BITS,
    LAMBDA_LIMIT_BITS, WEIGHT_BITS, WEIGHT_LIMIT,
};
use tribute_core::records::Records;
use tribute_core::schema::Schema;

use crate::names::{block_name, class_name};
use pieces::Chained;

/// The loss to minimise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossOptions {
    /// Link function, which also determines the loss.
    pub link: Link,
    /// Regularisation strength λ in units of 2^-44 (see [`tribute_core::head::lambda_units`]).
    pub lambda: u64,
    /// Intercept scale `s` of the layout: the bias feature is `2^s`, so a larger `s` penalises the bias less.
    pub intercept_scale: u32,
}

/// Progress of the training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Newton steps completed.
    pub step: usize,
    /// Current loss.
    pub loss: f64,
    /// Current 2-norm of the gradient.
    pub gradient: f64,
}

/// A trained head.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Integer weights for the schema's own feature count.
    pub weights: Weights,
    /// Loss at the real-valued minimum, before rounding.
    pub loss: f64,
    /// 2-norm of the gradient at the real-valued minimum, before rounding to integers.
    pub gradient: f64,
    /// Newton steps taken.
    pub steps: usize,
}

/// Why training is impossible or failed.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TrainError {
    /// No records, or more than a certificate can count.
    #[error("the datasets have {records} records in total: an agent can be trained on 1 to 2^{COUNT_LIMIT_BITS} - 1")]
    Records {
        /// Total number of records.
        records: usize,
    },
    /// A dataset's feature count differs from the schema's.
    #[error("dataset {dataset} has {got} features per record, but the schema has {expected}: all datasets of an agent follow one schema")]
    Width {
        /// Index of the dataset, from 0.
        dataset: usize,
        /// The schema's feature count.
        expected: usize,
        /// The dataset's feature count.
        got: usize,
    },
    /// A record's class is not in the schema.
    #[error("dataset {dataset}, record {record}: class {target}, but the schema has {classes} classes")]
    Target {
        /// Index of the dataset, from 0.
        dataset: usize,
        /// Index of the record, from 0.
        record: usize,
        /// Class number of the record.
        target: u16,
        /// The schema's class count.
        classes: usize,
    },
    /// A λ that no certificate can state.
    #[error("lambda = {lambda}·2^-44 is outside the provable range: 0 < lambda < 1")]
    Lambda {
        /// Units of 2^-44.
        lambda: u64,
    },
    /// A λ with which no model of this shape can be certified.
    #[error("lambda = {lambda:.2e} is too small to certify any model of {features} features and {classes} classes: the link tables' error alone would be more than one part in {DISTANCE_PARTS} of lambda times the norm, even of the largest weights allowed; lambda = {least:.2e} or more can be certified if the model's norm is large enough (`tribute schema show` shows how large)")]
    LambdaTooSmall {
        /// λ.
        lambda: f64,
        /// The smallest λ with which a model can be certified.
        least: f64,
        /// Feature count of the schema.
        features: usize,
        /// Class count of the schema.
        classes: usize,
    },
    /// Softmax over a single output.
    #[error("softmax over a single output is always 1: use squared or logistic for a real-valued target")]
    SoftmaxOfOne,
    /// Records that are not in memory cannot be read.
    #[error("{reason}")]
    Read {
        /// Why not.
        reason: String,
    },
    /// The minimisation did not converge.
    #[error(
        "no minimum after {steps} steps: the gradient's norm is still {gradient:.3e} (the limit is {wanted:.0e}); raise lambda"
    )]
    NotConverged {
        /// Newton steps taken.
        steps: usize,
        /// 2-norm of the gradient.
        gradient: f64,
        /// Largest 2-norm that would be accepted.
        wanted: f64,
    },
    /// A weight too large for the circuits.
    #[error(
        "the optimum's weight of {feature} for {class} is {value:.3}, but weights must stay below 32: raise lambda"
    )]
    Weight {
        /// Feature name, or the bias.
        feature: String,
        /// Class label.
        class: String,
        /// Real value.
        value: f64,
    },
    /// The weights are invalid.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Target norm of the gradient: far below the effect of rounding the weights, far above the error of `f64` sums.
const GRADIENT: f64 = 1e-14;
/// Largest norm of the gradient that is accepted when `f64` allows no further progress.
const ACCEPTED: f64 = 1e-11;
const LIMITS: newton::Limits = newton::Limits { gradient: GRADIENT, rounding: ACCEPTED, steps: 100, inner: 2_000 };

/// Trains one head on all `datasets` together. `progress` is called before the first step and after every step.
///
/// Datasets that are not in memory are read once for each gradient and each product with the second derivatives, a piece at a
/// time: some 100 times in all.
///
/// # Errors
/// [`TrainError`].
pub fn train<P: Pieces + ?Sized>(
    schema: &Schema,
    datasets: &[&P],
    options: &LossOptions,
    progress: impl FnMut(Progress),
) -> Result<Trained, TrainError> {
    fit(schema, datasets, options, Array2::zeros((schema.features().len() + 1, schema.classes())), progress)
}

/// The same from weights that may be near the optimum already, such as those of a model in single precision, or of one trained on
/// more datasets. [`crate::polish::moved`] tells how far that went.
///
/// # Errors
/// [`TrainError`].
///
/// # Panics
/// If the weights are of another shape than the schema: a caller's mistake.
pub fn polish<P: Pieces + ?Sized>(
    schema: &Schema,
    datasets: &[&P],
    options: &LossOptions,
    start: &Weights,
    progress: impl FnMut(Progress),
) -> Result<Trained, TrainError> {
    let unit = f64::from(WEIGHT_BITS as i32).exp2();
    let shape = (schema.features().len() + 1, schema.classes());
    let start = Array2::from_shape_fn(shape, |(block, class)| start.at(block, class) as f64 / unit);
    fit(schema, datasets, options, start, progress)
}

fn fit<P: Pieces + ?Sized>(
    schema: &Schema,
    datasets: &[&P],
    options: &LossOptions,
    start: Array2<f64>,
    mut progress: impl FnMut(Progress),
) -> Result<Trained, TrainError> {
    check_loss(schema, options)?;
    let joined = join(schema, datasets)?;
    let chained = Chained(datasets);
    let records: &dyn Pieces = match &joined {
        Some(joined) => joined,
        None => &chained,
    };
    let objective = objective::Objective {
        records,
        failed: OnceLock::new(),
        task: schema.task(),
        classes: schema.classes(),
        link: options.link,
        lambda: real(options.lambda, LAMBDA_BITS),
        bias: f64::from(1u32 << options.intercept_scale),
    };
    let minimum =
        newton::minimise(&objective, start, LIMITS, |step, loss, gradient| progress(Progress { step, loss, gradient }));
    if let Some(reason) = objective.failed.get() {
        return Err(TrainError::Read { reason: reason.clone() });
    }
    if minimum.gradient.is_nan() || minimum.gradient > ACCEPTED {
        let (steps, gradient) = (minimum.steps, minimum.gradient);
        return Err(TrainError::NotConverged { steps, gradient, wanted: ACCEPTED });
    }
    let integers = round::to_integers(&objective, &minimum.w, &minimum.curvature);
    if let Some(reason) = objective.failed.get() {
        return Err(TrainError::Read { reason: reason.clone() });
    }
    if let Some(((block, class), _)) = integers.indexed_iter().find(|(_, w)| w.abs() >= WEIGHT_LIMIT as f64) {
        return Err(TrainError::Weight {
            feature: block_name(schema, block),
            class: class_name(schema, class),
            value: minimum.w[[block, class]],
        });
    }
    let values = integers.iter().map(|w| *w as i64).collect();
    let weights =
        Weights::new(schema.features().len(), schema.classes(), values)?.with_intercept_scale(options.intercept_scale);
    Ok(Trained { weights, loss: minimum.loss, gradient: minimum.gradient, steps: minimum.steps })
}

/// Checks that the loss can be certified for agents of this schema.
///
/// # Errors
/// [`TrainError`].
pub fn check_loss(schema: &Schema, options: &LossOptions) -> Result<(), TrainError> {
    if options.lambda == 0 || options.lambda >> LAMBDA_LIMIT_BITS != 0 {
        return Err(TrainError::Lambda { lambda: options.lambda });
    }
    let (features, classes) = (schema.features().len(), schema.classes());
    let delta = link_error_units(features, classes, options.intercept_scale);
    let least = smallest_lambda(delta, largest_norm((features + 1) * classes));
    if options.lambda < least {
        let (lambda, least) = (real(options.lambda, LAMBDA_BITS), real(least, LAMBDA_BITS));
        return Err(TrainError::LambdaTooSmall { lambda, least, features, classes });
    }
    if options.link == Link::Softmax && schema.classes() < 2 {
        return Err(TrainError::SoftmaxOfOne);
    }
    Ok(())
}

/// All records in one table; `None` if some are not in memory.
fn join<P: Pieces + ?Sized>(schema: &Schema, datasets: &[&P]) -> Result<Option<Records>, TrainError> {
    let expected = schema.features().len();
    for (dataset, records) in datasets.iter().enumerate() {
        if records.width() != expected {
            return Err(TrainError::Width { dataset, expected, got: records.width() });
        }
    }
    let records = datasets.iter().map(|dataset| count(*dataset)).sum();
    if records == 0 || records >> COUNT_LIMIT_BITS != 0 {
        return Err(TrainError::Records { records });
    }
    let mut all = Records::new(expected);
    for (dataset, records) in datasets.iter().enumerate() {
        let Some(records) = records.whole() else { return Ok(None) };
        if schema.task() == Task::Classes {
            let classes = schema.classes();
            if let Some(record) = (0..records.len()).find(|i| usize::from(records.target(*i)) >= classes) {
                return Err(TrainError::Target { dataset, record, target: records.target(record), classes });
            }
        }
        all.extend(records);
    }
    Ok(Some(all))
}
