//! How shares move when data, terms or parties change: writes `docs/attribution.md` and `docs/attribution.json`.
//!
//!   attribution [--out DIR]
//!
//! Every share comes from the product's own training and exact integers, so it is what `gradient` proofs would publish.
//! It is compared with *explained loss*, `Σ loss(0) − loss(W)` over a dataset's records: another additive attribution,
//! which one pass over the records would prove; and with *value*, the exact Shapley values of the held-out loss, which a
//! valuation proves.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{json, Value};
use tribute_core::head::{answer, contribution, gradient, lambda_units, loss, real_logit, uniform_loss, Weights};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::numbers::{link_error_units, real, LAMBDA_BITS, WEIGHT_BITS, WEIGHT_LIMIT};
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_core::valuation::shapley::{exact, members};
use tribute_inference::{check_optimum, train, LossOptions};
use tribute_records::{Options, Predicts, Range, Source};

type Failure = Box<dyn std::error::Error>;

const LINKS: [Link; 3] = [Link::Softmax, Link::Logistic, Link::Squared];
const LAMBDA: f64 = 1e-3;
/// Fraction of its share that a provider is assumed to insist on, as in `tribute demo`.
const KEPT: f64 = 0.9;

#[derive(Parser)]
struct Args {
    /// Folder for the two files.
    #[arg(long, default_value = "docs")]
    out: PathBuf,
    /// Folder with digits.csv.gz and wine.csv.
    #[arg(long, default_value = "examples")]
    data: PathBuf,
}

/// A table of records, to be divided among three parties.
struct Set {
    name: &'static str,
    schema: Schema,
    layout: Layout,
    /// Rows that providers have, in random order.
    rows: Records,
    heldout: Records,
}

/// Outcome of a training run.
struct Outcome {
    /// `max(N, 0)/ΣN⁺` of each dataset.
    shares: Vec<f64>,
    /// Shares of the explained loss.
    explained: Vec<f64>,
    /// Shapley values of the held-out loss, as parts of the agent's utility; they can be negative.
    values: Vec<f64>,
    accuracy: f64,
    weights: Weights,
    /// Why it cannot be certified, if so.
    refused: Option<String>,
}

impl Set {
    fn read(folder: &Path, name: &'static str, file: &str, train: usize) -> Result<Set, Failure> {
        let options = Options::default();
        let source = Source::open(&folder.join(file), &options)?;
        let schema = source.infer(name, Predicts::Classes, Range::MinMax, &options)?.into_schema()?;
        let all = source.records(&schema, &options)?.into_records()?;
        let rows = shuffled(&all.slice(0..train), 1);
        let layout = schema.layout(15, 8)?;
        Ok(Set { name, schema, layout, rows, heldout: all.slice(train..all.len()) })
    }

    /// Three equal random parts of the rows, different for each seed.
    fn thirds(&self, seed: u64) -> Vec<Records> {
        let (rows, third) = (shuffled(&self.rows, seed), self.rows.len() / 3);
        (0..3).map(|i| rows.slice(i * third..(i + 1) * third)).collect()
    }

    fn options(&self, link: Link, lambda: f64) -> Result<LossOptions, Failure> {
        Ok(LossOptions { link, lambda: lambda_units(lambda)?, intercept_scale: 0 })
    }

    fn outcome(&self, link: Link, lambda: f64, datasets: &[Records]) -> Result<Outcome, Failure> {
        let options = self.options(link, lambda)?;
        let datasets: Vec<&Records> = datasets.iter().collect();
        let weights = train(&self.schema, &datasets, &options, |_| ())?.weights;
        let values = self.values(&options, &datasets, &weights)?;
        let refused = check_optimum(&self.schema, &self.layout, &weights, &datasets, &options).err();
        let accuracy = {
            let right = self.heldout.iter().filter(|(q, y)| answer(&weights.logits(q)) == *y).count();
            right as f64 / self.heldout.len() as f64
        };
        Ok(Outcome {
            shares: self.shares(link, &weights, &datasets)?,
            explained: parts(datasets.iter().map(|d| explained(link, &weights, d))),
            values,
            accuracy,
            weights,
            refused: refused.map(|e| e.to_string()),
        })
    }

