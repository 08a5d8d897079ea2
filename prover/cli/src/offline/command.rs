//! The command `tribute verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use tribute_problem::{Problem, Reason, Result};
use tribute_verify::Report;

use super::{verify_file, Options, Refused, Unavailable};

/// Arguments of `tribute verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The certificate, evaluation or valuation file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What the caller trusts: arguments of every command that verifies a file.
#[derive(Clone, Debug, Args)]
pub struct TrustArgs {
    /// Accept proofs under the development SRS, which anyone can forge.
    #[arg(long)]
    allow_dev_srs: bool,
    /// The SRS under which the proofs were made: the ceremony's powers-of-tau file (.ptau), or a file or folder from `tribute
    /// srs import`. Get it from the ceremony, not from the party that gave you the certificate.
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
}

impl From<TrustArgs> for Options {
    fn from(args: TrustArgs) -> Self {
        Options { allow_dev_srs: args.allow_dev_srs, srs: args.srs }
    }
}

/// Verifies the file and prints what it proves.
pub fn run(args: VerifyArgs) -> Result<()> {
    say_part!("{}", verified(&args.file, &args.trust.into())?);
    Ok(())
}

/// Verifies a certificate, evaluation or valuation file and reports what it proves.
///
/// # Errors
/// The file cannot be read, or is refused.
pub(crate) fn verified(file: &Path, options: &Options) -> Result<Report> {
    verify_file(file, options).map_err(|refused| problem(file, &refused))
}

/// The problem with a file that cannot be read, or is refused.
pub(crate) fn problem(file: &Path, refused: &Refused) -> Problem {
    match refused {
        Refused::Trust(Unavailable::File { .. }) => Problem::new(Reason::NotFound, refused.to_string()),
        _ => Problem::new(Reason::BadField, format!("{} is refused: {refused}", file.display())),
    }
}
