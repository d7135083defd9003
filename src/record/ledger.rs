//! The ledger: the account-wide budgets. No success may give one back.

use crate::{
    policy::{
        bounds::{CLOCK_LEEWAY_MS, DAY_MS, NOTICES},
        policy::Policy,
        rate::{Rate, Rates},
    },
    value::{
        instant::Millis,
        lane::{Lane, PerLane},
    },
};

/// The budgets of one account.
///
/// Each bucket is one timestamp: the instant at which it will be full again (the generic cell rate
/// algorithm). A bucket of burst *b* that refills one every *t* is empty while that instant is more than (*b*
/// − 1)·*t* ahead. Charging moves it on by *t*; a stored instant never moves back, except through `unlock`
/// and, for the messages of the unknown lane, through `revoke_sessions`.
/// So a clock that jumps ahead gains at most one full bucket, and one that goes back gains nothing.
///
/// No success, resend, new challenge, new token or new enrollment touches a bucket. That is what bounds guessing: the
/// limit on one code is not a control, because codes can be asked for again (RFC 4226 section 7.3: throttling must span
/// login sessions). Guesses and messages are counted once a [`Lane`], wrong recovery codes once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Ledger {
    lanes: PerLane<LaneLedger>,
    /// Messages to addresses that elevated sessions enroll.
    enrollment: Limit,
    recovery: Bucket,
    recovery_told: Told,
    /// Notices that somebody without a second factor can cause.
    notices: Bucket,
}

/// What one lane has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
struct LaneLedger {
    guesses: Limit,
    sends: Limit,
    /// Whether the guess budgets ran empty, and did not hold a challenge's attempts again since.
    hardened: bool,
    guesses_told: Told,
}

/// Which budget of messages one is charged to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SendBudget {
    /// That of the session's lane.
    Lane(Lane),
    /// That of addresses which elevated sessions enroll: they are not the account's own.
    Enrollment,
}

/// A budget has nothing left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Empty {
    until: Millis,
    beyond: bool,
}

impl Empty {
    pub(super) const fn new(until: Millis, beyond: bool) -> Self {
        Self { until, beyond }
    }

    /// When it has one again.
    pub(crate) const fn until(self) -> Millis {
        self.until
    }

    /// Whether it lies further ahead than charges by clocks that agree can put it, under the policy of this
    /// step.
    pub(crate) const fn is_beyond_full(self) -> bool {
        self.beyond
    }
}

impl Ledger {
    fn lane(&self, lane: Lane) -> &LaneLedger {
        self.lanes.of(lane)
    }

    fn sends(&self, budget: SendBudget) -> &Limit {
        match budget {
            SendBudget::Lane(lane) => &self.lane(lane).sends,
            SendBudget::Enrollment => &self.enrollment,
        }
    }

    /// Whether a lane has no guess left: its guess bucket or its long budget is empty.
    pub(crate) fn no_guesses(&self, lane: Lane, policy: &Policy, now: Millis) -> Option<Empty> {
        self.lane(lane).guesses.empty(policy.guess_rates(), now)
    }

    /// Whether a lane is hardened: from when its guess budgets run empty until both hold a challenge's
    /// attempts again.
    pub(crate) fn is_hardened(&self, lane: Lane, policy: &Policy, now: Millis) -> bool {
        self.no_guesses(lane, policy, now).is_some() || self.lane(lane).stays_hardened(policy, now)
    }

    /// Charges one evaluated wrong code, and says until when the lane has no guess left, if this was the
    /// last. The caller has seen that there was one.
    pub(crate) fn charge_guess(&mut self, lane: Lane, policy: &Policy, now: Millis) -> Option<Millis> {
        let (rates, own) = (policy.guess_rates(), self.lanes.of_mut(lane));
        if own.guesses.is_full(rates, now) {
            own.guesses_told = Told::default();
        }
        let was_hardened = own.stays_hardened(policy, now);
        own.guesses.take(rates, now);
        let empty = own.guesses.empty(rates, now);
        own.hardened = was_hardened || empty.is_some();
        empty.map(|empty| empty.until)
    }

