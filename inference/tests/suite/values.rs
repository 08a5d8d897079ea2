//! Values of real data: intervals of sampled ones contain the exact ones, and worth is not what dimming or listing twice makes of
//! it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;
use serde_json::{json, Value};
use tribute_core::digest::keccak;
use tribute_core::head::{lambda_units, loss, uniform_loss};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_core::valuation::sampled::{coalitions, permutations, sampled, MIN_PERMUTATIONS};
use tribute_core::valuation::shapley::{exact, members, Values};
use tribute_inference::{train, LossOptions};

use crate::common;

/// Owners' records and a test set.
struct Market {
    link: Link,
    lambda: f64,
    schema: Schema,
    layout: Layout,
    owners: Vec<Records>,
    test: Records,
}

impl Market {
    /// As many owners of `rows` records each, and the last `held_out` records as the test set.
    fn of(file: &str, link: Link, lambda: f64, owners: usize, rows: usize, held_out: usize) -> Self {
        let (schema, all) = common::example(file);
        let layout = schema.layout(14, 8).unwrap();
        let owners = (0..owners).map(|i| all.slice(i * rows..(i + 1) * rows)).collect();
        let test = all.slice(all.len() - held_out..all.len());
        Market { link, lambda, schema, layout, owners, test }
    }

    /// Twelve owners of eleven wines each: the market whose sampled and proven valuation is `prover/cli/tests/program/value.rs`.
    fn of_wines() -> Self {
        Market::of("wine.csv", Link::Squared, 0.1, 12, 11, 38)
    }

    /// The same records, sorted by class before they are divided: most owners have one class only.
    fn sorted(self) -> Self {
        let rows = self.owners[0].len();
        let mut all: Vec<(&[u8], u16)> = self.owners.iter().flat_map(Records::iter).collect();
        all.sort_by_key(|(_, class)| *class);
        let records = |some: &[(&[u8], u16)]| {
            let mut records = Records::new(self.test.width());
            some.iter().for_each(|(features, class)| records.push(features, *class));
            records
        };
        let owners = all.chunks(rows).map(records).collect();
        Market { owners, ..self }
    }

    /// The loss of a coalition on the test set, by the product's training and integers.
    fn loss(&self, mask: u32) -> u64 {
        if mask == 0 {
            return uniform_loss(&self.layout, self.link, self.test.len() as u64).unwrap();
        }
        let some: Vec<&Records> =
            self.owners.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, r)| r).collect();
        let options = LossOptions { link: self.link, lambda: lambda_units(self.lambda).unwrap(), intercept_scale: 0 };
        let weights = train(&self.schema, &some, &options, |_| ()).unwrap().weights;
        loss(&self.layout, self.link, &weights, &self.test).unwrap()
    }

    fn losses(&self, masks: &[u32]) -> BTreeMap<u32, u64> {
        masks.par_iter().map(|mask| (*mask, self.loss(*mask))).collect()
    }

    fn every_loss(&self) -> BTreeMap<u32, u64> {
        self.losses(&(0..1 << self.owners.len()).collect::<Vec<u32>>())
    }
}

/// The loss of every coalition of [`Market::of_wines`].
fn losses_of_wines() -> &'static BTreeMap<u32, u64> {
    static LOSSES: OnceLock<BTreeMap<u32, u64>> = OnceLock::new();
    LOSSES.get_or_init(|| Market::of_wines().every_loss())
}

/// Whether every interval contains the exact value.
fn all_inside(sampled: &Values, exact: &Values) -> bool {
    let off = |i: usize| (sampled.value(i) - exact.value(i)).abs();
    (0..exact.numerators.len()).all(|i| off(i) <= sampled.half_widths[i] as f64)
}

