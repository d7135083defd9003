//! The environment as options read it: a variable that is empty counts as one that is not set, for every option
//! alike. Compose files and unit files pass empty values on for what their user left out. This module must never
//! print the value of an option that can hold a password.

use clap::{
    Command, CommandFactory as _, FromArgMatches as _,
    error::{ContextKind, ContextValue},
};

use super::Options;

/// Options whose values can hold a password.
const SECRET: [&str; 2] = ["--database", "--smtp"];

impl Options {
    /// Reads the command line and the environment. A bad option ends the process with a sentence.
    pub(crate) fn read() -> Self {
        let mut command = without_empty_variables(Self::command());
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let options = matches.and_then(|matches| Self::from_arg_matches(&matches));
        options.unwrap_or_else(|error| redacted(error).format(&mut command).exit())
    }
}

/// A variable that no option reads.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(None::<&'static str>) } else { arg }
    });
    command.mut_subcommands(without_empty_variables)
}

/// The error without the value that was wrong, if that can hold a password.
fn redacted(mut error: clap::Error) -> clap::Error {
    let is_secret = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => SECRET.iter().any(|secret| arg.starts_with(secret)),
        _ => false,
    };
    if is_secret {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    error
}
