//! Time as the record keeps it: whole milliseconds since the Unix epoch.
//!
//! The core owns no clock: every instant comes in as an argument. Arithmetic here saturates, so that no stored or
//! given time can overflow, and an instant before 1970 counts as the epoch. This module must never read a clock.

use time::{Duration, OffsetDateTime, PrimitiveDateTime};

/// An instant, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    /// The instant `span` milliseconds later.
    pub(crate) const fn after(self, span: u64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How many milliseconds lie between `earlier` and this instant; zero if it is not earlier.
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The public form. An instant past the year 9999 becomes the last one that the type can hold.
    pub(crate) fn to_datetime(self) -> OffsetDateTime {
        let (seconds, rest) = (self.0 / 1_000, self.0 % 1_000);
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .zip(u16::try_from(rest).ok())
            .and_then(|(instant, rest)| instant.replace_millisecond(rest).ok())
            .unwrap_or(PrimitiveDateTime::MAX.assume_utc())
    }
}

impl From<OffsetDateTime> for Millis {
    fn from(instant: OffsetDateTime) -> Self {
        // Seconds count from below: whatever lies before the epoch has a negative number of them.
        u64::try_from(instant.unix_timestamp()).map_or(Self(0), |seconds| {
            Self(seconds.saturating_mul(1_000).saturating_add(instant.millisecond().into()))
        })
    }
}

/// Whether a span has no part of a millisecond, which the record could not hold.
pub(crate) const fn is_whole(span: Duration) -> bool {
    span.subsec_nanoseconds() % 1_000_000 == 0
}

/// A span in whole milliseconds; a negative one is zero.
pub(crate) fn span(duration: Duration) -> u64 {
    let (seconds, rest) = (duration.whole_seconds(), duration.subsec_milliseconds());
    let seconds = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
    seconds.saturating_add(u64::try_from(rest).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_round_trip_and_saturate() {
        let instant = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::milliseconds(1_700_000_000_123));
        assert_eq!(Millis::from(instant).0, 1_700_000_000_123);
        assert_eq!(Millis::from(instant).to_datetime(), instant);
        assert_eq!(Millis::from(PrimitiveDateTime::MIN.assume_utc()), Millis(0));
        assert_eq!(Millis(u64::MAX).to_datetime(), PrimitiveDateTime::MAX.assume_utc());
        assert_eq!(Millis(u64::MAX).after(1), Millis(u64::MAX));
        assert_eq!(Millis(3).since(Millis(5)), 0);
        assert_eq!(
            Millis::from(OffsetDateTime::UNIX_EPOCH.saturating_sub(Duration::milliseconds(1))),
            Millis(0)
        );
        assert_eq!(span(Duration::milliseconds(1_999)), 1_999);
        assert_eq!(span(Duration::milliseconds(-1_999)), 0);
        assert_eq!(span(Duration::MAX), u64::MAX);
    }
}
