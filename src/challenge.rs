//! A challenge: one code on its way to one authenticator, for one purpose, until one deadline.
//!
//! ```text
//!                    ┌─Repeat, Rotate, Wrong─┐
//!                    ▼                       │
//!                 Pending ───────────────────┘
//!    Right ──▶ Verified    Wrong, none left ──▶ Exhausted
//! Deadline ──▶ Expired                Cancel ──▶ Cancelled
//! ```
//!
//! | state | `Repeat` | `Rotate` | `Right` | `Wrong` | `Deadline` | `Cancel` |
//! |---|---|---|---|---|---|---|
//! | [`Pending`](ChallengeState::Pending) | Pending | Pending | Verified | Pending or Exhausted | Expired | Cancelled |
//! | every other | refused | refused | refused | refused | refused | refused |
//!
//! Every state but `Pending` is final, and in none of them is there a code: the seed goes with the state. The attempts
//! themselves are counted outside (for an account in its transaction, and in its ledger), so that a new challenge refills
//! nothing (NIST SP 800-63B-4 section 3.1.3.2). This module must never compare a code or touch a budget on its own.

use core::fmt;

use rand_core::TryCryptoRng;
use time::OffsetDateTime;

use crate::{
    authenticator::{Authenticator, AuthenticatorId},
    clock::Millis,
    code::{BindingCode, OobCode},
    derive::{self, Binding},
    enrollment::IllegalTransition,
    keys::{KeyRing, Seed, TransientKey},
    name::{Label, Subject},
    transaction::TransactionId,
};

/// The public id of a challenge: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeId(pub(crate) [u8; 16]);

impl ChallengeId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base64url::encode(&self.0))
    }
}

/// What a right code is good for. It enters the code's MAC, so no code for one purpose is right for another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Purpose {
    /// Proves control of an address: NIST's confirmation code (SP 800-63B-4 section 4.2.1.2).
    Confirm,
    /// Proves presence at a login: NIST's out-of-band secret (SP 800-63B-4 section 3.1.3).
    Authenticate,
    /// A purpose of the host's own, such as a password reset.
    Custom(Label),
}

impl Purpose {
    /// The bytes that enter the MAC, in two pieces.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Confirm => ("confirm", ""),
            Self::Authenticate => ("authenticate", ""),
            Self::Custom(label) => ("custom:", label.as_str()),
        }
    }
}

/// A challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Challenge {
    pub(crate) id: ChallengeId,
    pub(crate) key_id: u8,
    pub(crate) transaction: TransactionId,
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) purpose: Purpose,
    pub(crate) digits: u8,
    pub(crate) deadline: Millis,
    pub(crate) state: ChallengeState,
}

/// Where a challenge stands.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[allow(clippy::exhaustive_enums, reason = "a machine's states are its definition")]
pub enum ChallengeState {
    /// It waits for its code.
    Pending(Pending),
    /// The right code was presented. It can be presented once.
    Verified,
    /// The attempts ran out.
    Exhausted,
    /// The deadline passed and was seen.
    Expired,
    /// It was ended before its time.
    Cancelled(Cause),
}

/// What a waiting challenge carries. The seed lives here and nowhere else: with the state goes the code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pending {
    pub(crate) seed: Seed,
    pub(crate) generation: u32,
    pub(crate) sends: u32,
}

impl Pending {
    /// How many times the code was replaced under the same handle.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// How many messages were asked for.
    #[must_use]
    pub const fn sends(&self) -> u32 {
        self.sends
    }
}

/// Why a challenge was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Cause {
    /// Its client gave it up.
    Requested,
    /// The account became locked.
    Locked,
    /// A newer challenge took its place.
    Superseded,
    /// Its authenticator was disabled.
    Disabled,
}

/// What can happen to a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a machine's inputs are its definition")]
pub enum ChallengeInput {
    /// The same code is sent again.
    Repeat,
    /// A new code is sent under the same handle; the old one is dead.
    Rotate,
    /// The right code was presented.
    Right,
    /// A wrong code was presented.
    Wrong {
        /// What is left after it was counted.
        attempts_left: u8,
    },
    /// The deadline has come.
    Deadline,
    /// It ends before its time.
    Cancel(Cause),
}

impl ChallengeState {
    /// Whether it waits for its code.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the table has no edge for it; the state is then unchanged.
    pub fn apply(&mut self, input: ChallengeInput) -> Result<(), IllegalTransition> {
        use ChallengeInput::{Cancel, Deadline, Repeat, Right, Rotate, Wrong};
        match (&mut *self, input) {
            (Self::Pending(pending), Repeat) => pending.sends = pending.sends.saturating_add(1),
            (Self::Pending(pending), Rotate) => {
                pending.sends = pending.sends.saturating_add(1);
                pending.generation = pending.generation.saturating_add(1);
            }
            (Self::Pending(_), Right) => *self = Self::Verified,
            (Self::Pending(_), Wrong { attempts_left: 0 }) => *self = Self::Exhausted,
            (Self::Pending(_), Wrong { attempts_left: 1.. }) => {}
            (Self::Pending(_), Deadline) => *self = Self::Expired,
            (Self::Pending(_), Cancel(cause)) => *self = Self::Cancelled(cause),
            (
                Self::Verified | Self::Exhausted | Self::Expired | Self::Cancelled(_),
                Repeat | Rotate | Right | Wrong { .. } | Deadline | Cancel(_),
            ) => return Err(IllegalTransition),
        }
        Ok(())
    }
}

impl Challenge {
    /// The public id.
    #[must_use]
    pub const fn id(&self) -> ChallengeId {
        self.id
    }

    /// What a right code is good for.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The authenticator that the code goes to.
    #[must_use]
    pub const fn authenticator(&self) -> AuthenticatorId {
        self.authenticator
    }

