//! The account-wide budgets of the model, in plain integers: the design's section 5, "Ledger", and section 8.

use countersign::{
    Denial,
    policy::{Rate, RecoveryThrottle, Settings, WhenExhausted},
    record::Lane,
};
use serde::Deserialize;
use time::OffsetDateTime;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

/// How far ahead of another clock one may honestly be, in milliseconds.
const LEEWAY: u64 = 60_000;

/// Notices that somebody with the password can cause: three, and one more each eight hours.
const NOTICES: Budget = Budget { burst: 3, every: 8 * 3_600_000 };

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
}

/// Why a limit refuses.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    until: u64,
    /// It lies further ahead than honest clocks can put it.
    wild: bool,
}

impl Refused {
    /// The cool-down of a message that was sent at this time, if it lasts.
    pub(crate) fn cooling(sent: u64, cool_down: u64, now: u64) -> Option<Self> {
        let until = sent + cool_down;
        (now < until).then(|| Self { until, wild: until - now > cool_down + LEEWAY })
    }

    pub(crate) fn until(self) -> u64 {
        self.until
    }

    /// The denial, which is another one if only a clock can be to blame: that of the record's last write.
    pub(crate) fn denial(self, updated: u64, now: u64, denial: impl Fn(OffsetDateTime) -> Denial) -> Denial {
        let until = instant(self.until);
        if self.wild && updated > now { Denial::ClockDisagrees { until } } else { denial(until) }
    }
}

/// One bucket of the generic cell rate algorithm: when it is full again.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Debug)]
#[serde(transparent)]
pub(crate) struct Bucket(u64);

impl Bucket {
    pub(crate) const fn full_at(self) -> u64 {
        self.0
    }

    fn holds(self, count: u64, budget: Budget, now: u64) -> bool {
        self.0.saturating_sub(now) <= budget.burst.saturating_sub(count) * budget.every
    }

    pub(crate) fn refused(self, budget: Budget, now: u64) -> Option<Refused> {
        let wild = self.0.saturating_sub(now) > budget.burst * budget.every + LEEWAY;
        let until = self.0.saturating_sub((budget.burst - 1) * budget.every);
        (!self.holds(1, budget, now)).then_some(Refused { until, wild })
    }

    pub(crate) fn charge(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.max(now).saturating_add(budget.every);
    }

    fn settle(&mut self, budget: Budget, now: u64) {
        self.0 = self.0.min(now.saturating_add(budget.burst * budget.every));
    }
}

/// A bucket and its long budget.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Debug)]
struct Limit {
    bucket: Bucket,
    long: Bucket,
}

#[derive(Clone, Copy)]
struct Rates(Budget, Option<Budget>);

impl Limit {
    fn refused(self, rates: Rates, now: u64) -> Option<Refused> {
        let long = rates.1.and_then(|rate| self.long.refused(rate, now));
        match (self.bucket.refused(rates.0, now), long) {
            (Some(one), Some(other)) => {
                Some(Refused { until: one.until.max(other.until), wild: one.wild || other.wild })
            }
            (one, other) => one.or(other),
        }
    }

    fn holds(self, count: u64, rates: Rates, now: u64) -> bool {
        self.bucket.holds(count, rates.0, now) && rates.1.is_none_or(|rate| self.long.holds(count, rate, now))
    }

    fn is_full(self, rates: Rates, now: u64) -> bool {
        self.bucket.0 <= now && (rates.1.is_none() || self.long.0 <= now)
    }

    fn charge(&mut self, rates: Rates, now: u64) {
        self.bucket.charge(rates.0, now);
        if let Some(rate) = rates.1 {
            self.long.charge(rate, now);
        }
    }

    fn settle(&mut self, rates: Rates, now: u64) {
        self.bucket.settle(rates.0, now);
        if let Some(rate) = rates.1 {
            self.long.settle(rate, now);
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Debug)]
struct LaneState {
    guesses: Limit,
    sends: Limit,
    hardened: bool,
    /// When it was told that the guesses ran out; 0 if that is over.
    guesses_told: u64,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Debug)]
