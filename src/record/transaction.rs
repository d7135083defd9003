//! Transactions: what happened between one first factor and its second.
//!
//! The record keeps one entry for each recent transaction, so that a new handle, a resend or another server refills
//! nothing: attempts and the cool-down are counted here for each authenticator. An entry never comes back to life: when
//! a spent one leaves, the account refuses every first-factor session that is as old.

use alloc::vec::Vec;

use crate::{
    policy::bounds::RECOVERY_ATTEMPTS,
    value::{
        id::{AuthenticatorId, TransactionId},
        instant::Millis,
    },
};

/// What the record keeps of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Transaction {
    pub(crate) id: TransactionId,
    pub(super) begun: Millis,
    pub(crate) expires: Millis,
    /// Set once a token was issued in it.
    pub(crate) spent: Option<Completion>,
    pub(crate) recovery_attempts: u8,
    #[cfg_attr(
        feature = "serde",
        serde(
            deserialize_with = "crate::value::serde_helpers::bounded::<_, _, { crate::policy::bounds::MAX_AUTHENTICATORS }>"
        )
    )]
    pub(crate) pairs: Vec<AttemptCounter>,
}

impl Transaction {
    pub(crate) const fn new(id: TransactionId, begun: Millis, expires: Millis) -> Self {
        Self { id, begun, expires, spent: None, recovery_attempts: RECOVERY_ATTEMPTS, pairs: Vec::new() }
    }

    pub(crate) fn pair(&self, authenticator: AuthenticatorId) -> Option<&AttemptCounter> {
        self.pairs.iter().find(|pair| pair.authenticator == authenticator)
    }

    pub(crate) fn pair_mut(&mut self, authenticator: AuthenticatorId) -> Option<&mut AttemptCounter> {
        self.pairs.iter_mut().find(|pair| pair.authenticator == authenticator)
    }
}

/// How a transaction was spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Completion {
    pub(crate) at: Millis,
    /// The authenticator, or the recovery set, that completed it.
    pub(crate) by: AuthenticatorId,
}

/// What one authenticator may still do in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct AttemptCounter {
    pub(crate) authenticator: AuthenticatorId,
    /// Fixed when the first challenge is issued; nothing refills it.
    pub(crate) attempts_left: u8,
    /// When the last message was asked for; the cool-down counts from it.
    pub(crate) last_send: Option<Millis>,
}
