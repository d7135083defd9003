//! The policy: every bound that the core enforces, checked when the policy is built.
//!
//! A setting out of range is refused with its name and never clamped; none can be zero or absent, except where its
//! documentation says "off". Three presets stand ready:
//!
//! | setting | [`Settings::default`] | [`Settings::auth0`] | [`Settings::strict`] |
//! |---|---|---|---|
//! | email may authenticate | yes | yes | no |
//! | code: digits, lifetime, attempts | 6, 300 s, 5 | 6, 300 s, 10 | 8, 300 s, 3 |
//! | standalone confirmation lifetime | 600 s | 300 s | 600 s |
//! | `mfa_token` lifetime | 600 s | 600 s | 600 s |
//! | guess bucket | 10, +1 per 360 s | 10, +1 per 360 s | 5, +1 per 1,800 s |
//! | long guess budget | 30, +1 per day | off | 30, +1 per day |
//! | wrong codes in a row, then disabled | 50 | 100 | 20 |
//! | recovery bucket | 10, +1 per 360 s, notifies | 10, +1 per 360 s, refuses | 5, +1 per 1,800 s, notifies |
//! | send bucket | 5, +1 per 60 s | 20, +1 per 60 s | 3, +1 per 300 s |
//! | cool-down | 30 s | off | 60 s |
//! | long send budget | 20, +1 per 4,320 s | off | 10, +1 per 8,640 s |
//! | resend | repeat | repeat | rotate |
//! | recovery codes | 10, consumed | 1, replaced on use | 10, each replaced on use |
//! | authenticators, unconfirmed, challenges | 16, 3, 8 | 50, 5, 8 | 8, 2, 4 |
//!
//! `default` keeps email as a factor and claims no assurance level for it. `auth0` follows what Auth0 documents. `strict`
//! enforces the verifier-side limits of NIST SP 800-63B-4 and OWASP ASVS 5.0 level 3: there email may confirm an address
//! and never authenticate (SP 800-63B-4 section 3.1.3.1, ASVS 6.3.6).

use core::fmt;

use time::Duration;

use crate::{account::MAX_AUTHENTICATORS, challenge::Purpose, clock, code::BindingCode};

/// The most recovery codes a set may have.
pub(crate) const MAX_RECOVERY_CODES: usize = 16;

/// The most challenges a record may hold.
pub(crate) const MAX_CHALLENGES: usize = 16;

/// How fast something may be spent: `burst` at once, and one more each `every`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    burst: u32,
    every: Duration,
}

impl Rate {
    /// `burst` at once, and one more each `every`. The policy takes bursts of 1 to 1,000 and whole milliseconds from one
    /// second to 366 days.
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
        clock::span(self.every)
    }

    fn is_bounded(self) -> bool {
        (1..=1_000).contains(&self.burst)
            && self.every >= Duration::SECOND
            && self.every <= Duration::days(366)
    }

    /// The most that `span` admits from a full bucket.
    fn admits(self, span: Duration) -> u64 {
        let refilled = clock::span(span).checked_div(self.every_ms()).unwrap_or(u64::MAX);
        refilled.saturating_add(u64::from(self.burst))
    }
}

/// What a resend does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a code is the same or it is another")]
pub enum Resend {
    /// The same code again: whichever message arrives, its code works.
    Repeat,
    /// A new code under the same handle and deadline; the earlier one is dead.
    Rotate,
}

/// What an empty recovery bucket does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum RecoveryThrottle {
    /// The account's holder is notified; recovery stays open, so a thief cannot starve it.
    Notify,
    /// The same, and recovery codes are refused until it refills (Auth0).
    Refuse,
}

/// What using a recovery code does to its set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum RecoveryUse {
    /// The code is gone; the set is replaced as a whole, on request.
    Consume,
    /// A new code takes its place and is shown (NIST SP 800-63B-4 section 4.2.1.1).
    Replace,
}

