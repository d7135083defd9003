//! The settings of a proof of an address, and their check. This module must never clamp a value: one out of
//! range is refused by name.

use time::Duration;

use crate::{
    policy::{
        bounds::LONGEST_PROOF_MS,
        rate::Rate,
        settings::{PolicyError, RATE},
    },
    value::{instant, purpose::ProofPurpose},
};

/// What a [`ProofPolicy`] is built from. Take the default, change what you must, build.
///
/// ```
/// # fn main() -> Result<(), countersign::policy::PolicyError> {
/// use countersign::address_proof::{ProofPolicy, ProofSettings};
/// use time::Duration;
///
/// let mut settings = ProofSettings::default();
/// settings.reset_lifetime = Duration::hours(3);
/// let policy = ProofPolicy::new(settings)?;
///
/// // A stranger's asks can use up every message. Each brings the owner a link, which must live until the next one.
/// let mut settings = ProofSettings::default();
/// settings.reset_lifetime = Duration::minutes(15);
/// assert_eq!(ProofPolicy::new(settings).unwrap_err().setting(), "reset_lifetime");
/// # drop(policy); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ProofSettings {
    /// How long a link to confirm an address lives: longer than the interval of each send rate, and at most
    /// 86,400 s (NIST SP 800-63B-4 section 4.2.1.2: 24 hours by email).
    pub confirm_lifetime: Duration,
    /// How long a link to reset a password lives, within the same bounds.
    pub reset_lifetime: Duration,
    /// Messages to one address for one purpose.
    pub send_bucket: Rate,
    /// Messages to one address for one purpose in the long run.
    pub long_send_budget: Rate,
}

impl Default for ProofSettings {
    /// A link to confirm lives 24 hours, one to reset 2 hours. Five messages at once and one more each
    /// minute, of which 20 at once and one more each 72 minutes in the long run.
    fn default() -> Self {
        Self {
            confirm_lifetime: Duration::hours(24),
            reset_lifetime: Duration::hours(2),
            send_bucket: Rate::new(5, Duration::seconds(60)),
            long_send_budget: Rate::new(20, Duration::seconds(4_320)),
        }
    }
}

impl ProofSettings {
    /// The first setting that is out of its range, with the range.
    fn out_of_range(&self) -> Option<PolicyError> {
        const LIFETIME: &str =
            "whole milliseconds, longer than the interval of each send rate and at most 86,400 s";
        let outlives_sends = |lifetime: Duration| {
            lifetime > self.send_bucket.every()
                && lifetime > self.long_send_budget.every()
                && instant::span(lifetime) <= LONGEST_PROOF_MS
                && instant::is_whole(lifetime)
        };
        let rows = [
            (self.send_bucket.is_bounded(), "send_bucket", RATE),
            (self.long_send_budget.is_bounded(), "long_send_budget", RATE),
            (outlives_sends(self.confirm_lifetime), "confirm_lifetime", LIFETIME),
            (outlives_sends(self.reset_lifetime), "reset_lifetime", LIFETIME),
        ];
        let row = rows.into_iter().find(|(in_range, ..)| !in_range);
        row.map(|(_, setting, range)| PolicyError::new(setting, range))
    }
}

/// Settings of a proof of an address that were checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProofPolicy(ProofSettings);

impl ProofPolicy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`PolicyError`] names the first setting that is out of its range.
    pub fn new(settings: ProofSettings) -> Result<Self, PolicyError> {
        settings.out_of_range().map_or(Ok(Self(settings)), Err)
    }

    /// The settings, to read or to build another policy from.
    #[must_use]
    pub const fn settings(&self) -> &ProofSettings {
        &self.0
    }

    /// How long what is sent for this purpose lives, in milliseconds.
    pub(crate) fn lifetime_ms(&self, purpose: ProofPurpose) -> u64 {
        instant::span(match purpose {
            ProofPurpose::Confirm => self.0.confirm_lifetime,
            ProofPurpose::Reset => self.0.reset_lifetime,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_refused_by_name_on_both_sides() {
        type Change = fn(&mut ProofSettings, Duration);
        let most = Duration::seconds(86_400);
        let lifetimes: [(&str, Change); 2] = [
            ("confirm_lifetime", |s, span| s.confirm_lifetime = span),
            ("reset_lifetime", |s, span| s.reset_lifetime = span),
        ];
        let nano = Duration::nanoseconds(1);
        for (setting, change) in lifetimes {
            for (send, long) in [(60, 4_320), (4_320, 60)] {
                let least = Duration::seconds(4_320);
                let attempt = |span| {
                    let mut settings = ProofSettings {
                        send_bucket: Rate::new(5, Duration::seconds(send)),
                        long_send_budget: Rate::new(20, Duration::seconds(long)),
                        ..ProofSettings::default()
                    };
                    change(&mut settings, span);
                    ProofPolicy::new(settings).err()
                };
                for right in [least + Duration::MILLISECOND, most] {
                    assert_eq!(attempt(right), None, "{setting}");
                }
                for wrong in [Duration::ZERO, least, most + Duration::MILLISECOND, most - nano] {
                    let error = attempt(wrong).unwrap();
                    assert_eq!(error.setting(), setting, "{wrong}");
                    assert!(alloc::format!("{error}").contains("longer than the interval of each send rate"));
                }
            }
        }
        type Replace = fn(&mut ProofSettings, Rate);
        let rates: [(&str, Replace); 2] = [
            ("send_bucket", |s, rate| s.send_bucket = rate),
            ("long_send_budget", |s, rate| s.long_send_budget = rate),
        ];
        for (setting, change) in rates {
            for wrong in
                [Rate::new(0, Duration::SECOND), Rate::new(1, Duration::ZERO), Rate::new(1_001, most)]
            {
                let mut settings = ProofSettings::default();
                change(&mut settings, wrong);
                assert_eq!(ProofPolicy::new(settings).err().map(|error| error.setting()), Some(setting));
            }
        }
    }

    #[test]
    fn the_default_passes_its_own_check() {
        assert_eq!(ProofSettings::default().out_of_range(), None);
        let policy = ProofPolicy::default();
        assert_eq!(policy.settings(), &ProofSettings::default());
        assert_eq!(policy.lifetime_ms(ProofPurpose::Confirm), 86_400_000);
        assert_eq!(policy.lifetime_ms(ProofPurpose::Reset), 7_200_000);
    }
}
