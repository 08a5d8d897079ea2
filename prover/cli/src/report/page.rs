//! The HTML of a certificate's page.

use std::ops::Range;

use maud::{html, Markup, PreEscaped, DOCTYPE};
use tribute_core::certificate::{Certificate, Dataset, Hex};
use tribute_core::link::Link;
use tribute_core::numbers::{real, LAMBDA_BITS, NORM_BITS, SHARE_BITS};
use tribute_core::schema::{Schema, Target};
use tribute_core::valuation::Valuation;
use tribute_verify::{extracted, Report};

use super::chart::{bars, percent, Bar};
use super::matrix::Matrix;
use super::{proofs, worth};
use crate::output::{grouped, short};

const STYLE: &str = include_str!("page.css");
/// The page may load nothing, run nothing and send nothing. What may frame it only a server's header could say.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page of a certificate, with evaluations and a valuation of the same agent version, and which classes it takes for which.
pub(super) fn page(
    report: &Report,
    evaluations: &[Report],
    matrix: Option<&Matrix>,
    valuation: Option<&Report>,
) -> Markup {
    let valuation = valuation.and_then(Report::valuation);
    let certificate = report.certificate();
    let schema = Schema::from_json(&certificate.schema).ok();
    let name = schema.as_ref().map_or("agent", Schema::name);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { "Certificate: " (name) ", version " (certificate.agent.version) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (summary(report, evaluations, name))
                    (shares(certificate))
                    (accuracy(evaluations, matrix))
                    @if let Some(valuation) = valuation { (worth::worth(valuation)) }
                    (sentences(report, evaluations, valuation))
                    @if let Some(schema) = &schema { (records(certificate, schema)) }
                    (digests(report))
                    (check(report))
                }
            }
        }
    }
}

fn summary(report: &Report, evaluations: &[Report], name: &str) -> Markup {
    let certificate = report.certificate();
    let Certificate { agent, datasets, optimum, chain, srs, .. } = certificate;
    html! {
        header {
            h1 { "Where the agent “" (name) "” learnt what it knows" }
            p.soft {
                "Version " (agent.version) " of agent " code { (agent.id) } ", owned by " code { (agent.owner) } ". "
                @if chain.chain_id == 0 { "Not made for any chain." } @else { "Made for chain " (chain.chain_id) "." }
            }
            @if srs.development {
                p.warning role="note" {
                    strong { "These proofs convince nobody. " }
                    "They were made under the development SRS, whose secret is public: anyone could have forged them. \
                     A certificate for others needs the SRS of a public ceremony."
                }
            }
            ul.facts {
                li { strong { (grouped(datasets.len() as u64)) } (if datasets.len() == 1 { "dataset" } else { "datasets" }) }
                li { strong { (grouped(optimum.records)) } "training records" }
                li { strong { (scientific(report.relative_distance())) } "largest distance to the exact optimum, relative to the weights" }
                li { strong { (grouped(proofs(report, evaluations) as u64)) } "zero-knowledge proofs checked" }
                @for evaluation in evaluations.iter().filter_map(Report::evaluation) {
                    li { strong { (percent(evaluation.accuracy())) } "proven accuracy on " (grouped(evaluation.dataset.records)) " other records" }
                }
            }
        }
    }
}

fn share(dataset: &Dataset) -> f64 {
    real(dataset.share.into(), SHARE_BITS)
}

fn shares(certificate: &Certificate) -> Markup {
    let datasets = &certificate.datasets;
    let bar = |(i, d): (usize, &Dataset)| Bar {
        label: format!("Dataset {}, {} records, owner {}", i + 1, grouped(d.records), in_short(&d.owners())),
        part: share(d),
    };
    html! {
        section {
            h2 { "Whose data trained it, and each dataset's share" }
            p {
                "Each dataset gets its share of the fees for data. A share is the part of the trained weights that the \
                 dataset's records account for; it is computed from the proofs, and nobody can choose it."
            }
            (bars("Shares of the datasets, in percent; the table below has the numbers", datasets.iter().enumerate().map(bar).collect()))
            div.scroll tabindex="0" {
                table {
                    caption { "Datasets in the version's order" }
                    thead { tr {
                        th scope="col" { "#" }
                        th scope="col" { "Dataset and owner" }
                        th.number scope="col" { "Records" }
                        th.number scope="col" { "Share" }
                        th scope="col" { "Terms" }
                    } }
                    tbody { @for (i, d) in datasets.iter().enumerate() { tr {
                        td { (i + 1) }
                        td { code { (d.dataset_id) } br; (owned(&d.owners())) }
                        td.number { (grouped(d.records)) }
                        td.number { (percent(share(d))) }
                        td.words { (terms(d)) }
                    } } }
                }
            }
        }
    }
}

