//! Evidence: what a verified code proves, and no more.
//!
//! A host composes its own assurance from it. The core never names an assurance level: email cannot bear one (NIST
//! SP 800-63B-4 section 3.1.3.1), and neither factor here resists phishing.

use time::OffsetDateTime;

use crate::{
    factor::factor::Channel,
    value::{
        id::{AuthenticatorId, AuthenticatorKind},
        instant::Millis,
    },
};

/// That one authenticator verified one code at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Evidence {
    /// Which authenticator, or which recovery set.
    pub authenticator: AuthenticatorId,
    /// How the code travelled; absent for a recovery code. Two factors that reach one mailbox are one factor.
    pub channel: Option<Channel>,
    /// When the code was verified: the `auth_time` of this factor.
    pub at: OffsetDateTime,
}

impl Evidence {
    pub(crate) fn new(authenticator: AuthenticatorId, channel: Option<Channel>, at: Millis) -> Self {
        Self { authenticator, channel, at: at.to_datetime() }
    }

    /// What kind of factor it was.
    #[must_use]
    pub const fn kind(&self) -> AuthenticatorKind {
        self.authenticator.kind()
    }

    /// The Authentication Method Reference values (RFC 8176 section 2) that this alone supports: `mca` for an emailed
    /// code, because a second channel took part; none for a recovery code, because none is registered. Whether `mfa`
    /// may be added only the host can know: it takes two distinct factors, and the host judged the first.
    #[must_use]
    pub const fn amr(&self) -> &'static [&'static str] {
        match self.kind() {
            AuthenticatorKind::Email => &["mca"],
            AuthenticatorKind::RecoveryCode => &[],
        }
    }
}
