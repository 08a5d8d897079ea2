//! `tribute certificate report`: a certificate, with any evaluations of its agent, as one HTML page for people.
//!
//! Every file is verified first, as `tribute verify` does; a refused one becomes no page. The page is self-contained: it
//! loads nothing, runs no script, and its content security policy forbids both, so text from a file (schema names, labels)
//! can do no more than be read.

mod chart;
mod page;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tribute_client::files::write_file;
use tribute_problem::{Problem, Result};
use tribute_verify::Report;

use crate::offline::{verified, TrustArgs};

/// Certificates for people.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Write a certificate as one HTML page: what is proven and what is not, shares, accuracy, how to check it.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The certificate, or an evaluation, which holds one.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An evaluation of the same agent version; may be given several times.
    #[arg(long = "evaluation", value_name = "FILE")]
    evaluations: Vec<PathBuf>,
    /// The page to write. [default: FILE with the extension .html]
    #[arg(long, value_name = "PAGE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Runs a command.
pub(crate) fn run(command: CertificateCommand) -> Result<()> {
    let CertificateCommand::Report(args) = command;
    let options = args.trust.into();
    let report = verified(&args.file, &options)?;
    let mut evaluations = vec![];
    for path in &args.evaluations {
        let evaluation = verified(path, &options)?;
        same_agent(&report, &evaluation, path)?;
        evaluations.push(evaluation);
    }
    if report.evaluation().is_some() {
        evaluations.insert(0, report.clone());
    }
    let out = args.out.unwrap_or_else(|| args.file.with_extension("html"));
    write_file(&out, page::page(&report, &evaluations).into_string().as_bytes())?;
    println!("{}: {} proofs checked", out.display(), proofs(&report, &evaluations));
    Ok(())
}

/// Refuses an evaluation of another certificate.
fn same_agent(report: &Report, evaluation: &Report, path: &Path) -> Result<()> {
    let what = match (evaluation.evaluation(), report.certificate(), evaluation.certificate()) {
        (None, ..) => "is a certificate, not an evaluation: `tribute agent evaluation` writes one".to_owned(),
        (_, asked, held) if asked.checksum != held.checksum => {
            format!(
                "evaluates agent {}, version {} (certificate {}), not the certificate given, {}",
                held.agent.id, held.agent.version, held.checksum, asked.checksum
            )
        }
        _ => return Ok(()),
    };
    Err(Problem::field("evaluation", format!("{} {what}", path.display())))
}

/// Proofs behind the page, each counted once.
fn proofs(report: &Report, evaluations: &[Report]) -> usize {
    let certificate = 1 + 2 * report.certificate().datasets.iter().map(|d| d.shards.len()).sum::<usize>();
    let shards = |r: &Report| r.evaluation().map_or(0, |e| e.dataset.shards.len());
    certificate + 2 * evaluations.iter().map(shards).sum::<usize>()
}
