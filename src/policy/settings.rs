//! The settings, their ranges and the presets. This module must never clamp a value: one out of range is refused by
//! name.

use core::fmt;
use time::Duration;

use crate::{
    policy::{
        bounds::{
            LANE_CHALLENGES, LONGEST_DEVICE_MS, MAX_ATTEMPTS, MAX_CONFIRMED, MAX_FAILURES,
            MAX_RECOVERY_CODES, MAX_UNCONFIRMED,
        },
        one_time::{HotpSettings, TotpSettings},
        rate::Rate,
    },
    value::{binding_code::BindingCode, id::AuthenticatorKind, instant},
};

/// What every rate takes.
pub(super) const RATE: &str =
    "a burst of 1 to 1,000, and an interval of one second to 366 days in whole milliseconds";

/// What a factor is good for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing between confirming and authenticating")]
pub enum FactorUse {
    /// It is neither enrolled nor challenged.
    Off,
    /// It is enrolled, which confirms its destination, and completes no login.
    ConfirmOnly,
    /// It completes a login.
    Authenticate,
}

/// What each factor is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Factors {
    /// A code sent to an email address.
    pub email: FactorUse,
    /// A code that an app makes from the time.
    pub totp: FactorUse,
    /// A code that a device makes from a counter.
    pub hotp: FactorUse,
}

impl Factors {
    /// What a kind is good for. A recovery code is not the policy's to switch off: it always authenticates.
    pub(super) const fn of(&self, kind: AuthenticatorKind) -> FactorUse {
        match kind {
            AuthenticatorKind::Email => self.email,
            AuthenticatorKind::Totp => self.totp,
            AuthenticatorKind::Hotp => self.hotp,
            AuthenticatorKind::RecoveryCode => FactorUse::Authenticate,
        }
    }

    /// Whether any of them completes a login.
    fn any_authenticates(&self) -> bool {
        let mut factors = AuthenticatorKind::ALL.into_iter().filter(|kind| kind.is_factor());
        factors.any(|kind| self.of(kind) == FactorUse::Authenticate)
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

/// What an empty guess budget does to its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum WhenExhausted {
    /// Every code grows longer: a message carries 20 digits, and of one-time passwords four in a row are
    /// taken at once. Wrong ones are counted nowhere, so the account's holder is never kept out. It ends when
    /// both guess budgets hold a challenge's attempts again.
    Harden,
    /// The same for messages alone; any other code is refused until the budgets refill (NIST SP 800-63B-4
    /// section 3.1.4 wants a limit for each output of less than 64 bits).
    HardenMessages,
    /// No code is taken and none sent until the budgets refill (Auth0).
    Lock,
}

/// What the cap of wrong codes in a row does to an authenticator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum AtCap {
    /// It gets long codes in that lane, until one of them is right.
    Harden,
    /// It is disabled for good. Devices and sessions stay as they are.
    Disable,
}

/// How devices are remembered: for how long, and what that is good for.
///
/// A device that was remembered is on the known lane of its account: nobody who has only the password can use
/// up its guesses and messages. At most 8 are remembered for each account; the one unused longest goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remember {
    lifetime: Duration,
    skips_second_factor: bool,
}

impl Remember {
    /// Devices are remembered for so long after a second factor was proven on them, 1 s to 90 days. If
    /// `skips_second_factor`, one takes the place of a second factor until then: see
    /// [`verify_device`](crate::Verifier::verify_device).
    #[must_use]
    pub const fn new(lifetime: Duration, skips_second_factor: bool) -> Self {
        Self { lifetime, skips_second_factor }
    }

    /// How long a device is remembered. A shorter lifetime counts at once, for devices that are remembered
    /// already, too.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether a remembered device completes a login.
    #[must_use]
    pub const fn skips_second_factor(&self) -> bool {
        self.skips_second_factor
    }

    /// The lifetime in milliseconds.
    pub(crate) fn lifetime_ms(self) -> u64 {
        instant::span(self.lifetime)
    }

    fn is_bounded(self) -> bool {
        let span = self.lifetime_ms();
        instant::is_whole(self.lifetime) && (1_000..=LONGEST_DEVICE_MS).contains(&span)
    }
}