/// What a [`Policy`] is built from. Take a preset, change what you must, build.
///
/// ```
/// # fn main() -> Result<(), countersign::PolicyError> {
/// use countersign::{Policy, Settings};
///
/// let mut settings = Settings::default();
/// settings.code_digits = 8;
/// let policy = Policy::new(settings)?;
///
/// let mut settings = Settings::default();
/// settings.code_digits = 5;
/// assert_eq!(Policy::new(settings).unwrap_err().setting(), "code_digits");
/// # drop(policy); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Whether an email code completes a login, or only confirms an address.
    pub email_may_authenticate: bool,
    /// Digits of a binding code, 6 to 9.
    pub code_digits: u8,
    /// How long a code to confirm or authenticate lives, 1 to 600 s (NIST SP 800-63B-4 section 3.1.3.2: 10 minutes).
    pub code_lifetime: Duration,
    /// How long a code of a standalone confirmation lives, 1 to 86,400 s (section 4.2.1.2: 24 hours by email).
    pub confirmation_lifetime: Duration,
    /// Wrong codes for one authenticator in one transaction, 1 to 10.
    pub attempts: u8,
    /// How long an `mfa_token` lives, 1 to 600 s.
    pub token_lifetime: Duration,
    /// Wrong codes of the whole account. When it is empty the account is locked.
    pub guess_bucket: Rate,
    /// Wrong codes of the whole account in the long run. When it is empty the account is locked. `None` is off.
    pub long_guess_budget: Option<Rate>,
    /// Wrong codes in a row for one authenticator, after which it is disabled for good, 1 to 100 (NIST SP 800-63B-4
    /// section 3.2.2).
    pub failure_cap: u8,
    /// Wrong recovery codes of the whole account.
    pub recovery_bucket: Rate,
    /// What an empty recovery bucket does.
    pub recovery_throttle: RecoveryThrottle,
    /// Messages to the whole account.
    pub send_bucket: Rate,
    /// How long no second message goes to one authenticator in one transaction, 0 (off) to 600 s.
    pub cool_down: Duration,
    /// Messages to the whole account in the long run. `None` is off.
    pub long_send_budget: Option<Rate>,
    /// What a resend does.
    pub resend: Resend,
    /// How many recovery codes a set has, 1 to 16.
    pub recovery_codes: u8,
    /// What using one does.
    pub recovery_use: RecoveryUse,
    /// How many confirmed authenticators an account may have, 1 to 64.
    pub max_authenticators: u8,
    /// How many unconfirmed ones beside them, 1 to 8.
    pub max_unconfirmed: u8,
    /// How many challenges the record holds, 1 to 16.
    pub max_challenges: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            email_may_authenticate: true,
            code_digits: 6,
            code_lifetime: Duration::seconds(300),
            confirmation_lifetime: Duration::seconds(600),
            attempts: 5,
            token_lifetime: Duration::seconds(600),
            guess_bucket: Rate::new(10, Duration::seconds(360)),
            long_guess_budget: Some(Rate::new(30, Duration::days(1))),
            failure_cap: 50,
            recovery_bucket: Rate::new(10, Duration::seconds(360)),
            recovery_throttle: RecoveryThrottle::Notify,
            send_bucket: Rate::new(5, Duration::seconds(60)),
            cool_down: Duration::seconds(30),
            long_send_budget: Some(Rate::new(20, Duration::seconds(4_320))),
            resend: Resend::Repeat,
            recovery_codes: 10,
            recovery_use: RecoveryUse::Consume,
            max_authenticators: 16,
            max_unconfirmed: 3,
            max_challenges: 8,
        }
    }
}

impl Settings {
    /// What Auth0 documents: one recovery code that is replaced on use, ten wrong codes and one more each six minutes,
    /// twenty messages and one more each minute. Its lack of a long budget makes guessing likelier by two hundred times:
    /// see [`Policy::guess_probability`].
    #[must_use]
    pub fn auth0() -> Self {
        Self {
            confirmation_lifetime: Duration::seconds(300),
            attempts: 10,
            long_guess_budget: None,
            failure_cap: 100,
            recovery_throttle: RecoveryThrottle::Refuse,
            send_bucket: Rate::new(20, Duration::seconds(60)),
            cool_down: Duration::ZERO,
            long_send_budget: None,
            recovery_codes: 1,
            recovery_use: RecoveryUse::Replace,
            max_authenticators: 50,
            max_unconfirmed: 5,
            ..Self::default()
        }
    }

