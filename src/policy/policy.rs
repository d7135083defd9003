//! The checked policy. There must never be one that a setting out of range went into.

use crate::{
    policy::{
        rate::Rates,
        settings::{FactorUse, PolicyError, Remember, Settings, WhenExhausted},
    },
    value::{id::AuthenticatorKind, instant},
};

/// Settings that were checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy(pub(super) Settings);

impl Policy {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`PolicyError`] names the first setting that is out of its range.
    pub fn new(settings: Settings) -> Result<Self, PolicyError> {
        settings.out_of_range().map_or(Ok(Self(settings)), Err)
    }

    /// Settings that are not checked: of a policy under which nobody could sign in, for the tests of what it
    /// refuses.
    #[cfg(test)]
    pub(crate) const fn unchecked(settings: Settings) -> Self {
        Self(settings)
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

    /// What an authenticator of this kind is good for.
    #[must_use]
    pub const fn admits(&self, kind: AuthenticatorKind) -> FactorUse {
        self.0.factors.of(kind)
    }

    /// Whether an authenticator of this kind completes a login.
    pub(crate) fn authenticates(&self, kind: AuthenticatorKind) -> bool {
        self.admits(kind) == FactorUse::Authenticate
    }

    /// How devices are remembered.
    pub(crate) const fn remember(&self) -> Option<Remember> {
        self.0.remember
    }

    /// Whether a remembered device completes a login.
    pub(crate) fn device_skips(&self) -> bool {
        self.0.remember.is_some_and(|remember| remember.skips_second_factor())
    }

    /// Whether an empty guess budget makes the codes of messages long. If not, it locks.
    pub(crate) const fn hardens_messages(&self) -> bool {
        match self.0.when_exhausted {
            WhenExhausted::Harden | WhenExhausted::HardenMessages => true,
            WhenExhausted::Lock => false,
        }
    }

    /// Whether an empty guess budget asks for four one-time passwords at once. If not, it locks them.
    pub(crate) const fn hardens_otp(&self) -> bool {
        match self.0.when_exhausted {
            WhenExhausted::Harden => true,
            WhenExhausted::HardenMessages | WhenExhausted::Lock => false,
        }
    }

    /// How fast wrong codes may be spent in each lane.
    pub(crate) const fn guess_rates(&self) -> Rates {
        Rates { bucket: self.0.guess_bucket, long: self.0.long_guess_budget }
    }

    /// How fast messages may be spent in each lane, and on enrollments by elevated sessions.
    pub(crate) const fn send_rates(&self) -> Rates {
        Rates { bucket: self.0.send_bucket, long: self.0.long_send_budget }
    }

    /// How long a code lives, in milliseconds.
    pub(crate) fn code_lifetime_ms(&self) -> u64 {
        instant::span(self.0.code_lifetime)
    }
}

impl Default for Policy {
    /// The preset of [`Settings::default`].
    fn default() -> Self {
        Self(Settings::default())
    }
}
