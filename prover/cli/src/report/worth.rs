//! What each owner's data is worth, on a certificate's page.

use std::ops::Range;

use maud::{html, Markup};
use tribute_core::certificate::Hex;
use tribute_core::valuation::Valuation;

use super::chart::{bars, percent, Bar};
use crate::output::{grouped, short};

/// The values as a chart and a table, and every coalition's loss.
pub(super) fn worth(v: &Valuation) -> Markup {
    let mean = |units: u64| format!("{:.6}", v.per_record(units));
    let parts = v.parts();
    let bar = |(i, part): (usize, &f64)| Bar {
        label: format!("Owner {}, {}", i + 1, short(&v.owners[i].to_string())),
        part: *part,
    };
    html! {
        section {
            h2 { "What each owner's data is worth" }
            p {
                @match &v.sampling {
                    None => {
                        "Every coalition of the owners was trained and proven, " (grouped(v.coalitions.len() as u64)) " in all, and \
                         evaluated on one test set. An owner's value is its exact Shapley value: the mean loss that its \
                         data saves. "
                    }
                    Some(s) => {
                        (grouped(u64::from(s.permutations))) " orders of the owners were drawn by a beacon. The coalitions along \
                         them, and all of up to two owners, were trained, proven and evaluated on one test set. An owner's value \
                         is an estimate of the mean loss that its data saves. The intervals, ± the same for every owner, hold for \
                         all owners together with 95 %, by a normal approximation: Student's quantile times the standard \
                         error of the owner whose part varies most from order to order. "
                    }
                }
                "The test set, " (grouped(v.test.records)) " records, is dataset " code { (v.test.dataset_id) } " "
                (in_full(&v.test.owners())) ", who registered none of the data valued. It is registered like any dataset, and its \
                 owner's leave was needed. Worth depends on it, and copies share a value."
            }
            (bars(
                "Each owner's part of the values, in percent; negative values count as zero; the table below has the numbers",
                parts.iter().enumerate().map(bar).collect(),
            ))
            div.scroll tabindex="0" {
                table {
                    caption { "Values, as mean loss saved for a test record" }
                    thead { tr {
                        th scope="col" { "#" }
                        th scope="col" { "Owner" }
                        th.number scope="col" { "Value" }
                        @if v.sampling.is_some() { th.number scope="col" { "± (95 %, all together)" } }
                        th.number scope="col" { "Part" }
                        th.number scope="col" { "Exact optima within" }
                    } }
                    tbody { @for (i, value) in v.values.iter().enumerate() { tr {
                        td { (i + 1) }
                        td { code { (value.owner) } }
                        td.number { (format!("{:.6}", v.value_per_record(i))) }
                        @if v.sampling.is_some() { td.number { (mean(value.half_width)) } }
                        td.number { (percent(parts[i])) }
                        td.number { (format!("{:.1e}", v.per_record(value.ball))) }
                    } } }
                }
            }
            div.scroll tabindex="0" {
                table {
                    caption { "Coalitions: mean loss on the test set; nobody: " (mean(v.uniform_loss)) }
                    thead { tr {
                        th scope="col" { "Owners" }
                        th.number scope="col" { "Mean loss" }
                        th.number scope="col" { "Right" }
                    } }
                    tbody { @for c in &v.coalitions { tr {
                        td { (c.owners.iter().map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(", ")) }
                        td.number { (mean(c.loss)) }
                        td.number { (grouped(c.correct)) }
                    } } }
                }
            }
        }
    }
}

/// Whose the test set was when its shards were added.
fn in_full(owners: &[(Hex<20>, Range<usize>)]) -> Markup {
    html! {
        @for (i, (owner, _)) in owners.iter().enumerate() {
            (if i == 0 { "of " } else { ", then of " }) code { (owner) }
        }
    }
}
