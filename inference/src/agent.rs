//! The canonical agent: an ONNX file in integer arithmetic whose answers equal the circuit's bit for bit.
//!
//! ```text
//! features uint8 [batch, d] ─ Cast int64 ─ Pad (256·2^s on the right) ─ MatMul ─┬─ logits int64 [batch, c]
//!                                     weight int64 [d + 1, c], bias last ───┘  └─ ArgMax ─ answer int64 [batch]
//! ```
//!
//! `d` is the schema's feature count. Circuits and [`tribute_core::head`] keep the bias *first*; the file keeps it *last*.
//!
//! Every value is exact: `|logit| < (255·d + 256·2^s)·2^37 ≤ 2^55`. Equal logits give the lower class; a single
//! logit gives 1 when it is positive (`Greater` replaces `ArgMax`), as in [`tribute_core::head::answer`]. One agent
//! has one sequence of bytes, so the file's SHA-256 identifies it.

use prost::Message;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tribute_core::head::{HeadError, Weights};
use tribute_core::layout::MAX_INTERCEPT_SCALE;
use tribute_core::layout::{MAX_CLASSES, MAX_FEATURES};
use tribute_core::numbers::{FEATURE_BITS, WEIGHT_BITS};

use crate::onnx::{self, OnnxError};
use crate::runtime::{AgentSession, Runtime, RuntimeError};

/// Names of the metadata entries.
mod key {
    pub(super) const WEIGHT_BITS: &str = "weight_fraction_bits";
    pub(super) const SCHEMA: &str = "schema";
    pub(super) const CERTIFICATE: &str = "certificate";
}

/// Why a file is not a canonical agent.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AgentError {
    /// Not a readable ONNX file.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// There is no two-dimensional initialiser `weight`.
    #[error("the model has no two-dimensional initialiser `weight`: it is not a canonical agent; `tribute agent import` makes one from other models")]
    NoWeight,
    /// Dimensions that no circuit supports.
    #[error("initialiser `weight` has shape [{rows}, {classes}]: supported are up to {} features (and the bias) and {MAX_CLASSES} classes", MAX_FEATURES)]
    Shape {
        /// First dimension: features and the bias.
        rows: i64,
        /// Second dimension: classes.
        classes: i64,
    },
    /// A weight is out of range.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A metadata entry is missing or has an unexpected value.
    #[error("metadata `{key}` is `{got}`, expected {expected}")]
    Metadata {
        /// Entry name.
        key: &'static str,
        /// The value required.
        expected: &'static str,
        /// The value found; empty if the entry is missing.
        got: String,
    },
    /// Readable, but not byte for byte what [`Agent::to_bytes`] writes.
    #[error("the file is not the canonical agent of its own weights (graph, names or order differ): export it again")]
    NotCanonical,
}

/// A trained head with the metadata of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Weights for the schema's own feature count.
    pub weights: Weights,
    /// Id of the schema that defines the features, lower-case hex.
    pub schema: String,
    /// Id of the certificate under which the agent was registered; empty before registration.
    pub certificate: String,
}

