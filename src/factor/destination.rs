//! Channels and destinations: how a message travels, and where it goes. This module must never send anything.

use alloc::{borrow::ToOwned as _, string::String};

use crate::value::{email_address::EmailAddress, id::AuthenticatorKind};

/// The way a message travels: the `oob_channel` of Auth0's API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
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

/// Where a message goes. The channel follows from it.
///
/// `Debug` shows the masked form: a destination is personal data, and a log is no place for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Destination {
    /// A mailbox, by [`Channel::Email`].
    Email(EmailAddress),
}

impl Destination {
    /// How a message to it travels.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
        }
    }

    /// The address or number, exactly as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
        }
    }

    /// The form in which messages to one mailbox or number are counted as one, however it is written.
    pub(crate) fn counting_form(&self) -> String {
        match self {
            Self::Email(address) => address.counting_form(),
        }
    }

    /// The address or number with most of it starred out, by the rule of its own type.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => address.masked(),
        }
    }
}

/// What tells one authenticator of an account from another, for the account's holder.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FactorLabel {
    /// Where its messages go, whole.
    Destination(Destination),
    /// It gets no messages: its kind is all that is known of it.
    Kind(AuthenticatorKind),
}

impl FactorLabel {
    /// Where its messages go, if it gets any.
    #[must_use]
    pub const fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Destination(destination) => Some(destination),
            Self::Kind(_) => None,
        }
    }

    /// The label, masked as far as it is personal data: fit for a list that somebody with the first factor alone reads.
    /// Of one without a destination it is the name of its kind.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Destination(destination) => destination.masked(),
            Self::Kind(kind) => kind.as_str().to_owned(),
        }
    }
}
