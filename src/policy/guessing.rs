//! The chance of a thief who guesses as often as the policy admits. The result must never be below the true chance.

use time::Duration;

use crate::{
    policy::{
        one_time::HotpSettings,
        policy::Policy,
        settings::{FactorUse, Settings},
    },
    value::{id::AuthenticatorKind, lane::Lane},
};

/// How long the thief has.
const YEAR: Duration = Duration::days(365);

/// How many wrong answers a hardened lane takes: as many as a host answers to one account, which limits
/// requests.
const HARDENED_GUESSES_A_SECOND: f64 = 1_000.0;

impl Policy {
    /// The chance that somebody who guesses for a whole year, as often as this policy lets them, hits a code
    /// once: the worst that the policy allows. The thief has every factor that is on to guess at, and both
    /// lanes: the password, and a session that is known.
    ///
    /// For the presets this gives about 0.0016 (`default`), 0.41 (`auth0`) and 0.00022 (`strict`), and
    /// half of that for one lane (0.23 with `auth0`), which is all that a password opens: see
    /// [`guess_probability_of`](Self::guess_probability_of). With email alone it is 0.00079, 0.16 and
    /// 0.0000011. For a given account, ask
    /// [`Verifier::guess_probability`](crate::Verifier::guess_probability).
    #[must_use]
    pub fn guess_probability(&self) -> f64 {
        let kinds = AuthenticatorKind::ALL.into_iter().filter(|kind| kind.is_factor());
        self.chance(kinds.filter(|&kind| self.admits(kind) != FactorUse::Off), 2)
    }

    /// The same for somebody who has these kinds of factor to guess at, in these lanes; a kind that an
    /// account has twice is named twice.
    ///
    /// In each lane the thief has as many short guesses as the tighter of the guess bucket and the long
    /// budget admits in 365 days: 1 − (1 − p)^guesses, where p is the chance of one guess at the best of the
    /// kinds. Where the policy hardens there are 1,000 long guesses a second beside them. The cap on wrong
    /// codes in a row is left out: the account's holder may clear it by signing in meanwhile. One binding code
    /// is right at a time, because a code is bound to its handle; of one-time passwords as many are right as
    /// the window has counters. A guess is at one authenticator, because the request names it where there are
    /// several, so a second app is no second chance. Recovery codes are left out: with 120 bits, a year of
    /// such guesses has a chance of 10^-25.
    #[must_use]
    pub fn guess_probability_of(&self, kinds: &[AuthenticatorKind], lanes: &[Lane]) -> f64 {
        let lanes = Lane::ALL.iter().filter(|lane| lanes.contains(lane)).count();
        self.chance(kinds.iter().copied(), u32::try_from(lanes).unwrap_or(2))
    }

    fn chance(&self, kinds: impl Iterator<Item = AuthenticatorKind>, lanes: u32) -> f64 {
        let chances = kinds.filter_map(|kind| self.chances(kind));
        let best = chances.reduce(|(short, long), other| (short.max(other.0), long.max(other.1)));
        let Some((short, long)) = best.filter(|_| lanes > 0) else { return 0.0 };
        let rates = self.guess_rates();
        let guesses = rates.long.map_or(u64::MAX, |rate| rate.admits(YEAR)).min(rates.bucket.admits(YEAR));
        let short = 1.0 - power(1.0 - short, guesses.saturating_mul(u64::from(lanes)));
        // One in 10^20 vanishes beside 1, so here the chances of all guesses are added up, which is never too
        // little.
        let long = long * HARDENED_GUESSES_A_SECOND * YEAR.as_seconds_f64();
        (short + long).min(1.0)
    }

    /// The chances of one short guess and of one long guess at a factor of this kind; the second is 0 where
    /// the policy locks.
    fn chances(&self, kind: AuthenticatorKind) -> Option<(f64, f64)> {
        let Settings { totp, hotp, code_digits, .. } = &self.0;
        if kind == AuthenticatorKind::Totp {
            Some(one_time(totp.window(), totp.window(), totp.digits))
        } else if kind == AuthenticatorKind::Hotp {
            Some(one_time(hotp.window(), HotpSettings::ROWS, hotp.digits))
        } else if kind.is_factor() {
            let long = if self.hardens_messages() { one_in_ten_to(20) } else { 0.0 };
            Some((one_in_ten_to(*code_digits), long))
        } else {
            None
        }
    }
}

/// The chances of one code and of four at once, where so many are right at one time. Four are always taken.
fn one_time(one: u8, four: u8, digits: u8) -> (f64, f64) {
    let chance = one_in_ten_to(digits);
    (f64::from(one) * chance, f64::from(four) * chance * chance * chance * chance)
}

