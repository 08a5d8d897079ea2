//! ONNX messages: the generated types, and conversion of tensors to and from vectors.

use prost::Message;
use thiserror::Error;

/// The messages of `proto/onnx.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

pub use messages::attribute_proto::AttributeType;
pub use messages::tensor_proto::DataType;
pub use messages::tensor_shape_proto::dimension::Value as DimensionValue;
pub use messages::tensor_shape_proto::Dimension;
pub use messages::type_proto::Tensor as TensorType;
pub use messages::type_proto::Value as TypeValue;
pub use messages::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

/// Why an ONNX file, or a tensor in it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnnxError {
    /// Not a protobuf message of the ONNX format.
    #[error("not an ONNX file: {reason}")]
    Format {
        /// The decoder's message.
        reason: String,
    },
    /// The model has no graph.
    #[error("the ONNX file has no graph")]
    NoGraph,
    /// A tensor's values are stored in another file.
    #[error("tensor `{tensor}` keeps its values in another file (`{file}`), which is not read here: save the model in one file, in PyTorch by torch.onnx.export(…, external_data=False), otherwise by onnx.save_model(onnx.load(FILE), FILE)")]
    External {
        /// Tensor name.
        tensor: String,
        /// The file it refers to.
        file: String,
    },
    /// A file of tensors beside the model cannot be read.
    #[error("tensor `{tensor}` keeps its values in another file (`{file}`), which cannot be used: {reason}. Put it beside the model, or save the model in one file, in PyTorch by torch.onnx.export(…, external_data=False)")]
    ExternalFile {
        /// Tensor name.
        tensor: String,
        /// The file it refers to.
        file: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// An unsupported element type.
    #[error("tensor `{tensor}` has element type {got}, expected {expected}")]
    ElementType {
        /// Tensor name.
        tensor: String,
        /// The supported type.
        expected: &'static str,
        /// ONNX's number for the type found.
        got: i32,
    },
    /// Fewer or more values than the dimensions require.
    #[error("tensor `{tensor}` of shape {dims:?} holds {got} values")]
    Size {
        /// Tensor name.
        tensor: String,
        /// Its dimensions.
        dims: Vec<i64>,
        /// Number of values found.
        got: usize,
    },
}

/// Decodes an ONNX file that has a graph and contains all its values.
///
/// onnxruntime would read other files that a model names, relative to the working directory. A model that was decoded
/// here first cannot make it do so.
///
/// # Errors
/// [`OnnxError::Format`], [`OnnxError::NoGraph`] or [`OnnxError::External`].
pub fn decode(bytes: &[u8]) -> Result<(ModelProto, GraphProto), OnnxError> {
    let mut model = ModelProto::decode(bytes).map_err(|e| OnnxError::Format { reason: e.to_string() })?;
    let graph = model.graph.take().ok_or(OnnxError::NoGraph)?;
    graph_is_whole(&graph)?;
    for function in &model.functions {
        nodes_are_whole(&function.node)?;
        attributes_are_whole(&function.attribute_proto)?;
    }
    Ok((model, graph))
}

/// Rejects tensors stored outside the file, also in nested graphs.
fn graph_is_whole(graph: &GraphProto) -> Result<(), OnnxError> {
    graph.initializer.iter().try_for_each(is_whole)?;
    graph.sparse_initializer.iter().try_for_each(sparse_is_whole)?;
    nodes_are_whole(&graph.node)
}

fn nodes_are_whole(nodes: &[NodeProto]) -> Result<(), OnnxError> {
    nodes.iter().try_for_each(|n| attributes_are_whole(&n.attribute))
}

fn attributes_are_whole(attributes: &[AttributeProto]) -> Result<(), OnnxError> {
    attributes.iter().try_for_each(|a| {
        a.t.iter().chain(&a.tensors).try_for_each(is_whole)?;
        a.sparse_tensor.iter().chain(&a.sparse_tensors).try_for_each(sparse_is_whole)?;
        a.g.iter().chain(&a.graphs).try_for_each(graph_is_whole)
    })
}

fn sparse_is_whole(tensor: &SparseTensorProto) -> Result<(), OnnxError> {
    tensor.values.iter().chain(&tensor.indices).try_for_each(is_whole)
}

fn is_whole(tensor: &TensorProto) -> Result<(), OnnxError> {
    const EXTERNAL: i32 = 1;
    if tensor.data_location != EXTERNAL && tensor.external_data.is_empty() {
        return Ok(());
    }
    let file = tensor.external_data.iter().find(|e| e.key == "location").map(|e| e.value.clone());
    Err(OnnxError::External { tensor: tensor.name.clone(), file: file.unwrap_or_default() })
}

/// A node's name; one without a name is called by its output.
#[must_use]
pub fn node_name(node: &NodeProto) -> &str {
    if node.name.is_empty() {
        node.output.first().map_or("", String::as_str)
    } else {
        &node.name
    }
}

/// The whole number that a node has as attribute `name`.
#[must_use]
pub fn attribute(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.i)
}

/// The value of metadata entry `key`.
#[must_use]
pub fn metadata<'m>(model: &'m ModelProto, key: &str) -> Option<&'m str> {
    model.metadata_props.iter().find(|e| e.key == key).map(|e| e.value.as_str())
}

/// Makes a metadata entry.
#[must_use]
pub fn metadata_entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

/// Makes an int64 constant of shape `dims`.
#[must_use]
pub fn tensor_i64(name: &str, dims: &[usize], values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|d| *d as i64).collect(),
        data_type: DataType::Int64 as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// The values of an int64 tensor.
