//! Logs and metrics. The core's audit events are logged as they are: they hold no code, token, handle or address. This
//! module must never be handed a request's body or an effect's content.

use std::{io::IsTerminal as _, time::Instant};

use countersign::AuditEvent;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

use crate::options::LogFormat;

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

/// Logs one decision of the core.
pub(crate) fn audit(event: &AuditEvent) {
    tracing::info!(
        target: "audit",
        command = name(event),
        subject = event.subject.as_str(),
        client = event.client.as_ref().map(|client| client.as_str()),
        transaction = event.transaction.map(|transaction| format!("{transaction:?}")),
        authenticator = event.authenticator.map(|authenticator| authenticator.to_string()),
        denial = event.denial,
        evaluated = event.evaluated,
        at = event.at,
        "audit"
    );
}

/// The name of the event's command.
pub(crate) fn name(event: &AuditEvent) -> String {
    let name = serde_json::to_value(event.command).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
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
    /// Codes that were judged, and refusals to judge one, by command and result.
    verifications: IntCounterVec,
    /// Refusals of every command, by reason.
    refusals: IntCounterVec,
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
        let metrics = Self {
            registry: Registry::new(),
            verifications: counters(
                "verifications_total",
                "Verifications by outcome.",
                &["command", "outcome"],
            )?,
            refusals: counters("refusals_total", "Refusals by reason.", &["command", "reason"])?,
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
        metrics.registry.register(Box::new(metrics.verifications.clone()))?;
        metrics.registry.register(Box::new(metrics.refusals.clone()))?;
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

    /// Counts one decision of the core.
    pub(crate) fn count(&self, event: &AuditEvent) {
        let command = name(event);
        if command.starts_with("verify") {
            let outcome = event.denial.unwrap_or("accepted");
            self.verifications.with_label_values(&[command.as_str(), outcome]).inc();
        }
        if let Some(reason) = event.denial {
            self.refusals.with_label_values(&[command.as_str(), reason]).inc();
        }
    }

    /// The metrics as Prometheus reads them.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
