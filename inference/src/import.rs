//! Imports heads of models trained elsewhere.
//!
//! A head is affine in its inputs, up to a known link. It is recovered by evaluating the model in onnxruntime: moving
//! one feature at a time through its range gives the weights, whatever operators the model uses, and points where all
//! features differ make them exact. The affine map found is then compared with the model at thousands of points: on and
//! off the records' grid, beyond the ranges, at their corners and around the records. A difference larger than rounding
//! explains is refused, with the input at which it occurs; operators are inspected only to say what kind of model it
//! is. Probabilities are read through the inverse of their link; raw logits are preferred.
//!
//! The points are derived from the file's digest, so on one machine the same file always gives the same weights, or the
//! same refusal. Fresh randomness would not catch more cheating: a certificate states the weights, so a model that
//! hides a kink from these points deceives only its own owner.
//!
//! An imported head answers as the model did; it is certified only if it is also the optimum of the stated loss over the
//! quantised records, which [`crate::optimum::check`] decides.

mod fit;
mod head;
mod inline;
mod kind;
mod outputs;
mod points;
mod probe;
mod reading;
mod unzip;
mod values;

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
pub use points::AROUND;

/// Units of the model's input.
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
    /// Integer weights for the schema's number of features.
    pub weights: Weights,
    /// Name of the output it was recovered from; empty for a canonical agent.
    pub output: String,
    /// Largest difference between that output and the head before rounding to integers, in units of the output.
    pub residual: f64,
}

