//! The gates of the commands: whether a session may do this, on this record, at this time. A gate must never look at
//! a code.

use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    outcome::denial::Denial,
    record::{account::AccountBody, ledger::Empty, record::Body as _},
    session::session::{Grant, Session},
    value::{
        instant::{self, Millis},
        lane::Lane,
    },
};

impl Verifier {
    /// Whether the record is the session's, and the session still stands.
    pub(super) fn check_session(session: &Session, account: &AccountBody, now: Millis) -> Result<(), Denial> {
        if session.subject() != account.subject() {
            return Err(Denial::WrongRecord);
        }
        if account.has_ended(session) || now >= session.expires_ms() {
            Err(Denial::ExpiredToken)
        } else {
            Ok(())
        }
    }

    /// Whether an elevated session may change factors: it must rest on a second factor that was used within the policy's
    /// `elevated_max_age` (ASVS 5.0 requirement 7.5.1). A first-factor session has another gate, `check_enrollment`.
    pub(super) fn check_recent(&self, session: &Session, now: Millis) -> Result<(), Denial> {
        let Grant::Elevated { evidence, .. } = session.grant() else { return Ok(()) };
        let max_age = self.policy.settings().elevated_max_age;
        let recent = now.since(Millis::from(evidence.at)) <= instant::span(max_age);
        if evidence.is_of_a_factor() && recent {
            Ok(())
        } else {
            Err(Denial::InsufficientUserAuthentication { max_age })
        }
    }

    /// Refuses everybody in a lane while it is locked.
    pub(super) fn check_lock(&self, record: &AccountBody, lane: Lane, now: Millis) -> Result<(), Denial> {
        let empty = record.ledger().no_guesses(lane, &self.policy, now);
        let empty = empty.filter(|_| !self.policy.hardens_messages());
        empty.map_or(Ok(()), |empty| {
            Err(refused(empty, record.updated(), now, |until| Denial::Locked { until }))
        })
    }
}

/// What a limit refuses with, in a record that was last written at `updated`. What lies further ahead than a
/// full bucket, in a record whose last write lies ahead, too, can only be a clock: then that is said.
pub(crate) fn refused(
    empty: Empty,
    updated: Millis,
    now: Millis,
    denial: impl FnOnce(OffsetDateTime) -> Denial,
) -> Denial {
    let until = empty.until().to_datetime();
    if empty.is_beyond_full() && updated > now { Denial::ClockDisagrees { until } } else { denial(until) }
}

/// `challenge` and `verify_recovery` take a first-factor session whose client was named.
pub(crate) fn check_authenticating(session: &Session) -> Result<(), Denial> {
    match session.grant() {
        Grant::FirstFactor { client_named: true, .. } => Ok(()),
        Grant::FirstFactor { client_named: false, .. } => Err(Denial::ClientRequired),
        Grant::Elevated { .. } => Err(Denial::InsufficientScope),
    }
}