struct Lanes {
    unknown: LaneState,
    known: LaneState,
}

/// What a record has stored of its budgets.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Debug)]
pub(crate) struct Buckets {
    lanes: Lanes,
    enrollment: Limit,
    recovery: Bucket,
    recovery_told: u64,
    notices: Bucket,
}

impl Buckets {
    fn lane(&self, lane: Lane) -> &LaneState {
        match lane {
            Lane::Unknown => &self.lanes.unknown,
            Lane::Known => &self.lanes.known,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Unknown => &mut self.lanes.unknown,
            Lane::Known => &mut self.lanes.known,
        }
    }
}

/// On whose account a message goes: that of a lane, or of what elevated sessions enroll.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sends {
    Lane(Lane),
    Enrollment,
}

/// The budgets of one record, counted by the model.
pub(crate) struct Budgets {
    guesses: Rates,
    sends: Rates,
    recovery_rate: Budget,
    refuses_recovery: bool,
    locks: bool,
    attempts: u64,
    buckets: Buckets,
}

impl Budgets {
    pub(crate) fn new(settings: &Settings) -> Self {
        let rates = |bucket, long: Option<Rate>| Rates(Budget::of(bucket), long.map(Budget::of));
        Self {
            guesses: rates(settings.guess_bucket, settings.long_guess_budget),
            sends: rates(settings.send_bucket, settings.long_send_budget),
            recovery_rate: Budget::of(settings.recovery_bucket),
            refuses_recovery: settings.recovery_throttle == RecoveryThrottle::Refuse,
            locks: settings.when_exhausted == WhenExhausted::Lock,
            attempts: settings.attempts.into(),
            buckets: Buckets::default(),
        }
    }

    /// Locked: the policy locks, and the guess bucket or the long budget of the lane is empty.
    pub(crate) fn locked(&self, lane: Lane, now: u64) -> Option<Refused> {
        self.no_guesses(lane, now).filter(|_| self.locks)
    }

    /// The guess bucket or the long budget of the lane is empty.
    pub(crate) fn no_guesses(&self, lane: Lane, now: u64) -> Option<Refused> {
        self.buckets.lane(lane).guesses.refused(self.guesses, now)
    }

    /// Hardened: the policy does not lock, and one of the two is empty, or ran empty and they do not both
    /// hold the attempts of a challenge again.
    pub(crate) fn is_hardened(&self, lane: Lane, now: u64) -> bool {
        let own = self.buckets.lane(lane);
        let empty = own.guesses.refused(self.guesses, now).is_some();
        !self.locks && (empty || own.hardened && !own.guesses.holds(self.attempts, self.guesses, now))
    }

    pub(crate) fn no_sends(&self, sends: Sends, now: u64) -> Option<Refused> {
        let limit = match sends {
            Sends::Lane(lane) => self.buckets.lane(lane).sends,
            Sends::Enrollment => self.buckets.enrollment,
        };
        limit.refused(self.sends, now)
    }

    /// An empty recovery bucket refuses in one policy, and in the others a wrong code is counted nowhere.
    pub(crate) fn recovery_refused(&self, now: u64) -> Option<Refused> {
        self.no_recovery(now).filter(|_| self.refuses_recovery)
    }

    fn no_recovery(&self, now: u64) -> Option<Refused> {
        self.buckets.recovery.refused(self.recovery_rate, now)
    }

    /// A wrong short code: gives until when the lane has none left, if this was the last.
    pub(crate) fn guessed(&mut self, lane: Lane, now: u64) -> Option<u64> {
        let (rates, attempts, own) = (self.guesses, self.attempts, self.buckets.lane_mut(lane));
        assert!(own.guesses.refused(rates, now).is_none(), "without a guess left nothing short is evaluated");
        if own.guesses.is_full(rates, now) {
            own.guesses_told = 0;
        }
        let still = own.hardened && !own.guesses.holds(attempts, rates, now);
        own.guesses.charge(rates, now);
        let empty = own.guesses.refused(rates, now);
        own.hardened = still || empty.is_some();
        empty.map(Refused::until)
    }