/// What a [`Policy`](crate::Policy) is built from. Take a preset, change what you must, build.
///
/// ```
/// # fn main() -> Result<(), countersign::policy::PolicyError> {
/// use countersign::{Policy, policy::Settings};
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
    /// What each factor is good for. One at least completes a login, or nobody could sign in.
    pub factors: Factors,
    /// Codes that an app makes from the time.
    pub totp: TotpSettings,
    /// Codes that a device makes from a counter.
    pub hotp: HotpSettings,
    /// Digits of a binding code, 6 to 9.
    pub code_digits: u8,
    /// How long a code to confirm or authenticate lives, 1 to 600 s (NIST SP 800-63B-4 section 3.1.3.2: 10 minutes).
    pub code_lifetime: Duration,
    /// Wrong codes for one authenticator in one transaction, 1 to 10.
    pub attempts: u8,
    /// How long an `mfa_token` lives, 60 to 600 s. In its last 30 s no code is sent.
    pub token_lifetime: Duration,
    /// How old the second factor of an elevated session may be where it changes factors, 1 to 86,400 s (ASVS 5.0
    /// requirement 7.5.1).
    pub elevated_max_age: Duration,
    /// Wrong codes of the whole account, for each lane.
    pub guess_bucket: Rate,
    /// Wrong codes of the whole account in the long run, for each lane. `None` is off.
    pub long_guess_budget: Option<Rate>,
    /// What happens to a lane when one of the two is empty.
    pub when_exhausted: WhenExhausted,
    /// Wrong codes in a row for one authenticator in one lane, 1 to 100.
    pub failure_cap: u8,
    /// What happens at that cap. If the authenticator is disabled, it also is at 100 in both lanes together
    /// (NIST SP 800-63B-4 section 3.2.2).
    pub at_cap: AtCap,
    /// Wrong recovery codes of the whole account.
    pub recovery_bucket: Rate,
    /// What an empty recovery bucket does.
    pub recovery_throttle: RecoveryThrottle,
    /// Messages to the whole account, for each lane, and for what elevated sessions enroll.
    pub send_bucket: Rate,
    /// How long no second message goes to one authenticator in one transaction, 0 (off) to 600 s.
    pub cool_down: Duration,
    /// The same in the long run. `None` is off.
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
    /// How many challenges the record holds for each lane, 1 to 16.
    pub max_challenges: u8,
    /// How devices are remembered. `None` is off, also for those that an earlier policy remembered.
    pub remember: Option<Remember>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            factors: Factors {
                email: FactorUse::Authenticate,
                totp: FactorUse::Authenticate,
                hotp: FactorUse::Off,
            },
            totp: TotpSettings::COMMON,
            hotp: HotpSettings { digits: 6, look_ahead: 5 },
            code_digits: 6,
            code_lifetime: Duration::seconds(300),
            attempts: 5,
            token_lifetime: Duration::seconds(600),
            elevated_max_age: Duration::seconds(900),
            guess_bucket: Rate::new(10, Duration::seconds(360)),
            long_guess_budget: Some(Rate::new(30, Duration::days(1))),
            when_exhausted: WhenExhausted::Harden,
            failure_cap: 50,
            at_cap: AtCap::Harden,
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
            remember: Some(Remember::new(Duration::days(30), false)),
        }
    }
}

impl Settings {
    /// What Auth0 documents: one recovery code that is replaced on use, ten wrong codes and one more each six
    /// minutes, twenty messages and one more each minute. An account that was guessed at is locked, which
    /// somebody with the password can do to it again and again. Its lack of a long budget makes guessing
    /// likelier by two hundred times: see [`Policy::guess_probability`](crate::Policy::guess_probability).
    #[must_use]
    pub fn auth0() -> Self {
        Self {
            totp: TotpSettings { steps_ahead: 1, ..TotpSettings::COMMON },
            attempts: 10,
            long_guess_budget: None,
            when_exhausted: WhenExhausted::Lock,
            failure_cap: 100,
            at_cap: AtCap::Disable,
            recovery_throttle: RecoveryThrottle::Refuse,
            send_bucket: Rate::new(20, Duration::seconds(60)),
            cool_down: Duration::ZERO,
            long_send_budget: None,
            recovery_codes: 1,
            recovery_use: RecoveryUse::Replace,
            max_authenticators: 50,
            max_unconfirmed: 5,
            remember: Some(Remember::new(Duration::days(30), true)),
            ..Self::default()
        }
    }

