//! Models whose tensors lie in a second file, as PyTorch's exporter writes them: made into one file.
//!
//! Only for the machine that the model lies on: what is sent to a service is whole, and a service reads no other file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

use prost::bytes::Buf;
use prost::encoding::{decode_key, decode_varint, encode_key, encode_varint, WireType};
use prost::Message as _;

use crate::onnx::{decode, OnnxError, TensorProto};

/// Largest model: protobuf allows no more.
const LARGEST: usize = i32::MAX as usize;

/// Messages that hold tensors, and the numbers of their fields that do.
#[derive(Clone, Copy)]
enum Holder {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

impl Holder {
    fn inside(self, field: u32) -> Option<Holder> {
        Some(match (self, field) {
            (Holder::Model, 7) => Holder::Graph,
            (Holder::Model, 25) => Holder::Function,
            (Holder::Function, 7) | (Holder::Graph, 1) => Holder::Node,
            (Holder::Function, 11) | (Holder::Node, 5) => Holder::Attribute,
            (Holder::Graph, 5) | (Holder::Attribute, 5 | 10) | (Holder::Sparse, 1 | 2) => Holder::Tensor,
            (Holder::Attribute, 6 | 11) => Holder::Graph,
            (Holder::Graph, 15) | (Holder::Attribute, 22 | 23) => Holder::Sparse,
            _ => return None,
        })
    }
}

/// Numbers of a tensor's fields.
mod tensor {
    pub(super) const RAW_DATA: u32 = 9;
    pub(super) const EXTERNAL_DATA: u32 = 13;
    pub(super) const DATA_LOCATION: u32 = 14;
}

/// The model with all tensors inside. Those outside are read from files in `folder`, the model's own; everything else stays byte
/// for byte. A model that is whole, or none at all, is returned as it is.
///
/// # Errors
/// [`OnnxError::ExternalFile`] if such a file cannot be read, lies elsewhere or is too short.
pub fn whole(model: Vec<u8>, folder: &Path) -> Result<Vec<u8>, OnnxError> {
    match decode(&model) {
        Err(OnnxError::External { .. }) => rewritten(&model, Holder::Model, folder),
        _ => Ok(model),
    }
}

fn rewritten(message: &[u8], holder: Holder, folder: &Path) -> Result<Vec<u8>, OnnxError> {
    if matches!(holder, Holder::Tensor) {
        return tensor_inside(message, folder);
    }
    let mut made = Vec::with_capacity(message.len());
    for field in fields(message)? {
        match field.value.filter(|_| holder.inside(field.number).is_some()) {
            Some(value) => {
                let inner = rewritten(value, holder.inside(field.number).unwrap_or(holder), folder)?;
                append(&mut made, field.number, &inner);
            }
            None => made.extend_from_slice(field.whole),
        }
    }
    if made.len() > LARGEST {
        return Err(OnnxError::Format { reason: "with all its tensors it has more than 2 GB".into() });
    }
    Ok(made)
}

fn tensor_inside(message: &[u8], folder: &Path) -> Result<Vec<u8>, OnnxError> {
    let tensor = TensorProto::decode(message).map_err(|e| OnnxError::Format { reason: e.to_string() })?;
    if tensor.data_location != 1 && tensor.external_data.is_empty() {
        return Ok(message.to_vec());
    }
    let values = outside(&tensor, folder)?;
    let mut made = Vec::with_capacity(message.len() + values.len());
    let kept = |n: u32| ![tensor::RAW_DATA, tensor::EXTERNAL_DATA, tensor::DATA_LOCATION].contains(&n);
    for field in fields(message)?.into_iter().filter(|f| kept(f.number)) {
        made.extend_from_slice(field.whole);
    }
    append(&mut made, tensor::RAW_DATA, &values);
    Ok(made)
}

/// The values of a tensor that are in another file.
fn outside(tensor: &TensorProto, folder: &Path) -> Result<Vec<u8>, OnnxError> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let file = entry("location").unwrap_or_default();
    let refused = |reason: String| OnnxError::ExternalFile { tensor: tensor.name.clone(), file: file.into(), reason };
    let inside = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if file.is_empty() || !Path::new(file).components().all(inside) {
        return Err(refused("it is not beside the model".into()));
    }
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| refused(format!("its {key} is `{text}`"))),
    };
    let unreadable = |e: std::io::Error| refused(e.to_string());
    let mut opened = File::open(folder.join(file)).map_err(unreadable)?;
    let size = opened.metadata().map_err(unreadable)?.len();
    let from = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or(size.saturating_sub(from));
    if from.checked_add(length).is_none_or(|to| to > size) {
        return Err(refused(format!("it has only {size} bytes")));
    }
    opened.seek(SeekFrom::Start(from)).map_err(unreadable)?;
    let mut values = Vec::new();
    opened.take(length).read_to_end(&mut values).map_err(unreadable)?;
    Ok(values)
}