    /// Whether no message may be sent.
    pub(crate) fn no_sends(&self, budget: SendBudget, policy: &Policy, now: Millis) -> Option<Empty> {
        self.sends(budget).empty(policy.send_rates(), now)
    }

    /// Charges one message. The caller has seen that one may be sent.
    pub(crate) fn charge_send(&mut self, budget: SendBudget, policy: &Policy, now: Millis) {
        let sends = match budget {
            SendBudget::Lane(lane) => &mut self.lanes.of_mut(lane).sends,
            SendBudget::Enrollment => &mut self.enrollment,
        };
        sends.take(policy.send_rates(), now);
    }

    /// Charges one wrong recovery code and says whether that emptied the bucket. The caller has seen that it
    /// is not empty.
    pub(crate) fn charge_recovery(&mut self, policy: &Policy, now: Millis) -> bool {
        let rate = policy.settings().recovery_bucket;
        if self.recovery.is_full(now) {
            self.recovery_told = Told::default();
        }
        self.recovery.take(rate, now);
        self.recovery.empty(rate, now).is_some()
    }

    /// Whether no wrong recovery code is left.
    pub(crate) fn no_recovery(&self, policy: &Policy, now: Millis) -> Option<Empty> {
        self.recovery.empty(policy.settings().recovery_bucket, now)
    }

    /// Whether the account's holder is to be told that a lane has no guess left: for the first time since the
    /// budgets were full, or a day after the last time. Says so once.
    pub(crate) fn tell_of_guesses(&mut self, lane: Lane, now: Millis) -> bool {
        self.lanes.of_mut(lane).guesses_told.tell(&mut self.notices, now)
    }

    /// The same of the recovery bucket.
    pub(crate) fn tell_of_recovery(&mut self, now: Millis) -> bool {
        self.recovery_told.tell(&mut self.notices, now)
    }

    /// Gives the unknown lane one burst of messages back, on the bucket and on the long budget.
    pub(crate) fn give_sends_back(&mut self, policy: &Policy, now: Millis) {
        let rates = policy.send_rates();
        self.lanes.of_mut(Lane::Unknown).sends.refill(rates, rates.bucket.burst(), now);
    }

    /// Refills the guess buckets, ends the hardening and grants `grant` guesses on the long budgets. The
    /// others only lose what a clock that was ahead had put on them: they stay at most empty as of now.
    pub(crate) fn unlock(&mut self, policy: &Policy, grant: u32, now: Millis) {
        for lane in Lane::ALL {
            let own = self.lanes.of_mut(lane);
            own.guesses.refill(policy.guess_rates(), grant, now);
            own.hardened = false;
            own.sends.settle(policy.send_rates(), now);
            own.guesses_told.settle(now);
        }
        self.enrollment.settle(policy.send_rates(), now);
        self.recovery.settle(policy.settings().recovery_bucket, now);
        self.recovery_told.settle(now);
        self.notices.settle(NOTICES, now);
    }
}

impl LaneLedger {
    /// Whether it was hardened, and its guess budgets do not hold a challenge's attempts again. A bucket that
    /// can never hold as many must be full.
    fn stays_hardened(&self, policy: &Policy, now: Millis) -> bool {
        let attempts = u32::from(policy.settings().attempts);
        self.hardened && !self.guesses.holds(attempts, policy.guess_rates(), now)
    }
}

/// When the account's holder was last told that a budget ran empty, unless it was full since; zero if never.
/// It is no `Option`, which a stored record could leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
struct Told(Millis);

