//! What is tried, and what it changes.

use serde_json::{json, Value};
use tribute_core::head::Weights;
use tribute_core::link::Link;
use tribute_core::numbers::{link_error_units, real, LAMBDA_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::records::Records;

use crate::changes::{by_class, dimmed, mapped, near, relabelled, repeated, self_labelled};
use crate::{Failure, Outcome, Set, KEPT, LAMBDA};

/// One line of a table: shares by all attributions, of the party that changes something and of the others.
pub(crate) struct Line {
    pub(crate) change: String,
    pub(crate) shares: Vec<f64>,
    pub(crate) explained: Vec<f64>,
    pub(crate) values: Vec<f64>,
    pub(crate) accuracy: f64,
    /// The parties whose least share, at nine tenths of their share before, stops it.
    pub(crate) stopped_by: Vec<usize>,
    pub(crate) refused: Option<String>,
}

impl Line {
    /// Compares with the shares `before` of the first three.
    pub(crate) fn new(change: impl Into<String>, outcome: Outcome, before: &[f64]) -> Line {
        let hurt = |i: &usize| outcome.shares[*i] < KEPT * before[*i];
        Line {
            change: change.into(),
            stopped_by: (0..before.len()).filter(hurt).collect(),
            shares: outcome.shares,
            explained: outcome.explained,
            values: outcome.values,
            accuracy: outcome.accuracy,
            refused: outcome.refused,
        }
    }

    pub(crate) fn value(&self) -> Value {
        json!({
            "change": self.change, "shares": self.shares, "explained_loss": self.explained, "values": self.values,
            "heldout_accuracy": self.accuracy,
            "stopped_by_least_shares_of": self.stopped_by.iter().map(|i| i + 1).collect::<Vec<_>>(),
            "not_certified": self.refused,
        })
    }
}

/// All tests of one link on one set.
pub(crate) struct Tests {
    pub(crate) set: &'static str,
    pub(crate) link: Link,
    /// Thirds drawn at random, several times: the shares of each draw.
    pub(crate) draws: Vec<[Vec<f64>; 3]>,
    pub(crate) lines: Vec<Line>,
    pub(crate) ball: Ball,
    /// Change of the first share per percent that its features are dimmed by, in both attributions.
    pub(crate) slopes: [f64; 2],
}

/// How far shares can move among the weights that one certificate allows.
pub(crate) struct Ball {
    /// Certified radius: (4δ + δ)/λ, for squared loss (8δ + δ)/λ.
    pub(crate) radius: f64,
    /// `‖∂share/∂W‖` of the first dataset, at the optimum.
    pub(crate) gradient: f64,
    /// Change of the first share at the edge of the ball, in the direction of steepest increase.
    pub(crate) moved: f64,
}

pub(crate) fn tests(set: &Set, link: Link) -> Result<Tests, Failure> {
    let classes = set.schema.classes();
    let run = |datasets: &[Records]| set.outcome(link, LAMBDA, datasets);
    let mut draws = Vec::new();
    for seed in 1..=5 {
        let o = run(&set.thirds(seed))?;
        draws.push([o.shares, o.explained, o.values]);
    }
    let honest = set.thirds(1);
    let before = run(&honest)?;
    let changed = |first: Records| vec![first, honest[1].clone(), honest[2].clone()];
    let mut lines = vec![Line::new("nothing", run(&honest)?, &before.shares)];
    let mut slopes = [f64::NAN; 2];
    for percent in [1.0, 3.0, 10.0, 20.0, 30.0] {
        let o = run(&changed(dimmed(&honest[0], percent / 100.0)))?;
        if percent == 1.0 {
            slopes = [o.shares[0] - before.shares[0], o.explained[0] - before.explained[0]];
        }
        lines.push(Line::new(format!("1 dims its features by {percent} %"), o, &before.shares));
    }
    for part in [0.05, 0.2] {
        let o = run(&changed(relabelled(&honest[0], part, classes)))?;
        lines.push(Line::new(format!("1 redraws {:.0} % of its labels at random", 100.0 * part), o, &before.shares));
    }
    // every record again under another class, so that each pulls at the weights
    let mut inflated = honest[0].clone();
    inflated.extend(&mapped(&honest[0], 0..honest[0].len(), |q, y| (q.to_vec(), (y + 1) % classes as u16)));
    lines.push(Line::new(
        "1 lists each record with a second, false label too",
        run(&changed(inflated))?,
        &before.shares,
    ));
    for times in [2, 3] {
        let o = run(&changed(repeated(&honest[0], times)))?;
        lines.push(Line::new(format!("1 lists its records {times} times"), o, &before.shares));
    }
    let half = honest[0].slice(0..honest[0].len() / 2);
    lines.push(Line::new("1 brings half as many rows", run(&changed(half))?, &before.shares));
    for (whose, name) in
        [(0, "1 lists a copy of its data under a second account"), (1, "a fourth party copies the data of 2")]
    {
        let mut with = honest.clone();
        with.push(honest[whose].clone());
        lines.push(Line::new(name, run(&with)?, &before.shares));
    }
    let mut with = honest.clone();
    with.extend([honest[0].clone(), honest[0].clone()]);
    lines.push(Line::new("1 lists copies of its data under two more accounts", run(&with)?, &before.shares));
    for times in [0.2, 1.0, 3.0] {
        let rows = (times * set.rows.len() as f64) as usize;
        let mut with = honest.clone();
        with.push(self_labelled(&before.weights, rows));
        let name = format!("the owner adds {rows} random records labelled by the agent");
        lines.push(Line::new(name, run(&with)?, &before.shares));
    }
    for rows in [set.rows.len() / 3, set.rows.len()] {
        let mut with = honest.clone();
        with.push(near(&set.rows, &before.weights, rows));
        let name = format!("the owner adds {rows} records near real ones, labelled by the agent");
        lines.push(Line::new(name, run(&with)?, &before.shares));
    }
    let mut knowing = honest[0].clone();
    knowing.extend(&set.heldout);
    lines.push(Line::new("1 adds the test set's records to its own", run(&changed(knowing))?, &before.shares));
    // worth depends on the test set: the same agent, valued on two
    let divided = by_class(&set.rows, classes);
    let whole = run(&divided)?;
    let shares = whole.shares.clone();
    lines.push(Line::new("each party has a third of the classes", whole, &shares));
    let first = set.tested_on(by_class(&set.heldout, classes).swap_remove(0));
    let o = first.outcome(link, LAMBDA, &divided)?;
    lines.push(Line::new("the same, with a test set of only 1's classes", o, &shares));
    for lambda in [1e-4, 1e-2, 1e-1] {
        let o = set.outcome(link, lambda, &honest);
        match o {
            Ok(o) => lines.push(Line::new(format!("λ = {lambda} instead of {LAMBDA}"), o, &before.shares)),
            Err(e) => eprintln!("{}, {}, λ = {lambda}: {e}", set.name, link.name()),
        }
    }
    let ball = ball(set, link, &before.weights, &honest)?;
    Ok(Tests { set: set.name, link, draws, lines, ball, slopes })
}

/// The share's derivative by central differences of the integer function; then the step itself.
fn ball(set: &Set, link: Link, weights: &Weights, datasets: &[Records]) -> Result<Ball, Failure> {
    let datasets: Vec<&Records> = datasets.iter().collect();
    let at = |values: Vec<i64>| -> Result<f64, Failure> {
        let weights = Weights::new(weights.features(), weights.classes(), values)?;
        Ok(set.shares(link, &weights, &datasets)?[0])
    };
    let unit = f64::from(WEIGHT_BITS as i32).exp2();
    let h = 1i64 << (WEIGHT_BITS - 14);
    let mut slope = Vec::new();
    for i in 0..weights.values().len() {
        let shifted = |by: i64| {
            let mut values = weights.values().to_vec();
            values[i] = (values[i] + by).clamp(1 - WEIGHT_LIMIT, WEIGHT_LIMIT - 1);
            values
        };
        slope.push((at(shifted(h))? - at(shifted(-h))?) / (2.0 * h as f64 / unit));
    }
    let gradient = slope.iter().map(|s| s * s).sum::<f64>().sqrt();
    let delta = link_error_units(weights.features(), weights.classes(), 0);
    let radius = real(link.largest_epsilon(delta) + delta, LAMBDA_BITS) / LAMBDA;
    let edge = weights.values().iter().zip(&slope).map(|(w, s)| w + (s / gradient * radius * unit).round() as i64);
    let moved = at(edge.collect())? - at(weights.values().to_vec())?;
    Ok(Ball { radius, gradient, moved })
}
