//! The part of a network before its last dense layer, to be used as an extractor.
//!
//! A network with hidden layers has no head that can be proven as it is. Its last dense layer has, once it is refitted on the
//! features that this part computes; the certificate says that the part's own training is not proven. The Python client's
//! `tribute.split` writes the same bytes.

use std::collections::{HashMap, HashSet};

use prost::Message as _;
use thiserror::Error;

use crate::external::{append, fields};
use crate::onnx::{decode, NodeProto, OnnxError, TensorProto};
use crate::onnx::{DataType, TensorType, TypeProto, TypeValue, ValueInfoProto};

/// Operators that may follow the last dense layer.
const AFTER: [&str; 12] = [
    "Add",
    "Softmax",
    "LogSoftmax",
    "Sigmoid",
    "ArgMax",
    "ArrayFeatureExtractor",
    "ZipMap",
    "Identity",
    "Cast",
    "Squeeze",
    "Flatten",
    "Reshape",
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
    /// Its first output does not come from a dense layer.
    #[error("node `{node}` ({operator}) follows no dense layer that ends the model")]
    NoLayer {
        /// The node that is in the way.
        node: String,
        /// Its operator.
        operator: String,
    },
    /// Nothing precedes the dense layer.
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

/// Cuts a model off at its last dense layer.
///
/// # Errors
/// [`SplitError`].
pub fn split(model: &[u8]) -> Result<Body, SplitError> {
    let (_, graph) = decode(model)?;
    let made_by: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|n| n.output.iter().map(move |o| (o.as_str(), n))).collect();
    let constant = |n: &&NodeProto| n.op_type == "Constant";
    let constants: HashSet<&str> = graph
        .initializer
        .iter()
        .map(|t| t.name.as_str())
        .chain(graph.node.iter().filter(constant).flat_map(|n| n.output.iter().map(String::as_str)))
        .collect();
    let named =
        |n: &NodeProto| if n.name.is_empty() { n.output.first().cloned().unwrap_or_default() } else { n.name.clone() };

    let mut tensor = graph.output.first().map_or("", |o| o.name.as_str());
    let layer = loop {
        let Some(node) = made_by.get(tensor) else { return Err(SplitError::NoBody) };
        let second = node.input.get(1).is_some_and(|w| constants.contains(w.as_str()));
        if ["Gemm", "MatMul"].contains(&node.op_type.as_str()) && second {
            break *node;
        }
        let mut before = node.input.iter().filter(|i| !i.is_empty() && !constants.contains(i.as_str()));
        match (before.next(), before.next()) {
            (Some(only), None) if AFTER.contains(&node.op_type.as_str()) => tensor = only,
            _ => return Err(SplitError::NoLayer { node: named(node), operator: node.op_type.clone() }),
        }
    };
    let features = layer.input.first().map_or("", String::as_str);
    if !made_by.contains_key(features) {
        return Err(SplitError::NoBody);
    }
    let mut wanted = HashSet::from([features]);
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| wanted.contains(o.as_str())) {
            wanted.extend(node.input.iter().map(String::as_str));
        }
    }
    Ok(Body { model: cut(model, features, &wanted)?, layer: named(layer) })
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
