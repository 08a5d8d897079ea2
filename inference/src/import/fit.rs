//! Fits an affine map to a model's scores, and compares the two at given points.

use ndarray::{Array2, ArrayView1, Axis};
use rand_chacha::ChaCha20Rng;

use super::points::{scan, scan_width, PLACES};
use super::probe::{Observed, Probe, Values};
use super::reading::Reading;
use super::ImportError;

/// Columns of scores, from a single output or from several outputs of one column each.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    /// Name of the output, for error messages.
    pub(super) name: String,
    /// Output and column of each class.
    pub(super) columns: Vec<(usize, usize)>,
}

impl Scores {
    /// The values of these columns, `[n][columns]`.
    pub(super) fn of(&self, observed: &Observed) -> Array2<f64> {
        let mut values = Array2::from_elem((observed.points.nrows(), self.columns.len()), f64::NAN);
        for (mut to, (output, column)) in values.columns_mut().into_iter().zip(&self.columns) {
            if let Some(Values::Scores(from, _)) = &observed.outputs[*output].1 {
                if *column < from.ncols() {
                    to.assign(&from.column(*column));
                }
            }
        }
        values
    }
}

/// An affine map: weights `[d + 1][m]`, bias first, for features `f = q/256`.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) weights: Array2<f64>,
    /// Rounding unit of the model's floats: 2^-24 for `f32`.
    pub(super) unit: f64,
}

/// The point at which an output differs most from the map, relative to the difference that rounding explains.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    /// Difference relative to the tolerance: above 1 it is more than rounding.
    pub(super) ratio: f64,
    pub(super) point: Vec<f64>,
    pub(super) column: usize,
    pub(super) got: f64,
    pub(super) expected: f64,
    /// Largest absolute difference, in units of the output.
    pub(super) residual: f64,
}

impl Miss {
    pub(super) fn none() -> Self {
        Miss { ratio: 0.0, point: Vec::new(), column: 0, got: 0.0, expected: 0.0, residual: 0.0 }
    }
}

impl Map {
    /// Logits at `points`, `[n][m]`.
    pub(super) fn logits(&self, points: &Array2<f64>) -> Array2<f64> {
        let (bias, features) = self.weights.view().split_at(Axis(0), 1);
        points.dot(&features) + bias
    }

    /// Bound on the difference between the model's logits and the map's that rounding explains.
    pub(super) fn noise(&self, points: &Array2<f64>, probe: &Probe) -> Array2<f64> {
        let sizes = Array2::from_shape_fn(points.dim(), |(i, j)| probe.magnitude(j, points[[i, j]]));
        let absolute = self.weights.mapv(f64::abs);
        let (bias, features) = absolute.view().split_at(Axis(0), 1);
        let sum = sizes.dot(&features) + bias;
        // rounding of a sequential sum of d terms
        sum * (self.unit * (4.0 + (points.ncols() as f64).sqrt() / 2.0))
    }

