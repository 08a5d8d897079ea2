//! Heads of models trained elsewhere.
//!
//! A head is affine in its inputs, up to a known link. So the model is asked, by onnxruntime: one feature after another is
//! moved through its range, which gives the weights whatever operators they are written in, and then the map that was found is held
//! against the model at thousands of points, on the records' grid and off it, beyond the ranges, at their corners, around the
//! records. What differs by more than rounding is refused with the input at which it does; operators are looked at only to say
//! what kind of model that is. Probabilities are read through the inverse of their link, plain logits are preferred.
//!
//! The points are drawn from the file's own digest: on one machine the same file gives the same weights, or the same refusal,
//! every time.
//! Drawing them afresh would let nobody be caught who could not be caught already: a certificate states the weights, so a
//! model that hides a kink from these points deceives its own owner only.
//!
//! An imported head answers as the model did; it is certified only if it is also the optimum of the stated loss over the
//! quantised records, which [`crate::optimum::check`] decides.

mod fit;
mod head;
mod kind;
mod outputs;
mod points;
mod probe;
mod reading;

use ndarray::{concatenate, Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tribute_core::head::{HeadError, Weights};
use tribute_core::link::Link;
use tribute_core::numbers::{WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};

use crate::agent::Agent;
use crate::names::{block_name, class_name};
use crate::onnx::{self, OnnxError};
use crate::runtime::{Runtime, RuntimeError};
use head::Head;
use probe::Probe;

pub use kind::Culprit;

/// What the model's input stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputScale {
    /// The features in the schema's own units.
    Raw,
    /// Quantised features as the circuits see them, `q/256`.
    Quantised,
}

/// A head found in a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Integer weights for the schema's own feature count.
    pub weights: Weights,
    /// Name of the output that it was read from; empty for a canonical agent.
    pub output: String,
    /// Largest difference between that output and the head before rounding to integers, in the output's own unit.
    pub residual: f64,
}

/// A model that cannot be imported, and what to do about it.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Not an ONNX file, or values kept in another file.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// onnxruntime is not there, or refuses the model.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No input that takes the schema's features.
    #[error("the model's inputs are {found}: expected one of shape [batch, {features}], or one for each feature by its name")]
    Input {
        /// What it has.
        found: String,
        /// The schema's feature count.
        features: usize,
    },
    /// One input for each column, but with another name.
    #[error("the model's input `{input}` is not the name of a feature of the schema: export the model with the schema's column names, or with one input for all columns")]
    Column {
        /// Its name.
        input: String,
    },
    /// An input that takes no real numbers.
    #[error("the model's input `{input}` takes {found}: features are real numbers. Export it with float inputs (skl2onnx: pass a sample of numpy.float32)")]
    InputType {
        /// Its name.
        input: String,
        /// Its element type.
        found: String,
    },
    /// Not affine, even after undoing the link.
    #[error(transparent)]
    NotAffine(Box<NotAffine>),
    /// Two outputs that do not follow from each other.
    #[error("outputs `{first}` and `{second}` contradict each other at {at}: export the one that the agent is to answer with")]
    Disagree {
        /// An output.
        first: String,
        /// Another.
        second: String,
        /// Input at which it shows.
        at: String,
    },
    /// No scores.
    #[error("the model's outputs ({outputs}) hold no scores: export the probabilities or the decision function beside the labels")]
    NoScores {
        /// The outputs' names.
        outputs: String,
    },
    /// One number for many classes.
    #[error("output `{output}` is one number, as of a regression; the schema has {classes} classes. Train a classifier, or register the records with a real-valued target")]
    Regression {
        /// The output.
        output: String,
        /// The schema's class count.
        classes: usize,
    },
    /// Another number of scores than the schema has classes.
    #[error("output `{output}` has {got} columns, the schema {expected} classes")]
    Classes {
        /// The output.
        output: String,
        /// The schema's count.
        expected: usize,
        /// The model's.
        got: usize,
    },
    /// Class labels that are not the schema's, or that contradict the scores.
    #[error("output `{output}` has the classes {model} in the order of its columns, the schema {schema}")]
    Labels {
        /// The output.
        output: String,
        /// The model's labels, joined.
        model: String,
        /// The schema's labels, joined.
        schema: String,
    },
    /// No labels in the model, and no order that would be understood.
    #[error("the model does not say which column is which class, and the schema's classes ({classes}) are not in ascending order: export it with its class labels")]
    Order {
        /// The schema's labels, joined.
        classes: String,
    },
    /// Another loss than the terms'.
    #[error("output `{output}` shows the {got} link, the terms say {expected}")]
    Link {
        /// The output.
        output: String,
        /// The terms' link.
        expected: &'static str,
        /// The model's.
        got: &'static str,
    },
    /// A weight too large for the circuits.
    #[error("the weight of {feature} for {class} is {value:.3}, but weights must stay below 32: train with more regularisation, or on features scaled to [0, 1]")]
    Weight {
        /// Feature name, or the bias.
        feature: String,
        /// Class name.
        class: String,
        /// Real value.
        value: f64,
    },
    /// Core refuses the weights.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Where a model is not affine.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("output `{output}` ({reading}) is not affine in the model's input: at {at} column {column} is {got:.6}, {}{}", self.expectation(), self.cause())]
