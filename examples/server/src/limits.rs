//! How much the server takes on, and how long it waits: the settings, and their defaults.
//!
//! Whatever a client can make the server wait for has a deadline here, and whatever clients can pile up has a bound.
//! This module must never hold a limit that has no option: an operator's proxy has deadlines of its own, which these
//! must fit.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use clap::{
    Args,
    builder::{TypedValueParser, ValueParser},
    value_parser,
};

/// The most hashes at once if nothing else is said: each takes a processor and its memory.
const DEFAULT_MOST_HASHES: usize = 8;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits and deadlines")]
pub(crate) struct Limits {
    /// How many connections may be open. With all of them in use the one that has been idle longest is closed for the
    /// next; if none is idle, the next is answered with 503.
    #[arg(long, env = "COUNTERSIGN_MAX_CONNECTIONS", default_value = "1024", value_name = "COUNT", value_parser = count(1..=1_000_000))]
    pub(crate) max_connections: usize,

    /// How many of them one address may have (for IPv6: one /64). The next is answered with 503. Not for trusted
    /// proxies.
    #[arg(long, env = "COUNTERSIGN_MAX_CONNECTIONS_PER_PEER", default_value = "100", value_name = "COUNT", value_parser = count(1..=1_000_000))]
    pub(crate) max_connections_per_peer: usize,

    /// How long the head of a request may take, from its first byte on, or from the connection on for the first one.
    #[arg(long, env = "COUNTERSIGN_HEADER_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) header_timeout: Duration,

    /// How long a connection may be idle between requests. More than the 60 seconds that load balancers keep one.
    #[arg(long, env = "COUNTERSIGN_KEEP_ALIVE", default_value = "75", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) keep_alive: Duration,

    /// How long the body of a request may take in all. A later one is answered with 408.
    #[arg(long, env = "COUNTERSIGN_BODY_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) body_timeout: Duration,

    /// How long a request may take, its body included. One that takes longer is answered with 503.
    #[arg(long, env = "COUNTERSIGN_REQUEST_TIMEOUT", default_value = "20", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) request_timeout: Duration,

    /// How long a client may take nothing of what is sent to it.
    #[arg(long, env = "COUNTERSIGN_WRITE_TIMEOUT", default_value = "20", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) write_timeout: Duration,

    /// How long the server finishes what was begun, after the signal to stop.
    #[arg(long, env = "COUNTERSIGN_SHUTDOWN_TIMEOUT", default_value = "20", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) shutdown_timeout: Duration,

    /// How many steps may be stored at once. A request that waits for longer than ten seconds is answered with 503.
    #[arg(long, env = "COUNTERSIGN_MAX_STEPS", default_value = "64", value_name = "COUNT", value_parser = count(1..=10_000))]
    pub(crate) max_steps: usize,

    /// How many password hashes are computed at once, each in memory of its own, which is kept. Without it: as many as
    /// there are processors less one, from 1 to 8: hashing must not keep the rest of the server waiting.
    #[arg(long, env = "COUNTERSIGN_PASSWORD_HASHES", value_name = "COUNT", value_parser = count(1..=256))]
    pub(crate) password_hashes: Option<usize>,

    /// How many sign-ins may wait for a password hash. The next is answered with 503; addresses take turns.
    #[arg(long, env = "COUNTERSIGN_PASSWORD_QUEUE", default_value = "64", value_name = "COUNT", value_parser = count(0..=1_000_000))]
    pub(crate) password_queue: usize,

    /// How long a sign-in may wait for a password hash. One that waits longer is answered with 503.
    #[arg(long, env = "COUNTERSIGN_PASSWORD_WAIT", default_value = "5", value_name = "SECONDS", value_parser = seconds())]
    pub(crate) password_wait: Duration,
}

impl Limits {
    pub(crate) fn hashes(&self) -> usize {
        let processors = || available_parallelism().map_or(1, NonZero::get);
        self.password_hashes.unwrap_or_else(|| processors().saturating_sub(1).clamp(1, DEFAULT_MOST_HASHES))
    }
}

fn count(range: std::ops::RangeInclusive<u64>) -> ValueParser {
    value_parser!(u64).range(range).map(|count| usize::try_from(count).unwrap_or(usize::MAX)).into()
}

/// From a second to an hour.
fn seconds() -> ValueParser {
    value_parser!(u64).range(1..=3_600).map(Duration::from_secs).into()
}
