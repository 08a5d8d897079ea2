//! The part of a network before its last dense layer, to be used as an extractor.
//!
//! A network with hidden layers, or a linear model over a kernel map, has no head that can be proven as it is. Its last dense layer
//! has, once it is refitted on the features that this part computes; the certificate says that the part's own training is not
//! proven. The Python client's `tribute.split` writes the same bytes.

use std::collections::HashSet;

use prost::Message as _;
use thiserror::Error;

use crate::external::{append, fields};
use crate::onnx::{attribute, decode, node_name, GraphProto, NodeProto, OnnxError, TensorProto};
use crate::onnx::{DataType, TensorType, TypeProto, TypeValue, ValueInfoProto};
use crate::steady::{self, Unsteady};

/// Operators that may follow the last dense layer.
const AFTER: [&str; 17] = [
    "Add",
    "ArgMax",
    "ArrayFeatureExtractor",
    "Cast",
    "Concat",
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "LogSoftmax",
    "Normalizer",
    "QuantizeLinear",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Squeeze",
    "Sub",
    "ZipMap",
];
/// Operators that only scale or arrange the inputs. A model with nothing else before its dense layer can be imported itself.
const PLAIN: [&str; 12] = [
    "Add",
    "BatchNormalization",
    "Cast",
    "Concat",
    "Div",
    "Flatten",
    "Identity",
    "Mul",
    "Reshape",
    "Scaler",
    "Squeeze",
    "Sub",
];

/// A model without its last dense layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The ONNX file. Equal models give equal files.
    pub model: Vec<u8>,
    /// Name of the layer that was cut off.
    pub layer: String,
}

/// Why a model cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// Not ONNX.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// Its features for a record would not always be the same.
    #[error(transparent)]
    Unsteady(#[from] Unsteady),
    /// The features would not be `f32`, as those of every extractor are.
    #[error("layer `{layer}` takes {found}, but an extractor's features are float32: export the network in float32")]
    Precision {
        /// The last dense layer.
        layer: String,
        /// The element type of its input.
        found: &'static str,
    },
    /// Its first output does not come from a dense layer.
    #[error("node `{node}` ({operator}) follows no dense layer that ends the model: export it with the logits as its first output")]
    NoLayer {
        /// The node that is in the way.
        node: String,
        /// Its operator.
        operator: String,
    },
    /// Nothing but a scaling or an arrangement of the inputs precedes the dense layer.
    #[error("no layers precede the last dense one: import the model itself (`tribute agent import`)")]
    NoBody,
}

/// Numbers of a model's and a graph's fields.
mod number {
    pub(super) const GRAPH: u32 = 7;
    pub(super) const NODE: u32 = 1;
    pub(super) const INITIALIZER: u32 = 5;
    pub(super) const OUTPUT: u32 = 12;
    pub(super) const VALUE_INFO: u32 = 13;
}

/// Cuts a model off at its last dense layer: a `Gemm` or `MatMul` whose weights do not depend on the input, a `LinearClassifier`
/// or a `LinearRegressor`.
///
/// # Errors
/// [`SplitError`].
pub fn split(model: &[u8]) -> Result<Body, SplitError> {
    let (described, graph) = decode(model)?;
    steady::check(&described, &graph)?;
    let constants = constants(&graph);
    let layer = last_layer(&graph, &constants)?;
    let features = layer.input.first().map_or("", String::as_str);
    let mut wanted = HashSet::from([features]);
    let mut plain = true;
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| wanted.contains(o.as_str())) {
            wanted.extend(node.input.iter().map(String::as_str));
            plain &= is_plain(node, &constants);
        }
    }
    if plain {
        return Err(SplitError::NoBody);
    }
    let layer_name = node_name(layer).to_owned();
    match element(&graph, layer) {
        Some(found) => Err(SplitError::Precision { layer: layer_name, found }),
        None => Ok(Body { model: cut(model, features, &wanted)?, layer: layer_name }),
    }
}

/// The tensors that do not depend on the input.
fn constants(graph: &GraphProto) -> HashSet<&str> {
    let mut known: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    for node in &graph.node {
        let fixed = if node.input.is_empty() {
            node.op_type == "Constant"
        } else {
            node.input.iter().all(|i| i.is_empty() || known.contains(i.as_str()))
        };
        if fixed {
            known.extend(node.output.iter().map(String::as_str));
        }
    }
    known
}

/// The inputs of a node that depend on the model's input.
fn varying<'n>(node: &'n NodeProto, constants: &HashSet<&str>) -> Vec<&'n str> {
    node.input.iter().map(String::as_str).filter(|i| !i.is_empty() && !constants.contains(i)).collect()
}

