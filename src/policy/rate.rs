//! A rate: how many at once, and how soon there is one more. It must never be zero.

use time::Duration;

use crate::value::instant;

/// How fast something may be spent: `burst` at once, and one more each `every`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    burst: u32,
    every: Duration,
}

impl Rate {
    /// `burst` at once, and one more each `every`. The policy takes bursts of 1 to 1,000 and whole milliseconds from
    /// one second to 366 days.
    #[must_use]
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }

    /// How many at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How long until one comes back.
    #[must_use]
    pub const fn every(self) -> Duration {
        self.every
    }

    pub(crate) fn every_ms(self) -> u64 {
        instant::span(self.every)
    }

    /// How long an empty bucket takes to be full again.
    pub(crate) fn span_ms(self) -> u64 {
        self.every_ms().saturating_mul(u64::from(self.burst))
    }

    pub(super) fn is_bounded(self) -> bool {
        (1..=1_000).contains(&self.burst)
            && self.every >= Duration::SECOND
            && self.every <= Duration::days(366)
            && instant::is_whole(self.every)
    }

    /// The most that `span` admits from a full bucket.
    pub(super) fn admits(self, span: Duration) -> u64 {
        let refilled = instant::span(span).checked_div(self.every_ms()).unwrap_or(u64::MAX);
        refilled.saturating_add(u64::from(self.burst))
    }
}

/// A bucket's rate, and that of its long budget, if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) bucket: Rate,
    pub(crate) long: Option<Rate>,
}