/// Whose a dataset was when its shards were added.
fn owned(owners: &[(Hex<20>, Range<usize>)]) -> Markup {
    html! {
        span.soft {
            @if let [(owner, _)] = owners { "of " code { (owner) } }
            @else { @for (i, (owner, shards)) in owners.iter().enumerate() {
                @if i > 0 { br; }
                "shards " (shards.start + 1) "–" (shards.end) " added by " code { (owner) }
            } }
        }
    }
}

/// The owners' first digits.
fn in_short(owners: &[(Hex<20>, Range<usize>)]) -> String {
    owners.iter().map(|(owner, _)| short(&owner.to_string())).collect::<Vec<_>>().join(", then ")
}

/// The terms of a dataset in words.
fn terms(dataset: &Dataset) -> String {
    let t = &dataset.terms;
    let mut words = vec![format!("at least {:.2} % of each fee to data", f64::from(t.min_data_bps) / 100.0)];
    if t.min_share_bps > 0 {
        words.push(format!("a share of at least {:.2} %", f64::from(t.min_share_bps) / 100.0));
    }
    if t.min_price > 0 {
        words.push(format!("at least {} token units a query", t.min_price));
    }
    words.push(if t.open_training { "open to all".into() } else { "by grant only".into() });
    words.join("; ")
}

fn accuracy(evaluations: &[Report], matrix: Option<&Matrix>) -> Markup {
    if evaluations.is_empty() {
        return html! {
            section {
                h2 { "How well it answers" }
                p { "Not shown: no evaluation was given. An evaluation file proves an accuracy on a committed dataset." }
            }
        };
    }
    html! {
        section {
            h2 { "How well it answers" }
            p {
                "On each of these datasets, none of whose shards the agent was trained on, the number of right answers is \
                 proven, without showing the records. The proof does not cover which classes are mistaken for which."
            }
            (bars("Accuracy by dataset, in percent; the table below has the numbers", evaluations.iter().filter_map(Report::evaluation).map(|e| Bar {
                label: format!("{} records, owner {}", grouped(e.dataset.records), in_short(&e.dataset.owners())),
                part: e.accuracy(),
            }).collect()))
            div.scroll tabindex="0" {
                table {
                    caption { "Evaluations" }
                    thead { tr {
                        th scope="col" { "Dataset and owner" }
                        th.number scope="col" { "Records" }
                        th.number scope="col" { "Right" }
                        th.number scope="col" { "Accuracy" }
                        th.number scope="col" { "Mean loss" }
                    } }
                    tbody { @for e in evaluations.iter().filter_map(Report::evaluation) { tr {
                        td { code { (e.dataset.dataset_id) } br; (owned(&e.dataset.owners())) }
                        td.number { (grouped(e.dataset.records)) }
                        td.number { (grouped(e.dataset.correct)) }
                        td.number { (percent(e.accuracy())) }
                        td.number { (format!("{:.4}", e.mean_loss())) }
                    } } }
                }
            }
            @if let Some(matrix) = matrix { (matrix.shown()) }
        }
    }
}

fn sentences(report: &Report, evaluations: &[Report], valuation: Option<&Valuation>) -> Markup {
    let certificate = report.certificate();
    let evaluation = evaluations.iter().find_map(Report::evaluation);
    html! {
        section {
            h2 { "What is proven" }
            ul.marks.yes { @for sentence in &certificate.proven { li { (sentence) } } }
            @if let Some(e) = evaluation {
                h3 { "By each evaluation" }
                ul.marks.yes { @for sentence in &e.proven { li { (sentence) } } }
            }
            @if let Some(v) = valuation {
                h3 { "By the valuation" }
                ul.marks.yes { @for sentence in &v.proven { li { (sentence) } } }
            }
        }
        section {
            h2 { "What is not proven" }
            ul.marks.no { @for sentence in &certificate.not_proven { li { (sentence) } } }
            @if let Some(e) = evaluation {
                h3 { "By each evaluation" }
                ul.marks.no { @for sentence in &e.not_proven { li { (sentence) } } }
            }
            @if let Some(v) = valuation {
                h3 { "By the valuation" }
                ul.marks.no { @for sentence in &v.not_proven { li { (sentence) } } }
            }
        }
    }
}

