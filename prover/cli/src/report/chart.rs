//! Bar charts as text above inline SVG, with colours from the page's style sheet. Each has its table beside it.

use maud::{html, Markup};

/// Bars of a chart before the rest is added up.
const BARS: usize = 20;

/// One bar.
pub(super) struct Bar {
    /// What it is of.
    pub(super) label: String,
    /// Its length as a part of the whole, 0 to 1.
    pub(super) part: f64,
}

/// A chart of horizontal bars, longest first; beyond [`BARS`] the rest is one bar. `title` is read to those who do not see it.
pub(super) fn bars(title: &str, mut bars: Vec<Bar>) -> Markup {
    bars.sort_by(|a, b| b.part.total_cmp(&a.part));
    if bars.len() > BARS {
        let rest = bars.split_off(BARS - 1);
        let part = rest.iter().map(|b| b.part).sum();
        bars.push(Bar { label: format!("{} others", rest.len()), part });
    }
    html! {
        figure.chart role="img" aria-label=(title) {
            @for bar in &bars {
                div.label { span { (bar.label) } span { (percent(bar.part)) } }
                @let width = format!("{:.3}", (100.0 * bar.part).clamp(0.2, 100.0));
                svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" {
                    rect.track width="100" height="1" {}
                    rect.bar width=(width) height="1" {}
                }
            }
        }
    }
}

/// A part of a whole, two decimals.
pub(super) fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}
