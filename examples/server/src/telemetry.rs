//! The log: its form, its filter and its target.
//!
//! The lines of a request stand in its span, whatever is filtered. Decisions are logged by [`crate::audit`]. This module must
//! never be handed a request's body or an effect's content.

use std::{io::IsTerminal as _, str::FromStr as _};

use tracing_subscriber::{EnvFilter, filter::Directive};

use crate::{options::LogFormat, request_id::SPAN_TARGET};

/// Starts logging to the standard output.
pub(crate) fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("--log {filter:?}: {error}"))?;
    // Whatever is filtered, a line of a request has the span of its request.
    let spans = Directive::from_str(&format!("{SPAN_TARGET}=error"));
    let filter = filter.add_directive(spans.map_err(|error| error.to_string())?);
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(std::io::stdout().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    }
    .map_err(|error| error.to_string())
}
