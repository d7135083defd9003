//! Addresses that the host itself has proven: `provision`, `deprovision`.
//!
//! No client may reach them: the host calls them for reasons of its own, after checks of its own.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, StepBuilder, decide, decide_drawing},
        verifier::Verifier,
    },
    crypto::entropy::Entropy,
    factor::factor::{Factor, NewFactor},
    keys::draws::Draws,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        end_sessions::EndReason,
        notify::Notice,
        step::Step,
    },
    policy::settings::FactorUse,
    record::{
        account::{Account, AccountBody},
        authenticator::Authenticator,
    },
    value::{id::AuthenticatorId, instant::Millis},
};

impl Verifier {
    /// Adds an address that the host has verified itself as an active authenticator: Auth0's implicit enrollment. An
    /// account has at most one such authenticator. A new address replaces the old one, inherits its failure count, and
    /// stays disabled if the old one was. An address that the account already has, active or disabled, does not change.
    /// If the user enrolled this address themselves, it replaces the active provisioned authenticator and inherits its
    /// failure count. Where one is replaced, all sessions end, a first factor that was prepared before included.
    ///
    /// Returns the id of the authenticator. Denials:
    /// [`TooManyAuthenticators`](Denial::TooManyAuthenticators),
    /// [`UnsupportedChallengeType`](Denial::UnsupportedChallengeType) if the policy has the factor off, or it
    /// gets no messages.
    pub fn provision(
        &self,
        account: Account,
        factor: &NewFactor,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Step<AuthenticatorId> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Provision, account.subject().clone(), now);
        decide_drawing(&self.keys, audit, account, now, entropy, |account, draws, draft| {
            let factor = factor.wanted().factor().ok_or(Denial::UnsupportedChallengeType)?;
            self.try_provision(account, factor, now, draws, draft)
        })
    }

    fn try_provision(
        &self,
        account: &mut AccountBody,
        factor: &Factor,
        now: Millis,
        draws: &mut Draws,
        draft: &mut StepBuilder,
    ) -> Result<Decision<AuthenticatorId>, Denial> {
        // A secret of one-time passwords is proven by a code and by nothing else.
        if self.policy.admits(factor.kind()) == FactorUse::Off || factor.channel().is_none() {
            return Err(Denial::UnsupportedChallengeType);
        }
        account.prune(now);
        let mut confirmed = account.authenticators().iter().filter(|known| !known.is_unconfirmed());
        let present = confirmed.find(|known| *known.factor() == *factor).map(Authenticator::id);
        let former = account.authenticators().iter().find(|known| known.is_provisioned()).cloned();
        let former = former.filter(|former| Some(former.id()) != present);
        let id = match present {
            Some(id) => {
                draft.audit.authenticator = Some(id);
                let lets_in = account.authenticator(id).is_some_and(Authenticator::is_active);
                let latches = lets_in && self.policy.authenticates(factor.kind()) && account.enroll();
                // One that is disabled stays where it is: its place is what keeps it disabled.
                let Some(former) = former.filter(Authenticator::is_active) else {
                    return Ok(if latches { Decision::Store(Ok(id)) } else { Decision::Unchanged(id) });
                };
                Self::replace_provisioned(account, &former, now, draft);
                account.inherit_failures(id, &former);
                id
            }
            None => self.add_provisioned(account, factor, former, now, draws, draft)?,
        };
        Ok(Decision::Store(Ok(id)))
    }

    fn add_provisioned(
        &self,
        account: &mut AccountBody,
        factor: &Factor,
        former: Option<Authenticator>,
        now: Millis,
        draws: &mut Draws,
        draft: &mut StepBuilder,
    ) -> Result<AuthenticatorId, Denial> {
        let settings = self.policy.settings();
        if former.is_none() && account.confirmed_count() >= usize::from(settings.max_authenticators) {
            return Err(Denial::TooManyAuthenticators);
        }
        let id = draws.authenticator(factor.kind());
        if let Some(former) = &former {
            Self::replace_provisioned(account, former, now, draft);
        }
        let new = Authenticator::provisioned(id, factor.clone(), former, now);
        let active = new.is_active();
        account.add_provisioned(new);
        draft.audit.authenticator = Some(id);
        if active {
            if self.policy.authenticates(factor.kind()) {
                account.enroll();
            }
            // As a confirmation does: what first-factor sessions had begun is not needed any more.
            account.lapse_first_factor_enrollments();
            draft.notify(account, Notice::Added { authenticator: id, label: factor.label() }, now);
        }
        Ok(id)
    }

    fn replace_provisioned(
        account: &mut AccountBody,
        former: &Authenticator,
        now: Millis,
        draft: &mut StepBuilder,
    ) {
        account.remove(former.id());
        let label = former.factor().label();
        draft.end_sessions(account, (None, EndReason::Replaced), now);
        draft.notify(account, Notice::Removed { authenticator: former.id(), label }, now);
    }

    /// Takes back a provisioned address. To move it, call [`provision`](Self::provision) with the new one alone: that
    /// carries the failures over. The user stays enrolled, even if it was the last factor: losing an address opens
    /// no door. All sessions end. A disabled one stays in the record, because its place there is what keeps it disabled.
    ///
    /// Denials: [`UnknownAuthenticator`](Denial::UnknownAuthenticator).
    pub fn deprovision(&self, account: Account, factor: &NewFactor, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Deprovision, account.subject().clone(), now);
        decide(&self.keys, audit, account, now, |account, draft| {
            let mut provisioned = account.authenticators().iter().filter(|known| known.is_provisioned());
            let found = provisioned.find(|known| Some(known.factor()) == factor.wanted().factor());
            let found = found.ok_or(Denial::UnknownAuthenticator)?;
            let (id, label) = (found.id(), found.factor().label());
            draft.audit.authenticator = Some(id);
            if !found.is_active() {
                return Ok(Decision::Unchanged(()));
            }
            account.prune(now);
            account.remove(id);
            draft.end_sessions(account, (None, EndReason::Deprovisioned), now);
            draft.notify(account, Notice::Removed { authenticator: id, label }, now);
            Ok(Decision::Store(Ok(())))
        })
    }
}
