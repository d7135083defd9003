//! The server's state, and the one loop that every command of the core goes through.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use countersign::{
    Account, Effect, Entropy, Outcome, Step, Subject, Verifier, effect::Notice, step::Committed,
};
use getrandom::SysRng;
use time::OffsetDateTime;
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};
use tracing::Instrument as _;

use crate::{
    core::Core,
    cross_origin::Origins,
    demo::Panel,
    first_factor::{FirstFactorError, FirstFactors},
    hosts::Hosts,
    limits::Limits,
    locale,
    mail::Mailer,
    metrics::Metrics,
    options::Preset,
    random,
    store::{Database, StoreError},
    templates::Templates,
    tokens::Signer,
};

/// How often a step is taken anew before the client is told to come back. Among any number of servers at least one of
/// the swaps is not lost, and an account takes only so many that write before it is locked.
const MAX_SWAPS: u32 = 24;
/// How long a step may wait for its turn.
const STEP_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct App {
    pub(crate) core: Core,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) first_factors: FirstFactors,
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
    /// Takes one step of one account: load, step, swap, and only then look at what happened. A lost swap is taken again
    /// from a fresh load.
    ///
    /// The messages among the effects are in the outbox already, in the transaction that wrote the record; what is left
    /// to the caller is [`Effect::IssueToken`].
    ///
    /// The caller may be dropped at any time. Until the swap begins that ends the step; from there on the step goes
    /// to its end by itself, since what was charged must be stored and logged, and no transaction be left half-way.
    pub(crate) async fn step<T, F>(
        self: &Arc<Self>,
        subject: &Subject,
        step: F,
    ) -> Result<Outcome<T>, ServerError>
    where
        F: Fn(&Verifier, Account, OffsetDateTime, &Entropy) -> Step<T>,
        T: Send + 'static,
    {
        let turn = timeout(STEP_WAIT, Arc::clone(&self.steps).acquire_owned()).await;
        let turn = Arc::new(turn.map_err(|_| ServerError::Overloaded)?.map_err(|_| ServerError::Stopped)?);
        let step =
            |account, now, entropy: &_| self.core.call(|verifier| step(verifier, account, now, entropy));
        let store = |step: Step<T>| -> Committing<'static, T> {
            let (app, turn, locale) = (Arc::clone(self), Arc::clone(&turn), locale::of_request());
            let storing = async move {
                let committed = step.commit_async(|write| app.database.swap(write, locale.as_ref())).await?;
                if let Committed::Done(outcome) = &committed {
                    app.conclude(outcome);
                }
                drop(turn);
                Ok(committed)
            };
            let storing = tokio::spawn(storing.in_current_span());
            Box::pin(async move { storing.await.map_err(|_| ServerError::Stopped)? })
        };
        take(&*self.database, subject, step, store, || self.metrics.lost_swaps.inc()).await
    }

    /// The record of a user, or a new one.
    pub(crate) async fn load(&self, subject: &Subject) -> Result<Account, ServerError> {
        load(&*self.database, subject).await
    }

    /// What every outcome is good for, whatever its command: the log, the metrics, the panel, the worker.
    fn conclude<T>(&self, outcome: &Outcome<T>) {
        self.metrics.audit.record_step(outcome.audit());
        if let Some(panel) = &self.panel {
            panel.note(outcome.audit(), outcome.effects());
        }
        let mut messages = false;
        for effect in outcome.effects() {
            messages |= matches!(effect, Effect::Send(_) | Effect::Notify(_));
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

/// A step that is being stored.
pub(crate) type Committing<'a, T> =
    Pin<Box<dyn Future<Output = Result<Committed<T>, ServerError>> + Send + 'a>>;

/// Stores a step where it is taken, for commands: nobody drops them.
pub(crate) fn in_place<'a, T: Send + 'a>(
    database: &'a dyn Database,
) -> impl Fn(Step<T>) -> Committing<'a, T> {
    move |step| Box::pin(async move { Ok(step.commit_async(|write| database.swap(write, None)).await?) })
}

/// The loop of [`App::step`]. It is not [`countersign::drive`]: whoever asked may hang up while the step is stored,
/// and the step must then go to its end by itself.
pub(crate) async fn take<'a, T, F>(
    database: &dyn Database,
    subject: &Subject,
    step: F,
    store: impl Fn(Step<T>) -> Committing<'a, T>,
    note_lost: impl Fn(),
) -> Result<Outcome<T>, ServerError>
where
    F: Fn(Account, OffsetDateTime, &Entropy) -> Step<T>,
{
    for lost in 0..MAX_SWAPS {
        let account = match database.load(subject).await? {
            Some(account) => account,
            // It was there a moment ago: its user was removed, and must not get another.
            None if lost > 0 => return Err(ServerError::Gone),
            None => Account::new(subject),
        };
        let step = step(account, OffsetDateTime::now_utc(), &Entropy::draw(&mut SysRng)?);
        match store(step).await? {
            Committed::Done(outcome) => return Ok(outcome),
            Committed::Lost => {
                note_lost();
                tokio::time::sleep(jitter(lost)?).await;
            }
        }
    }
    Err(ServerError::Contended)
}

/// The record of a user in a database, or a new one.
pub(crate) async fn load(database: &dyn Database, subject: &Subject) -> Result<Account, ServerError> {
    match database.load(subject).await? {
        Some(account) => Ok(account),
        None => Ok(Account::new(subject)),
    }
}

/// How long to wait after a lost swap: at random, up to a bound that doubles from 2 ms to 64 ms.
fn jitter(lost: u32) -> Result<Duration, getrandom::Error> {
    let bound_us = 2_000_u64 << lost.min(5);
    Ok(Duration::from_micros(u64::from_be_bytes(random()?) % bound_us))
}
