//! The points at which a model is evaluated.
//!
//! Records are clamped to the schema's ranges, but a model must also be affine slightly beyond them and between the 256
//! steps; this exposes rounding, clipping and thresholds. Each family of points targets one kind of kink: in a single
//! feature, in sums of many, at the ends of ranges, where a class has its most extreme scores, around the records.

use ndarray::{concatenate, Array1, Array2, ArrayView1, Axis, Slice};
use rand::seq::SliceRandom;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use tribute_core::records::Records;

/// Feature value `f = q/256` of the last step, `q = 255`.
pub(super) const TOP: f64 = 255.0 / 256.0;
/// Number of points along one feature.
pub(super) const PLACES: usize = 32;
/// Approximate number of points in a block.
const BLOCK: usize = 2_048;
/// Maximum number of records whose surroundings are evaluated.
pub const AROUND: usize = 2_048;

/// A random point in the `k`-th of [`PLACES`] equal parts of `[from, to]`.
fn place(rng: &mut ChaCha20Rng, k: usize, from: f64, to: f64) -> f64 {
    from + (to - from) * (k as f64 + rng.gen::<f64>()) / PLACES as f64
}

/// Points for identifying the outputs and choosing where to start: first the middle of the ranges, then points of all
/// kinds within the ranges and close to `zero`, where steep models are not saturated.
pub(super) fn start(zero: &[f64], rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut points = Array2::from_elem((1_024, zero.len()), TOP / 2.0);
    for (i, mut row) in points.rows_mut().into_iter().enumerate().skip(1) {
        let width = 10f64.powf(rng.gen_range(-7.0..0.0)) * TOP / 2.0;
        match i % KINDS {
            0 => row.iter_mut().for_each(|f| *f += rng.gen_range(-width..width)),
            1 => lit(row, rng),
            2 => row.iter_mut().zip(zero).for_each(|(f, z)| *f = (z + rng.gen_range(-width..width)).clamp(0.0, TOP)),
            _ => row.iter_mut().for_each(|f| *f = rng.gen_range(0.0..TOP)),
        }
    }
    points
}

/// Number of the kinds of points of [`start`], which come in turn.
pub(super) const KINDS: usize = 4;
/// Position of the points that are uniform within the ranges, among the kinds.
pub(super) const UNIFORM: usize = 3;
/// Positions of the two kinds that [`middles`] are between: a corner and a uniform point.
pub(super) const MIDDLE_ENDS: [usize; 2] = [1, UNIFORM];

/// Points midway between two of each [`KINDS`] of `start`'s.
pub(super) fn middles(start: &Array2<f64>) -> Array2<f64> {
    let [a, b] = MIDDLE_ENDS.map(|end| start.slice_axis(Axis(0), Slice::new(end as isize, None, KINDS as isize)));
    (&a + &b) / 2.0
}

/// Sets a random subset of features to their maximum, the others to their minimum.
fn lit(mut row: ndarray::ArrayViewMut1<'_, f64>, rng: &mut ChaCha20Rng) {
    let share = rng.gen::<f64>();
    row.iter_mut().for_each(|f| *f = if rng.gen::<f64>() < share { TOP } else { 0.0 });
}

/// Number of features in one scan block.
pub(super) fn scan_width() -> usize {
    BLOCK / PLACES
}

/// `base` with each of `features` moved in turn, [`PLACES`] points each: half of them across its range, half close to
/// `base`.
pub(super) fn scan(base: ArrayView1<'_, f64>, features: std::ops::Range<usize>, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut points = Array2::zeros((features.len() * PLACES, base.len()));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        row.assign(&base);
        let f = &mut row[features.start + i / PLACES];
        let near = 10f64.powf(rng.gen_range(-6.0..0.0)) * if *f < TOP / 2.0 { 1.0 } else { -1.0 };
        *f = if i % 2 == 0 { place(rng, i % PLACES, 0.0, TOP) } else { *f + near * TOP / 2.0 };
    }
    points
}

/// Blocks of points, on and off the records' grid, for comparing a map with `weights` (`[d + 1][m]`, bias first) with
/// the model.
pub(super) fn trials<'a>(
    weights: &'a Array2<f64>,
    datasets: &'a [&'a Records],
    rng: &'a mut ChaCha20Rng,
) -> impl Iterator<Item = Array2<f64>> + 'a {
    let d = weights.nrows() - 1;
    let scans = d.div_ceil(scan_width());
    let total: usize = datasets.iter().map(|r| r.len()).sum();
    (0..scans + 4).map(move |block| match block.checked_sub(scans) {
        None => beyond(d, block * scan_width()..d.min((block + 1) * scan_width()), rng),
        Some(0) => boxes(d, rng),
        Some(1) => edges(d, rng),
        Some(2) => extremes(weights, rng),
        _ => around(datasets, total, d, rng),
    })
}

