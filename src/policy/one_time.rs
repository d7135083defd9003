//! The settings of one-time passwords. This module must never widen a window beyond its documented range:
//! each counter in it makes a guess likelier.

use time::Duration;

use crate::{
    policy::bounds::RESYNC_LOOK_AHEAD,
    value::one_time_password::{OtpAlgorithm, OtpCode},
};

/// Codes that an app makes from the time (RFC 6238).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TotpSettings {
    /// The hash of a new authenticator. One that is enrolled keeps its own.
    pub algorithm: OtpAlgorithm,
    /// Digits of a code of a new authenticator, 6 to 8.
    pub digits: u8,
    /// How long a code of a new authenticator stands, 1 to 120 s in whole seconds (NIST SP 800-63B-4 section
    /// 3.1.4: it changes every two minutes at least).
    pub step: Duration,
    /// How many steps before the present one are taken, 0 to 2 (RFC 6238 section 5.2 recommends one at most).
    pub steps_back: u8,
    /// How many steps behind the present one are taken, 0 to 2.
    pub steps_ahead: u8,
}

impl TotpSettings {
    /// SHA-1, six digits and 30 s, which every app knows; the present step and the one before it.
    pub(super) const COMMON: Self = Self {
        algorithm: OtpAlgorithm::Sha1,
        digits: 6,
        step: Duration::seconds(30),
        steps_back: 1,
        steps_ahead: 0,
    };

    /// The step in seconds; 0 if it is out of its range.
    pub(crate) fn step_seconds(&self) -> u16 {
        u16::try_from(self.step.whole_seconds()).unwrap_or(0)
    }

    /// Each setting, whether it is in its range, and the range.
    pub(super) fn ranges(&self) -> [(bool, &'static str, &'static str); 4] {
        let whole = self.step == Duration::seconds(self.step_seconds().into());
        [
            (is_length(self.digits), "totp.digits", DIGITS),
            (
                whole && (1..=MAX_STEP_SECONDS).contains(&self.step_seconds()),
                "totp.step",
                "1 to 120 s in whole seconds",
            ),
            (self.steps_back <= MAX_STEPS, "totp.steps_back", "0 to 2"),
            (self.steps_ahead <= MAX_STEPS, "totp.steps_ahead", "0 to 2"),
        ]
    }

    /// How many codes are right at one time.
    pub(super) const fn window(&self) -> u8 {
        self.steps_back.saturating_add(self.steps_ahead).saturating_add(1)
    }
}

/// Codes that a device makes from a counter (RFC 4226).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HotpSettings {
    /// Digits of a code of a new authenticator, 6 to 8.
    pub digits: u8,
    /// How many counters behind the expected one are looked at, 0 to 50 (RFC 4226 section 7.4: as few as
    /// usable).
    pub look_ahead: u8,
}

impl HotpSettings {
    /// How many rows of four codes are right at one time: within the look-ahead of these, the last is the
    /// code of any counter from the fourth on.
    pub(super) const ROWS: u8 = RESYNC_LOOK_AHEAD + 2 - OtpCode::IN_A_ROW;

    /// Each setting, whether it is in its range, and the range.
    pub(super) fn ranges(&self) -> [(bool, &'static str, &'static str); 2] {
        [
            (is_length(self.digits), "hotp.digits", DIGITS),
            (self.look_ahead <= MAX_LOOK_AHEAD, "hotp.look_ahead", "0 to 50"),
        ]
    }

    /// How many codes are right at one time.
    pub(super) const fn window(&self) -> u8 {
        self.look_ahead.saturating_add(1)
    }
}

const DIGITS: &str = "6 to 8";

fn is_length(digits: u8) -> bool {
    (OtpCode::MIN_DIGITS..=OtpCode::MAX_DIGITS).contains(&digits)
}

/// The most steps on one side of the present one.
const MAX_STEPS: u8 = 2;

/// The most counters behind the expected one.
const MAX_LOOK_AHEAD: u8 = 50;

/// The longest step.
pub(crate) const MAX_STEP_SECONDS: u16 = 120;