    /// The value of each dataset, as if each had an owner of its own: every coalition is trained, but for that of all, whose
    /// weights are given.
    fn values(&self, options: &LossOptions, datasets: &[&Records], weights: &Weights) -> Result<Vec<f64>, Failure> {
        let of = |mask: u32| -> Result<u64, Failure> {
            let some: Vec<&Records> = members(mask).into_iter().map(|i| datasets[i as usize]).collect();
            if some.is_empty() {
                return Ok(uniform_loss(&self.layout, options.link, self.heldout.len() as u64)?);
            }
            if some.len() == datasets.len() {
                return Ok(loss(&self.layout, options.link, weights, &self.heldout)?);
            }
            let weights = train(&self.schema, &some, options, |_| ())?.weights;
            Ok(loss(&self.layout, options.link, &weights, &self.heldout)?)
        };
        let losses = (0..1u32 << datasets.len()).map(of).collect::<Result<Vec<u64>, Failure>>()?;
        let values = exact(datasets.len(), &|mask| losses[mask as usize]);
        let utility = losses[0] as f64 - losses[losses.len() - 1] as f64;
        Ok((0..datasets.len()).map(|i| values.value(i) / utility).collect())
    }

    /// Shares by contribution, whether they may be certified or not.
    fn shares(&self, link: Link, weights: &Weights, datasets: &[&Records]) -> Result<Vec<f64>, Failure> {
        let mut contributions = Vec::new();
        for records in datasets {
            let gradient = gradient(&self.layout, link, weights, records)?;
            contributions.push(contribution(&self.layout, weights, &gradient) as f64);
        }
        Ok(parts(contributions.into_iter()))
    }
}

/// Positive parts over their sum.
fn parts(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let positive: Vec<f64> = values.map(|v| v.max(0.0)).collect();
    let whole: f64 = positive.iter().sum();
    positive.iter().map(|v| v / whole).collect()
}

/// Reduction of the loss over a dataset's records by the weights: `Σ loss(0) − loss(W)`.
fn explained(link: Link, weights: &Weights, records: &Records) -> f64 {
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    records
        .iter()
        .map(|(features, target)| {
            let z: Vec<f64> = weights.logits(features).into_iter().map(real_logit).collect();
            let own = |u: usize| u == usize::from(target);
            match link {
                Link::Softmax => {
                    let top = z.iter().fold(f64::MIN, |a, b| a.max(*b));
                    let log_sum = top + z.iter().map(|z| (z - top).exp()).sum::<f64>().ln();
                    (z.len() as f64).ln() - (log_sum - z[usize::from(target)])
                }
                Link::Logistic => {
                    let loss = |(u, z): (usize, &f64)| softplus(*z) - if own(u) { *z } else { 0.0 };
                    z.len() as f64 * 2f64.ln() - z.iter().enumerate().map(loss).sum::<f64>()
                }
                Link::Squared => {
                    let loss = |(u, z): (usize, &f64)| 0.5 * (z - f64::from(u8::from(own(u)))).powi(2);
                    0.5 - z.iter().enumerate().map(loss).sum::<f64>()
                }
            }
        })
        .sum()
}

fn shuffled(records: &Records, seed: u64) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..records.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.gen_range(0..=i));
    }
    mapped(records, order.into_iter(), |q, y| (q.to_vec(), y))
}

/// Records in this order, each changed.
fn mapped(
    records: &Records,
    order: impl Iterator<Item = usize>,
    mut change: impl FnMut(&[u8], u16) -> (Vec<u8>, u16),
) -> Records {
    let mut all = Records::new(records.width());
    for i in order {
        let (features, target) = change(records.features(i), records.target(i));
        all.push(&features, target);
    }
    all
}

fn dimmed(records: &Records, by: f64) -> Records {
    let dim = |q: &[u8]| q.iter().map(|q| (f64::from(*q) * (1.0 - by)).round() as u8).collect();
    mapped(records, 0..records.len(), |q, y| (dim(q), y))
}