    /// The verifier-side limits of NIST SP 800-63B-4 and OWASP ASVS 5.0 level 3. Email only confirms
    /// addresses; TOTP completes a login.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            factors: Factors { email: FactorUse::ConfirmOnly, ..Self::default().factors },
            hotp: HotpSettings { digits: 6, look_ahead: 2 },
            code_digits: 8,
            attempts: 3,
            guess_bucket: Rate::new(5, Duration::seconds(1_800)),
            long_guess_budget: Some(Rate::new(10, Duration::days(8))),
            when_exhausted: WhenExhausted::HardenMessages,
            failure_cap: 20,
            at_cap: AtCap::Disable,
            recovery_bucket: Rate::new(5, Duration::seconds(1_800)),
            send_bucket: Rate::new(3, Duration::seconds(300)),
            cool_down: Duration::seconds(60),
            long_send_budget: Some(Rate::new(10, Duration::seconds(8_640))),
            resend: Resend::Rotate,
            recovery_use: RecoveryUse::Replace,
            max_authenticators: 8,
            max_unconfirmed: 2,
            max_challenges: 4,
            remember: Some(Remember::new(Duration::days(90), false)),
            ..Self::default()
        }
    }

    /// The first setting that is out of its range, with the range.
    pub(super) fn out_of_range(&self) -> Option<PolicyError> {
        let seconds = |span: Duration, least, most| {
            span >= Duration::seconds(least) && span <= Duration::seconds(most) && instant::is_whole(span)
        };
        let digits = BindingCode::MIN_DIGITS..=BindingCode::MAX_DIGITS;
        let factors = (self.factors.any_authenticates(), "factors", "at least one factor that authenticates");
        let rows = [
            (digits.contains(&self.code_digits), "code_digits", "6 to 9"),
            (seconds(self.code_lifetime, 1, 600), "code_lifetime", "1 to 600 s in whole milliseconds"),
            ((1..=MAX_ATTEMPTS).contains(&self.attempts), "attempts", "1 to 10"),
            (seconds(self.token_lifetime, 60, 600), "token_lifetime", "60 to 600 s in whole milliseconds"),
            (
                seconds(self.elevated_max_age, 1, 86_400),
                "elevated_max_age",
                "1 to 86,400 s in whole milliseconds",
            ),
            (self.guess_bucket.is_bounded(), "guess_bucket", RATE),
            (self.long_guess_budget.is_none_or(Rate::is_bounded), "long_guess_budget", RATE),
            ((1..=MAX_FAILURES).contains(&self.failure_cap), "failure_cap", "1 to 100"),
            (self.recovery_bucket.is_bounded(), "recovery_bucket", RATE),
            (self.send_bucket.is_bounded(), "send_bucket", RATE),
            (seconds(self.cool_down, 0, 600), "cool_down", "0 to 600 s in whole milliseconds"),
            (self.long_send_budget.is_none_or(Rate::is_bounded), "long_send_budget", RATE),
            (
                (1..=MAX_RECOVERY_CODES).contains(&usize::from(self.recovery_codes)),
                "recovery_codes",
                "1 to 16",
            ),
            (
                (1..=MAX_CONFIRMED).contains(&usize::from(self.max_authenticators)),
                "max_authenticators",
                "1 to 64",
            ),
            ((1..=MAX_UNCONFIRMED).contains(&usize::from(self.max_unconfirmed)), "max_unconfirmed", "1 to 8"),
            ((1..=LANE_CHALLENGES).contains(&self.max_challenges), "max_challenges", "1 to 16"),
            (
                self.remember.is_none_or(Remember::is_bounded),
                "remember",
                "a lifetime of 1 s to 90 days in whole milliseconds",
            ),
        ];
        let one_time = self.totp.ranges().into_iter().chain(self.hotp.ranges());
        let row = core::iter::once(factors).chain(one_time).chain(rows).find(|(in_range, ..)| !in_range);
        row.map(|(_, setting, range)| PolicyError::new(setting, range))
    }
}

/// A setting is out of its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicyError {
    setting: &'static str,
    range: &'static str,
}

impl PolicyError {
    pub(super) const fn new(setting: &'static str, range: &'static str) -> Self {
        Self { setting, range }
    }

