//! The factor TOTP: an app makes a code from the time and a secret, and whoever types it holds the app.
//!
//! Auth0 calls it an `otp` authenticator. A code is accepted once: its step, and every step before it, is
//! over then (RFC 6238 section 5.2), and that holds of the code that confirms an enrollment as well. It does
//! not resist phishing.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        factor::Factor,
        one_time::{OneTime, SecretSource},
        spec::Spec,
    },
    otp::{hotp::Window, key_uri::Moving, totp},
    policy::policy::Policy,
    value::{id::AuthenticatorKind, instant::Millis, one_time_password::OtpAlgorithm},
};

/// Possession of an app that makes codes from the time.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct TotpFactor {
    algorithm: OtpAlgorithm,
    digits: u8,
    /// In seconds.
    step: u16,
    secret: SecretSource,
    last_step: Option<u64>,
}

impl TotpFactor {
    /// A factor as the policy has it now. What the app was told never changes.
    pub(super) fn new(policy: &Policy, secret: SecretSource) -> Self {
        let settings = &policy.settings().totp;
        let (algorithm, digits, step) = (settings.algorithm, settings.digits, settings.step_seconds());
        Self { algorithm, digits, step, secret, last_step: None }
    }

    /// The hash of its codes.
    #[must_use]
    pub const fn algorithm(&self) -> OtpAlgorithm {
        self.algorithm
    }

    /// How many digits its codes have.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// How many seconds a code stands.
    #[must_use]
    pub const fn step(&self) -> u16 {
        self.step
    }

    /// The step of the last accepted code, counted from the Unix epoch.
    #[must_use]
    pub const fn last_step(&self) -> Option<u64> {
        self.last_step
    }
}

impl Spec for TotpFactor {
    fn kind(&self) -> AuthenticatorKind {
        AuthenticatorKind::Totp
    }

    fn channel(&self) -> Option<Channel> {
        None
    }

    fn address(&self, _channel: Channel) -> Option<&[u8]> {
        None
    }

    fn destination(&self, _channel: Channel) -> Option<Destination> {
        None
    }

    fn label(&self) -> FactorLabel {
        FactorLabel::Kind(self.kind())
    }

    fn one_time(&self) -> Option<&dyn OneTime> {
        Some(self)
    }
}

impl OneTime for TotpFactor {
    fn terms(&self) -> (OtpAlgorithm, u8) {
        (self.algorithm, self.digits)
    }

    fn source(&self) -> &SecretSource {
        &self.secret
    }

    #[cfg(feature = "serde")]
    fn accepted(&self) -> Option<u64> {
        self.last_step
    }

    fn window(&self, policy: &Policy, now: Millis) -> Window {
        let settings = &policy.settings().totp;
        totp::window(now, self.step, (settings.steps_back, settings.steps_ahead), self.last_step)
    }

    fn window_of_four(&self, policy: &Policy, now: Millis) -> Window {
        self.window(policy, now)
    }

    fn moving(&self) -> Moving {
        Moving::Period(self.step)
    }

    fn accepting(&self, step: u64) -> Factor {
        Factor::Totp(Self { last_step: Some(step), ..self.clone() })
    }
}
