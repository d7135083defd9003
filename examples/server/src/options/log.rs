//! The log's options: the same for the server and for every command beside it.

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug)]
pub(crate) struct Log {
    /// How the log is written.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    /// What is logged, in the syntax of tracing's filters. The server logs to the standard output, by default `info`. A
    /// command logs to the standard error, by default `warn,audit=info`.
    #[arg(long, global = true, env = "COUNTERSIGN_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    Text,
    Json,
}