/// Points at which all features differ, for fitting a map that `weights` (`[d + 1][m]`, bias first) are close to.
pub(super) fn spread_out(weights: &Array2<f64>, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let d = weights.nrows() - 1;
    let extremes = extremes(weights, rng);
    let every = extremes.nrows().div_ceil(BLOCK) as isize;
    concatenate![Axis(0), boxes(d, rng), edges(d, rng), extremes.slice_axis(Axis(0), Slice::new(0, None, every))]
}

/// Each of `features` in turn from half a range below its range to half a range above, the others random.
fn beyond(d: usize, features: std::ops::Range<usize>, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut points = Array2::zeros((features.len() * PLACES, d));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        row.iter_mut().for_each(|f| *f = rng.gen_range(0.0..TOP));
        row[features.start + i / PLACES] = place(rng, i % PLACES, -0.5, 1.5);
    }
    points
}

/// Random points within the ranges, and up to half a range beyond.
fn boxes(d: usize, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut points = Array2::zeros((BLOCK, d));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        let by = if i % 3 == 0 { 0.5 } else { 0.0 };
        row.iter_mut().for_each(|f| *f = rng.gen_range(-by..TOP + by));
    }
    points
}

/// Corners of the ranges, their immediate neighbourhood, and multiples of them, for sums of any number of features.
fn edges(d: usize, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut points = Array2::zeros((BLOCK, d));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        lit(row.view_mut(), rng);
        match i % 3 {
            0 => {}
            1 => row.iter_mut().for_each(|f| *f += rng.gen_range(-0.01..0.01)),
            _ => {
                let length = rng.gen_range(-0.5..1.5);
                row.iter_mut().for_each(|f| *f *= length);
            }
        }
    }
    points
}

/// Points on the lines from the middle to where each output is largest and smallest, and beyond.
fn extremes(weights: &Array2<f64>, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let (d, m) = (weights.nrows() - 1, weights.ncols());
    let mut points = Array2::zeros((2 * m * PLACES, d));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        let (column, sign) = (i / PLACES % m, if i < m * PLACES { 1.0 } else { -1.0 });
        let mean: Array1<f64> = weights.rows().into_iter().map(|w| w.sum() / m.max(2) as f64).collect();
        let length = sign * place(rng, i % PLACES, 0.0, 1.0);
        for (j, f) in row.iter_mut().enumerate() {
            *f = TOP / 2.0 + length * (weights[[j + 1, column]] - mean[j + 1]).signum();
        }
    }
    points
}

/// Records, unchanged or moved by up to a step.
fn around(datasets: &[&Records], total: usize, d: usize, rng: &mut ChaCha20Rng) -> Array2<f64> {
    let mut chosen: Vec<usize> =
        if total <= AROUND { (0..total).collect() } else { rand::seq::index::sample(rng, total, AROUND).into_vec() };
    chosen.shuffle(rng);
    // at least one point, so that a block is never empty
    let mut points = Array2::zeros((chosen.len().max(1), d));
    for (i, mut row) in points.rows_mut().into_iter().enumerate().take(chosen.len()) {
        let mut at = chosen[i];
        let Some(records) = datasets.iter().find(|r| {
            let here = at < r.len();
            at -= if here { 0 } else { r.len() };
            here
        }) else {
            continue;
        };
        let by = if i % 2 == 0 { 0.0 } else { 1.0 / 256.0 };
        for (f, q) in row.iter_mut().zip(records.features(at)) {
            *f = f64::from(*q) / 256.0 + by * rng.gen_range(-1.0..1.0);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn trials_reach_every_feature_beyond_its_range_and_off_the_grid() {
        let d = 70;
        let weights = Array2::from_shape_fn((d + 1, 3), |(i, j)| (i * 3 + j) as f64 - 100.0);
        let mut records = Records::new(d);
        records.push(&[9; 70], 0);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mut low, mut high, mut off) = (vec![0.0f64; d], vec![0.0f64; d], vec![0; d]);
        let mut sums = (f64::MAX, 0.0f64);
        for block in trials(&weights, &[&records, &records], &mut rng) {
            for row in block.rows() {
                sums = (sums.0.min(row.sum()), sums.1.max(row.sum()));
                for (j, f) in row.iter().enumerate() {
                    low[j] = low[j].min(*f);
                    high[j] = high[j].max(*f);
                    off[j] += u32::from((f * 256.0).fract() != 0.0);
                }
            }
        }
        assert!(low.iter().all(|l| *l < -0.4) && high.iter().all(|h| *h > 1.4), "{low:?} {high:?}");
        assert!(off.iter().all(|n| *n > 1_000));
        assert!(sums.0 < -10.0 && sums.1 > 70.0, "{sums:?}");
    }
}
