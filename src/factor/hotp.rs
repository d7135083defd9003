//! The factor HOTP: a device makes a code from a counter and a secret, and whoever types it holds the device.
//!
//! The counter moves on at each press, so the device may be ahead: a few counters behind the expected one are
//! looked at (RFC 4226 section 7.4). A code is accepted once, and so is every one before it; a wrong one
//! moves nothing. One that ran further ahead is found again by four codes in a row, up to 50 counters ahead;
//! behind that it is enrolled anew. It does not resist phishing.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        factor::Factor,
        one_time::{OneTime, SecretSource},
        spec::Spec,
    },
    otp::{hotp::Window, key_uri::Moving},
    policy::{bounds::RESYNC_LOOK_AHEAD, policy::Policy},
    value::{
        id::AuthenticatorKind,
        instant::Millis,
        one_time_password::{OtpAlgorithm, OtpCode},
    },
};

/// Possession of a device that makes codes from a counter.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct HotpFactor {
    algorithm: OtpAlgorithm,
    digits: u8,
    secret: SecretSource,
    last_counter: Option<u64>,
}

impl HotpFactor {
    /// A factor as the policy has it now, with the hash of RFC 4226. What the device was told never changes.
    pub(super) const fn new(policy: &Policy, secret: SecretSource) -> Self {
        let digits = policy.settings().hotp.digits;
        Self { algorithm: OtpAlgorithm::Sha1, digits, secret, last_counter: None }
    }

    /// How many digits its codes have.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// The counter of the last accepted code.
    #[must_use]
    pub const fn last_counter(&self) -> Option<u64> {
        self.last_counter
    }
}

impl Spec for HotpFactor {
    fn kind(&self) -> AuthenticatorKind {
        AuthenticatorKind::Hotp
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

impl OneTime for HotpFactor {
    fn terms(&self) -> (OtpAlgorithm, u8) {
        (self.algorithm, self.digits)
    }

    fn source(&self) -> &SecretSource {
        &self.secret
    }

    #[cfg(feature = "serde")]
    fn accepted(&self) -> Option<u64> {
        self.last_counter
    }

    fn window(&self, policy: &Policy, _now: Millis) -> Window {
        Window::ahead_of(self.last_counter, policy.settings().hotp.look_ahead)
    }

    fn window_of_four(&self, _policy: &Policy, _now: Millis) -> Window {
        Window::of_rows(self.last_counter, OtpCode::IN_A_ROW, RESYNC_LOOK_AHEAD)
    }

    fn moving(&self) -> Moving {
        Moving::Counter(Window::ahead_of(self.last_counter, 0).first)
    }

    fn accepting(&self, counter: u64) -> Factor {
        Factor::Hotp(Self { last_counter: Some(counter), ..self.clone() })
    }
}