///
/// # Errors
/// [`OnnxError`] if it is not an int64 tensor or has the wrong number of values.
pub fn read_i64(tensor: &TensorProto) -> Result<Vec<i64>, OnnxError> {
    if tensor.data_type != DataType::Int64 as i32 {
        return Err(element_type(tensor, "int64"));
    }
    let values = if tensor.raw_data.is_empty() { tensor.int64_data.clone() } else { raw(tensor, i64::from_le_bytes)? };
    sized(tensor, values)
}

fn element_type(tensor: &TensorProto, expected: &'static str) -> OnnxError {
    OnnxError::ElementType { tensor: tensor.name.clone(), expected, got: tensor.data_type }
}

fn raw<T, const N: usize>(tensor: &TensorProto, read: fn([u8; N]) -> T) -> Result<Vec<T>, OnnxError> {
    let (chunks, rest) = tensor.raw_data.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(size(tensor, tensor.raw_data.len() / N));
    }
    Ok(chunks.iter().map(|c| read(*c)).collect())
}

fn sized<T>(tensor: &TensorProto, values: Vec<T>) -> Result<Vec<T>, OnnxError> {
    let wanted = tensor.dims.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
    if wanted == Some(values.len()) {
        Ok(values)
    } else {
        Err(size(tensor, values.len()))
    }
}

fn size(tensor: &TensorProto, got: usize) -> OnnxError {
    OnnxError::Size { tensor: tensor.name.clone(), dims: tensor.dims.clone(), got }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_round_trip_from_raw_and_typed_fields() {
        let values = [1, -2, i64::MAX, i64::MIN];
        assert_eq!(read_i64(&tensor_i64("t", &[2, 2], &values)).unwrap(), values);
        let typed = TensorProto {
            dims: vec![2],
            data_type: DataType::Int64 as i32,
            int64_data: vec![5, -1],
            ..TensorProto::default()
        };
        assert_eq!(read_i64(&typed).unwrap(), [5, -1]);
    }

    #[test]
    fn tensors_of_wrong_size_or_type_are_refused() {
        let good = tensor_i64("t", &[2], &[1, 2]);
        assert!(matches!(
            read_i64(&TensorProto { dims: vec![3], ..good.clone() }),
            Err(OnnxError::Size { got: 2, .. })
        ));
        assert!(matches!(read_i64(&TensorProto { dims: vec![-1], ..good.clone() }), Err(OnnxError::Size { .. })));
        let odd = TensorProto { raw_data: vec![0; 9], ..good.clone() };
        assert!(matches!(read_i64(&odd), Err(OnnxError::Size { .. })));
        let string = TensorProto { data_type: DataType::String as i32, ..good };
        assert!(matches!(read_i64(&string), Err(OnnxError::ElementType { got: 8, .. })));
    }

    /// A tensor that refers to another file is found wherever ONNX allows one.
    #[test]
    fn values_in_another_file_are_refused_wherever_they_stand() {
        let outside = TensorProto {
            name: "t".into(),
            external_data: vec![metadata_entry("location", "../secret")],
            ..TensorProto::default()
        };
        let marked = TensorProto { data_location: 1, ..TensorProto::default() };
        let sparse = |t: &TensorProto| SparseTensorProto { values: Some(t.clone()), indices: None };
        let places: [fn(TensorProto, SparseTensorProto) -> AttributeProto; 4] = [
            |t, _| AttributeProto { t: Some(t), ..Default::default() },
            |t, _| AttributeProto { tensors: vec![t], ..Default::default() },
            |_, s| AttributeProto { sparse_tensor: Some(s), ..Default::default() },
            |_, s| AttributeProto { sparse_tensors: vec![s], ..Default::default() },
        ];
        let node = |a: AttributeProto| NodeProto { attribute: vec![a], ..Default::default() };
        let inside = |graph: GraphProto| AttributeProto { g: Some(graph), ..Default::default() };
        let read = |model: ModelProto| decode(&model.encode_to_vec());
        let with = |graph: GraphProto| read(ModelProto { graph: Some(graph), ..Default::default() });
        for tensor in [&outside, &marked] {
            let mut graphs = vec![
                GraphProto { initializer: vec![tensor.clone()], ..Default::default() },
                GraphProto { sparse_initializer: vec![sparse(tensor)], ..Default::default() },
            ];
            for place in places {
                let attribute = place(tensor.clone(), sparse(tensor));
                graphs.push(GraphProto { node: vec![node(attribute.clone())], ..Default::default() });
                let function = messages::FunctionProto { node: vec![node(attribute)], ..Default::default() };
                let model =
                    ModelProto { graph: Some(GraphProto::default()), functions: vec![function], ..Default::default() };
                assert!(matches!(read(model), Err(OnnxError::External { .. })));
            }
            for graph in graphs {
                let nested = GraphProto { node: vec![node(inside(graph.clone()))], ..Default::default() };
                let branches = AttributeProto { graphs: vec![graph.clone()], ..Default::default() };
                let branched = GraphProto { node: vec![node(branches)], ..Default::default() };
                for graph in [graph, nested, branched] {
                    assert!(matches!(with(graph), Err(OnnxError::External { .. })));
                }
            }
        }
        let e = with(GraphProto { initializer: vec![outside], ..Default::default() }).unwrap_err().to_string();
        assert!(e.contains("../secret") && e.contains("external_data=False"), "{e}");
        assert!(with(GraphProto { initializer: vec![tensor_i64("t", &[1], &[1])], ..Default::default() }).is_ok());
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(matches!(decode(b"GIF89a not a model"), Err(OnnxError::Format { .. })));
        assert!(matches!(decode(b""), Err(OnnxError::NoGraph)));
    }
}