    /// When its code dies, if nothing ends it before.
    #[must_use]
    pub fn deadline(&self) -> OffsetDateTime {
        self.deadline.to_datetime()
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &ChallengeState {
        &self.state
    }

    /// Issues a challenge, whose first message is counted as sent.
    pub(crate) fn issue<R: TryCryptoRng + ?Sized>(
        key: &TransientKey,
        terms: Terms,
        rng: &mut R,
    ) -> Result<Self, R::Error> {
        let mut id = [0; 16];
        let mut seed = Seed([0; 16]);
        rng.try_fill_bytes(&mut id)?;
        rng.try_fill_bytes(&mut seed.0)?;
        let Terms { transaction, authenticator, purpose, digits, deadline } = terms;
        let state = ChallengeState::Pending(Pending { seed, generation: 0, sends: 1 });
        Ok(Self {
            id: ChallengeId(id),
            key_id: key.id,
            transaction,
            authenticator,
            purpose,
            digits,
            deadline,
            state,
        })
    }

    /// Cancels it, if it waits; one that is over stays as it is.
    pub(crate) fn cancel(&mut self, cause: Cause) {
        // The machine refuses it for a challenge that is over.
        let _ = self.state.apply(ChallengeInput::Cancel(cause));
    }

    pub(crate) const fn is_pending(&self) -> bool {
        self.state.is_pending()
    }

    pub(crate) fn is_live(&self, now: Millis) -> bool {
        self.is_pending() && now < self.deadline
    }

    /// The code that answers it, while it waits and its key is known.
    pub(crate) fn code(
        &self,
        keys: &KeyRing,
        subject: &Subject,
        authenticator: &Authenticator,
    ) -> Option<BindingCode> {
        let ChallengeState::Pending(pending) = &self.state else { return None };
        let key = keys.transient_by_id(self.key_id)?;
        let binding = Binding {
            subject,
            authenticator: &self.authenticator,
            channel: authenticator.factor.channel().as_str(),
            address: authenticator.factor.address().as_str(),
            transaction: &self.transaction,
            challenge: &self.id,
            purpose: self.purpose.parts(),
            generation: pending.generation,
            digits: self.digits,
            seed: &pending.seed,
        };
        Some(derive::binding_code(&key.binding, &binding))
    }

    /// The handle that names it, while its key is known.
    pub(crate) fn handle(&self, keys: &KeyRing, subject: &Subject) -> Option<OobCode> {
        let key = keys.transient_by_id(self.key_id)?;
        Some(crate::token::seal_handle(key, subject, &self.id, &self.transaction, self.deadline))
    }
}

/// The terms that a challenge is issued on, fixed for its life.
pub(crate) struct Terms {
    pub(crate) transaction: TransactionId,
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) purpose: Purpose,
    pub(crate) digits: u8,
    pub(crate) deadline: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(generation: u32, sends: u32) -> ChallengeState {
        ChallengeState::Pending(Pending { seed: Seed([7; 16]), generation, sends })
    }

    #[test]
    fn every_state_takes_every_input_as_the_table_says() {
        use ChallengeInput::{Cancel, Deadline, Repeat, Right, Rotate, Wrong};
        use ChallengeState::{Cancelled, Exhausted, Expired, Verified};
        let requested = Cancelled(Cause::Requested);
        let locked = Cancel(Cause::Locked);
        let table = [
            (pending(1, 2), Repeat, Some(pending(1, 3))),
            (pending(1, 2), Rotate, Some(pending(2, 3))),
            (pending(1, 2), Right, Some(Verified)),
            (pending(1, 2), Wrong { attempts_left: 1 }, Some(pending(1, 2))),
            (pending(1, 2), Wrong { attempts_left: 0 }, Some(Exhausted)),
            (pending(1, 2), Deadline, Some(Expired)),
            (pending(1, 2), locked, Some(Cancelled(Cause::Locked))),
            (Verified, Repeat, None),
            (Verified, Rotate, None),
            (Verified, Right, None),
            (Verified, Wrong { attempts_left: 1 }, None),
            (Verified, Wrong { attempts_left: 0 }, None),
            (Verified, Deadline, None),
            (Verified, locked, None),
            (Exhausted, Repeat, None),
            (Exhausted, Rotate, None),
            (Exhausted, Right, None),
            (Exhausted, Wrong { attempts_left: 1 }, None),
            (Exhausted, Wrong { attempts_left: 0 }, None),
            (Exhausted, Deadline, None),
            (Exhausted, locked, None),
            (Expired, Repeat, None),
            (Expired, Rotate, None),
            (Expired, Right, None),
            (Expired, Wrong { attempts_left: 1 }, None),
            (Expired, Wrong { attempts_left: 0 }, None),
            (Expired, Deadline, None),
            (Expired, locked, None),
            (requested.clone(), Repeat, None),
            (requested.clone(), Rotate, None),
            (requested.clone(), Right, None),
            (requested.clone(), Wrong { attempts_left: 1 }, None),
            (requested.clone(), Wrong { attempts_left: 0 }, None),
            (requested.clone(), Deadline, None),
            (requested, locked, None),
        ];
        for (before, input, after) in table {
            let mut state = before.clone();
            let taken = state.apply(input);
            assert_eq!(taken.is_ok(), after.is_some(), "{before:?} with {input:?}");
            assert_eq!(state, after.unwrap_or(before), "{input:?}");
        }
        let mut full = pending(u32::MAX, u32::MAX);
        assert_eq!(full.apply(Rotate), Ok(()));
        assert_eq!(full, pending(u32::MAX, u32::MAX), "counts end at their greatest value");
    }
}
