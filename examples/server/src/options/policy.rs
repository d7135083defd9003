//! The limits, by name.

use clap::ValueEnum;
use countersign::{Policy, policy::Settings};

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Preset {
    Default,
    Auth0,
    Strict,
}

impl Preset {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Auth0 => "auth0",
            Self::Strict => "strict",
        }
    }

    pub(crate) fn policy(self) -> Result<Policy, String> {
        let settings = match self {
            Self::Default => Settings::default(),
            Self::Auth0 => Settings::auth0(),
            // No factor of it lets anybody in, so its settings are refused: it is good for confirming
            // addresses alone.
            Self::Strict => return Ok(Policy::strict()),
        };
        Policy::new(settings).map_err(|error| error.to_string())
    }
}
