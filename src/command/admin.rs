//! What an administrator does with an account: unlock it, reset it, and find what depends on old keys.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    machine::enrollment::Enrollment,
    outcome::{
        audit::{AuditEvent, Command},
        notify::Notice,
        step::Step,
    },
    record::{
        account::Account,
        record::Internal as _,
        recovery::Recovery,
        stale_keys::{KeyUse, StaleKeys},
    },
    value::instant::Millis,
};

/// How many guesses `unlock` grants on the long budget.
const UNLOCK_GRANT: u32 = 5;

impl Verifier {
    /// Lifts a lock, for an administrator: refills the guess bucket, grants five guesses on the long budget, and takes
    /// back what a clock that was far ahead had put on the record. It revives no session, challenge, code or
    /// authenticator: a bound on sessions is lowered only if it lies further ahead than any session lives.
    pub fn unlock(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Unlock, account.subject().clone(), now);
        decide(audit, account, now, |account, draft| {
            account.prune(now);
            account.ledger_mut().unlock(&self.policy, UNLOCK_GRANT, now);
            account.lower_wild_bounds(now);
            draft.notify(account, Notice::Unlocked, now);
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
            account.forget_factors();
            account.revoke_all_sessions_before(now);
            draft.notify(account, Notice::Reset, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Data in the record that depends on another durable key than the current one. Keep each key of
    /// [`stale`](StaleKeys::stale) until no record reports it.
    #[must_use]
    pub fn stale_keys(&self, account: &Account) -> StaleKeys {
        let account = account.body();
        let live = account.recovery().into_iter().flat_map(Recovery::key_ids);
        let pending = account.authenticators().iter().filter_map(|known| match known.enrollment() {
            Enrollment::Unconfirmed(state) => state.recovery(),
            Enrollment::Active | Enrollment::Disabled => None,
        });
        let live = live.map(|key| (key, 1, 0));
        let pending = pending.map(|set| (set.key_id(), 0, usize::from(set.count())));
        let mut found = StaleKeys::default();
        for (key, live, pending) in live.chain(pending).filter(|(key, ..)| *key != self.keys.durable().id) {
            let known = self.keys.durable_by_id(key).is_some();
            let list = if known { &mut found.stale } else { &mut found.lost };
            if let Some(entry) = list.iter_mut().find(|entry| entry.key == key) {
                entry.recovery_codes = entry.recovery_codes.saturating_add(live);
                entry.pending_recovery_codes = entry.pending_recovery_codes.saturating_add(pending);
            } else {
                list.push(KeyUse { key, recovery_codes: live, pending_recovery_codes: pending });
            }
        }
        found
    }
}
