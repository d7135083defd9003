//! Removing an authenticator.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        verifier::Verifier,
    },
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        end_sessions::EndReason,
        notify::Notice,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
    },
    session::{
        elevation::Elevation,
        session::{Grant, Session},
    },
    value::{id::AuthenticatorId, instant::Millis},
};

impl Verifier {
    /// Removes an authenticator, with its challenges (`DELETE /mfa/authenticators/{id}`). The last active one takes
    /// disabled ones and the recovery codes with it, and the user is not enrolled any more.
    ///
    /// Takes an elevated session with the scope `remove:authenticators` and a second factor that is recent enough. All
    /// other sessions end, unless the one that was removed had never been confirmed. Returns what the host keeps with
    /// the acting session from now on, in the place of what it had.
    ///
    /// Denials: [`InsufficientScope`](Denial::InsufficientScope),
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication),
    /// [`UnknownAuthenticator`](Denial::UnknownAuthenticator),
    /// [`ProvisionedAuthenticator`](Denial::ProvisionedAuthenticator), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn remove(
        &self,
        session: &Session,
        account: Account,
        authenticator: AuthenticatorId,
        now: OffsetDateTime,
    ) -> Step<Elevation> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::of_session(Command::Remove, session, now);
        audit.authenticator = Some(authenticator);
        decide(&self.keys, audit, account, now, |account, draft| {
            self.try_remove(account, authenticator, &mut Context { session, now, draft })
        })
    }

    fn try_remove(
        &self,
        account: &mut AccountBody,
        id: AuthenticatorId,
        context: &mut Context<'_>,
    ) -> Result<Decision<Elevation>, Denial> {
        let (session, now) = (context.session, context.now);
        match session.grant() {
            Grant::Elevated { scopes, .. } if scopes.remove_authenticators => {}
            Grant::Elevated { .. } | Grant::FirstFactor { .. } => return Err(Denial::InsufficientScope),
        }
        Self::check_session(session, account, now)?;
        self.check_recent(session, now)?;
        account.prune(now);
        let found = account.authenticator(id).ok_or(Denial::UnknownAuthenticator)?;
        if found.is_provisioned() {
            return Err(Denial::ProvisionedAuthenticator);
        }
        if found.is_unconfirmed() {
            account.lapse(id);
            let kept = session.elevation_at(account.epoch()).ok_or(Denial::InsufficientScope)?;
            return Ok(Decision::Store(Ok(kept)));
        }
        let label = found.factor().label();
        account.remove(id);
        let epoch = context.end_other_sessions(account, EndReason::Removed);
        context.notify(account, Notice::Removed { authenticator: id, label });
        if !account.authenticators().iter().any(Authenticator::is_active) {
            let disabled = account.authenticators().iter().filter(|known| !known.is_unconfirmed());
            let disabled: Vec<_> = disabled.map(|known| (known.id(), known.factor().label())).collect();
            account.unenroll();
            for (authenticator, label) in disabled {
                context.notify(account, Notice::Removed { authenticator, label });
            }
        }
        let elevation = session.elevation_at(epoch).ok_or(Denial::InsufficientScope)?;
        Ok(Decision::Store(Ok(elevation)))
    }
}
