//! Report of a finished demo: tables on the terminal, and `summary.json`.

use std::path::Path;

use serde::Serialize;
use serde_json::{json, Value};
use tribute_client::files::write_file;
use tribute_core::numbers::{real, LAMBDA_BITS};
use tribute_problem::Result;

use crate::proof_file::ProofFile;

use super::frauds::Bounced;
use super::ledger::Ledger;
use super::life::{Brought, Outcome};
use super::plan::{Node, Plan};
use super::stage::Files;
use super::steps::Steps;
use super::table::{tokens, Table};
use crate::output::{grouped, short};

/// `summary.json`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    ok: bool,
    seconds: f64,
    calibration_ms: f64,
    accuracy: Accuracy,
    certificate: Certificate,
    data: Vec<Data>,
    sessions: Vec<Session>,
    proofs: Vec<ProofRow>,
    ledger: Ledger,
    frauds: Vec<Bounced>,
    consent: Vec<Consent>,
    /// Seconds of each step; some steps run concurrently.
    steps: Vec<Value>,
}

#[derive(Clone, Debug, Serialize)]
struct Accuracy {
    train: f64,
    heldout: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Certificate {
    lambda: f64,
    epsilon: f64,
    relative_distance: f64,
    shares: Vec<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Data {
    rows: u64,
    sha256: String,
    dataset_id: String,
}

/// A provider's consent, and its share in the version that was rejected.
#[derive(Clone, Debug, Serialize)]
struct Consent {
    least_share: f64,
    certified_share: f64,
    diluted_share: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Session {
    id: String,
    count: u64,
    escrowed: u128,
    claimed: u128,
    refunded: u128,
}

#[derive(Clone, Debug, Serialize)]
struct ProofRow {
    statement: String,
    k: u32,
    seconds: f64,
    bytes: u64,
    gas_verify: u64,
    gas_tx: u64,
    tx: String,
    verify_ms: f64,
    peak_rss_mb: u64,
    columns: u32,
}

impl ProofRow {
    fn of(brought: &Brought) -> Self {
        let ProofFile { statement, k, columns, seconds, bytes, verify_ms, gas_verify, peak_rss_mb, .. } =
            &brought.proof;
        ProofRow {
            statement: statement.name().to_owned(),
            k: *k,
            seconds: *seconds,
            bytes: *bytes,
            gas_verify: *gas_verify,
            gas_tx: brought.tx.gas_used,
            tx: brought.tx.tx.to_string(),
            verify_ms: *verify_ms,
            peak_rss_mb: *peak_rss_mb,
            columns: *columns,
        }
    }
}

impl Summary {
    pub(super) fn new(files: &Files, outcome: &Outcome, steps: &Steps) -> Self {
        let asked: u64 = outcome.sessions.iter().map(|s| s.count).sum();
        let right: u64 = outcome.sessions.iter().map(|s| s.right).sum();
        let data = outcome.datasets.iter().zip(&files.digests).map(|(d, sha256)| Data {
            rows: d.records,
            sha256: sha256.clone(),
            dataset_id: d.dataset_id.to_string(),
        });
        let sessions = outcome.sessions.iter().map(|s| Session {
            id: s.id.to_string(),
            count: s.count,
            escrowed: s.escrowed,
            claimed: s.claimed,
            refunded: s.refunded,
        });
        let consent = outcome.dilution.iter().flat_map(|d| {
            let shares = outcome.certified.shares.iter().zip(&d.shares);
            d.least.iter().zip(shares).map(|(bps, (certified, diluted))| Consent {
                least_share: f64::from(*bps) / 1e4,
                certified_share: *certified,
                diluted_share: *diluted,
            })
        });
        Summary {
            ok: true,
            seconds: steps.elapsed().as_secs_f64(),
            calibration_ms: files.calibration_ms,
            accuracy: Accuracy {
                train: outcome.agent.training_accuracy,
                heldout: right as f64 / (asked.max(1)) as f64,
            },
            certificate: Certificate {
                lambda: real(outcome.agent.lambda, LAMBDA_BITS),
                epsilon: real(outcome.certified.epsilon, LAMBDA_BITS),
                relative_distance: outcome.agent.relative_distance,
                shares: outcome.certified.shares.clone(),
            },
            data: data.collect(),
            sessions: sessions.collect(),
            proofs: outcome.proofs.iter().map(ProofRow::of).collect(),
            ledger: outcome.ledger.clone(),
            frauds: outcome.frauds.clone(),
            consent: consent.collect(),
            steps: steps.times().iter().map(|(name, t)| json!({ "step": name, "seconds": t.as_secs_f64() })).collect(),
        }
    }

    /// Writes `summary.json` to a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_file(&folder.join("summary.json"), (serde_json::to_string_pretty(self)? + "\n").as_bytes())
    }
}

/// Writes the `summary.json` of a failed demo: the step and the error.
pub(super) fn write_failure(folder: &Path, step: &str, error: &str, steps: &Steps) -> Result<()> {
    let summary = json!({ "ok": false, "step": step, "error": error, "seconds": steps.elapsed().as_secs_f64() });
    write_file(&folder.join("summary.json"), (serde_json::to_string_pretty(&summary)? + "\n").as_bytes())
}

/// Writes `vouchers.json`: the last voucher of every session.
pub(super) fn write_vouchers(folder: &Path, outcome: &Outcome) -> Result<()> {
    let vouchers: Vec<&Value> = outcome.sessions.iter().map(|s| &s.voucher).collect();
    write_file(&folder.join("vouchers.json"), (serde_json::to_string_pretty(&vouchers)? + "\n").as_bytes())
}

/// Formats all tables and the list of output files.
pub(super) fn tables(plan: &Plan, summary: &Summary, outcome: &Outcome) -> String {
    let mut text = String::new();
    let before = [datasets(summary), certificate(summary), proofs(summary), ledger(outcome)];
    let consent = (!summary.consent.is_empty()).then(|| consent(summary));
    for table in before.into_iter().chain(consent).chain([frauds(summary)]) {
        text.push_str(&table.to_string());
    }
    text.push_str(&format!(
        "\nTotal: {:.1} s (benchmark: this machine takes {:.0} ms for halo2's multi-scalar multiplication of 2^15 points).\n\nIn {}:\n",
        summary.seconds,
        summary.calibration_ms,
        plan.out.display()
    ));
    for (file, what) in [
        ("summary.json", "these numbers"),
        ("certificate.json", "what is proven, with all proofs: `tribute verify certificate.json --allow-dev-srs`"),
        ("agent.onnx, schema.json", "the agent, and the schema of its queries"),
        ("vouchers.json", "what the clients signed"),
        match plan.node {
            Node::Anvil => {
                ("deployment.json, transactions.json, state.json", "the contracts, every receipt, the whole chain")
            }
            Node::Hardhat => ("deployment.json, transactions.json", "the contracts, every receipt"),
        },
        ("commands.sh", "every command of this run"),
    ] {
        text.push_str(&format!("  {file:<48} {what}\n"));
    }
    text
}

fn datasets(s: &Summary) -> Table {
    let mut table =
        Table::new("Datasets: private rows, public digests", &["provider", "rows", "dataset", "share of the agent"]);
    for (i, (d, share)) in s.data.iter().zip(&s.certificate.shares).enumerate() {
        table.row([(i + 1).to_string(), grouped(d.rows), short(&d.dataset_id), format!("{:.3} %", 100.0 * share)]);
    }
    let (rows, whole): (u64, f64) = (s.data.iter().map(|d| d.rows).sum(), s.certificate.shares.iter().sum());
    table.row(["all".into(), grouped(rows), String::new(), format!("{:.3} %", 100.0 * whole)]);
    table
}

fn certificate(s: &Summary) -> Table {
    let mut table = Table::new("Certificate: the agent is the optimum over exactly these datasets", &["what", "value"]);
    table.row(["λ".into(), format!("{:.3e}", s.certificate.lambda)]);
    table.row(["norm of the loss's gradient, at most (ε)".into(), format!("{:.3e}", s.certificate.epsilon)]);
    table.row(["relative distance to the optimum, at most".into(), format!("{:.3e}", s.certificate.relative_distance)]);
    table.row(["accuracy on training rows".into(), format!("{:.2} %", 100.0 * s.accuracy.train)]);
    table.row(["accuracy on held-out queries".into(), format!("{:.2} %", 100.0 * s.accuracy.heldout)]);
    table
}

fn proofs(s: &Summary) -> Table {
    let columns =
        ["proof", "seconds", "bytes", "gas of the check", "gas of the transaction", "native check, ms", "memory, MB"];
    let mut table = Table::new("Proofs: each checked natively and on chain", &columns);
    for p in &s.proofs {
        table.row([
            p.statement.clone(),
            format!("{:.2}", p.seconds),
            grouped(p.bytes),
            grouped(p.gas_verify),
            grouped(p.gas_tx),
            format!("{:.1}", p.verify_ms),
            grouped(p.peak_rss_mb),
        ]);
    }
    table
}

fn ledger(outcome: &Outcome) -> Table {
    let mut table = Table::new("Ledger: who paid, who got what, in tokens", &["who", "change"]);
    for (name, change) in &outcome.changes {
        let name = if name == "escrow contract" { "escrow contract (rounding dust)" } else { name };
        table.row([name.to_owned(), tokens(*change)]);
    }
    table.row(["sum".into(), tokens(outcome.changes.iter().map(|(_, n)| n).sum())]);
    table
}

fn consent(s: &Summary) -> Table {
    let mut table = Table::new(
        "Consent: the version that lists random rows, labelled by the agent, beside the datasets is not certified",
        &["provider", "certified share", "least share granted", "share in that version"],
    );
    for (i, c) in s.consent.iter().enumerate() {
        let shares = [c.certified_share, c.least_share, c.diluted_share].map(|x| format!("{:.2} %", 100.0 * x));
        table.row([(i + 1).to_string()].into_iter().chain(shares));
    }
    table
}

fn frauds(s: &Summary) -> Table {
    let mut table = Table::new(
        "Frauds: sent, mined, refused; nothing moved",
        &["fraud", "the contract's error", "transaction", "honest twin"],
    );
    for f in &s.frauds {
        table.row([f.name.to_owned(), f.error.clone(), short(&f.tx.to_string()), short(&f.twin.to_string())]);
    }
    table
}
