//! The server's state, and the one loop that every command of the core goes through.

use std::time::Duration;

use countersign::{Account, Committed, Effect, Event, Outcome, Step, Subject, Verifier};
use getrandom::SysRng;
use lettre::message::Mailbox;
use time::OffsetDateTime;
use tokio::sync::{Notify, RwLock};

use crate::{
    core::Core,
    demo::Panel,
    first_factor::{FirstFactorError, FirstFactors},
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

pub(crate) struct App {
    pub(crate) core: Core,
    pub(crate) database: std::sync::Arc<dyn Database>,
    pub(crate) first_factors: FirstFactors,
    pub(crate) signer: Signer,
    pub(crate) mailer: Mailer,
    pub(crate) mail_from: Mailbox,
    pub(crate) templates: Templates,
    pub(crate) metrics: Metrics,
    /// Woken when something was put into the outbox.
    pub(crate) mail_waits: Notify,
    /// Read by every request that is worked on, and written by the end, which waits for all of them.
    pub(crate) under_way: std::sync::Arc<RwLock<()>>,
    pub(crate) issuer: String,
    pub(crate) preset: Preset,
    pub(crate) implicit_email: bool,
    /// What the page's panel shows; only with demonstration data.
    pub(crate) panel: Option<Panel>,
}

/// The server could not do what it was asked for, through no fault of the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
    #[error("other steps came first too often")]
    Contended,
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("no token could be signed: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the first factor could not be checked: {0}")]
    FirstFactor(#[from] FirstFactorError),
    #[error("the core was misused: {0}")]
    Misuse(&'static str),
}

impl App {
    /// Takes one step of one account: load, step, swap, and only then look at what happened. A lost swap is taken again
    /// from a fresh load.
    ///
    /// The messages among the effects are in the outbox already, in the transaction that wrote the record; what is left
    /// to the caller is [`Effect::IssueToken`].
    pub(crate) async fn step<T, F>(&self, subject: &Subject, step: F) -> Result<Outcome<T>, Trouble>
    where
        F: Fn(&Verifier, Account, OffsetDateTime, &mut SysRng) -> Result<Step<T>, getrandom::Error>,
    {
        let step = |account, now, rng: &mut _| self.core.call(|verifier| step(verifier, account, now, rng));
        let outcome = take(&*self.database, subject, step, || self.metrics.lost_swaps.inc()).await?;
        self.conclude(&outcome);
        Ok(outcome)
    }

    /// The record of a user, or a new one.
    pub(crate) async fn load(&self, subject: &Subject) -> Result<Account, Trouble> {
        load(&*self.database, subject).await
    }

    /// What every outcome is good for, whatever its command: the log, the metrics, the panel, the worker.
    fn conclude<T>(&self, outcome: &Outcome<T>) {
        self.metrics.audit.record_step(&outcome.audit);
        if let Some(panel) = &self.panel {
            panel.note(&outcome.audit, &outcome.effects);
        }
        let mut messages = false;
        for effect in &outcome.effects {
            messages |= matches!(effect, Effect::SendEmail(_) | Effect::Notify(_));
            if let Effect::Notify(notify) = effect
                && let Event::ClockDisagrees { behind_ms } = notify.event
            {
                tracing::warn!(behind_ms, "this server's clock is behind another one's");
            }
        }
        if messages {
            self.mail_waits.notify_one();
        }
    }
}

/// The loop of [`App::step`].
pub(crate) async fn take<T, F>(
    database: &dyn Database,
    subject: &Subject,
    step: F,
    note_lost: impl Fn(),
) -> Result<Outcome<T>, Trouble>
where
    F: Fn(Account, OffsetDateTime, &mut SysRng) -> Result<Step<T>, getrandom::Error>,
{
    for lost in 0..MAX_SWAPS {
        let account = load(database, subject).await?;
        let step = step(account, OffsetDateTime::now_utc(), &mut SysRng)?;
        match step.commit_async(|write| database.swap(write)).await? {
            Committed::Done(outcome) => return Ok(outcome),
            Committed::Lost => {
                note_lost();
                tokio::time::sleep(jitter(lost)?).await;
            }
        }
    }
    Err(Trouble::Contended)
}

async fn load(database: &dyn Database, subject: &Subject) -> Result<Account, Trouble> {
    match database.load(subject).await? {
        Some(account) => Ok(account),
        None => Ok(Account::new(subject, &mut SysRng)?),
    }
}

/// How long to wait after a lost swap: at random, up to a bound that doubles from 2 ms to 64 ms.
fn jitter(lost: u32) -> Result<Duration, getrandom::Error> {
    let bound_us = 2_000_u64 << lost.min(5);
    Ok(Duration::from_micros(u64::from_be_bytes(random()?) % bound_us))
}