    /// The verifier-side limits of NIST SP 800-63B-4 and OWASP ASVS 5.0 level 3. Email only confirms addresses.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            email_may_authenticate: false,
            code_digits: 8,
            attempts: 3,
            guess_bucket: Rate::new(5, Duration::seconds(1_800)),
            failure_cap: 20,
            recovery_bucket: Rate::new(5, Duration::seconds(1_800)),
            send_bucket: Rate::new(3, Duration::seconds(300)),
            cool_down: Duration::seconds(60),
            long_send_budget: Some(Rate::new(10, Duration::seconds(8_640))),
            resend: Resend::Rotate,
            recovery_use: RecoveryUse::Replace,
            max_authenticators: 8,
            max_unconfirmed: 2,
            max_challenges: 4,
            ..Self::default()
        }
    }

    /// The first setting that is out of its range, with the range.
    fn out_of_range(&self) -> Option<PolicyError> {
        const RATE: &str = "a burst of 1 to 1,000, and an interval of one second to 366 days";
        let seconds =
            |span: Duration, least, most| span >= Duration::seconds(least) && span <= Duration::seconds(most);
        let digits = BindingCode::MIN_DIGITS..=BindingCode::MAX_DIGITS;
        let rows = [
            (digits.contains(&self.code_digits), "code_digits", "6 to 9"),
            (seconds(self.code_lifetime, 1, 600), "code_lifetime", "1 to 600 s"),
            (seconds(self.confirmation_lifetime, 1, 86_400), "confirmation_lifetime", "1 to 86,400 s"),
            ((1..=MAX_ATTEMPTS).contains(&self.attempts), "attempts", "1 to 10"),
            (seconds(self.token_lifetime, 1, 600), "token_lifetime", "1 to 600 s"),
            (self.guess_bucket.is_bounded(), "guess_bucket", RATE),
            (self.long_guess_budget.is_none_or(Rate::is_bounded), "long_guess_budget", RATE),
            ((1..=MAX_FAILURES).contains(&self.failure_cap), "failure_cap", "1 to 100"),
            (self.recovery_bucket.is_bounded(), "recovery_bucket", RATE),
            (self.send_bucket.is_bounded(), "send_bucket", RATE),
            (seconds(self.cool_down, 0, 600), "cool_down", "0 to 600 s"),
            (self.long_send_budget.is_none_or(Rate::is_bounded), "long_send_budget", RATE),
            (
                (1..=MAX_RECOVERY_CODES).contains(&usize::from(self.recovery_codes)),
                "recovery_codes",
                "1 to 16",
            ),
            ((1..=64).contains(&self.max_authenticators), "max_authenticators", "1 to 64"),
            ((1..=8).contains(&self.max_unconfirmed), "max_unconfirmed", "1 to 8"),
            ((1..=MAX_CHALLENGES).contains(&usize::from(self.max_challenges)), "max_challenges", "1 to 16"),
        ];
        let row = rows.into_iter().find(|(in_range, ..)| !in_range);
        row.map(|(_, setting, range)| PolicyError { setting, range })
    }
}

const _: () = assert!(MAX_AUTHENTICATORS >= 64 + 8, "the record must hold what a policy may allow");

/// The most attempts a stored pair may have left.
pub(crate) const MAX_ATTEMPTS: u8 = 10;

/// The most wrong codes in a row that a stored authenticator may have.
pub(crate) const MAX_FAILURES: u8 = 100;

/// A setting is out of its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicyError {
    setting: &'static str,
    range: &'static str,
}

impl PolicyError {
    /// The name of the setting, as [`Settings`] spells it.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is out of range: it takes {}", self.setting, self.range)
    }
}

impl core::error::Error for PolicyError {}

/// Settings that were checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy(Settings);

impl Policy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`PolicyError`] names the first setting that is out of its range.
    pub fn new(settings: Settings) -> Result<Self, PolicyError> {
        settings.out_of_range().map_or(Ok(Self(settings)), Err)
    }

    /// The preset of [`Settings::auth0`].
    #[must_use]
    pub fn auth0() -> Self {
        Self(Settings::auth0())
    }

    /// The preset of [`Settings::strict`].
    #[must_use]
    pub fn strict() -> Self {
        Self(Settings::strict())
    }

    /// The settings, to read or to build another policy from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0
    }

    /// The chance that somebody who holds the first factor for a whole year, and guesses as often as this policy lets
    /// them, hits a binding code once: 1 − (1 − 10^−digits)^guesses, where guesses is what the tighter of the guess bucket
    /// and the long budget admits in 365 days.
    ///
    /// The cap on wrong codes in a row is left out: the account's holder may clear it by logging in meanwhile. One code
    /// is acceptable at a time, because a code is bound to its handle. For the presets this gives about 0.00039
    /// (`default`), 0.084 (`auth0`) and 0.0000039 (`strict`).
    #[must_use]
    pub fn guess_probability(&self) -> f64 {
        let year = Duration::days(365);
        let long = self.0.long_guess_budget.map_or(u64::MAX, |rate| rate.admits(year));
        let guesses = self.0.guess_bucket.admits(year).min(long);
        let one_miss = 1.0 - (0..self.0.code_digits).fold(1.0, |chance, _| chance / 10.0);
        1.0 - power(one_miss, guesses)
    }

    /// How long a code for this purpose lives, in milliseconds.
    pub(crate) fn lifetime_ms(&self, purpose: &Purpose, standalone: bool) -> u64 {
        clock::span(match purpose {
            Purpose::Confirm if standalone => self.0.confirmation_lifetime,
            Purpose::Confirm | Purpose::Authenticate | Purpose::Custom(_) => self.0.code_lifetime,
        })
    }
}