/// The one dense layer that the first output depends on through operators of [`AFTER`] only.
fn last_layer<'g>(graph: &'g GraphProto, constants: &HashSet<&str>) -> Result<&'g NodeProto, SplitError> {
    // tensors between the output and the nodes not looked at yet
    let mut open = HashSet::from([graph.output.first().map_or("", |o| o.name.as_str())]);
    for node in graph.node.iter().rev() {
        if !node.output.iter().any(|o| open.contains(o.as_str())) {
            continue;
        }
        for output in &node.output {
            open.remove(output.as_str());
        }
        if open.is_empty() && is_dense(node, constants) {
            return Ok(node);
        }
        if !AFTER.contains(&node.op_type.as_str()) {
            return Err(SplitError::NoLayer { node: node_name(node).into(), operator: node.op_type.clone() });
        }
        open.extend(varying(node, constants));
    }
    Err(SplitError::NoBody)
}

fn is_dense(node: &NodeProto, constants: &HashSet<&str>) -> bool {
    match node.op_type.as_str() {
        "Gemm" | "MatMul" => node.input.get(1).is_some_and(|w| constants.contains(w.as_str())),
        "LinearClassifier" | "LinearRegressor" => true,
        _ => false,
    }
}

fn is_plain(node: &NodeProto, constants: &HashSet<&str>) -> bool {
    match varying(node, constants).len() {
        0 => true,
        1 => PLAIN.contains(&node.op_type.as_str()),
        _ => node.op_type == "Concat",
    }
}

/// The floats that a dense layer takes, if they are others than `f32`.
fn element(graph: &GraphProto, layer: &NodeProto) -> Option<&'static str> {
    // weights are of the type of the features, unless the operator takes its own as attributes
    let mut name = layer.input.get(1).or(layer.input.first())?;
    // no path is longer than the graph
    for _ in 0..=graph.node.len() {
        let kept = graph.initializer.iter().find(|t| t.name == *name).map(|t| t.data_type);
        let taken = || {
            let input = graph.input.iter().find(|i| i.name == *name)?;
            let TypeValue::TensorType(tensor) = input.r#type.as_ref()?.value.as_ref()?;
            Some(tensor.elem_type)
        };
        if let Some(element) = kept.or_else(taken) {
            return other_floats(element);
        }
        let node = graph.node.iter().find(|n| n.output.contains(name))?;
        name = match node.op_type.as_str() {
            "Cast" => return other_floats(i32::try_from(attribute(node, "to")?).ok()?),
            "Constant" => return other_floats(node.attribute.iter().find_map(|a| a.t.as_ref())?.data_type),
            "ArrayFeatureExtractor" | "Binarizer" | "Imputer" => node.input.first()?,
            _ if node.domain == "ai.onnx.ml" => return None,
            "CastLike" | "DequantizeLinear" | "Where" => node.input.get(1)?,
            _ => node.input.iter().find(|i| !i.is_empty())?,
        };
    }
    None
}

fn other_floats(element: i32) -> Option<&'static str> {
    match DataType::try_from(element).ok()? {
        DataType::Double => Some("float64"),
        DataType::Float16 => Some("float16"),
        DataType::Bfloat16 => Some("bfloat16"),
        _ => None,
    }
}

/// The model with only the nodes and constants of `wanted`, and `features` as its one output. All that is kept stays as it is.
fn cut(model: &[u8], features: &str, wanted: &HashSet<&str>) -> Result<Vec<u8>, SplitError> {
    let format = |e: prost::DecodeError| OnnxError::Format { reason: e.to_string() };
    let mut made = Vec::with_capacity(model.len());
    for field in fields(model)? {
        let Some(graph) = field.value.filter(|_| field.number == number::GRAPH) else {
            made.extend_from_slice(field.whole);
            continue;
        };
        let (mut kept, mut written) = (Vec::with_capacity(graph.len()), false);
        for part in fields(graph)? {
            let value = part.value.unwrap_or_default();
            // in the order of the fields' numbers, as everybody writes them
            if part.number >= number::OUTPUT && !written {
                append(&mut kept, number::OUTPUT, &output(features));
                written = true;
            }
            let keep = match part.number {
                number::NODE => {
                    NodeProto::decode(value).map_err(format)?.output.iter().any(|o| wanted.contains(o.as_str()))
                }
                number::INITIALIZER => wanted.contains(TensorProto::decode(value).map_err(format)?.name.as_str()),
                number::OUTPUT | number::VALUE_INFO => false,
                _ => true,
            };
            if keep {
                kept.extend_from_slice(part.whole);
            }
        }
        append(&mut made, number::GRAPH, &kept);
    }
    Ok(made)
}

fn output(name: &str) -> Vec<u8> {
    let tensor = TensorType { elem_type: DataType::Float as i32, shape: None };
    let of = TypeProto { value: Some(TypeValue::TensorType(tensor)) };
    ValueInfoProto { name: name.into(), r#type: Some(of) }.encode_to_vec()
}
