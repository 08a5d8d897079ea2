//! `tribute certificate report`: a certificate, with any evaluations and a valuation of its agent, as one HTML page.
//!
//! Every file is verified first, as `tribute verify` does; if one is refused, no page is written. The page is
//! self-contained: it loads nothing and runs no script, and its content security policy forbids both, so text from a file
//! (schema names, labels) is inert.

mod chart;
mod matrix;
mod page;
#[cfg(test)]
mod tests;
mod worth;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tribute_client::files::write_file;
use tribute_problem::{Problem, Result};
use tribute_verify::Report;

use self::matrix::MatrixArgs;
use crate::offline::{verified, TrustArgs};

/// `tribute certificate …`.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Write a certificate as one HTML page: what is and is not proven, shares, accuracy, what data is worth, how to check it.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The certificate file, or an evaluation or valuation file (which contain one).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An evaluation of the same agent version; repeatable.
    #[arg(long = "evaluation", value_name = "FILE")]
    evaluations: Vec<PathBuf>,
    /// A valuation of the same agent version.
    #[arg(long, value_name = "FILE")]
    valuation: Option<PathBuf>,
    /// HTML file to write. [default: FILE with the extension .html]
    #[arg(long, value_name = "PAGE", value_parser = crate::output::file())]
    out: Option<PathBuf>,
    #[command(flatten)]
    matrix: MatrixArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Runs `tribute certificate …`.
pub(crate) fn run(command: CertificateCommand) -> Result<()> {
    let CertificateCommand::Report(args) = command;
    let options = args.trust.into();
    let report = verified(&args.file, &options)?;
    let mut evaluations = vec![];
    for path in &args.evaluations {
        let evaluation = verified(path, &options)?;
        same_agent(&report, &evaluation, path, EVALUATION)?;
        evaluations.push(evaluation);
    }
    if report.evaluation().is_some() {
        evaluations.insert(0, report.clone());
    }
    let mut valuation = report.valuation().is_some().then(|| report.clone());
    if let Some(path) = &args.valuation {
        let given = verified(path, &options)?;
        same_agent(&report, &given, path, VALUATION)?;
        valuation = Some(given);
    }
    let matrix = args.matrix.matrix(&report, &evaluations)?;
    let out = args.out.unwrap_or_else(|| args.file.with_extension("html"));
    let page = page::page(&report, &evaluations, matrix.as_ref(), valuation.as_ref());
    write_file(&out, page.into_string().as_bytes())?;
    let checked = proofs(&report, &evaluations) + valuation.map_or(0, |v| v.valuation_proofs());
    say!("{}: {checked} proofs checked", out.display());
    Ok(())
}

/// A kind of file with its article, and the command that writes one.
type Kind = (&'static str, &'static str, &'static str);
const EVALUATION: Kind = ("an", "evaluation", "evaluate");
const VALUATION: Kind = ("a", "valuation", "value");

/// Fails unless the file is an evaluation, or a valuation, of this certificate.
fn same_agent(report: &Report, given: &Report, path: &Path, wanted: Kind) -> Result<()> {
    let (found_article, found, _) = match (given.evaluation(), given.valuation()) {
        (Some(_), _) => EVALUATION,
        (_, Some(_)) => VALUATION,
        _ => ("a", "certificate", "certificate"),
    };
    let (article, kind, command) = wanted;
    let (asked, held) = (report.certificate(), given.certificate());
    let what = if found != kind {
        format!("is {found_article} {found}, not {article} {kind}: `tribute agent {command}` writes one")
    } else if asked.checksum != held.checksum {
        format!(
            "is of agent {}, version {} (certificate {}), not of the certificate given, {}",
            held.agent.id, held.agent.version, held.checksum, asked.checksum
        )
    } else {
        return Ok(());
    };
    Err(Problem::field(kind, format!("{} {what}", path.display())))
}

/// Number of distinct proofs checked for the page.
fn proofs(report: &Report, evaluations: &[Report]) -> usize {
    report.certificate_proofs() + evaluations.iter().map(Report::evaluation_proofs).sum::<usize>()
}
