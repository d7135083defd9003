//! Lanes: the two parts of an account's limits, so that somebody who knows only the password cannot use up
//! what a known person needs. A lane must never decide what its session may do.

/// On which of an account's limits a session draws.
///
/// Guesses, messages, hardening, failures in a row and the eviction of challenges are counted once a lane.
/// What happens in one lane refuses nothing in the other. A challenge stays in the lane that it was issued
/// in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[allow(clippy::exhaustive_enums, reason = "a session is known or it is not")]
pub enum Lane {
    /// A session of somebody who passed a first factor, and of whom nothing else is known.
    Unknown,
    /// A session that the host elevated, or one on a remembered device.
    Known,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Unknown, Self::Known];
}

/// One value for each lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct PerLane<T> {
    unknown: T,
    known: T,
}

impl<T> PerLane<T> {
    /// The value of a lane.
    pub(crate) const fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Unknown => &self.unknown,
            Lane::Known => &self.known,
        }
    }

    /// The value of a lane, to change it.
    pub(crate) const fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Unknown => &mut self.unknown,
            Lane::Known => &mut self.known,
        }
    }
}
