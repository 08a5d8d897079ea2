//! Finds the head of a model: the affine map behind its scores, and the link that its outputs imply.

use ndarray::{concatenate, Array2, ArrayView1, Axis};
use rand_chacha::ChaCha20Rng;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Schema, Target};

use super::fit::{bend, fit, rows, Map, Miss, Scores};
use super::kind;
use super::outputs::{class_order, sort, Heard, Outputs};
use super::points::{middles, start, trials};
use super::probe::{Observed, Probe};
use super::reading::Reading;
use super::{ImportError, NotAffine};
use crate::onnx::GraphProto;

/// A head that agrees with the model at every point where it was evaluated.
pub(super) struct Head {
    /// Weights of the classes' logits, `[d + 1][c]`: bias first, classes in the schema's order.
    pub(super) weights: Array2<f64>,
    /// The model has a single logit `z` for two classes; the logits here are `−z` and `z`.
    pub(super) mirrored: bool,
    /// Rounding unit of the model's floats.
    pub(super) unit: f64,
    /// The link that its outputs imply; `None` if they are only logits.
    pub(super) link: Option<Link>,
    /// Name of the output it was recovered from.
    pub(super) output: String,
    /// Largest difference found, in units of that output.
    pub(super) residual: f64,
}

/// Finds the head of a model.
///
/// # Errors
/// [`ImportError`] with the input at which the model is not affine, or at which its outputs contradict each other.
pub(super) fn find(
    probe: &mut Probe,
    graph: &GraphProto,
    schema: &Schema,
    link: Link,
    datasets: &[&Records],
    rng: &mut ChaCha20Rng,
) -> Result<Head, ImportError> {
    let zero: Vec<f64> = (0..schema.features().len()).map(|j| probe.zero(j)).collect();
    let begin = probe.observe(&start(&zero, rng))?;
    let between = probe.observe(&middles(&begin.points))?;
    let (outputs, joined) = sort(&begin, graph, schema)?;
    let unit = kind::unit(graph, begin.outputs.iter().map(|(name, _)| name.as_str()));
    let mut search = |outputs: &Outputs| search(probe, graph, schema, link, outputs, [&begin, &between], rng);
    let found = search(&outputs);
    let joined = joined.map(|joined| search(&joined).map(|found| (joined, found)));
    let (outputs, Found { map, mirrored, main, readings }) = match (found, joined) {
        (Ok(_), Some(Ok((joined, _)))) => return Err(ImportError::Twofold { outputs: joined.scores[0].name.clone() }),
        (Ok(found), _) => (outputs, found),
        (Err(_), Some(Ok(joined))) => joined,
        (Err(e), _) => return Err(e),
    };
    let read: Vec<(&Scores, (Reading, f64))> = outputs.scores.iter().zip(readings).collect();

    let mut heard = Heard::default();
    let mut residual = 0.0;
    for points in std::iter::once(begin.points).chain(trials(&map.weights, datasets, rng)) {
        let observed = probe.observe(&points)?;
        for (at, (scores, reading)) in read.iter().enumerate() {
            let width = scores.columns.len();
            let miss = map.miss(scores, *reading, &observed, probe, &|z, noise| in_columns(z, noise, width, mirrored));
            if miss.ratio > 1.0 {
                return Err(refusal(graph, schema, probe, scores, reading.0, &miss));
            }
            residual = if at == main { miss.residual.max(residual) } else { residual };
        }
        listen(&mut heard, &outputs, &map, (read[main].1 .0, unit), &observed, probe, schema)?;
    }
    let order = class_order(&outputs, &heard, schema)?;
    let link = read.iter().find_map(|(_, (reading, _))| match reading {
        Reading::Raw => None,
        Reading::Logistic => Some(Link::Logistic),
        Reading::Softmax | Reading::LogSoftmax => Some(Link::Softmax),
    });
    let weights = map.weights.select(Axis(1), &order);
    let (scores, (_, unit)) = read[main];
    Ok(Head { weights, mirrored, unit, link, output: scores.name.clone(), residual })
}