    pub(crate) fn sent(&mut self, sends: Sends, now: u64) {
        assert!(self.no_sends(sends, now).is_none(), "a message beyond the budget");
        let limit = match sends {
            Sends::Lane(lane) => &mut self.buckets.lane_mut(lane).sends,
            Sends::Enrollment => &mut self.buckets.enrollment,
        };
        limit.charge(self.sends, now);
    }

    /// A wrong recovery code: whether it was counted, and then whether it emptied the bucket.
    pub(crate) fn recovery_guessed(&mut self, now: u64) -> Option<bool> {
        if self.no_recovery(now).is_some() {
            return None;
        }
        if self.buckets.recovery.0 <= now {
            self.buckets.recovery_told = 0;
        }
        self.buckets.recovery.charge(self.recovery_rate, now);
        Some(self.no_recovery(now).is_some())
    }

    /// Whether it is told that the lane has no guess left.
    pub(crate) fn tells_of_guesses(&mut self, lane: Lane, now: u64) -> bool {
        let (mut told, mut notices) = (self.buckets.lane(lane).guesses_told, self.buckets.notices);
        let tells = tells(&mut told, &mut notices, now);
        (self.buckets.lane_mut(lane).guesses_told, self.buckets.notices) = (told, notices);
        tells
    }

    /// The same of wrong recovery codes.
    pub(crate) fn tells_of_recovery(&mut self, now: u64) -> bool {
        tells(&mut self.buckets.recovery_told, &mut self.buckets.notices, now)
    }

    /// The guess buckets are full again, the long budgets have five more, nothing is hardened; the others
    /// lose what a wild clock put on them.
    pub(crate) fn unlocked(&mut self, now: u64) {
        let forget = |told: &mut u64| *told = if *told > now { 0 } else { *told };
        for lane in Lane::ALL {
            let (guesses, sends, own) = (self.guesses, self.sends, self.buckets.lane_mut(lane));
            own.guesses.bucket.0 = own.guesses.bucket.0.min(now);
            if let Some(rate) = guesses.1 {
                own.guesses.long.settle(rate, now);
                own.guesses.long.0 = own.guesses.long.0.saturating_sub(5 * rate.every);
            }
            own.hardened = false;
            own.sends.settle(sends, now);
            forget(&mut own.guesses_told);
        }
        self.buckets.enrollment.settle(self.sends, now);
        self.buckets.recovery.settle(self.recovery_rate, now);
        forget(&mut self.buckets.recovery_told);
        self.buckets.notices.settle(NOTICES, now);
    }

    /// The unknown lane has a burst of messages again.
    pub(crate) fn revoked(&mut self, now: u64) {
        let (rates, own) = (self.sends, self.buckets.lane_mut(Lane::Unknown));
        own.sends.bucket.0 = own.sends.bucket.0.min(now);
        if let Some(rate) = rates.1 {
            own.sends.long.settle(rate, now);
            own.sends.long.0 = own.sends.long.0.saturating_sub(rates.0.burst * rate.every);
        }
    }

    /// Takes over what a step did that nobody saw.
    pub(crate) fn adopt(&mut self, stored: Buckets) {
        self.buckets = stored;
    }

    /// What is stored is what the model counted.
    pub(crate) fn check(&self, stored: Buckets) {
        assert_eq!(stored, self.buckets, "the budgets, stored and counted");
    }
}

/// A notice is given if none was in the last day, and there are not too many of all.
fn tells(told: &mut u64, notices: &mut Bucket, now: u64) -> bool {
    let recently = *told > 0 && now.saturating_sub(*told) < DAY;
    if recently || notices.refused(NOTICES, now).is_some() {
        return false;
    }
    notices.charge(NOTICES, now);
    *told = now;
    true
}
