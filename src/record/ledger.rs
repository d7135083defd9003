//! The ledger: the account-wide budgets. Nothing but time may give one back.

use crate::{
    policy::{policy::Policy, rate::Rate},
    value::instant::Millis,
};

/// The budgets of one account.
///
/// Five buckets, each one timestamp: the instant at which it will be full again (the generic cell rate algorithm). A
/// bucket of burst *b* that refills one every *t* is empty while that instant is more than (*b* − 1)·*t* ahead.
/// Charging moves it on by *t*; a stored instant never moves back, except through `unlock`. So a clock that jumps
/// ahead gains at most one full bucket, and one that goes back gains nothing.
///
/// No success, resend, new challenge, new token or new enrollment touches a bucket. That is what bounds guessing: the
/// limit on one code is not a control, because codes can be asked for again (RFC 4226 section 7.3: throttling must span
/// login sessions).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Ledger {
    pub(super) guess: Bucket,
    pub(super) long_guess: Bucket,
    pub(super) recovery: Bucket,
    pub(super) send: Bucket,
    pub(super) long_send: Bucket,
}

impl Ledger {
    /// Until when the account is locked: the guess bucket or the long budget is empty.
    pub(crate) fn locked_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        let guess = self.guess.empty_until(policy.settings().guess_bucket, now);
        guess.max(policy.settings().long_guess_budget.and_then(|rate| self.long_guess.empty_until(rate, now)))
    }

    /// Charges one evaluated wrong code. The caller has seen that the account is not locked.
    pub(crate) fn charge_guess(&mut self, policy: &Policy, now: Millis) {
        self.guess.take(policy.settings().guess_bucket, now);
        if let Some(rate) = policy.settings().long_guess_budget {
            self.long_guess.take(rate, now);
        }
    }

    /// Until when no message may be sent.
    pub(crate) fn sends_refused_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        let send = self.send.empty_until(policy.settings().send_bucket, now);
        send.max(policy.settings().long_send_budget.and_then(|rate| self.long_send.empty_until(rate, now)))
    }

    /// Charges one message. The caller has seen that sends are not refused.
    pub(crate) fn charge_send(&mut self, policy: &Policy, now: Millis) {
        self.send.take(policy.settings().send_bucket, now);
        if let Some(rate) = policy.settings().long_send_budget {
            self.long_send.take(rate, now);
        }
    }

    /// Charges one wrong recovery code and says whether that emptied the bucket. An empty bucket stays as it is.
    pub(crate) fn charge_recovery(&mut self, policy: &Policy, now: Millis) -> bool {
        let rate = policy.settings().recovery_bucket;
        if self.recovery.empty_until(rate, now).is_some() {
            return false;
        }
        self.recovery.take(rate, now);
        self.recovery.empty_until(rate, now).is_some()
    }

    /// Until when the recovery bucket is empty.
    pub(crate) fn recovery_empty_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        self.recovery.empty_until(policy.settings().recovery_bucket, now)
    }

    /// Refills the guess bucket and grants `grant` guesses on the long budget. The others only lose what a clock that
    /// was ahead had put on them: they stay at most empty as of now.
    pub(crate) fn unlock(&mut self, policy: &Policy, grant: u32, now: Millis) {
        self.guess.0 = self.guess.0.min(now);
        if let Some(rate) = policy.settings().long_guess_budget {
            self.long_guess.settle(rate, now);
            let granted = rate.every_ms().saturating_mul(u64::from(grant));
            self.long_guess.0 = Millis(self.long_guess.0.0.saturating_sub(granted));
        }
        self.recovery.settle(policy.settings().recovery_bucket, now);
        self.send.settle(policy.settings().send_bucket, now);
        if let Some(rate) = policy.settings().long_send_budget {
            self.long_send.settle(rate, now);
        }
    }
}

/// One bucket: the instant at which it is full again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub(crate) struct Bucket(pub(super) Millis);

impl Bucket {
    /// The instant at which the bucket has one again, if it has none now.
    pub(crate) fn empty_until(self, rate: Rate, now: Millis) -> Option<Millis> {
        let ahead = self.0.since(now);
        let spare = rate.every_ms().saturating_mul(u64::from(rate.burst().saturating_sub(1)));
        (ahead > spare).then(|| Millis(self.0.0.saturating_sub(spare)))
    }

    /// Whether nothing is missing.
    pub(super) fn is_full(self, now: Millis) -> bool {
        self.0 <= now
    }

    pub(super) fn take(&mut self, rate: Rate, now: Millis) {
        self.0 = self.0.max(now).after(rate.every_ms());
    }

    /// Takes back what lies beyond an empty bucket.
    fn settle(&mut self, rate: Rate, now: Millis) {
        self.0 = self.0.min(now.after(rate.every_ms().saturating_mul(u64::from(rate.burst()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    const RATE: Rate = Rate::new(3, Duration::seconds(10));

    fn drain(bucket: &mut Bucket, now: Millis) -> u32 {
        let mut taken = 0;
        while bucket.empty_until(RATE, now).is_none() {
            bucket.take(RATE, now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_each_interval() {
        let mut bucket = Bucket::default();
        let now = Millis(1_000_000);
        assert_eq!(drain(&mut bucket, now), 3);
        assert_eq!(bucket.empty_until(RATE, now), Some(now.after(10_000)));
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
    fn unlocking_refills_the_guess_bucket_and_grants_on_the_long_budget() {
        let policy = Policy::default();
        let now = Millis(1_700_000_000_000);
        let wild = Bucket(Millis(u64::MAX));
        let mut ledger =
            Ledger { guess: wild, long_guess: wild, recovery: wild, send: wild, long_send: wild };
        ledger.unlock(&policy, 5, now);
        let mut guesses = 0;
        while ledger.locked_until(&policy, now).is_none() {
            ledger.charge_guess(&policy, now);
            guesses += 1;
        }
        assert_eq!(guesses, 5);
        assert_eq!(
            ledger.sends_refused_until(&policy, now),
            Some(now.after(4_320_000)),
            "still empty, as of now"
        );
        assert!(ledger.recovery_empty_until(&policy, now).is_some());
    }
}
