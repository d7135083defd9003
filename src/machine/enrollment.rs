//! The life of an authenticator.
//!
//! ```text
//! Unconfirmed ──Confirm──▶ Active ──Cap──▶ Disabled
//!      │                     │                │
//!    Lapse                 Remove           Remove
//!      ▼                     ▼                ▼
//!    (gone)                (gone)           (gone)
//! ```
//!
//! | state | `Confirm` | `Lapse` | `Cap` | `Remove` |
//! |---|---|---|---|---|
//! | [`Unconfirmed`](Enrollment::Unconfirmed) | Active | gone | refused | refused |
//! | [`Active`](Enrollment::Active) | refused | refused | Disabled | gone |
//! | [`Disabled`](Enrollment::Disabled) | refused | refused | refused | gone |
//!
//! There is no edge from `Disabled` back: an authenticator that reached the cap of wrong codes in a row must be
//! enrolled anew (NIST SP 800-63B-4 section 3.2.2). A refused input leaves the state as it was. An unconfirmed
//! authenticator that reaches the cap has no attempts left and lapses with its transaction. This module must never
//! let an authenticator become active by anything but `Confirm`.

use crate::{
    crypto::seed::Seed,
    machine::transition::IllegalTransition,
    value::id::{AuthenticatorId, KeyId, TransactionId},
};

/// Where an authenticator stands in its life.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[allow(clippy::exhaustive_enums, reason = "a machine's states are its definition")]
pub enum Enrollment {
    /// Its address is not proven yet. It satisfies no challenge, counts as no factor and lapses with its transaction.
    Unconfirmed(Unconfirmed),
    /// It was confirmed and can be challenged.
    Active,
    /// It reached the cap of wrong codes in a row, for good.
    Disabled,
}

/// What an unconfirmed authenticator carries until it is confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Unconfirmed {
    /// The transaction that opened it, with which it lapses.
    transaction: TransactionId,
    enrolled_by: EnrolledBy,
    /// The recovery codes that were shown and go live when it is confirmed.
    recovery: Option<PendingRecovery>,
}

impl Unconfirmed {
    /// The state of a new enrollment, with the recovery codes that are shown with it.
    pub(crate) const fn new(
        transaction: TransactionId,
        enrolled_by: EnrolledBy,
        recovery: Option<PendingRecovery>,
    ) -> Self {
        Self { transaction, enrolled_by, recovery }
    }

    /// Which kind of session opened the enrollment.
    #[must_use]
    pub const fn enrolled_by(&self) -> EnrolledBy {
        self.enrolled_by
    }

    /// The transaction that opened it.
    pub(crate) const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// The recovery codes that go live when it is confirmed.
    pub(crate) const fn recovery(&self) -> Option<&PendingRecovery> {
        self.recovery.as_ref()
    }
}

/// Which kind of session opened an enrollment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[allow(clippy::exhaustive_enums, reason = "these are the two kinds of session")]
pub enum EnrolledBy {
    /// A session of somebody who passed a first factor only.
    FirstFactor,
    /// A session that the host elevated.
    Elevated,
}

/// Recovery codes that were shown but are not live. They are derived, so none of them is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct PendingRecovery {
    /// The id that the set will have.
    id: AuthenticatorId,
    key_id: KeyId,
    count: u8,
    seed: Seed,
}

impl PendingRecovery {
    /// A set of `count` codes that the key derives from the seed.
    pub(crate) const fn new(id: AuthenticatorId, key_id: KeyId, count: u8, seed: Seed) -> Self {
        Self { id, key_id, count, seed }
    }

    /// The id that the set will have.
    pub(crate) const fn id(&self) -> AuthenticatorId {
        self.id
    }

    /// The key that its codes are derived with.
    pub(crate) const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// How many codes it has.
    pub(crate) const fn count(&self) -> u8 {
        self.count
    }

    /// What its codes are derived from.
    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }
}

/// What can happen to an authenticator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a machine's inputs are its definition")]
pub enum EnrollmentInput {
    /// The right code for its address was presented.
    Confirm,
    /// Its transaction ended, or another enrollment took its place.
    Lapse,
    /// The cap of wrong codes in a row was reached.
    Cap,
    /// Its user or the host removed it.
    Remove,
}

/// Whether the authenticator is still there after an input.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use = "an authenticator that is gone must leave the record"]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Transition {
    /// It stays, in the state it has now.
    To,
    /// It is gone and must leave the record.
    Removed,
}

impl Enrollment {
    /// Takes one input.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the table has no edge for it; the state is then unchanged.
    pub fn apply(&mut self, input: EnrollmentInput) -> Result<Transition, IllegalTransition> {
        use EnrollmentInput::{Cap, Confirm, Lapse, Remove};
        match (&*self, input) {
            (Self::Unconfirmed(_), Confirm) => *self = Self::Active,
            (Self::Active, Cap) => *self = Self::Disabled,
            (Self::Unconfirmed(_), Lapse) | (Self::Active | Self::Disabled, Remove) => {
                return Ok(Transition::Removed);
            }
            (Self::Unconfirmed(_), Cap | Remove)
            | (Self::Active, Confirm | Lapse)
            | (Self::Disabled, Confirm | Lapse | Cap) => return Err(IllegalTransition),
        }
        Ok(Transition::To)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_takes_every_input_as_the_table_says() {
        use Enrollment::{Active, Disabled};
        use EnrollmentInput::{Cap, Confirm, Lapse, Remove};
        let state = Unconfirmed {
            transaction: TransactionId([1; 16]),
            enrolled_by: EnrolledBy::Elevated,
            recovery: None,
        };
        let unconfirmed = Enrollment::Unconfirmed(state);
        let gone = |state: &Enrollment| Some((state.clone(), Transition::Removed));
        let table = [
            (unconfirmed.clone(), Confirm, Some((Active, Transition::To))),
            (unconfirmed.clone(), Lapse, gone(&unconfirmed)),
            (unconfirmed.clone(), Cap, None),
            (unconfirmed, Remove, None),
            (Active, Confirm, None),
            (Active, Lapse, None),
            (Active, Cap, Some((Disabled, Transition::To))),
            (Active, Remove, gone(&Active)),
            (Disabled, Confirm, None),
            (Disabled, Lapse, None),
            (Disabled, Cap, None),
            (Disabled, Remove, gone(&Disabled)),
        ];
        for (before, input, after) in table {
            let mut state = before.clone();
            let taken = state.apply(input);
            assert_eq!(taken.ok(), after.as_ref().map(|(_, fate)| *fate), "{before:?} with {input:?}");
            assert_eq!(state, after.map_or(before, |(state, _)| state), "{input:?}");
        }
    }
}