/// Converts a map's logits of a record, or their noise, to an output of `columns` columns. `mirrored`: the map has the
/// logits `−z` and `z` for a single logit `z` of two classes.
fn in_columns(z: ArrayView1<'_, f64>, noise: bool, columns: usize, mirrored: bool) -> Vec<f64> {
    match (z.len(), columns) {
        (2, 1) if mirrored => vec![z[1]],
        (2, 1) if noise => vec![z[0] + z[1]],
        (2, 1) => vec![z[1] - z[0]],
        _ => z.to_vec(),
    }
}

struct Found {
    /// Map from features to logits, with two logits for two classes.
    map: Map,
    /// The logits are `−z` and `z` for a single logit `z` of two classes.
    mirrored: bool,
    /// Index of the scores it was fitted to.
    main: usize,
    /// How each of the scores follows from the map's logits, and the rounding unit of their floats.
    readings: Vec<(Reading, f64)>,
}

/// Finds the first scores that are affine under a plausible reading, trying raw logits before probabilities, and how
/// the other scores follow from them.
fn search(
    probe: &mut Probe,
    graph: &GraphProto,
    schema: &Schema,
    link: Link,
    outputs: &Outputs,
    [begin, between]: [&Observed; 2],
    rng: &mut ChaCha20Rng,
) -> Result<Found, ImportError> {
    let unit = |scores: &Scores| kind::unit(graph, scores.columns.iter().map(|(at, _)| begin.outputs[*at].0.as_str()));
    let units: Vec<f64> = outputs.scores.iter().map(unit).collect();
    // an output in lower precision than another only has to follow
    let finest = units.iter().copied().fold(f64::INFINITY, f64::min);
    // ranked by (probabilities, columns): raw logits first, because probabilities lose precision at the ends of [0, 1]
    let mut attempts: Vec<((bool, usize), usize, Reading)> = Vec::new();
    for (at, scores) in outputs.scores.iter().enumerate().filter(|(at, _)| units[*at] == finest) {
        let values = scores.of(begin);
        let mut plausible = Reading::plausible(rows(&values), scores.columns.len());
        if link == Link::Squared {
            plausible.rotate_right(1);
        }
        let rank = (plausible.len() > 1, scores.columns.len());
        attempts.extend(plausible.into_iter().map(|reading| (rank, at, reading)));
    }
    attempts.sort_by_key(|a| a.0);
    let mut refused: Option<(usize, Reading, Miss)> = None;
    for (_, main, reading) in attempts {
        let scores = &outputs.scores[main];
        let read = (reading, finest);
        if let Some(miss) = bend(probe, scores, read, begin, between) {
            refused.get_or_insert((main, reading, miss));
            continue;
        }
        let mut map = fit(probe, scores, reading, begin, rng)?;
        let miss = map.miss(scores, read, begin, probe, &|z, _| z.to_vec());
        if miss.ratio > 1.0 {
            refused.get_or_insert((main, reading, miss));
            continue;
        }
        let mirrored = schema.classes() == 2 && scores.columns.len() == 1;
        if mirrored {
            map.weights = concatenate![Axis(1), -&map.weights, map.weights];
        }
        let mut found = Found { map, mirrored, main, readings: Vec::new() };
        for (at, other) in outputs.scores.iter().enumerate() {
            let unit = units[at];
            let reading =
                if at == main { reading } else { follow(probe, schema, scores, (other, unit), begin, &found)? };
            found.readings.push((reading, unit));
        }
        return Ok(found);
    }
    let (at, reading, miss) = refused.unwrap_or((0, Reading::Raw, Miss::none()));
    Err(refusal(graph, schema, probe, &outputs.scores[at], reading, &miss))
}

