//! Bar charts as text labels above inline SVG, coloured by the page's style sheet. The page repeats each chart as a table.

use maud::{html, Markup};

/// Most bars in a chart; the last one sums up the rest.
const BARS: usize = 20;

/// One bar of a chart.
pub(super) struct Bar {
    /// Text above the bar.
    pub(super) label: String,
    /// Length as a fraction of the whole, 0 to 1.
    pub(super) part: f64,
}

/// A chart of horizontal bars, longest first; beyond [`BARS`] the rest is one bar. `title` is the label for screen readers.
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

/// Formats a fraction as a percentage with two decimals.
pub(super) fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}
