//! What a package installs beside the program: completions for shells, and manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use tribute_problem::{Problem, Result};

use super::output::print;
use super::{Cli, CommandResult};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Folder to write the pages to; created if missing.
    #[arg(long, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

/// Prints the completions.
pub(super) fn completions(args: CompletionsArgs) -> CommandResult {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tribute", &mut text);
    print(format_args!("{}", String::from_utf8_lossy(&text)))
}

/// Writes one page for the program and one for each of its commands.
pub(super) fn man(args: ManArgs) -> CommandResult {
    let wrong = |e: std::io::Error| Problem::field("out", format!("cannot write {}: {e}", args.out.display()));
    std::fs::create_dir_all(&args.out).map_err(wrong)?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(wrong)?;
    let pages: Result<Vec<_>, _> = std::fs::read_dir(&args.out).map_err(wrong)?.collect();
    note!("{}: {} pages", args.out.display(), pages.map_err(wrong)?.len());
    Ok(())
}