impl Told {
    /// Notes that the account's holder is told, and says whether: not again within a day, and not beyond the
    /// bound of all such notices.
    fn tell(&mut self, notices: &mut Bucket, now: Millis) -> bool {
        let too_soon = self.0 > Millis(0) && now.since(self.0) < DAY_MS;
        if too_soon || notices.empty(NOTICES, now).is_some() {
            return false;
        }
        notices.take(NOTICES, now);
        self.0 = now;
        true
    }

    /// Forgets a notice that a clock ahead had given.
    fn settle(&mut self, now: Millis) {
        if self.0 > now {
            *self = Self::default();
        }
    }
}

/// A bucket and a long budget. Both are charged together, and one that is empty is enough to refuse.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
struct Limit {
    bucket: Bucket,
    long: Bucket,
}

impl Limit {
    fn empty(&self, rates: Rates, now: Millis) -> Option<Empty> {
        let long = rates.long.and_then(|rate| self.long.empty(rate, now));
        let both = self.bucket.empty(rates.bucket, now).into_iter().chain(long);
        both.reduce(|one, other| Empty {
            until: one.until.max(other.until),
            beyond: one.beyond || other.beyond,
        })
    }

    fn holds(&self, count: u32, rates: Rates, now: Millis) -> bool {
        self.bucket.holds(count, rates.bucket, now)
            && rates.long.is_none_or(|rate| self.long.holds(count, rate, now))
    }

    fn is_full(&self, rates: Rates, now: Millis) -> bool {
        self.bucket.is_full(now) && (rates.long.is_none() || self.long.is_full(now))
    }

    fn take(&mut self, rates: Rates, now: Millis) {
        self.bucket.take(rates.bucket, now);
        if let Some(rate) = rates.long {
            self.long.take(rate, now);
        }
    }

    /// Refills the bucket and grants `grant` on the long budget.
    fn refill(&mut self, rates: Rates, grant: u32, now: Millis) {
        self.bucket.0 = self.bucket.0.min(now);
        if let Some(rate) = rates.long {
            self.long.settle(rate, now);
            self.long.grant(rate, grant);
        }
    }

    fn settle(&mut self, rates: Rates, now: Millis) {
        self.bucket.settle(rates.bucket, now);
        if let Some(rate) = rates.long {
            self.long.settle(rate, now);
        }
    }
}

/// One bucket: the instant at which it is full again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub(crate) struct Bucket(Millis);

impl Bucket {
    /// When the bucket has one again, if it has none now.
    pub(super) fn empty(self, rate: Rate, now: Millis) -> Option<Empty> {
        (!self.holds(1, rate, now)).then(|| {
            let spare = rate.every_ms().saturating_mul(u64::from(rate.burst().saturating_sub(1)));
            let honest = rate.span_ms().saturating_add(CLOCK_LEEWAY_MS);
            Empty { until: Millis(self.0.0.saturating_sub(spare)), beyond: self.0.since(now) > honest }
        })
    }

    /// Whether the bucket holds `count`, or its burst if that is less.
    fn holds(self, count: u32, rate: Rate, now: Millis) -> bool {
        let spare = rate.every_ms().saturating_mul(u64::from(rate.burst().saturating_sub(count)));
        self.0.since(now) <= spare
    }

    pub(super) fn is_full(self, now: Millis) -> bool {
        self.0 <= now
    }

    pub(super) fn take(&mut self, rate: Rate, now: Millis) {
        self.0 = self.0.max(now).after(rate.every_ms());
    }

    /// Gives `count` back.
    fn grant(&mut self, rate: Rate, count: u32) {
        self.0 = Millis(self.0.0.saturating_sub(rate.every_ms().saturating_mul(u64::from(count))));
    }

