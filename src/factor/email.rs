//! The factor email: a code goes to an address, and whoever types it controls the mailbox.
//!
//! Auth0 calls it an `oob` authenticator with the `oob_channel` `email`. It bears no assurance level of its own (NIST
//! SP 800-63B-4 section 3.1.3.1). What an address may be, and its mask, is the rule of [`EmailAddress`], which a stored
//! record is read by as well.

use crate::{
    factor::{
        destination::{Channel, Destination, FactorLabel},
        spec::Spec,
    },
    value::{email_address::EmailAddress, id::AuthenticatorKind},
};

/// The Authentication Method Reference values (RFC 8176 section 2) of an emailed code: a second channel took part.
pub(super) const AMR: &[&str] = &["mca"];

/// Control of an email address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct EmailFactor {
    address: EmailAddress,
}

impl EmailFactor {
    pub(crate) const fn new(address: EmailAddress) -> Self {
        Self { address }
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl Spec for EmailFactor {
    fn kind(&self) -> AuthenticatorKind {
        AuthenticatorKind::Email
    }

    fn channel(&self) -> Option<Channel> {
        Some(Channel::Email)
    }

    fn address(&self, channel: Channel) -> Option<&[u8]> {
        (channel == Channel::Email).then(|| self.address.as_bytes())
    }

    fn destination(&self, channel: Channel) -> Option<Destination> {
        (channel == Channel::Email).then(|| Destination::Email(self.address.clone()))
    }

    fn label(&self) -> FactorLabel {
        FactorLabel::Destination(Destination::Email(self.address.clone()))
    }
}