/// Why a model cannot be imported, and what to do about it.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file is not ONNX, or keeps its tensors in another file.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// onnxruntime is missing, or refuses the model.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The model has no input that takes the schema's features.
    #[error("the model's inputs are {found}: expected one of shape [batch, {features}], or one for each feature by its name{encoded}")]
    Input {
        /// The inputs it has.
        found: String,
        /// Number of features in the schema.
        features: usize,
        /// What to export if the schema's features encode categories; empty if they do not.
        encoded: String,
    },
    /// A canonical agent of another schema, whose weights are for features scaled by that schema's ranges.
    #[error("the file is an agent of schema {made}, the records have schema {wanted}: import it over records of its own schema, or, if the features are the same in the same ranges, with `--quantised-features`")]
    Schema {
        /// Id of the schema that the agent was made for.
        made: String,
        /// Id of the records' schema.
        wanted: String,
    },
    /// The model has one input per column, but one is not named after a feature of the schema.
    #[error("the model's input `{input}` is not the name of a feature of the schema: export the model with the schema's column names, or with one input for all columns")]
    Column {
        /// Name of the input.
        input: String,
    },
    /// An input does not take real numbers.
    #[error("the model's input `{input}` takes {found}: features are real numbers. Export it with float inputs (skl2onnx: pass a sample of numpy.float32)")]
    InputType {
        /// Name of the input.
        input: String,
        /// Its element type.
        found: String,
    },
    /// The model is not affine, even after inverting the link.
    #[error(transparent)]
    NotAffine(Box<NotAffine>),
    /// Two outputs contradict each other.
    #[error("outputs `{first}` and `{second}` contradict each other at {at}: export the one that the agent is to answer with")]
    Disagree {
        /// Name of one output.
        first: String,
        /// Name of the other output.
        second: String,
        /// Input at which they contradict each other.
        at: String,
    },
    /// Two outputs of one column each, for two classes, are affine both as forms of one logit and as a column for each class.
    #[error("outputs `{outputs}` may be two forms of one logit, or a column for each class: export one output")]
    Twofold {
        /// Names of the outputs.
        outputs: String,
    },
    /// No output has a score for each class.
    #[error("the model's outputs ({outputs}) hold no scores of the classes: export the probabilities or the decision function, of all classes, beside the labels")]
    NoScores {
        /// Names of the outputs.
        outputs: String,
    },
    /// The only numbers are 0 and 1: labels, or probabilities that are certain everywhere.
    #[error("output `{output}` is 0 or 1 everywhere. If that is a probability, its logits are beyond all bounds: does the model take its input in other units than the schema's? If it is a label, export the probabilities or the decision function beside it")]
    Extreme {
        /// The output.
        output: String,
    },
    /// An output is a single number, but the schema has several classes.
    #[error("output `{output}` is one number, as of a regression; the schema has {classes} classes. Train a classifier, or register the records with a real-valued target")]
    Regression {
        /// The output.
        output: String,
        /// Number of classes in the schema.
        classes: usize,
    },
    /// The number of scores differs from the schema's number of classes.
    #[error("output `{output}` has {got} columns, the schema {}", if *expected == 1 { "one real target".into() } else { format!("{expected} classes") })]
    Classes {
        /// The output.
        output: String,
        /// Number of classes in the schema.
        expected: usize,
        /// Number of columns in the output.
        got: usize,
    },
    /// The squared link takes a score for each class, and the model has one for two.
    #[error("output `{output}` is one score for two classes, and the squared link takes one for each: import it with the logistic link (`--link logistic`, in Python link=\"logistic\"), or train a model with the squared link here (`tribute agent train --link squared`)")]
    OneScore {
        /// The output.
        output: String,
    },
    /// The model's class labels differ from the schema's, or contradict the scores.
    #[error("output `{output}` has the classes {model} in the order of its columns, the schema {schema}")]
    Labels {
        /// The output.
        output: String,
        /// The model's labels, joined.
        model: String,
        /// The schema's labels, joined.
        schema: String,
    },
    /// The model gives labels, but not of all columns, and what it gives does not tell the others.
    #[error("output `{output}` has the classes {model} in the order of its columns, which leaves open where the schema's {schema} are: export it with its class labels (skl2onnx: with another option than zipmap=\"columns\")")]
    Unheard {
        /// The output.
        output: String,
        /// The labels where each column is the largest, joined.
        model: String,
        /// The schema's labels, joined.
        schema: String,
    },
    /// The model has no class labels, and the schema's classes are not in ascending order.
    #[error("the model does not say which column is which class, and the schema's classes ({classes}) are not in ascending order: export it with its class labels")]
    Order {
        /// The schema's labels, joined.
        classes: String,
    },
    /// The model has a different link than the terms.
    #[error("output `{output}` shows the {got} link, the terms say {expected}")]
    Link {
        /// The output.
        output: String,
        /// Link in the terms.
        expected: &'static str,
        /// Link of the model.
        got: &'static str,
    },
    /// A weight is too large for the circuits.
    #[error("the weight of {feature} for {class} is {value:.3}, but weights must stay below 32: train with more regularisation, or on features scaled to [0, 1]")]
    Weight {
        /// Name of the feature, or the bias.
        feature: String,
        /// Name of the class.
        class: String,
        /// The weight as a real number.
        value: f64,
    },
    /// `tribute-core` refuses the weights.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Evidence that a model is not affine.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("output `{output}` ({reading}) is not affine in the model's input: at {at} column {column} is {got:.6}, {}{}", self.expectation(), self.cause())]
pub struct NotAffine {
    /// The output.
    pub output: String,
    /// How its values were interpreted.
    pub reading: &'static str,
    /// Input at which it is not affine, in units of the model's input.
    pub at: String,
    /// Column of the output, counted from 0.
    pub column: usize,
    /// Value of the model at that input.
    pub got: f64,
    /// Value of the affine map at that input; NaN if none could be fitted.
    pub expected: f64,
    /// Whether the two are so close that rounding may be why they differ.
    pub close: bool,
    /// The operator that makes the model non-affine, if one was identified.
    pub culprit: Option<Culprit>,
}

impl NotAffine {
    fn expectation(&self) -> String {
        if !self.got.is_finite() {
            "which is no finite number".into()
        } else if self.expected.is_finite() {
            format!("and {:.6} if it were", self.expected)
        } else {
            "and its logits are beyond all bounds, as if it took its input in other units than the schema's".into()
        }
    }

