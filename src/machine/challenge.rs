//! A challenge: one code on its way to one authenticator, for one purpose, until one deadline.
//!
//! ```text
//!                    ┌─Repeat, Rotate, Reject┐
//!                    ▼                       │
//!                 Pending ───────────────────┘
//!    Accept ──▶ Verified   Reject, none left ──▶ Exhausted
//! Deadline ──▶ Expired                Cancel ──▶ Cancelled
//! ```
//!
//! | state | `Repeat` | `Rotate` | `Accept` | `Reject` | `Deadline` | `Cancel` |
//! |---|---|---|---|---|---|---|
//! | [`Pending`](ChallengeState::Pending) | Pending | Pending | Verified | Pending or Exhausted | Expired | Cancelled |
//! | every other | refused | refused | refused | refused | refused | refused |
//!
//! Every state but `Pending` is final, and in none of them is there a code: the seed goes with the state. The
//! attempts themselves are counted outside (for an account in its transaction, and in its ledger), so that a new
//! challenge refills nothing (NIST SP 800-63B-4 section 3.1.3.2). This module must never compare a code or touch a
//! budget on its own.

use crate::{crypto::seed::Seed, machine::transition::IllegalTransition};

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
    Cancelled(CancelReason),
}

/// What a waiting challenge carries. The seed lives here and nowhere else: with the state goes the code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pending {
    seed: Seed,
    generation: u32,
    sends: u32,
}

impl Pending {
    /// What its code is derived from.
    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }

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
pub enum CancelReason {
    /// Its client gave it up.
    Requested,
    /// The account became locked.
    Locked,
    /// A newer challenge took its place.
    Superseded,
    /// Its authenticator was disabled.
    Disabled,
    /// Its lane was hardened: a new challenge has a long code, and this one's was short.
    Hardened,
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
    Accept,
    /// A wrong code was presented.
    Reject {
        /// What is left after it was counted.
        attempts_left: u8,
    },
    /// The deadline has come.
    Deadline,
    /// It ends before its time.
    Cancel(CancelReason),
}

impl ChallengeState {
    /// The state of a new challenge, whose first message is counted as sent.
    pub(crate) const fn issued(seed: Seed) -> Self {
        Self::Pending(Pending { seed, generation: 0, sends: 1 })
    }

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
        use ChallengeInput::{Accept, Cancel, Deadline, Reject, Repeat, Rotate};
        match (&mut *self, input) {
            (Self::Pending(pending), Repeat) => pending.sends = pending.sends.saturating_add(1),
            (Self::Pending(pending), Rotate) => {
                pending.sends = pending.sends.saturating_add(1);
                pending.generation = pending.generation.saturating_add(1);
            }
            (Self::Pending(_), Accept) => *self = Self::Verified,
            (Self::Pending(_), Reject { attempts_left: 0 }) => *self = Self::Exhausted,
            (Self::Pending(_), Reject { attempts_left: 1.. }) => {}
            (Self::Pending(_), Deadline) => *self = Self::Expired,
            (Self::Pending(_), Cancel(cause)) => *self = Self::Cancelled(cause),
            (
                Self::Verified | Self::Exhausted | Self::Expired | Self::Cancelled(_),
                Repeat | Rotate | Accept | Reject { .. } | Deadline | Cancel(_),
            ) => return Err(IllegalTransition),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(generation: u32, sends: u32) -> ChallengeState {
        ChallengeState::Pending(Pending { seed: Seed([7; 16]), generation, sends })
    }

    #[test]
    fn every_state_takes_every_input_as_the_table_says() {
        use ChallengeInput::{Accept, Cancel, Deadline, Reject, Repeat, Rotate};
        use ChallengeState::{Cancelled, Exhausted, Expired, Verified};
        let requested = Cancelled(CancelReason::Requested);
        let locked = Cancel(CancelReason::Locked);
        let table = [
            (pending(1, 2), Repeat, Some(pending(1, 3))),
            (pending(1, 2), Rotate, Some(pending(2, 3))),
            (pending(1, 2), Accept, Some(Verified)),
            (pending(1, 2), Reject { attempts_left: 1 }, Some(pending(1, 2))),
            (pending(1, 2), Reject { attempts_left: 0 }, Some(Exhausted)),
            (pending(1, 2), Deadline, Some(Expired)),
            (pending(1, 2), locked, Some(Cancelled(CancelReason::Locked))),
            (Verified, Repeat, None),
            (Verified, Rotate, None),
            (Verified, Accept, None),
            (Verified, Reject { attempts_left: 1 }, None),
            (Verified, Reject { attempts_left: 0 }, None),
            (Verified, Deadline, None),
            (Verified, locked, None),
            (Exhausted, Repeat, None),
            (Exhausted, Rotate, None),
            (Exhausted, Accept, None),
            (Exhausted, Reject { attempts_left: 1 }, None),
            (Exhausted, Reject { attempts_left: 0 }, None),
            (Exhausted, Deadline, None),
            (Exhausted, locked, None),
            (Expired, Repeat, None),
            (Expired, Rotate, None),
            (Expired, Accept, None),
            (Expired, Reject { attempts_left: 1 }, None),
            (Expired, Reject { attempts_left: 0 }, None),
            (Expired, Deadline, None),
            (Expired, locked, None),
            (requested.clone(), Repeat, None),
            (requested.clone(), Rotate, None),
            (requested.clone(), Accept, None),
            (requested.clone(), Reject { attempts_left: 1 }, None),
            (requested.clone(), Reject { attempts_left: 0 }, None),
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
