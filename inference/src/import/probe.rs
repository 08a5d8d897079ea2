//! A model asked for its outputs: how records are laid out for its inputs, and what comes back.
//!
//! Points are features as the circuits see them, `f = q/256`, of any real value. A model that takes raw units gets
//! `lo + f·(hi − lo)·256/255`, rounded to the element type of its input; what it was really asked is reported back.

use half::f16;
use ndarray::{concatenate, Array2, Axis, Slice};
use ort::session::{Session, SessionInputValue};
use ort::value::{
    DynMapValueType, DynValue, IntoTensorElementType, Outlet, Shape, Tensor, TensorElementType, ValueType,
};
use tribute_core::schema::Schema;

use super::points::TOP;
use super::{ImportError, InputScale};
use crate::runtime::{Runtime, RuntimeError};

/// Records in one run, where the model lets them be chosen: more than any agent has classes.
const BATCH: usize = 256;

/// What one output says about records.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Numbers, `[records][columns]`; the keys of the columns where they come as maps.
    Scores(Array2<f64>, Option<Vec<String>>),
    /// A label for each record.
    Labels(Vec<String>),
    /// Class labels, whatever the record.
    Classes(Vec<String>),
}

/// Outputs at some points.
pub(super) struct Observed {
    /// What was asked: the points, as the input's element type holds them.
    pub(super) points: Array2<f64>,
    /// Name and values of each output; `None` for one that says nothing about single records.
    pub(super) outputs: Vec<(String, Option<Values>)>,
}

struct Input {
    name: String,
    element: TensorElementType,
    /// Shape of a whole batch.
    dims: Vec<usize>,
    /// Features that it takes: all of them, or one.
    features: std::ops::Range<usize>,
}

/// A model with records laid out for it.
pub(super) struct Probe {
    session: Session,
    inputs: Vec<Input>,
    batch: usize,
    /// Raw value of `f = 0`, and of a step of 1, by feature.
    units: Vec<(f64, f64)>,
}

