//! Evidence: what a verified code proves, and no more.
//!
//! A host composes its own assurance from it. The core never names an assurance level: email cannot bear one (NIST
//! SP 800-63B-4 section 3.1.3.1), and no factor here resists phishing.

use time::OffsetDateTime;

use crate::{
    factor::{destination::Channel, one_time},
    value::{id::AuthenticatorId, instant::Millis},
};

/// How a second factor was proven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Method {
    /// By the code of a message.
    Oob,
    /// By a recovery code.
    RecoveryCode,
    /// By a remembered device, in the place of a factor.
    Device,
    /// By a one-time password.
    Otp,
}

/// That one second factor was proven at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Evidence {
    /// How it was proven.
    pub method: Method,
    /// Which authenticator or which recovery set proved it; absent if none of the account did.
    pub authenticator: Option<AuthenticatorId>,
    /// How the code travelled; absent if no message took part. Two factors that reach one mailbox are one factor.
    pub channel: Option<Channel>,
    /// When the code was verified, or the device recognized: the `auth_time` of this factor.
    #[cfg_attr(feature = "serde", serde(with = "crate::value::serde_helpers::millis"))]
    pub at: OffsetDateTime,
    /// Of a remembered device: since when, which is when its holder last proved a second factor on it. Absent
    /// of everything else.
    #[cfg_attr(feature = "serde", serde(with = "crate::value::serde_helpers::optional_millis"))]
    pub remembered_since: Option<OffsetDateTime>,
}

impl Evidence {
    /// Of the code of a message.
    pub(crate) fn oob(authenticator: AuthenticatorId, channel: Channel, at: Millis) -> Self {
        let (authenticator, channel) = (Some(authenticator), Some(channel));
        Self { method: Method::Oob, authenticator, channel, at: at.to_datetime(), remembered_since: None }
    }

    /// Of a device that is remembered since then. No authenticator takes part: the one that vouched proved
    /// nothing now.
    pub(crate) fn device(since: Millis, at: Millis) -> Self {
        let remembered_since = Some(since.to_datetime());
        let (authenticator, channel) = (None, None);
        Self { method: Method::Device, authenticator, channel, at: at.to_datetime(), remembered_since }
    }

    /// Of a one-time password.
    pub(crate) fn otp(authenticator: AuthenticatorId, at: Millis) -> Self {
        let (authenticator, channel) = (Some(authenticator), None);
        Self { method: Method::Otp, authenticator, channel, at: at.to_datetime(), remembered_since: None }
    }

    /// Of a recovery code of this set.
    pub(crate) fn recovery_code(recovery: AuthenticatorId, at: Millis) -> Self {
        let method = Method::RecoveryCode;
        let (authenticator, channel) = (Some(recovery), None);
        Self { method, authenticator, channel, at: at.to_datetime(), remembered_since: None }
    }

    /// Whether its holder used a second factor at [`at`](Self::at), and was not only recognized: what enrolling and
    /// removing a factor rest on. A remembered device is recognized, and no more.
    pub(crate) const fn is_of_a_factor(&self) -> bool {
        match self.method {
            Method::Oob | Method::Otp | Method::RecoveryCode => true,
            Method::Device => false,
        }
    }

    /// The Authentication Method Reference values (RFC 8176 section 2) that this alone supports: for the code
    /// of a message those of its channel, such as `mca` for an emailed one, because a second channel took
    /// part; `otp` for a one-time password; none for a recovery code, because none is registered, and none
    /// for a remembered device, because it proves no factor. Whether `mfa` may be added only the host can
    /// know: it takes two distinct factors, and the host judged the first. For a remembered device it never
    /// may.
    pub fn amr(&self) -> impl Iterator<Item = &'static str> + use<> {
        let values = match self.method {
            Method::Oob => self.channel.map_or(&[][..], Channel::amr),
            Method::Otp => one_time::AMR,
            Method::RecoveryCode | Method::Device => &[],
        };
        values.iter().copied()
    }
}
