//! The command `tribute verify`.

use std::path::PathBuf;

use clap::Args;
use tribute_problem::{Problem, Reason, Result};

use super::{verify_file, Options, Refused};

/// Arguments of `tribute verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The certificate, or the evaluation.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Accept proofs under the development SRS, which anyone can forge.
    #[arg(long)]
    allow_dev_srs: bool,
    /// The SRS that the proofs were made under: the ceremony's powers-of-tau file (.ptau), or a file or folder of `tribute
    /// srs import`. Take it from the ceremony, not from whoever gave you the certificate.
    #[arg(long, value_name = "FILE|DIR", env = "TRIBUTE_SRS")]
    srs: Option<PathBuf>,
}

/// Checks the file and prints what it proves.
pub fn run(args: VerifyArgs) -> Result<()> {
    let options = Options { allow_dev_srs: args.allow_dev_srs, srs: args.srs };
    match verify_file(&args.file, &options) {
        Ok(report) => {
            print!("{report}");
            Ok(())
        }
        Err(refused @ Refused::File { .. }) => Err(Problem::new(Reason::NotFound, refused.to_string())),
        Err(refused) => Err(Problem::new(Reason::BadField, format!("{} is refused: {refused}", args.file.display()))),
    }
}
