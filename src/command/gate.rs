//! The gates of the commands: whether a session may do this, on this record, at this time. A gate must never look at
//! a code.

use crate::{
    command::verifier::Verifier,
    outcome::denial::Denial,
    record::{account::AccountBody, record::Body as _},
    session::session::{Grant, Session},
    value::instant::Millis,
};

impl Verifier {
    /// Whether the record is the session's and takes sessions of its kind and age.
    pub(super) fn check_session(session: &Session, account: &AccountBody, now: Millis) -> Result<(), Denial> {
        if session.subject() != account.subject() {
            return Err(Denial::WrongRecord);
        }
        let too_old = account.has_revoked(session);
        if too_old || now >= session.expires_ms() { Err(Denial::ExpiredToken) } else { Ok(()) }
    }

    /// Refuses everybody while the account is locked.
    pub(super) fn check_lock(&self, account: &AccountBody, now: Millis) -> Result<(), Denial> {
        let locked = account.ledger().locked_until(&self.policy, now);
        locked.map_or(Ok(()), |until| Err(Denial::Locked { until: until.to_datetime() }))
    }
}

/// `challenge` and `verify_recovery` take a first-factor session whose client was named.
pub(crate) fn check_authenticating(session: &Session) -> Result<(), Denial> {
    match session.grant() {
        Grant::FirstFactor { client_named: true, .. } => Ok(()),
        Grant::FirstFactor { client_named: false, .. } => Err(Denial::ClientRequired),
        Grant::Elevated(_) => Err(Denial::InsufficientScope),
    }
}
