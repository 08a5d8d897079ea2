//! Models of doubles that end in ZipMap, which takes single precision only: skl2onnx writes them, onnxruntime refuses them.

use std::collections::HashMap;

use prost::Message as _;

use crate::external::{append, fields};
use crate::onnx::{GraphProto, NodeProto, OnnxError, ValueInfoProto};

const GRAPH: u32 = 7;
const NODE: u32 = 1;
const OUTPUT: u32 = 12;

/// The model with the values that its ZipMaps would take as its outputs, in their place; `None` if it has no ZipMap. The labels
/// are in its other output.
pub(super) fn unzipped(model: &[u8], graph: &GraphProto) -> Result<Option<Vec<u8>>, OnnxError> {
    let zips: HashMap<&str, &str> = graph
        .node
        .iter()
        .filter(|n| n.op_type == "ZipMap")
        .filter_map(|n| Some((n.output.first()?.as_str(), n.input.first()?.as_str())))
        .collect();
    if zips.is_empty() {
        return Ok(None);
    }
    let format = |e: prost::DecodeError| OnnxError::Format { reason: e.to_string() };
    let mut made = Vec::with_capacity(model.len());
    for field in fields(model)? {
        let Some(graph) = field.value.filter(|_| field.number == GRAPH) else {
            made.extend_from_slice(field.whole);
            continue;
        };
        let mut kept = Vec::with_capacity(graph.len());
        for part in fields(graph)? {
            let value = part.value.unwrap_or_default();
            match part.number {
                NODE if NodeProto::decode(value).map_err(format)?.op_type == "ZipMap" => {}
                OUTPUT => match zips.get(ValueInfoProto::decode(value).map_err(format)?.name.as_str()) {
                    Some(values) => append(&mut kept, OUTPUT, &of_any_type(values)),
                    None => kept.extend_from_slice(part.whole),
                },
                _ => kept.extend_from_slice(part.whole),
            }
        }
        append(&mut made, GRAPH, &kept);
    }
    Ok(Some(made))
}

/// An output whose type onnxruntime infers.
fn of_any_type(name: &str) -> Vec<u8> {
    ValueInfoProto { name: name.into(), r#type: None }.encode_to_vec()
}
