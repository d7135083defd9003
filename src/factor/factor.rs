//! The factors, each an address or a secret behind an authenticator, and the channels that codes go by. A new one is
//! a variant here; the compiler then names every place that must decide about it. This module must never send
//! anything.

use crate::value::{email_address::EmailAddress, id::AuthenticatorKind};

/// The way a code travels: the `oob_channel` of Auth0's API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Channel {
    /// Electronic mail, `email`.
    Email,
}

impl Channel {
    /// The name on the wire, which is also what enters the MACs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
        }
    }
}

/// What an authenticator proves, with what is needed to use it. Immutable for the authenticator's life.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Factor {
    /// Control of an email address.
    Email(EmailAddress),
}

impl Factor {
    /// What the factor's authenticator is called.
    #[must_use]
    pub const fn kind(&self) -> AuthenticatorKind {
        match self {
            Self::Email(_) => AuthenticatorKind::Email,
        }
    }

    /// The way its codes travel.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
        }
    }

    /// Where its codes go.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        match self {
            Self::Email(address) => address,
        }
    }
}
