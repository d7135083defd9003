//! What an administrator does with an account: unlock it, reset it, remove an authenticator, and find
//! what depends on old keys.

use time::OffsetDateTime;

use crate::{
    command::{
        decide::{Decision, decide},
        verifier::Verifier,
    },
    machine::enrollment::Enrollment,
    outcome::{
        audit::{AuditEvent, Command},
        denial::Denial,
        end_sessions::EndReason,
        notify::Notice,
        step::Step,
    },
    record::{
        account::Account,
        record::Internal as _,
        recovery::Recovery,
        stale_keys::{KeyUse, StaleKeys},
    },
    value::{id::AuthenticatorId, instant::Millis},
};

/// How many guesses `unlock` grants on the long budget.
const UNLOCK_GRANT: u32 = 5;

impl Verifier {
    /// Lifts a lock or a hardening, for an administrator: refills the guess buckets, grants five guesses on
    /// the long budgets, of both lanes, and takes back what a clock that was far ahead had put on the record.
    /// It revives no session, challenge, code or authenticator: a bound on sessions is lowered only if it
    /// lies further ahead than any session lives.
    pub fn unlock(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Unlock, account.subject().clone(), now);
        decide(&self.keys, audit, account, now, |account, draft| {
            account.prune(now);
            account.ledger_mut().unlock(&self.policy, UNLOCK_GRANT, now);
            account.lower_wild_bounds(now);
            draft.notify(account, Notice::Unlocked, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Drops all factors, challenges, devices and recovery codes, for an administrator who has proven the
    /// user's identity anew (NIST SP 800-63B-4 section 4.2). The user is not enrolled; every session ends;
    /// the ledger stays.
    pub fn reset(&self, account: Account, now: OffsetDateTime) -> Step<()> {
        let now = Millis::from(now);
        let audit = AuditEvent::new(Command::Reset, account.subject().clone(), now);
        decide(&self.keys, audit, account, now, |account, draft| {
            account.prune(now);
            account.forget_factors();
            draft.end_sessions(account, (None, EndReason::Reset), now);
            draft.notify(account, Notice::Reset, now);
            Ok(Decision::Store(Ok(())))
        })
    }

    /// Removes an authenticator, with its challenges, for an administrator. All sessions end, unless it had never been
    /// confirmed. The user stays enrolled, even if it was the last one: losing a factor opens no door, and
    /// [`reset`](Self::reset) is the way to begin anew. An authenticator that the host provisioned comes back if the
    /// host provisions its address again.
    ///
    /// Denials: [`UnknownAuthenticator`](Denial::UnknownAuthenticator);
    /// [`AuthenticatorDisabled`](Denial::AuthenticatorDisabled) if it was provisioned and is disabled, because its place
    /// in the record is what keeps it disabled.
    pub fn remove_authenticator(
        &self,
        account: Account,
        authenticator: AuthenticatorId,
        now: OffsetDateTime,
    ) -> Step<()> {
        let now = Millis::from(now);
        let mut audit = AuditEvent::new(Command::RemoveAuthenticator, account.subject().clone(), now);
        audit.authenticator = Some(authenticator);
        decide(&self.keys, audit, account, now, |account, draft| {
            account.prune(now);
            let found = account.authenticator(authenticator).ok_or(Denial::UnknownAuthenticator)?;
            if found.is_unconfirmed() {
                account.lapse(authenticator);
                return Ok(Decision::Store(Ok(())));
            }
            if found.is_provisioned() && !found.is_active() {
                return Err(Denial::AuthenticatorDisabled);
            }
            let label = found.factor().label();
            account.remove(authenticator);
            draft.end_sessions(account, (None, EndReason::Removed), now);
            draft.notify(account, Notice::Removed { authenticator, label }, now);
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
        let one_time = account.authenticators().iter().filter_map(|known| known.factor().one_time());
        let live = live.map(|key| (key, [1, 0, 0, 0]));
        let pending = pending.map(|set| (set.key_id(), [0, usize::from(set.count()), 0, 0]));
        let devices = account.devices().iter().map(|known| (known.key_id(), [0, 0, 1, 0]));
        let one_time = one_time.map(|otp| (otp.source().key_id(), [0, 0, 0, 1]));
        let mut found = StaleKeys::default();
        let uses = live.chain(pending).chain(devices).chain(one_time);
        let old = uses.filter(|(key, _)| *key != self.keys.durable().id);
        for (key, [live, pending, devices, otp_secrets]) in old {
            let known = self.keys.durable_by_id(key).is_some();
            let list = if known { &mut found.stale } else { &mut found.lost };
            if let Some(entry) = list.iter_mut().find(|entry| entry.key == key) {
                entry.recovery_codes = entry.recovery_codes.saturating_add(live);
                entry.pending_recovery_codes = entry.pending_recovery_codes.saturating_add(pending);
                entry.devices = entry.devices.saturating_add(devices);
                entry.otp_secrets = entry.otp_secrets.saturating_add(otp_secrets);
            } else {
                list.push(KeyUse {
                    key,
                    recovery_codes: live,
                    pending_recovery_codes: pending,
                    devices,
                    otp_secrets,
                });
            }
        }
        found
    }
}