    /// The name of the setting, as [`Settings`] and [`ProofSettings`](crate::address_proof::ProofSettings) spell it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::policy::Policy;

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
        let rows: [(&str, Change, Change); 23] = [
            ("totp.digits", |s| s.totp.digits = 5, |s| s.totp.digits = 9),
            ("totp.step", |s| s.totp.step = Duration::ZERO, |s| s.totp.step = Duration::seconds(122)),
            ("totp.steps_back", |s| s.totp.steps_back = 3, |s| s.totp.steps_back = u8::MAX),
            ("totp.steps_ahead", |s| s.totp.steps_ahead = 3, |s| s.totp.steps_ahead = u8::MAX),
            ("hotp.digits", |s| s.hotp.digits = 5, |s| s.hotp.digits = 9),
            ("hotp.look_ahead", |s| s.hotp.look_ahead = 51, |s| s.hotp.look_ahead = u8::MAX),
            ("code_digits", |s| s.code_digits = 5, |s| s.code_digits = 10),
            (
                "code_lifetime",
                |s| s.code_lifetime = Duration::ZERO,
                |s| s.code_lifetime = Duration::seconds(601),
            ),
            ("attempts", |s| s.attempts = 0, |s| s.attempts = 11),
            (
                "token_lifetime",
                |s| s.token_lifetime = Duration::seconds(59),
                |s| s.token_lifetime = Duration::seconds(601),
            ),
            (
                "elevated_max_age",
                |s| s.elevated_max_age = Duration::ZERO,
                |s| s.elevated_max_age = Duration::seconds(86_401),
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
            (
                "remember",
                |s| s.remember = Some(Remember::new(Duration::milliseconds(999), false)),
                |s| s.remember = Some(Remember::new(Duration::milliseconds(90 * 86_400_000 + 1), true)),
            ),
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
    fn a_step_has_whole_seconds_and_both_ends_of_every_range_are_taken() {
        for step in
            [Duration::milliseconds(1_500), Duration::new(30, 1), Duration::seconds(-30), Duration::MAX]
        {
            let mut settings = Settings::default();
            settings.totp.step = step;
            assert_eq!(Policy::new(settings).unwrap_err().setting(), "totp.step", "{step}");
        }
        for (digits, step, steps, look_ahead) in [(6, 1, 0, 0), (8, 120, 2, 50)] {
            let mut settings = Settings::default();
            settings.totp.step = Duration::seconds(step);
            (settings.totp.digits, settings.hotp.digits, settings.hotp.look_ahead) =
                (digits, digits, look_ahead);
            (settings.totp.steps_back, settings.totp.steps_ahead) = (steps, steps);
            assert_eq!(i64::from(settings.totp.step_seconds()), step);
            assert!(Policy::new(settings).is_ok());
        }
    }

    /// L26: a policy under which nobody could sign in was accepted. Each factor alone is enough.
    #[test]
    fn l26_a_policy_without_a_factor_that_authenticates_is_refused_by_name() {
        let with = |change: fn(&mut Factors)| {
            let mut settings = Settings::default();
            let Factors { email, totp, hotp, .. } = &mut settings.factors;
            (*email, *totp, *hotp) = (FactorUse::ConfirmOnly, FactorUse::Off, FactorUse::ConfirmOnly);
            change(&mut settings.factors);
            Policy::new(settings)
        };
        for change in [|_: &mut Factors| {}, |factors: &mut Factors| factors.email = FactorUse::Off] {
            let error = with(change).unwrap_err();
            assert_eq!(error.setting(), "factors");
            let told = "factors is out of range: it takes at least one factor that authenticates";
            assert_eq!(alloc::format!("{error}"), told);
        }
        assert!(with(|factors| factors.email = FactorUse::Authenticate).is_ok());
        assert!(with(|factors| factors.totp = FactorUse::Authenticate).is_ok());
        assert!(with(|factors| factors.hotp = FactorUse::Authenticate).is_ok());
    }

    /// L24: a rate of one per 360.0005 s was accepted, and cut.
    #[test]
    fn a_fraction_of_a_millisecond_is_refused_by_name() {
        type Change = fn(&mut Settings, Duration);
        let rows: [(&str, Change); 10] = [
            ("code_lifetime", |s, span| s.code_lifetime = span),
            ("token_lifetime", |s, span| s.token_lifetime = span),
            ("elevated_max_age", |s, span| s.elevated_max_age = span),
            ("guess_bucket", |s, span| s.guess_bucket = Rate::new(1, span)),
            ("long_guess_budget", |s, span| s.long_guess_budget = Some(Rate::new(1, span))),
            ("recovery_bucket", |s, span| s.recovery_bucket = Rate::new(1, span)),
            ("send_bucket", |s, span| s.send_bucket = Rate::new(1, span)),
            ("cool_down", |s, span| s.cool_down = span),
            ("long_send_budget", |s, span| s.long_send_budget = Some(Rate::new(1, span))),
            ("remember", |s, span| s.remember = Some(Remember::new(span, false))),
        ];
        for (setting, change) in rows {
            let mut settings = Settings::default();
            change(&mut settings, Duration::milliseconds(360_001));
            assert!(Policy::new(settings.clone()).is_ok(), "{setting}");
            for nanoseconds in [1, 500_000, 999_999] {
                change(&mut settings, Duration::new(360, nanoseconds));
                let error = Policy::new(settings.clone()).unwrap_err();
                assert_eq!(error.setting(), setting, "{nanoseconds} ns");
                assert!(alloc::format!("{error}").contains("whole milliseconds"), "{error}");
            }
        }
    }
}