impl Agent {
    /// Serialises the agent. Equal agents give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let model = onnx::ModelProto {
            ir_version: 8,
            producer_name: "tribute".into(),
            opset_import: vec![onnx::OperatorSetIdProto { domain: String::new(), version: 17 }],
            graph: Some(graph(&self.weights)),
            metadata_props: vec![
                onnx::metadata_entry(key::WEIGHT_BITS, &WEIGHT_BITS.to_string()),
                onnx::metadata_entry(key::SCHEMA, &self.schema),
                onnx::metadata_entry(key::CERTIFICATE, &self.certificate),
            ],
            ..onnx::ModelProto::default()
        };
        model.encode_to_vec()
    }

    /// Reads exactly what [`Agent::to_bytes`] writes.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AgentError> {
        let (model, graph) = onnx::decode(bytes)?;
        let weight = graph.initializer.iter().find(|t| t.name == "weight").ok_or(AgentError::NoWeight)?;
        let [rows, classes] = weight.dims[..] else { return Err(AgentError::NoWeight) };
        let (features, c) = match (usize::try_from(rows.saturating_sub(1)), usize::try_from(classes)) {
            (Ok(f), Ok(c)) if (1..=MAX_FEATURES).contains(&f) && (1..=MAX_CLASSES).contains(&c) => (f, c),
            _ => return Err(AgentError::Shape { rows, classes }),
        };
        let mut values = onnx::read_i64(weight)?;
        values.rotate_right(c);
        let bias_feature =
            graph.initializer.iter().find(|t| t.name == "bias_feature").map(onnx::read_i64).transpose()?;
        // a different constant is caught by the comparison with `to_bytes` below
        let scale = match bias_feature.as_deref() {
            Some([feature]) if *feature > 0 => feature.ilog2().saturating_sub(FEATURE_BITS).min(MAX_INTERCEPT_SCALE),
            _ => 0,
        };
        let weights = Weights::new(features, c, values)?.with_intercept_scale(scale);

        let entry = |key: &'static str, expected: &'static str| {
            onnx::metadata(&model, key).map(str::to_owned).ok_or(AgentError::Metadata {
                key,
                expected,
                got: String::new(),
            })
        };
        let bits = entry(key::WEIGHT_BITS, "32")?;
        if bits != WEIGHT_BITS.to_string() {
            return Err(AgentError::Metadata { key: key::WEIGHT_BITS, expected: "32", got: bits });
        }
        let schema = entry(key::SCHEMA, "the schema's id in hex")?;
        let certificate = entry(key::CERTIFICATE, "the certificate's id, or an empty string")?;
        let agent = Agent { weights, schema, certificate };
        if agent.to_bytes() == bytes {
            Ok(agent)
        } else {
            Err(AgentError::NotCanonical)
        }
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// Loads the agent into onnxruntime.
    ///
    /// # Errors
    /// [`RuntimeError::Model`].
    pub fn session(&self, runtime: &Runtime) -> Result<AgentSession, RuntimeError> {
        runtime.session(&self.to_bytes(), self.weights.features(), self.weights.classes())
    }
}

fn graph(weights: &Weights) -> onnx::GraphProto {
    let (features, classes) = (weights.features(), weights.classes());
    let mut bias_last = weights.values().to_vec();
    bias_last.rotate_left(classes);
    let to_int64 = || vec![attribute("to", onnx::DataType::Int64 as i64)];
    let mut nodes = vec![
        node("Cast", &["features"], "integers", to_int64()),
        node("Pad", &["integers", "bias_place", "bias_feature"], "extended", vec![]),
        node("MatMul", &["extended", "weight"], "logits", vec![]),
    ];
    let mut constants = vec![
        onnx::tensor_i64("weight", &[features + 1, classes], &bias_last),
        onnx::tensor_i64("bias_place", &[4], &[0, 0, 0, 1]),
        onnx::tensor_i64("bias_feature", &[], &[weights.bias_feature()]),
    ];
    if classes == 1 {
        nodes.push(node("Greater", &["logits", "threshold"], "positive", vec![]));
        nodes.push(node("Cast", &["positive"], "column", to_int64()));
        nodes.push(node("Squeeze", &["column", "class_axis"], "answer", vec![]));
        constants.push(onnx::tensor_i64("threshold", &[], &[0]));
        constants.push(onnx::tensor_i64("class_axis", &[1], &[1]));
    } else {
        let lowest = vec![attribute("axis", 1), attribute("keepdims", 0), attribute("select_last_index", 0)];
        nodes.push(node("ArgMax", &["logits"], "answer", lowest));
    }
    onnx::GraphProto {
        name: "agent".into(),
        node: nodes,
        initializer: constants,
        input: vec![value("features", onnx::DataType::Uint8, Some(features))],
        output: vec![
            value("logits", onnx::DataType::Int64, Some(classes)),
            value("answer", onnx::DataType::Int64, None),
        ],
        ..onnx::GraphProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<onnx::AttributeProto>) -> onnx::NodeProto {
    onnx::NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output.into()],
        attribute: attributes,
        ..onnx::NodeProto::default()
    }
}