/// Redraws a fraction of the labels at random from all classes.
fn relabelled(records: &Records, part: f64, classes: usize) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    mapped(records, 0..records.len(), |q, y| {
        (q.to_vec(), if rng.gen_bool(part) { rng.gen_range(0..classes) as u16 } else { y })
    })
}

/// Each record repeated `times` times.
fn repeated(records: &Records, times: usize) -> Records {
    mapped(records, (0..times * records.len()).map(|i| i % records.len()), |q, y| (q.to_vec(), y))
}

/// Random features with the answers of these weights.
fn self_labelled(weights: &Weights, rows: usize) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let mut records = Records::new(weights.features());
    for _ in 0..rows {
        let features: Vec<u8> = (0..weights.features()).map(|_| rng.gen()).collect();
        let label = answer(&weights.logits(&features));
        records.push(&features, label);
    }
    records
}

/// One line of a table: shares by all attributions, of the party that changes something and of the others.
struct Line {
    change: String,
    shares: Vec<f64>,
    explained: Vec<f64>,
    values: Vec<f64>,
    accuracy: f64,
    /// The parties whose least share, at nine tenths of their share before, stops it.
    stopped_by: Vec<usize>,
    refused: Option<String>,
}

impl Line {
    /// Compares with the shares `before` of the first three.
    fn new(change: impl Into<String>, outcome: Outcome, before: &[f64]) -> Line {
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

    fn value(&self) -> Value {
        json!({
            "change": self.change, "shares": self.shares, "explained_loss": self.explained, "values": self.values,
            "heldout_accuracy": self.accuracy,
            "stopped_by_least_shares_of": self.stopped_by.iter().map(|i| i + 1).collect::<Vec<_>>(),
            "not_certified": self.refused,
        })
    }
}

/// All tests of one link on one set.
struct Tests {
    set: &'static str,
    link: Link,
    /// Thirds drawn at random, several times: the shares of each draw.
    draws: Vec<[Vec<f64>; 3]>,
    lines: Vec<Line>,
    ball: Ball,
    /// Change of the first share per percent that its features are dimmed by, in both attributions.
    slopes: [f64; 2],
}

/// How far shares can move among the weights that one certificate allows.
struct Ball {
    /// Certified radius: (4δ + δ)/λ, for squared loss (8δ + δ)/λ.
    radius: f64,
    /// `‖∂share/∂W‖` of the first dataset, at the optimum.
    gradient: f64,
    /// Change of the first share at the edge of the ball, in the direction of steepest increase.
    moved: f64,
}

fn tests(set: &Set, link: Link) -> Result<Tests, Failure> {
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
    for percent in [1.0, 3.0, 10.0, 30.0] {
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
    for times in [0.2, 1.0, 3.0] {
        let rows = (times * set.rows.len() as f64) as usize;
        let mut with = honest.clone();
        with.push(self_labelled(&before.weights, rows));
        let name = format!("the owner adds {rows} random records labelled by the agent");
        lines.push(Line::new(name, run(&with)?, &before.shares));
    }
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

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

fn list(shares: &[f64]) -> String {
    shares.iter().map(|s| percent(*s)).collect::<Vec<_>>().join(" / ")
}

fn spread(draws: &[[Vec<f64>; 3]], which: usize) -> String {
    let all: Vec<f64> = draws.iter().flat_map(|d| d[which].clone()).collect();
    let (low, high) = all.iter().fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(*s), h.max(*s)));
    format!("{} to {}", percent(low), percent(high))
}

fn report(all: &[Tests]) -> Result<String, Failure> {
    let mut text = include_str!("../attribution_head.txt").to_owned();
    let row = |text: &mut String, cells: &[String]| writeln!(text, "| {} |", cells.join(" | "));
    text += "\n## Summary\n\nShares in percent, three providers, λ = 0.001.\n\n";
    text += "| data | link | attribution | equal thirds, five draws | share of 1 when it dims by 1 % | by 30 % | twice its rows | as many random rows, labelled by the agent, take |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    for t in all {
        let find = |name: &str| t.lines.iter().find(|l| l.change.contains(name));
        for (which, name) in ["contribution", "explained loss", "value"].into_iter().enumerate() {
            let shares = |l: &Line| [&l.shares, &l.explained, &l.values][which].clone();
            let of = |name: &str, at: usize| find(name).map_or("–".to_owned(), |l| percent(shares(l)[at]));
            let random = t.lines.iter().filter(|l| l.change.contains("random records")).nth(1);
            let draws = spread(&t.draws, which);
            row(
                &mut text,
                &[
                    t.set.to_owned(),
                    t.link.name().to_owned(),
                    name.to_owned(),
                    draws,
                    format!("{} → {}", of("nothing", 0), of("by 1 %", 0)),
                    of("by 30 %", 0),
                    of("records 2 times", 0),
                    random.map_or("–".to_owned(), |l| percent(shares(l)[3])),
                ],
            )?;
        }
    }
    text += include_str!("../attribution_findings.txt");
    for t in all {
        writeln!(text, "\n## {}, {}\n", t.set, t.link.name())?;
        text += "| what changes | shares by contribution | by explained loss | by value | held-out accuracy | stopped by the least share (nine tenths) of | can otherwise be certified |\n|---|---|---|---|---|---|---|\n";
        for l in &t.lines {
            let stopped = match l.stopped_by.as_slice() {
                [] => "nobody".to_owned(),
                some => some.iter().map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(", "),
            };
            let refused = match &l.refused {
                None => "yes".to_owned(),
                Some(e) if e.contains("negative") => "no: negative contributions".to_owned(),
                Some(e) if e.contains("lambda") => "no: λ too small".to_owned(),
                Some(_) => "no".to_owned(),
            };
            let accuracy = format!("{:.1} %", 100.0 * l.accuracy);
            let change = l.change.clone();
            let (shares, explained, values) = (list(&l.shares), list(&l.explained), list(&l.values));
            row(&mut text, &[change, shares, explained, values, accuracy, stopped, refused])?;
        }
        writeln!(
            text,
            "\nDimming by 1 % moves the first share by {:+.2} points (explained loss: {:+.2}). Among the weights that one certificate \
             allows, within {:.1e} of the optimum, it can move by at most {:.1e} ({:.1e} a unit of ‖W‖, measured to first order and \
             at the edge).",
            100.0 * t.slopes[0], 100.0 * t.slopes[1], t.ball.radius, t.ball.moved.abs(), t.ball.gradient
        )?;
    }
    Ok(text)
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let sets =
        [Set::read(&args.data, "digits", "digits.csv.gz", 1597)?, Set::read(&args.data, "wine", "wine.csv", 138)?];
    let mut all = Vec::new();
    for set in &sets {
        for link in LINKS {
            let start = std::time::Instant::now();
            all.push(tests(set, link)?);
            eprintln!("{}, {}: {:.0} s", set.name, link.name(), start.elapsed().as_secs_f64());
        }
    }
    let value: Vec<Value> = all
        .iter()
        .map(|t| {
            let draws: Vec<Value> =
                t.draws.iter().map(|[s, e, v]| json!({ "shares": s, "explained_loss": e, "values": v })).collect();
            json!({
                "data": t.set, "link": t.link.name(), "lambda": LAMBDA, "equal_thirds": draws,
                "tests": t.lines.iter().map(Line::value).collect::<Vec<_>>(),
                "points_per_percent_dimmed": { "shares": 100.0 * t.slopes[0], "explained_loss": 100.0 * t.slopes[1] },
                "ball": { "radius": t.ball.radius, "slope": t.ball.gradient, "share_moved": t.ball.moved },
            })
        })
        .collect();
    std::fs::write(args.out.join("attribution.json"), serde_json::to_string_pretty(&value)? + "\n")?;
    std::fs::write(args.out.join("attribution.md"), report(&all)?)?;
    Ok(())
}
