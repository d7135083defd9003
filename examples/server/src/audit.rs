//! Audit events: the decisions of the host and of the core, each logged and counted by [`Audit`].
//!
//! [`HostEvent`] lists the decisions that the host makes by itself: first factors, clients, tokens, requests, and the
//! acts of administrators. The core's decisions are its own [`AuditEvent`]. Both are recorded at the one place where
//! the decision is made. The reasons are closed enums, so the labels of the counters are bounded, and every counter
//! exists from the start with 0.
//!
//! This module must never be handed a text that a client sent. A user appears as the subject of a known user, a
//! client as the identifier of a registered client, and otherwise neither appears: an unknown name may be a password
//! that was typed into the wrong field. Codes, tokens, handles, secrets and addresses of users have no field here.
//!
//! The lines that are written during a request, these among them, stand in its span, which has the request's id, its
//! route and its peer: see [`crate::request_id`].

pub(crate) mod administrator;
mod reasons;

use countersign::{Subject, audit::AuditEvent};
use prometheus::{IntCounterVec, Opts, Registry};
use strum::VariantArray as _;

pub(crate) use reasons::{
    Act, ActResult, ClientCheck, FirstFactor, Issued, RequestCheck, SecondFactor, TokenCheck, TokenRequest,
};

/// A decision of the host. Each kind has a closed list of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostEvent {
    /// A name and a password were presented.
    FirstFactor(FirstFactor),
    /// A client was, or should have been, authenticated.
    Client(ClientCheck),
    /// An `mfa_token` or an access token was presented, or should have been.
    Token(TokenCheck),
    /// A grant, an audience or a scope was refused.
    TokenRequest(TokenRequest),
    /// A second factor was refused before it reached the core's record.
    SecondFactor(SecondFactor),
    /// A token was issued.
    Issued(Issued),
    /// A request, or a connection, was refused whatever it asks for.
    Request(RequestCheck),
    /// An administrator's command ended.
    Administrator(Act, ActResult),
}

impl HostEvent {
    /// The kind of the event: the `event` of the log line and of the counter.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FirstFactor(_) => "first_factor",
            Self::Client(_) => "client",
            Self::Token(_) => "token",
            Self::TokenRequest(_) => "token_request",
            Self::SecondFactor(_) => "second_factor",
            Self::Issued(_) => "token_issued",
            Self::Request(_) => "request",
            Self::Administrator(..) => "administrator",
        }
    }

    /// Why: the `reason` of the log line and of the counter.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::FirstFactor(reason) => reason.into(),
            Self::Client(reason) => reason.into(),
            Self::Token(reason) => reason.into(),
            Self::TokenRequest(reason) => reason.into(),
            Self::SecondFactor(reason) => reason.into(),
            Self::Issued(reason) => reason.into(),
            Self::Request(reason) => reason.into(),
            Self::Administrator(_, result) => result.into(),
        }
    }

    /// Every event that a server can meet. An administrator's commands are processes of their own.
    fn of_requests() -> impl Iterator<Item = Self> {
        let of = |all: &'static [FirstFactor]| all.iter().map(|&reason| Self::FirstFactor(reason));
        of(FirstFactor::VARIANTS)
            .chain(ClientCheck::VARIANTS.iter().map(|&reason| Self::Client(reason)))
            .chain(TokenCheck::VARIANTS.iter().map(|&reason| Self::Token(reason)))
            .chain(TokenRequest::VARIANTS.iter().map(|&reason| Self::TokenRequest(reason)))
            .chain(SecondFactor::VARIANTS.iter().map(|&reason| Self::SecondFactor(reason)))
            .chain(Issued::VARIANTS.iter().map(|&reason| Self::Issued(reason)))
            .chain(RequestCheck::VARIANTS.iter().map(|&reason| Self::Request(reason)))
    }
}

/// Whom an event is about. Both are names that the server knows, never a text as a client sent it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct About<'a> {
    /// The user.
    pub(crate) subject: Option<&'a Subject>,
    /// The identifier of a registered client.
    pub(crate) client: Option<&'a str>,
}

impl<'a> About<'a> {
    /// About nobody in particular, or about somebody whom the server does not know.
    pub(crate) const NOBODY: Self = Self { subject: None, client: None };

    pub(crate) const fn subject(subject: &'a Subject) -> Self {
        Self { subject: Some(subject), client: None }
    }

    pub(crate) const fn client(client: &'a str) -> Self {
        Self { subject: None, client: Some(client) }
    }

    pub(crate) const fn and_client(self, client: &'a str) -> Self {
        Self { subject: self.subject, client: Some(client) }
    }
}

/// Logs and counts every decision.
#[derive(Clone)]
pub(crate) struct Audit {
    host: IntCounterVec,
    core: IntCounterVec,
}

impl Audit {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let host = counters(
            "countersign_host_events_total",
            "Decisions of the server about first factors, clients, tokens and requests, by reason.",
            &["event", "reason"],
        )?;
        let core = counters(
            "countersign_second_factor_decisions_total",
            "Decisions of the second-factor library, by command and reason.",
            &["command", "reason"],
        )?;
        for event in HostEvent::of_requests() {
            host.with_label_values(&[event.name(), event.reason()]);
        }
        for command in reasons::COMMANDS {
            for reason in reasons::DENIALS {
                core.with_label_values(&[command, reason]);
            }
        }
        Ok(Self { host, core })
    }

    /// Records a decision of the host.
    pub(crate) fn record(&self, event: HostEvent, about: About<'_>) {
        self.host.with_label_values(&[event.name(), event.reason()]).inc();
        log(event, about);
    }

    /// Records a decision of the core.
    pub(crate) fn record_step(&self, event: &AuditEvent) {
        let command = command(event);
        let reason = event.denial.unwrap_or("accepted");
        self.core.with_label_values(&[command.as_str(), reason]).inc();
        log_step(event);
    }
}

/// Logs a decision of the host. For a process that is no server: it has no counters that anybody reads.
pub(crate) fn log(event: HostEvent, about: About<'_>) {
    tracing::info!(
        target: "audit",
        event = event.name(),
        reason = event.reason(),
        subject = about.subject.map(Subject::as_str),
        client = about.client,
        "audit"
    );
}

/// Logs a decision of the core.
pub(crate) fn log_step(event: &AuditEvent) {
    tracing::info!(
        target: "audit",
        event = "step",
        reason = event.denial.unwrap_or("accepted"),
        command = command(event),
        subject = event.subject.as_str(),
        client = event.client.as_ref().map(|client| client.as_str()),
        transaction = event.transaction.map(|transaction| format!("{transaction:?}")),
        authenticator = event.authenticator.map(|authenticator| authenticator.to_string()),
        device = event.device.map(|device| device.to_string()),
        denial = event.denial,
        evaluated = event.evaluated,
        at = event.at,
        "audit"
    );
}

/// The name of the command of the core.
pub(crate) fn command(event: &AuditEvent) -> String {
    let name = serde_json::to_value(event.command).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
