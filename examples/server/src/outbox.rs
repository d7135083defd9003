//! The worker that sends what the outbox holds, and ends the sessions that it says.
//!
//! A message is put into the outbox in the transaction that writes its record, so it survives a crash; its code is
//! derived again here, and so is never stored. A message is claimed for a while, sent and settled. If the server dies
//! in between, another sends it again, with the same id: mail arrives at least once. What cannot be sent is reported
//! to the core, which lets the user ask again at once.
//!
//! A message is claimed only when a sender is free for it, and whatever is done with it has an end before the claim
//! has: so one that hangs holds up no other, and none is sent a second time because it had to wait. This module must
//! never send a message that [`render`](countersign::Verifier::render) does not vouch for, and never go by this
//! server's clock in saying what is due.

use std::{sync::Arc, time::Duration};

use countersign::{
    Effect, Verifier,
    effect::{DeliveryReport, Descriptor, Destination, Message, RenderError},
};
use time::OffsetDateTime;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    app::App,
    mail::{Letter, MailError, Opened},
    store::{Queued, StoreError},
};

/// How many messages are under way at once.
const SENDERS: usize = 16;
/// How long a claimed message is this server's alone: longer than writing, sending and settling it may take.
const HOLD: Duration = Duration::from_secs(45);
/// How long the database may take to say what a message needs.
const WRITE_LIMIT: Duration = Duration::from_secs(4);
/// How long to go on asking the database to take a message out.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);
/// How long to wait before the first tries anew. From the last of them on, a failure is reported to the core.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// How long to wait before every later one.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// A day of trying, or a little more. A code is given up when it is dead, anything else after that.
const MAX_TRIES: i64 = 1_440;
/// How often to look without being woken: for messages that were put off or left by a server that died, and for a
/// database that was away.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a sender that is free waits for others, while more than half are not: to claim many at once costs less.
const GATHER: Duration = Duration::from_millis(20);

/// What became of a message.
enum Fate {
    Sent,
    /// It is not worth sending any more.
    Dropped,
    /// Trying again may help.
    Later(String),
    /// Trying again will not help.
    Failed(String),
}