impl Default for Policy {
    /// The preset of [`Settings::default`].
    fn default() -> Self {
        Self(Settings::default())
    }
}

/// `base` to the power of `exponent`, by squaring: `core` has no `powi`.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_pass_their_own_checks() {
        for settings in [Settings::default(), Settings::auth0(), Settings::strict()] {
            assert_eq!(settings.out_of_range(), None);
        }
    }

    #[test]
    fn every_limit_is_refused_by_name_on_both_sides() {
        type Change = fn(&mut Settings);
        let long = Duration::days(367);
        assert!(!Rate::new(1, long).is_bounded());
        let rows: [(&str, Change, Change); 16] = [
            ("code_digits", |s| s.code_digits = 5, |s| s.code_digits = 10),
            (
                "code_lifetime",
                |s| s.code_lifetime = Duration::ZERO,
                |s| s.code_lifetime = Duration::seconds(601),
            ),
            (
                "confirmation_lifetime",
                |s| s.confirmation_lifetime = Duration::seconds(-1),
                |s| s.confirmation_lifetime = Duration::seconds(86_401),
            ),
            ("attempts", |s| s.attempts = 0, |s| s.attempts = 11),
            (
                "token_lifetime",
                |s| s.token_lifetime = Duration::ZERO,
                |s| s.token_lifetime = Duration::seconds(601),
            ),
            (
                "guess_bucket",
                |s| s.guess_bucket = Rate::new(0, Duration::SECOND),
                |s| s.guess_bucket = Rate::new(1, Duration::ZERO),
            ),
            (
                "long_guess_budget",
                |s| s.long_guess_budget = Some(Rate::new(1_001, Duration::SECOND)),
                |s| s.long_guess_budget = Some(Rate::new(1, Duration::days(367))),
            ),
            ("failure_cap", |s| s.failure_cap = 0, |s| s.failure_cap = 101),
            (
                "recovery_bucket",
                |s| s.recovery_bucket = Rate::new(0, Duration::SECOND),
                |s| s.recovery_bucket = Rate::new(1, Duration::MAX),
            ),
            (
                "send_bucket",
                |s| s.send_bucket = Rate::new(0, Duration::SECOND),
                |s| s.send_bucket = Rate::new(1, Duration::milliseconds(999)),
            ),
            ("cool_down", |s| s.cool_down = Duration::seconds(-1), |s| s.cool_down = Duration::seconds(601)),
            (
                "long_send_budget",
                |s| s.long_send_budget = Some(Rate::new(0, Duration::SECOND)),
                |s| s.long_send_budget = Some(Rate::new(1, Duration::MIN)),
            ),
            ("recovery_codes", |s| s.recovery_codes = 0, |s| s.recovery_codes = 17),
            ("max_authenticators", |s| s.max_authenticators = 0, |s| s.max_authenticators = 65),
            ("max_unconfirmed", |s| s.max_unconfirmed = 0, |s| s.max_unconfirmed = 9),
            ("max_challenges", |s| s.max_challenges = 0, |s| s.max_challenges = 17),
        ];
        for (setting, below, above) in rows {
            for change in [below, above] {
                let mut settings = Settings::default();
                change(&mut settings);
                assert_eq!(Policy::new(settings).err().map(|error| error.setting()), Some(setting));
            }
        }
    }

    #[test]
    fn guess_probability_is_the_published_arithmetic() {
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.01;
        assert!(near(Policy::default().guess_probability(), 3.95e-4));
        assert!(near(Policy::auth0().guess_probability(), 0.0839));
        assert!(near(Policy::strict().guess_probability(), 3.95e-6));
    }
}
