//! Evaluates a model: lays records out for its inputs, and collects its outputs.
//!
//! Points are features as the circuits see them, `f = q/256`, but may have any real value. A model that takes raw units
//! gets `lo + f·(hi − lo)·256/255`, rounded to the element type of its input; the points after rounding are reported
//! back.

use half::f16;
use ndarray::{concatenate, Array2, Axis, Slice};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, IntoTensorElementType, Outlet, Shape, Tensor, TensorElementType, ValueType};
use tribute_core::schema::Schema;

use super::points::TOP;
use super::values::{read, Values};
use super::{ImportError, InputScale};
use crate::runtime::{Runtime, RuntimeError};

/// Batch size if the model does not fix it: more records than any agent has classes.
const BATCH: usize = 256;

/// A model's outputs at some points.
pub(super) struct Observed {
    /// The points evaluated, after rounding to the input's element type.
    pub(super) points: Array2<f64>,
    /// Name and values of each output; `None` for an output that has no values for single records.
    pub(super) outputs: Vec<(String, Option<Values>)>,
}

struct Input {
    name: String,
    element: TensorElementType,
    /// Shape of a whole batch.
    dims: Vec<usize>,
    /// The features it takes: all of them, or one.
    features: std::ops::Range<usize>,
}

/// A loaded model with the layout of its inputs.
pub(super) struct Probe {
    session: Session,
    inputs: Vec<Input>,
    batch: usize,
    /// For each feature, its raw value at `f = 0` and the raw difference for a change of 1 in `f`.
    units: Vec<(f64, f64)>,
}

