//! The revision of a record, by which a store compares and swaps. It must never go back.

use core::fmt;
use rand_core::TryCryptoRng;

/// The revision of a stored record, for the conditional write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// The greatest number.
    pub(crate) const MAX: Self = Self(u64::MAX >> 1);

    /// The number, below 2^63, so that it fits a signed database column.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn draw<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        Ok(Self(rng.try_next_u64()? & Self::MAX.0))
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
