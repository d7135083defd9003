//! The metrics, under Prometheus' conventions: counters end in `_total`, times are in seconds and sizes in bytes,
//! labels are closed lists, and each counter exists from the start with 0.
//!
//! No label is about a user or taken from what a client sent. This module must never be handed a request's body or an
//! effect's content.

use std::{sync::Mutex, time::Instant};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder, core::Collector, process_collector::ProcessCollector,
};
use strum::VariantArray as _;

use crate::audit::{Act, ActResult, Audit};

/// The kinds of messages.
const MESSAGE_KINDS: [&str; 4] = ["code", "notice", "end_sessions", "unknown"];
/// What becomes of a message.
const MESSAGE_RESULTS: [&str; 4] = ["sent", "dropped", "retried", "failed"];

/// How often something was done, and how long it took each time. Without a metric nobody asks.
#[derive(Clone, Default)]
pub(crate) struct Stopwatch(Option<Histogram>);

impl Stopwatch {
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        if let Some(metric) = &self.0 {
            metric.observe(begun.elapsed().as_secs_f64());
        }
        done
    }
}

pub(crate) struct Metrics {
    registry: Registry,
    /// The door of every audit event.
    pub(crate) audit: Audit,
    /// Messages, by kind and what became of them.
    pub(crate) sends: IntCounterVec,
    /// Steps that were taken again because another came first.
    pub(crate) lost_swaps: IntCounter,
    /// How long answers took, by method, route and status.
    pub(crate) latencies: HistogramVec,
    /// Requests that are worked on.
    pub(crate) in_flight: IntGauge,
    /// Connections that are open.
    pub(crate) connections: IntGauge,
    /// Calls of the library.
    pub(crate) core: Stopwatch,
    /// Records that were read from their stored form or written in it.
    pub(crate) record: Stopwatch,
    /// Messages in the outbox.
    pub(crate) waiting: IntGauge,
    /// Password hashes that wait for their turn.
    pub(crate) hash_queue: IntGauge,
    /// Connections of the database's pool, by what they do.
    pool: IntGaugeVec,
    /// How many of them may be open.
    pool_max: IntGauge,
    /// What administrators did.
    acts: IntCounterVec,
    /// Held while what the database says is taken over, so that no act is counted twice.
    taking_over: Mutex<()>,
}

/// What the database says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    /// The connections that are in use.
    pub(crate) used: u32,
    /// The connections that are open and wait for work.
    pub(crate) idle: u32,
    /// How many may be open.
    pub(crate) most: u32,
}

impl PoolSize {
    /// Of so many connections that are open, so many of which are idle.
    pub(crate) fn new(open: u32, idle: usize, most: u32) -> Self {
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        Self { used: open.saturating_sub(idle), idle, most }
    }
}

/// One more of something, until this is dropped.
pub(crate) struct Counted(IntGauge);

impl Counted {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let audit = Audit::new(&registry)?;
        let new = New(&registry);
        let build =
            new.gauges("build_info", "The version of the server. The value is always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let sends = new.counters(
            "messages_total",
            "Attempts to send a message, by kind and result.",
            &["kind", "result"],
        )?;
        for kind in MESSAGE_KINDS {
            for result in MESSAGE_RESULTS {
                sends.with_label_values(&[kind, result]);
            }
        }
        let acts = new.counters(
            "administrator_acts_total",
            "Commands of administrators on this database, by act and result.",
            &["act", "result"],
        )?;
        for act in Act::VARIANTS {
            for result in ActResult::VARIANTS {
                acts.with_label_values::<&str>(&[act.into(), result.into()]);
            }
        }
        Ok(Self {
            audit,
            sends,
            acts,
            lost_swaps: new.counter(
                "record_swap_conflicts_total",
                "Writes of a record that were tried again because another write came first.",
            )?,
            latencies: new.histograms(
                "http_request_duration_seconds",
                "Time from a request to its reply.",
                &["method", "route", "status"],
            )?,
            in_flight: new.gauge("http_requests_in_flight", "Requests that the server works on.")?,
            connections: new.gauge("http_connections_open", "Connections of clients that are open.")?,
            core: new
                .stopwatch("core_call_duration_seconds", "Time in one call of the second-factor library.")?,
            record: new.stopwatch(
                "record_coding_duration_seconds",
                "Time to read a record from its stored form, or to write it in that form.",
            )?,
            waiting: new.gauge("outbox_messages", "Messages that wait in the outbox.")?,
            hash_queue: new
                .gauge("password_hash_queue_length", "Password checks that wait for their turn.")?,
            pool: new.gauges(
                "database_connections",
                "Connections to the database that are in use, and those that are idle.",
                &["state"],
            )?,
            pool_max: new.gauge(
                "database_connections_max",
                "The most connections to the database that may be open.",
            )?,
            taking_over: Mutex::new(()),
            registry,
        })
    }

    /// Takes over what the database says of its connections.
    pub(crate) fn note_pool(&self, size: PoolSize) {
        for (state, count) in [("used", size.used), ("idle", size.idle)] {
            self.pool.with_label_values(&[state]).set(count.into());
        }
        self.pool_max.set(size.most.into());
    }

    /// Takes over what the database counted of administrators' acts. Names that this version does not know are left
    /// out.
    pub(crate) fn note_acts(&self, counted: &[(String, String, i64)]) {
        let Ok(_alone) = self.taking_over.lock() else { return };
        for act in Act::VARIANTS {
            for result in ActResult::VARIANTS {
                let (act, result): (&str, &str) = (act.into(), result.into());
                let Some((_, _, count)) = counted.iter().find(|of| of.0 == act && of.1 == result) else {
                    continue;
                };
                let counter = self.acts.with_label_values(&[act, result]);
                counter.inc_by(u64::try_from(*count).unwrap_or(0).saturating_sub(counter.get()));
            }
        }
    }

    /// The metrics as Prometheus reads them.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Makes metrics under the server's prefix and registers them.
struct New<'a>(&'a Registry);

impl New<'_> {
    fn register<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(options(name, help))?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(options(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(options(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(options(name, help), labels)?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
        self.register(HistogramVec::new(options(name, help).into(), labels)?)
    }

    /// Of times from a microsecond to a millisecond.
    fn stopwatch(&self, name: &str, help: &str) -> Result<Stopwatch, prometheus::Error> {
        let bounds = vec![1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3];
        let options = HistogramOpts::from(options(name, help)).buckets(bounds);
        Ok(Stopwatch(Some(self.register(Histogram::with_opts(options)?)?)))
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("countersign")
}
