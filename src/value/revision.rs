//! The revision of a record, by which a store compares and swaps. It must never go back.

use core::fmt;

use crate::value::instant::Millis;

/// The revision of a stored record, for the conditional write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// The greatest number: the last integer that JSON, JavaScript and Lua hold exactly.
    pub(crate) const MAX: Self = Self((1 << 53) - 1);
    /// That of a record which no step has written.
    pub(crate) const NONE: Self = Self(0);

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

    /// The first one, below 2^52, so that 2^52 steps have room above it. It is random: a copy of a row that was deleted
    /// must not overwrite the row that was made anew.
    pub(crate) const fn drawn(random: [u8; 8]) -> Self {
        Self::first(u64::from_be_bytes(random) >> 12)
    }

    /// The first one of a step that draws nothing. A copy of a row that was deleted has the same only if it was
    /// written as many times as milliseconds lie between the two rows.
    pub(crate) const fn at(now: Millis) -> Self {
        Self::first(now.0 & (Self::MAX.0 >> 1))
    }

    const fn first(number: u64) -> Self {
        Self(if number == Self::NONE.0 { 1 } else { number })
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1) & Self::MAX.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_revision_is_below_2_to_the_52_and_never_none() {
        let top = (1 << 52) - 1;
        for (random, first) in [([0; 8], 1), ([0xff; 8], top), ([0, 0, 0, 0, 0, 0, 0x50, 0xff], 5)] {
            assert_eq!(Revision::drawn(random).get(), first);
        }
        for (now, first) in [(0, 1), (5, 5), (4, 4), (top, top), (u64::MAX, top), (1 << 52, 1)] {
            assert_eq!(Revision::at(Millis(now)).get(), first);
        }
    }
}
