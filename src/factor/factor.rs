//! The factors, one line and one arm each. What is special about one stands in its own file, behind [`Spec`]. This
//! module must never decide anything for one factor alone.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        email::{self, EmailFactor},
        spec::Spec,
    },
    value::{email_address::EmailAddress, id::AuthenticatorKind},
};

/// What an authenticator proves, with what is needed to use it. Immutable for the authenticator's life.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Factor {
    /// Control of an email address.
    Email(EmailFactor),
}

impl Factor {
    /// The factor, as its own file describes it.
    fn spec(&self) -> &dyn Spec {
        match self {
            Self::Email(factor) => factor,
        }
    }

    /// What the factor's authenticator is called.
    #[must_use]
    pub fn kind(&self) -> AuthenticatorKind {
        self.spec().kind()
    }

    /// The way its messages travel if a request names none; absent if it gets no messages.
    #[must_use]
    pub fn channel(&self) -> Option<Channel> {
        self.spec().channel()
    }

    /// Where its messages go by that channel; absent if it gets no messages.
    #[must_use]
    pub fn destination(&self) -> Option<Destination> {
        self.destination_by(self.channel()?)
    }

    /// What tells it from another of its kind.
    #[must_use]
    pub fn label(&self) -> FactorLabel {
        self.spec().label()
    }

    /// The wanted channel, if the factor is reached by it; without a wish, the factor's own.
    pub(crate) fn channel_for(&self, wanted: Option<Channel>) -> Option<Channel> {
        match wanted {
            Some(channel) => self.address_by(channel).map(|_| channel),
            None => self.channel(),
        }
    }

    pub(crate) fn address_by(&self, channel: Channel) -> Option<&[u8]> {
        self.spec().address(channel)
    }

    pub(crate) fn destination_by(&self, channel: Channel) -> Option<Destination> {
        self.spec().destination(channel)
    }
}

impl Channel {
    /// The Authentication Method Reference values (RFC 8176 section 2) of a code that came by this channel.
    pub(crate) const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Email => email::AMR,
        }
    }
}

/// A factor to enroll: what [`associate`](crate::Verifier::associate) and [`provision`](crate::Verifier::provision)
/// take.
///
/// ```
/// # fn main() -> Result<(), countersign::factor::AddressError> {
/// use countersign::{EmailAddress, NewFactor};
///
/// let factor = NewFactor::email(EmailAddress::parse("user@example.com")?);
/// # drop(factor); Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFactor {
    factor: Factor,
}

impl NewFactor {
    /// Control of an email address, proven by a code that is sent to it.
    #[must_use]
    pub const fn email(address: EmailAddress) -> Self {
        Self { factor: Factor::Email(EmailFactor::new(address)) }
    }

    pub(crate) const fn factor(&self) -> &Factor {
        &self.factor
    }
}

/// The factor of an authenticator, as a host that takes it back names it to
/// [`deprovision`](crate::Verifier::deprovision).
impl From<&Factor> for NewFactor {
    fn from(factor: &Factor) -> Self {
        Self { factor: factor.clone() }
    }
}

impl From<EmailAddress> for NewFactor {
    fn from(address: EmailAddress) -> Self {
        Self::email(address)
    }
}
