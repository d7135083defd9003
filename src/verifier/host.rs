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
    challenge::Challenge,
    clock::Millis,
    denial::Denial,
    effect::{self, EffectId, Event},
    enrollment::{Enrollment, EnrollmentInput, Opener},
    record::Record,
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
    /// Recovery codes that were shown and go live with an enrolment that is not confirmed yet.
    pub pending_recovery_codes: usize,
}

impl Verifier {
    /// Makes an address that the host has verified itself an active authenticator: Auth0's implicit enrolment. There is
    /// at most one such; a new address takes the place of the old one, and with it its failures, and stays disabled if it
    /// was. An address that is there already, active or disabled, is left as it is; one that its user enrolled takes the
    /// place of a provisioned one that is active, with its failures.
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
        let present = confirmed.find(|known| known.factor.address() == address).map(|known| known.id);
        let former = account.authenticators.iter().find(|known| known.is_provisioned()).cloned();
        let former = former.filter(|former| Some(former.id) != present);
        let id = match present {
            Some(id) => {
                draft.audit.authenticator = Some(id);
                let lets_in = account.authenticator(id).is_some_and(Authenticator::is_active);
                let latches = lets_in && self.policy.settings().email_may_authenticate && !account.enrolled;
                account.enrolled |= latches;
                // One that is disabled stays where it is: its place is what keeps it disabled.
                let Some(former) = former.filter(Authenticator::is_active) else {
                    return Ok(if latches { Decision::Store(Ok(id)) } else { Decision::Keep(id) });
                };
                Self::drop_former(account, &former, now, draft);
                let kept = account.authenticators.iter_mut().filter(|known| known.id == id);
                kept.for_each(|known| known.failures = known.failures.max(former.failures));
                id
            }
            None => self.add_provisioned(account, address, former, now, rng, draft)?,
        };
        Ok(Decision::Store(Ok(id)))
    }

    fn add_provisioned<R: TryCryptoRng + ?Sized>(
        &self,
        account: &mut Account,
        address: &EmailAddress,
        former: Option<Authenticator>,
        now: Millis,
        rng: &mut R,
        draft: &mut Draft,
    ) -> Result<AuthenticatorId, Stop<R::Error>> {
        let settings = self.policy.settings();
        if former.is_none() && account.confirmed_count() >= usize::from(settings.max_authenticators) {
            return Err(Denial::TooManyAuthenticators.into());
        }
        let id = AuthenticatorId::draw(AuthenticatorKind::Email, rng).map_err(Stop::Source)?;
        let (mut enrollment, mut failures) = (Enrollment::Active, 0);
        if let Some(former) = former {
            Self::drop_former(account, &former, now, draft);
            (enrollment, failures) = (former.enrollment, former.failures);
        }
        let active = enrollment == Enrollment::Active;
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
        if active {
            account.enrolled |= settings.email_may_authenticate;
            // As a confirmation does: what first-factor sessions had begun is not needed any more.
            account.lapse(|_, state| state.opened_by == Opener::FirstFactor);
            draft.notify(account, Event::Added { authenticator: id, address: address.clone() }, now);
        }
        Ok(id)
    }

    fn drop_former(account: &mut Account, former: &Authenticator, now: Millis, draft: &mut Draft) {
        account.drop_authenticators(EnrollmentInput::Remove, |known| known.id == former.id);
        let address = former.factor.address().clone();
        draft.notify(account, Event::Removed { authenticator: former.id, address }, now);
    }

    /// Takes back a provisioned address. To move it, call [`provision`](Self::provision) with the new one alone: that
    /// carries the failures over. The user stays enrolled, even if it was the last factor: losing an address opens
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
    pub fn report_delivery<R: Record>(
        &self,
        record: R,
        message: EffectId,
        report: DeliveryReport,
        now: OffsetDateTime,
    ) -> Step<bool, R> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::ReportDelivery, record.subject().clone(), now);
        decide(audit, record, now, |record, draft| {
            record.prune(now);
            let is_latest = |challenge: &Challenge| {
                let authenticator =
                    record.authenticators().iter().find(|known| known.id == challenge.authenticator);
                let channel = authenticator.map(|known| known.factor.channel());
                let latest =
                    channel.and_then(|channel| effect::latest_send(record.subject(), channel, challenge));
                latest == Some(message)
            };
            let Some(place) = record.challenges().iter().position(is_latest) else {
                return Ok(Decision::Keep(false));
            };
            draft.audit.authenticator =
                record.challenges().get(place).map(|challenge| challenge.authenticator);
            let cool_down = record.pair_mut(place).map(|pair| &mut pair.last_send);
            match (report, cool_down) {
                (DeliveryReport::Failed, Some(last_send @ Some(_))) => {
                    *last_send = None;
                    Ok(Decision::Store(Ok(true)))
                }
                (DeliveryReport::Failed | DeliveryReport::Delivered, _) => Ok(Decision::Keep(false)),
            }
        })
    }

    /// Lifts a lock, for an administrator: refills the guess bucket, grants five guesses on the long budget, and takes
    /// back what a clock that was far ahead had put on the record. It revives no session, challenge, code or
    /// authenticator: a bound on sessions is lowered only if it lies further ahead than any session lives.
    pub fn unlock<R: Record>(&self, record: R, now: OffsetDateTime) -> Step<(), R> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Unlock, record.subject().clone(), now);
        decide(audit, record, now, |record, draft| {
            record.prune(now);
            record.ledger_mut().unlock(&self.policy, UNLOCK_GRANT, now);
            record.lower_wild_bounds(now);
            let updated = record.updated_mut();
            *updated = (*updated).min(now);
            draft.notify(record, Event::Unlocked, now);
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
        StaleKeys {
            recovery_codes: live.filter(|code| code.key_id != current).count(),
            pending_recovery_codes: pending
                .filter(|set| set.key_id != current)
                .map(|set| usize::from(set.count))
                .fold(0, usize::saturating_add),
        }
    }
}