    /// Takes back what lies beyond an empty bucket.
    fn settle(&mut self, rate: Rate, now: Millis) {
        self.0 = self.0.min(now.after(rate.span_ms()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    const RATE: Rate = Rate::new(3, Duration::seconds(10));
    const NOW: Millis = Millis(1_700_000_000_000);

    fn drain(bucket: &mut Bucket, now: Millis) -> u32 {
        let mut taken = 0;
        while bucket.empty(RATE, now).is_none() {
            bucket.take(RATE, now);
            taken += 1;
        }
        taken
    }

    fn policy(change: impl FnOnce(&mut crate::policy::settings::Settings)) -> Policy {
        let mut settings = crate::policy::settings::Settings::default();
        change(&mut settings);
        Policy::new(settings).unwrap()
    }

    /// Charges guesses until the lane has none left, and says how many that took.
    fn guess(ledger: &mut Ledger, lane: Lane, policy: &Policy, now: Millis) -> u32 {
        let mut guesses = 0;
        while ledger.no_guesses(lane, policy, now).is_none() {
            let until = ledger.charge_guess(lane, policy, now);
            assert_eq!(until, ledger.no_guesses(lane, policy, now).map(|empty| empty.until));
            guesses += 1;
        }
        guesses
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_each_interval() {
        let mut bucket = Bucket::default();
        let now = Millis(1_000_000);
        assert_eq!(drain(&mut bucket, now), 3);
        assert_eq!(bucket.empty(RATE, now), Some(Empty { until: now.after(10_000), beyond: false }));
        assert_eq!(drain(&mut bucket, now.after(9_999)), 0);
        assert_eq!(drain(&mut bucket, now.after(10_000)), 1);
        assert_eq!(drain(&mut bucket, now.after(1_000_000)), 3);
    }

    #[test]
    fn clocks_that_jump_gain_at_most_one_bucket() {
        let mut bucket = Bucket::default();
        assert_eq!(drain(&mut bucket, Millis(1_000_000)), 3);
        assert_eq!(drain(&mut bucket, Millis(0)), 0, "back gains nothing");
        assert_eq!(drain(&mut bucket, Millis(u64::MAX / 2)), 3, "ahead gains one bucket");
        assert_eq!(drain(&mut bucket, Millis(1_100_000)), 0, "and costs the time until then");
        let mut edited = Bucket(Millis(u64::MAX));
        assert_eq!(drain(&mut edited, Millis(1)), 0);
        edited.take(RATE, Millis(1));
        assert_eq!(edited, Bucket(Millis(u64::MAX)));
    }

    #[test]
    fn a_bucket_is_beyond_full_once_a_clock_was_ahead_by_more_than_the_leeway() {
        let mut bucket = Bucket::default();
        drain(&mut bucket, NOW);
        let ahead = |by: u64| bucket.empty(RATE, Millis(NOW.0 - by)).unwrap().beyond;
        assert_eq!([ahead(0), ahead(CLOCK_LEEWAY_MS), ahead(CLOCK_LEEWAY_MS + 1)], [false, false, true]);
    }

    #[test]
    fn a_bucket_holds_what_it_could_give_at_once() {
        let mut bucket = Bucket::default();
        for left in (0..=3).rev() {
            for count in 1..=5 {
                assert_eq!(bucket.holds(count, RATE, NOW), count.min(3) <= left, "{count} of {left}");
            }
            assert_eq!(bucket.is_full(NOW), left == 3);
            bucket.take(RATE, NOW);
        }
    }

    #[test]
    fn hardening_begins_with_an_empty_budget_and_ends_when_both_hold_all_attempts() {
        let hour = 3_600_000;
        // The bucket holds five again after half an hour, the long budget after five days.
        let short = policy(|settings| settings.long_guess_budget = None);
        let long = policy(|settings| settings.long_guess_budget = Some(Rate::new(10, Duration::days(1))));
        let narrow = policy(|settings| {
            settings.long_guess_budget = None;
            settings.guess_bucket = Rate::new(2, Duration::hours(1));
        });
        for (policy, ends) in [(short, hour / 2), (long, 5 * 24 * hour), (narrow, 2 * hour)] {
            let mut ledger = Ledger::default();
            let hardened = |ledger: &Ledger, at| ledger.is_hardened(Lane::Unknown, &policy, at);
            assert!(!hardened(&ledger, NOW));
            guess(&mut ledger, Lane::Unknown, &policy, NOW);
            assert!(hardened(&ledger, NOW) && hardened(&ledger, NOW.after(ends - 1)));
            assert!(!hardened(&ledger, NOW.after(ends)));
            assert!(!ledger.is_hardened(Lane::Known, &policy, NOW), "the other lane is not");
            // Out of it, one wrong code does not bring it back.
            ledger.charge_guess(Lane::Unknown, &policy, NOW.after(ends));
            assert!(!hardened(&ledger, NOW.after(ends)));
            let mut waiting = Ledger::default();
            guess(&mut waiting, Lane::Unknown, &policy, NOW);
            let early = NOW.after(ends - 1);
            if waiting.no_guesses(Lane::Unknown, &policy, early).is_none() {
                waiting.charge_guess(Lane::Unknown, &policy, early);
                assert!(
                    hardened(&waiting, NOW.after(ends)),
                    "one that was charged while it lasts makes it longer"
                );
            }
        }
    }

    #[test]
    fn what_one_lane_spends_the_other_keeps() {
        let policy = Policy::default();
        for (one, other) in [(Lane::Unknown, Lane::Known), (Lane::Known, Lane::Unknown)] {
            let mut ledger = Ledger::default();
            assert_eq!(guess(&mut ledger, one, &policy, NOW), 10);
            assert_eq!(guess(&mut ledger, other, &policy, NOW), 10);
            let budgets = [SendBudget::Lane(one), SendBudget::Enrollment, SendBudget::Lane(other)];
            for budget in budgets {
                let mut sends = 0;
                while ledger.no_sends(budget, &policy, NOW).is_none() {
                    ledger.charge_send(budget, &policy, NOW);
                    sends += 1;
                }
                assert_eq!(sends, 5, "{budget:?}");
            }
        }
    }

    #[test]
    fn one_burst_of_messages_comes_back_to_the_unknown_lane_alone() {
        for policy in [Policy::default(), policy(|settings| settings.long_send_budget = None)] {
            let wild = Bucket(Millis(u64::MAX));
            let mut ledger = Ledger::default();
            for lane in Lane::ALL {
                ledger.lanes.of_mut(lane).sends = Limit { bucket: wild, long: wild };
            }
            ledger.give_sends_back(&policy, NOW);
            let left = |budget| {
                let (mut ledger, mut sends) = (ledger.clone(), 0);
                while ledger.no_sends(budget, &policy, NOW).is_none() {
                    ledger.charge_send(budget, &policy, NOW);
                    sends += 1;
                }
                sends
            };
            assert_eq!(left(SendBudget::Lane(Lane::Unknown)), 5);
            assert_eq!(left(SendBudget::Lane(Lane::Known)), 0);
        }
    }

    #[test]
    fn notices_are_given_when_a_budget_empties_and_not_again_until_it_was_full_or_a_day_later() {
        let policy = policy(|settings| settings.long_guess_budget = None);
        let mut ledger = Ledger::default();
        let empties = |ledger: &mut Ledger, at: Millis| {
            guess(ledger, Lane::Unknown, &policy, at) > 0 && ledger.tell_of_guesses(Lane::Unknown, at)
        };
        assert!(empties(&mut ledger, NOW));
        assert!(!empties(&mut ledger, NOW.after(360_000)), "one more, six minutes later");
        assert!(!empties(&mut ledger, NOW.after(3_600_000)), "it was not full");
        assert!(empties(&mut ledger, NOW.after(2 * 3_600_000)), "it was");
        let mut busy = Ledger::default();
        let told = (0..480).filter(|&tenth| empties(&mut busy, NOW.after(tenth * 360_000))).count();
        assert_eq!(told, 2, "every six minutes for two days");
    }

    #[test]
    fn a_notice_is_too_soon_for_less_than_a_day_and_by_no_clock_ahead() {
        let told = |at: u64, now: u64| {
            let (mut told, mut notices) = (Told(Millis(at)), Bucket::default());
            told.tell(&mut notices, Millis(now))
        };
        assert!(told(0, 1), "zero is never, also for a host whose clock begins there");
        assert!(!told(NOW.0, NOW.0 + DAY_MS - 1) && told(NOW.0, NOW.0 + DAY_MS));
        let mut now = Told(NOW);
        now.settle(NOW);
        assert_eq!(now, Told(NOW));
        now.settle(Millis(NOW.0 - 1));
        assert_eq!(now, Told::default());
    }

    #[test]
    fn a_limit_is_its_bucket_and_its_long_budget_if_there_is_one() {
        let long = Rate::new(2, Duration::seconds(5));
        let both = Rates { bucket: RATE, long: Some(long) };
        let one = Rates { bucket: RATE, long: None };
        let (full, ahead) = (Bucket::default(), Bucket(Millis(NOW.0 + 3_600_000)));
        let empty = Bucket(NOW.after(long.span_ms()));
        let full_under = |bucket, long, rates| Limit { bucket, long }.is_full(rates, NOW);
        assert!(full_under(full, full, both) && full_under(full, ahead, one));
        assert!(!full_under(full, ahead, both) && !full_under(ahead, full, both));
        for (bucket, long) in [(ahead, empty), (Bucket(NOW.after(RATE.span_ms())), ahead)] {
            assert!(Limit { bucket, long }.empty(both, NOW).unwrap().beyond, "either tells of a clock");
        }
    }

    #[test]
    fn all_notices_together_have_a_bound() {
        let mut ledger = Ledger::default();
        let mut given = 0;
        for _ in 0..20 {
            // As if every budget had been full in between.
            ledger.recovery_told = Told::default();
            given += u32::from(ledger.tell_of_recovery(NOW));
        }
        assert_eq!(given, NOTICES.burst());
        assert!(!ledger.tell_of_guesses(Lane::Known, NOW), "whatever they are about");
        assert!(ledger.tell_of_guesses(Lane::Known, NOW.after(NOTICES.every_ms())));
    }

    #[test]
    fn unlocking_refills_the_guess_buckets_and_grants_on_the_long_budgets() {
        let policy = Policy::default();
        let wild = Bucket(Millis(u64::MAX));
        let limit = Limit { bucket: wild, long: wild };
        let later = Told(Millis(u64::MAX));
        let lane =
            LaneLedger { guesses: limit.clone(), sends: limit.clone(), hardened: true, guesses_told: later };
        let mut lanes = PerLane::default();
        Lane::ALL.into_iter().for_each(|each| *lanes.of_mut(each) = lane.clone());
        let mut ledger =
            Ledger { lanes, enrollment: limit, recovery: wild, recovery_told: later, notices: wild };
        ledger.unlock(&policy, 5, NOW);
        assert!(ledger.no_recovery(&policy, NOW).is_some());
        assert!(!ledger.tell_of_recovery(NOW), "no notice is left");
        assert!(
            ledger.tell_of_recovery(NOW.after(NOTICES.every_ms())),
            "those of another time are no matter"
        );
        for lane in Lane::ALL {
            assert!(!ledger.is_hardened(lane, &policy, NOW));
            assert_eq!(guess(&mut ledger, lane, &policy, NOW), 5);
            assert_eq!(ledger.lane(lane).guesses_told, Told::default());
        }
        for budget in [SendBudget::Lane(Lane::Unknown), SendBudget::Lane(Lane::Known), SendBudget::Enrollment]
        {
            let empty = ledger.no_sends(budget, &policy, NOW);
            assert_eq!(empty, Some(Empty { until: NOW.after(4_320_000), beyond: false }), "empty, as of now");
        }
    }
}
