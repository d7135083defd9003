//! The log's form, and the metrics. Decisions are logged and counted by [`Audit`]. This module must never be handed a
//! request's body or an effect's content.

use std::{io::IsTerminal as _, time::Instant};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

use crate::{audit::Audit, options::LogFormat};

/// Starts logging to the standard output.
pub(crate) fn start_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("--log {filter:?}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(std::io::stdout().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(|error| error.to_string())
}

/// How often something was done, and how long it took each time. Without a metric nobody asks.
#[derive(Clone, Default)]
pub(crate) struct Stopwatch(Option<Histogram>);

impl Stopwatch {
    /// A metric of times from a microsecond to a millisecond.
    fn new(name: &str, help: &str) -> Result<Self, prometheus::Error> {
        let options = HistogramOpts::new(format!("countersign_{name}"), help);
        let bounds = vec![1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3];
        Ok(Self(Some(Histogram::with_opts(options.buckets(bounds))?)))
    }

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
    /// How long answers took, in seconds, by method, route and status.
    pub(crate) latencies: HistogramVec,
    /// Calls of the library.
    pub(crate) core: Stopwatch,
    /// Records that were read from their stored form or written in it.
    pub(crate) record: Stopwatch,
    /// Messages in the outbox.
    pub(crate) waiting: IntGauge,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("countersign_{name}"), help), labels)
        };
        let registry = Registry::new();
        let metrics = Self {
            audit: Audit::new(&registry)?,
            registry,
            sends: counters("messages_total", "Messages by kind and result.", &["kind", "result"])?,
            lost_swaps: IntCounter::new(
                "countersign_lost_swaps_total",
                "Conditional writes that were lost.",
            )?,
            latencies: HistogramVec::new(
                HistogramOpts::new("countersign_request_seconds", "Time to answer."),
                &["method", "route", "status"],
            )?,
            core: Stopwatch::new("core_seconds", "Time in a call of the library.")?,
            record: Stopwatch::new("record_seconds", "Time to read or write the stored form of a record.")?,
            waiting: IntGauge::new("countersign_outbox_waiting", "Messages in the outbox.")?,
        };
        metrics.registry.register(Box::new(metrics.sends.clone()))?;
        metrics.registry.register(Box::new(metrics.lost_swaps.clone()))?;
        metrics.registry.register(Box::new(metrics.latencies.clone()))?;
        metrics.registry.register(Box::new(metrics.waiting.clone()))?;
        for metric in [&metrics.core, &metrics.record].into_iter().filter_map(|stopwatch| stopwatch.0.clone())
        {
            metrics.registry.register(Box::new(metric))?;
        }
        Ok(metrics)
    }

    /// The metrics as Prometheus reads them.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
