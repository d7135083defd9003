//! The verifier: the keys, the policy, and every command.
//!
//! Each command that can write takes an [`Account`] and gives a [`Step`](crate::Step); each file of this room is
//! one group of them. What a command may do is decided in this order, and always in one place: is the session one
//! that it takes, is the record the session's, does the account still take sessions of this age, does the state allow
//! it, is there budget left. Only then is a code compared. No command reads a clock, draws from anything but the
//! entropy that it was handed, or keeps anything: a `Verifier` is `Send` and `Sync` and holds no mutable state.

use time::OffsetDateTime;

use crate::{
    keys::keyring::KeyRing,
    policy::policy::Policy,
    record::{account::Account, record::Internal as _},
    value::instant::Millis,
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

    /// Until when the account takes no binding code and sends none, if it is locked.
    #[must_use]
    pub fn locked_until(&self, account: &Account, now: OffsetDateTime) -> Option<OffsetDateTime> {
        account.body().ledger().locked_until(&self.policy, Millis::from(now)).map(Millis::to_datetime)
    }
}
