//! What an administrator does with an account: unlock it, reset it, and find what hangs on old keys.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    machine::enrollment::Enrollment,
    outcome::{
        audit::{AuditEvent, Command},
        notify::Event,
        step::Step,
    },
    record::{
        account::Account,
        record::{Body as _, Internal},
        standalone::Standalone,
    },
    value::instant::Millis,
};

/// How many guesses `unlock` grants on the long budget.
const UNLOCK_GRANT: u32 = 5;

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
    /// Lifts a lock, for an administrator: refills the guess bucket, grants five guesses on the long budget, and takes
    /// back what a clock that was far ahead had put on the record. It revives no session, challenge, code or
    /// authenticator: a bound on sessions is lowered only if it lies further ahead than any session lives.
    pub fn unlock(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        self.unlock_record(account, now)
    }

    /// [`unlock`](Self::unlock) for a record without an account.
    pub fn unlock_standalone(&self, record: Standalone, now: OffsetDateTime) -> Step<(), Standalone> {
        self.unlock_record(record, now)
    }

    fn unlock_record<R: Internal>(&self, record: R, now: OffsetDateTime) -> Step<(), R> {
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
        let audit = AuditEvent::new(Command::Reset, account.subject().clone(), now);
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
        let account = account.body();
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
