//! The worker that sends what the outbox holds.
//!
//! A message is put into the outbox in the transaction that writes its record, so it survives a crash; its code is derived
//! again here, and so is never stored. A message is claimed for a while, sent and settled. If the server dies in between,
//! another sends it again, with the same id: mail arrives at least once. What cannot be sent is reported to the core, which
//! lets the user ask again at once. This module must never send a message that [`render`](countersign::Verifier::render)
//! does not vouch for.

use std::{sync::Arc, time::Duration};

use countersign::{DeliveryReport, Descriptor, RenderError, Verifier};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{
    app::App,
    mail::MailError,
    store::{Queued, StoreError},
};

/// How long a claimed message is this server's alone.
const CLAIM_MS: i64 = 30_000;
/// How long to wait before the first tries anew. After the last of them a failure is reported to the core.
const PAUSES_MS: [i64; 2] = [2_000, 10_000];
/// How long to wait before every later one.
const LONG_PAUSE_MS: i64 = 60_000;
/// A day of trying. A code is given up when it is dead, a notice after that.
const MAX_TRIES: i64 = 1_440;
/// How often to look without being woken: for messages that were put off, or left by a server that died.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sends messages until told to stop, and finishes those that it has begun with.
pub(crate) async fn work(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    loop {
        match drain(&app).await {
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "the outbox cannot be read"),
        }
        if *stop.borrow() {
            return;
        }
        tokio::select! {
            () = app.mail_waits.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Sends what is due.
async fn drain(app: &Arc<App>) -> Result<(), StoreError> {
    loop {
        let now = millis(OffsetDateTime::now_utc());
        let claimed = app.database.claim(now, now.saturating_add(CLAIM_MS)).await?;
        app.metrics.waiting.set(app.database.waiting().await?);
        if claimed.is_empty() {
            return Ok(());
        }
        let mut sending = tokio::task::JoinSet::new();
        for message in claimed {
            let app = Arc::clone(app);
            sending.spawn(async move {
                if let Err(error) = deliver(&app, &message).await {
                    tracing::error!(%error, id = message.id, "a message cannot be worked on");
                }
            });
        }
        while sending.join_next().await.is_some() {}
    }
}

async fn deliver(app: &App, queued: &Queued) -> Result<(), StoreError> {
    let Some(descriptor) = &queued.descriptor else {
        tracing::error!(id = queued.id, "a message of another version is dropped");
        return app.database.settle(&queued.id).await;
    };
    let kind = match descriptor {
        Descriptor::SendEmail(_) => "code",
        Descriptor::Notify(_) | _ => "notice",
    };
    let count = |result: &str| app.metrics.sends.with_label_values(&[kind, result]).inc();
    let subject = match descriptor {
        Descriptor::SendEmail(email) => &email.subject,
        Descriptor::Notify(notify) => &notify.subject,
        _ => return app.database.settle(&queued.id).await,
    };
    let now = OffsetDateTime::now_utc();
    let account = app.database.load(subject).await?;
    let rendered = account
        .ok_or(RenderError::NotLive)
        .and_then(|account| app.core.call(|verifier| verifier.render(&account, descriptor, now)));
    let message = match rendered {
        Ok(message) => message,
        Err(error) => {
            tracing::info!(id = queued.id, %error, "a message is dropped");
            count("dropped");
            return app.database.settle(&queued.id).await;
        }
    };
    let user = app.database.user(subject).await?;
    let user = user.as_ref().map(|user| user.email.as_str());
    let Some((to, text)) = app.templates.write(&message, user, &app.issuer, now) else {
        count("dropped");
        return app.database.settle(&queued.id).await;
    };
    let error = match app.mailer.send(&app.mail_from, &to, &queued.id, text).await {
        Ok(()) => {
            count("sent");
            return app.database.settle(&queued.id).await;
        }
        Err(MailError::Transient(error)) if queued.tries < MAX_TRIES => {
            let tried = usize::try_from(queued.tries).unwrap_or(usize::MAX);
            let pause = PAUSES_MS.get(tried.saturating_sub(1)).copied().unwrap_or(LONG_PAUSE_MS);
            app.database.postpone(&queued.id, millis(now).saturating_add(pause)).await?;
            tracing::warn!(id = queued.id, error, "a message could not be sent and is tried again");
            count("retried");
            if tried == PAUSES_MS.len() {
                report_failure(app, descriptor).await;
            }
            return Ok(());
        }
        Err(MailError::Transient(error) | MailError::Permanent(error)) => error,
    };
    tracing::error!(id = queued.id, error, "a message could not be sent");
    count("failed");
    app.database.settle(&queued.id).await?;
    report_failure(app, descriptor).await;
    Ok(())
}

/// Tells the core that a code did not arrive, so that its user can ask again at once.
async fn report_failure(app: &App, descriptor: &Descriptor) {
    let Descriptor::SendEmail(email) = descriptor else { return };
    let report = |verifier: &Verifier, account, now: OffsetDateTime, _: &mut _| {
        Ok(verifier.report_delivery(account, email.id, DeliveryReport::Failed, now))
    };
    if let Err(error) = app.step(&email.subject, report).await {
        tracing::error!(%error, id = %email.id, "a failed delivery could not be reported");
    }
}

fn millis(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}
