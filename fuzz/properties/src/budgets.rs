//! The account-wide budgets of the model, in plain integers: the design's section 4, "Ledger", and section 7.

use countersign::policy::{Rate, RecoveryThrottle, Settings};
use serde::Deserialize;
use time::OffsetDateTime;

/// Milliseconds since the epoch; what lies before it is the epoch.
pub(crate) fn millis(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(0)
}

/// The public form of an instant, which ends with the year 9999.
pub(crate) fn instant(millis: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(time::PrimitiveDateTime::MAX.assume_utc())
}

/// A rate in plain integers: so many at once, one back in so many milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    burst: u64,
    every: u64,
}

impl Budget {
    pub(crate) fn of(rate: Rate) -> Self {
        let every = u64::try_from(rate.every().whole_milliseconds()).unwrap();
        Self { burst: u64::from(rate.burst()), every }
    }

    /// How far ahead the bucket may be full again and still have one.
    fn spare(self) -> u64 {
        (self.burst - 1) * self.every
    }
}

/// One bucket of the generic cell rate algorithm: when it is full again.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Bucket(u64);

impl Bucket {
    pub(crate) const fn full_at(self) -> u64 {
        self.0
    }

    pub(crate) fn empty_until(self, budget: Budget, now: u64) -> Option<u64> {
        (self.0.saturating_sub(now) > budget.spare()).then(|| self.0 - budget.spare())
    }

    pub(crate) fn charge(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.max(now).saturating_add(budget.every);
    }

    fn settle(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.min(now.saturating_add(budget.burst * budget.every));
    }
}

/// What a record has stored of its budgets.
#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct Buckets {
    guess: Bucket,
    long_guess: Bucket,
    recovery: Bucket,
    send: Bucket,
    long_send: Bucket,
}

/// The budgets of one record, counted by the model.
pub(crate) struct Budgets {
    guess_rate: Budget,
    long_guess_rate: Option<Budget>,
    recovery_rate: Budget,
    send_rate: Budget,
    long_send_rate: Option<Budget>,
    refuses_recovery: bool,
    buckets: Buckets,
}

impl Budgets {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            guess_rate: Budget::of(settings.guess_bucket),
            long_guess_rate: settings.long_guess_budget.map(Budget::of),
            recovery_rate: Budget::of(settings.recovery_bucket),
            send_rate: Budget::of(settings.send_bucket),
            long_send_rate: settings.long_send_budget.map(Budget::of),
            refuses_recovery: settings.recovery_throttle == RecoveryThrottle::Refuse,
            buckets: Buckets::default(),
        }
    }

    /// Locked: the guess bucket or the long budget is empty.
    pub(crate) fn locked_until(&self, now: u64) -> Option<u64> {
        let long = self.long_guess_rate.and_then(|rate| self.buckets.long_guess.empty_until(rate, now));
        self.buckets.guess.empty_until(self.guess_rate, now).max(long)
    }

    pub(crate) fn sends_refused_until(&self, now: u64) -> Option<u64> {
        let long = self.long_send_rate.and_then(|rate| self.buckets.long_send.empty_until(rate, now));
        self.buckets.send.empty_until(self.send_rate, now).max(long)
    }

    /// An empty recovery bucket refuses in one policy, and only notifies in the others.
    pub(crate) fn recovery_refused_until(&self, now: u64) -> Option<u64> {
        self.buckets.recovery.empty_until(self.recovery_rate, now).filter(|_| self.refuses_recovery)
    }

    pub(crate) fn guessed(&mut self, now: u64) {
        assert_eq!(self.locked_until(now), None, "during a lock nothing is evaluated");
        self.buckets.guess.charge(self.guess_rate, now);
        if let Some(rate) = self.long_guess_rate {
            self.buckets.long_guess.charge(rate, now);
        }
    }

    pub(crate) fn sent(&mut self, now: u64) {
        assert_eq!(self.sends_refused_until(now), None, "a message beyond the budget");
        self.buckets.send.charge(self.send_rate, now);
        if let Some(rate) = self.long_send_rate {
            self.buckets.long_send.charge(rate, now);
        }
    }

    /// A wrong recovery code; says whether it emptied the bucket. An empty one stays as it is.
    pub(crate) fn recovery_guessed(&mut self, now: u64) -> bool {
        if self.buckets.recovery.empty_until(self.recovery_rate, now).is_some() {
            return false;
        }
        self.buckets.recovery.charge(self.recovery_rate, now);
        self.buckets.recovery.empty_until(self.recovery_rate, now).is_some()
    }

    /// The guess bucket is full again, the long budget has five more; the others lose what a wild clock put on them.
    pub(crate) fn unlocked(&mut self, now: u64) {
        let buckets = &mut self.buckets;
        buckets.guess.0 = buckets.guess.0.min(now);
        if let Some(rate) = self.long_guess_rate {
            buckets.long_guess.settle(rate, now);
            buckets.long_guess.0 = buckets.long_guess.0.saturating_sub(5 * rate.every);
        }
        buckets.recovery.settle(self.recovery_rate, now);
        buckets.send.settle(self.send_rate, now);
        if let Some(rate) = self.long_send_rate {
            buckets.long_send.settle(rate, now);
        }
    }

    /// Takes over what a step did that nobody saw.
    pub(crate) fn adopt(&mut self, stored: Buckets) {
        self.buckets = stored;
    }

    /// What is stored is what the model counted.
    pub(crate) fn check(&self, stored: Buckets) {
        let plain = |of: Buckets| {
            [of.guess, of.long_guess, of.recovery, of.send, of.long_send].map(|bucket| bucket.0)
        };
        assert_eq!(
            plain(stored),
            plain(self.buckets),
            "the buckets guess, long guess, recovery, send, long send"
        );
    }
}