    /// The worst difference between `scores`, interpreted as `reading`, and the map. `shape` converts the map's logits
    /// of a record, or their noise if its flag is set, into one value for each column of the scores.
    pub(super) fn miss(
        &self,
        scores: &Scores,
        reading: Reading,
        observed: &Observed,
        probe: &Probe,
        shape: &dyn Fn(ArrayView1<'_, f64>, bool) -> Vec<f64>,
    ) -> Miss {
        let values = scores.of(observed);
        let (logits, noise) = (self.logits(&observed.points), self.noise(&observed.points, probe));
        let mut worst = Miss::none();
        for (i, got) in values.rows().into_iter().enumerate() {
            let expected = reading.forward(&shape(logits.row(i), false));
            let noise = shape(noise.row(i), true);
            let coupled = noise.iter().copied().fold(0.0, f64::max);
            for (column, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let noise = if reading == Reading::Softmax { coupled } else { noise[column] };
                let off = (got - expected).abs();
                let ratio = off / reading.tolerance(*expected, noise, self.unit).max(f64::MIN_POSITIVE);
                // NaN is never explained by rounding
                let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
                worst.residual = if off.is_nan() { f64::INFINITY } else { worst.residual.max(off) };
                if ratio > worst.ratio {
                    let point = observed.points.row(i).to_vec();
                    worst = Miss { ratio, point, column, got: *got, expected: *expected, residual: worst.residual };
                }
            }
        }
        worst
    }
}

/// Fits a map to `scores`, interpreted as `reading`, by moving one feature at a time, starting from the points of
/// `start` at which the output determines the logits best.
pub(super) fn fit(
    probe: &mut Probe,
    scores: &Scores,
    reading: Reading,
    start: &Observed,
    unit: f64,
    rng: &mut ChaCha20Rng,
) -> Result<Map, ImportError> {
    let (d, m) = (start.points.ncols(), scores.columns.len());
    let values = scores.of(start);
    let informative: Vec<Vec<f64>> = values.rows().into_iter().map(|row| reading.invert(&row.to_vec()).1).collect();
    let mut weights = Array2::zeros((d + 1, m));
    for (base, columns) in bases(&informative, m) {
        let origin = start.points.row(base);
        // mean feature, mean logit and weight of each scan, for each column
        let mut means = Vec::with_capacity(d);
        for first in (0..d).step_by(scan_width()) {
            let features = first..d.min(first + scan_width());
            let observed = probe.observe(&scan(origin, features.clone(), rng))?;
            let found = scores.of(&observed);
            for (part, j) in features.enumerate() {
                let rows = part * PLACES..(part + 1) * PLACES;
                let inverted: Vec<Sample> = rows
                    .map(|i| {
                        let (z, weight) = reading.invert(&found.row(i).to_vec());
                        Sample { f: observed.points[[i, j]], z, weight }
                    })
                    .collect();
                means.push(columns.iter().map(|u| line(&inverted, *u)).collect::<Vec<Line>>());
            }
        }
        for (c, u) in columns.iter().enumerate() {
            for (j, lines) in means.iter().enumerate() {
                weights[[j + 1, *u]] = lines[c].slope;
            }
            let at_base: f64 = (0..d).map(|j| weights[[j + 1, *u]] * origin[j]).sum();
            let (mut sum, mut total) = (0.0, 0.0);
            for (j, lines) in means.iter().enumerate() {
                let Line { slope, f, z, weight } = lines[c];
                if weight > 0.0 {
                    sum += weight * (z - slope * (f - origin[j]) - at_base);
                    total += weight;
                }
            }
            weights[[0, *u]] = sum / total;
        }
    }
    Ok(Map { weights, unit })
}

/// Chooses few points that together suffice for fitting all columns. Each is returned with its columns: those whose
/// weight at the point is at least a quarter of the column's best.
fn bases(weights: &[Vec<f64>], columns: usize) -> Vec<(usize, Vec<usize>)> {
    let best: Vec<f64> = (0..columns).map(|u| weights.iter().fold(0.0, |max: f64, w| max.max(w[u]))).collect();
    let mut left: Vec<usize> = (0..columns).collect();
    let mut bases = Vec::new();
    while !left.is_empty() {
        let serves = |i: usize, u: &usize| weights[i][*u] >= best[*u] / 4.0;
        let count = |i: &usize| left.iter().filter(|u| serves(*i, u)).count();
        // the first among equals, so the middle of the ranges is preferred
        let base = (0..weights.len()).rev().max_by_key(count).unwrap_or(0);
        let (here, rest): (Vec<usize>, Vec<usize>) = left.iter().partition(|u| serves(base, u));
        // columns that are uninformative everywhere are fitted from any point
        let (here, rest) = if here.is_empty() { (rest, here) } else { (here, rest) };
        bases.push((base, here));
        left = rest;
    }
    bases
}

/// The least-squares line through the points of one scan, with its weighted mean point.
struct Line {
    slope: f64,
    f: f64,
    z: f64,
    weight: f64,
}

/// One point of a scan: the feature, and for each column the logit and its weight.
struct Sample {
    f: f64,
    z: Vec<f64>,
    weight: Vec<f64>,
}

fn line(scan: &[Sample], column: usize) -> Line {
    let points = || {
        let of = |s: &Sample| (s.f, s.z[column], s.weight[column]);
        scan.iter().map(of).filter(|(_, z, w)| z.is_finite() && *w > 0.0)
    };
    let weight: f64 = points().map(|p| p.2).sum();
    if weight.is_nan() || weight <= 0.0 {
        return Line { slope: 0.0, f: 0.0, z: 0.0, weight: 0.0 };
    }
    let f = points().map(|p| p.2 * p.0).sum::<f64>() / weight;
    let z = points().map(|p| p.2 * p.1).sum::<f64>() / weight;
    let spread: f64 = points().map(|p| p.2 * (p.0 - f).powi(2)).sum();
    let common: f64 = points().map(|p| p.2 * (p.0 - f) * (p.1 - z)).sum();
    Line { slope: if spread > 0.0 { common / spread } else { 0.0 }, f, z, weight }
}

/// The rows of `values` as slices, for [`Reading::plausible`].
pub(super) fn rows(values: &Array2<f64>) -> impl Iterator<Item = &[f64]> + Clone {
    values.axis_iter(Axis(0)).filter_map(|r| r.to_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_few_and_serve_every_column() {
        let one = bases(&[vec![1.0, 1.0], vec![2.0, 0.5]], 2);
        assert_eq!(one, [(0, vec![0, 1])], "the first serves both");
        let two = bases(&[vec![1.0, 0.0], vec![0.2, 1.0], vec![0.0, 0.9]], 2);
        assert_eq!(two, [(0, vec![0]), (1, vec![1])]);
        let silent = bases(&[vec![f64::NAN, 1.0], vec![f64::NAN, 0.1]], 2);
        assert_eq!(silent, [(0, vec![1]), (0, vec![0])]);
    }
}
