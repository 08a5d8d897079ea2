//! Fits an affine map to a model's scores, and compares the two at given points.

use ndarray::{concatenate, Array2, ArrayView1, Axis, Zip};
use rand_chacha::ChaCha20Rng;

use super::points::{scan, scan_width, spread_out, KINDS, MIDDLE_ENDS, PLACES, TOP, UNIFORM};
use super::probe::{Observed, Probe};
use super::reading::Reading;
use super::values::Values;
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

    /// Logits of these columns, interpreted as `reading`, and their weights, for each record: see [`Reading::invert`].
    fn logits(&self, observed: &Observed, reading: Reading) -> Vec<(Vec<f64>, Vec<f64>)> {
        self.of(observed).rows().into_iter().map(|row| reading.invert(&row.to_vec())).collect()
    }
}

/// An affine map: weights `[d + 1][m]`, bias first, for features `f = q/256`.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) weights: Array2<f64>,
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

    /// Bound on the difference between the model's logits and the map's that rounding explains, for floats with rounding
    /// unit `unit`.
    pub(super) fn noise(&self, points: &Array2<f64>, unit: f64, probe: &Probe) -> Array2<f64> {
        let absolute = self.weights.mapv(f64::abs);
        let (bias, features) = absolute.view().split_at(Axis(0), 1);
        let sum = sizes(points, probe).dot(&features) + bias;
        sum * rounding(unit, points.ncols())
    }

    /// The worst difference between `scores`, interpreted as `reading` and computed in floats of rounding unit `unit`, and
    /// the map. `shape` converts the map's logits of a record, or their noise if its flag is set, into one value for each
    /// column of the scores.
    pub(super) fn miss(
        &self,
        scores: &Scores,
        (reading, unit): (Reading, f64),
        observed: &Observed,
        probe: &Probe,
        shape: &dyn Fn(ArrayView1<'_, f64>, bool) -> Vec<f64>,
    ) -> Miss {
        let values = scores.of(observed);
        let (logits, noise) = (self.logits(&observed.points), self.noise(&observed.points, unit, probe));
        let mut worst = Miss::none();
        for (i, got) in values.rows().into_iter().enumerate() {
            let expected = reading.forward(&shape(logits.row(i), false));
            let noise = shape(noise.row(i), true);
            let coupled = noise.iter().copied().fold(0.0, f64::max);
            for (column, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let tolerance = match reading {
                    // a pair is the logistic function of the difference
                    Reading::Softmax if noise.len() == 2 => {
                        Reading::Logistic.tolerance(*expected, noise[0] + noise[1], unit)
                    }
                    Reading::Softmax => reading.tolerance(*expected, coupled, unit),
                    _ => reading.tolerance(*expected, noise[column], unit),
                };
                let off = (got - expected).abs();
                let ratio = off / tolerance.max(f64::MIN_POSITIVE);
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

    /// Moves the map to the least-squares fit over the points of `observed`, by conjugate gradients. `known` is how much
    /// each weight counts as it is: the sum of squares of [`Line`], `[d + 1][m]`.
    fn refine(&mut self, scores: &Scores, reading: Reading, observed: &[&Observed], known: &Array2<f64>) {
        const STEPS: usize = 64;
        let parts: Vec<Residuals> = observed.iter().map(|o| self.residuals(scores, reading, o)).collect();
        let sum =
            |of: &dyn Fn(&Residuals) -> Array2<f64>| parts.iter().map(of).reduce(|a, b| a + b).unwrap_or_default();
        let diagonal = known + &sum(&|p| p.points.mapv(|x| x * x).t().dot(&p.weights));
        let precondition =
            |r: &Array2<f64>| Zip::from(r).and(&diagonal).map_collect(|r, d| if *d > 0.0 { r / d } else { 0.0 });
        let energies = |a: &Array2<f64>, b: &Array2<f64>| (a * b).sum_axis(Axis(0));
        let mut residual = sum(&|p| p.points.t().dot(&(&p.weights * &p.off)));
        let mut moved = Array2::zeros(self.weights.dim());
        let mut search = precondition(&residual);
        let mut energy = energies(&residual, &search);
        let enough = &energy * 1e-12;
        for _ in 0..STEPS {
            let product = known * &search + sum(&|p| p.points.t().dot(&(&p.weights * &p.points.dot(&search))));
            let bend = energies(&search, &product);
            let length = Zip::from(&energy).and(&bend).map_collect(|e, b| if *b > 0.0 { e / b } else { 0.0 });
            moved += &(&search * &length);
            residual -= &(&product * &length);
            let next = precondition(&residual);
            let left = energies(&residual, &next);
            if left.iter().zip(&enough).all(|(l, e)| l <= e) {
                break;
            }
            search = next + &(&search * &(&left / &energy).mapv(|r| if r.is_finite() { r } else { 0.0 }));
            energy = left;
        }
        // the features are relative to their middle
        let (mut bias, features) = moved.view_mut().split_at(Axis(0), 1);
        bias -= &(features.sum_axis(Axis(0)) * (TOP / 2.0));
        if moved.iter().all(|x| x.is_finite()) {
            self.weights += &moved;
        }
    }

    /// What the map leaves of the logits of `scores`.
    fn residuals(&self, scores: &Scores, reading: Reading, observed: &Observed) -> Residuals {
        let points = &observed.points;
        let mut off = -self.logits(points);
        let mut weights = Array2::zeros(off.dim());
        for (i, (z, w)) in scores.logits(observed, reading).into_iter().enumerate() {
            for (u, (z, w)) in z.into_iter().zip(w).enumerate() {
                off[[i, u]] += z;
                if off[[i, u]].is_finite() && w.is_finite() {
                    weights[[i, u]] = w;
                } else {
                    off[[i, u]] = 0.0;
                }
            }
        }
        let ones = Array2::ones((points.nrows(), 1));
        let points = concatenate![Axis(1), ones, points - TOP / 2.0];
        Residuals { points, off, weights }
    }
}

/// Differences between logits and a map's.
struct Residuals {
    /// Points relative to the middle of the ranges, after a column of ones, `[n][d + 1]`.
    points: Array2<f64>,
    /// The differences, `[n][m]`.
    off: Array2<f64>,
    /// Their weights in a least-squares fit, 0 where there is no logit, `[n][m]`.
    weights: Array2<f64>,
}

/// Sizes of what is added up for each feature of `points`, for a weight of 1.
fn sizes(points: &Array2<f64>, probe: &Probe) -> Array2<f64> {
    Array2::from_shape_fn(points.dim(), |(i, j)| probe.magnitude(j, points[[i, j]]))
}

/// Relative rounding of a sequential sum of `terms` terms.
fn rounding(unit: f64, terms: usize) -> f64 {
    unit * (4.0 + (terms as f64).sqrt() / 2.0)
}

/// Fits a map to `scores`, interpreted as `reading`: by moving one feature at a time, starting from the points of `start`
/// at which the output determines the logits best, and then to points where all features differ. The error of each slope
/// alone, small as it is, would add up over the features.
pub(super) fn fit(
    probe: &mut Probe,
    scores: &Scores,
    reading: Reading,
    start: &Observed,
    rng: &mut ChaCha20Rng,
) -> Result<Map, ImportError> {
    let (d, m) = (start.points.ncols(), scores.columns.len());
    let informative: Vec<Vec<f64>> = scores.logits(start, reading).into_iter().map(|(_, weight)| weight).collect();
    let mut weights = Array2::zeros((d + 1, m));
    let mut known = Array2::zeros((d + 1, m));
    for (base, columns) in bases(&informative, m) {
        let origin = start.points.row(base);
        // the line of each scan, for each column
        let mut scans = Vec::with_capacity(d);
        for first in (0..d).step_by(scan_width()) {
            let features = first..d.min(first + scan_width());
            let observed = probe.observe(&scan(origin, features.clone(), rng))?;
            let mut found = scores.logits(&observed, reading).into_iter();
            for (part, j) in features.enumerate() {
                let rows = part * PLACES..(part + 1) * PLACES;
                let samples = rows.zip(found.by_ref());
                let samples: Vec<Sample> =
                    samples.map(|(i, (z, weight))| Sample { f: observed.points[[i, j]], z, weight }).collect();
                scans.push(columns.iter().map(|u| line(&samples, *u)).collect::<Vec<Line>>());
            }
        }
        for (c, u) in columns.iter().enumerate() {
            for (j, lines) in scans.iter().enumerate() {
                weights[[j + 1, *u]] = lines[c].slope;
                known[[j + 1, *u]] = lines[c].spread;
            }
            let at_base: f64 = (0..d).map(|j| weights[[j + 1, *u]] * origin[j]).sum();
            let (mut sum, mut total) = (0.0, 0.0);
            for (j, lines) in scans.iter().enumerate() {
                let Line { slope, f, z, weight, .. } = lines[c];
                if weight > 0.0 {
                    sum += weight * (z - slope * (f - origin[j]) - at_base);
                    total += weight;
                }
            }
            weights[[0, *u]] = sum / total;
        }
    }
    let mut map = Map { weights };
    let more = probe.observe(&spread_out(&map.weights, rng))?;
    map.refine(scores, reading, &[start, &more], &known);
    Ok(map)
}

/// A point midway between two of `start` whose scores, interpreted as `reading`, are further from midway than rounding in an
/// affine model could move them. `between` is the model at [`super::points::middles`]. `None` also where nothing can be said.
pub(super) fn bend(
    probe: &Probe,
    scores: &Scores,
    (reading, unit): (Reading, f64),
    start: &Observed,
    between: &Observed,
) -> Option<Miss> {
    let (d, m) = (start.points.ncols(), scores.columns.len());
    let (ends, middles) = (scores.logits(start, reading), scores.logits(between, reading));
    // a few times what moves an affine model's
    const CLEAR: f64 = 8.0;
    let largest = sizes(&start.points, probe).rows().into_iter().map(|s| s.dot(&s).sqrt()).fold(0.0, f64::max);
    let mut worst = Miss::none();
    for u in 0..m {
        // over uniform points, a weight adds a twelfth of its square to the variance
        let uniform: Vec<f64> = ends.iter().skip(UNIFORM).step_by(KINDS).map(|(z, _)| z[u]).collect();
        let count = uniform.len() as f64;
        let mean = uniform.iter().sum::<f64>() / count;
        let deviation = (uniform.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / count).sqrt();
        let norm = 12f64.sqrt() / TOP * deviation;
        // bounds what is added up, by Cauchy and Schwarz
        let noise = (norm * (largest + (d as f64).sqrt()) + mean.abs()) * rounding(unit, d);
        for (k, (z, weight)) in middles.iter().enumerate() {
            let [a, b] = MIDDLE_ENDS.map(|end| &ends[KINDS * k + end]);
            let wanted = (a.0[u] + b.0[u]) / 2.0;
            let blur = |z: f64, weight: f64| unit * (1.0 + z.abs()) / weight.sqrt();
            let blurs = blur(a.0[u], a.1[u]) + blur(b.0[u], b.1[u]) + blur(z[u], weight[u]);
            let ratio = (z[u] - wanted).abs() / (noise + 8.0 * blurs);
            // not a number where a score is saturated
            if ratio > worst.ratio.max(CLEAR) {
                let halfway: Vec<f64> = a.0.iter().zip(&b.0).map(|(a, b)| (a + b) / 2.0).collect();
                let (got, expected) = (scores.of(between)[[k, u]], reading.forward(&halfway)[u]);
                let point = between.points.row(k).to_vec();
                worst = Miss { ratio, point, column: u, got, expected, residual: (got - expected).abs() };
            }
        }
    }
    (worst.ratio > CLEAR).then_some(worst)
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
    /// Information about the slope: the weighted sum of squares of the feature's distances from its mean.
    spread: f64,
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
        return Line { slope: 0.0, f: 0.0, z: 0.0, weight: 0.0, spread: 0.0 };
    }
    let f = points().map(|p| p.2 * p.0).sum::<f64>() / weight;
    let z = points().map(|p| p.2 * p.1).sum::<f64>() / weight;
    let spread: f64 = points().map(|p| p.2 * (p.0 - f).powi(2)).sum();
    let common: f64 = points().map(|p| p.2 * (p.0 - f) * (p.1 - z)).sum();
    Line { slope: if spread > 0.0 { common / spread } else { 0.0 }, f, z, weight, spread }
}

/// The rows of `values` as slices, for [`Reading::plausible`].
pub(super) fn rows(values: &Array2<f64>) -> impl Iterator<Item = &[f64]> + Clone {
    values.axis_iter(Axis(0)).filter_map(|r| r.to_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{points, InputScale};
    use crate::Runtime;
    use rand::SeedableRng;
    use tribute_core::schema::{Feature, Schema, Target};

    /// A network is told from a head at few points: it may be slow, and would be evaluated at many for each feature.
    #[test]
    fn a_network_is_seen_between_points() {
        let runtime = Runtime::locate_and_init(None).unwrap();
        let features = (0..13).map(|j| Feature { name: format!("f{j}"), lo: 0.0, hi: 1.0 }).collect();
        let labels = ["a", "b", "c"].map(String::from).to_vec();
        let schema = Schema::new("s".into(), features, Target::Classes(labels), None).unwrap();
        let scores = Scores { name: "output".into(), columns: (0..3).map(|u| (0, u)).collect() };
        let seen = |file: &str, reading, unit| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
            let model = std::fs::read(format!("{path}{file}.onnx")).unwrap();
            let mut probe = Probe::new(&runtime, &model, &schema, InputScale::Quantised).unwrap();
            let start = points::start(&[0.0; 13], &mut ChaCha20Rng::seed_from_u64(1));
            let [start, between] = [&start, &points::middles(&start)].map(|p| probe.observe(p).unwrap());
            bend(&probe, &scores, (reading, unit), &start, &between)
        };
        let single = (-24f64).exp2();
        let miss = seen("torch_hidden", Reading::Softmax, single).unwrap();
        assert!(miss.ratio > 100.0 && (miss.got - miss.expected).abs() > 1e-3, "{miss:?}");
        assert!(seen("torch_softmax", Reading::Softmax, single).is_none());
        assert!(seen("torch_logits", Reading::Raw, single).is_none());
        // probabilities are no logits
        assert!(seen("torch_softmax", Reading::Raw, single).is_some());
        // what rounding could explain is left to the fit
        assert!(seen("torch_softmax", Reading::Raw, 0.01).is_none());
    }

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
