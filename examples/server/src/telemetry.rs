//! The log: its form, its filter and its destination.
//!
//! The lines of a request, or of an administrator's command, stand in its span, whatever is filtered. Decisions are
//! logged by [`crate::audit`]. This module must never be handed a request's body or an effect's content.

use std::{
    io::{IsTerminal, stderr, stdout},
    str::FromStr as _,
};

use tracing_subscriber::{EnvFilter, filter::Directive, fmt::MakeWriter};

use crate::{
    options::{Log, LogFormat},
    request_id::SPAN_TARGET,
};

/// Starts the log of the server, on the standard output.
pub(crate) fn log_to_output(options: &Log) -> Result<(), String> {
    start(options, "info", stdout, stdout().is_terminal())
}

/// Starts the log of a command, on the standard error: its answer has the standard output for itself.
pub(crate) fn log_to_error(options: &Log) -> Result<(), String> {
    start(options, "warn,audit=info", stderr, stderr().is_terminal())
}

fn start<W>(options: &Log, default: &str, writer: W, colours: bool) -> Result<(), String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = options.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("--log {filter:?}: {error}"))?;
    // A line without its span could not be joined with the others of its request.
    let spans = Directive::from_str(&format!("{SPAN_TARGET}=error"));
    let filter = filter.add_directive(spans.map_err(|error| error.to_string())?);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match options.log_format {
        LogFormat::Text => log.with_target(false).with_ansi(colours).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    }
    .map_err(|error| error.to_string())
}