/// A field of a message.
pub(crate) struct Field<'m> {
    pub(crate) number: u32,
    /// With its key.
    pub(crate) whole: &'m [u8],
    /// Of a field of bytes.
    pub(crate) value: Option<&'m [u8]>,
}

/// The fields of a message in their order.
pub(crate) fn fields(message: &[u8]) -> Result<Vec<Field<'_>>, OnnxError> {
    let failed = |reason: String| OnnxError::Format { reason };
    let mut rest = message;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (number, kind) = decode_key(&mut rest).map_err(|e| failed(e.to_string()))?;
        let length = match kind {
            WireType::Varint => {
                decode_varint(&mut rest).map_err(|e| failed(e.to_string()))?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut rest).map_err(|e| failed(e.to_string()))?,
            WireType::StartGroup | WireType::EndGroup => return Err(failed("a group".into())),
        };
        let length = usize::try_from(length).ok().filter(|l| *l <= rest.len());
        let length = length.ok_or_else(|| failed("a field is longer than its message".into()))?;
        let value = (kind == WireType::LengthDelimited).then_some(&rest[..length]);
        rest.advance(length);
        found.push(Field { number, whole: &start[..start.len() - rest.len()], value });
    }
    Ok(found)
}

/// Appends a field of bytes.
pub(crate) fn append(message: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(value.len() as u64, message);
    message.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{metadata_entry, tensor_i64, AttributeProto, GraphProto, ModelProto, NodeProto};

    fn moved_out(mut tensor: TensorProto, entries: &[(&str, &str)]) -> TensorProto {
        tensor.raw_data.clear();
        tensor.data_location = 1;
        tensor.external_data = entries.iter().map(|(k, v)| metadata_entry(k, v)).collect();
        tensor
    }

    fn model(initializer: TensorProto, constant: TensorProto) -> Vec<u8> {
        let attribute = AttributeProto { name: "value".into(), t: Some(constant), ..Default::default() };
        let node = NodeProto { op_type: "Constant".into(), attribute: vec![attribute], ..Default::default() };
        let graph = GraphProto { node: vec![node], initializer: vec![initializer], ..Default::default() };
        let mut bytes = ModelProto { ir_version: 10, graph: Some(graph), ..Default::default() }.encode_to_vec();
        append(&mut bytes, 20, b"a field that is not in our part of the format");
        bytes
    }

    #[test]
    fn tensors_outside_are_brought_in_and_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (tensor_i64("a", &[2], &[1, -2]), tensor_i64("b", &[1], &[i64::MAX]));
        let together = [&b.raw_data[..], &[0; 8], &a.raw_data].concat();
        std::fs::write(folder.path().join("w.data"), together).unwrap();
        let out = model(
            moved_out(a.clone(), &[("location", "w.data"), ("offset", "16"), ("length", "16")]),
            moved_out(b.clone(), &[("location", "./w.data"), ("length", "8")]),
        );
        let inside = model(a, b);
        assert_eq!(whole(out, folder.path()).unwrap(), inside);
        assert_eq!(whole(inside.clone(), folder.path()).unwrap(), inside);
        assert_eq!(whole(b"no model".to_vec(), folder.path()).unwrap(), b"no model");
    }

    #[test]
    fn files_elsewhere_missing_or_short_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("w.data"), [0; 15]).unwrap();
        let of = |entries: &[(&str, &str)]| {
            let tensor = moved_out(tensor_i64("a", &[2], &[1, 2]), entries);
            whole(model(tensor, tensor_i64("b", &[1], &[1])), folder.path()).unwrap_err().to_string()
        };
        for elsewhere in ["../w.data", "/etc/passwd", "x/../../w.data", ""] {
            assert!(of(&[("location", elsewhere)]).contains("not beside the model"), "{elsewhere}");
        }
        assert!(of(&[("location", "v.data")]).contains("v.data"));
        assert!(of(&[("location", "w.data"), ("length", "16")]).contains("only 15 bytes"));
        assert!(of(&[("location", "w.data"), ("offset", "18446744073709551615"), ("length", "1")]).contains("15 bytes"));
        assert!(of(&[("location", "w.data"), ("offset", "x")]).contains("its offset is `x`"));
    }
}
