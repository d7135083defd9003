//! The verifier: the keys, the policy, and every command.
//!
//! Each command that can write takes an [`Account`] and gives a [`Step`](crate::Step); each file of this room is
//! one group of them. What a command may do is decided in this order, and always in one place: is the session one
//! that it takes, is the record the session's, does the account still take sessions of this age, does the state allow
//! it, is there budget left. Only then is a code compared. No command reads a clock, draws from anything but the
//! entropy that it was handed, or keeps anything: a `Verifier` is `Send` and `Sync` and holds no mutable state.

use alloc::vec::Vec;
use time::OffsetDateTime;

use crate::{
    keys::keyring::KeyRing,
    policy::policy::Policy,
    record::{account::Account, record::Internal as _},
    value::{instant::Millis, lane::Lane},
};

/// Decides every command, by its keys and its policy.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(crate) keys: KeyRing,
    pub(crate) policy: Policy,
}

impl Verifier {
    /// A verifier. Keys and policy were checked when they were built.
    #[must_use]
    pub const fn new(keys: KeyRing, policy: Policy) -> Self {
        Self { keys, policy }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Until when sessions of this lane are given and asked for no binding code, if the lane is locked. It
    /// never is if the policy hardens.
    #[must_use]
    pub fn locked_until(&self, account: &Account, lane: Lane, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let empty = account.body().ledger().no_guesses(lane, &self.policy, Millis::from(now));
        let empty = empty.filter(|_| !self.policy.hardens_messages());
        empty.map(|empty| empty.until().to_datetime())
    }

    /// The chance that somebody with the account's password, who guesses for a whole year as often as the
    /// policy lets them, hits a code of one of its active authenticators. The worst of all accounts is
    /// [`Policy::guess_probability`].
    #[must_use]
    pub fn guess_probability(&self, account: &Account) -> f64 {
        let active = account.authenticators().iter().filter(|known| known.is_active());
        let kinds: Vec<_> = active.map(|known| known.factor().kind()).collect();
        self.policy.guess_probability_of(&kinds, &[Lane::Unknown])
    }

    /// Whether messages for sessions of this lane carry long codes: too many codes were wrong. It never is
    /// hardened if the policy locks.
    #[must_use]
    pub fn is_hardened(&self, account: &Account, lane: Lane, now: OffsetDateTime) -> bool {
        self.policy.hardens_messages()
            && account.body().ledger().is_hardened(lane, &self.policy, Millis::from(now))
    }
}