impl Probe {
    /// Loads `model` and determines how it takes records of `schema`.
    pub(super) fn new(
        runtime: &Runtime,
        model: &[u8],
        schema: &Schema,
        scale: InputScale,
    ) -> Result<Self, ImportError> {
        let session = runtime.load_as_written(model)?;
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
            // a batch size left open in the signature may still be fixed to one record inside the graph
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

    /// Bound on the magnitudes that occur in computing a feature from its raw value, in units of `f`: rounding errors
    /// are relative to it.
    pub(super) fn magnitude(&self, feature: usize, f: f64) -> f64 {
        let (lo, step) = self.units[feature];
        f.abs() + (lo / step + f).abs() + 1.0
    }

    /// The `f` at which a feature's raw value is 0, or closest to 0 within its range.
    pub(super) fn zero(&self, feature: usize) -> f64 {
        let (lo, step) = self.units[feature];
        (-lo / step).clamp(0.0, TOP)
    }

    /// A feature's value at `f` in units of the model's input.
    pub(super) fn raw(&self, feature: usize, f: f64) -> f64 {
        let (lo, step) = self.units[feature];
        lo + f * step
    }

    /// Evaluates the model at `points`, `[n][d]`.
    pub(super) fn observe(&mut self, points: &Array2<f64>) -> Result<Observed, ImportError> {
        let mut parts = Vec::with_capacity(points.nrows().div_ceil(self.batch));
        for chunk in points.axis_chunks_iter(Axis(0), self.batch) {
            // pads the last batch by repeating its last record
            let rows: Vec<usize> = (0..self.batch).map(|i| i.min(chunk.nrows() - 1)).collect();
            let mut part = self.run(&chunk.select(Axis(0), &rows))?;
            part.shorten(chunk.nrows());
            parts.push(part);
        }
        Ok(Observed::join(parts))
    }

    /// Evaluates one batch.
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

    /// Concatenates batches; an output that changes its kind between batches has no values.
    fn join(mut parts: Vec<Observed>) -> Observed {
        let rows = |parts: &[&Array2<f64>]| {
            let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
            concatenate(Axis(0), &views).ok()
        };
        let points = rows(&parts.iter().map(|p| &p.points).collect::<Vec<_>>()).unwrap_or_default();
        let names: Vec<String> = parts.iter().take(1).flat_map(|p| p.outputs.iter().map(|o| o.0.clone())).collect();
        let outputs = names.into_iter().enumerate().map(|(at, name)| {
            let values: Option<Vec<Values>> = parts.iter_mut().map(|p| p.outputs[at].1.take()).collect();
            (name, values.and_then(|v| Values::join(&v, rows)))
        });
        Observed { points, outputs: outputs.collect() }
    }
}

/// How each input takes the schema's features, and the batch size, which is `free` if the file leaves it open.
fn lay_out(inputs: &[Outlet], schema: &Schema, free: usize) -> Result<(Vec<Input>, usize), ImportError> {
    let d = schema.features().len();
    let wrong = || {
        let found = inputs.iter().map(|i| format!("`{}`: {}", i.name(), i.dtype())).collect::<Vec<_>>().join(", ");
        ImportError::Input { found, features: d, encoded: encoded(schema) }
    };
    let columns: Vec<std::ops::Range<usize>> = match inputs {
        [] => return Err(wrong()),
        [_] => std::iter::once(0..d).collect(),
        _ if inputs.len() == d => {
            let features: Vec<&str> = schema.features().iter().map(|f| f.name.as_str()).collect();
            let known = |name: &str| feature_named(&features, name);
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

/// What to export instead of a model with an encoder of its own for a column that the schema encodes; empty without such columns.
fn encoded(schema: &Schema) -> String {
    const SHOWN: usize = 4;
    let Some(column) = schema.categories().first() else { return String::new() };
    let features = &schema.features()[column.first..][..column.values.len()];
    let mut names: Vec<&str> = features.iter().take(SHOWN).map(|f| f.name.as_str()).collect();
    if features.len() > SHOWN {
        names.push("…");
    }
    format!(
        ". The schema's column `{}` is one-hot encoded already: export the part of the model after its encoder, trained on the \
         columns {} (pandas.get_dummies)",
        column.column,
        names.join(", ")
    )
}

/// The feature that an input is named after: the one of this name, else the only one whose letters and digits are the name's, because
/// exporters replace other characters, else the only one apart from what is at the name's ends. pandas keeps a blank before a column's
/// name, which skl2onnx replaces, and skl2onnx puts `_` before a digit.
fn feature_named(features: &[&str], name: &str) -> Option<usize> {
    fn plain(name: &str) -> String {
        name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
    }
    let only = |same: &dyn Fn(&str) -> bool| {
        let mut found = features.iter().enumerate().filter(|(_, feature)| same(feature)).map(|(j, _)| j);
        found.next().filter(|_| found.next().is_none())
    };
    let written = plain(name);
    only(&|feature| feature == name)
        .or_else(|| only(&|feature| plain(feature) == written))
        .or_else(|| only(&|feature| plain(feature).trim_matches('_') == written.trim_matches('_')))
}

/// Batch size if it is fixed, shape of one record, and whether there is a batch dimension. Unknown sizes in `shape` are
/// negative.
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
        // no shape given
        [] => Some((None, vec![features], true)),
        [b @ ..=-1] if features == 1 => Some((batch(*b), vec![], true)),
        [0, ..] => None,
        [b, rest @ ..] if !rest.is_empty() && fill(rest).is_some() => Some((batch(*b), fill(rest)?, true)),
        all => Some((Some(1), fill(all)?, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_the_only_feature_that_its_name_fits() {
        let features = ["age", "a b", "a_b", "x%", "x$", "1st", "hours ", "größe", "_", "y", "_y"];
        for (name, wanted) in [
            ("age", Some("age")),
            (" age", Some("age")),
            ("_age", Some("age")),
            ("a b", Some("a b")),
            ("a_b", Some("a_b")),
            ("a.b", None),
            ("x%", Some("x%")),
            ("x_", None),
            ("_1st", Some("1st")),
            ("hours", Some("hours ")),
            ("größe", Some("größe")),
            ("_", Some("_")),
            ("y", Some("y")),
            ("_y", Some("_y")),
            (" y", Some("_y")),
            ("y ", None),
            ("Age", None),
        ] {
            assert_eq!(feature_named(&features, name).map(|j| features[j]), wanted, "{name:?}");
        }
    }

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
