//! Heads of models trained elsewhere.
//!
//! A graph is followed from its one input: as long as nodes are affine (`Scaler`, `Mul`, `Add`, `MatMul`, `Gemm`, `Flatten`, …)
//! they are multiplied together, and the dense layer before the link function (`LinearClassifier`, `Softmax`, `Sigmoid`, or the
//! graph's end) is the head. It is then rewritten for quantised features, `x = lo + q/255·(hi − lo)`, and rounded to
//! [`WEIGHT_BITS`] fractional bits. Anything else in the way is refused by name.
//!
//! An imported head answers as the model did; it is certified only if it is also the optimum of the stated loss over the
//! quantised records, which [`crate::optimum::check`] decides.

mod affine;
mod walk;

use ndarray::{Array1, Array2, Axis};
use thiserror::Error;
use tribute_core::head::{HeadError, Weights};
use tribute_core::link::Link;
use tribute_core::numbers::{WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::schema::{Schema, Target};

use crate::agent::Agent;
use crate::names::{block_name, class_name};
use crate::onnx::{self, OnnxError};
use affine::Affine;

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
    /// The model's link function; `None` when it ends in plain logits and the caller has to say.
    pub link: Option<Link>,
    /// Name of the node that the head was found in; empty for a canonical agent.
    pub node: String,
}

/// A model that cannot be imported, and which node stands in the way.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ImportError {
    /// Not an ONNX file, or a broken tensor in it.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// Not one input of shape `[batch, features]`.
    #[error("the model's inputs are {found}: expected one float input of shape [batch, {features}]")]
    Input {
        /// What it has.
        found: String,
        /// The schema's feature count.
        features: usize,
    },
    /// A node that is not affine before the head.
    #[error("{node}: {op} is not part of a dense layer, so what follows it is no head over the model's input. Use the model up to here as the extractor, and import a model of the remaining layer")]
    NotAffine {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// A node of a known kind in a form that is not supported.
    #[error("{node}: {reason}")]
    Unsupported {
        /// The node.
        node: String,
        /// What about it.
        reason: String,
    },
    /// No dense layer.
    #[error("the model has no dense layer that ends in its outputs: nothing to import")]
    NoHead,
    /// More than one.
    #[error("the model has {} heads ({}): an agent has one dense layer for all classes. For scikit-learn's OneVsRestClassifier train a LogisticRegression instead", nodes.len(), nodes.join(", "))]
    ManyHeads {
        /// Their nodes.
        nodes: Vec<String>,
    },
    /// Another number of outputs than the schema has classes.
    #[error("{node} has {got} outputs, the schema {expected} classes")]
    Classes {
        /// The node.
        node: String,
        /// The schema's count.
        expected: usize,
        /// The model's.
        got: usize,
    },
    /// A class label that the other side does not have.
    #[error("{node} has the classes {model}, the schema {schema}")]
    Labels {
        /// The node.
        node: String,
        /// The model's labels, joined.
        model: String,
        /// The schema's labels, joined.
        schema: String,
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

/// Reads the head of an ONNX model for records of `schema`. A canonical agent is taken as it is.
///
/// # Errors
/// [`ImportError`].
pub fn import(bytes: &[u8], schema: &Schema, scale: InputScale) -> Result<Imported, ImportError> {
    if let Ok(agent) = Agent::from_bytes(bytes) {
        let (features, classes) = (agent.weights.features(), agent.weights.classes());
        if features != schema.features().len() {
            let found = format!("{features} features");
            return Err(ImportError::Input { found, features: schema.features().len() });
        }
        if classes != schema.classes() {
            let node = "the canonical agent".into();
            return Err(ImportError::Classes { node, expected: schema.classes(), got: classes });
        }
        return Ok(Imported { weights: agent.weights, link: None, node: String::new() });
    }
    let (_, graph) = onnx::decode(bytes)?;
    let found = walk::find_head(&graph, schema.features().len())?;
    let outputs = in_class_order(found.map, &found.labels, &found.node, schema)?;
    let real = on_circuit_features(outputs, schema, scale);
    let weights = to_weights(&real, schema)?;
    Ok(Imported { weights, link: found.link, node: found.node })
}

/// The map with one output per class, in the schema's order.
fn in_class_order(map: Affine, labels: &[String], node: &str, schema: &Schema) -> Result<Affine, ImportError> {
    let expected = schema.classes();
    let map = match schema.target() {
        // one logit for the second of two classes
        Target::Classes(_) if expected == 2 && map.outputs() == 1 => map.then_matrix(&ndarray::arr2(&[[-1.0, 1.0]])),
        Target::Classes(_) => map,
        // the circuits' target is (y − lo)/(hi − lo)·65535/65536
        Target::Real { lo, hi } => {
            let unit = 65_535.0 / 65_536.0 / (hi - lo);
            map.then_shift(&Array1::from_elem(map.outputs(), -lo)).then_scale(&Array1::from_elem(map.outputs(), unit))
        }
    };
    if map.outputs() != expected {
        return Err(ImportError::Classes { node: node.into(), expected, got: map.outputs() });
    }
    let Target::Classes(known) = schema.target() else { return Ok(map) };
    if labels.is_empty() {
        return Ok(map);
    }
    let same = |a: &str, b: &str| a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
    let order: Option<Vec<usize>> = known.iter().map(|label| labels.iter().position(|l| same(l, label))).collect();
    match order {
        Some(order) if labels.len() == known.len() => Ok(map.select(&order)),
        _ => Err(ImportError::Labels { node: node.into(), model: labels.join(", "), schema: known.join(", ") }),
    }
}

/// Weights `[d + 1][c]`, bias first, for features `f = q/256`; raw features are `lo + f·(hi − lo)·256/255`.
fn on_circuit_features(map: Affine, schema: &Schema, scale: InputScale) -> Array2<f64> {
    let map = match scale {
        InputScale::Quantised => map,
        InputScale::Raw => {
            let lo = schema.features().iter().map(|f| f.lo).collect();
            let range = schema.features().iter().map(|f| (f.hi - f.lo) * 256.0 / 255.0).collect();
            Affine::scaling(&range, lo).then(&map)
        }
    };
    let mut weights = Array2::zeros((map.inputs() + 1, map.outputs()));
    weights.row_mut(0).assign(&map.bias);
    for (mut row, w) in weights.axis_iter_mut(Axis(0)).skip(1).zip(map.matrix.rows()) {
        row.assign(&w);
    }
    weights
}

fn to_weights(real: &Array2<f64>, schema: &Schema) -> Result<Weights, ImportError> {
    let scaled = real * f64::from(1u32 << WEIGHT_BITS);
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
    Ok(Weights::new(schema.features().len(), schema.classes(), values)?)
}
