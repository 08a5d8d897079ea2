//! How shares move when data, terms or parties change: writes `docs/attribution.md` and `docs/attribution.json`.
//!
//!   attribution [--out DIR]
//!
//! Every share comes from the product's own training and exact integers, so it is what `gradient` proofs would publish.
//! It is compared with *explained loss*, `Σ loss(0) − loss(W)` over a dataset's records: another additive attribution,
//! which one pass over the records would prove; and with *value*, the exact Shapley values of the held-out loss, which a
//! valuation proves.

mod attacks;
mod changes;
mod report;

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::{json, Value};
use tribute_core::head::{answer, contribution, gradient, lambda_units, loss, real_logit, uniform_loss, Weights};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_core::valuation::shapley::{exact, members};
use tribute_inference::{check_optimum, train, LossOptions};
use tribute_records::{Options, Predicts, Range, Source};

use attacks::{tests, Line};
use changes::shuffled;
use report::report;

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

    /// The same rows with another test set.
    fn tested_on(&self, heldout: Records) -> Set {
        Set { name: self.name, schema: self.schema.clone(), layout: self.layout, rows: self.rows.clone(), heldout }
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
