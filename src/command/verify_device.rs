//! `verify_device`: completes a login on a remembered device, where the policy lets that take the place of a second
//! factor. What it gives may only read, and it must never count as a factor.

use time::OffsetDateTime;

use crate::{
    command::{
        context::Context,
        decide::{Decision, decide},
        gate::check_authenticating,
        verifier::Verifier,
    },
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        step::Step,
    },
    record::{
        account::{Account, AccountBody},
        device::Device,
    },
    session::{elevation::Elevation, evidence::Evidence, session::Session},
    value::instant::Millis,
};

/// A remembered device took the place of a second factor.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Remembered {
    /// What it proves: [`Method::Device`](crate::evidence::Method::Device), with the time since when.
    pub evidence: Evidence,
    /// What the host keeps with its session. It may read and no more: what enrolls or removes is refused as
    /// [`InsufficientUserAuthentication`](Denial::InsufficientUserAuthentication), whatever its scopes.
    pub elevation: Elevation,
}

impl Verifier {
    /// Completes a login on a remembered device. [`IssueToken`](crate::Effect::IssueToken) is among the
    /// effects of success. [`Requirements::remembered`](crate::Requirements::remembered) says beforehand that
    /// it would.
    ///
    /// Takes a first-factor session whose client was named, on a device that the account lists: see
    /// [`recognize`](Self::recognize). The policy must let a device take the place of a second factor, and
    /// the authenticator that vouched must still be active and complete logins.
    ///
    /// Denials: [`UnknownDevice`](Denial::UnknownDevice),
    /// [`SecondFactorRequired`](Denial::SecondFactorRequired),
    /// [`TransactionSpent`](Denial::TransactionSpent), [`ClientRequired`](Denial::ClientRequired),
    /// [`InsufficientScope`](Denial::InsufficientScope), [`ExpiredToken`](Denial::ExpiredToken),
    /// [`WrongRecord`](Denial::WrongRecord).
    pub fn verify_device(
        &self,
        session: &Session,
        account: Account,
        now: OffsetDateTime,
    ) -> Step<Remembered> {
        let now = Millis::from(now);
        let audit = AuditEvent::of_session(Command::VerifyDevice, session, now);
        decide(&self.keys, audit, account, now, |account, draft| {
            self.try_verify_device(account, &mut Context { session, now, draft })
        })
    }

    fn try_verify_device(
        &self,
        account: &mut AccountBody,
        context: &mut Context<'_>,
    ) -> Result<Decision<Remembered>, Denial> {
        let (session, now) = (context.session, context.now);
        check_authenticating(session)?;
        Self::check_session(session, account, now)?;
        if account.is_spent(session.transaction()) {
            return Err(Denial::TransactionSpent);
        }
        account.prune(now);
        let device = self.device_of(session, account, now).ok_or(Denial::UnknownDevice)?;
        if !self.skips(account, device) {
            return Err(Denial::SecondFactorRequired);
        }
        let (by, since) = (device.vouched_by(), device.since_ms());
        context.draft.audit.authenticator = Some(by);
        account.open_transaction(session, self.lane_of(session, account, now));
        let evidence = Evidence::device(since, now);
        if !self.complete(account, (by, &evidence), context)? {
            return Err(Denial::InsufficientScope);
        }
        let elevation = session.elevated_by(&evidence, account.epoch());
        Ok(Decision::Store(Ok(Remembered { evidence, elevation })))
    }

    /// Whether this device may take the place of a second factor.
    pub(crate) fn skips(&self, account: &AccountBody, device: &Device) -> bool {
        let vouched = account.authenticator(device.vouched_by());
        let vouches = vouched
            .is_some_and(|known| known.is_active() && self.policy.authenticates(known.factor().kind()));
        self.policy.device_skips() && vouches
    }
}
