//! ONNX files as messages: the generated types, and tensors to and from plain vectors.

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
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

/// An ONNX file, or a tensor in one, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnnxError {
    /// No protobuf of the ONNX format.
    #[error("not an ONNX file: {reason}")]
    Format {
        /// The decoder's words.
        reason: String,
    },
    /// A protobuf without a graph in it.
    #[error("the ONNX file has no graph")]
    NoGraph,
    /// The values stand in another file.
    #[error("tensor `{tensor}` keeps its values in another file: save the model with everything in one file")]
    External {
        /// Tensor name.
        tensor: String,
    },
    /// A number type that does not serve here.
    #[error("tensor `{tensor}` has element type {got}, expected {expected}")]
    ElementType {
        /// Tensor name.
        tensor: String,
        /// What is accepted.
        expected: &'static str,
        /// ONNX's number for the type found.
        got: i32,
    },
    /// Fewer or more values than the dimensions ask for.
    #[error("tensor `{tensor}` of shape {dims:?} holds {got} values")]
    Size {
        /// Tensor name.
        tensor: String,
        /// Its dimensions.
        dims: Vec<i64>,
        /// Values found.
        got: usize,
    },
}

/// Reads an ONNX file that has a graph.
///
/// # Errors
/// [`OnnxError::Format`] or [`OnnxError::NoGraph`].
pub fn decode(bytes: &[u8]) -> Result<(ModelProto, GraphProto), OnnxError> {
    let mut model = ModelProto::decode(bytes).map_err(|e| OnnxError::Format { reason: e.to_string() })?;
    let graph = model.graph.take().ok_or(OnnxError::NoGraph)?;
    Ok((model, graph))
}

/// The value of metadata entry `key`.
#[must_use]
pub fn metadata<'m>(model: &'m ModelProto, key: &str) -> Option<&'m str> {
    model.metadata_props.iter().find(|e| e.key == key).map(|e| e.value.as_str())
}

/// A metadata entry.
#[must_use]
pub fn metadata_entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

/// An int64 constant.
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
/// [`OnnxError`] when it is no int64 tensor or its size is wrong.
pub fn read_i64(tensor: &TensorProto) -> Result<Vec<i64>, OnnxError> {
    if tensor.data_type != DataType::Int64 as i32 {
        return Err(element_type(tensor, "int64"));
    }
    let values = if tensor.raw_data.is_empty() { tensor.int64_data.clone() } else { raw(tensor, i64::from_le_bytes)? };
    sized(tensor, values)
}

/// The values of a float, double or int64 tensor, as `f64`.
///
/// # Errors
/// [`OnnxError`] when it is of another type or its size is wrong.
pub fn read_f64(tensor: &TensorProto) -> Result<Vec<f64>, OnnxError> {
    let from_raw = !tensor.raw_data.is_empty();
    let values = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) if from_raw => raw(tensor, f32::from_le_bytes)?.into_iter().map(f64::from).collect(),
        Ok(DataType::Float) => tensor.float_data.iter().copied().map(f64::from).collect(),
        Ok(DataType::Double) if from_raw => raw(tensor, f64::from_le_bytes)?,
        Ok(DataType::Double) => tensor.double_data.clone(),
        Ok(DataType::Int64) => read_i64(tensor)?.into_iter().map(|v| v as f64).collect(),
        _ => return Err(element_type(tensor, "float, double or int64")),
    };
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
    const EXTERNAL: i32 = 1;
    if tensor.data_location == EXTERNAL {
        return Err(OnnxError::External { tensor: tensor.name.clone() });
    }
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
        let t = tensor_i64("t", &[2, 2], &[1, -2, i64::MAX, i64::MIN]);
        assert_eq!(read_i64(&t).unwrap(), [1, -2, i64::MAX, i64::MIN]);
        assert_eq!(read_f64(&tensor_i64("t", &[2], &[3, -4])).unwrap(), [3.0, -4.0]);
        let typed = TensorProto {
            dims: vec![2],
            data_type: DataType::Float as i32,
            float_data: vec![0.5, -1.5],
            ..TensorProto::default()
        };
        assert_eq!(read_f64(&typed).unwrap(), [0.5, -1.5]);
    }

    #[test]
    fn tensors_of_wrong_size_type_or_place_are_refused() {
        let good = tensor_i64("t", &[2], &[1, 2]);
        assert!(matches!(
            read_i64(&TensorProto { dims: vec![3], ..good.clone() }),
            Err(OnnxError::Size { got: 2, .. })
        ));
        assert!(matches!(read_i64(&TensorProto { dims: vec![-1], ..good.clone() }), Err(OnnxError::Size { .. })));
        let odd = TensorProto { raw_data: vec![0; 9], ..good.clone() };
        assert!(matches!(read_i64(&odd), Err(OnnxError::Size { .. })));
        let string = TensorProto { data_type: DataType::String as i32, ..good.clone() };
        assert!(matches!(read_f64(&string), Err(OnnxError::ElementType { got: 8, .. })));
        assert!(matches!(read_i64(&TensorProto { data_location: 1, ..good }), Err(OnnxError::External { .. })));
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(matches!(decode(b"GIF89a not a model"), Err(OnnxError::Format { .. })));
        assert!(matches!(decode(b""), Err(OnnxError::NoGraph)));
    }
}
