//! What a model's outputs hold: scores or a label for each record, or the list of the classes.

use half::f16;
use ndarray::Array2;
use ort::value::{DynMapValueType, DynValue, IntoTensorElementType, TensorElementType, ValueType};

/// Values of one output for a batch of records.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Numbers, `[records][columns]`, with the columns' keys if the output is a sequence of maps.
    Scores(Array2<f64>, Option<Vec<String>>),
    /// A label for each record.
    Labels(Vec<String>),
    /// The class labels, independent of the records.
    Classes(Vec<String>),
}

impl Values {
    /// The label of a record, in an output with one for each.
    pub(super) fn label(&self, record: usize) -> Option<String> {
        match self {
            Values::Labels(labels) => labels.get(record).cloned(),
            Values::Scores(column, _) => column.get((record, 0)).map(|x| label_text(*x)),
            Values::Classes(_) => None,
        }
    }

    /// Concatenates batches by `rows`; `None` if they differ in kind, in keys or in class labels.
    pub(super) fn join(parts: &[Values], rows: impl Fn(&[&Array2<f64>]) -> Option<Array2<f64>>) -> Option<Values> {
        match parts.first()? {
            Values::Scores(_, keys) => {
                let scores: Option<Vec<&Array2<f64>>> = parts
                    .iter()
                    .map(|p| match p {
                        Values::Scores(v, k) if k == keys => Some(v),
                        _ => None,
                    })
                    .collect();
                Some(Values::Scores(rows(&scores?)?, keys.clone()))
            }
            Values::Labels(_) => {
                let labels: Option<Vec<&[String]>> = parts
                    .iter()
                    .map(|p| match p {
                        Values::Labels(l) => Some(l.as_slice()),
                        _ => None,
                    })
                    .collect();
                Some(Values::Labels(labels?.concat()))
            }
            Values::Classes(list) => {
                let same = parts.iter().all(|p| matches!(p, Values::Classes(l) if l == list));
                same.then(|| Values::Classes(list.clone()))
            }
        }
    }
}

/// A number that an output has as a label, as text. A 32-bit float is written as one: 0.1, not 0.10000000149011612.
pub(super) fn label_text(x: f64) -> String {
    // −0 is 0
    let x = x + 0.0;
    let single = x as f32;
    if f64::from(single) == x {
        single.to_string()
    } else {
        x.to_string()
    }
}

/// Parses an output for `n` records.
pub(super) fn read(value: &DynValue, n: usize) -> ort::Result<Option<Values>> {
    match value.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let rows = shape.first().copied().unwrap_or(1);
            let scores = |v: Vec<f64>| {
                let by_record = n == 1 || rows == n as i64;
                let columns = v.len() / n;
                if !by_record || columns == 0 {
                    return None;
                }
                Array2::from_shape_vec((n, columns), v).ok().map(|v| Values::Scores(v, None))
            };
            let labels = |l: Vec<String>| {
                if l.len() == n {
                    Some(Values::Labels(l))
                } else {
                    (shape.len() == 1).then_some(Values::Classes(l))
                }
            };
            Ok(match ty {
                TensorElementType::Float32 => scores(widened(value, |x: &f32| f64::from(*x))?),
                TensorElementType::Float64 => scores(widened(value, |x: &f64| *x)?),
                TensorElementType::Float16 => scores(widened(value, |x: &f16| f64::from(*x))?),
                TensorElementType::Int8 => labels(widened(value, i8::to_string)?),
                TensorElementType::Int16 => labels(widened(value, i16::to_string)?),
                TensorElementType::Int32 => labels(widened(value, i32::to_string)?),
                TensorElementType::Int64 => labels(widened(value, i64::to_string)?),
                TensorElementType::Uint8 => labels(widened(value, u8::to_string)?),
                TensorElementType::Uint16 => labels(widened(value, u16::to_string)?),
                TensorElementType::Uint32 => labels(widened(value, u32::to_string)?),
                TensorElementType::Uint64 => labels(widened(value, u64::to_string)?),
                TensorElementType::Bool => labels(widened(value, |b: &bool| u8::from(*b).to_string())?),
                TensorElementType::String => labels(value.try_extract_strings()?.1),
                _ => None,
            })
        }
        ValueType::Sequence(of) => match **of {
            ValueType::Map { key: TensorElementType::String, value: TensorElementType::Float32 } => {
                maps(value, n, |k: &String| k.clone())
            }
            ValueType::Map { key: TensorElementType::Int64, value: TensorElementType::Float32 } => {
                maps(value, n, i64::to_string)
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn widened<T: ort::value::PrimitiveTensorElementType, R>(
    value: &DynValue,
    to: impl Fn(&T) -> R,
) -> ort::Result<Vec<R>> {
    Ok(value.try_extract_tensor::<T>()?.1.iter().map(to).collect())
}

/// Parses a sequence of maps from class label to score, one per record, as `ZipMap` produces them.
fn maps<K>(value: &DynValue, n: usize, text: impl Fn(&K) -> String) -> ort::Result<Option<Values>>
where
    K: IntoTensorElementType + Clone + std::hash::Hash + Eq + Ord,
{
    let mut keys: Option<Vec<K>> = None;
    let mut scores = Vec::new();
    for map in value.try_extract_sequence::<DynMapValueType>()? {
        let mut entries = map.try_extract_key_values::<K, f32>()?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let (found, row): (Vec<K>, Vec<f32>) = entries.into_iter().unzip();
        if *keys.get_or_insert_with(|| found.clone()) != found {
            return Ok(None);
        }
        scores.extend(row.into_iter().map(f64::from));
    }
    let Some(keys) = keys else { return Ok(None) };
    let values = Array2::from_shape_vec((n, keys.len()), scores).ok();
    Ok(values.map(|v| Values::Scores(v, Some(keys.iter().map(text).collect()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_that_is_a_label_has_the_digits_of_its_own_type() {
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (2.0, "2"),
            (0.5, "0.5"),
            (0.1, "0.1"),
            (f64::from(0.1f32), "0.1"),
            (16_777_217.0, "16777217"),
            (1e-7, "0.0000001"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(label_text(x), text, "{x:?}");
        }
    }
}
