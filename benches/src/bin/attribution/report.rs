//! The page: tables, and what they show.

use std::fmt::Write as _;

use tribute_core::link::Link;

use crate::attacks::{Line, Tests};
use crate::Failure;

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

pub(crate) fn report(all: &[Tests]) -> Result<String, Failure> {
    let mut text = include_str!("../../attribution_head.txt").to_owned();
    let row = |text: &mut String, cells: &[String]| writeln!(text, "| {} |", cells.join(" | "));
    text += "\n## Summary\n\nShares in percent, three providers, λ = 0.001.\n\n";
    text += "| data | link | attribution | equal thirds, five draws | share of 1 when it dims by 1 % | by 20 % | by 30 % | twice its rows | as many random rows, labelled by the agent, take |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
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
                    of("by 20 %", 0),
                    of("by 30 %", 0),
                    of("records 2 times", 0),
                    random.map_or("–".to_owned(), |l| percent(shares(l)[3])),
                ],
            )?;
        }
    }
    text += include_str!("../../attribution_findings.txt");
    text += &values(all)?;
    text += include_str!("../../attribution_signed.txt");
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

/// What the values show, with the numbers of these tests.
fn values(all: &[Tests]) -> Result<String, Failure> {
    // from the smallest to the largest of some tests, in percent
    let range = |some: &dyn Fn(&Tests) -> bool, number: &dyn Fn(&Tests) -> Option<f64>| -> Result<String, Failure> {
        let found: Option<Vec<f64>> = all.iter().filter(|t| some(t)).map(number).collect();
        let mut found = found.ok_or("a line that the findings are about is missing")?;
        found.sort_by(f64::total_cmp);
        let (low, high) = found.first().zip(found.last()).ok_or("no tests")?;
        let (low, high) = (percent(*low), percent(*high));
        Ok(if low == high { low } else { format!("{low} to {high}") })
    };
    let line = |t: &Tests, name: &str| t.lines.iter().position(|l| l.change.contains(name));
    let value = |t: &Tests, name: &str, of: &[usize]| -> Option<f64> {
        let found = &t.lines[line(t, name)?].values;
        of.iter().map(|at| found.get(*at).copied()).sum()
    };
    let moved = |t: &Tests, name: &str| Some((value(t, name, &[0])? - value(t, "nothing", &[0])?).abs());
    let every: &dyn Fn(&Tests) -> bool = &|_| true;
    let squared: &dyn Fn(&Tests) -> bool = &|t| t.link == Link::Squared;
    let others: &dyn Fn(&Tests) -> bool = &|t| t.link != Link::Squared;
    let of = |some: &dyn Fn(&Tests) -> bool, name: &str, at: &[usize]| range(some, &|t| value(t, name, at));
    let off = |some: &dyn Fn(&Tests) -> bool, name: &str| range(some, &|t| moved(t, name));
    let mut text = String::new();
    writeln!(
        text,
        "\nValues, in percent of the agent's utility, are those of the first party unless others are named. Two numbers are the smallest \
         and the largest over both sets and the links.\n\n\
         - **Scale.** Dimming by 20 % moves a value by {} points under softmax and logistic. Under squared loss the value is {} \
         before, {} with 20 % and {} with 30 %: small features weigh less under the same λ, and whoever dims pays for it.",
        off(others, "by 20 %")?,
        of(squared, "nothing", &[0])?,
        of(squared, "by 20 %", &[0])?,
        of(squared, "by 30 %", &[0])?
    )?;
    writeln!(
        text,
        "- **Repetition.** Rows listed twice under one account move a value by {} points. With a copy under a second account both together \
         get {}, with two copies all three get {}; one alone had {}.",
        off(every, "records 2 times")?,
        of(every, "copy of its data under a second account", &[0, 3])?,
        of(every, "under two more accounts", &[0, 3, 4])?,
        of(every, "nothing", &[0])?
    )?;
    writeln!(
        text,
        "- **Made-up data.** As many random records as real ones, labelled by the agent, get {}; as many near real ones get {}.",
        range(every, &|t| second(t, "random records labelled by the agent"))?,
        range(every, &|t| second(t, "records near real ones"))?
    )?;
    writeln!(
        text,
        "- **Wrong labels.** With a fifth of the labels random the value is {}, with each record listed under a false label too {}.",
        of(every, "20 % of its labels", &[0])?,
        of(every, "second, false label", &[0])?
    )?;
    writeln!(
        text,
        "- **The test set.** Where each party has a third of the classes, the value is {} on the whole test set, and {} on one that has \
         only the first party's classes. With the test set's records added to its own data, the first of three random thirds gets \
         {}; it had {}. So look at who chose the test set, and when.",
        of(every, "each party has a third", &[0])?,
        of(every, "only 1's classes", &[0])?,
        of(every, "test set's records", &[0])?,
        of(every, "nothing", &[0])?
    )?;
    Ok(text)
}

/// The fourth party's value in the second line of this name: with as many rows as the three have.
fn second(t: &Tests, name: &str) -> Option<f64> {
    t.lines.iter().filter(|l| l.change.contains(name)).nth(1)?.values.get(3).copied()
}
