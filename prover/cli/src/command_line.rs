//! Parses the command line, and tells what is wrong with one: with the environment variable that a value is of, and without
//! what may be a private key.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};
use tribute_chain::keys::without_keys;

use super::Cli;

/// A command line that cannot be run, or one that asks for help.
#[derive(Debug)]
pub(crate) struct Refused {
    error: clap::Error,
    /// Environment variable that the refused value is of.
    variable: Option<String>,
}

/// Parses a command line, beginning with the program's name. An environment variable that is empty counts as not set.
///
/// # Errors
/// What to tell instead of running a command.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Refused> {
    let mut command = without_empty(Cli::command());
    let parsed = command.try_get_matches_from_mut(arguments);
    parsed.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let variable = match (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) {
            (Some(name), Some(value)) => {
                // parsing sets up only the subcommands that it meets
                command.build();
                variable(&command, &name, &value)
            }
            _ => None,
        };
        Refused { error, variable }
    })
}

/// A command whose arguments take no value from an empty environment variable.
fn without_empty(command: Command) -> Command {
    let is_empty = |arg: &Arg| arg.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|v| v.is_empty()));
    command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg }).mut_subcommands(without_empty)
}

/// The environment variable that an argument, such as `--max-fee <GWEI>`, took this value from.
fn variable(command: &Command, name: &str, value: &str) -> Option<String> {
    let named = command.get_arguments().filter(|arg| arg.to_string() == name).find_map(Arg::get_env);
    let own = named.filter(|variable| std::env::var_os(variable).is_some_and(|set| set.to_string_lossy() == value));
    let own = own.map(|variable| variable.to_string_lossy().into_owned());
    own.or_else(|| command.get_subcommands().find_map(|sub| variable(sub, name, value)))
}

impl Refused {
    /// Prints it and returns the process's exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let plain = self.error.to_string();
        let shown = without_keys(&plain);
        if shown == plain {
            // in colour on a terminal, and on standard output if it is help that was asked for
            let _ = self.error.print();
        } else {
            note_part!("{shown}");
        }
        if let Some(variable) = &self.variable {
            note!("\nthe value is that of the environment variable {variable}");
        }
        ExitCode::from(u8::try_from(self.error.exit_code()).unwrap_or(2))
    }
}