fn attribute(name: &str, value: i64) -> onnx::AttributeProto {
    onnx::AttributeProto {
        name: name.into(),
        i: Some(value),
        r#type: onnx::AttributeType::Int as i32,
        ..onnx::AttributeProto::default()
    }
}

/// Describes a tensor of shape `[batch]`, or `[batch, width]`.
fn value(name: &str, element: onnx::DataType, width: Option<usize>) -> onnx::ValueInfoProto {
    let dimension = |value| onnx::Dimension { value: Some(value) };
    let mut dim = vec![dimension(onnx::DimensionValue::DimParam("batch".into()))];
    dim.extend(width.map(|w| dimension(onnx::DimensionValue::DimValue(w as i64))));
    let tensor = onnx::TensorType { elem_type: element as i32, shape: Some(onnx::TensorShapeProto { dim }) };
    onnx::ValueInfoProto {
        name: name.into(),
        r#type: Some(onnx::TypeProto { value: Some(onnx::TypeValue::TensorType(tensor)) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Agent {
        let weights = Weights::new(3, 2, vec![1, 2, 3, 4, 5, 6, -7, 8]).unwrap();
        Agent { weights, schema: "ab".into(), certificate: String::new() }
    }

    #[test]
    fn file_round_trips_and_keeps_the_bias_last() {
        let bytes = agent().to_bytes();
        assert_eq!(Agent::from_bytes(&bytes).unwrap(), agent());
        let (_, graph) = onnx::decode(&bytes).unwrap();
        assert_eq!(graph.initializer[0].dims, [4, 2]);
        assert_eq!(onnx::read_i64(&graph.initializer[0]).unwrap(), [3, 4, 5, 6, -7, 8, 1, 2]);
    }

    #[test]
    fn bytes_are_pinned() {
        // a change here changes every agent's identity
        assert_eq!(hex(&agent().sha256()), PINNED);
    }
    const PINNED: &str = "e44c37726005ccba376229ce26fe09b8be3d7ce3fb70d7faf5cdf3e883fd97b2";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn altered_files_are_refused() {
        let good = agent();
        let reencode = |change: &dyn Fn(&mut onnx::ModelProto)| {
            let mut model = onnx::ModelProto::decode(&good.to_bytes()[..]).unwrap();
            change(&mut model);
            Agent::from_bytes(&model.encode_to_vec())
        };
        assert_eq!(reencode(&|_| ()), Ok(good.clone()));
        let last_on_ties = reencode(&|m| m.graph.as_mut().unwrap().node[3].attribute[2].i = Some(1));
        assert_eq!(last_on_ties, Err(AgentError::NotCanonical));
        let other_bias = reencode(&|m| m.graph.as_mut().unwrap().initializer[2].raw_data[0] = 1);
        assert_eq!(other_bias, Err(AgentError::NotCanonical));
        let other_scale = reencode(&|m| m.metadata_props[0].value = "19".into());
        assert!(matches!(other_scale, Err(AgentError::Metadata { key: "weight_fraction_bits", .. })));
        let no_schema = reencode(&|m| drop(m.metadata_props.remove(1)));
        assert!(matches!(no_schema, Err(AgentError::Metadata { key: "schema", .. })));
        let no_weight = reencode(&|m| m.graph.as_mut().unwrap().initializer[0].name = "w".into());
        assert_eq!(no_weight, Err(AgentError::NoWeight));
        for dims in [[0, 2], [1, 2], [1026, 2], [4, 0], [4, 101], [i64::MIN, 2], [i64::MAX, 2]] {
            let shape = reencode(&|m| m.graph.as_mut().unwrap().initializer[0].dims = dims.to_vec());
            assert!(matches!(shape, Err(AgentError::Shape { .. })), "{dims:?}");
        }
        let wide = reencode(&|m| m.graph.as_mut().unwrap().initializer[0].raw_data[4] = 32); // 2^37 added
        assert!(matches!(wide, Err(AgentError::Head(HeadError::Weight { block: 1, class: 0, .. }))));
        let mut trailing = good.to_bytes();
        trailing.extend([0x78, 0x01]); // an unknown field: readable, but a different file
        assert_eq!(Agent::from_bytes(&trailing), Err(AgentError::NotCanonical));
    }
}
