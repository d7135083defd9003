//! The acts of administrators: every command of this program beside the server itself.
//!
//! A command is a process that ends, so nobody reads its counters. Its act is logged to the standard error, in the
//! form of the server's log, with the user of the operating system who ran it; and it is counted in the database,
//! from where every server's `/metrics` has it. A key file has no database, so a command on a key file alone is only
//! logged.
//!
//! The lines of a command stand in its span, which has the act, that user, and what the act is about. This module
//! must never be handed an address that was typed: [`concerns_user`] takes the subject of a user whom the database
//! has.

use std::future::Future;

use countersign::Subject;
use nix::unistd::{Uid, User};
use tracing::{Instrument as _, Span, field};

use super::{About, Act, ActResult, HostEvent};
use crate::{request_id::SPAN_TARGET, store::Bookkeeping};

/// Runs a command in its span and logs how it ended.
pub(crate) async fn observed<T, E>(act: Act, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (name, uid) = operator();
    let span = tracing::error_span!(
        target: SPAN_TARGET,
        "command",
        act = <&str>::from(act),
        os_user = name,
        os_uid = uid,
        subject = field::Empty,
        client = field::Empty,
    );
    async {
        let done = work.await;
        let result = if done.is_ok() { ActResult::Done } else { ActResult::Failed };
        super::log(HostEvent::Administrator(act, result), About::NOBODY);
        done
    }
    .instrument(span)
    .await
}

/// Counts a command that ended in the database on which it ran.
pub(crate) async fn count(act: Act, result: ActResult, database: &dyn Bookkeeping) {
    if let Err(error) = database.count_act(act.into(), result.into()).await {
        tracing::warn!(%error, "an administrator's act could not be counted");
    }
}

/// Says that the command that runs is about this user.
pub(crate) fn concerns_user(subject: &Subject) {
    Span::current().record("subject", subject.as_str());
}

/// Says that the command that runs is about this client.
pub(crate) fn concerns_client(client_id: &str) {
    Span::current().record("client", client_id);
}

/// The user who runs this process: the name, if the system knows one, and the number. The real one and not the
/// effective one: a set-user-ID bit does not change who it was.
fn operator() -> (Option<String>, u32) {
    let uid = Uid::current();
    (User::from_uid(uid).ok().flatten().map(|user| user.name), uid.as_raw())
}
