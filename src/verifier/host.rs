//! The host's own commands: `provision`, `deprovision`, `report_delivery`, `unlock`, `reset`, `stale_keys`.
//!
//! No client may reach them: the host calls them for reasons of its own, after checks of its own.

use rand_core::TryCryptoRng;
use time::OffsetDateTime;

use super::{Decision, Stop, Verifier, decide, decide::Draft, decide_with};
use crate::{
    account::Account,
    address::EmailAddress,
    audit::{AuditEvent, Command},
    authenticator::{Authenticator, AuthenticatorId, AuthenticatorKind, Factor, Origin},
    clock::Millis,
    denial::Denial,
    effect::{self, EffectId, Event},
    enrollment::{Enrollment, EnrollmentInput},
    step::Step,
};

/// How many guesses `unlock` grants on the long budget.
const UNLOCK_GRANT: u32 = 5;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum DeliveryReport {
    /// It was handed over.
    Delivered,
    /// It could not be.
    Failed,
}

/// What of a record still hangs on a durable key that is not the current one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct StaleKeys {
    /// Live recovery codes.
    pub recovery_codes: usize,
    /// Recovery codes that were shown with an enrolment and go live when it is confirmed. They lapse with its transaction.
    pub pending_recovery_codes: usize,
}

impl Verifier {
    /// Makes an address that the host has verified itself an active authenticator: Auth0's implicit enrolment. There is
    /// at most one such; a new address takes the place of the old one, and with it its failures, and stays disabled if it
    /// was. For an address that is there already, active or disabled, nothing changes.
    ///
    /// Gives the id of the authenticator. Denials: [`TooManyAuthenticators`](Denial::TooManyAuthenticators).
    ///
    /// # Errors
    /// That of the random generator, before anything happened.
    pub fn provision<R: TryCryptoRng + ?Sized>(
        &self,
        account: Account,
        address: &EmailAddress,
        now: OffsetDateTime,
        rng: &mut R,
    ) -> Result<Step<AuthenticatorId>, R::Error> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Provision, account.subject.clone(), now);
        decide_with(audit, account, now, |account, draft| {
            self.try_provision(account, address, now, rng, draft)
        })
    }

    fn try_provision<R: TryCryptoRng + ?Sized>(
        &self,
        account: &mut Account,
        address: &EmailAddress,
        now: Millis,
        rng: &mut R,
        draft: &mut Draft,
    ) -> Result<Decision<AuthenticatorId>, Stop<R::Error>> {
        account.prune(now);
        let mut confirmed = account.authenticators.iter().filter(|known| !known.is_unconfirmed());
        if let Some(known) = confirmed.find(|known| known.factor.address() == address) {
            draft.audit.authenticator = Some(known.id);
            return Ok(Decision::Keep(known.id));
        }
        let former = account.authenticators.iter().find(|known| known.is_provisioned()).cloned();
        if former.is_none() && account.confirmed_count() >= usize::from(self.policy.max_authenticators) {
            return Err(Denial::TooManyAuthenticators.into());
        }
        let id = AuthenticatorId::draw(AuthenticatorKind::Email, rng).map_err(Stop::Source)?;
        let (enrollment, failures) = former
            .as_ref()
            .map_or((Enrollment::Active, 0), |former| (former.enrollment.clone(), former.failures));
        if let Some(former) = former {
            account.drop_authenticators(EnrollmentInput::Remove, |known| known.id == former.id);
            let address = former.factor.address().clone();
            draft.notify(account, Event::Removed { authenticator: former.id, address }, now);
        }
        account.enrolled |= self.policy.email_may_authenticate && enrollment == Enrollment::Active;
        account.authenticators.push(Authenticator {
            id,
            factor: Factor::Email(address.clone()),
            enrollment,
            failures,
            origin: Origin::Provisioned,
            created: now,
            last_used: None,
        });
        draft.audit.authenticator = Some(id);
        draft.notify(account, Event::Added { authenticator: id, address: address.clone() }, now);
        Ok(Decision::Store(Ok(id)))
    }

    /// Takes back a provisioned address. The user stays enrolled, even if it was the last factor: losing an address opens
    /// no door. A disabled one stays in the record, because its place there is what keeps it disabled.
    ///
    /// Denials: [`UnknownAuthenticator`](Denial::UnknownAuthenticator).
    pub fn deprovision(&self, account: Account, address: &EmailAddress, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Deprovision, account.subject.clone(), now);
        decide(audit, account, now, |account, draft| {
            let mut provisioned = account.authenticators.iter().filter(|known| known.is_provisioned());
            let found = provisioned.find(|known| known.factor.address() == address);
            let found = found.ok_or(Denial::UnknownAuthenticator)?;
            let id = found.id;
            draft.audit.authenticator = Some(id);
            if !found.is_active() {
                return Ok(Decision::Keep(()));
            }
            account.prune(now);
            account.drop_authenticators(EnrollmentInput::Remove, |known| known.id == id);
            draft.notify(account, Event::Removed { authenticator: id, address: address.clone() }, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Tells what became of a message, by its effect's id. A failed one lifts the cool-down of its pair once, so that its
    /// user can ask again at once; the budgets stay charged.
    ///
    /// Says whether a cool-down was lifted.
    pub fn report_delivery(
        &self,
        account: Account,
        message: EffectId,
        report: DeliveryReport,
        now: OffsetDateTime,
    ) -> Step<bool> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::ReportDelivery, account.subject.clone(), now);
        decide(audit, account, now, |account, draft| {
            let Account { subject, authenticators, challenges, transactions, .. } = account;
            let is_latest = |challenge: &crate::challenge::Challenge| {
                let authenticator = authenticators.iter().find(|known| known.id == challenge.authenticator);
                let channel = authenticator.map(|known| known.factor.channel());
                channel.and_then(|channel| effect::latest_send(subject, channel, challenge)) == Some(message)
            };
            let Some(challenge) = challenges.iter().find(|known| is_latest(known)) else {
                return Ok(Decision::Keep(false));
            };
            draft.audit.authenticator = Some(challenge.authenticator);
            let entry = transactions.iter_mut().find(|known| known.id == challenge.transaction);
            let pair = entry.and_then(|entry| entry.pair_mut(challenge.authenticator));
            let cool_down = pair.map(|pair| &mut pair.last_send).filter(|last_send| last_send.is_some());
            match (report, cool_down) {
                (DeliveryReport::Failed, Some(last_send)) => {
                    *last_send = None;
                    Ok(Decision::Store(Ok(true)))
                }
                (DeliveryReport::Failed, None) | (DeliveryReport::Delivered, _) => Ok(Decision::Keep(false)),
            }
        })
    }

    /// Lifts a lock, for an administrator: refills the guess bucket, grants five guesses on the long budget, and takes
    /// back what a clock that was ahead had put on the account. It revives no challenge, code or authenticator.
    pub fn unlock(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Unlock, account.subject.clone(), now);
        decide(audit, account, now, |account, draft| {
            account.ledger.unlock(&self.policy, UNLOCK_GRANT, now);
            account.not_before = account.not_before.map(|instant| instant.min(now));
            account.elevated_not_before = account.elevated_not_before.map(|instant| instant.min(now));
            account.updated = account.updated.min(now);
            draft.notify(account, Event::Unlocked, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Drops all factors, challenges and recovery codes, for an administrator who has proven the user's identity anew
    /// (NIST SP 800-63B-4 section 4.2). The user is not enrolled; every session begun until now is refused; the ledger
    /// stays.
    pub fn reset(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Reset, account.subject.clone(), now);
        decide(audit, account, now, |account, draft| {
            account.prune(now);
            account.authenticators.clear();
            account.challenges.clear();
            account.transactions.iter_mut().for_each(|transaction| transaction.pairs.clear());
            account.recovery = None;
            account.enrolled = false;
            account.refuse_until(now);
            account.elevated_not_before = account.elevated_not_before.max(Some(now));
            draft.notify(account, Event::Reset, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// What of the record still hangs on a durable key that is not the current one. While it is not empty for some
    /// record, that key must stay in the ring, or what hangs on it is lost.
    #[must_use]
    pub fn stale_keys(&self, account: &Account) -> StaleKeys {
        let current = self.keys.durable().id;
        let live = account.recovery.iter().flat_map(|recovery| &recovery.live);
        let pending = account.authenticators.iter().filter_map(|known| match &known.enrollment {
            Enrollment::Unconfirmed(state) => state.recovery.as_ref(),
            Enrollment::Active | Enrollment::Disabled => None,
        });
        let stale = pending.filter(|pending| pending.key_id != current);
        StaleKeys {
            recovery_codes: live.filter(|code| code.key_id != current).count(),
            pending_recovery_codes: stale.map(|pending| usize::from(pending.count)).sum(),
        }
    }
}
