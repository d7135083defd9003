//! Transactions: what happened between one first factor and its second.
//!
//! The record keeps one entry for each recent transaction, so that a new handle, a resend or another server refills
//! nothing: attempts and the cool-down are counted here for each authenticator. An entry never comes back to life: when
//! a spent one leaves, the account refuses every first-factor session that is as old.

use alloc::vec::Vec;

use crate::{
    policy::{
        bounds::{CLOCK_LEEWAY_MS, RECOVERY_ATTEMPTS},
        policy::Policy,
    },
    record::ledger::Empty,
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::{self, Millis},
        lane::Lane,
    },
};

/// What the record keeps of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Transaction {
    pub(super) id: TransactionId,
    /// The lane of the session that opened the entry.
    pub(super) lane: Lane,
    pub(super) begun: Millis,
    pub(super) expires: Millis,
    /// Set once a token was issued in it.
    spent: Option<Completion>,
    pub(super) recovery_attempts: u8,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_AUTHENTICATORS }>"
        )
    )]
    pub(super) pairs: Vec<AttemptCounter>,
}

impl Transaction {
    /// An entry that nothing was charged to.
    pub(super) const fn new(id: TransactionId, lane: Lane, begun: Millis, expires: Millis) -> Self {
        let recovery_attempts = RECOVERY_ATTEMPTS;
        Self { id, lane, begun, expires, spent: None, recovery_attempts, pairs: Vec::new() }
    }

    /// Whether a token was issued in it.
    pub(crate) const fn is_spent(&self) -> bool {
        self.spent.is_some()
    }

    /// When a token was issued in it.
    pub(crate) fn spent_at(&self) -> Option<Millis> {
        self.spent.map(|completion| completion.at)
    }

    /// Whether its time is over.
    pub(crate) fn has_expired(&self, now: Millis) -> bool {
        self.expires <= now
    }

    /// How many wrong recovery codes it may still present.
    pub(crate) const fn recovery_attempts(&self) -> u8 {
        self.recovery_attempts
    }

    /// Keeps it for as long as its session lasts, and says whether that is longer than before.
    pub(super) fn prolong(&mut self, expires: Millis) -> bool {
        let longer = expires > self.expires;
        self.expires = self.expires.max(expires);
        longer
    }

    /// Notes that a token was issued in it.
    pub(super) const fn spend(&mut self, by: AuthenticatorId, at: Millis) {
        self.spent = Some(Completion { at, by });
    }

    /// Charges a wrong recovery code.
    pub(super) const fn charge_recovery(&mut self) {
        self.recovery_attempts = self.recovery_attempts.saturating_sub(1);
    }

    /// The count of an authenticator.
    pub(super) fn pair(&self, authenticator: AuthenticatorId) -> Option<&AttemptCounter> {
        self.pairs.iter().find(|pair| pair.authenticator == authenticator)
    }

    /// The count of an authenticator, to change it.
    pub(super) fn pair_mut(&mut self, authenticator: AuthenticatorId) -> Option<&mut AttemptCounter> {
        self.pairs.iter_mut().find(|pair| pair.authenticator == authenticator)
    }
}

/// How a transaction was spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
struct Completion {
    at: Millis,
    /// The authenticator, or the recovery set, that completed it.
    by: AuthenticatorId,
}

/// What one authenticator may still do in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct AttemptCounter {
    pub(super) authenticator: AuthenticatorId,
    /// Fixed when the first challenge is issued; nothing refills it.
    pub(super) attempts_left: u8,
    /// When the last message was asked for; the cool-down counts from it.
    last_send: Option<Millis>,
}

impl AttemptCounter {
    /// The count of an authenticator that no message was sent to.
    pub(super) const fn new(authenticator: AuthenticatorId, attempts_left: u8) -> Self {
        Self { authenticator, attempts_left, last_send: None }
    }

    /// Whether the cool-down of the last message lasts.
    pub(super) fn cooling(&self, policy: &Policy, now: Millis) -> Option<Empty> {
        let span = instant::span(policy.settings().cool_down);
        let until = self.last_send?.after(span);
        (now < until).then(|| Empty::new(until, until.since(now) > span.saturating_add(CLOCK_LEEWAY_MS)))
    }

    /// Begins the cool-down of a message.
    pub(super) const fn note_send(&mut self, now: Millis) {
        self.last_send = Some(now);
    }

    /// Ends the cool-down of the last message, and says whether there was one.
    pub(crate) const fn lift_cool_down(&mut self) -> bool {
        self.last_send.take().is_some()
    }

    /// Lowers a cool-down that a clock far ahead had set.
    pub(super) fn lower_cool_down(&mut self, now: Millis) {
        self.last_send = self.last_send.map(|sent| sent.min(now));
    }

    /// Charges a wrong code.
    pub(super) const fn charge(&mut self) {
        self.attempts_left = self.attempts_left.saturating_sub(1);
    }

    /// Leaves no attempt.
    pub(super) const fn exhaust(&mut self) {
        self.attempts_left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::id::AuthenticatorKind;

    #[test]
    fn a_cool_down_is_beyond_its_length_once_a_clock_was_ahead_by_more_than_the_leeway() {
        let (policy, now) = (Policy::default(), Millis(1_700_000_000_000));
        let mut pair =
            AttemptCounter::new(AuthenticatorId::from_random(AuthenticatorKind::Email, [0; 16]), 5);
        assert_eq!(pair.cooling(&policy, now), None);
        for (ahead, beyond) in [(0, false), (CLOCK_LEEWAY_MS, false), (CLOCK_LEEWAY_MS + 1, true)] {
            pair.note_send(now.after(ahead));
            assert_eq!(pair.cooling(&policy, now).map(Empty::is_beyond_full), Some(beyond), "{ahead}");
        }
    }
}
