//! The checked policy. There must never be one that a setting out of range went into.

use crate::{
    policy::settings::{FactorUse, PolicyError, Settings},
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
