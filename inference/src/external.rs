//! Models whose tensors lie in a second file, as PyTorch's exporter writes them: made into one file.
//!
//! Only for the machine that the model lies on: what is sent to a service is whole, and a service reads no other file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

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

/// A model with all tensors inside.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Other files that tensors were read from.
    pub files: Vec<PathBuf>,
}

/// The model's folder, and what is read there.
struct Beside {
    /// Without symbolic links.
    folder: PathBuf,
    /// Number of bytes that may still be read.
    left: u64,
    files: BTreeSet<PathBuf>,
}

/// The model with all tensors inside. Those outside are read from regular files in `folder`, the model's own; a symbolic link may
/// not lead out of it. Everything else stays byte for byte. A model that is whole, or none at all, is returned as it is.
///
/// # Errors
/// [`OnnxError::ExternalFile`] if such a file cannot be read, lies elsewhere, or does not hold as many bytes as the tensor has, and
/// if all of them are too many.
pub fn whole(model: Vec<u8>, folder: &Path) -> Result<Whole, OnnxError> {
    let Err(OnnxError::External { tensor, file }) = decode(&model) else {
        return Ok(Whole { model, files: Vec::new() });
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unreadable = |e: std::io::Error| OnnxError::ExternalFile { tensor, file, reason: e.to_string() };
    let folder = folder.canonicalize().map_err(unreadable)?;
    let left = LARGEST.saturating_sub(model.len()) as u64;
    let mut beside = Beside { folder, left, files: BTreeSet::new() };
    let model = rewritten(&model, Holder::Model, &mut beside)?;
    Ok(Whole { model, files: beside.files.into_iter().collect() })
}

fn rewritten(message: &[u8], holder: Holder, beside: &mut Beside) -> Result<Vec<u8>, OnnxError> {
    if matches!(holder, Holder::Tensor) {
        return tensor_inside(message, beside);
    }
    let mut made = Vec::with_capacity(message.len());
    for field in fields(message)? {
        match field.value.zip(holder.inside(field.number)) {
            Some((value, inside)) => append(&mut made, field.number, &rewritten(value, inside, beside)?),
            None => made.extend_from_slice(field.whole),
        }
    }
    if made.len() > LARGEST {
        return Err(OnnxError::Format { reason: "with all its tensors it has more than 2 GB".into() });
    }
    Ok(made)
}

fn tensor_inside(message: &[u8], beside: &mut Beside) -> Result<Vec<u8>, OnnxError> {
    let tensor = TensorProto::decode(message).map_err(|e| OnnxError::Format { reason: e.to_string() })?;
    if tensor.data_location != 1 && tensor.external_data.is_empty() {
        return Ok(message.to_vec());
    }
    let values = outside(&tensor, beside)?;
    let mut made = Vec::with_capacity(message.len() + values.len());
    let kept = |n: u32| ![tensor::RAW_DATA, tensor::EXTERNAL_DATA, tensor::DATA_LOCATION].contains(&n);
    for field in fields(message)?.into_iter().filter(|f| kept(f.number)) {
        made.extend_from_slice(field.whole);
    }
    append(&mut made, tensor::RAW_DATA, &values);
    Ok(made)
}

/// The values of a tensor that are in another file.
fn outside(tensor: &TensorProto, beside: &mut Beside) -> Result<Vec<u8>, OnnxError> {
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
    let path = beside.folder.join(file).canonicalize().map_err(unreadable)?;
    if !path.starts_with(&beside.folder) {
        return Err(refused("it is a link to a file that is not beside the model".into()));
    }
    // asked before it is opened: opening a pipe waits for its other end
    let found = std::fs::metadata(&path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(refused("it is no regular file".into()));
    }
    let unsized_values = || refused(format!("elements of type {} in {:?} have no size", tensor.data_type, tensor.dims));
    let length = bytes(tensor).ok_or_else(unsized_values)?;
    let (size, from) = (found.len(), number("offset")?.unwrap_or(0));
    if let Some(other) = number("length")?.filter(|other| *other != length) {
        return Err(refused(format!("its length is {other} bytes, but the tensor has {length}")));
    }
    if from.checked_add(length).is_none_or(|to| to > size) {
        return Err(refused(format!("it has only {size} bytes")));
    }
    let too_many = || refused("with all its tensors the model has more than 2 GB".into());
    beside.left = beside.left.checked_sub(length).ok_or_else(too_many)?;
    let mut opened = File::open(&path).map_err(unreadable)?;
    opened.seek(SeekFrom::Start(from)).map_err(unreadable)?;
    let mut values = Vec::new();
    opened.take(length).read_to_end(&mut values).map_err(unreadable)?;
    if values.len() as u64 != length {
        return Err(refused("it became shorter while it was read".into()));
    }
    beside.files.insert(path);
    Ok(values)
}

/// Number of bytes of a tensor's values; none if its elements have no fixed size, or there is no such number.
fn bytes(tensor: &TensorProto) -> Option<u64> {
    let count = tensor.dims.iter().try_fold(1_u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?))?;
    // as ONNX numbers types, also those that no model is read with here
    let bits = match tensor.data_type {
        21 | 22 => 4,
        2 | 3 | 9 | 17..=20 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        _ => return None,
    };
    Some(count.checked_mul(bits)?.div_ceil(8))
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
        let brought_in = whole(out, folder.path()).unwrap();
        assert_eq!(brought_in.model, inside);
        assert_eq!(brought_in.files, [folder.path().join("w.data").canonicalize().unwrap()]);
        for same in [inside, b"no model".to_vec()] {
            let kept = whole(same.clone(), folder.path()).unwrap();
            assert!(kept.model == same && kept.files.is_empty());
        }
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
        assert!(of(&[("location", "w.data"), ("offset", "18446744073709551615")]).contains("15 bytes"));
        assert!(of(&[("location", "w.data"), ("length", "8")]).contains("8 bytes, but the tensor has 16"));
        assert!(of(&[("location", "w.data"), ("offset", "x")]).contains("its offset is `x`"));
    }

    #[test]
    fn what_is_no_regular_file_of_the_folder_is_refused() {
        let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = inner.path();
        std::fs::create_dir(folder.join("d.data")).unwrap();
        std::fs::write(outer.path().join("secret"), [7; 16]).unwrap();
        std::fs::write(folder.join("w.data"), [7; 16]).unwrap();
        let of = |location: &str| {
            let tensor = moved_out(tensor_i64("a", &[2], &[1, 2]), &[("location", location)]);
            whole(model(tensor, tensor_i64("b", &[1], &[1])), folder)
        };
        assert!(of("d.data").unwrap_err().to_string().contains("no regular file"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("out.data")).unwrap();
            std::os::unix::fs::symlink(outer.path(), folder.join("out")).unwrap();
            std::os::unix::fs::symlink("w.data", folder.join("in.data")).unwrap();
            for out in ["out.data", "out/secret"] {
                assert!(of(out).unwrap_err().to_string().contains("not beside the model"), "{out}");
            }
            assert_eq!(of("in.data").unwrap().files, [folder.join("w.data").canonicalize().unwrap()]);
        }
    }

    #[test]
    fn sizes_are_those_of_the_tensors_and_known_before_anything_is_read() {
        let of =
            |data_type: i32, dims: &[i64]| bytes(&TensorProto { data_type, dims: dims.to_vec(), ..Default::default() });
        assert_eq!((of(1, &[3, 5]), of(11, &[]), of(10, &[7]), of(9, &[0, 9])), (Some(60), Some(8), Some(14), Some(0)));
        assert_eq!((of(21, &[3]), of(15, &[2])), (Some(2), Some(32)));
        // a text, no type at all, no dimension, too many
        for (data_type, dims) in [(8, vec![1]), (0, vec![1]), (99, vec![1]), (1, vec![-1]), (1, vec![1 << 40, 1 << 40])]
        {
            assert_eq!(of(data_type, &dims), None, "{data_type} {dims:?}");
        }
        // 2 GB that take no room on a disk
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("w.data")).unwrap().set_len(1 << 31).unwrap();
        let mut tensor = moved_out(tensor_i64("a", &[2], &[1, 2]), &[("location", "w.data")]);
        tensor.dims = vec![1 << 28];
        let e = whole(model(tensor, tensor_i64("b", &[1], &[1])), folder.path()).unwrap_err();
        assert!(e.to_string().contains("more than 2 GB"), "{e}");
    }
}