impl Probe {
    /// Loads `model` and finds out how it takes records of `schema`.
    pub(super) fn new(
        runtime: &Runtime,
        model: &[u8],
        schema: &Schema,
        scale: InputScale,
    ) -> Result<Self, ImportError> {
        let session = runtime.load(model)?;
        let units = schema
            .features()
            .iter()
            .map(|f| match scale {
                InputScale::Raw => (f.lo, (f.hi - f.lo) * 256.0 / 255.0),
                InputScale::Quantised => (0.0, 1.0),
            })
            .collect();
        let (inputs, batch) = lay_out(session.inputs(), schema, BATCH)?;
        let mut probe = Probe { session, inputs, batch, units };
        if batch == BATCH {
            // a batch size that the file leaves open may still be fixed inside, to one record
            let origin = Array2::zeros((BATCH, schema.features().len()));
            let usable = |o: &Observed| o.outputs.iter().any(|(_, v)| v.is_some());
            let failed = match probe.run(&origin) {
                Ok(observed) if usable(&observed) => None,
                Ok(_) => Some(None),
                Err(e) => Some(Some(e)),
            };
            if let Some(error) = failed {
                (probe.inputs, probe.batch) = lay_out(probe.session.inputs(), schema, 1)?;
                match (probe.run(&origin.select(Axis(0), &[0])), error) {
                    (Err(_), Some(first)) => return Err(first),
                    (Err(e), None) => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(probe)
    }

    /// `|x|` of a feature's raw value at `f`, in steps: what rounding is relative to.
    pub(super) fn magnitude(&self, feature: usize, f: f64) -> f64 {
        let (lo, step) = self.units[feature];
        f.abs() + (lo / step + f).abs() + 1.0
    }

    /// Where a feature's raw value is 0, or nearest to it within its range.
    pub(super) fn zero(&self, feature: usize) -> f64 {
        let (lo, step) = self.units[feature];
        (-lo / step).clamp(0.0, TOP)
    }

    /// The raw value of a feature at `f`, as the model's input has it.
    pub(super) fn raw(&self, feature: usize, f: f64) -> f64 {
        let (lo, step) = self.units[feature];
        lo + f * step
    }

    /// The outputs at `points` `[n][d]`.
    pub(super) fn observe(&mut self, points: &Array2<f64>) -> Result<Observed, ImportError> {
        let mut all: Option<Observed> = None;
        for chunk in points.axis_chunks_iter(Axis(0), self.batch) {
            // the last batch is filled up with its last record
            let rows: Vec<usize> = (0..self.batch).map(|i| i.min(chunk.nrows() - 1)).collect();
            let mut part = self.run(&chunk.select(Axis(0), &rows))?;
            part.shorten(chunk.nrows());
            all = Some(match all {
                None => part,
                Some(all) => all.join(part),
            });
        }
        all.ok_or_else(|| RuntimeError::Run("no points to run it at".into()).into())
    }

    /// One batch.
    fn run(&mut self, points: &Array2<f64>) -> Result<Observed, ImportError> {
        let failed = |e: ort::Error| RuntimeError::Run(e.to_string());
        let mut asked = points.clone();
        let mut fed: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let mut raw = Vec::with_capacity(points.nrows() * input.features.len());
            for mut row in asked.rows_mut() {
                for j in input.features.clone() {
                    let (lo, step) = self.units[j];
                    let exact = lo + row[j] * step;
                    let x = match input.element {
                        TensorElementType::Float64 => exact,
                        TensorElementType::Float16 => f64::from(f16::from_f64(exact)),
                        _ => f64::from(exact as f32),
                    };
                    row[j] = (x - lo) / step;
                    raw.push(x);
                }
            }
            let dims = Shape::new(input.dims.iter().map(|d| *d as i64));
            let value: DynValue = match input.element {
                TensorElementType::Float64 => Tensor::from_array((dims, raw)).map_err(failed)?.into_dyn(),
                TensorElementType::Float16 => tensor(dims, &raw, f16::from_f64).map_err(failed)?,
                _ => tensor(dims, &raw, |x| x as f32).map_err(failed)?,
            };
            fed.push((&input.name, value.into()));
        }
        let outputs = self.session.run(fed).map_err(failed)?;
        let read = outputs
            .iter()
            .map(|(name, value)| Ok((name.to_owned(), read(&value, points.nrows()).map_err(failed)?)))
            .collect::<Result<_, RuntimeError>>()?;
        Ok(Observed { points: asked, outputs: read })
    }
}

fn tensor<T>(dims: Shape, raw: &[f64], convert: impl Fn(f64) -> T) -> ort::Result<DynValue>
where
    T: ort::value::PrimitiveTensorElementType + IntoTensorElementType + std::fmt::Debug + Clone + 'static,
{
    Ok(Tensor::from_array((dims, raw.iter().copied().map(convert).collect::<Vec<T>>()))?.into_dyn())
}

/// The first `n` rows.
fn first(rows: &Array2<f64>, n: usize) -> Array2<f64> {
    rows.slice_axis(Axis(0), Slice::from(..n)).to_owned()
}

impl Observed {
    fn shorten(&mut self, n: usize) {
        self.points = first(&self.points, n);
        for (_, values) in &mut self.outputs {
            match values {
                Some(Values::Scores(v, _)) => *v = first(v, n),
                Some(Values::Labels(l)) => l.truncate(n),
                Some(Values::Classes(_)) | None => {}
            }
        }
    }

    /// This and the next batch; an output that changes its kind between batches says nothing.
    fn join(mut self, next: Observed) -> Observed {
        let rows = |a: &Array2<f64>, b: &Array2<f64>| concatenate(Axis(0), &[a.view(), b.view()]).ok();
        self.points = rows(&self.points, &next.points).unwrap_or(next.points);
        for ((_, all), (_, next)) in self.outputs.iter_mut().zip(next.outputs) {
            *all = match (all.take(), next) {
                (Some(Values::Scores(a, k)), Some(Values::Scores(b, l))) if k == l => {
                    rows(&a, &b).map(|v| Values::Scores(v, k))
                }
                (Some(Values::Labels(mut a)), Some(Values::Labels(b))) => {
                    a.extend(b);
                    Some(Values::Labels(a))
                }
                (Some(Values::Classes(a)), Some(Values::Classes(b))) if a == b => Some(Values::Classes(a)),
                _ => None,
            };
        }
        self
    }
}

/// How each input takes the schema's features, and the batch size: `free` where the file leaves it open.
fn lay_out(inputs: &[Outlet], schema: &Schema, free: usize) -> Result<(Vec<Input>, usize), ImportError> {
    let d = schema.features().len();
    let wrong = || {
        let found = inputs.iter().map(|i| format!("`{}`: {}", i.name(), i.dtype())).collect::<Vec<_>>().join(", ");
        ImportError::Input { found, features: d }
    };
    let columns: Vec<std::ops::Range<usize>> = match inputs {
        [] => return Err(wrong()),
        [_] => std::iter::once(0..d).collect(),
        _ if inputs.len() == d => {
            let known = |name: &str| {
                let found = schema.features().iter().position(|f| f.name == name);
                found.or_else(|| schema.features().iter().position(|f| plain(&f.name) == plain(name)))
            };
            let column = |i: &Outlet| known(i.name()).map(|j| j..j + 1);
            let named: Option<Vec<_>> = inputs.iter().map(column).collect();
            let named = named.ok_or_else(|| {
                let stranger = inputs.iter().find(|i| known(i.name()).is_none()).map(Outlet::name);
                ImportError::Column { input: stranger.unwrap_or_default().into() }
            })?;
            if (0..d).any(|j| !named.contains(&(j..j + 1))) {
                return Err(wrong());
            }
            named
        }
        _ => return Err(wrong()),
    };
    let mut batch = None;
    let mut laid = Vec::with_capacity(inputs.len());
    for (input, features) in inputs.iter().zip(columns) {
        let ValueType::Tensor { ty, shape, .. } = input.dtype() else { return Err(wrong()) };
        match ty {
            TensorElementType::Float32 | TensorElementType::Float64 | TensorElementType::Float16 => {}
            _ => return Err(ImportError::InputType { input: input.name().into(), found: ty.to_string() }),
        }
        let (fixed, record, batched) = record_shape(shape, features.len()).ok_or_else(wrong)?;
        let rows = fixed.unwrap_or(free);
        if *batch.get_or_insert(rows) != rows {
            return Err(wrong());
        }
        let dims = batched.then_some(rows).into_iter().chain(record).collect();
        laid.push(Input { name: input.name().into(), element: *ty, dims, features });
    }
    Ok((laid, batch.unwrap_or(1)))
}

/// Letters and digits of a name: exporters replace the rest.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// Batch size if it is fixed, shape of one record, and whether there is a batch dimension at all. Unknown sizes are negative.
fn record_shape(shape: &[i64], features: usize) -> Option<(Option<usize>, Vec<usize>, bool)> {
    let fill = |dims: &[i64]| -> Option<Vec<usize>> {
        let known: usize = dims.iter().filter(|d| **d >= 0).try_fold(1usize, |n, d| n.checked_mul(*d as usize))?;
        let unknown = dims.iter().filter(|d| **d < 0).count();
        if unknown > 1 || known == 0 || !features.is_multiple_of(known) || (unknown == 0 && known != features) {
            return None;
        }
        Some(dims.iter().map(|d| if *d < 0 { features / known } else { *d as usize }).collect())
    };
    let batch = |b: i64| usize::try_from(b).ok();
    match shape {
        // a shape that is not given
        [] => Some((None, vec![features], true)),
        [b @ ..=-1] if features == 1 => Some((batch(*b), vec![], true)),
        [0, ..] => None,
        [b, rest @ ..] if !rest.is_empty() && fill(rest).is_some() => Some((batch(*b), fill(rest)?, true)),
        all => Some((Some(1), fill(all)?, false)),
    }
}

/// What an output says about `n` records.
fn read(value: &DynValue, n: usize) -> ort::Result<Option<Values>> {
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
                TensorElementType::Int64 => labels(widened(value, i64::to_string)?),
                TensorElementType::Int32 => labels(widened(value, i32::to_string)?),
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

/// A sequence of maps from class label to score, one for each record, as `ZipMap` makes them.
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
    fn records_are_laid_out_by_what_the_shape_says() {
        for (shape, features, wanted) in [
            (&[-1, 6][..], 6, Some((None, vec![6], true))),
            (&[-1, -1], 6, Some((None, vec![6], true))),
            (&[1, 6], 6, Some((Some(1), vec![6], true))),
            (&[32, 6], 6, Some((Some(32), vec![6], true))),
            (&[6], 6, Some((Some(1), vec![6], false))),
            (&[-1], 6, Some((Some(1), vec![6], false))),
            (&[-1], 1, Some((None, vec![], true))),
            (&[1], 1, Some((Some(1), vec![1], false))),
            (&[-1, 1, 2, 3], 6, Some((None, vec![1, 2, 3], true))),
            (&[-1, 1, -1, 3], 6, Some((None, vec![1, 2, 3], true))),
            (&[2, 3], 6, Some((Some(1), vec![2, 3], false))),
            (&[], 6, Some((None, vec![6], true))),
            (&[-1, 5], 6, None),
            (&[-1, -1, -1], 6, None),
            (&[0, 6], 6, None),
            (&[-1, 0], 6, None),
            (&[-1, i64::MAX, i64::MAX], 6, None),
        ] {
            assert_eq!(record_shape(shape, features), wanted, "{shape:?}");
        }
    }
}