/// Sends messages until told to stop, and finishes those that it has begun with.
pub(crate) async fn work(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    loop {
        let free = free_senders(&mut under_way).await;
        let taken = match app.database.claim(free, HOLD).await {
            Ok(claimed) => {
                let taken = claimed.len();
                for message in claimed {
                    under_way.spawn(deliver(Arc::clone(&app), message));
                }
                taken
            }
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                0
            }
        };
        // Only a number to look at: what was claimed is under way whether or not it can be had.
        if let Ok(waiting) = app.database.waiting().await {
            app.metrics.waiting.set(waiting);
        }
        if taken == free {
            continue;
        }
        if *stop.borrow() {
            break;
        }
        tokio::select! {
            () = app.mail_waits.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// How many more messages can be under way, which is at least one.
async fn free_senders(under_way: &mut JoinSet<()>) -> usize {
    while under_way.try_join_next().is_some() {}
    while under_way.len() >= SENDERS {
        under_way.join_next().await;
    }
    let half = async {
        while under_way.len() > SENDERS / 2 {
            under_way.join_next().await;
        }
    };
    // However many they are by then.
    let _ = tokio::time::timeout(GATHER, half).await;
    SENDERS.saturating_sub(under_way.len())
}

/// Sends one message, and tells the database and the core what became of it.
async fn deliver(app: Arc<App>, message: Queued) {
    let fate = send(&app, &message).await;
    if let Err(error) = conclude(&app, &message, fate).await {
        // It comes back when the claim ends.
        tracing::error!(%error, id = message.id, "the outbox cannot be written");
    }
}

async fn send(app: &App, message: &Queued) -> Fate {
    // Claims count, too: a message that brings servers down as often as that is given up.
    if message.tries > MAX_TRIES {
        return Fate::Failed("it was tried too often".to_owned());
    }
    // While versions are mixed, one of the other servers can.
    let Some(descriptor) = &message.descriptor else {
        return Fate::Later("it is of another version".to_owned());
    };
    if let Descriptor::EndSessions(end) = descriptor {
        return match in_time(app.database.end_epoch(end)).await {
            Ok(()) => Fate::Sent,
            Err(error) => Fate::Later(error.to_string()),
        };
    }
    // Before the relay is asked, which may be away: what is dead is dropped at once.
    match in_time(write(app, message, descriptor)).await {
        Ok(Some(_)) => {}
        Ok(None) => return Fate::Dropped,
        Err(error) => return Fate::Later(error.to_string()),
    }
    let opened = match app.mailer.open().await {
        Ok(opened) => opened,
        Err(error) => return failed(error),
    };
    // A relay may have taken its time, and the user may have asked again meanwhile: the message is written when it
    // can be handed over, unless it has given way to a later one. From here on there is no way back.
    let written = in_time(async {
        if app.database.is_held(message).await? { write(app, message, descriptor).await } else { Ok(None) }
    });
    match written.await {
        Ok(Some(letter)) => hand_over(opened, letter).await,
        Ok(None) => {
            opened.close().await;
            Fate::Dropped
        }
        Err(error) => Fate::Later(error.to_string()),
    }
}

async fn hand_over(opened: Opened<'_>, letter: Letter) -> Fate {
    match opened.send(letter).await {
        Ok(()) => Fate::Sent,
        Err(error) => failed(error),
    }
}

fn failed(error: MailError) -> Fate {
    match error {
        MailError::Transient(error) => Fate::Later(error),
        MailError::Permanent(error) => Fate::Failed(error),
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(WRITE_LIMIT, work).await.map_err(|_| StoreError::Silent)?
}

/// A message in words: a code or a link goes to the address that it is about, a notice to the user's own. Nothing if it is not
/// live any more, or nobody is to read it.
async fn write(app: &App, queued: &Queued, descriptor: &Descriptor) -> Result<Option<Letter>, StoreError> {
    let subject = descriptor.subject();
    let now = OffsetDateTime::now_utc();
    let rendered = if let Descriptor::Link(link) = descriptor {
        let proof = app.database.load_proof(subject).await?.ok_or(RenderError::NotLive);
        proof.and_then(|proof| app.core.prove(|verifier| verifier.render(&proof, link, now)))
    } else {
        let account = app.database.load(subject).await?.ok_or(RenderError::NotLive);
        account.and_then(|account| app.core.call(|verifier| verifier.render(&account, descriptor, now)))
    };
    let effect = match rendered {
        Ok(effect) => effect,
        Err(error) => {
            tracing::info!(id = %descriptor.id(), %error, "a message is dropped");
            return Ok(None);
        }
    };
    let to = match &effect {
        // This server has a mailer and no other channel.
        Effect::Send(Message { to: Destination::Email(address), .. }) => Some(address.as_str().to_owned()),
        Effect::Notify(_) => app.database.user(subject).await?.map(|user| user.email),
        Effect::Send(_) | Effect::IssueToken(_) | Effect::EndSessions(_) | _ => None,
    };
    let text = app.templates.write(&effect, queued.locale.as_deref(), now);
    Ok(to.zip(text).map(|(to, text)| Letter { id: queued.id.clone(), to, text }))
}

async fn conclude(app: &Arc<App>, message: &Queued, fate: Fate) -> Result<(), StoreError> {
    let kind = match &message.descriptor {
        Some(Descriptor::Send(_)) => "code",
        Some(Descriptor::Link(_)) => "link",
        Some(Descriptor::EndSessions(_)) => "end_sessions",
        Some(Descriptor::Notify(_) | _) => "notice",
        None => "unknown",
    };
    let count = |result: &str| app.metrics.sends.with_label_values(&[kind, result]).inc();
    match fate {
        Fate::Sent => {
            count("sent");
            settle(app, message).await
        }
        Fate::Dropped => {
            count("dropped");
            settle(app, message).await
        }
        Fate::Later(error) if message.tries < MAX_TRIES => {
            let tried = usize::try_from(message.tries).unwrap_or(usize::MAX);
            let pause = PAUSES.get(tried.saturating_sub(1)).copied().unwrap_or(LONG_PAUSE);
            count("retried");
            let postponed = app.database.postpone(message, pause).await;
            tracing::warn!(id = message.id, error, "a message could not be sent and is tried again");
            postponed?;
            if tried >= PAUSES.len() {
                report_failure(app, message).await;
            }
            Ok(())
        }
        Fate::Later(error) | Fate::Failed(error) => {
            tracing::error!(id = message.id, error, "a message could not be sent");
            count("failed");
            // In this order: what is settled is never looked at again, and what is reported twice counts once.
            report_failure(app, message).await;
            settle(app, message).await
        }
    }
}

/// Takes a message out of the outbox. A database that is away for a moment is asked again while the claim lasts,
/// since what stays is sent again.
async fn settle(app: &App, message: &Queued) -> Result<(), StoreError> {
    let settled = async {
        while let Err(error) = app.database.settle(&message.id).await {
            tracing::warn!(%error, id = message.id, "a message could not be taken out of the outbox");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(SETTLE_LIMIT, settled).await.map_err(|_| StoreError::Silent)
}

/// Tells the core that a code did not arrive, so that its user can ask again at once.
async fn report_failure(app: &Arc<App>, message: &Queued) {
    let Some(Descriptor::Send(code)) = &message.descriptor else { return };
    let id = code.id;
    let report = move |verifier: &Verifier, account, now, _: &_| {
        verifier.report_delivery(account, id, DeliveryReport::Failed, now)
    };
    if let Err(error) = app.step(code.subject.clone(), report).await {
        tracing::error!(%error, %id, "a failed delivery could not be reported");
    }
}