/// The schema: features with their ranges, and classes.
fn records(certificate: &Certificate, schema: &Schema) -> Markup {
    html! {
        section {
            h2 { "What a record looks like" }
            p {
                (grouped(certificate.layout.features() as u64)) " features"
                @match schema.target() {
                    Target::Classes(labels) => { " and one of " (labels.len()) " classes: " (labels.join(", ")) "." }
                    Target::Real { lo, hi } => { " and a number from " (lo) " to " (hi) "." }
                }
            }
            @if let Some(digest) = schema.extractor() { p.warning role="note" { (extracted(digest)) } }
            details {
                summary { "Features and their ranges" }
                div.scroll tabindex="0" {
                    table {
                        caption { "Values outside a range are clamped to it" }
                        thead { tr { th scope="col" { "Name" } th.number scope="col" { "From" } th.number scope="col" { "To" } } }
                        tbody { @for feature in schema.features() { tr {
                            td { (feature.name) } td.number { (feature.lo) } td.number { (feature.hi) }
                        } } }
                    }
                }
            }
        }
    }
}

fn digests(report: &Report) -> Markup {
    let certificate = report.certificate();
    let Certificate { chain, srs, loss, layout, agent, optimum, checksum, .. } = certificate;
    let link = match loss.link {
        Link::Squared => "squared (least squares)",
        Link::Logistic => "logistic (one against the rest)",
        Link::Softmax => "softmax (cross-entropy)",
    };
    let mut rows: Vec<(&str, String)> = vec![
        ("Loss", link.into()),
        ("Penalty λ", scientific(real(loss.lambda, LAMBDA_BITS))),
        ("Gradient at the weights, at most (ε)", scientific(real(optimum.epsilon, LAMBDA_BITS))),
        ("Error of tables and rounding, at most (δ)", scientific(real(report.delta(), LAMBDA_BITS))),
        ("Norm of the weights, at least", format!("{:.3}", real(optimum.norm, NORM_BITS))),
        ("Loss above the optimum's, at most", scientific(report.excess_loss())),
        ("Rows of a proof", format!("2^{}", layout.k())),
        ("Weights (digest of the commitment)", agent.weights_digest.to_string()),
        ("SRS", srs.digest.to_string()),
    ];
    if chain.chain_id != 0 {
        rows.push(("Dataset registry", chain.dataset_registry.to_string()));
        rows.push(("Agent registry", chain.agent_registry.to_string()));
    }
    rows.push(("Checksum of the certificate", checksum.to_string()));
    html! {
        section {
            h2 { "Numbers and digests" }
            table { tbody { @for (what, value) in rows { tr { th scope="row" { (what) } td { code { (value) } } } } } }
        }
    }
}

fn check(report: &Report) -> Markup {
    let certificate = report.certificate();
    let chain = certificate.chain;
    html! {
        section {
            h2 { "Check it yourself" }
            p {
                "Do not trust this page: anyone can write one. Get the certificate file from which it was made, whose \
                 checksum is above, and verify it on your own machine. That needs no server, no chain and none of the data."
            }
            @if certificate.srs.development {
                pre { code { "tribute verify certificate.json --allow-dev-srs" } }
            } @else {
                pre { code { "tribute verify certificate.json --srs powersOfTau28_hez_final_" (certificate.layout.k()) ".ptau" } }
                p { "Get the SRS from its ceremony, not from the party that gave you the certificate." }
            }
            @if chain.chain_id != 0 {
                p { "To see whether the version is certified on chain " (chain.chain_id) ", ask the agent registry there:" }
                pre { code { "cast call " (chain.agent_registry) " 'isCertified(bytes32,uint32)(bool)' " (certificate.agent.id) " " (certificate.agent.version) } }
            }
        }
    }
}

/// Scientific notation with three significant digits.
fn scientific(value: f64) -> String {
    format!("{value:.2e}")
}
