//! What a person sets about their authenticators: `rename`, `prefer`. Neither may open a door: a name is never
//! matched, and the preferred authenticator is asked for first and by nothing else favored.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    record::account::{Account, AccountBody},
    session::session::{Grant, Session},
    value::{id::AuthenticatorId, instant::Millis, name::AuthenticatorName},
};

impl Verifier {
    /// Gives an authenticator a name, or takes its name from it (`PATCH` of an authentication method). Any that
    /// was confirmed may have one, a disabled one included. A name that it has already writes nothing.
    ///
    /// Takes an elevated session with the scope `enroll` and a second factor that is recent enough.
    ///
    /// Denials: [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn rename(
        &self,
        session: &Session,
        account: Account,
        authenticator: AuthenticatorId,
        name: Option<&AuthenticatorName>,
        now: OffsetDateTime,
    ) -> Step<()> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::of_session(Command::Rename, session, now);
        audit.authenticator = Some(authenticator);
        decide(&self.keys, audit, account, now, |account, _| {
            self.check_arranging(session, account, now)?;
            account.prune(now);
            account.confirmed(authenticator).ok_or(Denial::UnknownAuthenticator)?;
            let changed = account.rename(authenticator, name);
            Ok(if changed { Decision::Store(Ok(())) } else { Decision::Unchanged(()) })
        })
    }

    /// Chooses whether [`challenge`](Self::challenge) takes this authenticator first. One account prefers one: the
    /// choice of another ends with this one. Where the preferred one cannot be used, or not by the kinds of
    /// challenge that are asked for, the one used last is taken, as where none is preferred. A choice ends with its
    /// authenticator. Recovery codes cannot be chosen. A choice that stands already writes nothing.
    ///
    /// Takes an elevated session with the scope `enroll` and a second factor that is recent enough.
    ///
    /// Denials: [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator),
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled) and
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType) if it cannot sign anybody in and is to be
    /// preferred, [`ExpiredToken`](Denial::ExpiredToken), [`WrongRecord`](Denial::WrongRecord).
    pub fn prefer(
        &self,
        session: &Session,
        account: Account,
        authenticator: AuthenticatorId,
        preferred: bool,
        now: OffsetDateTime,
    ) -> Step<()> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::of_session(Command::Prefer, session, now);
        audit.authenticator = Some(authenticator);
        decide(&self.keys, audit, account, now, |account, _| {
            self.check_arranging(session, account, now)?;
            account.prune(now);
            let known = account.confirmed(authenticator).ok_or(Denial::UnknownAuthenticator)?;
            if preferred == (account.preferred() == Some(authenticator)) {
                return Ok(Decision::Unchanged(()));
            }
            if preferred && !known.is_active() {
                return Err(Denial::AuthenticatorDisabled);
            }
            if preferred && !self.policy.authenticates(known.factor().kind()) {
                return Err(Denial::UnsupportedChallengeType);
            }
            account.prefer(preferred.then_some(authenticator));
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Whether a session may arrange what the account has.
    fn check_arranging(&self, session: &Session, account: &AccountBody, now: Millis) -> Result<(), Denial> {
        match session.grant() {
            Grant::Elevated { scopes, .. } if scopes.enroll => {}
            Grant::Elevated { .. } | Grant::FirstFactor { .. } => return Err(Denial::InsufficientScope),
        }
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)
    }
}
