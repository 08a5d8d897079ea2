//! Builds ONNX models node by node, in the forms in which exporters write a dense layer.

use prost::Message;
use tribute_inference::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};

/// A graph under construction.
#[derive(Clone, Default)]
pub(crate) struct Graph(GraphProto);

impl Graph {
    pub(crate) fn input(mut self, name: &str, element: DataType, dims: &[i64]) -> Self {
        self.0.input.push(value(name, element, dims));
        self
    }

    /// Adds an output of unknown shape.
    pub(crate) fn output(mut self, name: &str, element: DataType, rank: usize) -> Self {
        self.0.output.push(value(name, element, &vec![-1; rank]));
        self
    }

    pub(crate) fn node(self, op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.with(op, inputs, outputs, vec![])
    }

    /// Adds a node with attributes; operators of `ai.onnx.ml` are recognised by name.
    pub(crate) fn with(mut self, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> Self {
        let ml = ["Normalizer", "LinearClassifier", "ArrayFeatureExtractor", "ZipMap", "Scaler", "LinearRegressor"];
        self.0.node.push(NodeProto {
            name: format!("{op}_{}", self.0.node.len()),
            op_type: op.into(),
            domain: if ml.contains(&op) { "ai.onnx.ml".into() } else { String::new() },
            input: inputs.iter().map(|i| (*i).into()).collect(),
            output: outputs.iter().map(|o| (*o).into()).collect(),
            attribute,
            ..NodeProto::default()
        });
        self
    }

    pub(crate) fn floats(self, name: &str, dims: &[usize], values: &[f64]) -> Self {
        self.raw(name, DataType::Float, dims, values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect())
    }

    pub(crate) fn raw(mut self, name: &str, element: DataType, dims: &[usize], raw_data: Vec<u8>) -> Self {
        self.0.initializer.push(TensorProto {
            name: name.into(),
            data_type: element as i32,
            dims: dims.iter().map(|d| *d as i64).collect(),
            raw_data,
            ..TensorProto::default()
        });
        self
    }

    pub(crate) fn i64s(self, name: &str, dims: &[usize], values: &[i64]) -> Self {
        self.raw(name, DataType::Int64, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Serialises the model with opset 18 and IR version 10.
    pub(crate) fn model(self) -> Vec<u8> {
        self.versions(18, 10)
    }

    pub(crate) fn versions(self, opset: i64, ir_version: i64) -> Vec<u8> {
        let set = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
        let graph = GraphProto { name: "g".into(), ..self.0 };
        let opset_import = vec![set("", opset), set("ai.onnx.ml", 3)];
        ModelProto { ir_version, opset_import, graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
    }
}

fn value(name: &str, element: DataType, dims: &[i64]) -> ValueInfoProto {
    let dim = |d: &i64| Dimension {
        value: Some(match d {
            -1 => DimensionValue::DimParam("batch".into()),
            d => DimensionValue::DimValue(*d),
        }),
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TensorType { elem_type: element as i32, shape: Some(shape) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value: Some(TypeValue::TensorType(tensor)) }) }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(i), r#type: AttributeType::Int as i32, ..AttributeProto::default() }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: Some(f), r#type: AttributeType::Float as i32, ..AttributeProto::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let ints = ints.to_vec();
    AttributeProto { name: name.into(), ints, r#type: AttributeType::Ints as i32, ..AttributeProto::default() }
}

pub(crate) fn floats(name: &str, floats: &[f64]) -> AttributeProto {
    let floats = floats.iter().map(|f| *f as f32).collect();
    AttributeProto { name: name.into(), floats, r#type: AttributeType::Floats as i32, ..AttributeProto::default() }
}

pub(crate) fn text(name: &str, s: &str) -> AttributeProto {
    let s = Some(s.into());
    AttributeProto { name: name.into(), s, r#type: AttributeType::String as i32, ..AttributeProto::default() }
}

pub(crate) fn texts(name: &str, strings: &[&str]) -> AttributeProto {
    let strings = strings.iter().map(|s| s.as_bytes().to_vec()).collect();
    AttributeProto { name: name.into(), strings, r#type: AttributeType::Strings as i32, ..AttributeProto::default() }
}
