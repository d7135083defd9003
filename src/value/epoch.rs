//! The epoch of an account: which of its sessions still stand. It must never be asked for more than equality.

use core::fmt;

use crate::value::{instant::Millis, revision::Revision};

/// The epoch of an account, and of the sessions that it takes. A session of another epoch is refused.
///
/// It is 0 until something ends sessions, and then greater each time. Only equality is ever asked of it, so no clock
/// decides which sessions end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Epoch(pub(crate) u64);

impl Epoch {
    /// That of an account whose sessions nothing has ended.
    pub(crate) const FIRST: Self = Self(0);
    /// The greatest number: that of a [`Revision`].
    pub(crate) const MAX: Self = Self(Revision::MAX.0);

    /// The number, below 2^53: exact as a signed column of a database and as a number of JSON, JavaScript and Lua.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same as a signed number, for a column of a database.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The next one: max(epoch + 1, now in seconds). The seconds keep the record of a user who was deleted and made anew
    /// from taking the sessions of the earlier one. What only an edited record holds, the greatest number, begins anew.
    pub(crate) fn raised(self, now: Millis) -> Self {
        let seconds = Self((now.0 / 1_000) & Self::MAX.0);
        if self >= Self::MAX { seconds } else { Self(self.0.saturating_add(1)).max(seconds) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_raised_to_the_second_and_above_itself_whatever_the_clock_says() {
        let top = Epoch::MAX.get();
        for (epoch, now, next) in [
            (0, 0, 1),
            (0, 999, 1),
            (0, 7_999, 7),
            (6, 7_999, 7),
            (7, 7_999, 8),
            (9, 7_999, 10),
            (top - 1, 7_999, top),
            (top, 7_999, 7),
        ] {
            assert_eq!(Epoch(epoch).raised(Millis(now)), Epoch(next), "{epoch} at {now}");
        }
    }
}
