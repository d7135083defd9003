//! The five budgets as plain arithmetic: each is the instant at which it will be full again.

use std::collections::BTreeMap;

use countersign::{Policy, Rate};
use time::{Duration, OffsetDateTime};

use super::support::millis;

const BUCKETS: [&str; 5] = ["guess", "long_guess", "recovery", "send", "long_send"];

pub struct Budgets {
    policy: Policy,
    pub ledger: BTreeMap<&'static str, u64>,
}

impl Budgets {
    pub fn new(policy: Policy) -> Self {
        Self { policy, ledger: BUCKETS.map(|name| (name, 0)).into() }
    }

    fn rate(&self, name: &str) -> Option<Rate> {
        match name {
            "guess" => Some(self.policy.guess_bucket),
            "long_guess" => self.policy.long_guess_budget,
            "recovery" => Some(self.policy.recovery_bucket),
            "send" => Some(self.policy.send_bucket),
            _ => self.policy.long_send_budget,
        }
    }

    /// Whether a budget has nothing left.
    pub fn is_empty(&self, name: &str, now: OffsetDateTime) -> bool {
        let Some(rate) = self.rate(name) else { return false };
        let spare = every(rate) * u64::from(rate.burst() - 1);
        self.ledger[name].saturating_sub(millis(now)) > spare
    }

    pub fn is_locked(&self, now: OffsetDateTime) -> bool {
        self.is_empty("guess", now) || self.is_empty("long_guess", now)
    }

    /// Takes one; there must be one.
    pub fn take(&mut self, name: &'static str, now: OffsetDateTime) {
        if let Some(rate) = self.rate(name) {
            assert!(!self.is_empty(name, now), "{name} had nothing left");
            let instant = self.ledger.get_mut(name).expect("a bucket");
            *instant = (*instant).max(millis(now)) + every(rate);
        }
    }

    /// The guess bucket is full, the long budget has five more, and the others are empty at the most.
    pub fn unlock(&mut self, now: u64) {
        for name in BUCKETS {
            let Some(rate) = self.rate(name) else { continue };
            let instant = self.ledger.get_mut(name).expect("a bucket");
            *instant = (*instant).min(if name == "guess" {
                now
            } else {
                now + every(rate) * u64::from(rate.burst())
            });
            if name == "long_guess" {
                *instant = instant.saturating_sub(5 * every(rate));
            }
        }
    }
}

fn every(rate: Rate) -> u64 {
    millis_of(rate.every())
}

pub fn millis_of(span: Duration) -> u64 {
    u64::try_from(span.whole_milliseconds()).expect("a positive span")
}