/// The reading under which `other`, computed in floats of rounding unit `unit`, follows from the map that was fitted to
/// `scores`.
fn follow(
    probe: &Probe,
    schema: &Schema,
    scores: &Scores,
    (other, unit): (&Scores, f64),
    begin: &Observed,
    found: &Found,
) -> Result<Reading, ImportError> {
    let width = other.columns.len();
    let mut nearest = Miss::none();
    // a softmax over one column is always 1
    let shared = [Reading::Softmax, Reading::LogSoftmax].into_iter().filter(|_| width > 1);
    for reading in std::iter::once(Reading::Logistic).chain(shared).chain([Reading::Raw]) {
        let shape = |z: ArrayView1<'_, f64>, noise| in_columns(z, noise, width, found.mirrored);
        nearest = found.map.miss(other, (reading, unit), begin, probe, &shape);
        if nearest.ratio <= 1.0 {
            return Ok(reading);
        }
    }
    let at = describe(probe, schema, &nearest.point);
    Err(ImportError::Disagree { first: scores.name.clone(), second: other.name.clone(), at })
}

/// Checks the label outputs against the class with the largest score, where that is clear in floats of rounding unit `unit`.
fn listen(
    heard: &mut Heard,
    outputs: &Outputs,
    map: &Map,
    (reading, unit): (Reading, f64),
    observed: &Observed,
    probe: &Probe,
    schema: &Schema,
) -> Result<(), ImportError> {
    if matches!(schema.target(), Target::Real { .. }) || outputs.labels.is_empty() {
        return Ok(());
    }
    let (logits, noise) = (map.logits(&observed.points), map.noise(&observed.points, unit, probe));
    for (i, z) in logits.rows().into_iter().enumerate() {
        let Some(z) = z.as_slice() else { continue };
        let top = (0..z.len()).fold(0, |best, u| if z[u] > z[best] { u } else { best });
        let y = reading.forward(z);
        let clear = (0..z.len()).all(|u| {
            u == top || (z[top] - z[u] > 2.0 * (noise[[i, top]] + noise[[i, u]]) && y[top] - y[u] > 64.0 * unit)
        });
        if !clear {
            continue;
        }
        for output in &outputs.labels {
            let (name, values) = &observed.outputs[*output];
            let Some(label) = values.as_ref().and_then(|v| v.label(i)) else { continue };
            if !heard.note(*output, top, &label) {
                return Err(ImportError::Disagree {
                    first: outputs.scores[0].name.clone(),
                    second: name.clone(),
                    at: describe(probe, schema, &observed.points.row(i).to_vec()),
                });
            }
        }
    }
    Ok(())
}

/// Formats a point in units of the model's input.
fn describe(probe: &Probe, schema: &Schema, point: &[f64]) -> String {
    const SHOWN: usize = 8;
    let values = point.iter().zip(schema.features()).enumerate().take(SHOWN);
    let shown: Vec<String> = values.map(|(j, (f, s))| format!("{} = {:.6}", s.name, probe.raw(j, *f))).collect();
    let rest = if point.len() > SHOWN { format!(", … ({} more)", point.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &rest
}

fn refusal(
    graph: &GraphProto,
    schema: &Schema,
    probe: &Probe,
    scores: &Scores,
    reading: Reading,
    miss: &Miss,
) -> ImportError {
    let name = scores.name.split('`').next().unwrap_or_default();
    // rounding misses what is tolerated by less than this factor, in models of a few operators
    const CLOSE: f64 = 1e3;
    let close = miss.ratio < CLOSE;
    let culprit = kind::culprit(graph, name, close || !miss.got.is_finite());
    ImportError::NotAffine(Box::new(NotAffine {
        output: scores.name.clone(),
        reading: reading.describe(),
        column: miss.column,
        at: describe(probe, schema, &miss.point),
        got: miss.got,
        expected: miss.expected,
        close,
        culprit,
    }))
}