/// 10^−`digits`.
fn one_in_ten_to(digits: u8) -> f64 {
    (0..digits).fold(1.0, |chance, _| chance / 10.0)
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
    use crate::policy::settings::WhenExhausted;

    const EMAIL: [AuthenticatorKind; 1] = [AuthenticatorKind::Email];

    fn near(value: f64, expected: f64) -> bool {
        (value / expected - 1.0).abs() < 0.01
    }

    #[test]
    fn guess_probability_is_the_published_arithmetic() {
        let rows = [
            (Policy::default(), 3.95e-4, 7.90e-4),
            (Policy::auth0(), 0.0839, 0.1607),
            (Policy::strict(), 5.50e-7, 1.10e-6),
        ];
        for (policy, one, both) in rows {
            for lane in Lane::ALL {
                assert!(near(policy.guess_probability_of(&EMAIL, &[lane]), one));
                assert!(near(policy.guess_probability_of(&EMAIL, &[lane, lane]), one), "a lane is one lane");
            }
            assert!(near(policy.guess_probability_of(&EMAIL, &Lane::ALL), both));
        }
        // An app has as many codes that are right at one time as its window has steps.
        let rows = [
            (Policy::default(), 7.90e-4, 1.58e-3),
            (Policy::auth0(), 0.2311, 0.4088),
            (Policy::strict(), 1.10e-4, 2.20e-4),
        ];
        for (policy, one, both) in rows {
            let totp = [AuthenticatorKind::Totp];
            assert!(near(policy.guess_probability_of(&totp, &Lane::ALL[..1]), one));
            assert!(near(policy.guess_probability_of(&totp, &Lane::ALL), both));
            let several = [AuthenticatorKind::Email, AuthenticatorKind::Totp, AuthenticatorKind::Totp];
            assert!(
                near(policy.guess_probability_of(&several, &Lane::ALL), both),
                "a guess is at one of them"
            );
            assert!(near(policy.guess_probability(), both));
        }
        let mut settings = Settings::default();
        (settings.totp.digits, settings.totp.steps_back, settings.totp.steps_ahead) = (8, 2, 1);
        settings.hotp.digits = 8;
        let policy = Policy::new(settings).unwrap();
        let of = |kind| policy.guess_probability_of(&[kind], &Lane::ALL[..1]);
        assert!(near(of(AuthenticatorKind::Totp), 4.0 * 3.95e-6));
        assert!(near(of(AuthenticatorKind::Hotp), 6.0 * 3.95e-6));
        assert!(near(policy.guess_probability(), 7.90e-4), "the weakest is email");
    }

    /// A row of four codes is a guess of its own: as many are right as may be the last of them.
    #[test]
    fn a_row_of_four_codes_is_as_likely_as_four_of_its_codes() {
        let policy = Policy::default();
        let is = |kind, one, four| {
            let (short, long) = policy.chances(kind).unwrap();
            assert!(near(short, one) && near(long, four), "{short} {long}");
        };
        is(AuthenticatorKind::Email, 1e-6, 1e-20);
        is(AuthenticatorKind::Totp, 2e-6, 2e-24);
        is(AuthenticatorKind::Hotp, 6e-6, 48e-24);
        let (_, long) = Policy::auth0().chances(AuthenticatorKind::Totp).unwrap();
        assert!(near(long, 3e-24), "four are taken under every policy");
    }

    #[test]
    fn a_factor_that_is_off_is_not_counted() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            Policy::new(settings).unwrap().guess_probability()
        };
        let off = |settings: &mut Settings| settings.factors.totp = FactorUse::Off;
        assert!(near(with(off), 7.90e-4));
        let confirms = |settings: &mut Settings| settings.factors.totp = FactorUse::ConfirmOnly;
        assert!(near(with(confirms), 1.58e-3), "what only confirms can be guessed at as well");
        let device = |settings: &mut Settings| settings.factors.hotp = FactorUse::Authenticate;
        assert!(near(with(device), 6.0 * 7.90e-4));
    }

    #[test]
    fn who_has_nothing_to_guess_at_hits_nothing() {
        let policy = Policy::default();
        assert!(policy.guess_probability_of(&[], &Lane::ALL) <= 0.0);
        assert!(policy.guess_probability_of(&EMAIL, &[]) <= 0.0);
        assert!(policy.guess_probability_of(&[AuthenticatorKind::RecoveryCode], &Lane::ALL) <= 0.0);
        let mut settings = Settings::default();
        (settings.factors.email, settings.factors.totp) = (FactorUse::Off, FactorUse::Off);
        assert!(Policy::unchecked(settings).guess_probability() <= 0.0);
    }

    #[test]
    fn hardened_guesses_are_added_where_the_policy_hardens() {
        let with = |when_exhausted| {
            let settings = Settings { when_exhausted, ..Settings::default() };
            Policy::new(settings).unwrap().guess_probability()
        };
        let (harden, messages, lock) =
            (with(WhenExhausted::Harden), with(WhenExhausted::HardenMessages), with(WhenExhausted::Lock));
        // 1,000 a second for a year, each with one chance in 10^20.
        assert!(near(harden - lock, 3.1536e-10) && near(messages - lock, 3.1536e-10));
    }

    #[test]
    fn no_chance_is_above_one() {
        let guess_bucket = crate::policy::rate::Rate::new(1_000, Duration::SECOND);
        let settings = Settings { guess_bucket, long_guess_budget: None, ..Settings::default() };
        let policy = Policy::new(settings).unwrap();
        assert!((0.999..=1.0).contains(&policy.guess_probability()));
    }
}