/// The exact values of twelve owners of eleven wines each: 4,095 coalitions are trained. `TRIBUTE_GOLDEN=write` writes the
/// fixture anew.
#[test]
fn exact_values_of_twelve_owners_are_those_kept() {
    let losses = losses_of_wines();
    let exact = exact(12, &|mask| losses[&mask]);
    let utility = i128::from(losses[&0]) - i128::from(losses[&0xfff]);
    assert_eq!(exact.numerators.iter().sum::<i128>(), i128::from(exact.denominator) * utility);
    let found = json!({
        "made_by": "TRIBUTE_GOLDEN=write cargo test --release --locked -p tribute-inference --test suite twelve_owners",
        "table": "wine.csv", "rows_of_each_owner": 11, "last_rows_held_out": 38, "link": "squared", "lambda": 0.1,
        "uniform_loss": losses[&0], "agents_loss": losses[&0xfff], "denominator": exact.denominator,
        "numerators": exact.numerators.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/twelve_owners.json");
    if std::env::var_os("TRIBUTE_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(path, format!("{found:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(found, kept, "training changed: write the fixture anew, and look at what moved");

    // forty orders train some four hundred of these coalitions
    let orders = permutations(&keccak(b"the beacon of a test that nobody chose"), 12, 40);
    assert!(coalitions(&orders).len() < 420, "{}", coalitions(&orders).len());
    let sampled = sampled(&orders, &|mask| losses[&mask]);
    assert_eq!(sampled.numerators.iter().sum::<i128>(), i128::from(sampled.denominator) * utility);
    assert!(all_inside(&sampled, &exact), "{sampled:?}, {exact:?}");
    // and the intervals say something
    assert!((sampled.half_widths[0] as f64) < 0.03 * utility as f64, "{:?}", sampled.half_widths);
}

/// Two hundred draws of so many orders each.
struct Draws {
    players: usize,
    count: u32,
    draws: Vec<Vec<Vec<usize>>>,
}

impl Draws {
    /// Draws of few orders, and of more.
    fn of(players: usize) -> [Draws; 3] {
        [MIN_PERMUTATIONS, 40, 100].map(|count| {
            let draw = |i: u32| {
                let seed = keccak(format!("beacon {i} of {count} orders").as_bytes());
                permutations(&seed, players, count)
            };
            Draws { players, count, draws: (0..200).into_par_iter().map(draw).collect() }
        })
    }
}

/// In how many of 200 draws all intervals contain their values: of games on real data, and of some where single marginal
/// contributions are everything. `docs/valuation.md` has what this prints.
#[test]
fn intervals_contain_all_values_at_once() {
    let check = |name: &str, all: &[Draws; 3], loss: &dyn Fn(u32) -> u64| {
        let players = all[0].players;
        let exact = exact(players, loss);
        let utility = loss(0) - loss((1 << players) - 1);
        for Draws { count, draws, .. } in all {
            let (mut held, mut width) = (0, 0.0);
            for orders in draws {
                let found = sampled(orders, loss);
                held += usize::from(all_inside(&found, &exact));
                width += found.half_widths[0] as f64 / utility as f64 / 200.0;
            }
            println!(
                "{players} owners, {name}, {count} orders: {held} of 200, ± {:.1} % of the utility",
                100.0 * width
            );
            assert!(held >= 196, "{players} owners, {name}, {count} orders: {held} of 200");
        }
    };
    let (seven, twelve) = (Draws::of(7), Draws::of(12));
    check("wines", &twelve, &|mask| losses_of_wines()[&mask]);
    let sorted = Market::of_wines().sorted().every_loss();
    check("sorted wines", &twelve, &|mask| sorted[&mask]);
    const ONE: u64 = 1_000_000;
    let unless = |met: bool| if met { 0 } else { ONE };
    for (players, draws) in [(7, &seven), (12, &twelve)] {
        let all = (1 << players) - 1;
        check("two are needed", draws, &|mask| unless(mask & 3 == 3));
        check("one of three is needed", draws, &|mask| unless(mask & 7 != 0));
        check("all are needed", draws, &|mask| unless(mask == all));
        let own = |i: &u32| ONE * u64::from(i + 1);
        check("each adds its own", draws, &|mask| members(all & !mask).iter().map(own).sum());
    }
}

/// What moves a share and not a value: dimming by a fifth, and listing rows twice.
#[test]
fn a_value_does_not_follow_scale_or_repetition() {
    let (schema, all) = common::example("digits.csv.gz");
    let layout = schema.layout(15, 8).unwrap();
    let honest: Vec<Records> = (0..3).map(|i| all.slice(i * 250..(i + 1) * 250)).collect();
    let test = all.slice(1397..1797);
    let changed = |change: &dyn Fn(&Records) -> Records| {
        let mut owners = honest.clone();
        owners[0] = change(&honest[0]);
        Market { link: Link::Softmax, lambda: 0.01, schema: schema.clone(), layout, owners, test: test.clone() }
    };
    let part = |market: &Market| {
        let losses = market.every_loss();
        let values = exact(3, &|mask| losses[&mask]);
        values.value(0) / (0..3).map(|i| values.value(i)).sum::<f64>()
    };
    let before = part(&changed(&Records::clone));
    let dim = |records: &Records| {
        let mut out = Records::new(records.width());
        for (q, y) in records.iter() {
            let q: Vec<u8> = q.iter().map(|q| (f64::from(*q) * 0.8).round() as u8).collect();
            out.push(&q, y);
        }
        out
    };
    let twice = |records: &Records| {
        let mut out = records.clone();
        out.extend(records);
        out
    };
    println!("before {before:.3}, dimmed {:.3}, twice {:.3}", part(&changed(&dim)), part(&changed(&twice)));
    assert!((before - 1.0 / 3.0).abs() < 0.05, "{before}");
    assert!((part(&changed(&dim)) - before).abs() < 0.03);
    assert!((part(&changed(&twice)) - before).abs() < 0.03);
}
