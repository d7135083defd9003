//! The gates of the commands: whether a session may do this, on this record, at this time. A gate must never look at
//! a code.

use time::OffsetDateTime;

use crate::{
    command::verifier::Verifier,
    outcome::denial::Denial,
    policy::bounds::CLOCK_LEEWAY_MS,
    record::{account::AccountBody, device::Device, ledger::Empty, record::Body as _},
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

    /// Whether a session may read what an account has: any first-factor session, and an elevated one with the
    /// scope
    /// `read:authenticators`.
    pub(super) fn check_reading(
        &self,
        session: &Session,
        account: &AccountBody,
        now: Millis,
    ) -> Result<(), Denial> {
        match session.grant() {
            Grant::Elevated { scopes, .. } if !scopes.read_authenticators => {
                return Err(Denial::InsufficientScope);
            }
            Grant::Elevated { .. } | Grant::FirstFactor { .. } => {}
        }
        if !account.is_of(self.keys.tenant()) {
            return Err(Denial::WrongRecord);
        }
        Self::check_session(session, account, now)
    }

    /// Whether an elevated session may change factors: it must rest on a second factor that was used within the policy's
    /// `elevated_max_age` (ASVS 5.0 requirement 7.5.1). One that only a clock far ahead can have seen is not
    /// recent, or it would be until that time. A first-factor session has another gate, `check_enrollment`.
    pub(super) fn check_recent(&self, session: &Session, now: Millis) -> Result<(), Denial> {
        let Grant::Elevated { evidence, .. } = session.grant() else { return Ok(()) };
        let max_age = self.policy.settings().elevated_max_age;
        let at = Millis::from(evidence.at);
        let begun = at <= now.after(CLOCK_LEEWAY_MS);
        let recent = now.since(at) <= instant::span(max_age);
        if evidence.is_of_a_factor() && begun && recent {
            Ok(())
        } else {
            Err(Denial::InsufficientUserAuthentication { max_age })
        }
    }

    /// The lane of a session at this step.
    pub(super) fn lane_of(&self, session: &Session, account: &AccountBody, now: Millis) -> Lane {
        account.lane(session, (&self.keys, &self.policy), now)
    }

    /// The remembered device that a session is on at this step.
    pub(super) fn device_of<'a>(
        &self,
        session: &Session,
        account: &'a AccountBody,
        now: Millis,
    ) -> Option<&'a Device> {
        account.device_of(session, (&self.keys, &self.policy), now)
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

impl Verifier {
    /// Refuses every one-time password in a lane without a guess left, unless four at once are wanted there.
    pub(super) fn check_otp_lock(&self, record: &AccountBody, lane: Lane, now: Millis) -> Result<(), Denial> {
        let empty = record.ledger().no_guesses(lane, &self.policy, now);
        let empty = empty.filter(|_| !self.policy.hardens_otp());
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

/// `verify_oob` and `verify_otp` take a first-factor session whose client was named, and to confirm only an
/// elevated one with the scope `enroll`. Says whether the session may confirm only.
pub(crate) fn check_verifying(session: &Session) -> Result<bool, Denial> {
    match session.grant() {
        Grant::FirstFactor { client_named: true, .. } => Ok(false),
        Grant::FirstFactor { client_named: false, .. } => Err(Denial::ClientRequired),
        Grant::Elevated { scopes, .. } if scopes.enroll => Ok(true),
        Grant::Elevated { .. } => Err(Denial::InsufficientScope),
    }
}

/// `challenge`, `verify_recovery` and `verify_device` take a first-factor session whose client was named.
pub(crate) fn check_authenticating(session: &Session) -> Result<(), Denial> {
    match session.grant() {
        Grant::FirstFactor { client_named: true, .. } => Ok(()),
        Grant::FirstFactor { client_named: false, .. } => Err(Denial::ClientRequired),
        Grant::Elevated { .. } => Err(Denial::InsufficientScope),
    }
}