pub struct NotAffine {
    /// The output.
    pub output: String,
    /// What its values were taken for.
    pub reading: &'static str,
    /// Input at which it shows, in the units of the model's input.
    pub at: String,
    /// Column of the output, from 0.
    pub column: usize,
    /// What the model gives there.
    pub got: f64,
    /// What the affine map gives there; NaN where none could be fitted.
    pub expected: f64,
    /// What the graph's operators say about it.
    pub culprit: Option<Culprit>,
}

impl NotAffine {
    fn expectation(&self) -> String {
        if self.expected.is_finite() {
            format!("and {:.6} if it were", self.expected)
        } else {
            "and its logits are beyond all bounds; does it take its input in other units than the schema's?".into()
        }
    }

    fn cause(&self) -> String {
        self.culprit.as_ref().map(|c| format!(". {} makes it {}", c.node, c.kind)).unwrap_or_default()
    }
}

/// Reads the head of an ONNX model for records of `schema`, as a head with `link`. A canonical agent is taken as it is.
///
/// The model is asked around `datasets` too; none are needed. `intercept_scale` is the layout's: the bias becomes the weight
/// of a feature `2^s`.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    bytes: &[u8],
    schema: &Schema,
    scale: InputScale,
    link: Link,
    intercept_scale: u32,
    datasets: &[&Records],
) -> Result<Imported, ImportError> {
    if let Ok(agent) = Agent::from_bytes(bytes) {
        let (features, classes) = (agent.weights.features(), agent.weights.classes());
        if features != schema.features().len() {
            let found = format!("{features} features");
            return Err(ImportError::Input { found, features: schema.features().len() });
        }
        if classes != schema.classes() {
            let output = "logits".into();
            return Err(ImportError::Classes { output, expected: schema.classes(), got: classes });
        }
        return Ok(Imported { weights: agent.weights, output: String::new(), residual: 0.0 });
    }
    let (_, graph) = onnx::decode(bytes)?;
    let runtime = Runtime::locate_and_init(None)?;
    let mut probe = Probe::new(&runtime, bytes, schema, scale)?;
    let mut rng = ChaCha20Rng::from_seed(Sha256::digest(bytes).into());
    let head = head::find(&mut probe, &graph, schema, link, datasets, &mut rng)?;
    let weights = to_weights(with_link(&head, schema, link)?, schema, intercept_scale)?;
    Ok(Imported { weights, output: head.output, residual: head.residual })
}

/// The head's weights `[d + 1][c]`, bias first, for a loss with `link`.
fn with_link(head: &Head, schema: &Schema, link: Link) -> Result<Array2<f64>, ImportError> {
    let weights = &head.weights;
    // of two classes, a softmax and the logistic function of the difference are the same model
    let found = head.link.or(head.mirrored.then_some(Link::Logistic));
    let differ = || {
        let difference = weights.column(1).to_owned() - weights.column(0);
        let column = difference.insert_axis(Axis(1));
        concatenate![Axis(1), -&column, column]
    };
    match found {
        Some(Link::Logistic) if head.mirrored && link == Link::Squared => {
            Err(ImportError::Classes { output: head.output.clone(), expected: 2, got: 1 })
        }
        Some(Link::Softmax) if weights.ncols() == 2 && link == Link::Logistic => Ok(differ()),
        Some(Link::Logistic) if link == Link::Softmax && is_mirrored(weights, head.unit) => Ok(differ() * 0.25),
        Some(found) if found != link => {
            Err(ImportError::Link { output: head.output.clone(), expected: link.name(), got: found.name() })
        }
        _ => Ok(match (schema.target(), link) {
            // the circuits' target is (y − lo)/(hi − lo)·65535/65536
            (Target::Real { lo, hi }, Link::Squared) => {
                let mut shifted = weights.clone();
                shifted.row_mut(0).mapv_inplace(|b| b - lo);
                shifted * (65_535.0 / 65_536.0 / (hi - lo))
            }
            _ => weights.clone(),
        }),
    }
}

/// Whether the second of two columns is minus the first, to the precision that floats of `unit` leave.
fn is_mirrored(weights: &Array2<f64>, unit: f64) -> bool {
    let largest = weights.iter().fold(0.0f64, |max, w| max.max(w.abs()));
    weights.ncols() == 2 && weights.rows().into_iter().all(|w| (w[0] + w[1]).abs() <= 256.0 * unit * largest)
}

fn to_weights(mut real: Array2<f64>, schema: &Schema, intercept_scale: u32) -> Result<Weights, ImportError> {
    real.row_mut(0).mapv_inplace(|b| b / f64::from(1u32 << intercept_scale));
    let scaled = &real * f64::from(WEIGHT_BITS as i32).exp2();
    let rounded = scaled.mapv(f64::round_ties_even);
    // NaN is no weight either
    if let Some(((block, class), _)) =
        rounded.indexed_iter().find(|(_, w)| w.is_nan() || w.abs() >= WEIGHT_LIMIT as f64)
    {
        return Err(ImportError::Weight {
            feature: block_name(schema, block),
            class: class_name(schema, class),
            value: real[[block, class]],
        });
    }
    let values = rounded.iter().map(|w| *w as i64).collect();
    let weights = Weights::new(schema.features().len(), schema.classes(), values)?;
    Ok(weights.with_intercept_scale(intercept_scale))
}