    fn cause(&self) -> String {
        match &self.culprit {
            Some(c) => format!(": {} makes it {}", c.node, c.kind),
            None if !self.got.is_finite() => {
                ": the model has weights that are infinite or no numbers, or a value on the way is too large for its floats. Look for \
                 such weights, or export the logits"
                    .into()
            }
            None if self.expected.is_finite() => {
                let rounding = if self.close { ", so it may be rounding" } else { "" };
                format!(
                    ". No operator explains that{rounding}: export the logits, in double precision, and after `model.eval()`; if the \
                     model is steep, train with more regularisation, or on features scaled to [0, 1]"
                )
            }
            None => String::new(),
        }
    }
}

/// Recovers the head of an ONNX model for records of `schema` and a loss with `link`. A canonical agent of this schema is
/// returned unchanged; of another one only as a model of quantised features.
///
/// The model is also evaluated around the records of `datasets`, which may be empty. `intercept_scale` is the layout's
/// `s`: the bias becomes the weight of a feature `2^s`.
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
            return Err(ImportError::Input { found, features: schema.features().len(), encoded: String::new() });
        }
        if classes != schema.classes() {
            let output = "logits".into();
            return Err(ImportError::Classes { output, expected: schema.classes(), got: classes });
        }
        let (made, wanted) = (format!("0x{}", agent.schema), schema.id().to_string());
        if scale == InputScale::Raw && made != wanted {
            return Err(ImportError::Schema { made, wanted });
        }
        return Ok(Imported { weights: agent.weights, output: String::new(), residual: 0.0 });
    }
    let (model, graph) = onnx::decode(bytes)?;
    let runtime = Runtime::locate_and_init(None)?;
    let mut probe = match Probe::new(&runtime, bytes, schema, scale) {
        Err(refused @ ImportError::Runtime(RuntimeError::Model(_))) => match unzip::unzipped(bytes, &graph)? {
            Some(model) => Probe::new(&runtime, &model, schema, scale)?,
            None => return Err(refused),
        },
        other => other?,
    };
    let graph = inline::inlined(graph, &model.functions);
    let mut rng = ChaCha20Rng::from_seed(Sha256::digest(bytes).into());
    let head = head::find(&mut probe, &graph, schema, link, datasets, &mut rng)?;
    let weights = to_weights(with_link(&head, schema, link)?, schema, intercept_scale)?;
    Ok(Imported { weights, output: head.output, residual: head.residual })
}

/// Converts the head's weights, `[d + 1][c]` with the bias first, for a loss with `link`.
fn with_link(head: &Head, schema: &Schema, link: Link) -> Result<Array2<f64>, ImportError> {
    let weights = &head.weights;
    // for two classes, a softmax and the logistic function of the difference are the same model
    let found = head.link.or(head.mirrored.then_some(Link::Logistic));
    let differ = || {
        let difference = weights.column(1).to_owned() - weights.column(0);
        let column = difference.insert_axis(Axis(1));
        concatenate![Axis(1), -&column, column]
    };
    match found {
        Some(Link::Logistic) if head.mirrored && link == Link::Squared => {
            Err(ImportError::OneScore { output: head.output.clone() })
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

/// Whether the second of two columns is the negative of the first, to the precision of floats with rounding unit
/// `unit`.
fn is_mirrored(weights: &Array2<f64>, unit: f64) -> bool {
    let largest = weights.iter().fold(0.0f64, |max, w| max.max(w.abs()));
    weights.ncols() == 2 && weights.rows().into_iter().all(|w| (w[0] + w[1]).abs() <= 256.0 * unit * largest)
}

fn to_weights(mut real: Array2<f64>, schema: &Schema, intercept_scale: u32) -> Result<Weights, ImportError> {
    real.row_mut(0).mapv_inplace(|b| b / f64::from(1u32 << intercept_scale));
    let scaled = &real * f64::from(WEIGHT_BITS as i32).exp2();
    let rounded = scaled.mapv(f64::round_ties_even);
    // NaN fails the comparison too, so it is checked separately
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
