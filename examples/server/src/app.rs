//! The server's state, and what every outcome is good for. The steps themselves are taken in [`crate::step`].

use std::sync::Arc;

use countersign::{Account, Effect, Outcome, Subject, effect::Notice};
use tokio::sync::{Notify, Semaphore};

use crate::{
    asks::Asks,
    core::Core,
    cross_origin::Origins,
    demo::Panel,
    first_factor::{FirstFactorError, FirstFactors},
    hosts::Hosts,
    limits::Limits,
    mail::Mailer,
    metrics::Metrics,
    options::Preset,
    store::{Database, StoreError},
    templates::Templates,
    tokens::Signer,
};

pub(crate) struct App {
    pub(crate) core: Core,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) first_factors: FirstFactors,
    /// The links that each peer asked for.
    pub(crate) asks: Asks,
    pub(crate) origins: Origins,
    pub(crate) signer: Signer,
    pub(crate) mailer: Mailer,
    pub(crate) templates: Templates,
    pub(crate) metrics: Metrics,
    /// Woken when something was put into the outbox.
    pub(crate) mail_waits: Notify,
    /// As many as steps are taken at once. The end of the server takes them all, and so waits for those that are
    /// stored.
    pub(crate) steps: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) issuer: String,
    pub(crate) preset: Preset,
    pub(crate) implicit_email: bool,
    /// What the page's panel shows; only with demonstration data.
    pub(crate) panel: Option<Panel>,
    /// The hosts that are answered; without it, any.
    pub(crate) hosts: Option<Hosts>,
}

/// The server could not do what it was asked for, through no fault of the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
    #[error("other steps came first too often")]
    Contended,
    #[error("the record was deleted meanwhile")]
    Gone,
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("no token could be signed: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the first factor could not be checked: {0}")]
    FirstFactor(#[from] FirstFactorError),
    #[error("too many steps are taken")]
    Overloaded,
    #[error("a step did not come to its end")]
    Stopped,
    #[error("the core was misused: {0}")]
    Misuse(&'static str),
}

impl App {
    /// The record of a user, or a new one.
    pub(crate) async fn load(&self, subject: &Subject) -> Result<Account, ServerError> {
        load(&*self.database, subject).await
    }

    /// What every outcome is good for, whatever its command: the log, the metrics, the panel, the worker.
    pub(crate) fn conclude<T>(&self, outcome: &Outcome<T>) {
        self.metrics.audit.record_step(outcome.audit());
        if let Some(panel) = &self.panel {
            panel.note(outcome.audit(), outcome.effects());
        }
        if outcome.audit().denial == Some("clock_disagrees") {
            let subject = outcome.audit().subject.as_str();
            tracing::warn!(
                subject,
                "a clock that wrote this user's record was ahead: set it right, then users unlock"
            );
        }
        let mut messages = false;
        for effect in outcome.effects() {
            messages |= matches!(effect, Effect::Send(_) | Effect::Notify(_) | Effect::EndSessions(_));
            if let Effect::Notify(notify) = effect
                && let Notice::ClockDisagrees { behind_ms } = notify.notice
            {
                tracing::warn!(behind_ms, "this server's clock is behind another one's");
            }
        }
        if messages {
            self.mail_waits.notify_one();
        }
    }
}

/// The record of a user in a database, or a new one.
pub(crate) async fn load(database: &dyn Database, subject: &Subject) -> Result<Account, ServerError> {
    match database.load(subject).await? {
        Some(account) => Ok(account),
        None => Ok(Account::new(subject)),
    }
}
